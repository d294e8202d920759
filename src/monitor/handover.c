/* SPDX-License-Identifier: MIT */
/* The side of a handover that comes. */
#include "monitor/handover.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/inventory.h"

int handover_find(struct handover *handover)
{
	const char *word = getenv(HANDOVER_ENVIRONMENT);
	int end = 0;

	*handover = (struct handover){ .parcel_fd = -1, .config_fd = -1, .report_fd = -1 };
	if (!word)
		return 0;
	if (sscanf(word, HANDOVER_FORMAT "%n", &handover->parcel_fd, &handover->config_fd, &handover->report_fd, &end) !=
	            3 ||
	    word[end] != '\0') {
		fputs("virtfs-proxy-helper: " HANDOVER_ENVIRONMENT " is set, which is between one monitor and the next: unset it\n", stderr);
		return -EINVAL;
	}
	unsetenv(HANDOVER_ENVIRONMENT);
	if (handover->config_fd >= 0) {
		fcntl(handover->config_fd, F_SETFD, FD_CLOEXEC);
		lseek(handover->config_fd, 0, SEEK_SET);
	}
	if (handover->report_fd >= 0)
		fcntl(handover->report_fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

static bool is_same(const char *option, const char *before, const char *now)
{
	if (before == now || (before && now && !strcmp(before, now)))
		return true;
	log_error("%s was %s and would be %s: this takes a restart, not a reload", option, before ? before : "not given",
	          now ? now : "not given");
	return false;
}

/* Relative names are to mean what they meant. */
static int take_names(struct parcel *parcel, struct monitor *monitor)
{
	const struct options *options = monitor->options;
	struct names names;
	bool same;

	inventory_names(parcel, &names);
	if (parcel->error)
		return parcel->error;
	monitor->directory = names.directory ? strdup(names.directory) : NULL;
	if (names.directory && chdir(names.directory))
		log_warning("cannot return to %s: %s; relative names will not be found", names.directory, strerror(errno));
	same = is_same("--socket", names.socket, options->socket) && is_same("--control", names.control, options->control) &&
	       is_same("--pid-file", names.pid_file, options->pid_file);
	parcel_free_text(&names.directory);
	parcel_free_text(&names.socket);
	parcel_free_text(&names.control);
	parcel_free_text(&names.pid_file);
	return same ? 0 : -EINVAL;
}

/* A rehearsal is over when its worker is ready. */
static void on_worker_ready(void *context)
{
	struct monitor *monitor = context;

	monitor->serving = true;
	event_base_loopbreak(monitor->base);
}

static void on_worker_failed(void *context)
{
	event_base_loopbreak(((struct monitor *)context)->base);
}

static void on_nothing(void *context)
{
	(void)context;
}

static int run_worker(struct monitor *monitor)
{
	static const struct workforce_events events = { .ready = on_worker_ready, .failed = on_worker_failed, .lost = on_nothing };
	int error;

	monitor->base = event_base_new();
	error = monitor->base ? custody_create(&monitor->custody, 1) : -ENOMEM;
	if (!error)
		error = monitor_equip(monitor);
	if (error)
		return error;
	monitor->workforce.events = &events;
	error = workforce_start(&monitor->workforce);
	if (!error)
		event_base_dispatch(monitor->base);
	workforce_finish(&monitor->workforce);
	return error ? error : monitor->serving ? 0 : -ECHILD;
}

static int rehearse_takeover(struct monitor *monitor, const struct handover *handover)
{
	struct parcel parcel;
	int error;

	log_open(LOG_TO_MONITOR);
	parcel_open(&parcel, handover->parcel_fd);
	error = take_names(&parcel, monitor);
	if (!error)
		error = monitor_provide(monitor);
	if (!error)
		error = run_worker(monitor);
	if (!error && write(handover->report_fd, "", 1) != 1)
		error = -errno;
	parcel_finish(&parcel);
	monitor_finish(monitor);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* What was listened on still is. */
static int resume_sockets(struct monitor *monitor, int listening, int control)
{
	const struct options *options = monitor->options;
	int error = 0;

	monitor->bound_fd = listening;
	if (monitor->named) {
		monitor->name.path = options->socket;
		monitor->name.uid = options->uid;
		monitor->name.gid = options->gid;
	}
	monitor->control.name.path = options->control;
	monitor->control.named = options->control != NULL;
	if (control >= 0)
		error = control_start(&monitor->control, monitor->base, control, &monitor_control_host, monitor);
	return error ? error : monitor_listen(monitor);
}

/* Everything that there was. */
static int take_all(struct parcel *parcel, struct monitor *monitor)
{
	struct workforce handed = { .serving = NULL };
	int listening, control, error;

	inventory_monitor(parcel, monitor, &listening, &control);
	inventory_workforce(parcel, &handed);
	error = parcel->error;
	if (!error && monitor->options->fd_store && monitor->notify.wanted)
		store_begin(&monitor->custody);
	monitor->base = event_base_new();
	if (!error)
		error = monitor->base ? monitor_equip(monitor) : -ENOMEM;
	if (!error)
		error = workforce_resume(&monitor->workforce, &handed);
	if (!error)
		inventory_remains(parcel, &monitor->workforce.remains, monitor->base);
	monitor->pid_file.path = monitor->options->pid_file;
	monitor->serving = true;
	return error ? error : resume_sockets(monitor, listening, control);
}

/* What could go wrong was tried; if it goes wrong now, those that are served stay so. */
static void renew(struct monitor *monitor)
{
	int old_export = descriptor_take(&monitor->export_fd);

	if (monitor_provide(monitor))
		monitor->export_fd = old_export;
	else
		descriptor_close(&old_export);
	monitor->workforce.setup.export_fd = monitor->export_fd;
	monitor->workforce.setup.threads = monitor->limits.threads;
	if (chdir("/"))
		log_warning("cannot go to the root directory: %s", strerror(errno));
	if (workforce_succeed(&monitor->workforce))
		monitor_reloaded(monitor, "error: no new worker can be started, and the old one goes on");
}

static int take_over(struct monitor *monitor, const struct handover *handover)
{
	struct parcel parcel;
	sigset_t none;
	int sink, error;

	log_open(log_find_stderr());
	parcel_open(&parcel, handover->parcel_fd);
	error = take_names(&parcel, monitor);
	PARCEL_PASS(&parcel, sink);
	log_open((enum log_sink)sink);
	if (!error)
		error = take_all(&parcel, monitor);
	parcel_finish(&parcel);
	if (error) {
		log_error("cannot go on in another monitor's place: %s", strerror(-error));
		return error;
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	renew(monitor);
	return 0;
}

int handover_main(const struct options *options, const struct handover *handover)
{
	static struct monitor monitor;

	monitor_init(&monitor, options);
	log_level = options->log_level;
	signal(SIGPIPE, SIG_IGN);
	if (handover->report_fd >= 0)
		return rehearse_takeover(&monitor, handover);
	prctl(PR_SET_NAME, "vph-monitor");
	if (handover->config_fd >= 0)
		close(handover->config_fd);
	if (take_over(&monitor, handover)) {
		monitor.status = EXIT_FAILURE;
		monitor.over = true;
	}
	return monitor_serve(&monitor);
}

/* SPDX-License-Identifier: MIT */
/* The side of a handover that goes: monitor/handover.h. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/handover.h"
#include "monitor/inventory.h"
#include "options_file.h"

static void write_parcel(struct parcel *parcel, struct monitor *monitor)
{
	struct names names = {
		monitor->directory, monitor->options->socket, monitor->options->control, monitor->options->pid_file
	};
	int sink = (int)log_sink();
	int listening = monitor->listener.current ? evconnlistener_get_fd(monitor->listener.current) : -1;

	parcel_create(parcel);
	inventory_names(parcel, &names);
	PARCEL_PASS(parcel, sink);
	inventory_monitor(parcel, monitor, &listening, &monitor->control.listener);
	inventory_workforce(parcel, &monitor->workforce);
	inventory_remains(parcel, &monitor->workforce.remains, NULL);
}

/* The program that was installed under the name of the one that runs. */
static int find_program(char program[static PATH_MAX])
{
	static const char deleted[] = " (deleted)";
	ssize_t size = readlink("/proc/self/exe", program, PATH_MAX - 1);

	if (size < 0)
		return -errno;
	program[size] = '\0';
	/* That is the kernel's way to say that another file has its name by now, proc_pid_exe(5). */
	if (size > (ssize_t)strlen(deleted) && !strcmp(program + size - strlen(deleted), deleted))
		program[size - (ssize_t)strlen(deleted)] = '\0';
	return 0;
}

/* The file of --config, once, so that what was tried is what is used. -1: there is none. */
static int copy_config(const struct monitor *monitor)
{
	AUTO_CLOSE int directory = monitor->directory ? open(monitor->directory, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	AUTO_CLOSE int from = -1;
	AUTO_CLOSE int copy = -1;

	if (!monitor->options->config)
		return -1;
	from = openat(directory, monitor->options->config, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (from < 0)
		return -errno;
	copy = memfd_create("config", MFD_CLOEXEC);
	if (copy < 0 || sendfile(copy, from, NULL, OPTIONS_FILE_SIZE + 1) < 0)
		return -errno;
	return descriptor_take(&copy);
}

/* Ours with a word for the next program. NULL: no memory. The caller's to free, but for the entries. */
static char **make_environment(char *word)
{
	size_t count = 0;
	char **made;

	while (environ[count])
		count++;
	made = calloc(count + 2, sizeof *made);
	if (!made)
		return NULL;
	memcpy(made, environ, count * sizeof *made);
	made[count] = word;
	return made;
}

void monitor_reloaded(struct monitor *monitor, const char *format, ...)
{
	static const char error[] = "error: ";
	char text[LOG_LINE_MAX];
	va_list arguments;
	bool failed;

	va_start(arguments, format);
	vsnprintf(text, sizeof text - 1, format, arguments);
	va_end(arguments);
	failed = !strncmp(text, error, strlen(error));
	log_write(failed ? LOG_ERR : LOG_INFO, "reload: %s", failed ? text + strlen(error) : text);
	notify_ready(&monitor->notify, monitor->base, &monitor->custody);
	if (monitor->asker_fd >= 0) {
		size_t size = strlen(text);

		text[size++] = '\n';
		send(monitor->asker_fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	descriptor_close(&monitor->asker_fd);
}

static void on_rehearsed(void *context, bool well)
{
	struct monitor *monitor = context;
	const char *complaint = monitor->rehearsal.complaint;

	if (well) {
		monitor->changing = true;
		event_base_loopbreak(monitor->base);
		return;
	}
	monitor_reloaded(monitor, "error: it would not start with this program and configuration, so that nothing has changed: %s",
	                 complaint[0] ? complaint : "it ended without a word");
}

/* What is in the parcel that is rehearsed with is not what is handed over in the end, but of the same kind. */
static int rehearse(struct monitor *monitor)
{
	char program[PATH_MAX], word[sizeof HANDOVER_ENVIRONMENT + 64];
	int keep[2], report, error;
	struct parcel parcel;

	descriptor_close(&monitor->config_fd);
	monitor->config_fd = copy_config(monitor);
	if (monitor->config_fd < -1)
		return monitor->config_fd;
	error = find_program(program);
	if (!error)
		error = rehearsal_open(&monitor->rehearsal, &report);
	if (error)
		return error;
	write_parcel(&parcel, monitor);
	keep[0] = parcel_seal(&parcel);
	keep[1] = monitor->config_fd;
	error = keep[0] < 0 ? keep[0] : 0;
	if (!error) {
		char **environment;

		snprintf(word, sizeof word, HANDOVER_ENVIRONMENT "=" HANDOVER_FORMAT, keep[0], keep[1], report);
		environment = make_environment(word);
		error = environment ? rehearsal_start(&monitor->rehearsal, monitor->base,
		                                      &(struct piece){ program, monitor->options->arguments, environment, keep,
		                                                       keep[1] < 0 ? 1 : 2 },
		                                      on_rehearsed, monitor) :
		                      -ENOMEM;
		free(environment);
	}
	parcel_finish(&parcel);
	if (error)
		rehearsal_stop(&monitor->rehearsal);
	return error;
}

void monitor_reload(struct monitor *monitor, int asker)
{
	const struct workforce *workforce = &monitor->workforce;
	int error;

	if (!monitor->serving || monitor->stopping || monitor->rehearsal.pid > 0 || monitor->changing ||
	    workforce->succeeding) {
		static const char busy[] = "error: there is a reload, a start or a stop under way\n";

		log_warning("reload: there is one, a start or a stop under way");
		if (asker >= 0) {
			send(asker, busy, strlen(busy), MSG_NOSIGNAL | MSG_DONTWAIT);
			close(asker);
		}
		return;
	}
	monitor->asker_fd = asker;
	monitor->reload_began = scoreboard_now();
	notify_reloading(&monitor->notify);
	if (!workforce_place(&monitor->workforce)) {
		monitor_reloaded(monitor, "error: %u old workers still have requests that do not return", workforce_retired(workforce));
		return;
	}
	error = rehearse(monitor);
	if (error)
		monitor_reloaded(monitor, "error: cannot try the new program: %s", strerror(-error));
}

static void execute(struct monitor *monitor, struct parcel *parcel)
{
	char program[PATH_MAX], word[sizeof HANDOVER_ENVIRONMENT + 64];
	char **environment;

	snprintf(word, sizeof word, HANDOVER_ENVIRONMENT "=" HANDOVER_FORMAT, parcel_seal(parcel), monitor->config_fd, -1);
	environment = make_environment(word);
	if (!environment || find_program(program) || parcel->error) {
		log_error("reload: %s", strerror(ENOMEM));
		free(environment);
		return;
	}
	parcel_survive(parcel, true);
	if (monitor->config_fd >= 0)
		fcntl(monitor->config_fd, F_SETFD, 0);
	execve(program, monitor->options->arguments, environment);
	log_error("reload: cannot execute %s: %s", program, strerror(errno));
	parcel_survive(parcel, false);
	if (monitor->config_fd >= 0)
		fcntl(monitor->config_fd, F_SETFD, FD_CLOEXEC);
	free(environment);
}

void monitor_change(struct monitor *monitor)
{
	struct parcel parcel;
	sigset_t all, before;

	/* Signals wait; what has arrived already, some of them perhaps, is dealt with: nothing is lost over the change. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	event_base_loop(monitor->base, EVLOOP_NONBLOCK);
	monitor->changing = false;
	if (!monitor->stopping) {
		write_parcel(&parcel, monitor);
		execute(monitor, &parcel);
		parcel_finish(&parcel);
		monitor_reloaded(monitor, "error: the new program could not take over: see the log");
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
}

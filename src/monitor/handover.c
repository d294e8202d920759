/* SPDX-License-Identifier: MIT */
#include "monitor/handover.h"

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
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/parcel.h"
#include "monitor/parts.h"
#include "options_file.h"

#define ENVIRONMENT "VIRTFS_PROXY_HANDOVER"

/* PARCEL,CONFIG,REPORT: numbers of descriptors, or -1. */
#define ENVIRONMENT_FORMAT "%d,%d,%d"

/* --- what is handed over, in its order: written and read by the same lines ------------------------------------ */

/* What a reload cannot change, because it is there already, under this name. */
struct names {
	const char *directory, *socket, *control, *pid_file;
};

static void pass_names(struct parcel *parcel, struct names *names)
{
	parcel_pass_text(parcel, &names->directory);
	parcel_pass_text(parcel, &names->socket);
	parcel_pass_text(parcel, &names->control);
	parcel_pass_text(parcel, &names->pid_file);
}

static void pass_name(struct parcel *parcel, struct socket_name *name)
{
	parcel_pass_fd(parcel, &name->directory);
	PARCEL_PASS(parcel, name->base);
	PARCEL_PASS(parcel, name->dev);
	PARCEL_PASS(parcel, name->ino);
}

static void pass_client(struct parcel *parcel, struct custody *custody, uint32_t index)
{
	parcel_pass_fd(parcel, &custody->copies[index]);
	PARCEL_PASS(parcel, custody->holders[index]);
	PARCEL_PASS(parcel, custody->clients[index]);
}

#define NO_SLOT UINT32_MAX

/* The next slot from `index` on that somebody has. */
static uint32_t next_client(const struct custody *custody, uint32_t index)
{
	while (index < custody->scoreboard.count && custody->copies[index] < 0)
		index++;
	return index < custody->scoreboard.count ? index : NO_SLOT;
}

/* The slots in use, each with its number before it. */
static void pass_clients(struct parcel *parcel, struct custody *custody)
{
	for (uint32_t index = 0;; index++) {
		if (parcel->writing)
			index = next_client(custody, index);
		PARCEL_PASS(parcel, index);
		if (parcel->error || index == NO_SLOT)
			return;
		if (index >= custody->scoreboard.count) {
			parcel->error = -EPROTO;
			return;
		}
		pass_client(parcel, custody, index);
		if (!parcel->writing)
			custody->count++;
	}
}

/* With room for `most` clients where it is read. */
static void pass_custody(struct parcel *parcel, struct custody *custody, uint32_t most)
{
	parcel_pass_fd(parcel, &custody->scoreboard.slots_fd);
	parcel_pass_fd(parcel, &custody->scoreboard.ledgers_fd);
	if (!parcel->writing && !parcel->error)
		parcel->error = custody_adopt(custody, most);
	if (parcel->error)
		return;
	PARCEL_PASS(parcel, custody->gone);
	PARCEL_PASS(parcel, custody->admitted);
	PARCEL_PASS(parcel, custody->reaped_requests);
	PARCEL_PASS(parcel, custody->held_elsewhere);
	pass_clients(parcel, custody);
}

static void pass_worker(struct parcel *parcel, struct worker_process *worker)
{
	PARCEL_PASS(parcel, worker->number);
	if (worker->number == 0)
		return;
	PARCEL_PASS(parcel, worker->pid);
	PARCEL_PASS(parcel, worker->slots);
	PARCEL_PASS(parcel, worker->ready);
	PARCEL_PASS(parcel, worker->retired);
	PARCEL_PASS(parcel, worker->owes_release);
	PARCEL_PASS(parcel, worker->owes_stop);
	parcel_pass_fd(parcel, &worker->channel);
	parcel_pass_fd(parcel, &worker->log_fd);
	parcel_pass_fd(parcel, &worker->life_fd);
	PARCEL_PASS(parcel, worker->line);
	PARCEL_PASS(parcel, worker->line_size);
}

/* Children that are still to be reaped, with a 0 after the last; `base` is where they are read. */
static void pass_remains(struct parcel *parcel, struct remains *remains, struct event_base *base)
{
	bool hangs;
	pid_t pid = remains_pid(remains, 0, &hangs);

	for (unsigned i = 0; !parcel->error; pid = remains_pid(remains, ++i, &hangs)) {
		PARCEL_PASS(parcel, pid);
		PARCEL_PASS(parcel, hangs);
		if (pid == 0)
			return;
		if (!parcel->writing)
			remains_keep(remains, base, pid, pidfd_open(pid, 0), hangs);
	}
}

static void pass_workforce(struct parcel *parcel, struct workforce *workforce)
{
	int serving = workforce->serving ? (int)(workforce->serving - workforce->workers) : -1;

	for (unsigned i = 0; i < WORKFORCE_MOST; i++)
		pass_worker(parcel, &workforce->workers[i]);
	PARCEL_PASS(parcel, serving);
	PARCEL_PASS(parcel, workforce->started);
	PARCEL_PASS(parcel, workforce->restarts);
	PARCEL_PASS(parcel, workforce->crashes);
	PARCEL_PASS(parcel, workforce->first_crash);
	if (!parcel->writing && !parcel->error && serving >= 0 && serving < WORKFORCE_MOST)
		workforce->serving = &workforce->workers[serving];
}

/* All but the names, and but what has a place of its own while it is written: the sockets that are listened on. */
static void pass_monitor(struct parcel *parcel, struct monitor *monitor, int *listening, int *control)
{
	PARCEL_PASS(parcel, monitor->started);
	PARCEL_PASS(parcel, monitor->reload_began);
	PARCEL_PASS(parcel, monitor->single);
	PARCEL_PASS(parcel, monitor->named);
	PARCEL_PASS(parcel, monitor->notify.wanted);
	PARCEL_PASS(parcel, monitor->notify.watchdog_us);
	parcel_pass_fd(parcel, &monitor->export_fd);
	parcel_pass_fd(parcel, &monitor->asker_fd);
	parcel_pass_fd(parcel, &monitor->pid_file.directory);
	parcel_pass_fd(parcel, &monitor->pid_file.fd);
	PARCEL_PASS(parcel, monitor->pid_file.base);
	pass_name(parcel, &monitor->name);
	pass_name(parcel, &monitor->control.name);
	parcel_pass_fd(parcel, listening);
	parcel_pass_fd(parcel, control);
	pass_custody(parcel, &monitor->custody, monitor->limits.clients);
}

/* --- the side that goes -------------------------------------------------------------------------------------- */

static void write_parcel(struct parcel *parcel, struct monitor *monitor)
{
	struct names names = {
		monitor->directory, monitor->options->socket, monitor->options->control, monitor->options->pid_file
	};
	int sink = (int)log_sink();
	int listening = monitor->listener.current ? evconnlistener_get_fd(monitor->listener.current) : -1;

	parcel_create(parcel);
	pass_names(parcel, &names);
	PARCEL_PASS(parcel, sink);
	pass_monitor(parcel, monitor, &listening, &monitor->control.listener);
	pass_workforce(parcel, &monitor->workforce);
	pass_remains(parcel, &monitor->workforce.remains, NULL);
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
		strcat(text, "\n");
		send(monitor->asker_fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
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
	char program[PATH_MAX], word[sizeof ENVIRONMENT + 64];
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

		snprintf(word, sizeof word, ENVIRONMENT "=" ENVIRONMENT_FORMAT, keep[0], keep[1], report);
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
	char program[PATH_MAX], word[sizeof ENVIRONMENT + 64];
	char **environment;

	snprintf(word, sizeof word, ENVIRONMENT "=" ENVIRONMENT_FORMAT, parcel_seal(parcel), monitor->config_fd, -1);
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

/* --- the side that comes ------------------------------------------------------------------------------------- */

int handover_find(struct handover *handover)
{
	const char *word = getenv(ENVIRONMENT);
	int end = 0;

	*handover = (struct handover){ .parcel_fd = -1, .config_fd = -1, .report_fd = -1 };
	if (!word)
		return 0;
	if (sscanf(word, ENVIRONMENT_FORMAT "%n", &handover->parcel_fd, &handover->config_fd, &handover->report_fd, &end) !=
	            3 ||
	    word[end] != '\0') {
		fputs("virtfs-proxy-helper: " ENVIRONMENT " is set, which is between one monitor and the next: unset it\n", stderr);
		return -EINVAL;
	}
	unsetenv(ENVIRONMENT);
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

	pass_names(parcel, &names);
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

	pass_monitor(parcel, monitor, &listening, &control);
	pass_workforce(parcel, &handed);
	error = parcel->error;
	if (!error && monitor->options->fd_store && monitor->notify.wanted)
		store_begin(&monitor->custody);
	monitor->base = event_base_new();
	if (!error)
		error = monitor->base ? monitor_equip(monitor) : -ENOMEM;
	if (!error)
		error = workforce_resume(&monitor->workforce, &handed);
	if (!error)
		pass_remains(parcel, &monitor->workforce.remains, monitor->base);
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

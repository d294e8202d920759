/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: everything is opened before anything is given up. The export and the socket are made first,
 * under no name; then a worker is started, which confines itself; when that says it is ready, the socket gets its
 * name and clients are accepted. Each is given a slot, its socket is kept, and a copy goes to the worker.
 *
 * If the worker dies, another takes its place and adopts the connections that are kept (connection_adopt()).
 */
#include "monitor/monitor.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "common/policy.h"
#include "common/private_attributes.h"
#include "monitor/activation.h"
#include "monitor/control.h"
#include "monitor/custody.h"
#include "monitor/daemon.h"
#include "monitor/inherited.h"
#include "monitor/keeper.h"
#include "monitor/limits.h"
#include "monitor/listener.h"
#include "monitor/name.h"
#include "monitor/notify.h"
#include "monitor/peer.h"
#include "monitor/pid_file.h"
#include "monitor/ready.h"
#include "monitor/refusal.h"
#include "monitor/restart.h"
#include "monitor/status.h"
#include "monitor/stuck.h"
#include "monitor/worker_process.h"
#include "config.h"

/* The worker takes 4 s for its clients' last replies; after this it is no longer waited for. */
static const struct timeval stop_time = { .tv_sec = 4, .tv_usec = 200000 };

/* For a worker that has nothing to do but to answer what a dead one left: with the above, less than 5 s. */
static const struct timeval settle_time = { .tv_usec = 400000 };

static const char not_allowed[] = "its user is not among those of --allow-uid";

/*
 * Before a worker is replaced that was a replacement itself: what kills one after another, as a lack of memory may, is
 * not to keep the machine busy. Doubled each time.
 */
#define BACKOFF_FIRST_US 10000U
#define BACKOFF_MOST_US  1000000U

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct monitor {
	const struct options *options;
	struct limits limits;
	struct event_base *base;
	int export_fd;
	int inherited_fd; /* the launcher's socket, as it was passed, or -1 */
	int daemon_fd;   /* tells the process that was started that we are ready, or -1 */
	int control_fd;  /* the control socket until it is listened on, or -1 */
	int ready_fd;    /* tells whoever gave --ready-fd, or -1 */
	int bound_fd;    /* the listening socket until it is listened on, or -1 */
	int single_fd;   /* the connected socket of --fd until it is admitted, or -1 */
	bool single;     /* to serve a connected --fd, and end with it */
	bool serving;    /* the start is over */
	bool stopping;
	bool settling;   /* the last worker is there, for what a dead one owed */
	int status;      /* to exit with */
	struct socket_name name;
	bool named;
	struct pid_file pid_file;
	struct notify notify;
	struct keeper keeper;
	struct listener listener;
	struct refusals refusals;
	struct control control;
	struct custody custody;
	struct worker_process worker;
	struct stuck stuck;
	struct event *terminate, *interrupt, *hangup, *report, *deadline;
	uint64_t started; /* CLOCK_MONOTONIC, ns */
	uint64_t restarts; /* of the worker */
	struct event *replace;   /* timer: start a worker in a dead one's place */
	unsigned crashes;
	time_t first_crash;
};

static void end_loop(struct monitor *monitor)
{
	event_base_loopbreak(monitor->base);
}

static void fail(struct monitor *monitor)
{
	monitor->status = EXIT_FAILURE;
	end_loop(monitor);
}

/* --- stopping ------------------------------------------------------------------------------------------------ */

static void part_from_worker(struct monitor *monitor);
static void settle(struct monitor *monitor);

/* With a worker on its way, on_ready() goes on from here. */
static void stop(struct monitor *monitor)
{
	if (monitor->stopping)
		return;
	monitor->stopping = true;
	keeper_stop(&monitor->keeper);
	control_stop(&monitor->control);
	/* The name before the socket: it must not lead to nobody. */
	if (monitor->named)
		socket_name_close(&monitor->name);
	listener_stop(&monitor->listener);
	if (!monitor->serving) {
		end_loop(monitor);
		return;
	}
	notify_stopping(&monitor->notify);
	evtimer_add(monitor->deadline, &stop_time);
	if (monitor->worker.ready)
		worker_process_stop(&monitor->worker);
	else if (evtimer_pending(monitor->replace, NULL))
		settle(monitor);
}

static void on_signal(evutil_socket_t number, short what, void *argument)
{
	struct monitor *monitor = argument;

	(void)what;
	if (monitor->serving)
		log_info("%s: stopping", strsignal(number));
	stop(monitor);
}

/* ns */
static uint64_t stuck_after(const struct monitor *monitor)
{
	return monitor->options->stuck_seconds * UINT64_C(1000000000);
}

/* What there is to say of us. */
static void describe(void *context, struct status *status)
{
	const struct monitor *monitor = context;

	*status = (struct status){
		.custody = &monitor->custody,
		.path = monitor->options->path,
		.socket = monitor->options->socket,
		.policy = &monitor->options->policy,
		.confinement = &monitor->options->confinement,
		.most_clients = monitor->limits.clients,
		.most_threads = monitor->limits.threads,
		.started = monitor->started,
		.restarts = monitor->restarts,
		.worker = monitor->worker.pid,
		.stuck_after = stuck_after(monitor),
	};
}

static void on_report(evutil_socket_t number, short what, void *argument)
{
	struct status status;

	(void)number;
	(void)what;
	describe(argument, &status);
	status_log(&status);
}

static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	log_error("the worker does not end in time; leaving it");
	part_from_worker(argument);
	settle(argument);
}

/* --- clients ------------------------------------------------------------------------------------------------- */

/* Hands over what the worker does not have yet, as far as the channel takes it. */
static void hand_over(void *context)
{
	struct monitor *monitor = context;
	struct custody *custody = &monitor->custody;

	for (int slot = 0; (slot = custody_next_unhanded(custody, (uint32_t)slot)) >= 0; slot++) {
		int error = worker_process_give(&monitor->worker, (uint32_t)slot, custody->copies[slot]);

		/* Full, or its end is closed: that is noticed next, and another worker gets what this one did not. */
		if (error == -EAGAIN || error == -EPIPE || error == -ECONNRESET)
			return;
		if (error) {
			log_error("cannot hand a connection to the worker: %s", strerror(-error));
			slot_set_phase(&custody->scoreboard.slots[slot], SLOT_CLOSED);
		}
		custody->handed[slot] = true;
	}
	if (monitor->stopping)
		worker_process_stop(&monitor->worker);
}

/* A client has a slot now. */
static void admitted(struct monitor *monitor)
{
	notify_changed(&monitor->notify);
	if (monitor->worker.ready)
		hand_over(monitor);
}

static void on_accepted(int fd, void *context)
{
	struct monitor *monitor = context;
	struct peer peer;

	peer_read(fd, &peer);
	if (!peer_is_allowed(&peer, monitor->options))
		refuse(&monitor->refusals, monitor->base, fd, &peer, not_allowed);
	else if (custody_admit(&monitor->custody, fd, &peer) < 0)
		refuse(&monitor->refusals, monitor->base, fd, &peer, "there are as many clients as --max-clients allows");
	else
		admitted(monitor);
}

static void on_closed(void *context)
{
	struct monitor *monitor = context;

	if (!custody_reap(&monitor->custody))
		return;
	listener_resume(&monitor->listener);
	if (!monitor->stopping)
		notify_changed(&monitor->notify);
	if (monitor->single && monitor->custody.count == 0)
		stop(monitor);
}

/* --- the worker ---------------------------------------------------------------------------------------------- */

static void announce(const struct monitor *monitor)
{
	char policy[POLICY_TEXT_MAX];

	policy_describe(&monitor->options->policy, policy);
	log_info("version " VERSION ", serving %s on %s%s%s", monitor->options->path,
	         monitor->named ? "socket " : "an inherited socket", monitor->named ? monitor->name.path : "", policy);
}

/* To whoever waits for it, each in its way. First what can fail, while whoever started us still listens. */
static int tell_ready(struct monitor *monitor)
{
	int error = pid_file_publish(&monitor->pid_file);

	if (!error)
		error = notify_ready(&monitor->notify, monitor->base, &monitor->custody);
	if (error)
		return error;
	ready_tell(&monitor->ready_fd);
	if (monitor->daemon_fd >= 0)
		daemon_ready(&monitor->daemon_fd);
	return 0;
}

static void restart_worker(void *context, struct evbuffer *out);

static const struct control_host control_host = { describe, restart_worker };

/* The first worker is ready: now clients may come. */
static int begin_serving(struct monitor *monitor)
{
	int error = 0;

	/* Who finds the one socket finds the other. */
	if (monitor->options->control)
		error = control_start(&monitor->control, monitor->base, descriptor_take(&monitor->control_fd), &control_host,
		                      monitor);
	if (!error && monitor->named)
		error = socket_name_publish(&monitor->name);
	if (!error && monitor->bound_fd >= 0)
		error = listener_start(&monitor->listener, monitor->base, descriptor_take(&monitor->bound_fd), on_accepted,
		                       monitor);
	if (error)
		return error;

	if (monitor->named)
		keeper_start(&monitor->keeper, monitor->base, &monitor->name, &monitor->listener);
	announce(monitor);
	error = tell_ready(monitor);
	if (error)
		return error;
	monitor->serving = true;
	if (monitor->single)
		on_accepted(descriptor_take(&monitor->single_fd), monitor);
	return 0;
}

static void on_ready(void *context)
{
	struct monitor *monitor = context;

	/* After a crash: those that the last worker had. */
	hand_over(monitor);
	if (!monitor->serving && begin_serving(monitor))
		fail(monitor);
}

static bool crashes_too_often(struct monitor *monitor)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (monitor->crashes == 0 || now.tv_sec - monitor->first_crash > (time_t)monitor->options->crash_seconds) {
		monitor->crashes = 0;
		monitor->first_crash = now.tv_sec;
	}
	return ++monitor->crashes > monitor->options->crash_count;
}

static int start_worker(struct monitor *monitor);

/* It is gone, or shall be: what it had is ours alone again, but for the connections that it has ended. */
static void part_from_worker(struct monitor *monitor)
{
	worker_process_finish(&monitor->worker, monitor->stopping);
	stuck_forget(&monitor->stuck);
	monitor->custody.held_elsewhere |= monitor->worker.remains.first != NULL;
	custody_take_back(&monitor->custody);
	on_closed(monitor);
}

/*
 * There is no worker any more, at the end. A client that is still owed a reply must not see its socket end instead
 * (protocol.h): another worker answers, and leaves.
 */
static void settle(struct monitor *monitor)
{
	evtimer_del(monitor->replace);
	if (monitor->settling || monitor->custody.count == 0 || start_worker(monitor)) {
		end_loop(monitor);
		return;
	}
	monitor->settling = true;
	evtimer_add(monitor->deadline, &settle_time);
}

/* Microseconds; less than a second, which timeval counts apart. */
static suseconds_t backoff(unsigned crashes)
{
	unsigned pause = 0;

	for (; crashes > 1; crashes--)
		pause = pause == 0 ? BACKOFF_FIRST_US : 2 * pause < BACKOFF_MOST_US ? 2 * pause : BACKOFF_MOST_US - 1;
	return (suseconds_t)pause;
}

static void replace_worker(struct monitor *monitor)
{
	if (crashes_too_often(monitor)) {
		log_error("the worker has died %u times in %u seconds (--crash-limit); giving up", monitor->crashes,
		          monitor->options->crash_seconds);
		monitor->status = EXIT_FAILURE;
		stop(monitor);
		settle(monitor);
		return;
	}
	monitor->restarts++;
	log_warning("starting another worker for %u clients", monitor->custody.count);
	evtimer_add(monitor->replace, &(struct timeval){ .tv_usec = backoff(monitor->crashes) });
}

static void on_replace(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	if (start_worker(argument))
		fail(argument);
}

static void on_gone(void *context)
{
	struct monitor *monitor = context;

	part_from_worker(monitor);
	if (!monitor->serving)
		fail(monitor);
	else if (monitor->stopping)
		settle(monitor);
	else
		replace_worker(monitor);
}

/* For an administrator: no crash of its own, and so no pause, nor one that counts. */
static void restart_worker(void *context, struct evbuffer *out)
{
	struct monitor *monitor = context;
	struct restart restart;

	if (restart_kill(&restart, &monitor->worker, &monitor->custody)) {
		part_from_worker(monitor);
		monitor->restarts++;
		evtimer_del(monitor->replace);
		if (start_worker(monitor))
			fail(monitor);
		restart.started = monitor->worker.pid;
	}
	restart_write(&restart, out);
}

static void on_stuck(void *context, uint32_t slot, bool returned)
{
	struct monitor *monitor = context;
	struct status status;

	describe(monitor, &status);
	if (returned)
		stuck_returned(&monitor->stuck, slot);
	else
		stuck_look(&monitor->stuck, &status, slot);
}

static const struct worker_events worker_events = {
	.ready = on_ready,
	.room = hand_over,
	.closed = on_closed,
	.stuck = on_stuck,
	.gone = on_gone,
};

static int start_worker(struct monitor *monitor)
{
	const struct worker_setup setup = {
		.export_fd = monitor->export_fd,
		.threads = monitor->limits.threads,
		.busy_poll = monitor->options->busy_poll,
		.stuck_after = stuck_after(monitor),
		.confinement = monitor->options->confinement,
		.policy = monitor->options->policy,
		.scoreboard = monitor->custody.scoreboard,
	};

	return worker_process_start(&monitor->worker, monitor->base, &setup, &worker_events, monitor);
}

/* --- the start ----------------------------------------------------------------------------------------------- */

static int open_export(struct monitor *monitor)
{
	const char *path = monitor->options->path;

	monitor->export_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (monitor->export_fd >= 0)
		return 0;
	log_error("cannot export %s: %s", path, strerror(errno));
	return -errno;
}

/* Whoever connected it, --allow-uid means what it says; and without its one client there is nothing to start for. */
static int check_single(const struct monitor *monitor)
{
	struct peer peer;

	peer_read(monitor->single_fd, &peer);
	if (peer_is_allowed(&peer, monitor->options))
		return 0;
	refuse_only_client(monitor->single_fd, &peer, not_allowed);
	return -EACCES;
}

static int take_inherited(struct monitor *monitor)
{
	bool listening = false;
	int fd = inherited_socket_take(monitor->inherited_fd, &listening);

	if (fd < 0)
		return fd;
	monitor->single = !listening;
	*(listening ? &monitor->bound_fd : &monitor->single_fd) = fd;
	return monitor->single ? check_single(monitor) : 0;
}

static int make_named(struct monitor *monitor)
{
	const struct options *options = monitor->options;
	int error = socket_name_open(&monitor->name, options->socket, options->uid, options->gid);

	monitor->named = true;
	return error ? error : socket_name_bind(&monitor->name, &monitor->bound_fd);
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) && action.sa_handler == SIG_IGN;
}

/* nohup(1) is respected. */
static int watch_signals(struct monitor *monitor)
{
	monitor->terminate = evsignal_new(monitor->base, SIGTERM, on_signal, monitor);
	monitor->interrupt = evsignal_new(monitor->base, SIGINT, on_signal, monitor);
	monitor->hangup = evsignal_new(monitor->base, SIGHUP, on_signal, monitor);
	monitor->report = evsignal_new(monitor->base, SIGUSR1, on_report, monitor);
	monitor->deadline = evtimer_new(monitor->base, on_deadline, monitor);
	monitor->replace = evtimer_new(monitor->base, on_replace, monitor);
	if (!monitor->terminate || !monitor->interrupt || !monitor->hangup || !monitor->report || !monitor->deadline ||
	    !monitor->replace || event_add(monitor->terminate, NULL) || event_add(monitor->interrupt, NULL) ||
	    event_add(monitor->report, NULL))
		return -ENOMEM;
	return is_ignored(SIGHUP) || !event_add(monitor->hangup, NULL) ? 0 : -ENOMEM;
}

static int check_privilege(void)
{
	if (geteuid() != 0) {
		log_error("this needs root's privileges: start it as root, or as root of a user namespace");
		return -EPERM;
	}
	/* Anybody could then export anything, and read and change it as root. */
	if (getuid() != 0) {
		log_error("this was started with privileges that its caller, uid %u, does not have: never make it set-user-ID",
		          (unsigned)getuid());
		return -EPERM;
	}
	return 0;
}

static int prepare(struct monitor *monitor)
{
	int error = check_privilege();

	/* For every worker there will be: one that takes another's place goes by the same rules. */
	if (!error && monitor->options->policy.xattrs == XATTR_POLICY_HOST)
		error = private_attributes_read();
	if (!error)
		error = open_export(monitor);
	/* Before the socket, whose making changes what a relative name means. */
	if (!error && monitor->options->pid_file)
		error = pid_file_open(&monitor->pid_file, monitor->options->pid_file);
	if (!error)
		error = monitor->options->socket ? make_named(monitor) : take_inherited(monitor);
	if (!error && monitor->options->control)
		error = control_open(&monitor->control, monitor->options->control, &monitor->control_fd);
	if (!error)
		error = limits_fit(&monitor->limits, monitor->options->rlimit_nofile);
	if (error)
		return error;

	monitor->started = scoreboard_now();
	monitor->base = event_base_new();
	error = chdir("/") ? -errno : 0;
	if (!error)
		error = monitor->base ? custody_create(&monitor->custody, monitor->limits.clients) : -ENOMEM;
	if (!error)
		error = watch_signals(monitor);
	if (error) {
		log_error("cannot start: %s", strerror(-error));
		return error;
	}
	return start_worker(monitor);
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

static void finish(struct monitor *monitor)
{
	notify_finish(&monitor->notify);
	keeper_stop(&monitor->keeper);
	if (monitor->named)
		socket_name_close(&monitor->name);
	control_stop(&monitor->control);
	listener_stop(&monitor->listener);
	worker_process_finish(&monitor->worker, true);
	remains_finish(&monitor->worker.remains);
	stuck_forget(&monitor->stuck);
	refusals_finish(&monitor->refusals);
	custody_destroy(&monitor->custody);
	pid_file_remove(&monitor->pid_file);
	free_event(monitor->terminate);
	free_event(monitor->interrupt);
	free_event(monitor->hangup);
	free_event(monitor->report);
	free_event(monitor->deadline);
	free_event(monitor->replace);
	if (monitor->base)
		event_base_free(monitor->base);
	descriptor_close(&monitor->bound_fd);
	descriptor_close(&monitor->single_fd);
	descriptor_close(&monitor->control_fd);
	descriptor_close(&monitor->export_fd);
	descriptor_close(&monitor->ready_fd);
	descriptor_close(&monitor->daemon_fd);
}

/* What the launcher, or the service manager, has meant for us. Says what is wrong with it. */
static int take_from_launcher(struct monitor *monitor)
{
	const struct options *options = monitor->options;
	int error;

	notify_init(&monitor->notify);
	monitor->inherited_fd = options->fd;
	error = activation_take(!options->socket && options->fd < 0, &monitor->inherited_fd);
	if (!error && options->ready_fd >= 0)
		error = ready_check(options->ready_fd);
	if (!error)
		monitor->ready_fd = options->ready_fd;
	return error;
}

/* Nothing else of the launcher's but the standard descriptors. */
static int shed_launcher(const struct monitor *monitor)
{
	int keep[] = { monitor->inherited_fd, monitor->ready_fd };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(0);
	return descriptor_close_all_but(keep, COUNT(keep));
}

/* The part of it that is another process's business: who started us, and who we become. */
static int part_from_launcher(struct monitor *monitor)
{
	int error = descriptor_fill_standard();

	if (!error && take_from_launcher(monitor))
		return -EINVAL;
	if (!error)
		error = shed_launcher(monitor);
	if (!error && !monitor->options->foreground)
		error = daemon_fork(&monitor->daemon_fd);
	if (error)
		log_error("cannot start: %s", strerror(-error));
	return error;
}

int monitor_main(const struct options *options)
{
	struct monitor monitor = {
		.options = options,
		.limits = { options->max_clients, options->threads },
		.export_fd = -1,
		.inherited_fd = -1,
		.daemon_fd = -1,
		.control_fd = -1,
		.ready_fd = -1,
		.bound_fd = -1,
		.single_fd = -1,
		.control = { .listener = -1 },
		.keeper = { .watch_fd = -1 },
		.pid_file = { .directory = -1, .fd = -1 },
		.name = { .directory = -1, .staging_fd = -1 },
		.worker = { .channel = -1, .log_fd = -1, .life_fd = -1 },
	};

	stuck_init(&monitor.stuck);
	log_level = options->log_level;
	log_open(log_find_stderr());
	if (part_from_launcher(&monitor))
		return EXIT_FAILURE;
	prctl(PR_SET_NAME, "vph-monitor");

	if (prepare(&monitor))
		monitor.status = EXIT_FAILURE;
	else
		event_base_dispatch(monitor.base);
	finish(&monitor);
	return monitor.status;
}

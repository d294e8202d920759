/* SPDX-License-Identifier: MIT */
/*
 * The monitor at work: each client is given a slot, its socket is kept, and a copy goes to a worker (monitor/workforce.h),
 * until it is told to stop or, with a connected --fd, its one client is gone.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "common/policy.h"
#include "monitor/daemon.h"
#include "monitor/parts.h"
#include "monitor/peer.h"
#include "monitor/ready.h"
#include "monitor/restart.h"
#include "monitor/status.h"
#include "config.h"

static void end_loop(struct monitor *monitor)
{
	event_base_loopbreak(monitor->base);
}

/* --- stopping ------------------------------------------------------------------------------------------------ */

static void stop(struct monitor *monitor)
{
	if (monitor->stopping)
		return;
	monitor->stopping = true;
	rehearsal_stop(&monitor->rehearsal);
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
	workforce_stop(&monitor->workforce);
}

static void on_over(void *context)
{
	end_loop(context);
}

static void on_failed(void *context)
{
	struct monitor *monitor = context;

	monitor->status = EXIT_FAILURE;
	stop(monitor);
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
		.restarts = monitor->workforce.restarts,
		.worker = monitor->workforce.serving ? monitor->workforce.serving->pid : 0,
		.stuck_after = stuck_after(monitor),
	};
}

static void on_hangup(evutil_socket_t number, short what, void *argument)
{
	(void)what;
	log_info("%s: reloading", strsignal(number));
	monitor_reload(argument, -1);
}

static void on_report(evutil_socket_t number, short what, void *argument)
{
	struct status status;

	(void)number;
	(void)what;
	describe(argument, &status);
	status_log(&status);
}

static void on_reload(void *context, int asker)
{
	log_info("virtfs-proxyctl: reloading");
	monitor_reload(context, asker);
}

static void on_restart(void *context, struct evbuffer *out)
{
	struct monitor *monitor = context;
	struct restart restart;

	workforce_restart(&monitor->workforce, &restart);
	restart_write(&restart, out);
}

const struct control_host monitor_control_host = {
	.describe = describe,
	.restart_worker = on_restart,
	.reload = on_reload,
};

/* --- clients ------------------------------------------------------------------------------------------------- */

static void on_accepted(int fd, void *context)
{
	struct monitor *monitor = context;
	struct peer peer;

	peer_read(fd, &peer);
	if (!peer_is_allowed(&peer, monitor->options)) {
		refuse(&monitor->refusals, monitor->base, fd, &peer, PEER_NOT_ALLOWED);
		return;
	}
	if (custody_admit(&monitor->custody, fd, &peer) < 0) {
		refuse(&monitor->refusals, monitor->base, fd, &peer, "there are as many clients as --max-clients allows");
		return;
	}
	notify_changed(&monitor->notify);
	workforce_hand_over(&monitor->workforce);
}

static void on_reaped(void *context)
{
	struct monitor *monitor = context;

	listener_resume(&monitor->listener);
	if (!monitor->stopping)
		notify_changed(&monitor->notify);
	if (monitor->single && monitor->custody.count == 0)
		stop(monitor);
}

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

int monitor_listen(struct monitor *monitor)
{
	int error = 0;

	if (monitor->bound_fd >= 0)
		error = listener_start(&monitor->listener, monitor->base, descriptor_take(&monitor->bound_fd), on_accepted,
		                       monitor);
	if (!error && monitor->named)
		keeper_start(&monitor->keeper, monitor->base, &monitor->name, &monitor->listener);
	return error;
}

/* The first worker is ready: now clients may come. */
static int begin_serving(struct monitor *monitor)
{
	int error = 0;

	/* Who finds the one socket finds the other. */
	if (monitor->options->control)
		error = control_start(&monitor->control, monitor->base, descriptor_take(&monitor->control_fd),
		                      &monitor_control_host, monitor);
	if (!error && monitor->options->control)
		error = socket_name_publish(&monitor->control.name);
	if (!error && monitor->named)
		error = socket_name_publish(&monitor->name);
	if (!error)
		error = monitor_listen(monitor);
	if (error)
		return error;

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
	if (begin_serving(context))
		on_failed(context);
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

static void on_lost(void *context)
{
	struct monitor *monitor = context;

	stuck_forget(&monitor->stuck, &monitor->custody);
}

static void on_succeeded(void *context, int staying)
{
	struct monitor *monitor = context;
	unsigned ms;

	if (staying < 0) {
		monitor_reloaded(monitor, "error: the new worker does not start, and the old one goes on: see the log");
		return;
	}
	announce(monitor);
	ms = (unsigned)((scoreboard_now() - monitor->reload_began) / 1000000);
	if (staying > 0)
		monitor_reloaded(monitor,
		                 "done in %u ms: %u clients, of which %d are in the middle of a message, and stay with the old "
		                 "worker until it ends",
		                 ms, monitor->custody.count, staying);
	else
		monitor_reloaded(monitor, "done in %u ms: %u clients", ms, monitor->custody.count);
}

const struct workforce_events monitor_workforce_events = {
	.ready = on_ready,
	.reaped = on_reaped,
	.stuck = on_stuck,
	.lost = on_lost,
	.over = on_over,
	.failed = on_failed,
	.succeeded = on_succeeded,
};

/* --- from the start to the end ------------------------------------------------------------------------------- */

void monitor_init(struct monitor *monitor, const struct options *options)
{
	*monitor = (struct monitor){
		.options = options,
		.limits = { options->max_clients, options->threads },
		.export_fd = -1,
		.inherited_fd = -1,
		.legacy = { .slots_fd = -1, .ledgers_fd = -1 },
		.daemon_fd = -1,
		.control_fd = -1,
		.ready_fd = -1,
		.bound_fd = -1,
		.single_fd = -1,
		.config_fd = -1,
		.asker_fd = -1,
		.control = { .listener = -1, .name = { .directory = -1, .staging_fd = -1 } },
		.keeper = { .watch_fd = -1 },
		.pid_file = { .directory = -1, .fd = -1 },
		.name = { .directory = -1, .staging_fd = -1 },
		.custody = { .scoreboard = { .slots_fd = -1, .ledgers_fd = -1 } },
		.rehearsal = { .report_fd = -1, .log_fd = -1, .child_report_fd = -1, .child_log_fd = -1 },
	};
	stuck_init(&monitor->stuck);
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
	monitor->hangup = evsignal_new(monitor->base, SIGHUP, on_hangup, monitor);
	monitor->report = evsignal_new(monitor->base, SIGUSR1, on_report, monitor);
	if (!monitor->terminate || !monitor->interrupt || !monitor->hangup || !monitor->report ||
	    event_add(monitor->terminate, NULL) || event_add(monitor->interrupt, NULL) || event_add(monitor->report, NULL))
		return -ENOMEM;
	return is_ignored(SIGHUP) || !event_add(monitor->hangup, NULL) ? 0 : -ENOMEM;
}

int monitor_equip(struct monitor *monitor)
{
	const struct worker_setup setup = {
		.export_fd = monitor->export_fd,
		.threads = monitor->limits.threads,
		.busy_poll = monitor->options->busy_poll,
		.stuck_after = stuck_after(monitor),
		.release = monitor->custody.store != NULL,
		.confinement = monitor->options->confinement,
		.policy = monitor->options->policy,
		.scoreboard = monitor->custody.scoreboard,
	};
	int error = watch_signals(monitor);

	if (error)
		return error;
	error = workforce_init(&monitor->workforce, monitor->base, &monitor->custody, &setup, &monitor_workforce_events,
	                       monitor);
	monitor->workforce.crash_count = monitor->options->crash_count;
	monitor->workforce.crash_seconds = monitor->options->crash_seconds;
	return error;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void monitor_finish(struct monitor *monitor)
{
	rehearsal_stop(&monitor->rehearsal);
	notify_finish(&monitor->notify);
	keeper_stop(&monitor->keeper);
	if (monitor->named)
		socket_name_close(&monitor->name);
	control_stop(&monitor->control);
	listener_stop(&monitor->listener);
	workforce_finish(&monitor->workforce);
	stuck_forget(&monitor->stuck, NULL);
	legacy_finish(&monitor->legacy);
	refusals_finish(&monitor->refusals);
	custody_destroy(&monitor->custody);
	pid_file_remove(&monitor->pid_file);
	free_event(monitor->terminate);
	free_event(monitor->interrupt);
	free_event(monitor->hangup);
	free_event(monitor->report);
	if (monitor->base)
		event_base_free(monitor->base);
	descriptor_close(&monitor->bound_fd);
	descriptor_close(&monitor->single_fd);
	descriptor_close(&monitor->control_fd);
	descriptor_close(&monitor->export_fd);
	descriptor_close(&monitor->ready_fd);
	descriptor_close(&monitor->daemon_fd);
	descriptor_close(&monitor->config_fd);
	descriptor_close(&monitor->asker_fd);
	free(monitor->directory);
	monitor->directory = NULL;
}

int monitor_serve(struct monitor *monitor)
{
	if (!monitor->status)
		event_base_dispatch(monitor->base);
	/* Out of all callbacks, so that nothing is half done when another program takes our place. */
	while (monitor->changing && !monitor->stopping) {
		monitor_change(monitor);
		event_base_dispatch(monitor->base);
	}
	monitor_finish(monitor);
	return monitor->status;
}

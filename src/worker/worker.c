/* SPDX-License-Identifier: MIT */
/*
 * The worker's main thread. It runs no request and changes no credentials, so that nothing can keep it from
 * spreading new connections over the reactors, and from ending the process in time.
 */
#include "worker/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/descriptor.h"
#include "common/log.h"
#include "ops/object.h"
#include "worker/canary.h"
#include "worker/lookout.h"
#include "worker/policy.h"
#include "worker/reactor.h"
#include "worker/sandbox.h"

/* How long replies may take after a stop; the monitor, which has promised to be gone in 5 s, waits a little longer. */
static const struct timeval stop_time = { .tv_sec = 4 };

/*
 * How often to look after things while there is something to look after: clients that share a reactor with one whose
 * system call does not return, and what has been dealt with in the sockets of clients that have fallen silent.
 */
static const struct timeval tick_interval = { .tv_usec = 25000 };

/* From when on a system call is one that does not return. With the interval: others wait less than 100 ms. */
#define STUCK_NS 40000000U

struct worker {
	const struct worker_setup *setup;
	struct event_base *base;
	struct event *channel_event, *attention_event, *deadline, *tick;
	struct reactor_owner owner; /* that is us */
	_Atomic bool ticks;
	struct reactor **reactors;
	unsigned reactor_count;
	struct lookout lookout;
	struct client *clients; /* one for each slot */
	uint64_t *requests;     /* of each slot, when it was looked at for tidiness last */
	struct dispatch_reply settlement;
	bool stopping;
};

static _Noreturn void leave(const struct worker *worker, int status)
{
	connection_log_left_out();
	log_tell_dropped();
	/* Threads that hang in the kernel may keep the process, and with it this socket, for long after the exit. */
	close(worker->setup->channel);
	_exit(status);
}

/* The reactor with the fewest connections; a new one as long as none is idle and there may be more. */
static struct reactor *pick_reactor(struct worker *worker)
{
	struct reactor *best = NULL;

	for (unsigned i = 0; i < worker->reactor_count; i++)
		if (!best || reactor_load(worker->reactors[i]) < reactor_load(best))
			best = worker->reactors[i];

	if ((!best || reactor_load(best) > 0) && worker->reactor_count < worker->setup->threads &&
	    !reactor_start(worker->reactor_count + 1, &worker->owner, &worker->reactors[worker->reactor_count]))
		best = worker->reactors[worker->reactor_count++];
	return best;
}

static uint32_t count_connections(const struct scoreboard *scoreboard)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < scoreboard->count; i++)
		count += slot_phase(&scoreboard->slots[i]) != SLOT_FREE;
	return count;
}

/*
 * One at least. And where another worker has served, one for each of its clients, as far as that goes: of a successor
 * they come when it is ready, all at once, and would wait for threads to be made.
 */
static int start_reactors(struct worker *worker)
{
	uint32_t coming = count_connections(&worker->setup->scoreboard);

	do {
		struct reactor **place = &worker->reactors[worker->reactor_count];

		if (reactor_start(worker->reactor_count + 1, &worker->owner, place))
			break;
	} while (++worker->reactor_count < coming && worker->reactor_count < worker->setup->threads);
	return worker->reactor_count > 0 ? 0 : -ENOMEM;
}

static void begin_ticks(struct worker *worker)
{
	atomic_store(&worker->ticks, true);
	if (!evtimer_pending(worker->tick, NULL))
		evtimer_add(worker->tick, &tick_interval);
}

/* A reactor that gets a second client may be stuck with the first already. */
static void give_to_reactor(struct worker *worker, struct client *client, enum connection_state state)
{
	struct reactor *reactor = pick_reactor(worker);

	reactor_give(reactor, client, state);
	if (reactor_load(reactor) > 1)
		begin_ticks(worker);
}

static void take_connection(struct worker *worker, uint32_t index, int fd)
{
	struct slot *slot = &worker->setup->scoreboard.slots[index];
	struct client *client = &worker->clients[index];
	enum connection_state state;

	if (fd < 0) {
		log_error("client pid %d: no descriptor is left for its connection, which is cut", (int)slot->pid);
		client_report(worker->setup->channel, slot, SLOT_CLOSED);
		return;
	}
	/* Whichever reactor had the slot's last client is done with it, and its memory ours: this is where we see it. */
	if (atomic_load(&client->held))
		abort();
	client->channel = worker->setup->channel;
	client->index = index;
	client->poller = (struct poller){ .replied = 0 };
	if (slot_phase(slot) == SLOT_FREE)
		state = connection_init(&client->connection, fd, slot) ? CONNECTION_ENDED : CONNECTION_READS;
	else
		state = connection_adopt(&client->connection, fd, slot, &worker->settlement);

	if (state == CONNECTION_ENDED) {
		connection_finish(&client->connection);
		client_report(worker->setup->channel, slot, SLOT_CLOSED);
		return;
	}
	client->connection.ledger = &worker->setup->scoreboard.ledgers[index];
	atomic_store(&client->held, true);
	give_to_reactor(worker, client, state);
}

static bool all_finished(const struct worker *worker)
{
	for (unsigned i = 0; i < worker->reactor_count; i++)
		if (!reactor_finished(worker->reactors[i]))
			return false;
	return true;
}

/* Who shares a reactor with a request that does not return is moved to another first, which needs the ticks. */
static void begin_release(struct worker *worker)
{
	for (unsigned i = 0; i < worker->reactor_count; i++)
		reactor_release(worker->reactors[i]);
	begin_ticks(worker);
}

static void begin_stop(struct worker *worker)
{
	if (worker->stopping)
		return;
	worker->stopping = true;
	event_add(worker->deadline, &stop_time);
	for (unsigned i = 0; i < worker->reactor_count; i++)
		reactor_stop(worker->reactors[i]);
}

/* While its request hangs nobody can tidy a connection; its reactor asks for ticks when it goes on. */
static bool hangs(const struct slot *slot)
{
	return slot_phase(slot) == SLOT_EXECUTING && slot_load(slot->since) + STUCK_NS < scoreboard_now();
}

/*
 * Whether a connection is untidy and was so, without a request since, when it was looked at last: then its client has
 * fallen silent, or waits for room to send.
 */
static bool is_left_untidy(struct worker *worker, uint32_t index, bool *untidy)
{
	const struct slot *slot = &worker->setup->scoreboard.slots[index];
	uint64_t before = worker->requests[index];

	if (!atomic_load(&worker->clients[index].held) || slot_kept(slot) <= 1 || hangs(slot))
		return false;
	*untidy = true;
	worker->requests[index] = slot_load(slot->requests);
	return worker->requests[index] == before;
}

/* The reactor with the fewest connections among those that are not stuck; `stuck` if all are. */
static struct reactor *pick_other(struct worker *worker, struct reactor *stuck, uint64_t since)
{
	struct reactor *best = NULL;

	for (unsigned i = 0; i < worker->reactor_count; i++) {
		struct reactor *reactor = worker->reactors[i];

		if (reactor != stuck && !reactor_is_stuck(reactor, since) &&
		    (!best || reactor_load(reactor) < reactor_load(best)))
			best = reactor;
	}
	return best ? best : stuck;
}

/* Moves those that wait for a reactor that is stuck with another's request. True: some share a reactor. */
static bool rescue(struct worker *worker)
{
	uint64_t since = scoreboard_now() - STUCK_NS;
	bool shared = false;
	struct client *next;

	for (unsigned i = 0; i < worker->reactor_count; i++) {
		struct reactor *reactor = worker->reactors[i];

		shared |= reactor_load(reactor) > 1;
		for (struct client *client = reactor_rescue(reactor, since); client; client = next) {
			next = client->next;
			reactor_give(pick_other(worker, reactor, since), client, client->state);
		}
	}
	return shared;
}

/* Has what silent clients left behind taken away. True: there is, or may be, more to come. */
static bool tidy(struct worker *worker)
{
	bool untidy = false;

	for (uint32_t i = 0; i < worker->setup->scoreboard.count; i++)
		if (is_left_untidy(worker, i, &untidy))
			reactor_tidy(worker->clients[i].reactor);
	return untidy;
}

static bool any_executing(const struct worker *worker)
{
	for (uint32_t i = 0; i < worker->setup->scoreboard.count; i++)
		if (atomic_load(&worker->clients[i].held) &&
		    slot_phase(&worker->setup->scoreboard.slots[i]) == SLOT_EXECUTING)
			return true;
	return false;
}

/* Ticks end when nobody needs them: idle clients cost no wake-up. */
static void on_tick(evutil_socket_t fd, short what, void *argument)
{
	struct worker *worker = argument;
	bool go_on;

	(void)fd;
	(void)what;
	atomic_store(&worker->ticks, false);
	go_on = rescue(worker) && any_executing(worker);
	go_on |= tidy(worker);
	go_on |= lookout_tick(&worker->lookout);
	if (go_on)
		begin_ticks(worker);
}

static void on_attention(evutil_socket_t fd, short what, void *argument)
{
	struct worker *worker = argument;
	eventfd_t raised;

	(void)what;
	eventfd_read(fd, &raised);
	if (worker->stopping && all_finished(worker))
		leave(worker, EXIT_SUCCESS);
	if (atomic_load(&worker->ticks))
		begin_ticks(worker);
}

/* What hangs in the kernel is answered here, and every socket closed: the threads' exit may be far away. */
static void on_deadline(evutil_socket_t fd, short what, void *argument)
{
	struct worker *worker = argument;

	(void)fd;
	(void)what;
	for (uint32_t i = 0; i < worker->setup->scoreboard.count; i++) {
		struct slot *slot = &worker->setup->scoreboard.slots[i];
		struct connection *connection = &worker->clients[i].connection;

		if (!atomic_load(&worker->clients[i].held))
			continue;
		connection_abandon(connection, &worker->settlement);
		close(connection->fd);
		/* Where it goes on with another helper, that one sees what it was left with. */
		if (!worker->setup->release)
			slot_set_phase(slot, SLOT_CLOSED);
	}
	leave(worker, EXIT_SUCCESS);
}

static void on_channel(evutil_socket_t fd, short what, void *argument)
{
	struct worker *worker = argument;
	struct channel_message message;
	int descriptor;
	int error;

	(void)what;
	while (!(error = channel_receive(fd, &message, &descriptor))) {
		if (message.type == CHANNEL_CONNECTION && message.slot < worker->setup->scoreboard.count)
			take_connection(worker, message.slot, descriptor);
		else if (message.type == CHANNEL_RELEASE)
			begin_release(worker);
		else if (message.type == CHANNEL_STOP)
			begin_stop(worker);
	}
	if (error != -EPIPE && error != -ECONNRESET)
		return;
	if (!worker->stopping)
		log_error("the monitor is gone; answering what is in flight, then leaving");
	event_del(worker->channel_event);
	if (worker->setup->release)
		begin_release(worker);
	begin_stop(worker);
}

static int prepare(struct worker *worker)
{
	const struct worker_setup *setup = worker->setup;

	worker->base = event_base_new();
	worker->owner = (struct reactor_owner){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), &worker->ticks };
	worker->requests = calloc(setup->scoreboard.count, sizeof *worker->requests);
	worker->clients = calloc(setup->scoreboard.count, sizeof *worker->clients);
	worker->reactors = calloc(setup->threads, sizeof(struct reactor *));
	if (!worker->base || worker->owner.attention_fd < 0 || !worker->clients || !worker->requests || !worker->reactors)
		return -ENOMEM;

	worker->channel_event = event_new(worker->base, setup->channel, EV_READ | EV_PERSIST, on_channel, worker);
	worker->attention_event =
		event_new(worker->base, worker->owner.attention_fd, EV_READ | EV_PERSIST, on_attention, worker);
	worker->deadline = evtimer_new(worker->base, on_deadline, worker);
	worker->tick = evtimer_new(worker->base, on_tick, worker);
	if (!worker->channel_event || !worker->attention_event || !worker->deadline || !worker->tick ||
	    event_add(worker->channel_event, NULL) || event_add(worker->attention_event, NULL))
		return -ENOMEM;
	return lookout_init(&worker->lookout, worker->base, setup->stuck_after, worker->reactors, &worker->reactor_count);
}

/* What a fork leaves with the child that is the monitor's alone. */
static int shed_monitor(struct worker_setup *setup)
{
	int keep[] = { setup->export_fd, setup->channel, setup->life_fd };
	int error;

	/* A terminal's Ctrl-C and a service manager's SIGTERM reach every process; the monitor is who decides. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	prctl(PR_SET_NAME, "vph-worker");

	if (dup2(setup->log_fd, STDERR_FILENO) < 0)
		return -errno;
	log_open(LOG_TO_MONITOR);
	close(STDIN_FILENO);
	close(STDOUT_FILENO);
	error = descriptor_fill_standard();
	return error ? error : descriptor_close_all_but(keep, 3);
}

pid_t worker_fork(const struct worker_setup *setup)
{
	return sandbox_fork(&setup->confinement);
}

_Noreturn void worker_run(const struct worker_setup *given)
{
	static struct worker_setup setup;
	static struct worker worker;
	int known[3], error;

	setup = *given;
	worker.setup = &setup;
	error = shed_monitor(&setup);
	if (error) {
		log_error("cannot start the worker: %s", strerror(-error));
		leave(&worker, EXIT_FAILURE);
	}
	known[0] = setup.channel;
	known[1] = object_prepare();
	known[2] = setup.life_fd;
	if (sandbox_enter(setup.export_fd, &setup.confinement) || !sandbox_verify() ||
	    !sandbox_verify_descriptors(known, 3))
		leave(&worker, EXIT_FAILURE);

	/* Nothing is allocated per request: an arena for each thread would be memory for nothing, mallopt(3). */
	mallopt(M_ARENA_MAX, 1);
	poller_configure(setup.busy_poll);
	policy_enforce(&setup.policy);
	error = canary_start(setup.life_fd, known, 2);
	if (!error)
		error = prepare(&worker);
	if (!error)
		error = start_reactors(&worker);
	if (error) {
		log_error("cannot start the worker: %s", strerror(-error));
		leave(&worker, EXIT_FAILURE);
	}
	error = channel_send(setup.channel, &(struct channel_message){ .type = CHANNEL_READY }, -1);
	if (error)
		leave(&worker, EXIT_FAILURE);

	event_base_dispatch(worker.base);
	log_error("the worker's event loop has ended");
	leave(&worker, EXIT_FAILURE);
}

/* SPDX-License-Identifier: MIT */
#include "worker/reactor.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/log.h"
#include "worker/sandbox.h"
#include "worker/thread.h"

/* A handler's deepest stack is a few KiB; what is large lies in the room below. */
#define STACK_SIZE ((size_t)256 * 1024)

/* Requests in a row that are found by looking, before the event loop gets its turn. */
#define LOOKS_MOST 64

struct reactor {
	unsigned number;
	sem_t verified; /* posted once the thread has found itself confined */
	const struct reactor_owner *owner;

	struct event_base *base;
	struct event *wakeup;
	int wakeup_fd; /* eventfd: the inbox, `releasing` or `stopping` has changed */

	pthread_mutex_t lock; /* of the inbox */
	struct client *inbox;

	_Atomic unsigned load;
	_Atomic bool releasing, stopping, finished;

	/*
	 * The thread's own, and its event base, while it holds `running`, which is always but while it executes a request
	 * of `serving`: a system call that does not return must not keep what others need.
	 */
	pthread_mutex_t running;
	struct client *serving;
	bool reported; /* the monitor was told that its request is stuck */
	struct client *clients;
	struct connection_room room;
};

void client_report(int channel, struct slot *slot, enum slot_phase phase)
{
	slot_set_phase(slot, phase);
	/* If the channel is full, the monitor is about to look at the scoreboard anyway. */
	channel_send(channel, &(struct channel_message){ .type = CHANNEL_CLOSED }, -1);
}

/* What is lost from sight here is another worker's, or nobody's. */
static void part_from_client(struct client *client, enum slot_phase phase)
{
	struct reactor *reactor = client->reactor;
	struct slot *slot = client->connection.slot;
	struct client **link = &reactor->clients;
	int channel = client->channel;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;

	event_del(&client->event);
	connection_finish(&client->connection);
	atomic_store(&client->held, false);
	atomic_fetch_sub(&reactor->load, 1);

	/* The slot may be in use again as soon as it has this phase: nothing of the client is touched below this. */
	client_report(channel, slot, phase);
}

static void end_client(struct client *client)
{
	part_from_client(client, SLOT_CLOSED);
}

/* Gives a client up if that is wished for, and possible now. */
static bool release_client(struct client *client)
{
	if (!atomic_load(&client->reactor->releasing) || !connection_is_between_messages(&client->connection))
		return false;
	part_from_client(client, SLOT_RELEASED);
	return true;
}

static void on_client(evutil_socket_t fd, short what, void *argument);

/*
 * Waits for what the state says; a client that cannot be waited for is ended. Bytes that stay in the socket must not
 * wake us: it is the edge that counts.
 */
static void watch(struct client *client, enum connection_state state)
{
	short what = state == CONNECTION_WRITES ? EV_WRITE : EV_READ | EV_CLOSED | EV_ET;

	client->state = state;
	event_assign(&client->event, client->reactor->base, client->connection.fd, (short)(what | EV_PERSIST), on_client,
	             client);
	if (event_add(&client->event, NULL)) {
		log_error("reactor %u cannot watch a connection: %s", client->reactor->number, strerror(errno));
		end_client(client);
	}
}

/*
 * A timer in our own loop would have the kernel set one for each sleep, which costs more than a request where the core
 * is a virtual one. So it is the main thread that has the timer, for all.
 */
static void ask_for_ticks(const struct reactor *reactor)
{
	const struct reactor_owner *owner = reactor->owner;

	if (!atomic_load(owner->ticks) && !atomic_exchange(owner->ticks, true))
		eventfd_write(owner->attention_fd, 1);
}

static void tidy(struct reactor *reactor)
{
	for (struct client *client = reactor->clients; client; client = client->next)
		if (connection_is_untidy(&client->connection))
			connection_tidy(&client->connection);
}

/* While the reactor ends, a client stays for the reply that it is owed, no longer. */
static bool may_stay(const struct client *client)
{
	return !atomic_load(&client->reactor->stopping) || outbox_waits(&client->connection.outbox);
}

static void end_if_idle(struct reactor *reactor)
{
	if (atomic_load(&reactor->stopping) && !reactor->clients)
		event_base_loopbreak(reactor->base);
}

/* True: it is not ours any more. */
static bool part_if_due(struct client *client, enum connection_state state)
{
	if (state != CONNECTION_ENDED && release_client(client))
		return true;
	if (state != CONNECTION_ENDED && may_stay(client))
		return false;
	end_client(client);
	return true;
}

static void go_on(struct client *client, enum connection_state state)
{
	struct reactor *reactor = client->reactor;

	if (state == CONNECTION_ABANDONED)
		for (;;)
			pause(); /* the main thread is ending the process */

	if (part_if_due(client, state)) {
		end_if_idle(reactor);
		return;
	}
	if (connection_is_untidy(&client->connection))
		ask_for_ticks(reactor);
	if (state == CONNECTION_HAS_MORE) {
		event_active(&client->event, EV_READ, 0);
		state = CONNECTION_READS;
	}
	if (state == client->state)
		return;
	event_del(&client->event);
	watch(client, state);
}

static uint64_t requests_of(const struct client *client)
{
	return slot_load(client->connection.slot->requests);
}

/* Looks for the next request for as long as that seems worth it. *state is that of the connection then. */
static bool look_on(struct client *client, enum connection_state *state)
{
	uint64_t before = requests_of(client);
	uint64_t now = scoreboard_now();
	uint64_t deadline;

	poller_request(&client->poller, slot_load(client->connection.slot->since));
	deadline = poller_deadline(&client->poller, now);
	if (!deadline)
		return false;
	do
		*state = connection_serve(&client->connection, &client->reactor->room);
	while (*state == CONNECTION_READS && requests_of(client) == before && scoreboard_now() < deadline);
	poller_outcome(&client->poller, requests_of(client) != before);
	return requests_of(client) != before;
}

static enum connection_state serve(struct client *client)
{
	uint64_t before = requests_of(client);
	enum connection_state state = connection_serve(&client->connection, &client->reactor->room);

	if (requests_of(client) == before || reactor_load(client->reactor) > 1)
		return state;
	/* The event loop has other things to attend to, if seldom. */
	for (int looks = 0; state == CONNECTION_READS && looks < LOOKS_MOST; looks++)
		if (!look_on(client, &state))
			break;
	return state;
}

static void on_client(evutil_socket_t fd, short what, void *argument)
{
	struct client *client = argument;
	struct reactor *reactor = client->reactor;
	enum connection_state state;

	(void)fd;
	if (what & EV_CLOSED)
		client->connection.inbox.hung_up = true;
	reactor->serving = client;
	state = serve(client);
	reactor->serving = NULL;
	go_on(client, state);
}

/* Takes a client from the inbox into the loop. */
static void welcome(struct reactor *reactor, struct client *client)
{
	client->next = reactor->clients;
	reactor->clients = client;
	watch(client, client->state);
}

static void release_clients(struct reactor *reactor)
{
	struct client *next;

	for (struct client *client = reactor->clients; client; client = next) {
		next = client->next;
		release_client(client);
	}
}

static void say_goodbye(struct reactor *reactor)
{
	struct client *next;

	for (struct client *client = reactor->clients; client; client = next) {
		next = client->next;
		if (!may_stay(client))
			end_client(client);
	}
	end_if_idle(reactor);
}

static struct client *empty_inbox(struct reactor *reactor)
{
	struct client *inbox;

	pthread_mutex_lock(&reactor->lock);
	inbox = reactor->inbox;
	reactor->inbox = NULL;
	pthread_mutex_unlock(&reactor->lock);
	return inbox;
}

static void on_wakeup(evutil_socket_t fd, short what, void *argument)
{
	struct reactor *reactor = argument;
	struct client *next;
	eventfd_t raised;

	(void)what;
	eventfd_read(fd, &raised);
	for (struct client *client = empty_inbox(reactor); client; client = next) {
		next = client->next;
		welcome(reactor, client);
	}
	tidy(reactor);
	if (atomic_load(&reactor->releasing))
		release_clients(reactor);
	if (atomic_load(&reactor->stopping))
		say_goodbye(reactor);
}

static void *reactor_main(void *argument)
{
	struct reactor *reactor = argument;
	int attention_fd = reactor->owner->attention_fd;
	char name[16];

	snprintf(name, sizeof name, "vph-reactor-%u", reactor->number);
	prctl(PR_SET_NAME, name);
	if (!sandbox_verify())
		_exit(EXIT_FAILURE);
	sem_post(&reactor->verified);

	pthread_mutex_lock(&reactor->running);
	event_base_dispatch(reactor->base);

	event_free(reactor->wakeup);
	event_base_free(reactor->base);
	/* wakeup_fd stays: whoever has just told us to stop may still be about to wake us. */
	atomic_store(&reactor->finished, true);
	eventfd_write(attention_fd, 1);
	return NULL;
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	/* A base belongs to one thread, and the launcher's environment has no say. */
	if (config && !event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) &&
	    !event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int prepare(struct reactor *reactor)
{
	reactor->base = make_base();
	reactor->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!reactor->base || reactor->wakeup_fd < 0)
		return -ENOMEM;
	reactor->wakeup = event_new(reactor->base, reactor->wakeup_fd, EV_READ | EV_PERSIST, on_wakeup, reactor);
	if (!reactor->wakeup || event_add(reactor->wakeup, NULL))
		return -ENOMEM;
	return thread_start(STACK_SIZE, reactor_main, reactor);
}

static int tell_monitor(const struct client *client, enum channel_type type)
{
	return channel_send(client->channel, &(struct channel_message){ type, client->index }, -1);
}

/*
 * While it executes a request, a reactor may hang: it holds nothing that others need, and no core. Others may need
 * rescue from it, and the monitor be told. Ticks are asked for when `running` is free: a tick that finds it taken, and
 * is the last for now, was before that, and so we are seen, or see that there are none.
 */
static void let_go(void *context)
{
	struct reactor *reactor = context;

	pthread_mutex_unlock(&reactor->running);
	ask_for_ticks(reactor);
}

static void take_hold(void *context)
{
	struct reactor *reactor = context;

	pthread_mutex_lock(&reactor->running);
	if (reactor->reported)
		tell_monitor(reactor->serving, CHANNEL_RETURNED);
	reactor->reported = false;
}

static void discard(struct reactor *reactor)
{
	if (reactor->wakeup)
		event_free(reactor->wakeup);
	if (reactor->base)
		event_base_free(reactor->base);
	if (reactor->wakeup_fd >= 0)
		close(reactor->wakeup_fd);
	free(reactor);
}

int reactor_start(unsigned number, const struct reactor_owner *owner, struct reactor **reactor)
{
	struct reactor *made = calloc(1, sizeof *made);
	int error;

	if (!made)
		return -ENOMEM;
	made->number = number;
	made->owner = owner;
	made->wakeup_fd = -1;
	pthread_mutex_init(&made->lock, NULL);
	pthread_mutex_init(&made->running, NULL);
	made->room.let_go = let_go;
	made->room.take_hold = take_hold;
	made->room.context = made;
	sem_init(&made->verified, 0, 0);

	error = prepare(made);
	if (error) {
		log_error("cannot start reactor %u: %s", number, strerror(-error));
		discard(made);
		return error;
	}
	while (sem_wait(&made->verified))
		; /* EINTR */
	*reactor = made;
	return 0;
}

unsigned reactor_load(const struct reactor *reactor)
{
	return atomic_load(&reactor->load);
}

void reactor_give(struct reactor *reactor, struct client *client, enum connection_state state)
{
	client->reactor = reactor;
	client->state = state;
	atomic_fetch_add(&reactor->load, 1);
	pthread_mutex_lock(&reactor->lock);
	client->next = reactor->inbox;
	reactor->inbox = client;
	pthread_mutex_unlock(&reactor->lock);
	eventfd_write(reactor->wakeup_fd, 1);
}

static bool is_stuck(const struct reactor *reactor, uint64_t since)
{
	const struct slot *slot = reactor->serving ? reactor->serving->connection.slot : NULL;

	return slot && slot_phase(slot) == SLOT_EXECUTING && slot_load(slot->since) <= since;
}

/* All clients but the one that is being served, out of the loop. */
static struct client *detach_others(struct reactor *reactor)
{
	struct client *others = empty_inbox(reactor), *next;

	for (struct client *client = reactor->clients; client; client = next) {
		next = client->next;
		if (client == reactor->serving)
			continue;
		event_del(&client->event);
		client->next = others;
		others = client;
	}
	reactor->clients = reactor->serving;
	reactor->serving->next = NULL;
	return others;
}

/*
 * The thread is in the middle of an event's callback, which may do with other events what it likes: so may we, in its
 * place, while it cannot go on.
 */
struct client *reactor_rescue(struct reactor *reactor, uint64_t since)
{
	struct client *others = NULL;

	if (reactor_load(reactor) < 2 || pthread_mutex_trylock(&reactor->running))
		return NULL;
	if (is_stuck(reactor, since))
		others = detach_others(reactor);
	pthread_mutex_unlock(&reactor->running);
	for (struct client *client = others; client; client = client->next)
		atomic_fetch_sub(&reactor->load, 1);
	return others;
}

bool reactor_is_stuck(struct reactor *reactor, uint64_t since)
{
	bool stuck;

	if (pthread_mutex_trylock(&reactor->running))
		return false;
	stuck = is_stuck(reactor, since);
	pthread_mutex_unlock(&reactor->running);
	return stuck;
}

uint64_t reactor_report_stuck(struct reactor *reactor, uint64_t since)
{
	uint64_t taken = 0;

	if (pthread_mutex_trylock(&reactor->running))
		return 0;
	if (!reactor->reported && is_stuck(reactor, UINT64_MAX)) {
		taken = slot_load(reactor->serving->connection.slot->since);
		reactor->reported = taken <= since && !tell_monitor(reactor->serving, CHANNEL_STUCK);
	}
	if (reactor->reported)
		taken = 0;
	pthread_mutex_unlock(&reactor->running);
	return taken;
}

void reactor_tidy(struct reactor *reactor)
{
	eventfd_write(reactor->wakeup_fd, 1);
}

void reactor_release(struct reactor *reactor)
{
	atomic_store(&reactor->releasing, true);
	eventfd_write(reactor->wakeup_fd, 1);
}

void reactor_stop(struct reactor *reactor)
{
	atomic_store(&reactor->stopping, true);
	eventfd_write(reactor->wakeup_fd, 1);
}

bool reactor_finished(const struct reactor *reactor)
{
	return atomic_load(&reactor->finished);
}

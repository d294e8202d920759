/* SPDX-License-Identifier: MIT */
/*
 * Reactors: threads with an event base and connections of their own. A request is read, run and answered on the
 * reactor of its connection, and handed to nobody: a system call that does not return stops that reactor only, and the other clients that it may have are moved to another.
 */
#ifndef WORKER_REACTOR_H
#define WORKER_REACTOR_H

#include <event2/event_struct.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/connection.h"
#include "worker/poller.h"

struct reactor;

/* A connection in the hands of a reactor. Lives in the worker's table, at the index of its slot. */
struct client {
	struct connection connection;
	struct reactor *reactor;
	struct event event;  /* readable, or writable while a reply waits */
	struct poller poller;
	struct client *next; /* in its reactor's list, or inbox */
	enum connection_state state;
	_Atomic bool held; /* by this worker; otherwise the slot is none of its business any more */
	int channel;       /* to tell the monitor that it no longer is */
	uint32_t index;    /* of its slot */
};

/* What a reactor knows of the main thread. */
struct reactor_owner {
	int attention_fd;    /* eventfd(2), raised when a reactor has ended, and when `ticks` becomes true */
	_Atomic bool *ticks; /* the main thread shall look now and then: a connection was left untidy, or a request executes */
};

/*
 * The worker is done with a connection: `phase` says whether that is over (SLOT_CLOSED), so that the monitor closes its
 * copy, which only then the peer notices, or another worker's (SLOT_RELEASED).
 */
void client_report(int channel, struct slot *slot, enum slot_phase phase);

/*
 * Starts reactor `number` (thread "vph-reactor-N"), which checks its confinement before it does anything else.
 * `owner` must outlive it. Returns 0, or -errno after logging.
 */
int reactor_start(unsigned number, const struct reactor_owner *owner, struct reactor **reactor);

/* The connections it has, or will have when it looks into its inbox. From any thread. */
unsigned reactor_load(const struct reactor *reactor);

/* Gives it a client whose connection is initialised and in the given state. From the worker's main thread. */
void reactor_give(struct reactor *reactor, struct client *client, enum connection_state state);

/* Whether it is in a system call for a request that it took before `since`, CLOCK_MONOTONIC in ns. */
bool reactor_is_stuck(struct reactor *reactor, uint64_t since);

/*
 * If it is, takes all its clients but that one from it, for other reactors (reactor_give(), with their own state).
 * Returns a list, linked by `next`, or NULL. From the worker's main thread.
 */
struct client *reactor_rescue(struct reactor *reactor, uint64_t since);

/*
 * Tells the monitor, once, of a request that it took before `since` and that does not return, and again when it does.
 * Returns when it took the request that it is executing and that the monitor was not told of; 0: there is none.
 */
uint64_t reactor_report_stuck(struct reactor *reactor, uint64_t since);

/* Asks it to tidy its connections. From any thread. */
void reactor_tidy(struct reactor *reactor);

/* Asks it to release its clients, each between two messages. From any thread; returns at once. */
void reactor_release(struct reactor *reactor);

/* Asks it to end once its clients have their replies. From any thread; returns at once. */
void reactor_stop(struct reactor *reactor);

/* Whether its thread has ended, all its connections closed. */
bool reactor_finished(const struct reactor *reactor);

#endif

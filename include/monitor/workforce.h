/* SPDX-License-Identifier: MIT */
/*
 * The workers: one that serves, for a while its successor that is about to, and those before it that still have
 * connections in the middle of a message.
 *
 * Theory of operation: a connection belongs to one worker at a time (custody's `holders`), or to none. What belongs to
 * none is given to the worker that serves, which takes over whatever the slot says: a new connection, one that an old
 * worker has released between two messages, or one that a dead worker has left. So a crash, an upgrade and a new
 * client are one path.
 *
 *   start ──▶ serves ──a successor is ready: release──▶ retired ──holds nothing: stop──▶ gone
 *                └──dies: what it held belongs to none──▶ gone, and another starts
 */
#ifndef MONITOR_WORKFORCE_H
#define MONITOR_WORKFORCE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "monitor/custody.h"
#include "monitor/restart.h"
#include "monitor/worker_process.h"

#define WORKFORCE_MOST 6 /* processes at once: the one that serves, its successor, and retired ones */

struct workforce_events {
	void (*ready)(void *context);  /* for the first time, a worker is there to serve */
	void (*reaped)(void *context); /* clients are gone */
	void (*stuck)(void *context, uint32_t slot, bool returned); /* worker_events.stuck() */
	void (*lost)(void *context);   /* a worker is gone, and what it had belongs to none */
	void (*over)(void *context);   /* after workforce_stop(), nobody is left to wait for */
	void (*failed)(void *context); /* the first worker does not start, or workers die too often: there is none */
	/*
	 * After workforce_succeed(): the successor serves, and all clients are with it but `staying`, which are in the
	 * middle of a message; or (-1) it could not be started, and all is as it was.
	 */
	void (*succeeded)(void *context, int staying);
};

struct workforce {
	struct event_base *base;
	struct custody *custody;
	struct worker_setup setup; /* for the workers to come */
	struct worker_process workers[WORKFORCE_MOST]; /* number 0: unused */
	struct remains remains; /* of workers that do not end */
	struct worker_process *serving;   /* or NULL */
	struct worker_process *successor; /* that is on its way, or NULL */
	uint32_t started;  /* workers ever, by this monitor and those before it */
	uint64_t restarts; /* in a dead one's place */
	unsigned crash_count, crash_seconds; /* --crash-limit */
	unsigned crashes;
	time_t first_crash;
	bool was_ready, succeeding, stopping, settling;
	struct event *replace;  /* timer: start a worker in a dead one's place */
	struct event *deadline; /* timer: a stop has taken its time */
	struct event *patience; /* timer: a succession has */
	const struct workforce_events *events;
	void *context;
};

/* Before anything else. `custody` and `setup` are for the workers to come. 0 or -errno. */
int workforce_init(struct workforce *workforce, struct event_base *base, struct custody *custody,
                   const struct worker_setup *setup, const struct workforce_events *events, void *context);

/* Starts the first worker. 0, or -errno after logging. */
int workforce_start(struct workforce *workforce);

/*
 * Goes on with the workers of the program that this process executed before, of which `handed` has all that is not a
 * pointer, and `serving`. 0 or -errno.
 */
int workforce_resume(struct workforce *workforce, const struct workforce *handed);

/*
 * Has a new worker take the place of the one that serves, which gives its connections up one by one, each between two
 * messages. 0: events->succeeded() will come. -errno after logging: it will not.
 */
int workforce_succeed(struct workforce *workforce);

/* Gives the connections that no worker has to the one that serves, if there is one. */
void workforce_hand_over(struct workforce *workforce);

/*
 * Kills the worker that serves, and starts another at once: for an administrator, it is no crash, with no pause, and none
 * that counts. Fills *restart with what that came to.
 */
void workforce_restart(struct workforce *workforce, struct restart *restart);

/* How many retired workers are still there. */
unsigned workforce_retired(const struct workforce *workforce);

/* A place for another worker's process, or NULL: there are WORKFORCE_MOST. */
struct worker_process *workforce_place(struct workforce *workforce);

/*
 * Has all workers answer what is in flight, and end. What a worker that dies meanwhile owes is answered by another. In
 * less than 5 s events->over() is called, perhaps before this returns.
 */
void workforce_stop(struct workforce *workforce);

/* Ends what is left, at once. One that was never initialised must be zero. */
void workforce_finish(struct workforce *workforce);

#endif

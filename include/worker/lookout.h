/* SPDX-License-Identifier: MIT */
/*
 * Who notices requests that do not come back, and has the monitor told (reactor_report_stuck()).
 *
 * Theory of operation: a request that executes has the main thread tick for a moment. One that is still there when the
 * moment is over has a timer set, to when it counts as stuck. So requests that return cost no wake-up of their own, nor
 * do clients that are silent, nor one that is known to be stuck.
 */
#ifndef WORKER_LOOKOUT_H
#define WORKER_LOOKOUT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

struct reactor;

struct lookout {
	struct event *timer;
	uint64_t limit;           /* ns: what takes longer is stuck; 0: nothing is */
	struct reactor **reactors;
	const unsigned *count;
};

/* To look at so many reactors as there are at each time. Returns 0 or -errno. */
int lookout_init(struct lookout *lookout, struct event_base *base, uint64_t limit, struct reactor **reactors,
                 const unsigned *count);

/* To be called at each tick. True: there must be another one, for a request that may still return at once. */
bool lookout_tick(struct lookout *lookout);

#endif

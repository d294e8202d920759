/* SPDX-License-Identifier: MIT */
#include "worker/lookout.h"

#include <errno.h>

#include "common/scoreboard.h"
#include "worker/reactor.h"

/* What has taken longer than this is worth a timer. */
#define MOMENT_NS 100000000U

/* When the monitor could not be told. */
#define AGAIN_NS 50000000U

#define NS_PER_US 1000U
#define NS_PER_S  1000000000U

static void set_timer(const struct lookout *lookout, uint64_t due, uint64_t now)
{
	uint64_t delay = due > now ? due - now : AGAIN_NS;
	struct timeval time = { .tv_sec = (time_t)(delay / NS_PER_S),
		                .tv_usec = (suseconds_t)(delay % NS_PER_S / NS_PER_US) };

	evtimer_add(lookout->timer, &time);
}

/* Reports what is due. Returns when the oldest request was taken that is not, or 0. */
static uint64_t report(const struct lookout *lookout, uint64_t now)
{
	uint64_t since = now > lookout->limit ? now - lookout->limit : 0;
	uint64_t oldest = 0;

	for (unsigned i = 0; i < *lookout->count; i++) {
		uint64_t taken = reactor_report_stuck(lookout->reactors[i], since);

		if (taken > 0 && (oldest == 0 || taken < oldest))
			oldest = taken;
	}
	return oldest;
}

/* True: the oldest request is so young that it is for the next tick to see what becomes of it. */
static bool look(const struct lookout *lookout)
{
	uint64_t now = scoreboard_now();
	uint64_t oldest = report(lookout, now);

	if (oldest == 0)
		return false;
	if (now < oldest + MOMENT_NS)
		return true;
	set_timer(lookout, oldest + lookout->limit, now);
	return false;
}

/* Requests that are young have ticks. */
static void on_timer(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	look(argument);
}

int lookout_init(struct lookout *lookout, struct event_base *base, uint64_t limit, struct reactor **reactors,
                 const unsigned *count)
{
	*lookout = (struct lookout){ .limit = limit, .reactors = reactors, .count = count };
	lookout->timer = evtimer_new(base, on_timer, lookout);
	return lookout->timer ? 0 : -ENOMEM;
}

/* Who set the timer was older than whoever executes now. */
bool lookout_tick(struct lookout *lookout)
{
	return lookout->limit > 0 && !evtimer_pending(lookout->timer, NULL) && look(lookout);
}

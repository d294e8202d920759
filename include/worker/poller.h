/* SPDX-License-Identifier: MIT */
/*
 * Whether to look for a client's next request a little longer before sleeping.
 *
 * Theory of operation: a client in the middle of something sends its next request a few microseconds after our reply,
 * and falling asleep and being woken costs more than that. Looking again and again costs a core, though, and is
 * harmful as soon as somebody else could have used it; the client itself, most of all. So a thread looks only
 *  - while clients that were busy in the last millisecond are no more than half of the cores: the others are for them;
 *  - for twice as long as the client's requests have been coming lately, and not at all if that is long;
 *  - and, after looking in vain, not for a number of requests that doubles each time.
 * A silent client costs nothing: one look in vain, then sleep.
 */
#ifndef WORKER_POLLER_H
#define WORKER_POLLER_H

#include <stdbool.h>
#include <stdint.h>

#define POLLER_AUTO UINT32_MAX

/* What is known of one client. Begins zeroed. */
struct poller {
	uint64_t replied;  /* when the last reply went: CLOCK_MONOTONIC, ns */
	uint32_t period;   /* the last in which it was counted as busy */
	uint32_t gap;      /* from a reply to the next request, a running mean, ns */
	uint32_t pause;    /* requests before looking is tried again */
	uint32_t penalty;  /* what the pause will be after the next failure */
};

/* `limit` in microseconds: so long, whoever is busy; 0: never; POLLER_AUTO: as above. Before any thread. */
void poller_configure(uint32_t limit);

/* A request has come, of which nothing was known before `now`. */
void poller_request(struct poller *poller, uint64_t now);

/* Until when to look for the next request of the client that was just answered; 0: do not. */
uint64_t poller_deadline(struct poller *poller, uint64_t now);

/* What came of looking. */
void poller_outcome(struct poller *poller, bool found);

#endif

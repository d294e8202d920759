/* SPDX-License-Identifier: MIT */
#include "worker/poller.h"

#include <sched.h>
#include <stdatomic.h>

#define LONGEST_NS     UINT64_C(100000) /* where an idle core is a virtual one, waking it costs half of this */
#define GAP_UNKNOWN    0U
#define PENALTY_FIRST  4U
#define PENALTY_MOST   1024U
#define NS_PER_US      UINT64_C(1000)

/* Who has asked for something in the same period of about a millisecond is busy. */
#define PERIOD_SHIFT 20 /* of a time in ns */

/* The clients that were busy in a period, counted as they come. */
struct crowd {
	uint32_t period;
	uint32_t clients;
};

static uint32_t limit_us = POLLER_AUTO;
static uint32_t crowd_most; /* busy clients that leave cores to look on */
static _Atomic struct crowd crowd;
static _Atomic uint32_t crowd_before; /* how many they were in the period before */

void poller_configure(uint32_t limit)
{
	cpu_set_t cpus;
	unsigned count = sched_getaffinity(0, sizeof cpus, &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);

	limit_us = limit;
	crowd_most = count / 2;
}

static void count_in(struct poller *poller, uint32_t period)
{
	struct crowd seen = atomic_load_explicit(&crowd, memory_order_relaxed), made;

	poller->period = period;
	do {
		if (seen.period == period)
			made = (struct crowd){ period, seen.clients + 1 };
		else if ((int32_t)(period - seen.period) > 0)
			made = (struct crowd){ period, 1 };
		else
			return; /* it took us long to come here */
		if (made.clients == 1)
			atomic_store_explicit(&crowd_before, seen.period + 1 == period ? seen.clients : 0, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&crowd, &seen, made, memory_order_relaxed, memory_order_relaxed));
}

static bool is_crowded(void)
{
	const struct crowd now = atomic_load_explicit(&crowd, memory_order_relaxed);

	return now.clients > crowd_most || atomic_load_explicit(&crowd_before, memory_order_relaxed) > crowd_most;
}

void poller_request(struct poller *poller, uint64_t now)
{
	uint64_t gap = now - poller->replied;
	uint32_t period = (uint32_t)(now >> PERIOD_SHIFT);

	if (poller->period != period)
		count_in(poller, period);
	if (poller->pause > 0)
		poller->pause--;
	if (poller->replied == 0)
		return;
	if (gap > 2 * LONGEST_NS)
		gap = 2 * LONGEST_NS; /* one long silence shall not be remembered for long */
	poller->gap = poller->gap == GAP_UNKNOWN ? (uint32_t)gap : (uint32_t)((7 * (uint64_t)poller->gap + gap) / 8);
}

uint64_t poller_deadline(struct poller *poller, uint64_t now)
{
	poller->replied = now;
	if (limit_us != POLLER_AUTO)
		return limit_us ? now + (uint64_t)limit_us * NS_PER_US : 0;
	if (poller->pause > 0 || poller->gap == GAP_UNKNOWN || poller->gap > LONGEST_NS)
		return 0;
	if (is_crowded())
		return 0;
	return now + (poller->gap < LONGEST_NS / 2 ? 2 * (uint64_t)poller->gap : LONGEST_NS);
}

void poller_outcome(struct poller *poller, bool found)
{
	if (found) {
		poller->penalty -= poller->penalty > 0;
		return;
	}
	poller->penalty = poller->penalty == 0 ? PENALTY_FIRST : 2 * poller->penalty;
	if (poller->penalty > PENALTY_MOST)
		poller->penalty = PENALTY_MOST;
	poller->pause = poller->penalty;
}

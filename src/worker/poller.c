/* SPDX-License-Identifier: MIT */
#include "worker/poller.h"

#include <sched.h>
#include <stdatomic.h>

#define LONGEST_NS     UINT64_C(100000) /* where an idle core is a virtual one, waking it costs half of this */
#define GAP_UNKNOWN    0U
#define PENALTY_FIRST  4U
#define PENALTY_MOST   1024U
#define NS_PER_US      UINT64_C(1000)

static uint32_t limit_us = POLLER_AUTO;
static unsigned awake_most; /* reactors that may be awake when one of them looks */
static _Atomic unsigned awake;

void poller_configure(uint32_t limit)
{
	cpu_set_t cpus;
	unsigned count = sched_getaffinity(0, sizeof cpus, &cpus) ? 1 : (unsigned)CPU_COUNT(&cpus);

	limit_us = limit;
	awake_most = count / 2;
}

void poller_awake(void)
{
	atomic_fetch_add_explicit(&awake, 1, memory_order_relaxed);
}

void poller_asleep(void)
{
	atomic_fetch_sub_explicit(&awake, 1, memory_order_relaxed);
}

void poller_request(struct poller *poller, uint64_t now)
{
	uint64_t gap = now - poller->replied;

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
	if (atomic_load_explicit(&awake, memory_order_relaxed) > awake_most)
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

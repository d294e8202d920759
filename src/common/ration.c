/* SPDX-License-Identifier: MIT */
#include "common/ration.h"

bool ration_take(struct ration *ration, uint64_t now)
{
	uint64_t full = atomic_load(&ration->full), next;

	do {
		next = (full > now ? full : now) + ration->interval;
		if (next - now > ration->burst * ration->interval) {
			atomic_fetch_add(&ration->left_out, 1);
			return false;
		}
	} while (!atomic_compare_exchange_weak(&ration->full, &full, next));
	return true;
}

uint64_t ration_left_out(struct ration *ration)
{
	return atomic_load(&ration->left_out) ? atomic_exchange(&ration->left_out, 0) : 0;
}

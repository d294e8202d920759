/* SPDX-License-Identifier: MIT */
/*
 * So much at once, and then so much a time: for lines of the log that somebody outside can cause. A token bucket,
 * kept as the time at which it will be full again; any thread may take from it, without a lock.
 */
#ifndef COMMON_RATION_H
#define COMMON_RATION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ration {
	uint64_t burst;    /* how many at once */
	uint64_t interval; /* ns after which there is one more */
	_Atomic uint64_t full; /* when: CLOCK_MONOTONIC, ns */
	_Atomic uint64_t left_out; /* since ration_left_out() */
};

/* Takes one at the time `now`. False: there is none, and one more was left out. */
bool ration_take(struct ration *ration, uint64_t now);

/* How many were left out since it was asked last. */
uint64_t ration_left_out(struct ration *ration);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a client was left with by a worker that is no more. What the worker had in mind is in the slot; what it had sent
 * is known to the kernel, whose word counts (`sending` in common/scoreboard.h).
 */
#ifndef COMMON_DEBT_H
#define COMMON_DEBT_H

#include "common/scoreboard.h"

enum debt {
	DEBT_NONE,   /* it waits for no reply */
	DEBT_REPLY,  /* it was given none */
	DEBT_BROKEN, /* half of its message, or of its reply, died with the worker */
};

/* Of a connection that the worker had: whatever is in the slot. */
enum debt debt_find(const struct slot *slot);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A client that lives many short lives: connects, sends hostile messages in any pieces, reads the replies or does not,
 * and ends in one of many ways. Whatever it reads must be what it is owed; ends the process if not.
 */
#ifndef TESTS_OFFENDER_H
#define TESTS_OFFENDER_H

#include "chance.h"

struct offender {
	struct chance chance;
	const char *socket_path;
	uint64_t messages; /* to be sent in all */

	/* what came of it */
	uint64_t replies, descriptors, lives, cuts, ends;
};

/* Sends them all. */
void offender_run(struct offender *offender);

/* Anything that must not be: says so, with the seed, and ends the process. */
_Noreturn void stress_fail(const char *what, const char *file, int line);

#define STRESS_CHECK(condition) ((condition) ? (void)0 : stress_fail(#condition, __FILE__, __LINE__))

#endif

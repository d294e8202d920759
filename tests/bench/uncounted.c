/* SPDX-License-Identifier: MIT */
/*
 * For tests/bench/price.py: the helper's own objects, but that no request is counted, noted in the ledger, or
 * timed: the clock is not read when it is answered. When it begins, it is: the search for the next request
 * (worker/poller.h) needs that, and would be another one without.
 */
#include "common/scoreboard.h"

/* The name is known when this is compiled, and nothing of the comparison is left. */
static inline __attribute__((always_inline)) uint64_t now_unless_answered(const char *function)
{
	return __builtin_strcmp(function, "note_request") == 0 ? 0 : scoreboard_now();
}

#define scoreboard_now() now_unless_answered(__func__)
#include "../../src/worker/connection.c"

/* In the place of the functions of common/ledger.c: ld(1), --wrap. */
void __wrap_ledger_note(struct ledger *ledger, uint32_t op, int32_t status, uint64_t ns);
void __wrap_ledger_note_path(struct ledger *ledger, const char *path, size_t size);

void __wrap_ledger_note(struct ledger *ledger, uint32_t op, int32_t status, uint64_t ns)
{
	(void)ledger, (void)op, (void)status, (void)ns;
}

void __wrap_ledger_note_path(struct ledger *ledger, const char *path, size_t size)
{
	(void)ledger, (void)path, (void)size;
}

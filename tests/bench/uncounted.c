/* SPDX-License-Identifier: MIT */
/*
 * For tests/bench/scoreboard.py: the helper's own objects, but that no request is timed, counted, or noted in the ledger.
 * What then remains of the scoreboard is what a crash needs. The clock that the worker's connections see stands still at
 * the end of time, so that no request ever seems to be stuck.
 */
#include "common/scoreboard.h"

static uint64_t no_clock(void)
{
	return UINT64_MAX;
}

#define scoreboard_now no_clock
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

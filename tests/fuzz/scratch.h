/* SPDX-License-Identifier: MIT */
/*
 * A place where requests can do no harm: a thread of its own whose root is a directory of a file system in memory that
 * only this thread has mounted, with the capabilities of a worker and no others. The rest of the process stays outside,
 * for a fuzzer to read and write its files.
 */
#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

#include <stdbool.h>

/*
 * Before the process has a second thread: without root, it enters a user namespace of its own where it is. Ends the
 * process if the kernel does not let it.
 */
void scratch_prepare(void);

/* Runs this inside, and returns when it has returned. The first call makes the place. */
void scratch_run(void (*body)(void));

/* Inside: puts the same small tree there as always, and nothing else. */
void scratch_reset(void);

/* Inside: whether what lies outside, above and beside the root, is as it was made. */
bool scratch_outside_is_unchanged(void);

#endif

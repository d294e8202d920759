/* SPDX-License-Identifier: MIT */
/*
 * What a fuzz target is made of. The same source is run by libFuzzer or AFL++, which make up inputs, and by driver.c,
 * which runs known ones under any compiler.
 *
 * An input that shows a defect ends the process: by FUZZ_CHECK(), a sanitizer, or a page that faults.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_INPUT_MAX (256U * 1024U) /* bytes: more than the largest message */

/* A target runs one input, and returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* It may have something to do first. Called once; ends the process if that cannot be done. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/*
 * Its inputs to begin with, made of the golden messages: writes number 0, 1, 2 ... to `room`, which has FUZZ_INPUT_MAX
 * bytes. Returns the bytes of it, 0 when there are no more.
 */
size_t fuzz_seed(unsigned number, uint8_t *room);

#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

_Noreturn void fuzz_fail(const char *text, const char *file, int line);

/*
 * The last `size` bytes before a page that faults, for whoever goes one byte too far in a build without sanitizers.
 * There are FUZZ_ROOMS such places; each holds what was put there until the next call for it.
 */
#define FUZZ_ROOMS 4
uint8_t *fuzz_room(unsigned number, size_t size);

/* The same, holding a copy of `bytes`. */
const uint8_t *fuzz_copy(unsigned number, const void *bytes, size_t size);

#endif

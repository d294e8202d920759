/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of worker/dispatch.c: answers that follow from the bytes of the request alone, so that the client
 * knows what to expect. They have the size and the form of real ones, with or without a descriptor; their content means
 * nothing.
 */
#ifndef TESTS_FUZZ_ANSWERS_H
#define TESTS_FUZZ_ANSWERS_H

#include "worker/dispatch.h"

struct answer {
	uint8_t bytes[PROXYFS_MESSAGE_MAX];
	size_t size;
	bool with_descriptor; /* of the file that answers_begin() was given */
};

/* Before each input. `file` is what descriptors are copies of. */
void answers_begin(int file);

/* How many requests have been executed since. */
unsigned answers_given(void);

void answer_to(enum proxyfs_op op, const uint8_t *payload, size_t size, struct answer *answer);

/* The form of a failure. */
void answer_failure(enum proxyfs_op op, int32_t status, struct answer *answer);

#endif

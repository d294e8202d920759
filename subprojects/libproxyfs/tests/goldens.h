/* SPDX-License-Identifier: MIT */
/*
 * The golden messages: what the wire must hold for each request and each form of reply, beside what it means. Each
 * byte of each number differs from the others, so that fields that changed places, widths or halves are seen.
 */
#ifndef TESTS_GOLDENS_H
#define TESTS_GOLDENS_H

#include <proxyfs/protocol.h>

#include "wire.h"

#define OP_FIRST 2U
#define OP_LAST 21U

#define GOLDEN_REQUESTS 20
#define GOLDEN_REPLIES 43

struct golden_request {
	struct proxyfs_request request;
	struct part wire[PARTS_MAX]; /* header and payload */
};

struct golden_reply {
	const char *what;
	struct proxyfs_request request; /* what it answers: the type, and the size where that decides the form */
	struct proxyfs_reply reply;
	struct part wire[PARTS_MAX]; /* the whole message */
};

extern const struct golden_request golden_requests[GOLDEN_REQUESTS];
extern const struct golden_reply golden_replies[GOLDEN_REPLIES];

/* Bytes of a literal without its own NUL. */
#define BYTES_OF(literal) { literal, sizeof literal - 1 }

#endif

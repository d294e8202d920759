/* SPDX-License-Identifier: MIT */
/* Takes the place of worker/dispatch.c: notes each request that reaches it, and answers what the test wants. */
#ifndef TESTS_STUB_DISPATCH_H
#define TESTS_STUB_DISPATCH_H

#include "worker/dispatch.h"

struct stub_dispatch {
	/* what to answer */
	size_t reply_size; /* bytes of stub_reply_byte(); 0: STATUS_SIZE bytes that repeat the request's number */
	int reply_fd;      /* to hand over with the next reply, which then is one of OPEN or CREATE; -1: none */
	int32_t status;
	void (*during)(void *context); /* called while a request is executed */
	void *context;

	/* what was asked */
	unsigned calls;
	enum proxyfs_op op; /* the last request */
	size_t size;
	char payload[PROXYFS_PAYLOAD_MAX];
};

extern struct stub_dispatch stub;

#define STATUS_SIZE 12U /* bytes of a status reply, and of every failure with a header */
#define FD_SIZE     4U  /* bytes of a reply to OPEN or CREATE */

void stub_reset(void);

/* A byte of a reply of stub.reply_size: each differs from its neighbours, and pages from each other. */
char stub_reply_byte(size_t offset);

/* The number that a reply of STATUS_SIZE repeats: the payload's first four bytes, or its size if that is less. */
int32_t stub_number(const char *payload, size_t size);

#endif

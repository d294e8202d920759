/* SPDX-License-Identifier: MIT */
/* From the bytes of a request to the bytes of its reply, through the table of operations. */
#ifndef WORKER_DISPATCH_H
#define WORKER_DISPATCH_H

#include <limits.h>
#include <linux/limits.h>
#include <proxyfs/protocol.h>

#include "common/ledger.h"

/* Room for one request at a time: a thread's own. */
struct dispatch_room {
	struct ledger *ledger; /* where the path is noted of what is about to be executed, or NULL */
	/* One behind the other, terminated: paths, a target and a name. As most are short, one page is touched, not four. */
	char texts[3 * PATH_MAX + XATTR_NAME_MAX + 1];
	char result[PROXYFS_PAYLOAD_MAX];
};

/* What goes back to the client. What is small comes first: behind the buffer it would take a page of its own. */
struct dispatch_reply {
	size_t size;    /* bytes */
	int32_t status; /* 0 or -errno, for the counters */
	int fd;         /* to be sent along and closed, or -1 */
	char bytes[PROXYFS_MESSAGE_MAX];
};

/*
 * Decodes the `size` bytes of payload of a request of the valid type `op`, runs it and encodes its reply. There is
 * always one: whatever is wrong with the request is its status.
 */
void dispatch(enum proxyfs_op op, const char *payload, size_t size, struct dispatch_room *room,
              struct dispatch_reply *reply);

/* Encodes the reply of an operation that failed with `status`, -errno, without running anything. */
void dispatch_failure(enum proxyfs_op op, int32_t status, struct dispatch_reply *reply);

#endif

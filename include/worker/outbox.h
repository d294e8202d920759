/* SPDX-License-Identifier: MIT */
/*
 * The sending half of a connection: replies, each with at most one descriptor, without waiting. What the socket does
 * not take at once is kept until it does; there is never more than one reply.
 */
#ifndef WORKER_OUTBOX_H
#define WORKER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "worker/dispatch.h"

struct outbox {
	int socket;              /* the connection's, which stays its own */
	struct mmsghdr *sending; /* where the kernel notes what it took: the slot's (common/scoreboard.h) */
	char *unsent;            /* NULL: nothing waits */
	size_t size, done;       /* bytes of it; those already sent */
	bool partly;             /* an earlier part of the reply was sent */
	int fd;                  /* goes with the first byte, or -1 */
};

enum outbox_result {
	OUTBOX_SENT,
	OUTBOX_WAITS, /* part of it, or all, is kept: call outbox_flush() when the socket is writable */
	OUTBOX_GONE,  /* the peer is gone */
	OUTBOX_NO_MEMORY, /* to keep it in */
};

void outbox_init(struct outbox *outbox, int socket, struct mmsghdr *sending);

/*
 * Sends the reply to a request of type `op`; reply->fd is used up. A descriptor that the kernel refuses to send (too
 * many are in flight, unix(7)) makes it a failed reply.
 */
enum outbox_result outbox_send(struct outbox *outbox, enum proxyfs_op op, struct dispatch_reply *reply);

/* Goes on with what waits, if anything does. */
enum outbox_result outbox_flush(struct outbox *outbox);

/* Whether a reply waits. */
bool outbox_waits(const struct outbox *outbox);

/* Frees what is held, a descriptor too. */
void outbox_finish(struct outbox *outbox);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One client's connection: a state machine that takes messages from the socket and gives replies to it, without
 * ever waiting. Knows nothing of event loops; its reactor asks it to go on when the socket may be ready.
 *
 * Theory of operation: at most one message of a client is in our memory. A header is looked at before it is taken
 * from the socket (MSG_PEEK), and then exactly its message is taken; whatever follows stays in the kernel. Thus
 *  - a connection that breaks the protocol is cut with its bytes unread, and the peer gets ECONNRESET instead of
 *    the end of file that QEMU takes for success (protocol.h);
 *  - a client that sends faster than it reads replies is held back by its own socket;
 *  - a crash of the worker loses no request but the one in hand, which the scoreboard knows.
 * A message that is there as a whole, as QEMU's always are, is taken into the reactor's memory: a connection has
 * none of its own, except while a message arrives or a reply leaves in pieces.
 */
#ifndef WORKER_CONNECTION_H
#define WORKER_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "common/scoreboard.h"
#include "worker/dispatch.h"

/* A reactor's memory, for one request at a time. */
struct connection_room {
	char message[PROXYFS_MESSAGE_MAX];
	struct dispatch_room dispatch;
	struct dispatch_reply reply;
};

struct connection {
	int fd; /* -1: none */
	struct slot *slot;

	/* a message that arrives in pieces */
	char *partial;
	size_t partial_room, partial_size; /* bytes allocated; bytes taken from the socket */

	/* a reply that the socket did not take yet */
	char *unsent;
	size_t unsent_size, unsent_done; /* bytes; those already sent */
	int unsent_fd;                   /* goes with the first byte, or -1 */
};

enum connection_state {
	CONNECTION_READS,     /* call connection_serve() when the socket is readable */
	CONNECTION_WRITES,    /* call it when the socket is writable; it is not read until then */
	CONNECTION_ENDED,     /* the client hung up, broke the protocol (logged) or cannot be served: finish it */
	CONNECTION_ABANDONED, /* the request took so long that somebody else answered it: the thread must stop */
};

/* Takes over the connected socket `fd` on behalf of `slot`, whose phase becomes SLOT_IDLE. */
void connection_init(struct connection *connection, int fd, struct slot *slot);

/*
 * Takes over a connection that another worker has served, and settles what that one left: a client that is owed a
 * reply gets -EIO. One whose message or reply was cut in the middle is ended (logged), after an -EIO if it may be
 * waiting: an OPEN never ends with an end of file.
 */
enum connection_state connection_adopt(struct connection *connection, int fd, struct slot *slot,
                                       struct dispatch_reply *reply);

/* Serves what can be served without waiting: a bounded number of requests, and the reply that is due. */
enum connection_state connection_serve(struct connection *connection, struct connection_room *room);

/* Whether a reply waits for the client to make room. */
bool connection_has_unsent(const struct connection *connection);

/*
 * Answers -EIO in the place of a reactor that does not return from its request, unless it just did. For the
 * worker's main thread, at its end.
 */
void connection_abandon(struct connection *connection, struct dispatch_reply *reply);

/* Closes the socket, frees what is held. The slot is the caller's to close. */
void connection_finish(struct connection *connection);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The receiving half of a connection: whole messages out of a stream socket, without waiting.
 *
 * Theory of operation: bytes are looked at (MSG_PEEK), not taken. SO_PEEK_OFF, socket(7), has the kernel keep the
 * offset up to which we have looked, so that a message costs one recv(2). What has been dealt with is taken from the
 * socket later, many messages at once, and never to the last byte. For as long as a byte lies unread, the end of our
 * socket, for whatever reason and whoever closes it, gives the peer ECONNRESET, and not the end of file that QEMU
 * takes for success (protocol.h). It also leaves, when a worker dies, everything in the kernel that the next one
 * needs: the bytes, and the offset. No look waits: one that does begins anew at the head of the queue when something
 * comes, on Linux 6.1, wherever the offset was, and finds requests that were executed.
 *
 * The peer's sends count against its send buffer until they are taken. So a message that does not come whole is
 * moved into memory of our own as it comes, and inbox_trim() must be called then, and soon after the last request.
 */
#ifndef WORKER_INBOX_H
#define WORKER_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <proxyfs/protocol.h>

struct inbox {
	int socket;        /* the connection's, which stays its own */
	uint32_t kept;     /* bytes at the head of the socket's queue that have been dealt with */
	uint32_t messages; /* dealt with since they were taken last */
	bool hung_up;      /* its reactor was told so: an end of file follows what there is */

	/* a message that comes in pieces, as far as it has come: these bytes are among those kept */
	char *partial;
	size_t partial_room, partial_size;
};

/* A reactor's view of one connection's new bytes, valid while it serves that one. */
struct window {
	size_t at, end; /* not dealt with: bytes[at] to bytes[end - 1] */
	bool all;       /* the last look ended before the window did */
	bool drained;   /* and there is no need to look again before the next edge */
	char bytes[PROXYFS_MESSAGE_MAX];
};

struct message {
	struct proxyfs_header header;
	const char *payload;
	uint32_t fresh; /* bytes of it, with the header, that are not among those kept yet */
};

enum inbox_result {
	INBOX_MESSAGE, /* a valid header and its whole payload */
	INBOX_EMPTY,   /* no whole message now; when more comes the socket will become readable (an edge, epoll(7)) */
	INBOX_ENDED,   /* the peer hung up between messages */
	INBOX_BROKEN,  /* it hung up inside a message, or broke the protocol, or the socket failed: see `reason` */
};

/* Begins with `kept` bytes of the socket's queue dealt with: 0 for a new connection. Returns 0 or -errno. */
int inbox_init(struct inbox *inbox, int socket, uint32_t kept);

/* An empty window, before the first inbox_next() of a turn. */
void window_open(struct window *window);

/*
 * The next message. It is valid until inbox_done(), which must come before the next one. With INBOX_BROKEN, `reason`
 * is a text of at most `size` bytes, empty if the peer is just gone.
 */
enum inbox_result inbox_next(struct inbox *inbox, struct window *window, struct message *message, char *reason,
                             size_t size);

/* The message that inbox_next() returned has been dealt with. */
void inbox_done(struct inbox *inbox, struct window *window, const struct message *message);

/* Ends a turn: what the window still holds will be looked at again. Takes what has been dealt with, if it is much. */
void inbox_close_window(struct inbox *inbox, struct window *window);

/* Whether inbox_trim() would take anything. */
bool inbox_wants_trim(const struct inbox *inbox);

/* Takes what has been dealt with from the socket, but for one byte. */
void inbox_trim(struct inbox *inbox);

/*
 * Takes that byte too, so that the peer of a connection that ends well, because it hung up, sees an end of file. No
 * reply may be due.
 */
void inbox_drain(struct inbox *inbox);

/* Frees what is held. */
void inbox_finish(struct inbox *inbox);

#endif

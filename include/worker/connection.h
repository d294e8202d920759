/* SPDX-License-Identifier: MIT */
/*
 * One client's connection: messages in, through the table of operations, replies out, without ever waiting. Knows
 * nothing of event loops; its reactor asks it to go on when the socket may be ready. While a reply waits for the
 * client to make room, the client is not read.
 *
 * It has no memory of its own but while a message arrives, or a reply leaves, in pieces.
 */
#ifndef WORKER_CONNECTION_H
#define WORKER_CONNECTION_H

#include "common/scoreboard.h"
#include "worker/dispatch.h"
#include "worker/inbox.h"
#include "worker/outbox.h"

/* A reactor's memory, for one request at a time. */
struct connection_room {
	/* Called before and after a request is executed, which may take for ever; NULL: nobody needs to know. */
	void (*let_go)(void *context);
	void (*take_hold)(void *context);
	void *context;

	struct window window;
	struct dispatch_room dispatch;
	struct dispatch_reply reply;
};

struct connection {
	int fd;
	struct slot *slot; /* NULL: there never was a connection here */
	struct ledger *ledger; /* where its requests are counted, set after connection_init() or _adopt(); NULL: nowhere */
	struct inbox inbox;
	struct outbox outbox;
};

enum connection_state {
	CONNECTION_READS,     /* call connection_serve() when the socket becomes readable (an edge) */
	CONNECTION_HAS_MORE,  /* call it soon: others shall have their turn first */
	CONNECTION_WRITES,    /* call it when the socket is writable */
	CONNECTION_ENDED,     /* the client hung up, broke the protocol (logged) or cannot be served: finish it */
	CONNECTION_ABANDONED, /* the request took so long that somebody else answered it: the thread must stop */
};

/* Takes over the connected socket `fd`, new, on behalf of `slot`, whose phase becomes SLOT_IDLE. 0 or -errno. */
int connection_init(struct connection *connection, int fd, struct slot *slot);

/*
 * Takes over a connection that another worker has served and released, or a dead one has left; then settles what that
 * one left (worker/adoption.c).
 * A client that is owed a reply gets -EIO, and its request is never run again. One that is in the middle of a message
 * or of a reply is ended (logged).
 */
enum connection_state connection_adopt(struct connection *connection, int fd, struct slot *slot,
                                       struct dispatch_reply *reply);

/*
 * Serves what can be served without waiting: a bounded number of requests, and the reply that is due. When the event
 * loop has said that the peer hung up (EPOLLRDHUP, epoll_ctl(2)), set inbox.hung_up first: that edge comes but once.
 */
enum connection_state connection_serve(struct connection *connection, struct connection_room *room);

/* Whether connection_tidy() has something to do: it should be called within a fraction of a second. */
bool connection_is_untidy(const struct connection *connection);

/* Takes from the socket what has been dealt with, to give the client back its send buffer. */
void connection_tidy(struct connection *connection);

/* Whether it is between two messages: nothing but what lies in the kernel, and in the slot, is needed to go on. */
bool connection_is_between_messages(const struct connection *connection);

/*
 * Answers -EIO in the place of a reactor that does not return from its request, unless it just did. For the
 * worker's main thread, at its end.
 */
void connection_abandon(struct connection *connection, struct dispatch_reply *reply);

/* Closes the socket, frees what is held. The slot is the caller's to close. */
void connection_finish(struct connection *connection);

/* For adoption.c. Sends a reply, and notes it in the slot. */
enum outbox_result connection_reply(struct connection *connection, enum proxyfs_op op, struct dispatch_reply *reply);

/* For adoption.c. Notes what the sending of a reply came to; the connection's next state. */
enum connection_state connection_replied(struct connection *connection, enum outbox_result result);

/* Logs that a connection is cut, and why; not each, where there are many. */
void connection_log_cut(const struct connection *connection, const char *reason);

/* Says how many of these were left out, if there were some that it has not said yet. */
void connection_log_left_out(void);

#endif

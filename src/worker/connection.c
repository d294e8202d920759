/* SPDX-License-Identifier: MIT */
#include "worker/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <proxyfs/codec.h>

#include "common/descriptor.h"
#include "common/log.h"

/* Requests served before the reactor's other connections get their turn. */
#define BURST 16

/* The first allocation for a message in pieces, bytes; doubled as it arrives. */
#define PARTIAL_FIRST 512

/* What a step of the machine came to. */
enum step {
	STEP_DONE, /* go on with the next */
	STEP_WAIT, /* the socket has nothing, or no room, now */
	STEP_END,  /* the connection is over */
};

void connection_init(struct connection *connection, int fd, struct slot *slot)
{
	*connection = (struct connection){ .fd = fd, .slot = slot, .unsent_fd = -1 };
	slot_set_phase(slot, SLOT_IDLE);
}

static void end_partial(struct connection *connection)
{
	free(connection->partial);
	connection->partial = NULL;
	connection->partial_room = connection->partial_size = 0;
}

static void end_unsent(struct connection *connection)
{
	free(connection->unsent);
	connection->unsent = NULL;
	connection->unsent_size = connection->unsent_done = 0;
	descriptor_close(&connection->unsent_fd);
}

void connection_finish(struct connection *connection)
{
	end_partial(connection);
	end_unsent(connection);
	descriptor_close(&connection->fd);
}

bool connection_has_unsent(const struct connection *connection)
{
	return connection->unsent != NULL;
}

static void log_end(const struct connection *connection, const char *reason)
{
	log_warning("client pid %d, uid %u: %s; its connection is cut", (int)connection->slot->pid,
	            (unsigned)connection->slot->uid, reason);
}

/* --- sending ------------------------------------------------------------------------------------------------- */

/* One sendmsg(2), with the descriptor if there is one. Returns the bytes that were taken, or -errno. */
static ssize_t send_some(int socket, const char *bytes, size_t size, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t sent;

	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.align), &fd, sizeof fd);
	}
	do
		sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static bool would_wait(ssize_t result)
{
	return result == -EAGAIN;
}

/* The client is gone; there is nobody to tell. */
static bool peer_gone(ssize_t result)
{
	return result == -EPIPE || result == -ECONNRESET || result == -ENOTCONN;
}

static void reply_sent(struct connection *connection)
{
	slot_store(connection->slot->answered, 0);
	slot_set_phase(connection->slot, SLOT_IDLE);
}

/* A crash may strike before the bytes that are about to be taken are noted: so it is noted first that they will be. */
static void begin_reading(struct connection *connection, uint32_t op, size_t size)
{
	slot_store(connection->slot->op, op);
	slot_store(connection->slot->size, (uint32_t)size);
	slot_store(connection->slot->consumed, (uint32_t)connection->partial_size);
	slot_set_phase(connection->slot, SLOT_READING);
}

/* Keeps what the socket did not take, and the descriptor if it did not go. */
static enum step keep_unsent(struct connection *connection, struct dispatch_reply *reply, size_t sent)
{
	connection->unsent = malloc(reply->size - sent);
	if (!connection->unsent) {
		log_end(connection, "out of memory for a reply that it does not read");
		return STEP_END;
	}
	memcpy(connection->unsent, reply->bytes + sent, reply->size - sent);
	connection->unsent_size = reply->size - sent;
	connection->unsent_done = 0;
	if (sent == 0)
		connection->unsent_fd = descriptor_take(&reply->fd);
	slot_store(connection->slot->answered, (uint32_t)sent);
	return STEP_WAIT;
}

/* Sends a reply, as far as the socket takes it. `reply->fd` is used up. */
static enum step send_reply(struct connection *connection, enum proxyfs_op op, struct dispatch_reply *reply)
{
	ssize_t sent = send_some(connection->fd, reply->bytes, reply->size, reply->fd);
	enum step step = STEP_DONE;

	/*
	 * The kernel would take the bytes but not the descriptor: too many in flight (ETOOMANYREFS, unix(7)) or
	 * no memory. That is the request's failure, not the connection's.
	 */
	if (sent < 0 && reply->fd >= 0 && !would_wait(sent) && !peer_gone(sent)) {
		descriptor_close(&reply->fd);
		dispatch_failure(op, (int32_t)sent, reply);
		sent = send_some(connection->fd, reply->bytes, reply->size, -1);
	}

	if (sent == (ssize_t)reply->size)
		reply_sent(connection);
	else if (sent >= 0 || would_wait(sent))
		step = keep_unsent(connection, reply, sent < 0 ? 0 : (size_t)sent);
	else
		step = STEP_END;
	descriptor_close(&reply->fd);
	return step;
}

static enum step flush(struct connection *connection)
{
	ssize_t sent;

	if (!connection->unsent)
		return STEP_DONE;
	sent = send_some(connection->fd, connection->unsent + connection->unsent_done,
	                 connection->unsent_size - connection->unsent_done, connection->unsent_fd);
	if (would_wait(sent))
		return STEP_WAIT;
	if (sent < 0) {
		if (!peer_gone(sent))
			log_end(connection, strerror((int)-sent));
		return STEP_END;
	}
	descriptor_close(&connection->unsent_fd);
	connection->unsent_done += (size_t)sent;
	slot_store(connection->slot->answered, slot_load(connection->slot->answered) + (uint32_t)sent);
	if (connection->unsent_done < connection->unsent_size)
		return STEP_WAIT;
	end_unsent(connection);
	reply_sent(connection);
	return STEP_DONE;
}

/* --- receiving ----------------------------------------------------------------------------------------------- */

/* Takes, or with MSG_PEEK looks at, up to `size` bytes. Returns their number, 0 at the end, or -errno. */
static ssize_t receive(int socket, char *bytes, size_t size, int flags)
{
	ssize_t got;

	do
		got = recv(socket, bytes, size, flags | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static enum step no_bytes(struct connection *connection, ssize_t result)
{
	if (would_wait(result))
		return STEP_WAIT;
	if (result == 0 && connection->partial_size > 0)
		log_end(connection, "it hung up in the middle of a message");
	else if (result < 0 && !peer_gone(result))
		log_end(connection, strerror((int)-result));
	return STEP_END;
}

static enum step refuse_header(struct connection *connection, const struct proxyfs_header *header, int error)
{
	char reason[96];

	if (error == -EMSGSIZE)
		snprintf(reason, sizeof reason, "message with a payload of %u bytes, more than %u", header->size,
		         PROXYFS_PAYLOAD_MAX);
	else
		snprintf(reason, sizeof reason, "message of type %u, which is no operation", header->type);
	log_end(connection, reason);
	return STEP_END;
}

/* Makes room for `wanted` bytes of a message in pieces. */
static bool grow_partial(struct connection *connection, size_t wanted)
{
	size_t room = connection->partial_room ? connection->partial_room : PARTIAL_FIRST;
	char *grown;

	if (wanted <= connection->partial_room)
		return true;
	while (room < wanted)
		room *= 2;
	if (room > PROXYFS_MESSAGE_MAX)
		room = PROXYFS_MESSAGE_MAX;
	grown = realloc(connection->partial, room);
	if (!grown) {
		log_end(connection, "out of memory for its message");
		return false;
	}
	connection->partial = grown;
	connection->partial_room = room;
	return true;
}

static enum step add_partial(struct connection *connection, const char *bytes, size_t size)
{
	if (!grow_partial(connection, connection->partial_size + size))
		return STEP_END;
	memcpy(connection->partial + connection->partial_size, bytes, size);
	connection->partial_size += size;
	slot_store(connection->slot->consumed, (uint32_t)connection->partial_size);
	return STEP_DONE;
}

/* Part of a header is there: it is taken, because nothing tells us when more of it comes while it is unread. */
static enum step take_header_part(struct connection *connection, size_t size)
{
	char bytes[PROXYFS_HEADER_SIZE];
	ssize_t got;

	begin_reading(connection, 0, 0);
	got = receive(connection->fd, bytes, size, 0);
	if (got <= 0)
		return no_bytes(connection, got);
	return add_partial(connection, bytes, (size_t)got);
}

/*
 * Finds the header of the next message, without taking more of it than earlier calls did. STEP_DONE: `header` is
 * whole and valid.
 */
static enum step look_at_header(struct connection *connection, struct proxyfs_header *header)
{
	char bytes[PROXYFS_HEADER_SIZE];
	size_t had = connection->partial_size < sizeof bytes ? connection->partial_size : sizeof bytes;
	ssize_t got;
	int error;

	if (had > 0)
		memcpy(bytes, connection->partial, had);
	while (had < sizeof bytes) {
		got = receive(connection->fd, bytes + had, sizeof bytes - had, MSG_PEEK);
		if (got <= 0)
			return no_bytes(connection, got);
		if (had + (size_t)got == sizeof bytes)
			break;
		if (take_header_part(connection, (size_t)got) == STEP_END)
			return STEP_END;
		had += (size_t)got;
	}

	error = proxyfs_decode_header(bytes, header);
	return error ? refuse_header(connection, header, error) : STEP_DONE;
}

/* A message of which nothing has been taken: into the reactor's memory, or if it is not all there, into our own. */
static enum step take_fresh(struct connection *connection, size_t size, char *room)
{
	ssize_t got = receive(connection->fd, room, size, 0);

	if (got <= 0)
		return no_bytes(connection, got);
	slot_store(connection->slot->consumed, (uint32_t)got);
	if ((size_t)got == size)
		return STEP_DONE;
	return add_partial(connection, room, (size_t)got) == STEP_END ? STEP_END : STEP_WAIT;
}

static enum step take_rest(struct connection *connection, size_t size, char *room)
{
	while (connection->partial_size < size) {
		ssize_t got = receive(connection->fd, room, size - connection->partial_size, 0);

		if (got <= 0)
			return no_bytes(connection, got);
		if (add_partial(connection, room, (size_t)got) == STEP_END)
			return STEP_END;
	}
	memcpy(room, connection->partial, size);
	end_partial(connection);
	return STEP_DONE;
}

/* Takes the next message whole. STEP_DONE: it is in `room`. */
static enum step take_message(struct connection *connection, struct proxyfs_header *header, char *room)
{
	enum step step = look_at_header(connection, header);
	size_t size = PROXYFS_HEADER_SIZE + header->size;

	if (step != STEP_DONE)
		return step;
	begin_reading(connection, header->type, size);
	return connection->partial_size ? take_rest(connection, size, room) : take_fresh(connection, size, room);
}

/* --- serving ------------------------------------------------------------------------------------------------- */

static void count(struct slot *slot, int32_t status)
{
	slot_store(slot->requests, slot_load(slot->requests) + 1);
	if (status)
		slot_store(slot->errors, slot_load(slot->errors) + 1);
}

/* Runs the message in room->message. False: somebody else has answered it. */
static bool execute(struct connection *connection, const struct proxyfs_header *header, struct connection_room *room)
{
	slot_store(connection->slot->since, scoreboard_now());
	slot_set_phase(connection->slot, SLOT_EXECUTING);
	dispatch((enum proxyfs_op)header->type, room->message + PROXYFS_HEADER_SIZE, header->size, &room->dispatch,
	         &room->reply);
	return slot_claim_reply(connection->slot);
}

enum connection_state connection_serve(struct connection *connection, struct connection_room *room)
{
	struct proxyfs_header header = { 0, 0 };
	enum step step = flush(connection);

	if (step == STEP_WAIT)
		return CONNECTION_WRITES;

	for (int served = 0; step == STEP_DONE && served < BURST; served++) {
		step = take_message(connection, &header, room->message);
		if (step == STEP_WAIT)
			return CONNECTION_READS;
		if (step == STEP_END)
			break;
		if (!execute(connection, &header, room))
			return CONNECTION_ABANDONED;
		count(connection->slot, room->reply.status);
		step = send_reply(connection, (enum proxyfs_op)header.type, &room->reply);
		if (step == STEP_WAIT)
			return CONNECTION_WRITES;
	}
	return step == STEP_END ? CONNECTION_ENDED : CONNECTION_READS;
}

void connection_abandon(struct connection *connection, struct dispatch_reply *reply)
{
	enum proxyfs_op op = (enum proxyfs_op)slot_load(connection->slot->op);

	if (!slot_claim_reply(connection->slot))
		return;
	log_warning("client pid %d: its %s does not return; answered with an I/O error", (int)connection->slot->pid,
	            proxyfs_op_name(op));
	dispatch_failure(op, -EIO, reply);
	send_reply(connection, op, reply);
}

/* --- after a crash ------------------------------------------------------------------------------------------- */

/* What the last worker left its client with. */
enum debt {
	DEBT_NONE,    /* nothing: it waits for no reply */
	DEBT_REPLY,   /* its request was taken and not answered */
	DEBT_UNKNOWN, /* it may wait for a reply, and may be in the middle of a message */
	DEBT_BROKEN,  /* part of a reply was sent, or the socket holds the rest of a message */
};

/* Bytes in a socket's queue: SIOCINQ to be read, SIOCOUTQ sent and not read by the peer yet, unix(7). */
static int queued(int socket, unsigned long which)
{
	int bytes = 0;

	return ioctl(socket, which, &bytes) ? 0 : bytes;
}

/* Whether the message that the slot speaks of is in the socket still, from its header on. */
static bool still_there(const struct connection *connection)
{
	struct proxyfs_header header;
	char bytes[PROXYFS_HEADER_SIZE];

	return receive(connection->fd, bytes, sizeof bytes, MSG_PEEK) == (ssize_t)sizeof bytes &&
	       !proxyfs_decode_header(bytes, &header) && header.type == slot_load(connection->slot->op) &&
	       PROXYFS_HEADER_SIZE + header.size == slot_load(connection->slot->size);
}

/*
 * The kernel kills between a system call's effect and our note of it. Its queues know more than the slot then: QEMU
 * sends nothing more before it has its reply.
 */
static enum debt find_debt(const struct connection *connection, enum slot_phase phase)
{
	const struct slot *slot = connection->slot;
	bool unread = queued(connection->fd, SIOCINQ) > 0;

	switch (phase) {
	case SLOT_IDLE:
		return DEBT_NONE;
	case SLOT_READING:
		if (slot_load(slot->consumed) == 0 && still_there(connection))
			return DEBT_NONE;
		if (unread)
			return DEBT_BROKEN;
		return slot_load(slot->consumed) == 0 || slot_load(slot->consumed) == slot_load(slot->size) ? DEBT_REPLY :
		                                                                                              DEBT_UNKNOWN;
	case SLOT_EXECUTING:
		return DEBT_REPLY;
	case SLOT_REPLYING:
		if (slot_load(slot->answered) > 0)
			return DEBT_BROKEN;
		return unread || queued(connection->fd, SIOCOUTQ) > 0 ? DEBT_NONE : DEBT_UNKNOWN;
	case SLOT_FREE:
	case SLOT_CLOSED:
	default:
		return DEBT_BROKEN;
	}
}

static enum step answer_failure(struct connection *connection, enum proxyfs_op op, struct dispatch_reply *reply)
{
	slot_set_phase(connection->slot, SLOT_REPLYING);
	dispatch_failure(op, -EIO, reply);
	return send_reply(connection, op, reply);
}

enum connection_state connection_adopt(struct connection *connection, int fd, struct slot *slot,
                                       struct dispatch_reply *reply)
{
	enum slot_phase phase = slot_phase(slot);
	enum proxyfs_op op = (enum proxyfs_op)slot_load(slot->op);
	enum debt debt;

	*connection = (struct connection){ .fd = fd, .slot = slot, .unsent_fd = -1 };
	debt = find_debt(connection, phase);
	if (debt == DEBT_NONE) {
		slot_set_phase(slot, SLOT_IDLE);
		return CONNECTION_READS;
	}
	if (debt != DEBT_BROKEN && proxyfs_op_name(op)) {
		enum step step = answer_failure(connection, op, reply);

		if (debt == DEBT_REPLY && step != STEP_END)
			return step == STEP_WAIT ? CONNECTION_WRITES : CONNECTION_READS;
	}
	log_end(connection, "the worker died in the middle of its message or reply");
	return CONNECTION_ENDED;
}

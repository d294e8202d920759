/* SPDX-License-Identifier: MIT */
#include "worker/inbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <proxyfs/codec.h>

#include "common/fault.h"

/*
 * When to take what has been dealt with. A small message costs its sender some 800 bytes of a send buffer that is
 * 208 KiB by default, socket(7).
 */
#define KEPT_MESSAGES_MOST 16
#define KEPT_BYTES_MOST    (32 * 1024)

/* The first allocation for a message in pieces, bytes; doubled as it comes. */
#define PARTIAL_FIRST 512

static int set_peek_offset(int socket, uint32_t offset)
{
	const int value = (int)offset;

	return setsockopt(socket, SOL_SOCKET, SO_PEEK_OFF, &value, sizeof value) ? -errno : 0;
}

/*
 * What a launcher may have asked a socket to tell with each message, unix(7): we have no room for that, and what there
 * is no room for shall mean a descriptor (MSG_CTRUNC).
 */
static void ask_for_nothing(int socket)
{
	const int off = 0;

	setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &off, sizeof off);
	setsockopt(socket, SOL_SOCKET, SO_PASSSEC, &off, sizeof off);
}

int inbox_init(struct inbox *inbox, int socket, uint32_t kept)
{
	*inbox = (struct inbox){ .socket = socket, .kept = kept };
	ask_for_nothing(socket);
	return set_peek_offset(socket, kept);
}

static void end_partial(struct inbox *inbox)
{
	free(inbox->partial);
	inbox->partial = NULL;
	inbox->partial_room = inbox->partial_size = 0;
}

void inbox_finish(struct inbox *inbox)
{
	end_partial(inbox);
}

/* --- taking what has been dealt with --- */

/* Takes `size` bytes; the kernel moves the peek offset along. */
static void take(struct inbox *inbox, uint32_t size)
{
	char bytes[1024]; /* enough for what is kept of small messages, and no page of the stack more than else */

	while (size > 0) {
		ssize_t got;

		FAULT_POINT(before_take);
		got = recv(inbox->socket, bytes, size < sizeof bytes ? size : sizeof bytes, MSG_DONTWAIT);
		FAULT_POINT(after_take);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return; /* the next look says what is wrong */
		size -= (uint32_t)got;
		inbox->kept -= (uint32_t)got;
	}
}

bool inbox_wants_trim(const struct inbox *inbox)
{
	return inbox->kept > 1;
}

void inbox_trim(struct inbox *inbox)
{
	if (inbox->kept > 1)
		take(inbox, inbox->kept - 1);
	inbox->messages = 0;
}

void inbox_drain(struct inbox *inbox)
{
	take(inbox, inbox->kept);
}

/* --- looking --- */

void window_open(struct window *window)
{
	window->at = window->end = 0;
	window->all = window->drained = false;
}

/*
 * Nothing is taken while the peek offset is beyond what has been dealt with: as the kernel moves it along, a worker
 * that takes over from one which died between the taking and the note of it could not tell how much was which.
 */
void inbox_close_window(struct inbox *inbox, struct window *window)
{
	if (window->at < window->end) {
		FAULT_POINT(before_offset);
		set_peek_offset(inbox->socket, inbox->kept);
		FAULT_POINT(after_offset);
	}
	window->at = window->end = 0;
	/* Nor while the head of a message is with us, but not noted to be. */
	if (!inbox->partial_size && (inbox->messages >= KEPT_MESSAGES_MOST || inbox->kept >= KEPT_BYTES_MOST))
		inbox_trim(inbox);
}

/*
 * No message has a descriptor. As the queue is never emptied, it would hold one for as long as the connection lives;
 * and if that is the client's own end of it, that is for ever, whether the client has ended or not. So it is cut.
 */
#define HOLDS_DESCRIPTOR (-EBADMSG)

/* Returns the bytes that are new, 0 at the end of file, HOLDS_DESCRIPTOR or -errno. */
static ssize_t look(struct inbox *inbox, struct window *window)
{
	struct iovec data = { window->bytes, sizeof window->bytes };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t got;

	/* The rest of the last look is part of the next, so that a message can become whole. */
	inbox_close_window(inbox, window);
	FAULT_POINT(before_look);
	do
		got = recvmsg(inbox->socket, &message, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	FAULT_POINT(looked);
	if (got < 0)
		return -errno;
	if (message.msg_flags & MSG_CTRUNC)
		return HOLDS_DESCRIPTOR;
	window->end = (size_t)got;
	window->all = (size_t)got < sizeof window->bytes;
	window->drained = window->all && !inbox->hung_up;
	return got;
}

static bool peer_gone(ssize_t error)
{
	return error == -ECONNRESET || error == -EPIPE || error == -ENOTCONN;
}

static enum inbox_result no_bytes(const struct inbox *inbox, ssize_t result, char *reason, size_t size)
{
	if (result == -EAGAIN)
		return INBOX_EMPTY;
	if (result == 0 && inbox->partial_size == 0)
		return INBOX_ENDED;
	if (result == 0)
		snprintf(reason, size, "it hung up in the middle of a message");
	else if (result == HOLDS_DESCRIPTOR)
		snprintf(reason, size, "it sent a descriptor");
	else
		snprintf(reason, size, "%s", peer_gone(result) ? "" : strerror((int)-result));
	return INBOX_BROKEN;
}

static enum inbox_result judge_header(const char *bytes, struct proxyfs_header *header, char *reason, size_t size)
{
	switch (proxyfs_decode_header(bytes, header)) {
	case 0:
		return INBOX_MESSAGE;
	case -EMSGSIZE:
		snprintf(reason, size, "message with a payload of %u bytes, more than %u", header->size, PROXYFS_PAYLOAD_MAX);
		return INBOX_BROKEN;
	default:
		snprintf(reason, size, "message of type %u, which is no operation", header->type);
		return INBOX_BROKEN;
	}
}

/* --- messages in pieces --- */

static bool grow_partial(struct inbox *inbox, size_t wanted)
{
	size_t room = inbox->partial_room ? inbox->partial_room : PARTIAL_FIRST;
	char *grown;

	if (wanted <= inbox->partial_room)
		return true;
	while (room < wanted)
		room *= 2;
	if (room > PROXYFS_MESSAGE_MAX)
		room = PROXYFS_MESSAGE_MAX;
	grown = realloc(inbox->partial, room);
	if (!grown)
		return false;
	inbox->partial = grown;
	inbox->partial_room = room;
	return true;
}

/* Moves bytes from the window, up to `wanted` of the message in all. */
static bool fill_partial(struct inbox *inbox, struct window *window, size_t wanted)
{
	size_t missing = wanted > inbox->partial_size ? wanted - inbox->partial_size : 0;
	size_t moved = missing < window->end - window->at ? missing : window->end - window->at;

	if (!grow_partial(inbox, inbox->partial_size + moved))
		return false;
	memcpy(inbox->partial + inbox->partial_size, window->bytes + window->at, moved);
	inbox->partial_size += moved;
	inbox->kept += (uint32_t)moved;
	window->at += moved;
	return true;
}

/* Goes on with the message in pieces, or begins one with what the window holds. */
static enum inbox_result next_partial(struct inbox *inbox, struct window *window, struct message *message,
                                      char *reason, size_t size)
{
	enum inbox_result result;

	if (!fill_partial(inbox, window, PROXYFS_HEADER_SIZE))
		goto out_of_memory;
	if (inbox->partial_size >= PROXYFS_HEADER_SIZE) {
		size_t whole;

		result = judge_header(inbox->partial, &message->header, reason, size);
		if (result != INBOX_MESSAGE)
			return result;
		whole = PROXYFS_HEADER_SIZE + message->header.size;
		if (!fill_partial(inbox, window, whole))
			goto out_of_memory;
		if (inbox->partial_size == whole) {
			message->payload = inbox->partial + PROXYFS_HEADER_SIZE;
			message->fresh = 0;
			return INBOX_MESSAGE;
		}
	}
	return INBOX_EMPTY;

out_of_memory:
	snprintf(reason, size, "out of memory for its message");
	return INBOX_BROKEN;
}

/* --- messages --- */

/* A message that lies whole in the window. INBOX_EMPTY: none does. */
static enum inbox_result next_whole(struct window *window, struct message *message, char *reason, size_t size)
{
	size_t available = window->end - window->at;
	enum inbox_result result;

	if (available < PROXYFS_HEADER_SIZE)
		return INBOX_EMPTY;
	result = judge_header(window->bytes + window->at, &message->header, reason, size);
	if (result != INBOX_MESSAGE)
		return result;
	if (available < PROXYFS_HEADER_SIZE + message->header.size)
		return INBOX_EMPTY;
	message->payload = window->bytes + window->at + PROXYFS_HEADER_SIZE;
	message->fresh = (uint32_t)PROXYFS_HEADER_SIZE + message->header.size;
	return INBOX_MESSAGE;
}

enum inbox_result inbox_next(struct inbox *inbox, struct window *window, struct message *message, char *reason,
                             size_t size)
{
	for (;;) {
		enum inbox_result result = inbox->partial_size ? INBOX_EMPTY : next_whole(window, message, reason, size);
		ssize_t got;

		if (result != INBOX_EMPTY)
			return result;
		if (window->at < window->end && (window->all || inbox->partial_size)) {
			result = next_partial(inbox, window, message, reason, size);
			if (result != INBOX_EMPTY)
				return result;
			/* There is no reply whose sending would tell us that the peer is gone: ask the socket. */
			window->drained = false;
		}
		if (window->drained)
			return INBOX_EMPTY;
		got = look(inbox, window);
		if (got <= 0)
			return no_bytes(inbox, got, reason, size);
	}
}

void inbox_done(struct inbox *inbox, struct window *window, const struct message *message)
{
	if (message->fresh == 0)
		end_partial(inbox);
	window->at += message->fresh;
	inbox->kept += message->fresh;
	inbox->messages++;
}

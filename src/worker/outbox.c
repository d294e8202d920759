/* SPDX-License-Identifier: MIT */
#include "worker/outbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <proxyfs/codec.h>

#include "common/descriptor.h"
#include "common/fault.h"

void outbox_init(struct outbox *outbox, int socket, struct mmsghdr *sending)
{
	*outbox = (struct outbox){ .socket = socket, .sending = sending, .fd = -1 };
}

bool outbox_waits(const struct outbox *outbox)
{
	return outbox->unsent != NULL;
}

void outbox_finish(struct outbox *outbox)
{
	free(outbox->unsent);
	outbox->unsent = NULL;
	outbox->size = outbox->done = 0;
	descriptor_close(&outbox->fd);
}

/* One attempt, with the descriptor if there is one. Returns the bytes that were taken, or -errno. */
static ssize_t send_some(struct outbox *outbox, const char *bytes, size_t size, int fd)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	int sent;

	if (fd >= 0) {
		memset(&control, 0, sizeof control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	*outbox->sending = (struct mmsghdr){ .msg_hdr = message };
	FAULT_POINT(before_send);
	do
		sent = sendmmsg(outbox->socket, outbox->sending, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	FAULT_POINT(after_send);
	return sent < 0 ? -errno : (ssize_t)outbox->sending->msg_len;
}

static bool peer_gone(ssize_t error)
{
	return error == -EPIPE || error == -ECONNRESET || error == -ENOTCONN;
}

/*
 * Nothing is taken now: there is no room in the socket or, for a moment, no memory in the kernel. That is no reason to
 * cut a guest, which would be for good; trying again in a loop while memory lacks is the lesser evil.
 */
static bool must_wait(ssize_t error)
{
	return error == -EAGAIN || error == -ENOMEM || error == -ENOBUFS;
}

/* The kernel would take the bytes but not the descriptor: the request has failed, not the connection. */
static bool is_refusal(ssize_t sent, int fd)
{
	return sent < 0 && fd >= 0 && sent != -EAGAIN && !peer_gone(sent);
}

/* Keeps what the socket did not take, and the descriptor if it did not go. */
static enum outbox_result keep(struct outbox *outbox, struct dispatch_reply *reply, size_t sent)
{
	outbox->unsent = malloc(reply->size - sent);
	if (!outbox->unsent)
		return OUTBOX_NO_MEMORY;
	memcpy(outbox->unsent, reply->bytes + sent, reply->size - sent);
	outbox->size = reply->size - sent;
	outbox->done = 0;
	outbox->partly = sent > 0;
	if (sent == 0)
		outbox->fd = descriptor_take(&reply->fd);
	return OUTBOX_WAITS;
}

enum outbox_result outbox_send(struct outbox *outbox, enum proxyfs_op op, struct dispatch_reply *reply)
{
	ssize_t sent = send_some(outbox, reply->bytes, reply->size, reply->fd);
	enum outbox_result result = OUTBOX_SENT;

	if (is_refusal(sent, reply->fd)) {
		descriptor_close(&reply->fd);
		dispatch_failure(op, (int32_t)sent, reply);
		sent = send_some(outbox, reply->bytes, reply->size, -1);
	}

	if (must_wait(sent))
		result = keep(outbox, reply, 0);
	else if (sent < 0)
		result = OUTBOX_GONE;
	else if ((size_t)sent < reply->size)
		result = keep(outbox, reply, (size_t)sent);
	descriptor_close(&reply->fd);
	return result;
}

/* What waits is an fd reply, and the kernel does not take the descriptor: the failure goes in its place. */
static void fail_unsent(struct outbox *outbox, int32_t status)
{
	descriptor_close(&outbox->fd);
	proxyfs_encode_reply(PROXYFS_OPEN, &(struct proxyfs_reply){ .status = status }, outbox->unsent, outbox->size);
}

static ssize_t send_unsent(struct outbox *outbox)
{
	return send_some(outbox, outbox->unsent + outbox->done, outbox->size - outbox->done, outbox->fd);
}

enum outbox_result outbox_flush(struct outbox *outbox)
{
	ssize_t sent;

	if (!outbox->unsent)
		return OUTBOX_SENT;
	sent = send_unsent(outbox);
	if (is_refusal(sent, outbox->fd)) {
		fail_unsent(outbox, (int32_t)sent);
		sent = send_unsent(outbox);
	}
	if (must_wait(sent))
		return OUTBOX_WAITS;
	if (sent < 0)
		return OUTBOX_GONE;
	descriptor_close(&outbox->fd);
	outbox->done += (size_t)sent;
	outbox->partly = true;
	if (outbox->done < outbox->size)
		return OUTBOX_WAITS;
	outbox_finish(outbox);
	return OUTBOX_SENT;
}

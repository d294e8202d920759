/* SPDX-License-Identifier: MIT */
#include "ctl/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(TAP_DESCRIPTORS * sizeof(int))];
};

int tap_open(struct tap *tap, int fd)
{
	int offset = 0;

	*tap = (struct tap){ .fd = fd };
	/* From now on, each look goes on where the last one ended. */
	if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset))
		return -errno;
	return fcntl(fd, F_SETFL, O_NONBLOCK) ? -errno : 0;
}

static void keep_descriptors(struct msghdr *message, struct passed *passed)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t size = part->cmsg_len - CMSG_LEN(0);

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + at, sizeof fd);
			if (passed->count < TAP_DESCRIPTORS)
				passed->fds[passed->count++] = fd;
			else
				close(fd);
		}
	}
}

/*
 * Takes bytes that have been seen off the queue, and the descriptors with them. These are to be had here: a look that
 * ends where a message of the socket ends shows those of the next one too.
 */
static void take(struct tap *tap, size_t count, struct passed *passed)
{
	char bytes[4096];

	while (count > 0) {
		union control control;
		struct iovec data = { bytes, count < sizeof bytes ? count : sizeof bytes };
		struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
			                  .msg_controllen = sizeof control };
		ssize_t got = recvmsg(tap->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return;
		keep_descriptors(&message, passed);
		tap->unread -= (size_t)got;
		count -= (size_t)got;
	}
}

ssize_t tap_look(struct tap *tap, void *bytes, size_t size, struct passed *passed)
{
	ssize_t got;

	do
		got = recv(tap->fd, bytes, size, MSG_PEEK | MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;

	tap->unread += (size_t)got;
	if (tap->unread > 1)
		take(tap, tap->unread - 1, passed);
	return got;
}

ssize_t tap_send(const struct tap *tap, const void *bytes, size_t size, const struct passed *passed)
{
	union control control;
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	size_t length = (size_t)passed->count * sizeof(int);
	ssize_t sent;

	if (passed->count > 0) {
		memset(&control, 0, sizeof control);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(length);
		control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(length), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), passed->fds, length);
	}
	do
		sent = sendmsg(tap->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

void tap_close(struct tap *tap, bool reset)
{
	struct passed passed = { .count = 0 };

	if (tap->fd < 0)
		return;
	if (!reset)
		take(tap, tap->unread, &passed);
	passed_close(&passed);
	close(tap->fd);
	tap->fd = -1;
}

void passed_close(struct passed *passed)
{
	while (passed->count > 0)
		close(passed->fds[--passed->count]);
}

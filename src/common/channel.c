/* SPDX-License-Identifier: MIT */
#include "common/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int))];
};

int channel_create(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) ? -errno : 0;
}

int channel_send(int channel, const struct channel_message *message, int descriptor)
{
	union control control;
	struct iovec data = { (void *)(uintptr_t)message, sizeof *message };
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1 };
	struct cmsghdr *part;

	if (descriptor >= 0) {
		memset(&control, 0, sizeof control);
		header.msg_control = &control;
		header.msg_controllen = sizeof control;
		part = CMSG_FIRSTHDR(&header);
		part->cmsg_level = SOL_SOCKET;
		part->cmsg_type = SCM_RIGHTS;
		part->cmsg_len = CMSG_LEN(sizeof descriptor);
		memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
	}
	return sendmsg(channel, &header, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int channel_receive(int channel, struct channel_message *message, int *descriptor)
{
	union control control;
	struct iovec data = { message, sizeof *message };
	/* Room for one: with its padding, CMSG_SPACE has room for two. */
	struct msghdr header = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		                 .msg_controllen = CMSG_LEN(sizeof(int)) };
	AUTO_CLOSE int received = -1;
	struct cmsghdr *part;
	ssize_t got = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);

	if (got < 0)
		return -errno;
	part = CMSG_FIRSTHDR(&header);
	if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS)
		memcpy(&received, CMSG_DATA(part), sizeof received);
	if (got == 0)
		return -EPIPE;
	if (got != sizeof *message || header.msg_flags & MSG_TRUNC)
		return -EPROTO;
	*descriptor = descriptor_take(&received);
	return 0;
}

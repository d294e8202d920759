/* SPDX-License-Identifier: MIT */
/*
 * The floor: a server that answers each request with a reply of the right form and size, and does nothing else. A
 * thread for each client, which sleeps in recv(2): one system call to get a request, one to answer it. What a helper
 * takes longer is its own doing.
 *
 * usage: echo SOCKET
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <proxyfs/codec.h>

static int descriptor; /* what each OPEN and CREATE gets */

static void fill_reply(const struct proxyfs_request *request, struct proxyfs_reply *reply)
{
	*reply = (struct proxyfs_reply){ .status = 0 };
	if (request->op == PROXYFS_LGETXATTR)
		reply->status = -ENODATA;
}

static int answer(int client, const struct proxyfs_request *request)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct proxyfs_reply reply;
	char bytes[256];
	struct iovec data = { bytes, 0 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	fill_reply(request, &reply);
	data.iov_len = (size_t)proxyfs_encode_reply(request->op, &reply, bytes, sizeof bytes);
	if (proxyfs_op_form(request->op) == PROXYFS_FORM_FD) {
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	return sendmsg(client, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

static void *serve(void *argument)
{
	int client = (int)(intptr_t)argument;
	static _Thread_local char bytes[PROXYFS_MESSAGE_MAX];
	struct proxyfs_header header;
	struct proxyfs_request request;

	while (recv(client, bytes, sizeof bytes, 0) > 0) {
		if (proxyfs_decode_header(bytes, &header) ||
		    proxyfs_decode_request(header.type, bytes + PROXYFS_HEADER_SIZE, header.size, &request) ||
		    answer(client, &request))
			break;
	}
	close(client);
	return NULL;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) || listen(fd, 1024)) {
		perror("echo");
		exit(EXIT_FAILURE);
	}
	return fd;
}

int main(int count, char **arguments)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int listener;

	if (count != 2) {
		fputs("usage: echo SOCKET\n", stderr);
		return 2;
	}
	descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener = listen_on(arguments[1]);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256 * 1024);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0 || pthread_create(&thread, &attributes, serve, (void *)(intptr_t)client))
			return EXIT_FAILURE;
	}
}

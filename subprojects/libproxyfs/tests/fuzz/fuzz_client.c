/* SPDX-License-Identifier: MIT */
/*
 * The client, with a helper that says anything: an input is a type, the size that the request names, a byte that says
 * how many descriptors come along, and what the helper sends before it hangs up.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "../goldens.h"
#include "model.h"

#define QUESTION    9U
#define DESCRIPTORS 3U /* at most */

size_t fuzz_seed(unsigned number, uint8_t *room)
{
	const struct golden_reply *golden = &golden_replies[number];

	if (number >= GOLDEN_REPLIES)
		return 0;
	wire_put_u32(room, golden->request.op);
	wire_put_u32(room + 4, (uint32_t)golden->request.size);
	room[8] = model_form(golden->request.op) == MODEL_FD && golden->reply.status == 0;
	return QUESTION + wire_build(golden->wire, room + QUESTION);
}

/* The number that the next descriptor would get: higher than it was if one has been left open. */
static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	return fd;
}

static size_t send_with_descriptors(int socket, const uint8_t *bytes, size_t size, unsigned count)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
	} control = { .header = { CMSG_LEN(count * sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	const int fds[DESCRIPTORS] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t sent;

	if (count > 0) {
		memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	return sent < 0 ? 0 : (size_t)sent;
}

/* Only what the model takes for a reply may be taken for one, and only with the descriptor that it announces. */
static void check_call(struct proxyfs_client *client, const struct proxyfs_request *request, const uint8_t *bytes,
                       size_t size, unsigned descriptors)
{
	struct proxyfs_reply reply;
	size_t whole = model_reply_size(request->op, bytes, size);
	bool acceptable = size >= whole && model_is_reply(request->op, request->size, bytes, whole);
	bool wants_fd = acceptable && model_form(request->op) == MODEL_FD && model_status(request->op, bytes) == 0;
	int fd, error = proxyfs_call(client, request, &reply, &fd);

	if (model_form(request->op) == MODEL_FD)
		acceptable = acceptable && descriptors == wants_fd;
	FUZZ_CHECK(error <= 0 && error > -4096 && error == proxyfs_client_error(client));
	FUZZ_CHECK((error == 0) == acceptable);
	FUZZ_CHECK((fd >= 0) == (error == 0 && wants_fd));
	if (fd >= 0)
		close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyfs_request request = { .path = BYTES_OF("//file"), .name = BYTES_OF("user.name") };
	struct proxyfs_client *client;
	uint32_t question[2];
	int ends[2], before = next_descriptor();
	unsigned descriptors;
	size_t sent;

	if (size <= QUESTION || size > QUESTION + PROXYFS_MESSAGE_MAX)
		return 0;
	memcpy(question, data, sizeof question);
	request.op = (enum proxyfs_op)model_any_op(question[0]);
	request.size = (int32_t)question[1];
	descriptors = data[8] % (DESCRIPTORS + 1);

	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	FUZZ_CHECK(proxyfs_client_adopt(ends[0], &client) == 0);
	sent = send_with_descriptors(ends[1], data + QUESTION, size - QUESTION, descriptors);
	shutdown(ends[1], SHUT_WR);
	check_call(client, &request, data + QUESTION, sent, descriptors);
	close(ends[1]);
	proxyfs_client_close(client);
	FUZZ_CHECK(next_descriptor() == before);
	return 0;
}

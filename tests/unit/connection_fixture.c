/* SPDX-License-Identifier: MIT */
#include "connection_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"

static struct fixture the_fixture;

static void disconnect(struct fixture *fixture)
{
	if (fixture->connection.slot)
		connection_finish(&fixture->connection);
	fixture->connection.slot = NULL;
	descriptor_close(&fixture->client);
	descriptor_close(&fixture->epoll);
}

int fixture_connect_socket(struct fixture *fixture)
{
	int ends[2];

	disconnect(fixture);
	stub_reset();
	log_capture_reset();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	fixture->client = ends[0];
	memset(&fixture->slot, 0, sizeof fixture->slot);
	fixture->slot.pid = CLIENT_PID;
	fixture->slot.uid = CLIENT_UID;
	return ends[1];
}

void fixture_watch(struct fixture *fixture, enum connection_state state)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

	fixture->state = state;
	fixture->epoll = epoll_create1(EPOLL_CLOEXEC);
	assert_int_equal(epoll_ctl(fixture->epoll, EPOLL_CTL_ADD, fixture->connection.fd, &event), 0);
}

void fixture_connect(struct fixture *fixture)
{
	int fd = fixture_connect_socket(fixture);

	assert_int_equal(connection_init(&fixture->connection, fd, &fixture->slot), 0);
	fixture_watch(fixture, CONNECTION_READS);
}

int fixture_setup(void **state)
{
	memset(&the_fixture, 0, sizeof the_fixture);
	the_fixture.client = the_fixture.epoll = -1;
	the_fixture.descriptors = open_descriptors();
	fixture_connect(&the_fixture);
	*state = &the_fixture;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	disconnect(fixture);
	assert_int_equal(open_descriptors(), fixture->descriptors);
	return 0;
}

enum connection_state serve_once(struct fixture *fixture)
{
	return fixture->state = connection_serve(&fixture->connection, &fixture->room);
}

/* An event since the last one. What libevent makes of it is EV_CLOSED, unless there is an error too. */
static bool has_event(struct fixture *fixture)
{
	struct epoll_event event;

	if (epoll_wait(fixture->epoll, &event, 1, 0) != 1)
		return false;
	if (event.events & EPOLLRDHUP && !(event.events & EPOLLERR))
		fixture->connection.inbox.hung_up = true;
	return true;
}

/* As when a reactor adds an event anew: what is there by now is an edge once more. */
static void watch_again(struct fixture *fixture)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

	assert_int_equal(epoll_ctl(fixture->epoll, EPOLL_CTL_MOD, fixture->connection.fd, &event), 0);
}

enum connection_state serve(struct fixture *fixture)
{
	enum connection_state before = fixture->state;

	if (before == CONNECTION_READS && !has_event(fixture))
		return before;
	while (serve_once(fixture) == CONNECTION_HAS_MORE)
		;
	if (before == CONNECTION_WRITES && fixture->state == CONNECTION_READS)
		watch_again(fixture);
	return fixture->state;
}

/* --- what the client sends ----------------------------------------------------------------------------------- */

size_t build_message(char *message, uint32_t type, uint32_t size, int32_t number)
{
	struct proxyfs_header header = { type, size };

	memcpy(message, &header, sizeof header);
	for (uint32_t i = 0; i < size; i++)
		message[PROXYFS_HEADER_SIZE + i] = (char)(i * 11 + (i >> 8) + (uint32_t)number);
	if (size >= sizeof number)
		memcpy(message + PROXYFS_HEADER_SIZE, &number, sizeof number);
	return PROXYFS_HEADER_SIZE + size;
}

void client_sends(struct fixture *fixture, const void *bytes, size_t size)
{
	assert_int_equal(send(fixture->client, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL), size);
}

void client_sends_message(struct fixture *fixture, uint32_t type, uint32_t size, int32_t number)
{
	static char message[PROXYFS_MESSAGE_MAX];

	client_sends(fixture, message, build_message(message, type, size, number));
}

void client_sends_descriptor(struct fixture *fixture, const void *bytes, size_t size, int descriptor)
{
	union {
		struct cmsghdr part;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .part = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		                  .msg_controllen = sizeof control };

	memcpy(CMSG_DATA(&control.part), &descriptor, sizeof descriptor);
	assert_int_equal(sendmsg(fixture->client, &message, MSG_DONTWAIT | MSG_NOSIGNAL), size);
}

void client_hangs_up(struct fixture *fixture)
{
	descriptor_close(&fixture->client);
}

/* --- what the client finds ----------------------------------------------------------------------------------- */

void client_reads(struct fixture *fixture, const void *bytes, size_t size)
{
	static char got[PROXYFS_MESSAGE_MAX];
	size_t done = 0;

	assert_true(size <= sizeof got);
	while (done < size) {
		ssize_t some = recv(fixture->client, got + done, size - done, MSG_DONTWAIT);

		assert_true(some > 0);
		done += (size_t)some;
	}
	assert_memory_equal(got, bytes, size);
}

void client_reads_status(struct fixture *fixture, int32_t number)
{
	client_reads(fixture, (const int32_t[]){ 0, 4, number }, STATUS_SIZE);
}

void client_reads_failure(struct fixture *fixture, enum proxyfs_op op, int32_t status)
{
	if (op == PROXYFS_OPEN || op == PROXYFS_CREATE)
		client_reads(fixture, &status, FD_SIZE);
	else
		client_reads(fixture, (const int32_t[]){ 1, 4, status }, STATUS_SIZE);
}

/* Looks for a byte that must not be there. Returns what recv(2) does. */
static ssize_t look_for_byte(struct fixture *fixture)
{
	char byte;

	return recv(fixture->client, &byte, 1, MSG_DONTWAIT);
}

void client_reads_nothing(struct fixture *fixture)
{
	assert_int_equal(look_for_byte(fixture), -1);
	assert_int_equal(errno, EAGAIN);
}

void client_reads_end(struct fixture *fixture)
{
	assert_int_equal(look_for_byte(fixture), 0);
}

void client_reads_reset(struct fixture *fixture)
{
	assert_int_equal(look_for_byte(fixture), -1);
	assert_int_equal(errno, ECONNRESET);
}

int client_reads_descriptor(struct fixture *fixture)
{
	union {
		struct cmsghdr part;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control;
	char bytes[64];
	int32_t value;
	struct iovec data = { bytes, sizeof bytes };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		                  .msg_controllen = sizeof control };
	int descriptor;

	assert_int_equal(recvmsg(fixture->client, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), FD_SIZE);
	memcpy(&value, bytes, sizeof value);
	assert_int_equal(value, PROXYFS_FD_FOLLOWS);
	assert_int_equal(message.msg_controllen, CMSG_SPACE(sizeof(int)));
	assert_int_equal(control.part.cmsg_level, SOL_SOCKET);
	assert_int_equal(control.part.cmsg_type, SCM_RIGHTS);
	assert_int_equal(control.part.cmsg_len, CMSG_LEN(sizeof(int)));
	memcpy(&descriptor, CMSG_DATA(&control.part), sizeof descriptor);
	return descriptor;
}

/* --- what has happened in between ---------------------------------------------------------------------------- */

int untaken(const struct fixture *fixture)
{
	int bytes;

	assert_int_equal(ioctl(fixture->connection.fd, FIONREAD, &bytes), 0);
	return bytes;
}

void assert_dispatched(unsigned calls, const char *message, size_t size)
{
	uint32_t type;

	memcpy(&type, message, sizeof type);
	assert_int_equal(stub.calls, calls);
	assert_int_equal(stub.op, type);
	assert_int_equal(stub.size, size - PROXYFS_HEADER_SIZE);
	assert_memory_equal(stub.payload, message + PROXYFS_HEADER_SIZE, stub.size);
}

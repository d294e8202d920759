/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "peer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 20
#define DEADLINE 20 /* seconds: a client that hangs ends the whole test program */

static struct peer the_peer;
static unsigned int open_before;
static pthread_t client_thread;
static atomic_bool interrupted;

/* The peer's thread cannot use cmocka's assertions: what fails here ends the program. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	perror(what);
	abort();
}

unsigned int open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int count = 0;

	expect(directory, "/proc/self/fd");
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

int peer_setup(void **state)
{
	int ends[2];

	alarm(DEADLINE);
	open_before = open_descriptors();
	expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
	the_peer.fd = ends[0];
	the_peer.passed = memfd_create("passed", MFD_CLOEXEC);
	the_peer.request_size = 0;
	the_peer.subject = *state;
	*state = &the_peer;
	return proxyfs_client_adopt(ends[1], &the_peer.client);
}

int peer_teardown(void **state)
{
	struct peer *peer = *state;

	proxyfs_client_close(peer->client);
	close(peer->passed);
	if (peer->fd >= 0)
		close(peer->fd);
	assert_int_equal(open_descriptors(), open_before);
	return 0;
}

static void receive_request(struct peer *peer)
{
	uint32_t size;

	expect(recv(peer->fd, peer->request, HEADER_BYTES, MSG_WAITALL) == HEADER_BYTES, "a request's header");
	memcpy(&size, peer->request + 4, sizeof size);
	peer->request_size = HEADER_BYTES;
	if (peer->script->then == RESETS)
		return;
	expect(size <= WIRE_MAX - HEADER_BYTES, "a request's size");
	expect(recv(peer->fd, peer->request + HEADER_BYTES, size, MSG_WAITALL) == (ssize_t)size, "a request's payload");
	peer->request_size += size;
}

/* Sends bytes with descriptors, without which it is a plain send. */
static void send_with_descriptors(const struct peer *peer, const void *bytes, size_t size)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	} control = { .header = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS } };
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	unsigned int count = peer->script->descriptors;

	if (count > 0) {
		control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		for (unsigned int i = 0; i < count; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &peer->passed, sizeof(int));
	}
	expect(sendmsg(peer->fd, &message, MSG_NOSIGNAL) == (ssize_t)size, "a reply");
}

static void wait_until_read(const struct peer *peer)
{
	int unread = 1;

	while (unread) {
		expect(ioctl(peer->fd, SIOCOUTQ, &unread) == 0, "SIOCOUTQ");
		sched_yield();
	}
}

static void send_reply(const struct peer *peer)
{
	static unsigned char reply[WIRE_MAX];
	const struct script *script = peer->script;
	size_t whole = wire_build(script->reply, reply);
	size_t size = script->sent ? script->sent : whole;
	size_t piece = script->in_pieces ? 1 : size;

	if (size == 0)
		return;
	send_with_descriptors(peer, reply, piece);
	for (size_t i = piece; i < size; i++) {
		wait_until_read(peer);
		expect(send(peer->fd, reply + i, 1, MSG_NOSIGNAL) == 1, "a piece of a reply");
	}
}

static void note_signal(int number)
{
	(void)number;
	interrupted = true;
}

/* The state letter of the client's thread, the main one: S while it sleeps in a system call. */
static char client_state(void)
{
	char line[200] = "";
	FILE *file;
	const char *name_end;

	snprintf(line, sizeof line, "/proc/self/task/%d/stat", getpid());
	file = fopen(line, "re");
	expect(file && fgets(line, sizeof line, file), "stat");
	fclose(file);
	name_end = strrchr(line, ')');
	expect(name_end, "stat");
	return name_end[2];
}

static void interrupt_client(void)
{
	interrupted = false;
	while (client_state() != 'S')
		sched_yield();
	pthread_kill(client_thread, SIGUSR1);
	while (!interrupted)
		sched_yield();
}

static void *play(void *data)
{
	struct peer *peer = data;

	if (peer->script->interrupts_sending) {
		interrupt_client(); /* which makes it send() again, with nothing sent yet */
		interrupt_client();
	}
	receive_request(peer);
	if (peer->script->interrupts)
		interrupt_client();
	send_reply(peer);
	if (peer->script->then != STAYS) {
		close(peer->fd);
		peer->fd = -1;
	}
	return NULL;
}

long peer_play(struct peer *peer, const struct script *script, long (*call)(struct proxyfs_client *client))
{
	const struct sigaction action = { .sa_handler = note_signal }; /* without SA_RESTART */
	pthread_t thread;
	long result;

	client_thread = pthread_self();
	expect(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
	peer->script = script;
	expect(pthread_create(&thread, NULL, play, peer) == 0, "pthread_create");
	result = call(peer->client);
	expect(pthread_join(thread, NULL) == 0, "pthread_join");
	return result;
}

void assert_received(const struct peer *peer, const struct part *parts)
{
	static unsigned char expected[WIRE_MAX];
	size_t size = wire_build(parts, expected);

	assert_int_equal(peer->request_size, size);
	assert_memory_equal(peer->request, expected, size);
}

void assert_nothing_more_sent(const struct peer *peer)
{
	char byte;

	if (peer->fd < 0)
		return;
	assert_int_equal(recv(peer->fd, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
}

void assert_passed(const struct peer *peer, long fd)
{
	struct stat passed, got;

	assert_in_range(fd, 0, 1000);
	assert_int_equal(fcntl((int)fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(peer->passed, &passed), 0);
	assert_int_equal(fstat((int)fd, &got), 0);
	assert_int_equal(got.st_dev, passed.st_dev);
	assert_int_equal(got.st_ino, passed.st_ino);
	close((int)fd);
}

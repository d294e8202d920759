/* SPDX-License-Identifier: MIT */
/* The channel's messages, and that no descriptor stays behind whatever the other end sends. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/descriptor.h"

static int ends[2];
static unsigned descriptors;

static const struct channel_message connection = { CHANNEL_CONNECTION, 42 };

static int setup(void **state)
{
	(void)state;
	descriptors = open_descriptors();
	return channel_create(ends);
}

static int teardown(void **state)
{
	(void)state;
	descriptor_close(&ends[0]);
	descriptor_close(&ends[1]);
	assert_int_equal(open_descriptors(), descriptors);
	return 0;
}

static int receive(struct channel_message *message, int *descriptor)
{
	memset(message, 0xa5, sizeof *message);
	*descriptor = -2;
	return channel_receive(ends[1], message, descriptor);
}

static void assert_message(const struct channel_message *message)
{
	assert_int_equal(message->type, CHANNEL_CONNECTION);
	assert_int_equal(message->slot, 42);
}

/* Sends anything, with so many copies of stderr. */
static void send_raw(const void *bytes, size_t size, unsigned count)
{
	union {
		struct cmsghdr part;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control = { .part = { .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET,
		                    .cmsg_type = SCM_RIGHTS } };
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	const int copies[4] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO, STDERR_FILENO };

	memcpy(CMSG_DATA(&control.part), copies, count * sizeof(int));
	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	}
	assert_int_equal(sendmsg(ends[0], &message, 0), size);
}

static void both_ends_are_private_and_do_not_block(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fcntl(ends[i], F_GETFD), FD_CLOEXEC);
		assert_true(fcntl(ends[i], F_GETFL) & O_NONBLOCK);
	}
}

static void a_message_comes_as_it_was_sent(void **state)
{
	struct channel_message message;
	int descriptor;

	(void)state;
	assert_int_equal(channel_send(ends[0], &connection, -1), 0);
	assert_int_equal(receive(&message, &descriptor), 0);
	assert_message(&message);
	assert_int_equal(descriptor, -1);
	assert_int_equal(receive(&message, &descriptor), -EAGAIN);
}

static void a_descriptor_comes_along(void **state)
{
	AUTO_CLOSE int sent = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int received = -1;
	struct channel_message message;
	struct stat before, after;

	(void)state;
	assert_int_equal(channel_send(ends[0], &connection, sent), 0);
	assert_true(fcntl(sent, F_GETFD) >= 0); /* a copy went */
	assert_int_equal(receive(&message, &received), 0);
	assert_message(&message);
	assert_int_equal(fcntl(received, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(sent, &before), 0);
	assert_int_equal(fstat(received, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void messages_keep_their_order_and_their_descriptors(void **state)
{
	struct channel_message message;
	int descriptor;

	(void)state;
	for (uint32_t i = 0; i < 6; i++) {
		message = (struct channel_message){ CHANNEL_CONNECTION, i };
		assert_int_equal(channel_send(ends[0], &message, i % 2 ? STDERR_FILENO : -1), 0);
	}
	for (uint32_t i = 0; i < 6; i++) {
		assert_int_equal(receive(&message, &descriptor), 0);
		assert_int_equal(message.slot, i);
		assert_int_equal(descriptor >= 0, i % 2);
		descriptor_close(&descriptor);
	}
}

static void the_end_of_the_other_process_is_told(void **state)
{
	struct channel_message message;
	int descriptor;

	(void)state;
	assert_int_equal(channel_send(ends[0], &connection, -1), 0);
	descriptor_close(&ends[0]);
	assert_int_equal(receive(&message, &descriptor), 0);
	assert_int_equal(receive(&message, &descriptor), -EPIPE);
	assert_int_equal(channel_send(ends[1], &connection, -1), -EPIPE);
	assert_int_equal(channel_send(ends[1], &connection, STDERR_FILENO), -EPIPE);
}

static void a_channel_that_nobody_reads_fills_up(void **state)
{
	struct channel_message message;
	unsigned sent = 0, received = 0;
	int descriptor;

	(void)state;
	while (channel_send(ends[0], &connection, -1) == 0)
		sent++;
	assert_int_equal(channel_send(ends[0], &connection, -1), -EAGAIN);
	while (receive(&message, &descriptor) == 0)
		received++;
	assert_true(sent > 0);
	assert_int_equal(received, sent);
}

static void what_is_no_message_leaves_nothing_behind(void **state)
{
	static const char bytes[64];
	static const size_t sizes[] = { 1, 4, 7, 9, 16, 64 };
	struct channel_message message;
	unsigned before = open_descriptors();
	int descriptor;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++)
		for (unsigned count = 0; count <= 1; count++) {
			send_raw(bytes, sizes[i], count);
			assert_int_equal(receive(&message, &descriptor), -EPROTO);
			assert_int_equal(open_descriptors(), before);
		}
}

/* Both ends are ours, but a worker that a guest has taken over may send what it likes to the monitor. */
static void more_descriptors_than_one_leave_nothing_behind(void **state)
{
	struct channel_message message;
	unsigned before = open_descriptors();

	(void)state;
	for (unsigned count = 2; count <= 4; count++) {
		int descriptor = -1;

		send_raw(&connection, sizeof connection, count);
		channel_receive(ends[1], &message, &descriptor);
		descriptor_close(&descriptor);
		assert_int_equal(open_descriptors(), before);
	}
}

static void an_empty_message_leaves_nothing_behind(void **state)
{
	struct channel_message message;
	unsigned before = open_descriptors();
	int descriptor = -1;

	(void)state;
	send_raw("", 0, 1);
	assert_true(channel_receive(ends[1], &message, &descriptor) < 0);
	assert_int_equal(open_descriptors(), before);
}

static void receive_without_room(const void *argument)
{
	const int *most = argument;
	struct channel_message message;
	int descriptor = -2;

	CHECK_EQUAL(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)*most, (rlim_t)*most }), 0);
	CHECK_EQUAL(channel_receive(ends[1], &message, &descriptor), 0);
	CHECK_EQUAL(message.slot, 42);
	CHECK_EQUAL(descriptor, -1);
}

static void a_process_without_room_gets_the_message_alone(void **state)
{
	int highest = dup(STDERR_FILENO); /* the lowest number that is not in use */

	(void)state;
	close(highest);
	assert_int_equal(channel_send(ends[0], &connection, STDERR_FILENO), 0);
	run_in_child(receive_without_room, &highest);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(both_ends_are_private_and_do_not_block),
		test(a_message_comes_as_it_was_sent),
		test(a_descriptor_comes_along),
		test(messages_keep_their_order_and_their_descriptors),
		test(the_end_of_the_other_process_is_told),
		test(a_channel_that_nobody_reads_fills_up),
		test(what_is_no_message_leaves_nothing_behind),
		test(more_descriptors_than_one_leave_nothing_behind),
		test(an_empty_message_leaves_nothing_behind),
		test(a_process_without_room_gets_the_message_alone),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}

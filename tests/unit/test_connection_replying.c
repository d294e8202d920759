/* SPDX-License-Identifier: MIT */
/*
 * Replies to a client that does not read, and replies with descriptors. A reply that the socket does not take waits;
 * meanwhile nothing is read. A descriptor goes with the first byte, once, and is not ours any longer.
 */
#include "connection_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"

#define LARGE       60000U /* bytes of a reply that does not fit into the socket's buffer */
#define SEND_BUFFER 8192   /* bytes */

/* Lets the helper's end take little at once. */
static void narrow(struct fixture *fixture)
{
	int size = SEND_BUFFER;

	assert_int_equal(setsockopt(fixture->connection.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
}

/* Fills the way to the client, so that it takes nothing. Returns the bytes. */
static size_t fill(struct fixture *fixture)
{
	static const char junk[512];
	size_t filled = 0;
	ssize_t sent;

	narrow(fixture);
	while ((sent = send(fixture->connection.fd, junk, sizeof junk, MSG_DONTWAIT)) > 0)
		filled += (size_t)sent;
	assert_int_equal(errno, EAGAIN);
	return filled;
}

static void client_discards(struct fixture *fixture, size_t size)
{
	char room[512];

	while (size > 0) {
		ssize_t got = recv(fixture->client, room, size < sizeof room ? size : sizeof room, MSG_DONTWAIT);

		assert_true(got > 0);
		size -= (size_t)got;
	}
}

static bool is_ready(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	return poll(&wait, 1, 0) == 1 && wait.revents & events;
}

/* Reads some bytes of a large reply, if any are there, and checks them. Returns how many have been read in all. */
static size_t client_reads_some(struct fixture *fixture, size_t done, size_t most)
{
	static char some[LARGE];
	ssize_t got = recv(fixture->client, some, most, MSG_DONTWAIT);

	if (got < 0) {
		assert_int_equal(errno, EAGAIN);
		return done;
	}
	assert_true(got > 0);
	for (size_t i = 0; i < (size_t)got; i++)
		if (some[i] != stub_reply_byte(done + i))
			fail_msg("byte %zu of the reply is wrong", done + i);
	return done + (size_t)got;
}

/* Reads a large reply in portions and serves the connection whenever its socket is writable, as a reactor does. */
static void client_reads_large(struct fixture *fixture, size_t portion)
{
	enum connection_state state = CONNECTION_WRITES;
	unsigned calls = stub.calls;
	int unread = untaken(fixture);

	for (size_t done = 0; done < LARGE;) {
		done = client_reads_some(fixture, done, portion);
		if (state != CONNECTION_WRITES)
			continue;
		assert_true(outbox_waits(&fixture->connection.outbox));
		assert_int_equal(stub.calls, calls);
		assert_int_equal(untaken(fixture), unread);
		if (is_ready(fixture->connection.fd, POLLOUT))
			state = serve(fixture);
	}
	assert_int_equal(state, CONNECTION_READS);
	assert_false(outbox_waits(&fixture->connection.outbox));
}

static void ask_for_large(struct fixture *fixture)
{
	narrow(fixture);
	stub.reply_size = LARGE;
	client_sends_message(fixture, PROXYFS_READLINK, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_WRITES);
}

static void a_reply_that_the_socket_does_not_take_waits(void **state)
{
	static const size_t portions[] = { 100, 1000, 4096, 10000, LARGE };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(portions); i++) {
		fixture_connect(fixture);
		ask_for_large(fixture);
		client_reads_large(fixture, portions[i]);
		client_reads_nothing(fixture);
		assert_int_equal(stub.calls, 1);
	}
}

static void the_scoreboard_knows_of_a_waiting_reply(void **state)
{
	struct fixture *fixture = *state;
	size_t done = 0;

	ask_for_large(fixture);
	do {
		assert_int_equal(slot_phase(&fixture->slot), SLOT_REPLYING);
		assert_int_equal(slot_load(fixture->slot.due), LARGE);
		assert_true(slot_load(fixture->slot.partly));
		done = client_reads_some(fixture, done, LARGE);
	} while (serve(fixture) == CONNECTION_WRITES);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
	assert_int_equal(client_reads_some(fixture, done, LARGE), LARGE);

	stub.reply_size = 0;
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(slot_load(fixture->slot.due), STATUS_SIZE);
	assert_false(slot_load(fixture->slot.partly));
}

static void nothing_is_read_while_a_reply_waits(void **state)
{
	struct fixture *fixture = *state;

	ask_for_large(fixture);
	client_sends_message(fixture, PROXYFS_LSTAT, 24, 2);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(stub.calls, 1);
		assert_int_equal(untaken(fixture), 28 + 32);
	}
}

static void what_was_not_read_is_answered_afterwards(void **state)
{
	struct fixture *fixture = *state;

	ask_for_large(fixture);
	stub.reply_size = 0;
	client_sends_message(fixture, PROXYFS_LSTAT, 24, 2);
	for (size_t done = 0; done < LARGE;) {
		done = client_reads_some(fixture, done, LARGE - done);
		serve(fixture);
	}
	assert_int_equal(fixture->state, CONNECTION_READS);
	assert_int_equal(stub.calls, 2);
	client_reads_status(fixture, 2);
	client_reads_nothing(fixture);
}

static void a_client_may_hang_up_on_a_waiting_reply(void **state)
{
	struct fixture *fixture = *state;

	ask_for_large(fixture);
	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 0);
}

static void finishing_drops_a_waiting_reply(void **state)
{
	struct fixture *fixture = *state;

	ask_for_large(fixture);
	connection_finish(&fixture->connection);
	assert_false(outbox_waits(&fixture->connection.outbox));
	assert_int_equal(fixture->connection.fd, -1);
}

/* --- descriptors --------------------------------------------------------------------------------------------- */

/* Opens what the next reply hands over, and notes which file that is. */
static void hand_over(struct stat *file)
{
	stub.reply_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(stub.reply_fd >= 0);
	assert_int_equal(fstat(stub.reply_fd, file), 0);
}

static void client_reads_file(struct fixture *fixture, const struct stat *expected)
{
	AUTO_CLOSE int fd = client_reads_descriptor(fixture);
	struct stat file;

	assert_int_equal(fstat(fd, &file), 0);
	assert_int_equal(file.st_ino, expected->st_ino);
	assert_int_equal(file.st_dev, expected->st_dev);
}

static void a_descriptor_is_handed_over(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();
	struct stat file;

	hand_over(&file);
	client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(open_descriptors(), before);
	client_reads_file(fixture, &file);
	client_reads_nothing(fixture);
}

static void only_its_own_reply_brings_a_descriptor(void **state)
{
	struct fixture *fixture = *state;
	struct stat file;

	hand_over(&file);
	client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_file(fixture, &file);
	client_reads_status(fixture, 2);
	client_reads_nothing(fixture);
}

static void a_descriptor_that_cannot_go_yet_is_kept(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();
	size_t filled = fill(fixture);
	struct stat file;

	hand_over(&file);
	client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(open_descriptors(), before + 1);
		assert_int_equal(slot_phase(&fixture->slot), SLOT_REPLYING);
		assert_false(slot_load(fixture->slot.partly));
		assert_int_equal(fixture->slot.sending.msg_len, 0);
	}
	assert_int_equal(stub.calls, 1);

	client_discards(fixture, filled);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(open_descriptors(), before);
	client_reads_file(fixture, &file);
	client_reads_status(fixture, 2);
	client_reads_nothing(fixture);
}

static void a_failed_open_that_cannot_go_yet_is_kept(void **state)
{
	struct fixture *fixture = *state;
	size_t filled = fill(fixture);

	stub.reply_size = FD_SIZE;
	client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_WRITES);
	client_discards(fixture, filled);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(client_reads_some(fixture, 0, LARGE), FD_SIZE);
}

static void a_descriptor_for_a_client_that_is_gone_is_closed(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();
	struct stat file;

	hand_over(&file);
	client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(open_descriptors(), before - 1); /* the client's own */
}

static void a_descriptor_that_waits_for_a_client_that_is_gone_is_closed(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();
	struct stat file;

	for (int served = 0; served <= 1; served++) {
		fixture_connect(fixture);
		fill(fixture);
		hand_over(&file);
		client_sends_message(fixture, PROXYFS_OPEN, 20, 1);
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		client_hangs_up(fixture);
		if (served)
			assert_int_equal(serve(fixture), CONNECTION_ENDED);
		connection_finish(&fixture->connection);
		assert_int_equal(open_descriptors(), before - 2);
	}
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_reply_that_the_socket_does_not_take_waits),
		test(the_scoreboard_knows_of_a_waiting_reply),
		test(nothing_is_read_while_a_reply_waits),
		test(what_was_not_read_is_answered_afterwards),
		test(a_client_may_hang_up_on_a_waiting_reply),
		test(finishing_drops_a_waiting_reply),
		test(a_descriptor_is_handed_over),
		test(only_its_own_reply_brings_a_descriptor),
		test(a_descriptor_that_cannot_go_yet_is_kept),
		test(a_failed_open_that_cannot_go_yet_is_kept),
		test(a_descriptor_for_a_client_that_is_gone_is_closed),
		test(a_descriptor_that_waits_for_a_client_that_is_gone_is_closed),
	};

	return cmocka_run_group_tests_name("connection_replying", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What stays in the socket. Messages are looked at, and taken later but for a byte: as long as that lies there, the end
 * of our socket is a reset to the client. It must not grow into what the client could send.
 */
#include "connection_fixture.h"

#include <sys/socket.h>
#include <unistd.h>

static char message[PROXYFS_MESSAGE_MAX];

static void assert_answered(struct fixture *fixture, unsigned calls, int32_t number)
{
	assert_int_equal(stub.calls, calls);
	client_reads_status(fixture, number);
	client_reads_nothing(fixture);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
}

static void what_was_served_is_taken_later_but_for_a_byte(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_LSTAT, 33, 7);

	assert_false(connection_is_untidy(&fixture->connection));
	for (int32_t i = 1; i <= 3; i++) {
		client_sends(fixture, message, size);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, 7);
	}
	assert_true(connection_is_untidy(&fixture->connection));
	assert_int_equal(untaken(fixture), 3 * size);
	assert_int_equal(slot_kept(&fixture->slot), 3 * size);

	connection_tidy(&fixture->connection);
	assert_false(connection_is_untidy(&fixture->connection));
	assert_int_equal(untaken(fixture), 1);
	assert_int_equal(slot_kept(&fixture->slot), 1);
	client_sends(fixture, message, size);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_answered(fixture, 4, 7);
}

static void tidying_takes_nothing_that_was_not_served(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_LSTAT, 33, 7);

	client_sends(fixture, message, size);
	connection_tidy(&fixture->connection);
	assert_int_equal(untaken(fixture), size);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 7);
	client_sends(fixture, message, size);
	client_sends(fixture, message, 5);
	connection_tidy(&fixture->connection);
	assert_int_equal(untaken(fixture), 1 + size + 5);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 7);
	connection_tidy(&fixture->connection);
	client_sends(fixture, message + 5, size - 5);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_answered(fixture, 3, 7);
}

static void what_was_served_does_not_pile_up(void **state)
{
	static const uint32_t sizes[] = { 10, 1000, 30000, PROXYFS_PAYLOAD_MAX };
	struct fixture *fixture = *state;
	unsigned calls = 0;

	for (size_t i = 0; i < COUNT(sizes); i++)
		for (int32_t j = 0; j < 200; j++) {
			client_sends_message(fixture, PROXYFS_LSTAT, sizes[i], j);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			client_reads_status(fixture, j);
			assert_int_equal(stub.calls, ++calls);
			assert_in_range(untaken(fixture), 1, 32 * 1024 + sizes[i]);
			if (sizes[i] < 1000)
				assert_true(untaken(fixture) <= 33 * 18);
		}
}

/* Sends as much of a message as the client's own buffer takes. Returns the bytes sent so far. */
static size_t client_sends_some(struct fixture *fixture, size_t done)
{
	ssize_t sent = send(fixture->client, message + done, sizeof message - done, MSG_DONTWAIT | MSG_NOSIGNAL);

	return sent > 0 ? done + (size_t)sent : done;
}

static void a_client_with_a_small_buffer_gets_rid_of_its_message(void **state)
{
	struct fixture *fixture = *state;
	int buffer = 4096;

	assert_int_equal(setsockopt(fixture->client, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
	build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 5);
	for (unsigned round = 1; round <= 3; round++) {
		for (size_t done = 0, before = 1; done < sizeof message && before != done;) {
			before = done;
			done = client_sends_some(fixture, done);
			assert_int_equal(serve(fixture), CONNECTION_READS);
		}
		assert_answered(fixture, round, 5);
	}
}

static void a_client_whose_buffer_is_full_can_go_on_after_tidying(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_LSTAT, 33, 7);
	int buffer = 1; /* the kernel makes it its least, a few messages */

	assert_int_equal(setsockopt(fixture->client, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer), 0);
	for (unsigned calls = 0; calls < 100; connection_tidy(&fixture->connection)) {
		unsigned before = calls;

		while (send(fixture->client, message, size, MSG_DONTWAIT) == (ssize_t)size) {
			assert_int_equal(serve(fixture), CONNECTION_READS);
			assert_answered(fixture, ++calls, 7);
			if (calls - before == 30)
				break;
		}
		assert_true(calls > before);
		assert_true(calls - before < 30);
	}
}

static void the_end_of_ours_is_a_reset(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_CREATE, 33, 7);

	for (size_t sent = 1; sent <= size; sent++)
		for (int tidy = 0; tidy <= 1; tidy++) {
			fixture_connect(fixture);
			client_sends(fixture, message, sent);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			if (sent == size)
				client_reads_status(fixture, 7);
			if (tidy)
				connection_tidy(&fixture->connection);
			connection_finish(&fixture->connection);
			client_reads_reset(fixture);
		}
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_was_served_is_taken_later_but_for_a_byte),
		test(tidying_takes_nothing_that_was_not_served),
		test(what_was_served_does_not_pile_up),
		test(a_client_with_a_small_buffer_gets_rid_of_its_message),
		test(a_client_whose_buffer_is_full_can_go_on_after_tidying),
		test(the_end_of_ours_is_a_reset),
	};

	return cmocka_run_group_tests_name("connection_keeping", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* From the socket's bytes to requests: however they arrive, each message is dispatched once, whole, and in order. */
#include "connection_fixture.h"

#define SIZE       300U /* bytes of a message that is split at each of them */
#define SMALL      20U  /* of one that is split twice */
#define BURST_MOST 16U  /* requests that one call serves */

static char message[PROXYFS_MESSAGE_MAX];

/* A part of a message has been served: it is in memory, and the socket is empty but for a byte. */
static void assert_reading(struct fixture *fixture, unsigned calls)
{
	assert_int_equal(stub.calls, calls);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_READING);
	assert_int_equal(untaken(fixture), 1);
	assert_int_equal(slot_kept(&fixture->slot), 1);
	client_reads_nothing(fixture);
}

static void assert_answered(struct fixture *fixture, unsigned calls, size_t size, int32_t number)
{
	assert_dispatched(calls, message, size);
	client_reads_status(fixture, number);
	client_reads_nothing(fixture);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
	assert_int_equal(slot_load(fixture->slot.requests), calls);
}

static void a_whole_message_is_answered(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_LSTAT, 33, 7);

	client_sends(fixture, message, size);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_answered(fixture, 1, size, 7);
}

static void nothing_to_read_is_no_event(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(stub.calls, 0);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
	client_reads_nothing(fixture);
}

static void every_operation_is_dispatched(void **state)
{
	struct fixture *fixture = *state;
	unsigned calls = 0;

	for (uint32_t op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++) {
		size_t size = build_message(message, op, 10 + op, (int32_t)op);

		client_sends(fixture, message, size);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_answered(fixture, ++calls, size, (int32_t)op);
	}
}

static void a_message_without_payload_is_dispatched(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_STATFS, 0, 0);

	for (size_t split = 1; split <= size; split++) {
		client_sends(fixture, message, split);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		if (split < size) {
			assert_reading(fixture, (unsigned)split - 1);
			client_sends(fixture, message + split, size - split);
			assert_int_equal(serve(fixture), CONNECTION_READS);
		}
		assert_answered(fixture, (unsigned)split, size, 0);
	}
}

static void a_message_may_be_split_at_every_byte(void **state)
{
	struct fixture *fixture = *state;
	unsigned calls = 0;

	for (size_t split = 1; split < SIZE; split++) {
		build_message(message, PROXYFS_CHMOD, SIZE - PROXYFS_HEADER_SIZE, (int32_t)split);
		client_sends(fixture, message, split);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_reading(fixture, calls);
		client_sends(fixture, message + split, SIZE - split);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_answered(fixture, ++calls, SIZE, (int32_t)split);
	}
}

static void a_message_may_be_split_at_every_two_bytes(void **state)
{
	struct fixture *fixture = *state;
	unsigned calls = 0;

	build_message(message, PROXYFS_CHMOD, SMALL - PROXYFS_HEADER_SIZE, 5);
	for (size_t first = 1; first < SMALL; first++)
		for (size_t second = first + 1; second < SMALL; second++) {
			client_sends(fixture, message, first);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			client_sends(fixture, message + first, second - first);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			assert_reading(fixture, calls);
			client_sends(fixture, message + second, SMALL - second);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			assert_answered(fixture, ++calls, SMALL, 5);
		}
}

static void a_message_may_come_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_RENAME, SIZE - PROXYFS_HEADER_SIZE, -3);
	for (size_t taken = 0; taken < SIZE; taken++) {
		if (taken > 0)
			assert_reading(fixture, 0);
		client_sends(fixture, message + taken, 1);
		assert_int_equal(serve(fixture), CONNECTION_READS);
	}
	assert_answered(fixture, 1, SIZE, -3);
}

static void the_largest_message_is_served(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 9);
	client_sends(fixture, message, sizeof message);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_answered(fixture, 1, sizeof message, 9);
}

/* Sizes of pieces that are arbitrary, and the same in every run. */
static size_t next_piece(uint32_t *random, size_t most)
{
	*random = *random * 1664525U + 1013904223U;
	return 1 + (*random >> 8) % most;
}

static void the_largest_message_may_come_in_any_pieces(void **state)
{
	static const size_t most[] = { 3, 100, 511, 513, 4096, 30000, 65543 };
	struct fixture *fixture = *state;
	uint32_t random = 1;
	unsigned calls = 0;

	for (size_t i = 0; i < COUNT(most); i++) {
		build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, (int32_t)i);
		for (size_t sent = 0, piece; sent < sizeof message; sent += piece) {
			if (sent > 0)
				assert_reading(fixture, calls);
			piece = next_piece(&random, most[i]);
			if (piece > sizeof message - sent)
				piece = sizeof message - sent;
			client_sends(fixture, message + sent, piece);
			assert_int_equal(serve(fixture), CONNECTION_READS);
		}
		assert_answered(fixture, ++calls, sizeof message, (int32_t)i);
	}
}

static void a_message_in_pieces_leaves_no_memory_behind(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_CHMOD, SIZE - PROXYFS_HEADER_SIZE, 1);
	client_sends(fixture, message, 4);
	serve(fixture);
	assert_non_null(fixture->connection.inbox.partial);
	client_sends(fixture, message + 4, SIZE - 4);
	serve(fixture);
	assert_null(fixture->connection.inbox.partial);
	assert_int_equal(fixture->connection.inbox.partial_room, 0);
}

static void pipelined_messages_are_answered_in_order(void **state)
{
	struct fixture *fixture = *state;

	for (int32_t i = 0; i < 5; i++)
		client_sends_message(fixture, PROXYFS_LSTAT, 20 + (uint32_t)i, i);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(stub.calls, 5);
	for (int32_t i = 0; i < 5; i++)
		client_reads_status(fixture, i);
	client_reads_nothing(fixture);
}

static void one_call_serves_a_bounded_number(void **state)
{
	struct fixture *fixture = *state;
	unsigned total = 3 * BURST_MOST + 1, before;
	int32_t answered = 0;

	for (unsigned i = 0; i < total; i++)
		client_sends_message(fixture, PROXYFS_LSTAT, 20, (int32_t)i);
	while (stub.calls < total) {
		before = stub.calls;
		serve_once(fixture);
		assert_in_range(stub.calls - before, 1, BURST_MOST);
		assert_int_equal(fixture->state, stub.calls - before < BURST_MOST ? CONNECTION_READS : CONNECTION_HAS_MORE);
		while (answered < (int32_t)stub.calls)
			client_reads_status(fixture, answered++);
		client_reads_nothing(fixture);
	}
	assert_int_equal(slot_load(fixture->slot.requests), total);
}

static void a_part_may_follow_whole_messages(void **state)
{
	struct fixture *fixture = *state;
	size_t size = build_message(message, PROXYFS_LSTAT, 20, 3);

	for (size_t part = 1; part < size; part++) {
		fixture_connect(fixture);
		client_sends_message(fixture, PROXYFS_LSTAT, 50, 1);
		client_sends_message(fixture, PROXYFS_LSTAT, 60, 2);
		client_sends(fixture, message, part);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, 1);
		client_reads_status(fixture, 2);
		assert_reading(fixture, 2);
		client_sends(fixture, message + part, size - part);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_answered(fixture, 3, size, 3);
	}
}

static void a_large_message_may_follow_small_ones(void **state)
{
	struct fixture *fixture = *state;

	for (uint32_t small = 0; small < 70; small += 23) {
		fixture_connect(fixture);
		client_sends_message(fixture, PROXYFS_LSTAT, small, 1);
		client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
		build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 3);
		client_sends(fixture, message, sizeof message);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, small ? 1 : 0);
		client_reads_status(fixture, 2);
		assert_answered(fixture, 3, sizeof message, 3);
	}
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_whole_message_is_answered),
		test(nothing_to_read_is_no_event),
		test(every_operation_is_dispatched),
		test(a_message_without_payload_is_dispatched),
		test(a_message_may_be_split_at_every_byte),
		test(a_message_may_be_split_at_every_two_bytes),
		test(a_message_may_come_byte_by_byte),
		test(the_largest_message_is_served),
		test(the_largest_message_may_come_in_any_pieces),
		test(a_message_in_pieces_leaves_no_memory_behind),
		test(pipelined_messages_are_answered_in_order),
		test(one_call_serves_a_bounded_number),
		test(a_part_may_follow_whole_messages),
		test(a_large_message_may_follow_small_ones),
	};

	return cmocka_run_group_tests_name("connection_reading", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * A worker that takes over the connection of one that has died. The slot says what that one had in mind, the socket
 * what it had done: a client that waits gets -EIO, one that does not goes on, and one in the middle of something is
 * reset. Nothing is run twice.
 */
#include "connection_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define SIZE 40U /* bytes of each message */

static struct dispatch_reply settlement;

/* What a dead worker leaves. */
struct remains {
	enum slot_phase phase;
	uint32_t op;
	uint32_t kept, in_hand;     /* of what is in the socket, as it noted: bytes dealt with, and of the request it ran */
	uint32_t due, taken;        /* bytes of its reply; those that the socket took in the last call */
	bool partly;                /* others went before */
	uint32_t looked;            /* bytes in the socket that it had looked at, as the kernel says */
	uint32_t messages, part;    /* in the socket: whole messages, and bytes of another */
};

static enum connection_state adopt(struct fixture *fixture, const struct remains *remains)
{
	int fd = fixture_connect_socket(fixture);
	int looked = (int)remains->looked;
	char message[SIZE];

	for (uint32_t i = 0; i < remains->messages; i++)
		client_sends_message(fixture, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, (int32_t)i);
	build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 0);
	if (remains->part > 0)
		client_sends(fixture, message + SIZE - remains->part, remains->part);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &looked, sizeof looked), 0);

	slot_store(fixture->slot.requests, 5);
	slot_store(fixture->slot.op, remains->op);
	slot_set_position(&fixture->slot, remains->kept, remains->in_hand);
	slot_store(fixture->slot.due, remains->due);
	slot_store(fixture->slot.partly, remains->partly);
	fixture->slot.sending.msg_len = remains->taken;
	slot_set_phase(&fixture->slot, remains->phase);
	fixture->state = connection_adopt(&fixture->connection, fd, &fixture->slot, &settlement);
	if (fixture->state != CONNECTION_ENDED) {
		fixture_watch(fixture, fixture->state);
		assert_int_equal(slot_kept(&fixture->slot), fixture->connection.inbox.kept);
		assert_int_equal(slot_in_hand(&fixture->slot), 0);
	}
	return fixture->state;
}

/* Nothing of the past is run, the next request is. */
static void assert_goes_on(struct fixture *fixture)
{
	client_reads_nothing(fixture);
	assert_int_equal(log_capture_count(), 0);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
	serve(fixture);
	assert_int_equal(stub.calls, 0);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 9);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 9);
	client_reads_nothing(fixture);
	assert_int_equal(slot_load(fixture->slot.requests), 6);
	connection_tidy(&fixture->connection);
	assert_int_equal(untaken(fixture), 1);
}

/* The last of the messages that the socket holds is served, and it alone. */
static void assert_serves_last(struct fixture *fixture, int32_t number)
{
	client_reads_nothing(fixture);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(stub.calls, 1);
	client_reads_status(fixture, number);
	client_reads_nothing(fixture);
}

#define for_each_op(op) for (uint32_t op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++)

/* --- those that wait for nothing ----------------------------------------------------------------------------- */

static void an_idle_connection_goes_on(void **state)
{
	static const struct remains cases[] = {
		{ .phase = SLOT_IDLE },
		{ .phase = SLOT_IDLE, .kept = 2 * SIZE, .looked = 2 * SIZE, .messages = 2 },
		{ .phase = SLOT_IDLE, .kept = 1, .looked = 1, .part = 1 },
		/* It died while it took what was dealt with, before it had noted that. */
		{ .phase = SLOT_IDLE, .kept = 2 * SIZE, .looked = SIZE, .messages = 1 },
		{ .phase = SLOT_IDLE, .kept = 2 * SIZE, .looked = 1, .part = 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(adopt(*state, &cases[i]), CONNECTION_READS);
		assert_goes_on(*state);
	}
}

static void a_request_that_was_only_looked_at_is_served(void **state)
{
	static const struct remains cases[] = {
		{ .phase = SLOT_IDLE, .looked = 0, .messages = 1 },
		{ .phase = SLOT_IDLE, .looked = SIZE, .messages = 1 },
		{ .phase = SLOT_IDLE, .looked = 5, .messages = 1 },
		{ .phase = SLOT_IDLE, .kept = 2 * SIZE, .looked = 3 * SIZE, .messages = 3 },
		/* It had noted where the request lies, but not yet that it runs. */
		{ .phase = SLOT_IDLE, .kept = SIZE, .in_hand = SIZE, .looked = 2 * SIZE, .messages = 2 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(adopt(*state, &cases[i]), CONNECTION_READS);
		assert_serves_last(*state, (int32_t)cases[i].messages - 1);
	}
}

static void a_client_that_has_its_reply_goes_on(void **state)
{
	static const struct remains cases[] = {
		{ .phase = SLOT_REPLYING, .op = PROXYFS_LSTAT, .in_hand = SIZE, .due = 12, .taken = 12, .looked = SIZE, .messages = 1 },
		{ .phase = SLOT_REPLYING, .op = PROXYFS_OPEN, .in_hand = SIZE, .due = 4, .taken = 4, .looked = SIZE, .messages = 1 },
		{ .phase = SLOT_REPLYING, .op = PROXYFS_OPEN, .kept = SIZE, .due = 4, .taken = 4, .looked = SIZE, .messages = 1 },
		{ .phase = SLOT_REPLYING, .op = PROXYFS_OPEN, .kept = SIZE, .in_hand = SIZE, .due = 4, .taken = 4, .looked = 1,
		  .part = 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(adopt(*state, &cases[i]), CONNECTION_READS);
		assert_goes_on(*state);
	}
}

static void a_client_that_has_its_reply_may_have_asked_again(void **state)
{
	assert_int_equal(adopt(*state, &(struct remains){ .phase = SLOT_REPLYING, .op = PROXYFS_OPEN, .in_hand = SIZE,
	                                                  .due = 4, .taken = 4, .looked = SIZE, .messages = 2 }),
	                 CONNECTION_READS);
	assert_serves_last(*state, 1);
}

/* --- those that are owed a reply ----------------------------------------------------------------------------- */

static void assert_gets_an_error(struct fixture *fixture, const struct remains *remains)
{
	assert_int_equal(adopt(fixture, remains), CONNECTION_READS);
	client_reads_failure(fixture, (enum proxyfs_op)remains->op, -EIO);
}

static void a_client_whose_request_ran_gets_an_error(void **state)
{
	for_each_op(op) {
		assert_gets_an_error(*state, &(struct remains){ .phase = SLOT_EXECUTING, .op = op, .in_hand = SIZE,
		                                                .looked = SIZE, .messages = 1 });
		assert_goes_on(*state);
		/* One that had come in pieces. */
		assert_gets_an_error(*state, &(struct remains){ .phase = SLOT_EXECUTING, .op = op, .kept = 1, .looked = 1,
		                                                .part = 1 });
		assert_goes_on(*state);
	}
}

static void a_client_that_was_not_answered_gets_an_error(void **state)
{
	for_each_op(op) {
		assert_gets_an_error(*state, &(struct remains){ .phase = SLOT_REPLYING, .op = op, .kept = SIZE, .in_hand = SIZE,
		                                                .due = 116, .looked = 2 * SIZE, .messages = 2 });
		assert_goes_on(*state);
	}
}

static void what_follows_the_request_that_ran_is_served(void **state)
{
	assert_gets_an_error(*state, &(struct remains){ .phase = SLOT_EXECUTING, .op = PROXYFS_CREATE, .kept = SIZE,
	                                                .in_hand = SIZE, .looked = 3 * SIZE, .messages = 3 });
	assert_serves_last(*state, 2);
}

static void the_error_may_have_to_wait(void **state)
{
	static const char junk[256];
	struct fixture *fixture = *state;
	int fd = fixture_connect_socket(fixture);
	char room[sizeof junk];

	while (send(fd, junk, sizeof junk, MSG_DONTWAIT) > 0)
		;
	slot_store(fixture->slot.op, PROXYFS_CREATE);
	slot_set_phase(&fixture->slot, SLOT_EXECUTING);
	assert_int_equal(connection_adopt(&fixture->connection, fd, &fixture->slot, &settlement), CONNECTION_WRITES);
	fixture_watch(fixture, CONNECTION_WRITES);
	assert_int_equal(slot_phase(&fixture->slot), SLOT_REPLYING);
	assert_int_equal(serve(fixture), CONNECTION_WRITES);
	while (recv(fixture->client, room, sizeof room, MSG_DONTWAIT) > 0)
		;
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_failure(fixture, PROXYFS_CREATE, -EIO);
	client_reads_nothing(fixture);
}

static void a_client_that_no_longer_waits_is_ended(void **state)
{
	struct fixture *fixture = *state;
	int fd = fixture_connect_socket(fixture);

	client_hangs_up(fixture);
	slot_store(fixture->slot.op, PROXYFS_OPEN);
	slot_set_phase(&fixture->slot, SLOT_EXECUTING);
	assert_int_equal(connection_adopt(&fixture->connection, fd, &fixture->slot, &settlement), CONNECTION_ENDED);
}

/* --- those that are reset ------------------------------------------------------------------------------------ */

static void assert_reset(struct fixture *fixture, const struct remains *remains)
{
	assert_int_equal(adopt(fixture, remains), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 1);
	assert_int_equal(log_capture_priority(), LOG_WARNING);
	assert_non_null(strstr(log_capture_text(), "pid 4711"));
	connection_finish(&fixture->connection);
	client_reads_reset(fixture);
}

static void a_message_cut_in_the_middle_is_reset(void **state)
{
	for (uint32_t part = 1; part < SIZE; part++)
		assert_reset(*state, &(struct remains){ .phase = SLOT_READING, .kept = 1, .looked = part, .part = part });
}

static void a_reply_cut_in_the_middle_is_reset(void **state)
{
	for_each_op(op) {
		struct remains remains = { .phase = SLOT_REPLYING, .op = op, .in_hand = SIZE, .due = 100, .looked = SIZE,
			                       .messages = 1 };

		for (remains.taken = 1; remains.taken < 100; remains.taken += 14)
			assert_reset(*state, &remains);
		/* The rest of it went, or none of that. */
		remains.partly = true;
		for (remains.taken = 0; remains.taken <= 100; remains.taken += 50)
			assert_reset(*state, &remains);
	}
}

static void no_operation_gets_no_reply(void **state)
{
	static const uint32_t ops[] = { 0, 1, PROXYFS_OP_END, 0xffffffff };
	static const enum slot_phase phases[] = { SLOT_EXECUTING, SLOT_REPLYING };

	for (size_t i = 0; i < COUNT(ops); i++)
		for (size_t j = 0; j < COUNT(phases); j++)
			assert_reset(*state, &(struct remains){ .phase = phases[j], .op = ops[i], .in_hand = SIZE, .due = 12,
			                                        .looked = SIZE, .messages = 1 });
}

static void what_the_slot_cannot_say_is_reset(void **state)
{
	static const uint32_t phases[] = { SLOT_FREE, SLOT_CLOSED, SLOT_RELEASED + 1, 0xffffffff };

	for (size_t i = 0; i < COUNT(phases); i++)
		assert_reset(*state, &(struct remains){ .phase = (enum slot_phase)phases[i], .op = PROXYFS_LSTAT,
		                                        .in_hand = SIZE, .looked = SIZE, .messages = 1 });
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_idle_connection_goes_on),
		test(a_request_that_was_only_looked_at_is_served),
		test(a_client_that_has_its_reply_goes_on),
		test(a_client_that_has_its_reply_may_have_asked_again),
		test(a_client_whose_request_ran_gets_an_error),
		test(a_client_that_was_not_answered_gets_an_error),
		test(what_follows_the_request_that_ran_is_served),
		test(the_error_may_have_to_wait),
		test(a_client_that_no_longer_waits_is_ended),
		test(a_message_cut_in_the_middle_is_reset),
		test(a_reply_cut_in_the_middle_is_reset),
		test(no_operation_gets_no_reply),
		test(what_the_slot_cannot_say_is_reset),
	};

	return cmocka_run_group_tests_name("connection_adopting", tests, NULL, NULL);
}

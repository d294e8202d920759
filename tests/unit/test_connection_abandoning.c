/* SPDX-License-Identifier: MIT */
/*
 * What the scoreboard says of a connection, and the main thread that answers in the place of a reactor that hangs. A
 * request is answered once, whoever does it.
 */
#include "connection_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

static struct dispatch_reply settlement;

/* --- phases and counters ------------------------------------------------------------------------------------- */

struct look {
	const struct slot *slot;
	enum slot_phase phase;
	uint32_t op, kept, in_hand, taken_of_reply;
	uint64_t since, requests;
};

static void look_at_slot(void *context)
{
	struct look *look = context;

	look->phase = slot_phase(look->slot);
	look->op = slot_load(look->slot->op);
	look->kept = slot_kept(look->slot);
	look->in_hand = slot_in_hand(look->slot);
	look->taken_of_reply = look->slot->sending.msg_len;
	look->since = slot_load(look->slot->since);
	look->requests = slot_load(look->slot->requests);
}

static void a_request_is_on_the_scoreboard_while_it_runs(void **state)
{
	struct fixture *fixture = *state;
	struct look look = { .slot = &fixture->slot };

	assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
	stub.during = look_at_slot;
	stub.context = &look;
	for (uint32_t i = 0; i < 3; i++) {
		uint64_t before = scoreboard_now();

		client_sends_message(fixture, PROXYFS_MKDIR + i, 32, 1);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_int_equal(look.phase, SLOT_EXECUTING);
		assert_int_equal(look.op, PROXYFS_MKDIR + i);
		assert_int_equal(look.kept, i * 40);
		assert_int_equal(look.in_hand, 40);
		assert_int_equal(look.taken_of_reply, 0);
		assert_int_equal(look.requests, i);
		assert_in_range(look.since, before, scoreboard_now());

		assert_int_equal(slot_phase(&fixture->slot), SLOT_IDLE);
		assert_int_equal(slot_kept(&fixture->slot), (i + 1) * 40);
		assert_int_equal(slot_in_hand(&fixture->slot), 0);
		assert_int_equal(slot_load(fixture->slot.due), STATUS_SIZE);
		assert_int_equal(fixture->slot.sending.msg_len, STATUS_SIZE);
	}
}

static void a_request_in_pieces_is_on_the_scoreboard_too(void **state)
{
	struct fixture *fixture = *state;
	struct look look = { .slot = &fixture->slot };
	char message[64];
	size_t size = build_message(message, PROXYFS_CHOWN, 32, 1);

	stub.during = look_at_slot;
	stub.context = &look;
	for (size_t split = 1; split < size; split++) {
		client_sends(fixture, message, split);
		serve(fixture);
		client_sends(fixture, message + split, size - split);
		serve(fixture);
		assert_int_equal(look.phase, SLOT_EXECUTING);
		assert_int_equal(look.op, PROXYFS_CHOWN);
		assert_int_equal(look.kept, 1 + size - split);
		assert_int_equal(look.in_hand, 0);
	}
}

static void requests_and_failures_are_counted(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 1; i <= 30; i++) {
		stub.status = i % 3 == 0 ? -ENOENT : 0;
		client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_int_equal(slot_load(fixture->slot.requests), i);
		assert_int_equal(slot_load(fixture->slot.errors), i / 3);
	}
}

/* --- answering for a reactor that hangs ---------------------------------------------------------------------- */

struct reactor {
	struct fixture *fixture;
	sem_t entered, leave;
	enum connection_state state; /* that connection_serve() came to */
};

static void hang(void *context)
{
	struct reactor *reactor = context;

	sem_post(&reactor->entered);
	sem_wait(&reactor->leave);
}

static void *reactor_main(void *argument)
{
	struct reactor *reactor = argument;

	do
		reactor->state = serve_once(reactor->fixture);
	while (reactor->state == CONNECTION_HAS_MORE);
	return NULL;
}

static void abandon(struct fixture *fixture)
{
	connection_abandon(&fixture->connection, &settlement);
}

static void a_request_that_hangs_is_answered_by_another_thread(void **state)
{
	struct fixture *fixture = *state;
	struct reactor reactor = { .fixture = fixture };
	pthread_t thread;

	sem_init(&reactor.entered, 0, 0);
	sem_init(&reactor.leave, 0, 0);
	for (uint32_t op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++) {
		fixture_connect(fixture);
		stub.during = hang;
		stub.context = &reactor;
		client_sends_message(fixture, op, 20, 1);
		assert_int_equal(pthread_create(&thread, NULL, reactor_main, &reactor), 0);
		sem_wait(&reactor.entered);

		abandon(fixture);
		client_reads_failure(fixture, (enum proxyfs_op)op, -EIO);
		assert_int_equal(log_capture_count(), 1);
		assert_non_null(strstr(log_capture_text(), proxyfs_op_name(op)));
		abandon(fixture);

		sem_post(&reactor.leave);
		pthread_join(thread, NULL);
		assert_int_equal(reactor.state, CONNECTION_ABANDONED);
		client_reads_nothing(fixture);
		assert_int_equal(log_capture_count(), 1);
	}
	sem_destroy(&reactor.entered);
	sem_destroy(&reactor.leave);
}

static void only_a_request_that_runs_is_answered_by_another(void **state)
{
	static const enum slot_phase phases[] = { SLOT_FREE, SLOT_IDLE, SLOT_READING, SLOT_REPLYING, SLOT_CLOSED };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(phases); i++) {
		slot_store(fixture->slot.op, PROXYFS_LSTAT);
		slot_set_phase(&fixture->slot, phases[i]);
		abandon(fixture);
		client_reads_nothing(fixture);
		assert_int_equal(slot_phase(&fixture->slot), phases[i]);
		assert_int_equal(log_capture_count(), 0);
	}
}

#define PIPELINED 64 /* requests, alternately of two forms */
#define TRIALS    200

static uint32_t pipelined_op(unsigned number)
{
	return number % 2 ? PROXYFS_OPEN : PROXYFS_LSTAT;
}

/* Abandons a connection at some time while its reactor serves requests, until one is caught or all are answered. */
static void abandon_at_random(struct fixture *fixture, struct reactor *reactor)
{
	pthread_t thread;

	for (unsigned i = 0; i < PIPELINED; i++)
		client_sends_message(fixture, pipelined_op(i), 20, (int32_t)i);
	assert_int_equal(pthread_create(&thread, NULL, reactor_main, reactor), 0);
	while (log_capture_count() == 0 && slot_load(fixture->slot.requests) < PIPELINED)
		abandon(fixture);
	pthread_join(thread, NULL);
}

static void each_request_is_answered_once_and_in_its_form(void **state)
{
	struct fixture *fixture = *state;
	struct reactor reactor = { .fixture = fixture };

	for (unsigned trial = 0; trial < TRIALS; trial++) {
		uint64_t answered;

		fixture_connect(fixture);
		abandon_at_random(fixture, &reactor);
		answered = slot_load(fixture->slot.requests);
		for (int32_t i = 0; i < (int32_t)answered; i++)
			client_reads_status(fixture, i);
		if (log_capture_count() > 0) {
			assert_int_equal(reactor.state, CONNECTION_ABANDONED);
			client_reads_failure(fixture, (enum proxyfs_op)pipelined_op((unsigned)answered), -EIO);
		} else {
			assert_int_equal(answered, PIPELINED);
		}
		client_reads_nothing(fixture);
	}
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_request_is_on_the_scoreboard_while_it_runs),
		test(a_request_in_pieces_is_on_the_scoreboard_too),
		test(requests_and_failures_are_counted),
		test(a_request_that_hangs_is_answered_by_another_thread),
		test(only_a_request_that_runs_is_answered_by_another),
		test(each_request_is_answered_once_and_in_its_form),
	};

	return cmocka_run_group_tests_name("connection_abandoning", tests, NULL, NULL);
}

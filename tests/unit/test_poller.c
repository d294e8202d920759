/* SPDX-License-Identifier: MIT */
/*
 * Whether a thread looks for the next request instead of sleeping. Looking must pay: for a client of which enough is
 * known, that is quick, and while nobody else wants the core.
 */
#include "unit.h"

#include <sched.h>
#include <string.h>

#include "worker/poller.h"

#define START 1000000000U /* ns: from one test's beginning to the next */
#define QUICK 5000U       /* ns from a reply to the next request, for a client that is worth a look */
#define SLOW  50000000U   /* for one that is not */

static uint64_t now;

static unsigned count_cores(void)
{
	cpu_set_t cpus;

	assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
	return (unsigned)CPU_COUNT(&cpus);
}

/* There must be a core for the reactor of the test to look on. */
static int setup(void **state)
{
	(void)state;
	now += START; /* nothing of the test before is remembered */
	poller_configure(POLLER_AUTO);
	if (count_cores() < 2)
		skip_because("it needs two cores");
	return 0;
}

/* Into the next millisecond, by which clients are counted as busy. */
static void next_period(void)
{
	now += 1U << 20;
}

/* A request, `gap` after the last reply, that is answered at once. Returns for how long to look then; 0: not at all. */
static uint64_t answer_one(struct poller *poller, uint64_t gap)
{
	uint64_t deadline;

	now += gap;
	poller_request(poller, now);
	now += 1000;
	deadline = poller_deadline(poller, now);
	assert_true(deadline == 0 || deadline > now);
	return deadline ? deadline - now : 0;
}

static uint64_t answer_many(struct poller *poller, unsigned count, uint64_t gap)
{
	uint64_t look = 0;

	for (unsigned i = 0; i < count; i++)
		look = answer_one(poller, gap);
	return look;
}

/* Requests without a look, up to the first that is followed by one. */
static unsigned requests_until_a_look(struct poller *poller)
{
	unsigned count = 0;

	while (answer_one(poller, QUICK) == 0)
		assert_true(++count <= 2000);
	return count;
}

static void a_client_that_is_unknown_is_not_looked_for(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	assert_int_equal(answer_one(&poller, QUICK), 0);
}

static void a_quick_client_is_looked_for(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	assert_int_equal(answer_many(&poller, 2, QUICK), 2 * QUICK);
	assert_int_equal(answer_many(&poller, 50, QUICK), 2 * QUICK);
}

static void a_slow_client_is_not_looked_for(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(answer_one(&poller, SLOW), 0);
}

static void a_look_takes_a_tenth_of_a_millisecond_at_most(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	assert_int_equal(answer_many(&poller, 2, 70000), 100000);
	now += START;
	memset(&poller, 0, sizeof poller);
	assert_int_equal(answer_many(&poller, 2, 100000), 100000);
	now += START;
	memset(&poller, 0, sizeof poller);
	assert_int_equal(answer_many(&poller, 2, 100001), 0);
}

static void a_client_may_become_quick(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	assert_int_equal(answer_many(&poller, 20, SLOW), 0);
	assert_true(requests_until_a_look(&poller) < 20);
}

static void one_pause_is_soon_forgotten(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 20, QUICK);
	assert_true(answer_one(&poller, 3600000000000U) > 0);
	assert_true(answer_many(&poller, 30, QUICK) <= 3 * QUICK);
}

static void vain_looks_double_the_pause(void **state)
{
	struct poller poller = { 0 };
	unsigned before;

	(void)state;
	answer_many(&poller, 2, QUICK);
	poller_outcome(&poller, false);
	before = requests_until_a_look(&poller);
	assert_in_range(before, 1, 10);
	for (int i = 0; i < 5; i++) {
		unsigned pause;

		poller_outcome(&poller, false);
		pause = requests_until_a_look(&poller);
		assert_int_equal(pause + 1, 2 * (before + 1));
		before = pause;
	}
}

static void the_pause_is_bounded(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 2, QUICK);
	for (int i = 0; i < 100; i++)
		poller_outcome(&poller, false);
	assert_in_range(requests_until_a_look(&poller), 500, 1023);
}

static void success_makes_the_next_pause_shorter(void **state)
{
	struct poller unlucky = { 0 }, lucky = { 0 };

	(void)state;
	answer_many(&unlucky, 2, QUICK);
	for (int i = 0; i < 4; i++)
		poller_outcome(&unlucky, false);
	lucky = unlucky;
	for (int i = 0; i < 1000; i++)
		poller_outcome(&lucky, true);
	poller_outcome(&unlucky, false);
	poller_outcome(&lucky, false);
	assert_true(requests_until_a_look(&lucky) < requests_until_a_look(&unlucky));
}

static void a_look_that_finds_something_brings_no_pause(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 2, QUICK);
	for (int i = 0; i < 100; i++) {
		poller_outcome(&poller, true);
		assert_true(answer_one(&poller, QUICK) > 0);
	}
}

/* As many clients as `count`, each with a request now. */
static void crowd(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		poller_request(&(struct poller){ 0 }, now);
}

static void half_of_the_cores_are_for_those_who_send(void **state)
{
	unsigned others = count_cores() / 2 - 1; /* that may be busy too */
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 2, QUICK);
	next_period();
	crowd(others);
	assert_true(answer_one(&poller, QUICK) > 0);
	crowd(1);
	assert_int_equal(answer_one(&poller, QUICK), 0);
}

/* The beginning of a millisecond is not taken for the end of a crowd, nor a crowd for longer than it lasted. */
static void a_crowd_is_remembered_for_a_period(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 2, QUICK);
	next_period();
	crowd(count_cores());
	next_period();
	assert_int_equal(answer_one(&poller, QUICK), 0);
	next_period();
	assert_true(answer_one(&poller, QUICK) > 0);
	next_period();
	crowd(count_cores());
	now += START;
	assert_true(answer_many(&poller, 20, QUICK) > 0);
}

static void who_is_busy_is_counted_once(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	answer_many(&poller, 2, QUICK);
	next_period();
	assert_true(answer_many(&poller, 20, QUICK) > 0);
}

/* Between the time of its request and its being counted, a thread may have slept for long. */
static void who_comes_late_does_not_end_a_crowd(void **state)
{
	struct poller poller = { 0 }, late = { 0 };
	uint64_t before;

	(void)state;
	answer_many(&poller, 2, QUICK);
	before = now;
	next_period();
	crowd(count_cores());
	poller_request(&late, before);
	assert_int_equal(answer_one(&poller, QUICK), 0);
}

static void a_single_core_is_never_looked_on(void **state)
{
	cpu_set_t all, one;
	struct poller poller = { 0 };
	size_t cpu = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
	while (!CPU_ISSET(cpu, &all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
	poller_configure(POLLER_AUTO);
	assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
	assert_int_equal(answer_many(&poller, 50, QUICK), 0);
}

static void a_limit_of_zero_forbids_looking(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	poller_configure(0);
	assert_int_equal(answer_many(&poller, 50, QUICK), 0);
}

static void a_limit_holds_for_everybody(void **state)
{
	struct poller poller = { 0 };

	(void)state;
	poller_configure(30);
	for (unsigned i = 0; i < 100; i++) {
		crowd(i);
		assert_int_equal(answer_one(&poller, i % 2 ? QUICK : SLOW), 30000);
		poller_outcome(&poller, false);
	}
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_client_that_is_unknown_is_not_looked_for),
		test(a_quick_client_is_looked_for),
		test(a_slow_client_is_not_looked_for),
		test(a_look_takes_a_tenth_of_a_millisecond_at_most),
		test(a_client_may_become_quick),
		test(one_pause_is_soon_forgotten),
		test(vain_looks_double_the_pause),
		test(the_pause_is_bounded),
		test(success_makes_the_next_pause_shorter),
		test(a_look_that_finds_something_brings_no_pause),
		test(half_of_the_cores_are_for_those_who_send),
		test(a_crowd_is_remembered_for_a_period),
		test(who_is_busy_is_counted_once),
		test(who_comes_late_does_not_end_a_crowd),
		test(a_single_core_is_never_looked_on),
		test(a_limit_of_zero_forbids_looking),
		test(a_limit_holds_for_everybody),
	};

	return cmocka_run_group_tests_name("poller", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* So many at once, then so many a time, from any thread. */
#include "unit.h"

#include <pthread.h>

#include "common/ration.h"

#define BURST    10
#define INTERVAL 1000U
#define START    UINT64_C(5000000)
#define THREADS  4
#define TRIES    1000

static struct ration ration;

static int setup(void **state)
{
	(void)state;
	ration = (struct ration){ .burst = BURST, .interval = INTERVAL };
	return 0;
}

static unsigned take_all(uint64_t now)
{
	unsigned taken = 0;

	while (ration_take(&ration, now))
		taken++;
	return taken;
}

static void so_many_can_be_taken_at_once(void **state)
{
	(void)state;
	assert_int_equal(take_all(START), BURST);
	assert_int_equal(take_all(START), 0);
}

static void one_more_after_each_interval(void **state)
{
	(void)state;
	take_all(START);
	assert_int_equal(take_all(START + INTERVAL - 1), 0);
	assert_int_equal(take_all(START + INTERVAL), 1);
	assert_int_equal(take_all(START + 4 * INTERVAL), 3);
	assert_int_equal(take_all(START + 1000 * INTERVAL), BURST);
}

static void what_is_left_out_is_counted_once(void **state)
{
	(void)state;
	assert_int_equal(ration_left_out(&ration), 0);
	take_all(START);
	take_all(START);
	assert_int_equal(ration_left_out(&ration), 2);
	assert_int_equal(ration_left_out(&ration), 0);
}

static _Atomic unsigned taken;

static void *take_many(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < TRIES; i++)
		if (ration_take(&ration, START))
			atomic_fetch_add(&taken, 1);
	return NULL;
}

static void threads_share_it(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_many, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(taken, BURST);
	assert_int_equal(ration_left_out(&ration), THREADS * TRIES - BURST);
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(so_many_can_be_taken_at_once),
		test(one_more_after_each_interval),
		test(what_is_left_out_is_counted_once),
		test(threads_share_it),
	};

	return cmocka_run_group_tests_name("ration", tests, NULL, NULL);
}

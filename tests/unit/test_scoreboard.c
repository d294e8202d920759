/* SPDX-License-Identifier: MIT */
/* Memory that processes share, and the right to answer a request, which one of many gets. */
#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/scoreboard.h"

#define SLOTS     100
#define CLAIMANTS 4
#define ROUNDS    2000

static struct scoreboard scoreboard;

static int setup(void **state)
{
	(void)state;
	return scoreboard_create(&scoreboard, SLOTS);
}

static int teardown(void **state)
{
	(void)state;
	scoreboard_destroy(&scoreboard);
	return 0;
}

/* As another program does, which has only the descriptors. */
static int adopt(struct scoreboard *other, uint32_t count)
{
	return scoreboard_adopt(other, dup(scoreboard.slots_fd), dup(scoreboard.ledgers_fd), count);
}

static void what_is_adopted_is_the_same_memory(void **state)
{
	struct scoreboard other;

	(void)state;
	slot_store(scoreboard.slots[SLOTS - 1].requests, 77);
	ledger_note(&scoreboard.ledgers[3], LEDGER_FIRST_OP, 0, 1000);
	assert_int_equal(adopt(&other, 1), 0);
	assert_int_equal(other.count, SLOTS);
	assert_int_equal(slot_load(other.slots[SLOTS - 1].requests), 77);
	assert_int_equal(atomic_load(&other.ledgers[3].rows[0].requests), 1);
	slot_set_phase(&other.slots[0], SLOT_RELEASED);
	assert_int_equal(slot_phase(&scoreboard.slots[0]), SLOT_RELEASED);
	scoreboard_destroy(&other);
}

static void what_is_adopted_may_grow_and_the_first_goes_on(void **state)
{
	struct scoreboard other;

	(void)state;
	assert_int_equal(adopt(&other, 3 * SLOTS), 0);
	assert_int_equal(other.count, 3 * SLOTS);
	slot_set_phase(&other.slots[3 * SLOTS - 1], SLOT_IDLE);
	slot_set_phase(&scoreboard.slots[SLOTS - 1], SLOT_IDLE);
	assert_int_equal(slot_phase(&other.slots[SLOTS - 1]), SLOT_IDLE);
	scoreboard_destroy(&other);
}

static void memory_cannot_be_taken_from_under_those_who_map_it(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(scoreboard.slots_fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(scoreboard.ledgers_fd, 4096), -1);
	assert_int_equal(errno, EPERM);
}

static void what_is_no_scoreboard_is_refused(void **state)
{
	struct scoreboard other;
	int ends[2], odd = memfd_create("odd", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(odd, sizeof(struct slot) + 1), 0);
	assert_int_equal(scoreboard_adopt(&other, odd, odd, 1), -EPROTO);
	close(odd);
	assert_int_equal(pipe(ends), 0);
	assert_true(scoreboard_adopt(&other, ends[0], ends[1], 1) < 0);
	close(ends[0]);
	close(ends[1]);
}

static void slots_are_free_and_zero_at_first(void **state)
{
	static const struct slot zero;

	(void)state;
	assert_int_equal(scoreboard.count, SLOTS);
	for (uint32_t i = 0; i < SLOTS; i++) {
		assert_int_equal(slot_phase(&scoreboard.slots[i]), SLOT_FREE);
		assert_memory_equal(&scoreboard.slots[i], &zero, sizeof zero);
	}
}

static void slots_share_no_cache_line(void **state)
{
	(void)state;
	assert_int_equal((uintptr_t)scoreboard.slots % 64, 0);
	assert_int_equal(_Alignof(struct slot) % 64, 0);
	assert_int_equal(sizeof(struct slot) % 64, 0);
}

static void write_as_worker(const void *argument)
{
	(void)argument;
	slot_store(scoreboard.slots[7].requests, UINT64_C(1) << 40);
	slot_set_phase(&scoreboard.slots[7], SLOT_EXECUTING);
}

static void what_a_child_writes_is_seen(void **state)
{
	(void)state;
	run_in_child(write_as_worker, NULL);
	assert_int_equal(slot_phase(&scoreboard.slots[7]), SLOT_EXECUTING);
	assert_true(slot_load(scoreboard.slots[7].requests) == UINT64_C(1) << 40);
	assert_int_equal(slot_phase(&scoreboard.slots[8]), SLOT_FREE);
}

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void the_clock_is_the_monotonic_one(void **state)
{
	uint64_t before = monotonic();
	uint64_t now = scoreboard_now();

	(void)state;
	assert_in_range(now, before, monotonic());
}

static void only_an_executing_request_can_be_claimed(void **state)
{
	struct slot *slot = &scoreboard.slots[0];

	(void)state;
	for (uint32_t phase = SLOT_FREE; phase <= SLOT_CLOSED; phase++) {
		slot_set_phase(slot, (enum slot_phase)phase);
		assert_int_equal(slot_claim_reply(slot), phase == SLOT_EXECUTING);
		assert_int_equal(slot_phase(slot), phase == SLOT_EXECUTING ? SLOT_REPLYING : (enum slot_phase)phase);
	}
}

static pthread_barrier_t barrier;
static _Atomic unsigned claimed;

static void *claim(void *argument)
{
	struct slot *slot = argument;

	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier); /* the slot is executing */
		if (slot_claim_reply(slot))
			atomic_fetch_add(&claimed, 1);
		pthread_barrier_wait(&barrier); /* all have tried */
	}
	return NULL;
}

static void one_of_many_claims_a_reply(void **state)
{
	struct slot *slot = &scoreboard.slots[0];
	pthread_t threads[CLAIMANTS];

	(void)state;
	pthread_barrier_init(&barrier, NULL, CLAIMANTS + 1);
	for (int i = 0; i < CLAIMANTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claim, slot), 0);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		slot_set_phase(slot, SLOT_EXECUTING);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		assert_int_equal(atomic_load(&claimed), round);
		assert_int_equal(slot_phase(slot), SLOT_REPLYING);
	}
	for (int i = 0; i < CLAIMANTS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&barrier);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(slots_are_free_and_zero_at_first),
		test(slots_share_no_cache_line),
		test(what_a_child_writes_is_seen),
		test(the_clock_is_the_monotonic_one),
		test(only_an_executing_request_can_be_claimed),
		test(one_of_many_claims_a_reply),
		test(what_is_adopted_is_the_same_memory),
		test(what_is_adopted_may_grow_and_the_first_goes_on),
		test(memory_cannot_be_taken_from_under_those_who_map_it),
		test(what_is_no_scoreboard_is_refused),
	};

	return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the monitor makes of a worker's word that a request is stuck: true or not, and as often as it likes. */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "log_capture.h"
#include "monitor/stuck.h"

#define SLOTS 300
#define MKDIR 5U

static struct custody custody;
static struct status status;
static struct stuck stuck;
static int peers[SLOTS];

/* Clients that came a minute ago. */
static int setup(void **state)
{
	(void)state;
	log_capture_reset();
	custody = (struct custody){ .count = 0 };
	if (custody_create(&custody, SLOTS))
		return -1;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct peer who;
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
			return -1;
		peer_read(ends[0], &who);
		custody_admit(&custody, ends[0], &who);
		custody.clients[i].arrived -= 60000000000U;
		peers[i] = ends[1];
	}
	status = (struct status){ .custody = &custody, .stuck_after = 30000000000U };
	stuck_init(&stuck);
	log_capture_reset();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	stuck_forget(&stuck, NULL);
	munmap(custody.scoreboard.slots, SLOTS * sizeof(struct slot));
	munmap(custody.scoreboard.ledgers, SLOTS * sizeof(struct ledger));
	custody_destroy(&custody);
	for (unsigned i = 0; i < SLOTS; i++)
		close(peers[i]);
	return 0;
}

static void execute(uint32_t index, uint64_t seconds)
{
	struct slot *slot = &custody.scoreboard.slots[index];

	slot_store(slot->op, MKDIR);
	slot_store(slot->since, scoreboard_now() - seconds * 1000000000U);
	ledger_note_path(&custody.scoreboard.ledgers[index], "//a\n", 4);
	slot_set_phase(slot, SLOT_EXECUTING);
}

/* That one line was written, and it has this in it. */
static void assert_told(const char *what)
{
	assert_int_equal(log_capture_count(), 1);
	if (!strstr(log_capture_text(), what))
		fail_msg("no %s in %s", what, log_capture_text());
	log_capture_reset();
}

static void it_is_told_of_when_it_begins_and_when_it_ends(void **state)
{
	(void)state;
	execute(7, 31);
	stuck_look(&stuck, &status, 7);
	assert_int_equal(log_capture_priority(), LOG_WARNING);
	assert_told(": its mkdir \"//a\\x0a\" has been in the file system for 31.0 s");
	stuck_returned(&stuck, 8);
	assert_int_equal(log_capture_count(), 0);

	/* Whatever is in the slot by then. */
	memset(&custody.scoreboard.slots[7], 0xff, sizeof(struct slot));
	stuck_returned(&stuck, 7);
	assert_int_equal(log_capture_priority(), LOG_INFO);
	assert_told("its mkdir \"//a\\x0a\" came back after 31.0 s");
	stuck_returned(&stuck, 7);
	assert_int_equal(log_capture_count(), 0);
}

static void what_is_not_so_is_not_told(void **state)
{
	(void)state;
	stuck_look(&stuck, &status, 0);
	execute(0, 29);
	stuck_look(&stuck, &status, 0);
	stuck_look(&stuck, &status, SLOTS);
	stuck_look(&stuck, &status, UINT32_MAX);
	stuck_returned(&stuck, UINT32_MAX);
	stuck_returned(&stuck, 0);
	assert_int_equal(log_capture_count(), 0);
}

static void nothing_returns_from_a_dead_worker(void **state)
{
	(void)state;
	execute(1, 40);
	execute(2, 40);
	stuck_look(&stuck, &status, 1);
	stuck_look(&stuck, &status, 2);
	assert_int_equal(log_capture_count(), 2);
	stuck_forget(&stuck, NULL);
	stuck_returned(&stuck, 1);
	stuck_returned(&stuck, 2);
	assert_int_equal(log_capture_count(), 2);
}

/* A worker that has gone mad may say it without end. */
static void lines_are_rationed(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < SLOTS; i++) {
		execute(i, 50);
		stuck_look(&stuck, &status, i);
	}
	log_capture_reset();
	for (uint32_t i = 0; i < SLOTS; i++)
		stuck_look(&stuck, &status, i);
	assert_int_equal(log_capture_count(), 0);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(it_is_told_of_when_it_begins_and_when_it_ends),
		test(what_is_not_so_is_not_told),
		test(nothing_returns_from_a_dead_worker),
		test(lines_are_rationed),
	};

	return cmocka_run_group_tests_name("stuck", tests, NULL, NULL);
}

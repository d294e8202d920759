/* SPDX-License-Identifier: MIT */
/* Counts and latencies: buckets without gaps, percentiles within what is promised, whatever is in the memory. */
#include "unit.h"

#include <string.h>

#include "common/ledger.h"

#define OP      8U
#define ROW     (OP - LEDGER_FIRST_OP)
#define LEAST   512U
#define GREATEST UINT64_C(1073741824) /* ns, from here on the last bucket */

static struct ledger ledger;

static int setup(void **state)
{
	(void)state;
	memset(&ledger, 0, sizeof ledger);
	return 0;
}

static struct tally tally_of_row(void)
{
	struct tally tally = { .requests = 0 };

	tally_add(&tally, &ledger.rows[ROW]);
	return tally;
}

static uint64_t percentile(unsigned percent)
{
	struct tally tally = tally_of_row();

	return tally_percentile(&tally, percent);
}

static void buckets_follow_one_another(void **state)
{
	(void)state;
	assert_int_equal(ledger_bucket(0), 0);
	assert_int_equal(ledger_bucket(UINT64_MAX), LEDGER_BUCKETS - 1);
	for (unsigned bucket = 0; bucket < LEDGER_BUCKETS - 1; bucket++) {
		uint64_t end = ledger_bucket_end(bucket);

		assert_int_equal(ledger_bucket(end - 1), bucket);
		assert_int_equal(ledger_bucket(end), bucket + 1);
	}
	assert_int_equal(ledger_bucket_end(0), LEAST);
	assert_int_equal(ledger_bucket_end(LEDGER_BUCKETS - 2), GREATEST);
}

static void what_is_noted_is_counted(void **state)
{
	(void)state;
	ledger_note(&ledger, OP, 0, 1000);
	ledger_note(&ledger, OP, -2, 3000);
	ledger_note(&ledger, OP, 0, 5000);
	assert_int_equal(ledger.rows[ROW].requests, 3);
	assert_int_equal(ledger.rows[ROW].errors, 1);
	assert_int_equal(ledger.rows[ROW].ns, 9000);
	for (unsigned i = 0; i < LEDGER_OPS; i++)
		assert_int_equal(ledger.rows[i].requests, i == ROW ? 3 : 0);
	ledger_note(&ledger, LEDGER_FIRST_OP, 0, 1);
	ledger_note(&ledger, LEDGER_FIRST_OP + LEDGER_OPS - 1, 0, 1);
	assert_int_equal(ledger.rows[0].requests, 1);
	assert_int_equal(ledger.rows[LEDGER_OPS - 1].requests, 1);
}

/* For each latency there may be, all requests having it: the worst case. */
static void percentiles_are_within_what_is_promised(void **state)
{
	(void)state;
	for (uint64_t ns = LEAST; ns < GREATEST; ns += ns / 97 + 1) {
		double ratio;

		memset(&ledger, 0, sizeof ledger);
		ledger_note(&ledger, OP, 0, ns);
		ratio = (double)percentile(99) / (double)ns;
		if (ratio < 1 - 0.1725 || ratio > 1 + 0.1725)
			fail_msg("%llu ns: off by %f", (unsigned long long)ns, ratio);
	}
}

static void percentiles_are_of_the_right_requests(void **state)
{
	(void)state;
	assert_int_equal(percentile(50), 0);
	for (unsigned i = 0; i < 99; i++)
		ledger_note(&ledger, OP, 0, 1000);
	ledger_note(&ledger, OP, 0, 1000000);
	assert_in_range(percentile(50), 828, 1172);
	assert_in_range(percentile(99), 828, 1172);
	assert_in_range(percentile(100), 828000, 1172000);
	ledger_note(&ledger, OP, 0, 1000000);
	assert_in_range(percentile(99), 828000, 1172000);
}

static void a_full_bucket_halves_its_row(void **state)
{
	(void)state;
	ledger.rows[ROW].buckets[ledger_bucket(1000)] = LEDGER_BUCKET_MOST - 1;
	ledger.rows[ROW].buckets[ledger_bucket(1000000)] = LEDGER_BUCKET_MOST / 2;
	ledger_note(&ledger, OP, 0, 1000);
	assert_int_equal(ledger.rows[ROW].buckets[ledger_bucket(1000)], LEDGER_BUCKET_MOST / 2);
	assert_int_equal(ledger.rows[ROW].buckets[ledger_bucket(1000000)], LEDGER_BUCKET_MOST / 4);
	assert_int_equal(ledger.rows[ROW].requests, 1);
}

static void hostile_counts_do_no_harm(void **state)
{
	struct tally all = { .requests = 0 };

	(void)state;
	memset(&ledger, 0xff, sizeof ledger);
	for (unsigned i = 0; i < LEDGER_OPS; i++)
		tally_add(&all, &ledger.rows[i]);
	assert_in_range(tally_percentile(&all, 50), LEAST, GREATEST);
	assert_int_equal(tally_percentile(&all, 100), GREATEST);
	ledger_note(&ledger, OP, -1, UINT64_MAX);
}

static void tallies_add_up(void **state)
{
	struct tally one, two = { .requests = 0 };

	(void)state;
	ledger_note(&ledger, OP, -1, 700);
	one = tally_of_row();
	tally_merge(&two, &one);
	tally_merge(&two, &one);
	assert_int_equal(two.requests, 2);
	assert_int_equal(two.errors, 2);
	assert_int_equal(two.ns, 1400);
	assert_int_equal(two.buckets[ledger_bucket(700)], 2);
}

static void long_paths_are_cut(void **state)
{
	char path[2 * LEDGER_PATH_SIZE];

	(void)state;
	ledger_note_path(&ledger, "//a", 3);
	assert_string_equal(ledger.path, "//a");
	memset(path, 'p', sizeof path);
	ledger_note_path(&ledger, path, sizeof path);
	assert_int_equal(strlen(ledger.path), LEDGER_PATH_SIZE - 1);
	ledger_note_path(&ledger, "//b", 3);
	assert_string_equal(ledger.path, "//b");
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(buckets_follow_one_another),
		test(what_is_noted_is_counted),
		test(percentiles_are_within_what_is_promised),
		test(percentiles_are_of_the_right_requests),
		test(a_full_bucket_halves_its_row),
		test(hostile_counts_do_no_harm),
		test(tallies_add_up),
		test(long_paths_are_cut),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}

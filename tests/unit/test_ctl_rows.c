/* SPDX-License-Identifier: MIT */
/* A helper's rows as virtfs-proxyctl reads, sorts and prints them. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/order.h"
#include "ctl/rows.h"
#include "ctl/table.h"

#define HELPER  "helper\tversion\t1.2\nhelper\tpath\t/srv\nhelper\tworker_pss\t-1\n"
#define CLIENTS                                                                                                        \
	"client\t1\t500\t0\tqemu\t2000000000\t10\t1\t1000\t2000\t-\t0\t-\t0\n"                                         \
	"op\t1\tlstat\t9\t0\t1000\t2000\n"                                                                             \
	"op\t1\topen\t1\t1\t7000\t8000\n"                                                                              \
	"client\t2\t400\t64055\tother\t5000000000\t30\t0\t900\t9000\tmkdir\t3000000000\t//a\\x0ab\t1\n"                  \
	"op\t2\tlstat\t30\t0\t900\t9000\n"

static struct rows rows, before;

static int parse(struct rows *into, const char *text)
{
	char *copy = strdup(text);

	assert_non_null(copy);
	return rows_parse(into, copy);
}

static int teardown(void **state)
{
	(void)state;
	rows_finish(&rows);
	rows_finish(&before);
	return 0;
}

static void rows_are_read(void **state)
{
	(void)state;
	assert_int_equal(parse(&rows, HELPER CLIENTS "end\n"), 0);
	assert_string_equal(rows_value(&rows, "path"), "/srv");
	assert_string_equal(rows_value(&rows, "missing"), "?");
	assert_int_equal(rows.client_count, 2);
	assert_int_equal(rows.clients[0].pid, 500);
	assert_int_equal(rows.clients[0].operation_count, 2);
	assert_string_equal(rows.clients[0].operations[1].name, "open");
	assert_int_equal(rows.clients[0].operations[1].p99, 8000);
	assert_int_equal(rows.clients[1].uid, 64055);
	assert_string_equal(rows.clients[1].path, "//a\\x0ab");
	assert_int_equal(rows.clients[0].stuck, 0);
	assert_int_equal(rows.clients[1].stuck, 1);
	assert_string_equal(rows.clients[1].operations[0].name, "lstat");
}

/* An answer that is cut short anywhere, and lines that a later helper might add. */
static void answers_that_are_not_whole_are_refused(void **state)
{
	char text[] = HELPER CLIENTS "end\n";

	(void)state;
	for (size_t size = strlen(text) - 1; size > 0; size--) {
		text[size] = '\0';
		assert_int_equal(parse(&rows, text), -EPROTO);
		rows_finish(&rows);
	}
	assert_int_equal(parse(&rows, ""), -EPROTO);
	rows_finish(&rows);
	assert_int_equal(parse(&rows, "new\tthing\nop\t1\tlstat\t9\t0\t1\t2\nhelper\nclient\t1\n\nend\n"), 0);
	assert_int_equal(rows.client_count + rows.operation_count + rows.value_count, 0);
}

static void clients_are_sorted(void **state)
{
	static const struct {
		char key;
		uint64_t first;
	} cases[] = { { 'n', 1 }, { 'p', 2 }, { 'c', 2 }, { 'e', 1 }, { '5', 1 }, { '9', 2 }, { 'w', 2 }, { 'n', 1 } };

	(void)state;
	assert_int_equal(parse(&rows, HELPER CLIENTS "end\n"), 0);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(order_is_key(cases[i].key));
		order_clients(&rows, cases[i].key);
		assert_int_equal(rows.clients[0].number, cases[i].first);
	}
	assert_false(order_is_key('x'));
	order_clients(&rows, 'x');
}

static void rates_are_differences(void **state)
{
	(void)state;
	assert_int_equal(parse(&before, "client\t1\t500\t0\tqemu\t1\t4\t1\t1\t2\t-\t0\t-\t0\nend\n"), 0);
	assert_int_equal(parse(&rows, HELPER CLIENTS "end\n"), 0);
	order_rates(&rows, &before, 500000000);
	assert_float_equal(rows.clients[0].rate, 12.0, 0.001);
	assert_float_equal(rows.clients[1].rate, 6.0, 0.001); /* 30 requests in the 5 s since it came */
}

static void times_and_sizes_are_short(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = { { 0, "-" },
		      { 999, "999 ns" },
		      { 1250, "1.25 us" },
		      { 45600, "45.6 us" },
		      { 123000000, "123 ms" },
		      { 9000000000, "9.00 s" },
		      { 3599 * UINT64_C(1000000000), "59 min 59 s" },
		      { 90000 * UINT64_C(1000000000), "1 d 1 h" },
		      { UINT64_MAX, "213503 d 23 h" } };
	char text[TABLE_CELL_SIZE];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(table_time(cases[i].ns, text), cases[i].text);
	assert_string_equal(table_bytes("2306048", text), "2.31 MB");
	assert_string_equal(table_bytes("-1", text), "?");
	assert_string_equal(table_bytes("?", text), "?");
}

static void a_table_has_a_line_for_each_client(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	assert_int_equal(parse(&rows, HELPER CLIENTS "end\n"), 0);
	table_helper(out, &rows);
	table_client(out, &rows.clients[1], true);
	table_operations(out, &rows.clients[0]);
	fclose(out);
	assert_non_null(strstr(text, "virtfs-proxy-helper 1.2, up -, serving /srv on ?\n"));
	assert_non_null(strstr(text, "mkdir //a\\x0ab for 3.00 s"));
	assert_non_null(strstr(text, " open "));
	free(text);
}

#define test(function) cmocka_unit_test_teardown(function, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(rows_are_read),
		test(answers_that_are_not_whole_are_refused),
		test(clients_are_sorted),
		test(rates_are_differences),
		test(times_and_sizes_are_short),
		test(a_table_has_a_line_for_each_client),
	};

	return cmocka_run_group_tests_name("ctl_rows", tests, NULL, NULL);
}

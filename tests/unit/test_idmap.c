/* SPDX-License-Identifier: MIT */
/* Maps of ids: what is read, what is refused, and what the kernel is given. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "common/idmap.h"

static struct idmap map;

static const char *parse(const char *text)
{
	memset(&map, 0, sizeof map);
	return idmap_parse(&map, text);
}

static void ranges_are_read_and_printed(void **state)
{
	char text[IDMAP_TEXT_SIZE];

	(void)state;
	assert_null(parse("uid:0:100000:65536,uid:70000:7:1,gid:0:200000:10"));
	assert_null(idmap_check(&map));
	assert_true(idmap_exists(&map));
	idmap_print(&map.uids, text);
	assert_string_equal(text, "100000 0 65536\n7 70000 1\n");
	idmap_print(&map.gids, text);
	assert_string_equal(text, "200000 0 10\n");
}

static void both_means_users_and_groups(void **state)
{
	char text[IDMAP_TEXT_SIZE];

	(void)state;
	assert_null(parse("both:0:4294901758:65535"));
	assert_null(idmap_check(&map));
	idmap_print(&map.uids, text);
	assert_string_equal(text, "4294901758 0 65535\n");
	idmap_print(&map.gids, text);
	assert_string_equal(text, "4294901758 0 65535\n");
}

static void an_option_that_comes_twice_adds(void **state)
{
	(void)state;
	assert_null(parse("uid:0:1000:1"));
	assert_non_null(idmap_check(&map));
	assert_null(idmap_parse(&map, "gid:0:1000:1"));
	assert_null(idmap_check(&map));
}

static void the_longest_map_fits_its_text(void **state)
{
	char option[64], text[IDMAP_TEXT_SIZE];

	(void)state;
	memset(&map, 0, sizeof map);
	for (unsigned i = 0; i < IDMAP_RANGES_MOST; i++) {
		snprintf(option, sizeof option, "both:%u:%u:1", 4294967200U - i, 4294967200U - i);
		assert_null(idmap_parse(&map, option));
	}
	assert_string_equal(idmap_parse(&map, "uid:1:1:1"), "there are too many ranges");
	idmap_print(&map.uids, text);
	assert_int_equal(strlen(text), IDMAP_RANGES_MOST * strlen("4294967200 4294967200 1\n"));
	assert_string_equal(strrchr(text, ' ') - strlen(" 4294967169 4294967169") + 1, "4294967169 4294967169 1\n");
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const char *const wrong[] = {
		"", ",", "uid", "uid:", "uid:0", "uid:0:1", "uid:0:1:", "uid:0:1:1,", "uid:0:1:1:1", "uid: 0:1:1", "uid:+0:1:1",
		"uid:-1:1:1", "uid:0:x:1", "uid:0:1:0", "uid:0:4294967295:1", "uid:4294967295:0:1", "uid:1:0:4294967295",
		"uid:0:4294967296:1", "uid:0:99999999999999999999:1", "users:0:1:1", "UID:0:1:1", "uid:0:1:5,uid:4:100:1",
		"uid:0:1:5,uid:9:5:1", "both:0:1:1,gid:0:7:1",
		"uid:00000000000000000000000000000000000000000000000000000000000000000000000000000:0:1",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (!parse(wrong[i]))
			fail_msg("'%s' was accepted", wrong[i]);
}

static void neighbours_do_not_overlap(void **state)
{
	(void)state;
	assert_null(parse("uid:0:1000:5,uid:5:1005:5,uid:10:990:10"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read_and_printed),
		cmocka_unit_test(both_means_users_and_groups),
		cmocka_unit_test(an_option_that_comes_twice_adds),
		cmocka_unit_test(the_longest_map_fits_its_text),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(neighbours_do_not_overlap),
	};

	return cmocka_run_group_tests_name("idmap", tests, NULL, NULL);
}

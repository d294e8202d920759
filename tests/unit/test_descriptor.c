/* SPDX-License-Identifier: MIT */
/* Which descriptors a process has after it has shed those of its launcher. In children: the test needs its own. */
#include "unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/descriptor.h"

#define HIGH 200 /* above all that anything here opens by itself */

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* --- closing all but some ------------------------------------------------------------------------------------ */

struct kept {
	int keep[6];
	unsigned count;
};

static void close_all_but(const void *argument)
{
	struct kept kept = *(const struct kept *)argument;
	bool kept_at[HIGH] = { true, true, true };

	for (unsigned i = 0; i < kept.count; i++)
		if (kept.keep[i] >= 0)
			kept_at[kept.keep[i]] = true;
	for (int fd = 3; fd < HIGH; fd++)
		if (!is_open(fd))
			CHECK_EQUAL(dup2(STDERR_FILENO, fd), fd);
	CHECK_EQUAL(descriptor_close_all_but(kept.keep, kept.count), 0);
	for (int fd = 0; fd < HIGH; fd++)
		CHECK_EQUAL(is_open(fd), kept_at[fd]);
}

static void all_but_the_kept_are_closed(void **state)
{
	static const struct kept cases[] = {
		{ { 0 }, 0 },
		{ { 3 }, 1 },
		{ { 4 }, 1 },
		{ { 199 }, 1 },
		{ { 3, 4, 5 }, 3 },
		{ { 10, 20, 30 }, 3 },
		{ { 30, 10, 20 }, 3 },
		{ { 9, 8, 7, 6, 5, 4 }, 6 },
		{ { 12, 12, 12 }, 3 },
		{ { 50, 5, 50, 6, 5, 50 }, 6 },
		{ { 0, 1, 2 }, 3 },
		{ { 2, 8, -1 }, 3 },
		{ { -1 }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		run_in_child(close_all_but, &cases[i]);
}

/* --- standard descriptors ------------------------------------------------------------------------------------ */

static bool is_null(int fd)
{
	struct stat stat;

	return !fstat(fd, &stat) && S_ISCHR(stat.st_mode) && stat.st_rdev == makedev(1, 3);
}

static void fill_standard(const void *argument)
{
	const unsigned *closed = argument; /* a bit for each */
	int none[1];

	CHECK_EQUAL(descriptor_close_all_but(none, 0), 0);
	for (int fd = 0; fd < 3; fd++)
		if (*closed & 1U << fd)
			close(fd);
	CHECK_EQUAL(descriptor_fill_standard(), 0);
	for (int fd = 0; fd < 3; fd++)
		CHECK(is_open(fd) && (!(*closed & 1U << fd) || is_null(fd)));
	for (int fd = 3; fd < HIGH; fd++)
		CHECK(!is_open(fd));
}

static void closed_standard_descriptors_become_null(void **state)
{
	(void)state;
	for (unsigned closed = 0; closed < 8; closed++)
		run_in_child(fill_standard, &closed);
}

/* --- ownership ----------------------------------------------------------------------------------------------- */

static int scope(bool hand_over, int *number)
{
	AUTO_CLOSE int fd = dup(STDERR_FILENO);

	*number = fd;
	return hand_over ? descriptor_take(&fd) : -1;
}

static void a_descriptor_is_closed_with_its_variable_unless_taken(void **state)
{
	int number;

	(void)state;
	assert_int_equal(scope(false, &number), -1);
	assert_false(is_open(number));
	assert_int_equal(scope(true, &number), number);
	assert_true(is_open(number));
	descriptor_close(&number);
	assert_int_equal(number, -1);
	descriptor_close(&number);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_but_the_kept_are_closed),
		cmocka_unit_test(closed_standard_descriptors_become_null),
		cmocka_unit_test(a_descriptor_is_closed_with_its_variable_unless_taken),
	};

	return cmocka_run_group_tests_name("descriptor", tests, NULL, NULL);
}

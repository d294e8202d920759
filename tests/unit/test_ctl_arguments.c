/* SPDX-License-Identifier: MIT */
/* Words to requests: names, order, defaults, and what is said of words that make no sense. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "ctl/arguments.h"

#define MOST_WORDS 8

static char fault[ARGUMENTS_FAULT_MAX];
static char line[500];

/* The words of a line, which are between single spaces. */
static int parse(enum proxyfs_op op, const char *text, struct proxyfs_request *request)
{
	char *words[MOST_WORDS], *rest = line;
	int count = 0;

	snprintf(line, sizeof line, "%s", text);
	fault[0] = '\0';
	while (rest && text[0])
		words[count++] = strsep(&rest, " ");
	return arguments_parse(op, count, words, request, fault);
}

static struct proxyfs_request parsed(enum proxyfs_op op, const char *text)
{
	struct proxyfs_request request;

	assert_int_equal(parse(op, text, &request), 0);
	assert_int_equal(request.op, op);
	return request;
}

static void assert_fault(enum proxyfs_op op, const char *text, const char *expected)
{
	struct proxyfs_request request;

	assert_int_equal(parse(op, text, &request), -EINVAL);
	if (!strstr(fault, expected))
		fail_msg("'%s' says '%s', not '%s'", text, fault, expected);
}

static void assert_bytes(struct proxyfs_bytes got, const char *expected, size_t size)
{
	assert_int_equal(got.size, size);
	assert_memory_equal(got.data, expected, size);
}

#define assert_text(got, expected) assert_bytes(got, expected, strlen(expected))

static void in_the_order_of_the_wire(void **state)
{
	struct proxyfs_request request = parsed(PROXYFS_MKNOD, "1 2 /n 644 3");

	(void)state;
	assert_int_equal(request.uid, 1);
	assert_int_equal(request.gid, 2);
	assert_text(request.path, "/n");
	assert_int_equal(request.mode, 0644);
	assert_int_equal(request.rdev, 3);
}

static void by_name_in_any_order_and_the_rest_in_order(void **state)
{
	struct proxyfs_request request = parsed(PROXYFS_CREATE, "mode=600 /n gid=2 O_RDWR");

	(void)state;
	assert_text(request.path, "/n");
	assert_int_equal(request.flags, O_RDWR);
	assert_int_equal(request.mode, 0600);
	assert_int_equal(request.uid, 0);
	assert_int_equal(request.gid, 2);
}

static void a_name_of_no_field_is_a_value(void **state)
{
	(void)state;
	assert_text(parsed(PROXYFS_LSTAT, "/a=b").path, "/a=b");
	assert_text(parsed(PROXYFS_LSTAT, "mode=1").path, "mode=1");
	assert_text(parsed(PROXYFS_LSTAT, "path=path=x").path, "path=x");
	assert_text(parsed(PROXYFS_LSTAT, "path=").path, "");
}

static void old_and_new(void **state)
{
	struct proxyfs_request request = parsed(PROXYFS_RENAME, "new=/b /a");

	(void)state;
	assert_text(request.path, "/a");
	assert_text(request.new_path, "/b");
}

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(parsed(PROXYFS_OPEN, "/").flags, O_RDONLY);
	assert_int_equal(parsed(PROXYFS_CREATE, "/").flags, O_CREAT | O_RDWR);
	assert_int_equal(parsed(PROXYFS_CREATE, "/").mode, 0644);
	assert_int_equal(parsed(PROXYFS_MKDIR, "path=/").mode, 0755);
	assert_int_equal(parsed(PROXYFS_CHOWN, "/ gid=7").uid, UINT32_MAX);
	assert_int_equal(parsed(PROXYFS_LLISTXATTR, "path=/").size, 65536);
	assert_int_equal(parsed(PROXYFS_UTIME, "/").mtime_nsec, UTIME_NOW);
	assert_int_equal(parsed(PROXYFS_LSETXATTR, "/ user.a value").size, 5);
	assert_int_equal(parsed(PROXYFS_LSETXATTR, "/ user.a 0x0001 size=7").size, 7);
	assert_int_equal(parsed(PROXYFS_LSETXATTR, "size=all value=abc path=/ name=n").size, 3);
}

static void numbers(void **state)
{
	(void)state;
	assert_int_equal(parsed(PROXYFS_CHOWN, "/ -1 4294967295").uid, UINT32_MAX);
	assert_int_equal(parsed(PROXYFS_CHOWN, "/ 0x10").uid, 16);
	assert_int_equal(parsed(PROXYFS_CHOWN, "/ 010").uid, 10);
	assert_int_equal(parsed(PROXYFS_READLINK, "/ -2147483648").size, INT32_MIN);
	assert_int_equal(parsed(PROXYFS_TRUNCATE, "/ -9223372036854775808").length, INT64_MIN);
	assert_int_equal(parsed(PROXYFS_MKNOD, "0 0 / 0 18446744073709551615").rdev, UINT64_MAX);
	for (size_t i = 0; i < 8; i++) {
		static const char *const wrong[] = { "/ x", "/ ", "/ 1x", "/ 4294967296", "/ -2147483649", "/ +1", "/ 0x", "/ --1" };

		assert_fault(PROXYFS_CHOWN, wrong[i], "uid: give a number");
	}
	assert_fault(PROXYFS_TRUNCATE, "/ 9223372036854775808", "length: give a number");
	assert_fault(PROXYFS_TRUNCATE, "/ 99999999999999999999", "length: give a number");
}

static void modes_flags_and_devices(void **state)
{
	(void)state;
	assert_int_equal(parsed(PROXYFS_CHMOD, "/ 4755").mode, 04755);
	assert_int_equal(parsed(PROXYFS_CHMOD, "/ s_ifblk,644").mode, S_IFBLK | 0644);
	assert_int_equal(parsed(PROXYFS_OPEN, "/ O_WRONLY|0x80|O_SYNC").flags, O_WRONLY | 0x80 | O_SYNC);
	assert_int_equal(parsed(PROXYFS_LSETXATTR, "/ n v flags=XATTR_REPLACE").flags, XATTR_REPLACE);
	assert_int_equal(parsed(PROXYFS_MKNOD, "0 0 / 0 8:17").rdev, makedev(8, 17));
	assert_fault(PROXYFS_CHMOD, "/ 8", "mode: give a mode in octal");
	assert_fault(PROXYFS_CHMOD, "/ -1", "mode: give a mode in octal");
	assert_fault(PROXYFS_CHMOD, "/ 40000000000", "mode: give a mode in octal");
	assert_fault(PROXYFS_OPEN, "/ O_RDWR|", "flags: give flags of open(2)");
	assert_fault(PROXYFS_OPEN, "/ O_RDWRX", "flags: give flags of open(2)");
	assert_fault(PROXYFS_LSETXATTR, "/ n v flags=O_RDWR", "flags: give XATTR_CREATE");
	assert_fault(PROXYFS_MKNOD, "0 0 / 0 8:", "rdev: give a number or MAJOR:MINOR");
	assert_fault(PROXYFS_MKNOD, "0 0 / 0 8:1x", "rdev: give a number or MAJOR:MINOR");
}

static void times(void **state)
{
	struct proxyfs_request request = parsed(PROXYFS_UTIME, "/ 12.5 omit");

	(void)state;
	assert_int_equal(request.atime_sec, 12);
	assert_int_equal(request.atime_nsec, 500000000);
	assert_int_equal(request.mtime_nsec, UTIME_OMIT);
	request = parsed(PROXYFS_UTIME, "/ mtime=-3.000000009 now");
	assert_int_equal(request.atime_nsec, UTIME_NOW);
	assert_int_equal(request.mtime_sec, -3);
	assert_int_equal(request.mtime_nsec, 9);
	for (size_t i = 0; i < 6; i++) {
		static const char *const wrong[] = { "/ ", "/ x", "/ 1.", "/ 1.x", "/ 1.0000000000", "/ 99999999999999999999" };

		assert_fault(PROXYFS_UTIME, wrong[i], "atime: give now, omit");
	}
}

static void values(void **state)
{
	(void)state;
	assert_text(parsed(PROXYFS_LSETXATTR, "/ n text").value, "text");
	assert_bytes(parsed(PROXYFS_LSETXATTR, "/ n 0x00fFaA").value, "\0\377\252", 3);
	assert_bytes(parsed(PROXYFS_LSETXATTR, "/ n 0x").value, "", 0);
	assert_fault(PROXYFS_LSETXATTR, "/ n 0x0", "value: give text, or 0x");
	assert_fault(PROXYFS_LSETXATTR, "/ n 0x0g", "value: give text, or 0x");
}

static void too_many_too_few_twice(void **state)
{
	(void)state;
	assert_fault(PROXYFS_LSTAT, "", "path is missing");
	assert_fault(PROXYFS_MKNOD, "path=/n", "mode is missing");
	assert_fault(PROXYFS_LSTAT, "/ x", "x: there is no field left");
	assert_fault(PROXYFS_LSTAT, "path=/ path=/", "path is given twice");
	assert_fault(PROXYFS_LSTAT, "path=/ /", "/: there is no field left");
}

static void usages(void **state)
{
	char usage[ARGUMENTS_FAULT_MAX];

	(void)state;
	arguments_usage(PROXYFS_UTIME, usage);
	assert_string_equal(usage, "utime path [atime=now] [mtime=now]");
	arguments_usage(PROXYFS_LSETXATTR, usage);
	assert_string_equal(usage, "lsetxattr path name value [size=all] [flags=0]");
}

static void every_usage_is_understood(void **state)
{
	(void)state;
	for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++) {
		char usage[ARGUMENTS_FAULT_MAX], words[ARGUMENTS_FAULT_MAX] = "";

		/* What may be left out as it is shown; for what may not, 1 is of every kind. */
		arguments_usage(op, usage);
		for (char *rest = strchr(usage, ' ') + 1, *word; (word = strsep(&rest, " "));) {
			word[strcspn(word, "]")] = '\0';
			snprintf(words + strlen(words), sizeof words - strlen(words), "%s%s%s", words[0] ? " " : "",
			         word + (word[0] == '['), word[0] == '[' ? "" : "=1");
		}
		parsed(op, words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_the_order_of_the_wire),
		cmocka_unit_test(by_name_in_any_order_and_the_rest_in_order),
		cmocka_unit_test(a_name_of_no_field_is_a_value),
		cmocka_unit_test(old_and_new),
		cmocka_unit_test(defaults),
		cmocka_unit_test(numbers),
		cmocka_unit_test(modes_flags_and_devices),
		cmocka_unit_test(times),
		cmocka_unit_test(values),
		cmocka_unit_test(too_many_too_few_twice),
		cmocka_unit_test(usages),
		cmocka_unit_test(every_usage_is_understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What requests and replies look like, for people and for programs. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ctl/print.h"

#define BYTES(literal) { literal, sizeof literal - 1 }

static char *printed;

static void assert_printed(bool json, const struct print_exchange *exchange, const char *expected)
{
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	assert_non_null(out);
	print_exchange(out, json, exchange);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(printed, expected);
	free(printed);
}

static void a_request_alone(void **state)
{
	const struct proxyfs_request request = { .op = PROXYFS_CREATE, .path = BYTES("/a\n"), .flags = O_RDWR | O_CREAT,
		                                 .mode = 0644, .uid = UINT32_MAX, .gid = 1 };
	const struct print_exchange exchange = { .op = PROXYFS_CREATE, .request = &request };

	(void)state;
	assert_printed(false, &exchange, "create(path=\"/a\\n\", flags=O_RDWR|O_CREAT, mode=0644, uid=-1, gid=1)\n");
	assert_printed(true, &exchange,
	               "{\"operation\":\"create\",\"request\":{\"path\":\"/a\\u000a\",\"flags\":66,\"mode\":420,"
	               "\"uid\":4294967295,\"gid\":1}}\n");
}

static void an_error(void **state)
{
	const struct proxyfs_request request = { .op = PROXYFS_LSTAT, .path = BYTES("/") };
	const struct proxyfs_reply reply = { .status = -ENOENT };
	const struct print_exchange exchange = { .client = 3, .op = PROXYFS_LSTAT, .request = &request, .reply = &reply,
		                                 .timed = true, .us = 12 };

	(void)state;
	assert_printed(false, &exchange, "3 lstat(path=\"/\") = ENOENT: No such file or directory 12 us\n");
	assert_printed(true, &exchange,
	               "{\"client\":3,\"operation\":\"lstat\",\"request\":{\"path\":\"/\"},\"status\":-2,"
	               "\"error\":\"ENOENT\",\"message\":\"No such file or directory\",\"us\":12}\n");
}

static void an_error_without_a_name(void **state)
{
	const struct proxyfs_reply reply = { .status = -4000 };

	(void)state;
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_MKDIR, .reply = &reply },
	               "mkdir = errno 4000: Unknown error 4000\n");
}

static void successes_without_data(void **state)
{
	const struct proxyfs_reply reply = { .status = 0 };

	(void)state;
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_MKDIR, .reply = &reply }, "mkdir = 0\n");
	assert_printed(true, &(struct print_exchange){ .op = PROXYFS_MKDIR, .reply = &reply },
	               "{\"operation\":\"mkdir\",\"status\":0}\n");
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_OPEN, .reply = &reply }, "open = descriptor\n");
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_OPEN, .reply = &reply, .descriptor = "directory" },
	               "open = descriptor (directory)\n");
}

static void no_reply(void **state)
{
	const struct print_exchange exchange = { .op = PROXYFS_LSTAT, .fault = "no reply" };

	(void)state;
	assert_printed(false, &exchange, "lstat = (no reply)\n");
	assert_printed(true, &exchange, "{\"operation\":\"lstat\",\"fault\":\"no reply\"}\n");
}

static void numbers_devices_and_times(void **state)
{
	const struct proxyfs_reply reply = { .stat = { .dev = 0x801, .ino = UINT64_MAX, .mode = S_IFREG | 04755, .mtime_sec = -1,
		                                       .mtime_nsec = 5 } };

	(void)state;
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_LSTAT, .reply = &reply },
	               "lstat = dev=8:1 ino=18446744073709551615 nlink=0 mode=0104755 uid=0 gid=0 rdev=0:0 size=0 blksize=0 "
	               "blocks=0 atime=0.000000000 mtime=-1.000000005 ctime=0.000000000\n");
}

static void times_of_a_request(void **state)
{
	const struct proxyfs_request request = { .op = PROXYFS_UTIME, .path = BYTES("/"), .atime_sec = 77,
		                                 .atime_nsec = UTIME_OMIT, .mtime_nsec = UTIME_NOW };

	(void)state;
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_UTIME, .request = &request },
	               "utime(path=\"/\", atime=omit, mtime=now)\n");
}

static void bytes_that_are_not_utf8(void **state)
{
	const struct proxyfs_reply reply = { .bytes = BYTES("a\377\0") };
	const struct print_exchange exchange = { .op = PROXYFS_LGETXATTR, .reply = &reply };

	(void)state;
	assert_printed(false, &exchange, "lgetxattr = value=\"a\\xff\\x00\"\n");
	assert_printed(true, &exchange,
	               "{\"operation\":\"lgetxattr\",\"status\":0,\"reply\":{\"value\":\"a\\u00ff\\u0000\","
	               "\"value_hex\":\"61ff00\"}}\n");
}

static void names(void **state)
{
	const struct proxyfs_reply reply = { .bytes = BYTES("user.a\0\0user.\377") };
	const struct print_exchange exchange = { .op = PROXYFS_LLISTXATTR, .reply = &reply };

	(void)state;
	assert_printed(false, &exchange, "llistxattr = names=\"user.a\",\"\",\"user.\\xff\"\n");
	assert_printed(true, &exchange,
	               "{\"operation\":\"llistxattr\",\"status\":0,\"reply\":{\"names\":[\"user.a\",\"\",\"user.\\u00ff\"],"
	               "\"names_hex\":[\"757365722e61\",\"\",\"757365722eff\"]}}\n");
}

static void a_length_alone(void **state)
{
	const struct proxyfs_reply reply = { .length_only = true, .length = 7 };

	(void)state;
	assert_printed(false, &(struct print_exchange){ .op = PROXYFS_LLISTXATTR, .reply = &reply }, "llistxattr = length=7\n");
}

static void flags(void **state)
{
	static const struct {
		enum proxyfs_op op;
		uint32_t flags;
		const char *text;
	} cases[] = {
		{ PROXYFS_OPEN, O_RDONLY, "O_RDONLY" },
		{ PROXYFS_OPEN, O_WRONLY | O_SYNC, "O_WRONLY|O_SYNC" },
		{ PROXYFS_OPEN, O_DSYNC, "O_RDONLY|O_DSYNC" },
		{ PROXYFS_OPEN, O_DIRECTORY, "O_RDONLY|O_DIRECTORY" },
		{ PROXYFS_OPEN, O_TMPFILE | O_RDWR, "O_RDWR|O_TMPFILE" },
		{ PROXYFS_OPEN, 3, "03" },
		{ PROXYFS_OPEN, O_RDWR | 0x80000000U, "O_RDWR|020000000000" },
		{ PROXYFS_LSETXATTR, 0, "0" },
		{ PROXYFS_LSETXATTR, 3, "XATTR_CREATE|XATTR_REPLACE" },
		{ PROXYFS_LSETXATTR, 4, "04" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct proxyfs_request request = { .op = cases[i].op, .flags = cases[i].flags };
		char expected[200];

		snprintf(expected, sizeof expected,
		         cases[i].op == PROXYFS_OPEN ? "open(path=\"\", flags=%s)\n" :
		                                       "lsetxattr(path=\"\", name=\"\", value=\"\", size=0, flags=%s)\n",
		         cases[i].text);
		assert_printed(false, &(struct print_exchange){ .op = cases[i].op, .request = &request }, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_alone),
		cmocka_unit_test(an_error),
		cmocka_unit_test(an_error_without_a_name),
		cmocka_unit_test(successes_without_data),
		cmocka_unit_test(no_reply),
		cmocka_unit_test(numbers_devices_and_times),
		cmocka_unit_test(times_of_a_request),
		cmocka_unit_test(bytes_that_are_not_utf8),
		cmocka_unit_test(names),
		cmocka_unit_test(a_length_alone),
		cmocka_unit_test(flags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

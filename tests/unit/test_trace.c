/* SPDX-License-Identifier: MIT */
/* A request as a line of the log: each operation, hostile names, and bytes that are no request. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "worker/trace.h"

static char text[TRACE_SIZE];

static const char *trace(const struct proxyfs_request *request, int32_t status)
{
	static char message[PROXYFS_MESSAGE_MAX];
	ssize_t size = proxyfs_encode_request(request, message, sizeof message);

	assert_true(size > 0);
	trace_describe(4711, request->op, message + PROXYFS_HEADER_SIZE, (size_t)size - PROXYFS_HEADER_SIZE, status, 12345,
	               text);
	return text;
}

#define STRING(text) { text, sizeof text - 1 }

static void operations_say_what_they_are_about(void **state)
{
	static const struct {
		struct proxyfs_request request;
		const char *line;
	} cases[] = {
		{ { .op = PROXYFS_LSTAT, .path = STRING("//a") }, "lstat \"//a\"" },
		{ { .op = PROXYFS_OPEN, .path = STRING("//a"), .flags = 2 }, "open \"//a\" flags 02" },
		{ { .op = PROXYFS_CREATE, .path = STRING("//a"), .flags = 0102, .mode = 0644, .uid = 1, .gid = 2 },
		  "create \"//a\" flags 0102 mode 0644 owner 1:2" },
		{ { .op = PROXYFS_SYMLINK, .path = STRING("//l"), .target = STRING("t") }, "symlink \"t\" \"//l\" owner 0:0" },
		{ { .op = PROXYFS_RENAME, .path = STRING("//a"), .new_path = STRING("//b") }, "rename \"//a\" \"//b\"" },
		{ { .op = PROXYFS_CHOWN, .path = STRING("/"), .uid = UINT32_MAX, .gid = 3 }, "chown \"/\" owner -1:3" },
		{ { .op = PROXYFS_TRUNCATE, .path = STRING("/"), .length = -5 }, "truncate \"/\" length -5" },
		{ { .op = PROXYFS_LGETXATTR, .path = STRING("/"), .name = STRING("user.x"), .size = 9 },
		  "lgetxattr \"/\" \"user.x\" size 9" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char line[TRACE_SIZE];

		snprintf(line, sizeof line, "pid 4711: %s = 0, 12 us", cases[i].line);
		assert_string_equal(trace(&cases[i].request, 0), line);
	}
}

static void failures_have_names(void **state)
{
	struct proxyfs_request request = { .op = PROXYFS_REMOVE, .path = STRING("//a") };

	(void)state;
	assert_string_equal(trace(&request, -ENOENT), "pid 4711: remove \"//a\" = ENOENT, 12 us");
	assert_string_equal(trace(&request, -4000), "pid 4711: remove \"//a\" = -4000, 12 us");
}

static void hostile_names_stay_one_harmless_line(void **state)
{
	struct proxyfs_request request = { .op = PROXYFS_LSTAT, .path = STRING("//\n<3>\x1b]0;t\x07\" = 0\xff") };

	(void)state;
	assert_string_equal(trace(&request, 0),
	                    "pid 4711: lstat \"//\\x0a<3>\\x1b]0;t\\x07\\\" = 0\\xff\" = 0, 12 us");
}

static void the_longest_names_leave_room_for_the_result(void **state)
{
	static char bytes[30000];
	struct proxyfs_request request = { .op = PROXYFS_RENAME, .path = { bytes, sizeof bytes },
		                           .new_path = { bytes, sizeof bytes } };

	(void)state;
	memset(bytes, '\n', sizeof bytes);
	trace(&request, -ENAMETOOLONG);
	assert_non_null(strstr(text, "...\" = ENAMETOOLONG, 12 us"));
	assert_true(strlen(text) < TRACE_SIZE);
}

static void what_is_no_request_is_told_too(void **state)
{
	(void)state;
	trace_describe(1, PROXYFS_CHMOD, "\5", 1, -ENOBUFS, 999, text);
	assert_string_equal(text, "pid 1: chmod (1 bytes that are no such request) = ENOBUFS, 0 us");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_say_what_they_are_about),
		cmocka_unit_test(failures_have_names),
		cmocka_unit_test(hostile_names_stay_one_harmless_line),
		cmocka_unit_test(the_longest_names_leave_room_for_the_result),
		cmocka_unit_test(what_is_no_request_is_told_too),
	};

	return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the table says of each message to those who print and read them, and where a reply ends. */
#include "compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <proxyfs/codec.h>
#include <proxyfs/fields.h>

#include "goldens.h"

static unsigned char wire[WIRE_MAX];

/* The names and kinds of an array of fields as one word: "path:z flags:u". */
static const char *described(const struct proxyfs_field *fields)
{
	static const char letters[] = {
		[PROXYFS_KIND_U32] = 'u',  [PROXYFS_KIND_S32] = 'i',    [PROXYFS_KIND_U64] = 'U',   [PROXYFS_KIND_S64] = 'I',
		[PROXYFS_KIND_TEXT] = 's', [PROXYFS_KIND_TEXT_Z] = 'z', [PROXYFS_KIND_BYTES] = 'b',
	};
	static char text[300];
	size_t used = 0;

	text[0] = '\0';
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%c", used ? " " : "", field->name,
		                         letters[field->kind]);
	return text;
}

static void requests_have_the_fields_of_the_protocol(void **state)
{
	static const char *const expected[PROXYFS_OP_END] = {
		[PROXYFS_OPEN] = "path:z flags:u",
		[PROXYFS_CREATE] = "path:s flags:u mode:u uid:u gid:u",
		[PROXYFS_MKNOD] = "uid:u gid:u path:s mode:u rdev:U",
		[PROXYFS_MKDIR] = "uid:u gid:u path:s mode:u",
		[PROXYFS_SYMLINK] = "uid:u gid:u target:s path:s",
		[PROXYFS_LINK] = "old:z new:s",
		[PROXYFS_LSTAT] = "path:z",
		[PROXYFS_READLINK] = "path:z size:i",
		[PROXYFS_STATFS] = "path:z",
		[PROXYFS_CHMOD] = "path:z mode:u",
		[PROXYFS_CHOWN] = "path:z uid:u gid:u",
		[PROXYFS_TRUNCATE] = "path:z length:I",
		[PROXYFS_UTIME] = "path:z atime_sec:I atime_nsec:I mtime_sec:I mtime_nsec:I",
		[PROXYFS_RENAME] = "old:s new:s",
		[PROXYFS_REMOVE] = "path:s",
		[PROXYFS_LGETXATTR] = "size:i path:z name:s",
		[PROXYFS_LLISTXATTR] = "size:i path:z",
		[PROXYFS_LSETXATTR] = "path:z name:s value:b size:i flags:u",
		[PROXYFS_LREMOVEXATTR] = "path:z name:s",
		[PROXYFS_GETVERSION] = "path:z",
	};

	(void)state;
	for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++)
		assert_string_equal(described(proxyfs_request_fields(op)), expected[op]);
}

static void replies_have_the_fields_of_the_protocol(void **state)
{
	(void)state;
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_LSTAT, false)),
	                    "dev:U ino:U nlink:U mode:u uid:u gid:u rdev:U size:U blksize:U blocks:U atime_sec:I atime_nsec:I "
	                    "mtime_sec:I mtime_nsec:I ctime_sec:I ctime_nsec:I");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_STATFS, false)),
	                    "type:U bsize:U blocks:U bfree:U bavail:U files:U ffree:U fsid0:U fsid1:U namelen:U frsize:U");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_READLINK, false)), "target:s");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_LGETXATTR, false)), "value:b");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_LLISTXATTR, false)), "names:b");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_LGETXATTR, true)), "length:u");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_LLISTXATTR, true)), "length:u");
	assert_string_equal(described(proxyfs_reply_fields(PROXYFS_GETVERSION, false)), "generation:U");
}

static void only_data_replies_have_fields(void **state)
{
	(void)state;
	for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++) {
		bool has_data = proxyfs_op_form(op) == PROXYFS_FORM_DATA;

		assert_int_equal(proxyfs_reply_fields(op, false) != NULL, has_data);
		assert_int_equal(proxyfs_reply_fields(op, true) != NULL, has_data);
	}
}

static void offsets_are_those_of_the_members(void **state)
{
	const struct proxyfs_request request = { .op = PROXYFS_OPEN, .path = BYTES_OF("/a"), .flags = 7 };
	const struct proxyfs_field *field = proxyfs_request_fields(PROXYFS_OPEN);
	struct proxyfs_bytes path;
	uint32_t flags;

	(void)state;
	memcpy(&path, (const char *)&request + field[0].offset, sizeof path);
	memcpy(&flags, (const char *)&request + field[1].offset, sizeof flags);
	assert_ptr_equal(path.data, request.path.data);
	assert_int_equal(flags, 7);
}

static void each_reply_says_how_long_it_is(void **state)
{
	(void)state;
	for (const struct golden_reply *golden = golden_replies; golden < golden_replies + GOLDEN_REPLIES; golden++) {
		ssize_t whole = (ssize_t)wire_build(golden->wire, wire);

		assert_int_equal(proxyfs_reply_size(golden->request.op, wire, (size_t)whole), whole);
		for (ssize_t have = 0; have < whole; have++)
			assert_in_range(proxyfs_reply_size(golden->request.op, wire, (size_t)have), have + 1, whole);
	}
}

static void what_is_no_header_of_a_reply_has_no_size(void **state)
{
	static const uint32_t typed[] = { 2, 4, 0 }, large[] = { 0, PROXYFS_PAYLOAD_MAX + 1 };

	(void)state;
	assert_int_equal(proxyfs_reply_size(PROXYFS_LSTAT, typed, sizeof typed), -EPROTO);
	assert_int_equal(proxyfs_reply_size(PROXYFS_LSTAT, large, sizeof large), -EPROTO);
	assert_int_equal(proxyfs_reply_size(PROXYFS_OPEN, large, sizeof large), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_have_the_fields_of_the_protocol),
		cmocka_unit_test(replies_have_the_fields_of_the_protocol),
		cmocka_unit_test(only_data_replies_have_fields),
		cmocka_unit_test(offsets_are_those_of_the_members),
		cmocka_unit_test(each_reply_says_how_long_it_is),
		cmocka_unit_test(what_is_no_header_of_a_reply_has_no_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The names and forms of the operations, and stat and statfs between the C library's structures and the wire's. */
#include "compare.h"

#include <string.h>

#include <proxyfs/codec.h>

static const struct {
	const char *name;
	enum proxyfs_form form;
} operations[] = {
	[2] = { "open", PROXYFS_FORM_FD },
	[3] = { "create", PROXYFS_FORM_FD },
	[4] = { "mknod", PROXYFS_FORM_STATUS },
	[5] = { "mkdir", PROXYFS_FORM_STATUS },
	[6] = { "symlink", PROXYFS_FORM_STATUS },
	[7] = { "link", PROXYFS_FORM_STATUS },
	[8] = { "lstat", PROXYFS_FORM_DATA },
	[9] = { "readlink", PROXYFS_FORM_DATA },
	[10] = { "statfs", PROXYFS_FORM_DATA },
	[11] = { "chmod", PROXYFS_FORM_STATUS },
	[12] = { "chown", PROXYFS_FORM_STATUS },
	[13] = { "truncate", PROXYFS_FORM_STATUS },
	[14] = { "utime", PROXYFS_FORM_STATUS },
	[15] = { "rename", PROXYFS_FORM_STATUS },
	[16] = { "remove", PROXYFS_FORM_STATUS },
	[17] = { "lgetxattr", PROXYFS_FORM_DATA },
	[18] = { "llistxattr", PROXYFS_FORM_DATA },
	[19] = { "lsetxattr", PROXYFS_FORM_STATUS },
	[20] = { "lremovexattr", PROXYFS_FORM_STATUS },
	[21] = { "getversion", PROXYFS_FORM_DATA },
};

static void operations_have_names_and_forms(void **state)
{
	(void)state;
	for (uint32_t op = 2; op <= 21; op++) {
		assert_string_equal(proxyfs_op_name(op), operations[op].name);
		assert_int_equal(proxyfs_op_form((enum proxyfs_op)op), operations[op].form);
	}
}

static void other_numbers_have_no_name(void **state)
{
	(void)state;
	assert_null(proxyfs_op_name(0));
	assert_null(proxyfs_op_name(1));
	for (uint32_t op = 22; op < 70000; op++)
		assert_null(proxyfs_op_name(op));
	for (uint32_t op = 0x7ffffff0; op < 0x80000020; op++)
		assert_null(proxyfs_op_name(op));
	for (uint32_t op = 0xffffff00; op != 0; op++)
		assert_null(proxyfs_op_name(op));
}

/* Numbers that fit into the narrowest member of any Linux, and tell themselves apart. */
static const struct proxyfs_stat wire_stat = {
	.dev = 0x04030201, .ino = 0x14131211, .nlink = 0x2221, .mode = 0x34333231, .uid = 0x44434241, .gid = 0x54535251,
	.rdev = 0x64636261, .size = 0x7877767574737271, .blksize = 0x7271, .blocks = 0x6867666564636261,
	.atime_sec = 0x5857565554535251, .atime_nsec = 111111111,
	.mtime_sec = -2222222222, .mtime_nsec = 222222222,
	.ctime_sec = -1, .ctime_nsec = 333333333,
};

static void fill_native_stat(struct stat *native)
{
	memset(native, 0xa5, sizeof *native);
	native->st_dev = 0x04030201;
	native->st_ino = 0x14131211;
	native->st_nlink = 0x2221;
	native->st_mode = 0x34333231;
	native->st_uid = 0x44434241;
	native->st_gid = 0x54535251;
	native->st_rdev = 0x64636261;
	native->st_size = 0x7877767574737271;
	native->st_blksize = 0x7271;
	native->st_blocks = 0x6867666564636261;
	native->st_atim = (struct timespec){ .tv_sec = 0x5857565554535251, .tv_nsec = 111111111 };
	native->st_mtim = (struct timespec){ .tv_sec = -2222222222, .tv_nsec = 222222222 };
	native->st_ctim = (struct timespec){ .tv_sec = -1, .tv_nsec = 333333333 };
}

static void stat_is_taken_from_native(void **state)
{
	struct proxyfs_reply got = { 0 }, expected = { .stat = wire_stat };
	struct stat native;

	(void)state;
	fill_native_stat(&native);
	memset(&got.stat, 0x5a, sizeof got.stat);
	proxyfs_stat_from_native(&native, &got.stat);
	assert_same_reply(&got, &expected);
}

#define SAME(member) assert_int_equal(got.member, expected.member)

static void stat_is_turned_into_native(void **state)
{
	struct stat got, expected;

	(void)state;
	fill_native_stat(&expected);
	memset(&got, 0x5a, sizeof got);
	proxyfs_stat_to_native(&wire_stat, &got);
	SAME(st_dev);
	SAME(st_ino);
	SAME(st_nlink);
	SAME(st_mode);
	SAME(st_uid);
	SAME(st_gid);
	SAME(st_rdev);
	SAME(st_size);
	SAME(st_blksize);
	SAME(st_blocks);
	SAME(st_atim.tv_sec);
	SAME(st_atim.tv_nsec);
	SAME(st_mtim.tv_sec);
	SAME(st_mtim.tv_nsec);
	SAME(st_ctim.tv_sec);
	SAME(st_ctim.tv_nsec);
}

/* fsid: the first word as it is, the second in both halves. */
static const struct proxyfs_statfs wire_statfs = {
	.type = 0x04030201, .bsize = 0x14131211, .blocks = 0x2827262524232221, .bfree = 0x3837363534333231,
	.bavail = 0x4847464544434241, .files = 0x5857565554535251, .ffree = 0x6867666564636261,
	.fsid = { 0x84838281, 0x9493929194939291 },
	.namelen = 0x24232221, .frsize = 0x34333231,
};

static const uint32_t native_fsid[2] = { 0x84838281, 0x94939291 };

static void fill_native_statfs(struct statfs *native)
{
	memset(native, 0xa5, sizeof *native);
	native->f_type = 0x04030201;
	native->f_bsize = 0x14131211;
	native->f_blocks = 0x2827262524232221;
	native->f_bfree = 0x3837363534333231;
	native->f_bavail = 0x4847464544434241;
	native->f_files = 0x5857565554535251;
	native->f_ffree = 0x6867666564636261;
	memcpy(&native->f_fsid, native_fsid, sizeof native_fsid);
	native->f_namelen = 0x24232221;
	native->f_frsize = 0x34333231;
}

static void statfs_is_taken_from_native(void **state)
{
	struct proxyfs_reply got = { 0 }, expected = { .statfs = wire_statfs };
	struct statfs native;

	(void)state;
	fill_native_statfs(&native);
	memset(&got.statfs, 0x5a, sizeof got.statfs);
	proxyfs_statfs_from_native(&native, &got.statfs);
	assert_same_reply(&got, &expected);
}

static void assert_native_statfs(const struct proxyfs_statfs *statfs)
{
	struct statfs got, expected;

	fill_native_statfs(&expected);
	memset(&got, 0x5a, sizeof got);
	proxyfs_statfs_to_native(statfs, &got);
	SAME(f_type);
	SAME(f_bsize);
	SAME(f_blocks);
	SAME(f_bfree);
	SAME(f_bavail);
	SAME(f_files);
	SAME(f_ffree);
	assert_memory_equal(&got.f_fsid, &expected.f_fsid, sizeof got.f_fsid);
	SAME(f_namelen);
	SAME(f_frsize);
	assert_int_equal(got.f_flags, 0); /* not on the wire */
}

/* As QEMU reads it: the low half of the first word, the high half of the second. */
static void statfs_is_turned_into_native(void **state)
{
	struct proxyfs_statfs statfs = wire_statfs;

	(void)state;
	assert_native_statfs(&statfs);
	statfs.fsid[0] |= (uint64_t)0x77777777 << 32;
	statfs.fsid[1] ^= 0x77777777;
	assert_native_statfs(&statfs);
}

/* Magic numbers of file systems have 32 bits, the highest of them set in some (btrfs): no sign may spread from it. */
static void a_high_file_system_type_is_not_negative(void **state)
{
	struct statfs native = { 0 };
	struct proxyfs_statfs statfs;

	(void)state;
	native.f_type = (__typeof__(native.f_type))0x9123683e;
	proxyfs_statfs_from_native(&native, &statfs);
	assert_int_equal(statfs.type, 0x9123683e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_have_names_and_forms),
		cmocka_unit_test(other_numbers_have_no_name),
		cmocka_unit_test(stat_is_taken_from_native),
		cmocka_unit_test(stat_is_turned_into_native),
		cmocka_unit_test(statfs_is_taken_from_native),
		cmocka_unit_test(statfs_is_turned_into_native),
		cmocka_unit_test(a_high_file_system_type_is_not_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

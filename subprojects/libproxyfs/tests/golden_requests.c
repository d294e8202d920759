/* SPDX-License-Identifier: MIT */
/*
 * Headers are counted by hand: a D is 4 bytes, a Q is 8, an S or B is 2 and its text. The uncounted path is 10 bytes
 * ("//dir/file"), the new one 13, the target 9, the name 12, the value 6.
 */
#include "goldens.h"

#define PATH BYTES_OF("//dir/file")
#define NEW_PATH BYTES_OF("//dir/renamed")
#define TARGET BYTES_OF("../target")
#define NAME BYTES_OF("user.comment")
#define VALUE BYTES_OF("\0val\xff\0") /* binary: NULs at both ends are its own */

#define FLAGS 0x14131211
#define MODE 0x24232221
#define UID 0x34333231
#define GID 0x44434241
#define SIZE 0x54535251
#define RDEV 0x6867666564636261U
#define LENGTH 0x7877767574737271
#define ATIME_SEC ((int64_t)0x8887868584838281U) /* negative: before 1970 */
#define ATIME_NSEC ((int64_t)0x9897969594939291U)
#define MTIME_SEC ((int64_t)0xa8a7a6a5a4a3a2a1U)
#define MTIME_NSEC ((int64_t)0xb8b7b6b5b4b3b2b1U)

const struct golden_request golden_requests[GOLDEN_REQUESTS] = {
	{
		{ .op = PROXYFS_OPEN, .path = PATH, .flags = FLAGS },
		{ D(2), D(17), S("//dir/file\0"), D(0x14131211) },
	},
	{
		{ .op = PROXYFS_CREATE, .path = PATH, .flags = FLAGS, .mode = MODE, .uid = UID, .gid = GID },
		{ D(3), D(28), S("//dir/file"), D(0x14131211), D(0x24232221), D(0x34333231), D(0x44434241) },
	},
	{
		{ .op = PROXYFS_MKNOD, .uid = UID, .gid = GID, .path = PATH, .mode = MODE, .rdev = RDEV },
		{ D(4), D(32), D(0x34333231), D(0x44434241), S("//dir/file"), D(0x24232221), Q(0x6867666564636261) },
	},
	{
		{ .op = PROXYFS_MKDIR, .uid = UID, .gid = GID, .path = PATH, .mode = MODE },
		{ D(5), D(24), D(0x34333231), D(0x44434241), S("//dir/file"), D(0x24232221) },
	},
	{
		{ .op = PROXYFS_SYMLINK, .uid = UID, .gid = GID, .target = TARGET, .path = PATH },
		{ D(6), D(31), D(0x34333231), D(0x44434241), S("../target"), S("//dir/file") },
	},
	{
		{ .op = PROXYFS_LINK, .path = PATH, .new_path = NEW_PATH },
		{ D(7), D(28), S("//dir/file\0"), S("//dir/renamed") },
	},
	{
		{ .op = PROXYFS_LSTAT, .path = PATH },
		{ D(8), D(13), S("//dir/file\0") },
	},
	{
		{ .op = PROXYFS_READLINK, .path = PATH, .size = SIZE },
		{ D(9), D(17), S("//dir/file\0"), D(0x54535251) },
	},
	{
		{ .op = PROXYFS_STATFS, .path = PATH },
		{ D(10), D(13), S("//dir/file\0") },
	},
	{
		{ .op = PROXYFS_CHMOD, .path = PATH, .mode = MODE },
		{ D(11), D(17), S("//dir/file\0"), D(0x24232221) },
	},
	{
		{ .op = PROXYFS_CHOWN, .path = PATH, .uid = UID, .gid = GID },
		{ D(12), D(21), S("//dir/file\0"), D(0x34333231), D(0x44434241) },
	},
	{
		{ .op = PROXYFS_TRUNCATE, .path = PATH, .length = LENGTH },
		{ D(13), D(21), S("//dir/file\0"), Q(0x7877767574737271) },
	},
	{
		{ .op = PROXYFS_UTIME, .path = PATH, .atime_sec = ATIME_SEC, .atime_nsec = ATIME_NSEC,
		  .mtime_sec = MTIME_SEC, .mtime_nsec = MTIME_NSEC },
		{ D(14), D(45), S("//dir/file\0"), Q(0x8887868584838281), Q(0x9897969594939291),
		  Q(0xa8a7a6a5a4a3a2a1), Q(0xb8b7b6b5b4b3b2b1) },
	},
	{
		{ .op = PROXYFS_RENAME, .path = PATH, .new_path = NEW_PATH },
		{ D(15), D(27), S("//dir/file"), S("//dir/renamed") },
	},
	{
		{ .op = PROXYFS_REMOVE, .path = PATH },
		{ D(16), D(12), S("//dir/file") },
	},
	{
		{ .op = PROXYFS_LGETXATTR, .size = SIZE, .path = PATH, .name = NAME },
		{ D(17), D(31), D(0x54535251), S("//dir/file\0"), S("user.comment") },
	},
	{
		{ .op = PROXYFS_LLISTXATTR, .size = SIZE, .path = PATH },
		{ D(18), D(17), D(0x54535251), S("//dir/file\0") },
	},
	{
		{ .op = PROXYFS_LSETXATTR, .path = PATH, .name = NAME, .value = VALUE, .size = SIZE, .flags = FLAGS },
		{ D(19), D(43), S("//dir/file\0"), S("user.comment"), B("\0val\xff\0"), D(0x54535251), D(0x14131211) },
	},
	{
		{ .op = PROXYFS_LREMOVEXATTR, .path = PATH, .name = NAME },
		{ D(20), D(27), S("//dir/file\0"), S("user.comment") },
	},
	{
		{ .op = PROXYFS_GETVERSION, .path = PATH },
		{ D(21), D(13), S("//dir/file\0") },
	},
};

/* SPDX-License-Identifier: MIT */
/*
 * Every operation once with success and once with failure, each with an errno of its own (those below 35 are the
 * same on all of Linux), and the forms in which the xattrs answer besides.
 */
#include "goldens.h"

#define ANSWERS(type) { .op = (type) }
#define ANSWERS_SIZED(type, size_) { .op = (type), .size = (size_) }

_Static_assert(PROXYFS_FD_FOLLOWS == 0x7fffffff, "written out below");

const struct golden_reply golden_replies[GOLDEN_REPLIES] = {
	/* A descriptor: no header. */
	{ "open succeeds", ANSWERS(PROXYFS_OPEN), { .status = 0 }, { D(0x7fffffff) } },
	{ "open fails", ANSWERS(PROXYFS_OPEN), { .status = -2 }, { D(0xfffffffe) } },
	{ "create succeeds", ANSWERS(PROXYFS_CREATE), { .status = 0 }, { D(0x7fffffff) } },
	{ "create fails", ANSWERS(PROXYFS_CREATE), { .status = -17 }, { D(0xffffffef) } },

	/* A status: type, 4, 0 or -errno. */
	{ "mknod succeeds", ANSWERS(PROXYFS_MKNOD), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "mknod fails", ANSWERS(PROXYFS_MKNOD), { .status = -1 }, { D(1), D(4), D(0xffffffff) } },
	{ "mkdir succeeds", ANSWERS(PROXYFS_MKDIR), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "mkdir fails", ANSWERS(PROXYFS_MKDIR), { .status = -28 }, { D(1), D(4), D(0xffffffe4) } },
	{ "symlink succeeds", ANSWERS(PROXYFS_SYMLINK), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "symlink fails", ANSWERS(PROXYFS_SYMLINK), { .status = -30 }, { D(1), D(4), D(0xffffffe2) } },
	{ "link succeeds", ANSWERS(PROXYFS_LINK), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "link fails", ANSWERS(PROXYFS_LINK), { .status = -31 }, { D(1), D(4), D(0xffffffe1) } },
	{ "chmod succeeds", ANSWERS(PROXYFS_CHMOD), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "chmod fails", ANSWERS(PROXYFS_CHMOD), { .status = -13 }, { D(1), D(4), D(0xfffffff3) } },
	{ "chown succeeds", ANSWERS(PROXYFS_CHOWN), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "chown fails", ANSWERS(PROXYFS_CHOWN), { .status = -22 }, { D(1), D(4), D(0xffffffea) } },
	{ "truncate succeeds", ANSWERS(PROXYFS_TRUNCATE), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "truncate fails", ANSWERS(PROXYFS_TRUNCATE), { .status = -27 }, { D(1), D(4), D(0xffffffe5) } },
	{ "utime succeeds", ANSWERS(PROXYFS_UTIME), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "utime fails", ANSWERS(PROXYFS_UTIME), { .status = -14 }, { D(1), D(4), D(0xfffffff2) } },
	{ "rename succeeds", ANSWERS(PROXYFS_RENAME), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "rename fails", ANSWERS(PROXYFS_RENAME), { .status = -18 }, { D(1), D(4), D(0xffffffee) } },
	{ "remove succeeds", ANSWERS(PROXYFS_REMOVE), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "remove fails", ANSWERS(PROXYFS_REMOVE), { .status = -16 }, { D(1), D(4), D(0xfffffff0) } },
	{ "lsetxattr succeeds", ANSWERS(PROXYFS_LSETXATTR), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "lsetxattr fails", ANSWERS(PROXYFS_LSETXATTR), { .status = -7 }, { D(1), D(4), D(0xfffffff9) } },
	{ "lremovexattr succeeds", ANSWERS(PROXYFS_LREMOVEXATTR), { .status = 0 }, { D(0), D(4), D(0) } },
	{ "lremovexattr fails", ANSWERS(PROXYFS_LREMOVEXATTR), { .status = -5 }, { D(1), D(4), D(0xfffffffb) } },

	/* Data: 0, size and payload, or 1, 4, -errno. */
	{
		"lstat succeeds", ANSWERS(PROXYFS_LSTAT),
		{ .stat = {
			.dev = 0x0807060504030201, .ino = 0x1817161514131211, .nlink = 0x2827262524232221,
			.mode = 0x34333231, .uid = 0x44434241, .gid = 0x54535251,
			.rdev = 0x6867666564636261, .size = 0x7877767574737271,
			.blksize = 0x8887868584838281, .blocks = 0x9897969594939291,
			.atime_sec = (int64_t)0xa8a7a6a5a4a3a2a1, .atime_nsec = (int64_t)0xb8b7b6b5b4b3b2b1,
			.mtime_sec = (int64_t)0xc8c7c6c5c4c3c2c1, .mtime_nsec = (int64_t)0xd8d7d6d5d4d3d2d1,
			.ctime_sec = (int64_t)0xe8e7e6e5e4e3e2e1, .ctime_nsec = (int64_t)0xf8f7f6f5f4f3f2f1,
		} },
		{ D(0), D(116), Q(0x0807060504030201), Q(0x1817161514131211), Q(0x2827262524232221),
		  D(0x34333231), D(0x44434241), D(0x54535251), Q(0x6867666564636261), Q(0x7877767574737271),
		  Q(0x8887868584838281), Q(0x9897969594939291), Q(0xa8a7a6a5a4a3a2a1), Q(0xb8b7b6b5b4b3b2b1),
		  Q(0xc8c7c6c5c4c3c2c1), Q(0xd8d7d6d5d4d3d2d1), Q(0xe8e7e6e5e4e3e2e1), Q(0xf8f7f6f5f4f3f2f1) },
	},
	{ "lstat fails", ANSWERS(PROXYFS_LSTAT), { .status = -20 }, { D(1), D(4), D(0xffffffec) } },
	{
		"statfs succeeds", ANSWERS(PROXYFS_STATFS),
		{ .statfs = {
			.type = 0x0807060504030201, .bsize = 0x1817161514131211, .blocks = 0x2827262524232221,
			.bfree = 0x3837363534333231, .bavail = 0x4847464544434241, .files = 0x5857565554535251,
			.ffree = 0x6867666564636261, .fsid = { 0x7877767574737271, 0x8887868584838281 },
			.namelen = 0x9897969594939291, .frsize = 0xa8a7a6a5a4a3a2a1,
		} },
		{ D(0), D(88), Q(0x0807060504030201), Q(0x1817161514131211), Q(0x2827262524232221),
		  Q(0x3837363534333231), Q(0x4847464544434241), Q(0x5857565554535251), Q(0x6867666564636261),
		  Q(0x7877767574737271), Q(0x8887868584838281), Q(0x9897969594939291), Q(0xa8a7a6a5a4a3a2a1) },
	},
	{ "statfs fails", ANSWERS(PROXYFS_STATFS), { .status = -4 }, { D(1), D(4), D(0xfffffffc) } },
	{
		"readlink succeeds", ANSWERS_SIZED(PROXYFS_READLINK, 10), { .bytes = BYTES_OF("../target") },
		{ D(0), D(11), S("../target") },
	},
	{ "readlink fails", ANSWERS_SIZED(PROXYFS_READLINK, 10), { .status = -12 }, { D(1), D(4), D(0xfffffff4) } },
	{
		"lgetxattr gives a length", ANSWERS_SIZED(PROXYFS_LGETXATTR, 0),
		{ .length_only = true, .length = 0x04030201 },
		{ D(0), D(4), D(0x04030201) },
	},
	{
		"lgetxattr gives a value", ANSWERS_SIZED(PROXYFS_LGETXATTR, 6), { .bytes = BYTES_OF("\0val\xff\0") },
		{ D(0), D(8), B("\0val\xff\0") },
	},
	{
		"lgetxattr gives an empty value", ANSWERS_SIZED(PROXYFS_LGETXATTR, 6), { .bytes = BYTES_OF("") },
		{ D(0), D(2), B("") },
	},
	{ "lgetxattr fails", ANSWERS_SIZED(PROXYFS_LGETXATTR, 6), { .status = -34 }, { D(1), D(4), D(0xffffffde) } },
	{
		"llistxattr gives a length", ANSWERS_SIZED(PROXYFS_LLISTXATTR, 0),
		{ .length_only = true, .length = 0x14131211 },
		{ D(0), D(4), D(0x14131211) },
	},
	{
		"llistxattr gives names", ANSWERS_SIZED(PROXYFS_LLISTXATTR, 14),
		{ .bytes = BYTES_OF("user.a\0user.b\0") },
		{ D(0), D(16), B("user.a\0user.b\0") },
	},
	{ "llistxattr fails", ANSWERS_SIZED(PROXYFS_LLISTXATTR, 0), { .status = -33 }, { D(1), D(4), D(0xffffffdf) } },
	{
		"getversion succeeds", ANSWERS(PROXYFS_GETVERSION), { .version = 0x8877665544332211 },
		{ D(0), D(8), Q(0x8877665544332211) },
	},
	{ "getversion fails", ANSWERS(PROXYFS_GETVERSION), { .status = -6 }, { D(1), D(4), D(0xfffffffa) } },
};

/* SPDX-License-Identifier: MIT */
#include "compare.h"

#define SAME(member) assert_int_equal(got->member, expected->member)

void assert_same_bytes(struct proxyfs_bytes got, struct proxyfs_bytes expected)
{
	assert_int_equal(got.size, expected.size);
	if (got.size > 0)
		assert_memory_equal(got.data, expected.data, got.size);
}

void assert_same_request(const struct proxyfs_request *got, const struct proxyfs_request *expected)
{
	SAME(op);
	assert_same_bytes(got->path, expected->path);
	assert_same_bytes(got->new_path, expected->new_path);
	assert_same_bytes(got->target, expected->target);
	assert_same_bytes(got->name, expected->name);
	assert_same_bytes(got->value, expected->value);
	SAME(flags);
	SAME(mode);
	SAME(uid);
	SAME(gid);
	SAME(size);
	SAME(rdev);
	SAME(length);
	SAME(atime_sec);
	SAME(atime_nsec);
	SAME(mtime_sec);
	SAME(mtime_nsec);
}

static void assert_same_stat(const struct proxyfs_stat *got, const struct proxyfs_stat *expected)
{
	SAME(dev);
	SAME(ino);
	SAME(nlink);
	SAME(mode);
	SAME(uid);
	SAME(gid);
	SAME(rdev);
	SAME(size);
	SAME(blksize);
	SAME(blocks);
	SAME(atime_sec);
	SAME(atime_nsec);
	SAME(mtime_sec);
	SAME(mtime_nsec);
	SAME(ctime_sec);
	SAME(ctime_nsec);
}

static void assert_same_statfs(const struct proxyfs_statfs *got, const struct proxyfs_statfs *expected)
{
	SAME(type);
	SAME(bsize);
	SAME(blocks);
	SAME(bfree);
	SAME(bavail);
	SAME(files);
	SAME(ffree);
	SAME(fsid[0]);
	SAME(fsid[1]);
	SAME(namelen);
	SAME(frsize);
}

void assert_same_reply(const struct proxyfs_reply *got, const struct proxyfs_reply *expected)
{
	SAME(status);
	SAME(length_only);
	SAME(length);
	SAME(version);
	assert_same_bytes(got->bytes, expected->bytes);
	assert_same_stat(&got->stat, &expected->stat);
	assert_same_statfs(&got->statfs, &expected->statfs);
}

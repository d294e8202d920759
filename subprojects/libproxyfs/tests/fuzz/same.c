/* SPDX-License-Identifier: MIT */
#include "same.h"

#include <string.h>

#define SAME(member) (a->member == b->member)

static bool same_bytes(struct proxyfs_bytes a, struct proxyfs_bytes b)
{
	return a.size == b.size && (a.size == 0 || !memcmp(a.data, b.data, a.size));
}

bool same_request(const struct proxyfs_request *a, const struct proxyfs_request *b)
{
	return SAME(op) && same_bytes(a->path, b->path) && same_bytes(a->new_path, b->new_path) &&
	       same_bytes(a->target, b->target) && same_bytes(a->name, b->name) && same_bytes(a->value, b->value) &&
	       SAME(flags) && SAME(mode) && SAME(uid) && SAME(gid) && SAME(size) && SAME(rdev) && SAME(length) &&
	       SAME(atime_sec) && SAME(atime_nsec) && SAME(mtime_sec) && SAME(mtime_nsec);
}

bool same_stat(const struct proxyfs_stat *a, const struct proxyfs_stat *b)
{
	return SAME(dev) && SAME(ino) && SAME(nlink) && SAME(mode) && SAME(uid) && SAME(gid) && SAME(rdev) &&
	       SAME(size) && SAME(blksize) && SAME(blocks) && SAME(atime_sec) && SAME(atime_nsec) && SAME(mtime_sec) &&
	       SAME(mtime_nsec) && SAME(ctime_sec) && SAME(ctime_nsec);
}

bool same_statfs(const struct proxyfs_statfs *a, const struct proxyfs_statfs *b)
{
	return SAME(type) && SAME(bsize) && SAME(blocks) && SAME(bfree) && SAME(bavail) && SAME(files) && SAME(ffree) &&
	       SAME(fsid[0]) && SAME(fsid[1]) && SAME(namelen) && SAME(frsize);
}

bool same_reply(const struct proxyfs_reply *a, const struct proxyfs_reply *b)
{
	return SAME(status) && SAME(length_only) && SAME(length) && SAME(version) && same_bytes(a->bytes, b->bytes) &&
	       same_stat(&a->stat, &b->stat) && same_statfs(&a->statfs, &b->statfs);
}

/* SPDX-License-Identifier: MIT */
/*
 * The mounted file system: what all of its operations share, and their table for libfuse's low-level interface.
 *
 * Theory of operation. What has to do with names, owners and permissions goes to the helper, as a path, and what is made
 * belongs to the process that asked. What has to do with contents goes to the descriptors that the helper passed. Nothing
 * here checks permissions: the helper acts as root, and who may use the mount is the kernel's matter (allow_other,
 * default_permissions in fuse(4)).
 *
 * Why not the high-level interface, which speaks of paths as the helper does: the kernel sends fstat(2), fchmod(2) and
 * the like with an inode but without the open file. For one that was removed, that interface has either no answer
 * (hard_remove) or a name of its own until it is closed. Then its directory cannot be removed, and a rename over it is
 * two, with nothing of that name in between. And two links to an inode are two files to it, and so to the kernel, which
 * locks, maps and remembers them apart. tests/mount/test_interface.py shows all of it with bindfs, which is made on it.
 */
#ifndef MOUNT_FILESYSTEM_H
#define MOUNT_FILESYSTEM_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "mount/direct.h"
#include "mount/handle.h"
#include "mount/node.h"
#include "mount/pool.h"

struct filesystem {
	struct pool *pool;
	struct nodes nodes;
	struct direct direct;
	double timeout; /* how long names and attributes are believed, seconds */
};

extern const struct fuse_lowlevel_ops filesystem_operations;

static inline struct filesystem *filesystem_of(fuse_req_t request)
{
	return fuse_req_userdata(request);
}

/* The node that an inode number means: its address, but for the root's. */
static inline struct node *filesystem_node(struct filesystem *fs, fuse_ino_t number)
{
	return number == FUSE_ROOT_ID ? &fs->nodes.root : (struct node *)(uintptr_t)number;
}

/* What the kernel is told of `node`, of which node_found() has counted a lookup. */
struct fuse_entry_param filesystem_entry(const struct filesystem *fs, struct node *node, const struct stat *found);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the export's directories, through which attributes are read, names removed, and our own user's
 * files made, with one system call, where he may, instead of a request to the helper.
 *
 * Theory of operation. The helper passes a descriptor of the export's root. It lies on the helper's own mount of the
 * export, which maps ids and has other file systems below it as the helper sees them, so that what is found from there is
 * what the helper would say. Step by step, without following links, the node of each directory gets a descriptor
 * that can do nothing else (O_PATH), checked to be that inode: it stays the right one when the directory is renamed, and
 * sees nothing when it is removed. Whether we may search it, the kernel decides each time.
 *
 * A worker that is replaced has a new mount, and what was mounted below the old one is not there any more. So once a
 * second, and after each failure, the helper is asked for the root again; if it is another one, all descriptors count as
 * old. That is also how a helper that serves something else after a restart is noticed.
 */
#ifndef MOUNT_DIRECT_H
#define MOUNT_DIRECT_H

#include <stdbool.h>

#include "mount/node.h"
#include "mount/pool.h"

struct direct {
	struct pool *pool;
	struct nodes *nodes;
	int root;
	uint64_t root_mount; /* its id, statx(2) */
	atomic_bool writable; /* the helper has no policy against changes */
	atomic_uint generation;
	atomic_uint epoch;    /* the pool's when the root was asked for last */
	atomic_llong asked;   /* and when, in ms */
	atomic_uint count;    /* of descriptors in nodes, at most limit */
	unsigned limit;
	bool used;            /* or all is asked of the helper */
	pthread_mutex_t lock; /* over asking */
};

/* Asks for the export's root and its attributes. Without `use`, there are no descriptors. Returns 0 or -errno. */
int direct_init(struct direct *direct, struct pool *pool, struct nodes *nodes, bool use, struct stat *root);

/* 0 or -EIO: there is no helper. To be called by each operation that asks the helper for nothing else. */
int direct_check(struct direct *direct);

/* The descriptor of a directory's node, which stays the node's; or -1: it cannot be had. */
int direct_directory(struct direct *direct, struct node *node);

/* The same for changing what names are in it: -1 also for an export that the helper keeps as it is. */
int direct_changeable(struct direct *direct, struct node *node);

#endif

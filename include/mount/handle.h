/* SPDX-License-Identifier: MIT */
/*
 * Open files: the descriptors that the helper has passed, kept with their nodes. Through them goes what a path cannot
 * say, of a file that has none any more above all.
 */
#ifndef MOUNT_HANDLE_H
#define MOUNT_HANDLE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "mount/node.h"

struct handle {
	int fd;
	atomic_int flags; /* of open(2) */
	struct node *node;
	struct handle *next;
	unsigned users;
};

/* Takes `fd` over, also upon failure. Returns NULL without memory. */
struct handle *handle_create(struct nodes *nodes, struct node *node, int fd, int flags);

/* The file is closed when nobody borrows it any more. */
void handle_release(struct nodes *nodes, struct handle *handle);

/* One of the node's open files, of those that can be written to if `writable`, for handle_release(); or NULL. */
struct handle *handle_borrow(struct nodes *nodes, const struct node *node, bool writable);

#endif

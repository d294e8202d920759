/* SPDX-License-Identifier: MIT */
/* Attributes: through a descriptor where that can be done, and from the helper where not. */
#ifndef MOUNT_LOOK_H
#define MOUNT_LOOK_H

#include "mount/filesystem.h"

/* Those of what has a name in a directory. 0 or -errno. */
int look_at_name(struct filesystem *fs, struct node *parent, const char *text, struct stat *found);

/* Those of a node. 0 or -errno; -ESTALE: others have removed or replaced it, and the kernel has to look again. */
int look_at_node(struct filesystem *fs, struct node *node, struct stat *found);

/*
 * The path of a node that is still this node's, as far as can be seen. -ESTALE: it has none, and whatever can be done is
 * done through an open file.
 */
int look_for_path(struct filesystem *fs, struct node *node, char path[PATH_MAX]);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows of the export: a node for each inode that it holds, with the names by which it was found.
 *
 * Theory of operation. The kernel asks about inodes, the helper about paths. A node is an inode, (device, number, type),
 * and its names are pairs of a directory's node and a text, so that a directory that is renamed takes all paths below
 * along. The name found last is the one that counts: whatever others do to the export shows at the next lookup. An inode
 * without a name, which was removed while it is open, has no path; its open files (handle.h) are all that is left of it.
 *
 * A node lives for as long as the kernel's lookups, open files, or names below it. All functions may be called by any
 * thread.
 */
#ifndef MOUNT_NODE_H
#define MOUNT_NODE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

struct name;
struct handle;

struct node {
	dev_t dev;
	ino_t ino;
	mode_t type;             /* S_IFMT's bits */
	atomic_int directory;    /* see direct.h: -1, or a descriptor */
	atomic_uint generation;  /* of that descriptor */
	atomic_int replaced;     /* -1, or an O_PATH descriptor of what was here until a rename over it */
	/* Under the table's lock: */
	struct node *next;       /* in the table */
	struct name *names;      /* the last found is the first */
	struct handle *handles;
	uint64_t lookups;        /* that the kernel has to forget */
	uint64_t below;          /* names that lie in this directory */
};

#define NODE_BUCKETS 65536U /* of each table */

struct nodes {
	pthread_mutex_t lock;
	struct node root;
	struct node **by_inode;
	struct name **by_name;
};

/* `root` is what the export's root is. Returns 0 or -ENOMEM. */
int nodes_init(struct nodes *nodes, const struct stat *root);

/*
 * The node of what was found, or made, under `text` in `parent`, and one more lookup of it; `found` are its attributes.
 * NULL: no memory.
 */
struct node *node_found(struct nodes *nodes, struct node *parent, const char *text, const struct stat *found);

/* The kernel forgets `count` lookups. The node may be gone afterwards. */
void node_forget(struct nodes *nodes, struct node *node, uint64_t count);

/* There is nothing of this name any more: what had it may have another by now, of which we do not know. */
void node_missed(struct nodes *nodes, struct node *parent, const char *text);

/* We have removed it: unless it has another name or is open, its inode's number is free for others. */
void node_removed(struct nodes *nodes, struct node *parent, const char *text);

/*
 * A rename over a name is about to happen: keeps `fd`, an O_PATH descriptor of what has it, with its node. Who has looked
 * it up, and comes to open it only after the rename, gets that file as on any file system. Takes `fd` over.
 */
void node_keep_replaced(struct nodes *nodes, const struct node *parent, const char *text, int fd);

/*
 * What had a name has another one now; what had that one has lost it, and unless it has another name or is open, its
 * inode's number is free for others.
 */
void node_moved(struct nodes *nodes, struct node *parent, const char *text, struct node *new_parent, const char *new_text);

/*
 * Stores the path of a node, or of a name in it if `text` is not NULL. -ESTALE: it has none; -ENAMETOOLONG: it has more
 * than PATH_MAX bytes, which no system call of the helper takes.
 */
int node_path(struct nodes *nodes, const struct node *node, const char *text, char path[PATH_MAX]);

/*
 * The directory and the name in it of a node that is not the root. Both stay valid: the directory for as long as the
 * kernel holds the node, the text because it is a copy. -ESTALE: it has none.
 */
int node_place(struct nodes *nodes, const struct node *node, struct node **parent, char text[NAME_MAX + 1]);

/* With the lock held: frees the node if nobody needs it any more. */
void node_drop_unused(struct nodes *nodes, struct node *node);

#endif

/* SPDX-License-Identifier: MIT */
#include "mount/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "common/descriptor.h"

#define ASK_AGAIN 1000 /* ms */

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return time.tv_sec * 1000LL + time.tv_nsec / 1000000;
}

static int open_root(struct pool *pool)
{
	struct proxyfs_client *client = pool_take(pool);

	return (int)pool_give_back(pool, client, client ? proxyfs_open(client, "/", O_DIRECTORY) : 0);
}

/* A question without consequences: no directory can be truncated, but a policy is asked before that is seen. */
static bool may_change(struct pool *pool)
{
	return pool_request(pool, &(struct proxyfs_request){ .op = PROXYFS_TRUNCATE, .path = { "/", 1 } }) == -EISDIR;
}

static uint64_t mount_of(int fd)
{
	struct statx seen;

	return statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &seen) ? 0 : seen.stx_mnt_id;
}

int direct_init(struct direct *direct, struct pool *pool, struct nodes *nodes, bool use, struct stat *root)
{
	AUTO_CLOSE int fd = open_root(pool);
	struct rlimit files = { 0 };

	if (fd < 0)
		return fd;
	if (fstat(fd, root))
		return -errno;
	getrlimit(RLIMIT_NOFILE, &files);
	*direct = (struct direct){ .pool = pool, .nodes = nodes, .root_mount = mount_of(fd), .epoch = pool_epoch(pool),
		                   .writable = may_change(pool), .asked = now(),
		                   .limit = (unsigned)(files.rlim_cur / 2), .used = use };
	direct->root = descriptor_take(&fd);
	pthread_mutex_init(&direct->lock, NULL);
	return 0;
}

/* The new root takes the old one's number: whoever is using that sees the one or the other. */
static int ask_for_root(struct direct *direct)
{
	AUTO_CLOSE int fd = open_root(direct->pool);
	uint64_t mount;

	if (fd == -EIO)
		return fd;
	if (fd < 0)
		return 0; /* of no more descriptors, say; there is a helper */
	direct->writable = may_change(direct->pool);
	mount = mount_of(fd);
	if (mount == direct->root_mount)
		return 0;
	if (dup3(fd, direct->root, O_CLOEXEC) < 0)
		return 0;
	direct->root_mount = mount;
	atomic_fetch_add(&direct->generation, 1);
	return 0;
}

static bool is_due(const struct direct *direct)
{
	return direct->epoch != pool_epoch(direct->pool) || now() - direct->asked >= ASK_AGAIN;
}

int direct_check(struct direct *direct)
{
	int error = pool_check(direct->pool);
	unsigned epoch;

	if (error || !is_due(direct))
		return error;
	pthread_mutex_lock(&direct->lock);
	epoch = pool_epoch(direct->pool);
	if (is_due(direct))
		error = ask_for_root(direct);
	if (!error) {
		direct->epoch = epoch;
		direct->asked = now();
	}
	pthread_mutex_unlock(&direct->lock);
	return error;
}

/* From its parent, and only if it is that very inode: somebody may have put another in its place. */
static int open_directory(struct direct *direct, const struct node *node)
{
	struct node *parent;
	char name[NAME_MAX + 1];
	struct stat found;
	AUTO_CLOSE int fd = -1;
	int above;

	if (node_place(direct->nodes, node, &parent, name))
		return -1;
	above = direct_directory(direct, parent);
	if (above < 0)
		return -1;
	fd = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &found) || found.st_dev != node->dev || found.st_ino != node->ino)
		return -1;
	return descriptor_take(&fd);
}

/* Two threads may come at once: the second's is one too many. An old one's number is given to the new one. */
static int keep_directory(struct direct *direct, struct node *node, int fd, unsigned generation)
{
	int none = -1;

	if (node->directory >= 0) {
		dup3(fd, node->directory, O_CLOEXEC);
		close(fd);
	} else if (atomic_compare_exchange_strong(&node->directory, &none, fd)) {
		atomic_fetch_add(&direct->count, 1);
	} else {
		close(fd);
	}
	node->generation = generation;
	return node->directory;
}

int direct_directory(struct direct *direct, struct node *node)
{
	unsigned generation = direct->generation;
	int fd;

	if (!direct->used)
		return -1;
	if (node == &direct->nodes->root)
		return direct->root;
	if (node->directory >= 0 && node->generation == generation)
		return node->directory;
	if (node->directory < 0 && direct->count >= direct->limit)
		return -1;
	fd = open_directory(direct, node);
	return fd < 0 ? -1 : keep_directory(direct, node, fd, generation);
}

int direct_changeable(struct direct *direct, struct node *node)
{
	return direct->writable ? direct_directory(direct, node) : -1;
}

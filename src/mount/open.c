/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "mount/look.h"
#include "mount/operations.h"

static int open_through(int known, int flags)
{
	char link[64];
	int fd;

	snprintf(link, sizeof link, "/proc/self/fd/%d", known);
	fd = open(link, (flags & ~(O_NOFOLLOW | O_CREAT | O_EXCL)) | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A file that has no path is opened anew through what is open, or was kept, of it, as far as our own user may. */
static int open_again(struct filesystem *fs, const struct node *node, int flags)
{
	struct handle *handle = handle_borrow(&fs->nodes, node, false);
	int fd;

	if (!handle)
		return node->replaced < 0 ? -ESTALE : open_through(node->replaced, flags);
	fd = open_through(handle->fd, flags);
	handle_release(&fs->nodes, handle);
	return fd;
}

static int open_path(struct filesystem *fs, const struct node *node, int flags)
{
	struct proxyfs_client *client;
	AUTO_CLOSE int fd = -1;
	char path[PATH_MAX];
	struct stat found;
	int error = node_path(&fs->nodes, node, NULL, path);

	if (error)
		return error;
	client = pool_take(fs->pool);
	fd = (int)pool_give_back(fs->pool, client, client ? proxyfs_open(client, path, flags | O_NOFOLLOW) : 0);
	if (fd < 0)
		return descriptor_take(&fd);
	if (fstat(fd, &found))
		return -errno;
	if (found.st_ino != node->ino || found.st_dev != node->dev)
		return -ESTALE; /* others have put another file there: the kernel looks again */
	return descriptor_take(&fd);
}

static void keep_open(struct fuse_file_info *file, const struct filesystem *fs, const struct handle *handle)
{
	file->fh = (uintptr_t)handle;
	file->keep_cache = fs->timeout > 0; /* its pages are dropped when size or time of change say so */
}

/* O_TRUNC must not hit another file, so it is done when the file is known to be the one, which takes one to write to. */
static int truncate_later(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY ? flags & ~O_TRUNC : flags;
}

void op_open(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *node = filesystem_node(fs, number);
	struct handle *handle;
	int flags = truncate_later(file->flags), fd = open_path(fs, node, flags);

	if (fd == -ESTALE || fd == -ENOENT)
		fd = open_again(fs, node, flags);
	if (fd == -ENOENT) /* the kernel has just seen it: it shall look again, and find that there is none, or another */
		fd = -ESTALE;
	if (fd >= 0 && flags != file->flags && ftruncate(fd, 0)) {
		int error = -errno;

		close(fd);
		fd = error;
	}
	handle = fd >= 0 ? handle_create(&fs->nodes, node, fd, file->flags) : NULL;
	if (!handle) {
		fuse_reply_err(request, fd >= 0 ? ENOMEM : -fd);
		return;
	}
	keep_open(file, fs, handle);
	if (fuse_reply_open(request, file) == -ENOENT) /* interrupted: nobody will release it */
		handle_release(&fs->nodes, handle);
}

#define OPEN_FLAGS (O_ACCMODE | O_APPEND | O_DSYNC | O_SYNC | O_NOATIME) /* that matter to a file that is new */
#define SET_ID (mode_t)(S_ISUID | S_ISGID)                                /* about which the helper may have a policy */

/* A new file of our own user, where he may make one himself: it is the same as the helper would make for him. */
static int create_directly(struct filesystem *fs, const struct fuse_ctx *caller, struct node *parent, const char *text,
                           mode_t mode, int flags)
{
	int fd = direct_changeable(&fs->direct, parent);

	if (fd < 0 || caller->uid != geteuid() || caller->gid != getegid() || mode & SET_ID)
		return -1;
	return openat(fd, text, (flags & OPEN_FLAGS) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
}

static int create(fuse_req_t request, struct node *parent, const char *text, mode_t mode, int flags)
{
	struct filesystem *fs = filesystem_of(request);
	const struct fuse_ctx *caller = fuse_req_ctx(request);
	struct proxyfs_client *client;
	char path[PATH_MAX];
	int result = direct_check(&fs->direct), fd;

	if (result)
		return result;
	fd = create_directly(fs, caller, parent, text, mode, flags);
	if (fd >= 0)
		return fd;
	result = node_path(&fs->nodes, parent, text, path);
	if (result)
		return result;
	client = pool_take(fs->pool);
	result = client ? proxyfs_create(client, path, flags | O_NOFOLLOW, mode, caller->uid, caller->gid) : 0;
	return (int)pool_give_back(fs->pool, client, result);
}

void op_create(fuse_req_t request, fuse_ino_t parent_number, const char *text, mode_t mode, struct fuse_file_info *file)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *parent = filesystem_node(fs, parent_number), *node;
	struct handle *handle = NULL;
	struct fuse_entry_param entry;
	struct stat found;
	int fd = create(request, parent, text, mode, file->flags);

	if (fd < 0) {
		fuse_reply_err(request, -fd);
		return;
	}
	node = fstat(fd, &found) ? NULL : node_found(&fs->nodes, parent, text, &found);
	if (node)
		handle = handle_create(&fs->nodes, node, fd, file->flags);
	else
		close(fd);
	if (!handle) {
		fuse_reply_err(request, ENOMEM);
	} else {
		entry = filesystem_entry(fs, node, &found);
		keep_open(file, fs, handle);
		if (fuse_reply_create(request, &entry, file) != -ENOENT)
			return;
		handle_release(&fs->nodes, handle);
	}
	if (node)
		node_forget(&fs->nodes, node, 1);
}

void op_release(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
	(void)number;
	handle_release(&filesystem_of(request)->nodes, (struct handle *)(uintptr_t)file->fh);
	fuse_reply_err(request, 0);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mount/look.h"
#include "mount/operations.h"

static struct proxyfs_bytes text_of(const char *text)
{
	return (struct proxyfs_bytes){ text, strlen(text) };
}

/* Makes something, for whom it is made: `wanted` lacks the path, and the owner. */
static void make(fuse_req_t request, fuse_ino_t parent_number, const char *text, struct proxyfs_request wanted)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *parent = filesystem_node(fs, parent_number);
	char path[PATH_MAX];
	int error = node_path(&fs->nodes, parent, text, path);

	wanted.path = text_of(path);
	wanted.uid = fuse_req_ctx(request)->uid;
	wanted.gid = fuse_req_ctx(request)->gid;
	if (!error)
		error = pool_request(fs->pool, &wanted);
	op_reply_made(request, parent, text, error);
}

void op_mknod(fuse_req_t request, fuse_ino_t parent, const char *text, mode_t mode, dev_t rdev)
{
	make(request, parent, text, (struct proxyfs_request){ .op = PROXYFS_MKNOD, .mode = mode, .rdev = rdev });
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char *text, mode_t mode)
{
	make(request, parent, text, (struct proxyfs_request){ .op = PROXYFS_MKDIR, .mode = mode });
}

void op_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *text)
{
	make(request, parent, text, (struct proxyfs_request){ .op = PROXYFS_SYMLINK, .target = text_of(target) });
}

/* The path of what is linked to is the inode's, as far as can be seen: an open file may have lost it to another. */
void op_link(fuse_req_t request, fuse_ino_t number, fuse_ino_t parent_number, const char *text)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *parent = filesystem_node(fs, parent_number);
	char path[PATH_MAX], new_path[PATH_MAX];
	int error = node_path(&fs->nodes, parent, text, new_path);

	if (!error)
		error = look_for_path(fs, filesystem_node(fs, number), path);
	if (!error)
		error = pool_request(fs->pool, &(struct proxyfs_request){
			.op = PROXYFS_LINK, .path = text_of(path), .new_path = text_of(new_path) });
	op_reply_made(request, parent, text, error);
}

/*
 * REMOVE takes files and empty directories alike, so the type is looked at first. Whoever puts an empty directory in the
 * place of a file in between has it removed: the protocol has no way to say it in one request.
 */
static int ask_to_remove(struct filesystem *fs, struct node *parent, const char *text, bool directory)
{
	char path[PATH_MAX];
	struct stat found;
	int error = node_path(&fs->nodes, parent, text, path);

	if (!error)
		error = look_at_name(fs, parent, text, &found);
	if (error)
		return error;
	if (S_ISDIR(found.st_mode) != directory)
		return directory ? -ENOTDIR : -EISDIR;
	return pool_request(fs->pool, &(struct proxyfs_request){ .op = PROXYFS_REMOVE, .path = text_of(path) });
}

/* Where our own user may, unlinkat(2) says which of the two is meant. What he may not, the helper has to say. */
static int remove_name(struct filesystem *fs, struct node *parent, const char *text, bool directory)
{
	int error = direct_check(&fs->direct);
	int fd = error ? -1 : direct_changeable(&fs->direct, parent);

	if (error)
		return error;
	if (fd < 0 || unlinkat(fd, text, directory ? AT_REMOVEDIR : 0) != 0)
		error = ask_to_remove(fs, parent, text, directory);
	if (!error)
		node_removed(&fs->nodes, parent, text);
	return error;
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char *text)
{
	struct filesystem *fs = filesystem_of(request);

	fuse_reply_err(request, -remove_name(fs, filesystem_node(fs, parent), text, false));
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char *text)
{
	struct filesystem *fs = filesystem_of(request);

	fuse_reply_err(request, -remove_name(fs, filesystem_node(fs, parent), text, true));
}

static int ask_to_rename(struct filesystem *fs, const struct node *parent, const char *text, const struct node *new_parent,
                         const char *new_text)
{
	char path[PATH_MAX], new_path[PATH_MAX];
	int error = node_path(&fs->nodes, parent, text, path);

	if (!error)
		error = node_path(&fs->nodes, new_parent, new_text, new_path);
	if (!error)
		error = pool_request(fs->pool, &(struct proxyfs_request){
			.op = PROXYFS_RENAME, .path = text_of(path), .new_path = text_of(new_path) });
	return error;
}

/*
 * RENAME is rename(2), and what renameat2(2) has besides cannot be made from it without gaps. RENAME_NOREPLACE can be
 * had where our own user may do it; otherwise, and for the others, it is as if the file system did not know them.
 */
static int rename_exclusively(struct filesystem *fs, struct node *parent, const char *text, struct node *new_parent,
                              const char *new_text, unsigned flags)
{
	int error = direct_check(&fs->direct);
	int fd = error ? -1 : direct_changeable(&fs->direct, parent);
	int new_fd = fd < 0 ? -1 : direct_changeable(&fs->direct, new_parent);

	if (error)
		return error;
	if (flags != RENAME_NOREPLACE || new_fd < 0)
		return -EINVAL;
	if (renameat2(fd, text, new_fd, new_text, flags) == 0)
		return 0;
	return errno == EACCES || errno == EPERM ? -EINVAL : -errno;
}

/* See node_keep_replaced(): whoever has looked up what is there now may be about to open it. */
static void keep_what_is_there(struct filesystem *fs, struct node *parent, const char *text)
{
	int directory = direct_directory(&fs->direct, parent);
	int fd = directory < 0 ? -1 : openat(directory, text, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		node_keep_replaced(&fs->nodes, parent, text, fd);
}

void op_rename(fuse_req_t request, fuse_ino_t parent_number, const char *text, fuse_ino_t new_parent_number,
               const char *new_text, unsigned flags)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *parent = filesystem_node(fs, parent_number), *new_parent = filesystem_node(fs, new_parent_number);
	int error;

	if (flags) {
		error = rename_exclusively(fs, parent, text, new_parent, new_text, flags);
	} else {
		keep_what_is_there(fs, new_parent, new_text);
		error = ask_to_rename(fs, parent, text, new_parent, new_text);
	}
	if (!error)
		node_moved(&fs->nodes, parent, text, new_parent, new_text);
	fuse_reply_err(request, -error);
}

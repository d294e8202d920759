/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. A change of a file's attributes goes to the helper by path. An open file comes in twice: before,
 * where our own user may do with it what is wanted, which saves a request (only of files that the helper has opened for
 * writing: an export that is read-only has none; and no set-id bits, which the helper may have a policy about); and
 * afterwards, where the file has no path any more, and only what our own user may do can be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mount/look.h"
#include "mount/operations.h"

#define NOBODY ((uid_t)-1) /* keeps an owner as it is, chown(2) */

struct change {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	off_t size;
	struct timespec times[2];
};

static int change_open_file(int fd, const struct change *change, int kind)
{
	int failed;

	if (kind == FUSE_SET_ATTR_SIZE)
		failed = ftruncate(fd, change->size);
	else if (kind == FUSE_SET_ATTR_MODE)
		failed = fchmod(fd, change->mode);
	else if (kind == FUSE_SET_ATTR_UID)
		failed = fchown(fd, change->uid, change->gid);
	else
		failed = futimens(fd, change->times);
	return failed ? -errno : 0;
}

static int change_by_path(struct filesystem *fs, const char *path, const struct change *change, int kind)
{
	struct proxyfs_client *client = pool_take(fs->pool);
	int result;

	if (!client)
		result = -EIO;
	else if (kind == FUSE_SET_ATTR_SIZE)
		result = proxyfs_truncate(client, path, change->size);
	else if (kind == FUSE_SET_ATTR_MODE)
		result = proxyfs_chmod(client, path, change->mode);
	else if (kind == FUSE_SET_ATTR_UID)
		result = proxyfs_chown(client, path, change->uid, change->gid);
	else
		result = proxyfs_utime(client, path, change->times);
	return (int)pool_give_back(fs->pool, client, result);
}

static int change_through_handle(struct filesystem *fs, struct handle *handle, const struct change *change,
                                 int kind)
{
	int error;

	if (!handle)
		return -ESTALE;
	error = change_open_file(handle->fd, change, kind);
	handle_release(&fs->nodes, handle);
	return error;
}

/* Whether an open file that can be written to may stand in for the path. */
static bool is_simple(const struct change *change, int kind)
{
	return kind != FUSE_SET_ATTR_UID && (kind != FUSE_SET_ATTR_MODE || !(change->mode & (S_ISUID | S_ISGID)));
}

static int apply(struct filesystem *fs, struct node *node, const struct change *change, int kind)
{
	struct handle *handle = is_simple(change, kind) ? handle_borrow(&fs->nodes, node, true) : NULL;
	char path[PATH_MAX];
	int error = handle ? change_through_handle(fs, handle, change, kind) : -EPERM;

	if (error != -EPERM && error != -EACCES)
		return error;
	error = look_for_path(fs, node, path);
	if (!error)
		error = change_by_path(fs, path, change, kind);
	if (error == -ESTALE || error == -ENOENT)
		error = change_through_handle(fs, handle_borrow(&fs->nodes, node, kind == FUSE_SET_ATTR_SIZE), change,
		                              kind);
	return error;
}

static struct timespec time_of(int which, int set, int set_now, struct timespec wanted)
{
	if (which & set_now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	return which & set ? wanted : (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static struct change read_change(const struct stat *wanted, int which)
{
	return (struct change){
		.mode = wanted->st_mode & ~(mode_t)S_IFMT,
		.uid = which & FUSE_SET_ATTR_UID ? wanted->st_uid : NOBODY,
		.gid = which & FUSE_SET_ATTR_GID ? wanted->st_gid : NOBODY,
		.size = wanted->st_size,
		.times = { time_of(which, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, wanted->st_atim),
		           time_of(which, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, wanted->st_mtim) },
	};
}

void op_setattr(fuse_req_t request, fuse_ino_t number, struct stat *wanted, int which, struct fuse_file_info *file)
{
	static const struct {
		int any, kind;
	} kinds[] = {
		{ FUSE_SET_ATTR_SIZE, FUSE_SET_ATTR_SIZE },
		{ FUSE_SET_ATTR_MODE, FUSE_SET_ATTR_MODE },
		{ FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID, FUSE_SET_ATTR_UID },
		{ FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW,
		  FUSE_SET_ATTR_MTIME },
	};
	struct filesystem *fs = filesystem_of(request);
	struct node *node = filesystem_node(fs, number);
	struct change change = read_change(wanted, which);
	struct stat found;
	int error = direct_check(&fs->direct);

	for (unsigned i = 0; !error && i < sizeof kinds / sizeof kinds[0]; i++)
		if (which & kinds[i].any)
			error = apply(fs, node, &change, kinds[i].kind);
	if (!error)
		error = look_at_node(fs, node, &found);
	(void)file; /* ftruncate(2) names one; the node knows it as well */
	if (error)
		fuse_reply_err(request, -error);
	else
		fuse_reply_attr(request, &found, fs->timeout);
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/statvfs.h>

#include "mount/look.h"
#include "mount/operations.h"

void op_getattr(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *node = filesystem_node(fs, number);
	struct stat found;
	int error;

	if (file && !S_ISDIR(node->type))
		error = fstat(((struct handle *)(uintptr_t)file->fh)->fd, &found) ? -errno : 0;
	else
		error = look_at_node(fs, node, &found);
	if (error)
		fuse_reply_err(request, -error);
	else
		fuse_reply_attr(request, &found, fs->timeout);
}

static struct statvfs to_statvfs(const struct statfs *from)
{
	return (struct statvfs){
		.f_bsize = (unsigned long)from->f_bsize,
		.f_frsize = (unsigned long)from->f_frsize,
		.f_blocks = from->f_blocks,
		.f_bfree = from->f_bfree,
		.f_bavail = from->f_bavail,
		.f_files = from->f_files,
		.f_ffree = from->f_ffree,
		.f_namemax = (unsigned long)from->f_namelen,
	};
}

void op_statfs(fuse_req_t request, fuse_ino_t number)
{
	struct filesystem *fs = filesystem_of(request);
	struct proxyfs_client *client;
	struct statfs found = { 0 };
	struct statvfs answer;
	char path[PATH_MAX];
	int error = node_path(&fs->nodes, filesystem_node(fs, number), NULL, path);

	if (!error) {
		client = pool_take(fs->pool);
		error = (int)pool_give_back(fs->pool, client, client ? proxyfs_statfs(client, path, &found) : 0);
	}
	answer = to_statvfs(&found);
	if (error)
		fuse_reply_err(request, -error);
	else
		fuse_reply_statfs(request, &answer);
}

void op_readlink(fuse_req_t request, fuse_ino_t number)
{
	struct filesystem *fs = filesystem_of(request);
	struct proxyfs_client *client;
	char path[PATH_MAX], target[PATH_MAX + 1];
	ssize_t size = node_path(&fs->nodes, filesystem_node(fs, number), NULL, path);

	if (size == 0) {
		client = pool_take(fs->pool);
		size = client ? proxyfs_readlink(client, path, target, sizeof target) : 0;
		size = pool_give_back(fs->pool, client, size);
	}
	if (size < 0)
		fuse_reply_err(request, (int)-size);
	else
		fuse_reply_readlink(request, target);
}

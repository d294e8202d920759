/* SPDX-License-Identifier: MIT */
/* What makes, moves, reads and removes names. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ops/ops.h"

#define PERMISSIONS 07777U /* modes arrive with the type's bits at times */

int op_mknod(struct op_call *call)
{
	return mknod(call->path, call->request->mode, (dev_t)call->request->rdev) ? -errno : 0;
}

int op_mkdir(struct op_call *call)
{
	return mkdir(call->path, call->request->mode & PERMISSIONS) ? -errno : 0;
}

int op_symlink(struct op_call *call)
{
	return symlink(call->target, call->path) ? -errno : 0;
}

int op_link(struct op_call *call)
{
	return linkat(AT_FDCWD, call->path, AT_FDCWD, call->new_path, 0) ? -errno : 0;
}

int op_rename(struct op_call *call)
{
	return rename(call->path, call->new_path) ? -errno : 0;
}

/* A file, or an empty directory: remove(3). */
int op_remove(struct op_call *call)
{
	return remove(call->path) ? -errno : 0;
}

/* The client has room for size - 1 bytes of target: a longer one is refused rather than cut. */
int op_readlink(struct op_call *call)
{
	int32_t size = call->request->size;
	ssize_t length;

	if (size < 2)
		return -EINVAL;
	length = readlink(call->path, call->buffer, PROXYFS_VALUE_MAX);
	if (length < 0)
		return -errno;
	if (length > size - 1)
		return -ENAMETOOLONG;
	call->reply.bytes = (struct proxyfs_bytes){ call->buffer, (size_t)length };
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "mount/look.h"
#include "mount/operations.h"

/* What is wanted of which attribute; without a name, of the list of them. */
struct wish {
	const char *name;
	char *buffer;
	size_t size;
};

static ssize_t read_open_file(int fd, const struct wish *wish)
{
	ssize_t size = wish->name ? fgetxattr(fd, wish->name, wish->buffer, wish->size) :
	                            flistxattr(fd, wish->buffer, wish->size);

	return size < 0 ? -errno : size;
}

static ssize_t read_by_path(struct filesystem *fs, const char *path, const struct wish *wish)
{
	struct proxyfs_client *client = pool_take(fs->pool);
	ssize_t size = 0;

	if (client)
		size = wish->name ? proxyfs_lgetxattr(client, path, wish->name, wish->buffer, wish->size) :
		                    proxyfs_llistxattr(client, path, wish->buffer, wish->size);
	return pool_give_back(fs->pool, client, size);
}

/*
 * Before each write, the kernel asks for security.capability, which hardly any file has: an open file knows without a
 * request that there is none. What there is, the helper says, which may have a policy about it.
 */
static ssize_t read_xattr(struct filesystem *fs, struct node *node, const struct wish *wish)
{
	struct handle *handle = handle_borrow(&fs->nodes, node, false);
	char path[PATH_MAX];
	ssize_t open_says = handle ? read_open_file(handle->fd, wish) : -ESTALE;
	ssize_t error;

	if (handle)
		handle_release(&fs->nodes, handle);
	if (open_says == -ENODATA)
		return open_says;
	error = look_for_path(fs, node, path);
	return error == -ESTALE ? open_says : error ? error : read_by_path(fs, path, wish);
}

static void reply_read(fuse_req_t request, fuse_ino_t number, const char *name, size_t size)
{
	struct filesystem *fs = filesystem_of(request);
	struct wish wish = { .name = name, .buffer = size ? malloc(size) : NULL, .size = size };
	ssize_t got = -ENOMEM;

	if (size == 0 || wish.buffer)
		got = read_xattr(fs, filesystem_node(fs, number), &wish);
	if (got < 0)
		fuse_reply_err(request, (int)-got);
	else if (size == 0)
		fuse_reply_xattr(request, (size_t)got);
	else
		fuse_reply_buf(request, wish.buffer, (size_t)got);
	free(wish.buffer);
}

void op_getxattr(fuse_req_t request, fuse_ino_t number, const char *name, size_t size)
{
	reply_read(request, number, name, size);
}

void op_listxattr(fuse_req_t request, fuse_ino_t number, size_t size)
{
	reply_read(request, number, NULL, size);
}

void op_setxattr(fuse_req_t request, fuse_ino_t number, const char *name, const char *value, size_t size, int flags)
{
	struct filesystem *fs = filesystem_of(request);
	struct proxyfs_client *client;
	char path[PATH_MAX];
	int error = look_for_path(fs, filesystem_node(fs, number), path);

	if (!error) {
		client = pool_take(fs->pool);
		error = client ? proxyfs_lsetxattr(client, path, name, value, size, flags) : 0;
		error = (int)pool_give_back(fs->pool, client, error);
	}
	/* A path, name and value that do not fit into one message together: the value is the long one. */
	fuse_reply_err(request, error == -ENOBUFS ? E2BIG : -error);
}

void op_removexattr(fuse_req_t request, fuse_ino_t number, const char *name)
{
	struct filesystem *fs = filesystem_of(request);
	char path[PATH_MAX];
	int error = look_for_path(fs, filesystem_node(fs, number), path);

	if (!error)
		error = pool_request(fs->pool, &(struct proxyfs_request){
			.op = PROXYFS_LREMOVEXATTR, .path = { path, strlen(path) }, .name = { name, strlen(name) } });
	fuse_reply_err(request, -error);
}

/* SPDX-License-Identifier: MIT */
#include "mount/look.h"

#include <errno.h>
#include <fcntl.h>

static int ask(struct filesystem *fs, const struct node *node, const char *text, struct stat *found)
{
	struct proxyfs_client *client;
	char path[PATH_MAX];
	int error = node_path(&fs->nodes, node, text, path);

	if (error)
		return error;
	client = pool_take(fs->pool);
	if (!client)
		return -EIO;
	return (int)pool_give_back(fs->pool, client, proxyfs_lstat(client, path, found));
}

int look_at_name(struct filesystem *fs, struct node *parent, const char *text, struct stat *found)
{
	int error = direct_check(&fs->direct);
	int fd = error ? -1 : direct_directory(&fs->direct, parent);

	if (error)
		return error;
	if (fd >= 0 && fstatat(fd, text, found, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	if (fd >= 0 && errno == ENOENT)
		return -ENOENT;
	return ask(fs, parent, text, found);
}

static bool is_node(const struct node *node, const struct stat *found)
{
	return found->st_dev == node->dev && found->st_ino == node->ino && (found->st_mode & S_IFMT) == node->type;
}

/* Where it was found last. */
static int look_at_place(struct filesystem *fs, struct node *node, struct stat *found)
{
	char text[NAME_MAX + 1];
	struct node *parent;
	int error = node_place(&fs->nodes, node, &parent, text);

	if (!error)
		error = look_at_name(fs, parent, text, found);
	if (error == -ENOENT || (!error && !is_node(node, found)))
		return -ESTALE;
	return error;
}

static int look_at_open_file(struct filesystem *fs, const struct node *node, struct stat *found)
{
	struct handle *handle = handle_borrow(&fs->nodes, node, false);
	int error;

	if (!handle)
		return -ESTALE;
	error = fstat(handle->fd, found) ? -errno : 0;
	handle_release(&fs->nodes, handle);
	return error;
}

int look_at_node(struct filesystem *fs, struct node *node, struct stat *found)
{
	int error = direct_check(&fs->direct), fd;

	if (error)
		return error;
	if (!S_ISDIR(node->type))
		return look_at_open_file(fs, node, found) ? look_at_place(fs, node, found) : 0;
	fd = direct_directory(&fs->direct, node);
	if (fd >= 0 && fstat(fd, found) == 0)
		return 0;
	return node == &fs->nodes.root ? ask(fs, node, NULL, found) : look_at_place(fs, node, found);
}

/* Only what is open has another way, and is worth a look. */
int look_for_path(struct filesystem *fs, struct node *node, char path[PATH_MAX])
{
	struct handle *handle = handle_borrow(&fs->nodes, node, false);
	struct stat found;

	if (handle) {
		int error = look_at_place(fs, node, &found);

		handle_release(&fs->nodes, handle);
		if (error)
			return error;
	}
	return node_path(&fs->nodes, node, NULL, path);
}

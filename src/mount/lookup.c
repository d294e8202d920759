/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "mount/look.h"
#include "mount/operations.h"

struct fuse_entry_param filesystem_entry(const struct filesystem *fs, struct node *node, const struct stat *found)
{
	return (struct fuse_entry_param){
		.ino = node == &fs->nodes.root ? FUSE_ROOT_ID : (uintptr_t)node,
		.attr = *found,
		.attr_timeout = fs->timeout,
		.entry_timeout = fs->timeout,
	};
}

static void reply_found(fuse_req_t request, struct node *parent, const char *text, const struct stat *found)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *node = node_found(&fs->nodes, parent, text, found);
	struct fuse_entry_param entry;

	if (!node) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	entry = filesystem_entry(fs, node, found);
	if (fuse_reply_entry(request, &entry) == -ENOENT) /* interrupted: the kernel has not learnt of it */
		node_forget(&fs->nodes, node, 1);
}

void op_lookup(fuse_req_t request, fuse_ino_t parent_number, const char *text)
{
	struct filesystem *fs = filesystem_of(request);
	struct node *parent = filesystem_node(fs, parent_number);
	struct stat found;
	int error = look_at_name(fs, parent, text, &found);

	if (!error) {
		reply_found(request, parent, text, &found);
		return;
	}
	if (error == -ENOENT)
		node_missed(&fs->nodes, parent, text);
	if (error == -ENOENT && fs->timeout > 0) /* that there is none may be believed as long */
		fuse_reply_entry(request, &(struct fuse_entry_param){ .entry_timeout = fs->timeout });
	else
		fuse_reply_err(request, -error);
}

void op_reply_made(fuse_req_t request, struct node *parent, const char *text, int error)
{
	struct stat found;

	if (!error)
		error = look_at_name(filesystem_of(request), parent, text, &found);
	if (error)
		fuse_reply_err(request, -error);
	else
		reply_found(request, parent, text, &found);
}

void op_forget(fuse_req_t request, fuse_ino_t number, uint64_t count)
{
	struct filesystem *fs = filesystem_of(request);

	node_forget(&fs->nodes, filesystem_node(fs, number), count);
	fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets)
{
	struct filesystem *fs = filesystem_of(request);

	for (size_t i = 0; i < count; i++)
		node_forget(&fs->nodes, filesystem_node(fs, forgets[i].ino), forgets[i].nlookup);
	fuse_reply_none(request);
}

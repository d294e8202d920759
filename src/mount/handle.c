/* SPDX-License-Identifier: MIT */
#include "mount/handle.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct handle *handle_create(struct nodes *nodes, struct node *node, int fd, int flags)
{
	struct handle *handle = malloc(sizeof *handle);

	if (!handle) {
		close(fd);
		return NULL;
	}
	*handle = (struct handle){ .fd = fd, .flags = flags, .node = node, .users = 1 };
	pthread_mutex_lock(&nodes->lock);
	handle->next = node->handles;
	node->handles = handle;
	pthread_mutex_unlock(&nodes->lock);
	return handle;
}

void handle_release(struct nodes *nodes, struct handle *handle)
{
	struct handle **link;
	bool last;

	pthread_mutex_lock(&nodes->lock);
	last = --handle->users == 0;
	if (last) {
		for (link = &handle->node->handles; *link != handle; link = &(*link)->next)
			;
		*link = handle->next;
		node_drop_unused(nodes, handle->node);
	}
	pthread_mutex_unlock(&nodes->lock);
	if (!last)
		return;
	close(handle->fd);
	free(handle);
}

struct handle *handle_borrow(struct nodes *nodes, const struct node *node, bool writable)
{
	struct handle *handle;

	pthread_mutex_lock(&nodes->lock);
	handle = node->handles;
	while (handle && writable && (handle->flags & O_ACCMODE) == O_RDONLY)
		handle = handle->next;
	if (handle)
		handle->users++;
	pthread_mutex_unlock(&nodes->lock);
	return handle;
}

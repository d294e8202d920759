/* SPDX-License-Identifier: MIT */
#include "mount/node.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A name of a node. It keeps the node of its directory. */
struct name {
	struct name *next;    /* in the table */
	struct name *another; /* of the same node */
	struct node *node, *parent;
	char text[];
};

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3U;
	return hash;
}

#define HASH_START 0xcbf29ce484222325U

static struct node **inode_bucket(const struct nodes *nodes, dev_t dev, ino_t ino)
{
	uint64_t key = hash_bytes(hash_bytes(HASH_START, &ino, sizeof ino), &dev, sizeof dev);

	return &nodes->by_inode[key % NODE_BUCKETS];
}

static struct name **name_bucket(const struct nodes *nodes, const struct node *parent, const char *text)
{
	uintptr_t where = (uintptr_t)parent;
	uint64_t key = hash_bytes(hash_bytes(HASH_START, &where, sizeof where), text, strlen(text));

	return &nodes->by_name[key % NODE_BUCKETS];
}

int nodes_init(struct nodes *nodes, const struct stat *root)
{
	*nodes = (struct nodes){ .root = { .dev = root->st_dev, .ino = root->st_ino, .type = S_IFDIR, .directory = -1,
		                           .replaced = -1, .lookups = 1 } };
	pthread_mutex_init(&nodes->lock, NULL);
	nodes->by_inode = calloc(NODE_BUCKETS, sizeof(struct node *));
	nodes->by_name = calloc(NODE_BUCKETS, sizeof(struct name *));
	if (!nodes->by_inode || !nodes->by_name)
		return -ENOMEM;
	*inode_bucket(nodes, root->st_dev, root->st_ino) = &nodes->root;
	return 0;
}

/* Takes a node out of the table: its inode number may come to mean another inode. */
static void hide_node(struct nodes *nodes, struct node *node)
{
	struct node **link = inode_bucket(nodes, node->dev, node->ino);

	while (*link && *link != node)
		link = &(*link)->next;
	if (*link)
		*link = node->next;
	node->next = NULL;
}

/* Returns the name's directory, which may be without use now: that is left to the caller. */
static struct node *forget_name(struct nodes *nodes, struct node *node, struct name *name)
{
	struct name **link = name_bucket(nodes, name->parent, name->text);
	struct node *parent = name->parent;

	while (*link != name)
		link = &(*link)->next;
	*link = name->next;
	for (link = &node->names; *link && *link != name; link = &(*link)->another)
		;
	if (*link)
		*link = name->another;
	free(name);
	parent->below--;
	return parent;
}

static bool is_used(const struct nodes *nodes, const struct node *node)
{
	return node == &nodes->root || node->lookups > 0 || node->handles || node->below > 0;
}

void node_drop_unused(struct nodes *nodes, struct node *node)
{
	struct node *parent = NULL;

	while (node && !is_used(nodes, node)) {
		/* Of several parents, all but one are directories of hard links, and dealt with by themselves. */
		while (node->names) {
			if (parent)
				node_drop_unused(nodes, parent);
			parent = forget_name(nodes, node, node->names);
		}
		hide_node(nodes, node);
		if (node->directory >= 0)
			close(node->directory);
		if (node->replaced >= 0)
			close(node->replaced);
		free(node);
		node = parent;
		parent = NULL;
	}
}

static struct name *find_name(const struct nodes *nodes, const struct node *parent, const char *text)
{
	struct name *name = *name_bucket(nodes, parent, text);

	while (name && (name->parent != parent || strcmp(name->text, text) != 0))
		name = name->next;
	return name;
}

/* The parent is not dropped: the caller names it, and so the kernel holds it. */
static void remove_name(struct nodes *nodes, struct name *name)
{
	struct node *node = name->node;

	forget_name(nodes, node, name);
	node_drop_unused(nodes, node);
}

/* gcc 12's analyzer does not see that the tables own what is put into them. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* Puts the name in front of the node's. */
static bool add_name(struct nodes *nodes, struct node *node, struct node *parent, const char *text)
{
	struct name *name = malloc(sizeof *name + strlen(text) + 1);
	struct name **bucket = name_bucket(nodes, parent, text);

	if (!name)
		return false;
	*name = (struct name){ .another = node->names, .node = node, .parent = parent };
	memcpy(name->text, text, strlen(text) + 1);
	node->names = name;
	parent->below++;
	name->next = *bucket;
	*bucket = name;
	return true;
}

/* What others renamed has names left that are none: there are no more than the inode has links, and of a directory one. */
static void drop_old_names(struct nodes *nodes, struct node *node, uint64_t links)
{
	uint64_t count = 0;

	for (struct name *name = node->names, *another; name; name = another) {
		another = name->another;
		if (++count > 1 && count > links)
			node_drop_unused(nodes, forget_name(nodes, node, name));
	}
}

/* Makes `text` in `parent` the name of the node that counts. */
static bool bind_name(struct nodes *nodes, struct node *node, struct node *parent, const char *text)
{
	struct name *name = find_name(nodes, parent, text);

	if (name && name == node->names)
		return true;
	if (node == &nodes->root) /* a mount of the export in itself: its own name is enough */
		return true;
	if (!add_name(nodes, node, parent, text))
		return false;
	if (name)
		remove_name(nodes, name);
	return true;
}

static struct node *find_node(struct nodes *nodes, const struct stat *found)
{
	struct node *node = *inode_bucket(nodes, found->st_dev, found->st_ino);

	while (node && (node->dev != found->st_dev || node->ino != found->st_ino ||
	                node->type != (found->st_mode & S_IFMT)))
		node = node->next;
	return node;
}

static struct node *add_node(struct nodes *nodes, const struct stat *found)
{
	struct node **bucket = inode_bucket(nodes, found->st_dev, found->st_ino);
	struct node *node = malloc(sizeof *node);

	if (!node)
		return NULL;
	*node = (struct node){ .dev = found->st_dev, .ino = found->st_ino, .type = found->st_mode & S_IFMT,
		               .directory = -1, .replaced = -1, .next = *bucket };
	*bucket = node;
	return node;
}

struct node *node_found(struct nodes *nodes, struct node *parent, const char *text, const struct stat *found)
{
	struct node *node;

	pthread_mutex_lock(&nodes->lock);
	node = find_node(nodes, found);
	if (!node)
		node = add_node(nodes, found);
	if (node) {
		node->lookups++;
		if (bind_name(nodes, node, parent, text)) {
			drop_old_names(nodes, node, S_ISDIR(found->st_mode) ? 1 : found->st_nlink);
		} else {
			node->lookups--;
			node_drop_unused(nodes, node);
			node = NULL;
		}
	}
	pthread_mutex_unlock(&nodes->lock);
	return node;
}

void node_forget(struct nodes *nodes, struct node *node, uint64_t count)
{
	if (node == &nodes->root)
		return;
	pthread_mutex_lock(&nodes->lock);
	node->lookups -= count < node->lookups ? count : node->lookups;
	node_drop_unused(nodes, node);
	pthread_mutex_unlock(&nodes->lock);
}

void node_missed(struct nodes *nodes, struct node *parent, const char *text)
{
	struct name *name;

	pthread_mutex_lock(&nodes->lock);
	name = find_name(nodes, parent, text);
	if (name)
		remove_name(nodes, name);
	pthread_mutex_unlock(&nodes->lock);
}

/* The same for what is known to be gone. */
static void end_name(struct nodes *nodes, struct name *name)
{
	if (!name->node->names->another && !name->node->handles)
		hide_node(nodes, name->node);
	remove_name(nodes, name);
}

void node_removed(struct nodes *nodes, struct node *parent, const char *text)
{
	struct name *name;

	pthread_mutex_lock(&nodes->lock);
	name = find_name(nodes, parent, text);
	if (name)
		end_name(nodes, name);
	pthread_mutex_unlock(&nodes->lock);
}

void node_keep_replaced(struct nodes *nodes, const struct node *parent, const char *text, int fd)
{
	struct name *name;
	struct stat found;
	int none = -1;

	pthread_mutex_lock(&nodes->lock);
	name = find_name(nodes, parent, text);
	if (!name || fstat(fd, &found) || found.st_ino != name->node->ino || found.st_dev != name->node->dev ||
	    !atomic_compare_exchange_strong(&name->node->replaced, &none, fd))
		close(fd);
	pthread_mutex_unlock(&nodes->lock);
}

void node_moved(struct nodes *nodes, struct node *parent, const char *text, struct node *new_parent, const char *new_text)
{
	struct name *name, *replaced;

	pthread_mutex_lock(&nodes->lock);
	name = find_name(nodes, parent, text);
	replaced = find_name(nodes, new_parent, new_text);
	if (replaced && (!name || replaced->node != name->node))
		end_name(nodes, replaced);
	/* Without memory, the next lookup puts it right. */
	if (name && replaced != name && bind_name(nodes, name->node, new_parent, new_text))
		remove_name(nodes, name);
	pthread_mutex_unlock(&nodes->lock);
}

/* Writes "/text" so that it ends at `end`; returns where it begins, or NULL. */
static char *prepend(char *start, char *end, const char *text)
{
	const char *last = text + strlen(text);

	if (end - start < last - text + 1)
		return NULL;
	while (last > text)
		*--end = *--last;
	*--end = '/';
	return end;
}

/* A loop of directories, which others may make us believe in, ends where the path's room does. */
static int build_path(const struct nodes *nodes, const struct node *node, const char *text, char path[PATH_MAX])
{
	char *end = path + PATH_MAX - 1, *begin = text ? prepend(path, end, text) : end;

	*end = '\0';
	for (; begin && node != &nodes->root; node = node->names->parent) {
		if (!node->names)
			return -ESTALE;
		begin = prepend(path, begin, node->names->text);
	}
	if (!begin)
		return -ENAMETOOLONG;
	if (begin == end)
		*--begin = '/';
	memmove(path, begin, (size_t)(end - begin) + 1);
	return 0;
}

int node_path(struct nodes *nodes, const struct node *node, const char *text, char path[PATH_MAX])
{
	int error;

	pthread_mutex_lock(&nodes->lock);
	error = build_path(nodes, node, text, path);
	pthread_mutex_unlock(&nodes->lock);
	return error;
}

int node_place(struct nodes *nodes, const struct node *node, struct node **parent, char text[NAME_MAX + 1])
{
	int error = -ESTALE;

	pthread_mutex_lock(&nodes->lock);
	if (node->names && strlen(node->names->text) <= NAME_MAX) {
		*parent = node->names->parent;
		memcpy(text, node->names->text, strlen(node->names->text) + 1);
		error = 0;
	}
	pthread_mutex_unlock(&nodes->lock);
	return error;
}

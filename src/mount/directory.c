/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. A listing is read from a descriptor of the directory, and a place in it is what the export's own
 * file system calls it (d_off): a reader that stops and goes on, or goes back, while names come and go, sees each name
 * that stays once, as on that file system.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "mount/look.h"
#include "mount/operations.h"

#define LISTING_SIZE 32768U /* bytes that are read from a directory at once */

struct listing {
	int fd;
	off_t place; /* of the next entry that is given out */
	size_t have, used; /* bytes */
	_Alignas(struct dirent64) char entries[LISTING_SIZE];
};

/* What we hold of a directory cannot be read; with it, our own user may open it for reading. Otherwise the helper does. */
static int open_directory(struct filesystem *fs, struct node *node)
{
	int own = direct_directory(&fs->direct, node);
	int fd = own < 0 ? -1 : openat(own, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct proxyfs_client *client;
	char path[PATH_MAX];
	int error;

	if (fd >= 0)
		return fd;
	error = node_path(&fs->nodes, node, NULL, path);
	if (error)
		return error;
	client = pool_take(fs->pool);
	return (int)pool_give_back(fs->pool, client, client ? proxyfs_open(client, path, O_DIRECTORY) : 0);
}

void op_opendir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
	struct filesystem *fs = filesystem_of(request);
	int error = direct_check(&fs->direct);
	AUTO_CLOSE int fd = error ? error : open_directory(fs, filesystem_node(fs, number));
	struct listing *listing;

	if (fd < 0) {
		fuse_reply_err(request, -descriptor_take(&fd));
		return;
	}
	listing = malloc(sizeof *listing);
	if (!listing) {
		fuse_reply_err(request, ENOMEM);
		return;
	}
	listing->fd = descriptor_take(&fd);
	listing->place = 0;
	listing->have = listing->used = 0;
	file->fh = (uintptr_t)listing;
	if (fuse_reply_open(request, file) == -ENOENT) {
		close(listing->fd);
		free(listing);
	}
}

static struct listing *listing_of(const struct fuse_file_info *file)
{
	return (struct listing *)(uintptr_t)file->fh;
}

void op_releasedir(fuse_req_t request, fuse_ino_t number, struct fuse_file_info *file)
{
	(void)number;
	close(listing_of(file)->fd);
	free(listing_of(file));
	fuse_reply_err(request, 0);
}

void op_fsyncdir(fuse_req_t request, fuse_ino_t number, int only_data, struct fuse_file_info *file)
{
	int fd = listing_of(file)->fd;

	(void)number;
	fuse_reply_err(request, (only_data ? fdatasync(fd) : fsync(fd)) ? errno : 0);
}

/* From the start, what is there now is wanted, not what has been read. */
static int go_to(struct listing *listing, off_t place)
{
	if (place == listing->place && place != 0)
		return 0;
	listing->place = place;
	listing->have = listing->used = 0;
	return lseek(listing->fd, place, SEEK_SET) < 0 ? -errno : 0;
}

/* The entry at the listing's place, in *entry; NULL there at the end. */
static int read_entry(struct listing *listing, const struct dirent64 **entry)
{
	ssize_t got;

	*entry = NULL;
	if (listing->used == listing->have) {
		got = getdents64(listing->fd, listing->entries, sizeof listing->entries);
		if (got < 0)
			return -errno;
		listing->have = (size_t)got;
		listing->used = 0;
	}
	if (listing->used < listing->have)
		*entry = (const void *)(listing->entries + listing->used);
	return 0;
}

static void skip_entry(struct listing *listing, const struct dirent64 *entry)
{
	listing->place = entry->d_off;
	listing->used += entry->d_reclen;
}

/* Adds an entry to the reply if there is room; returns the bytes that it takes. */
static size_t add_entry(fuse_req_t request, char *room, size_t size, const struct dirent64 *entry)
{
	struct stat about = { .st_ino = entry->d_ino, .st_mode = (mode_t)DTTOIF(entry->d_type) };

	return fuse_add_direntry(request, room, size, entry->d_name, &about, entry->d_off);
}

/* With its attributes, if they can be had, for which the kernel then holds the node: unless it is "." or "..". */
static size_t add_entry_plus(fuse_req_t request, struct node *parent, char *room, size_t size, const struct dirent64 *entry)
{
	struct filesystem *fs = filesystem_of(request);
	struct fuse_entry_param plus = { .attr = { .st_ino = entry->d_ino, .st_mode = (mode_t)DTTOIF(entry->d_type) } };
	size_t needed = fuse_add_direntry_plus(request, NULL, 0, entry->d_name, NULL, 0);
	struct node *node = NULL;
	struct stat found;

	if (needed > size)
		return needed;
	if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
	    look_at_name(fs, parent, entry->d_name, &found) == 0)
		node = node_found(&fs->nodes, parent, entry->d_name, &found);
	if (node)
		plus = filesystem_entry(fs, node, &found);
	return fuse_add_direntry_plus(request, room, size, entry->d_name, &plus, entry->d_off);
}

static ssize_t fill(fuse_req_t request, struct node *plus_of, struct listing *listing, char *room, size_t size)
{
	const struct dirent64 *entry;
	size_t filled = 0, needed;
	int error;

	while ((error = read_entry(listing, &entry)) == 0 && entry) {
		if (plus_of)
			needed = add_entry_plus(request, plus_of, room + filled, size - filled, entry);
		else
			needed = add_entry(request, room + filled, size - filled, entry);
		if (needed > size - filled)
			break;
		filled += needed;
		skip_entry(listing, entry);
	}
	return error && filled == 0 ? error : (ssize_t)filled;
}

static void list(fuse_req_t request, struct node *plus_of, size_t size, off_t offset, const struct fuse_file_info *file)
{
	struct listing *listing = listing_of(file);
	char *room = malloc(size);
	ssize_t filled = room ? go_to(listing, offset) : -ENOMEM;

	if (filled == 0)
		filled = fill(request, plus_of, listing, room, size);
	if (filled < 0)
		fuse_reply_err(request, (int)-filled);
	else
		fuse_reply_buf(request, room, (size_t)filled);
	free(room);
}

void op_readdir(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file)
{
	(void)number;
	list(request, NULL, size, offset, file);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t number, size_t size, off_t offset, struct fuse_file_info *file)
{
	list(request, filesystem_node(filesystem_of(request), number), size, offset, file);
}

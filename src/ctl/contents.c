/* SPDX-License-Identifier: MIT */
#include "ctl/contents.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536U /* bytes */

static mode_t type_of(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? 0 : stat.st_mode & S_IFMT;
}

bool contents_is_directory(int fd)
{
	return type_of(fd) == S_IFDIR;
}

const char *contents_kind(int fd)
{
	switch (type_of(fd)) {
	case S_IFREG:
		return "regular file";
	case S_IFDIR:
		return "directory";
	case S_IFCHR:
		return "character device";
	case S_IFBLK:
		return "block device";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	default:
		return "unknown";
	}
}

static int wanted(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* By bytes: the order must not depend on the locale. */
static int by_name(const struct dirent **one, const struct dirent **other)
{
	return strcmp((*one)->d_name, (*other)->d_name);
}

static void join(struct dirent **entries, int count, FILE *out)
{
	for (int i = 0; i < count; i++) {
		fwrite(entries[i]->d_name, 1, strlen(entries[i]->d_name) + 1, out);
		free(entries[i]);
	}
	free(entries);
}

int contents_names(int fd, struct proxyfs_bytes *names)
{
	struct dirent **entries;
	char *data = NULL;
	FILE *out;
	int count;

	*names = (struct proxyfs_bytes){ NULL, 0 };
	count = scandirat(fd, ".", &entries, wanted, by_name);
	if (count < 0)
		return -errno;
	out = open_memstream(&data, &names->size);
	if (!out)
		return -ENOMEM; /* the entries go with the program */
	join(entries, count, out);
	if (fclose(out))
		return -ENOMEM;
	names->data = data;
	return 0;
}

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, bytes, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		size -= (size_t)written;
	}
	return 0;
}

int contents_copy(int from, int to)
{
	char piece[PIECE];
	ssize_t got;
	int error;

	while ((got = read(from, piece, sizeof piece)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		error = write_all(to, piece, (size_t)got);
		if (error)
			return error;
	}
	return 0;
}

int contents_read(int fd, struct proxyfs_bytes *contents)
{
	char piece[PIECE], *data = NULL;
	FILE *out = open_memstream(&data, &contents->size);
	ssize_t got;
	int error = 0;

	contents->data = NULL;
	if (!out)
		return -ENOMEM;
	while ((got = read(fd, piece, sizeof piece)) > 0 || (got < 0 && errno == EINTR))
		if (got > 0)
			fwrite(piece, 1, (size_t)got, out);
	if (got < 0)
		error = -errno;
	if (ferror(out))
		error = -ENOMEM;
	if (fclose(out))
		error = -ENOMEM;
	if (!error)
		contents->data = data;
	else
		free(data);
	return error;
}

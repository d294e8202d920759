/* SPDX-License-Identifier: MIT */
#include "monitor/pid_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

#define FILE_MODE 0644

static int failed(const struct pid_file *file, const char *what)
{
	int error = errno;

	log_error("pid file %s: %s: %s", file->path, what, strerror(error));
	return -error;
}

static int open_directory(struct pid_file *file)
{
	const char *slash = strrchr(file->path, '/');
	const char *base = slash ? slash + 1 : file->path;
	char *directory;

	if (base[0] == '\0' || !strcmp(base, ".") || !strcmp(base, "..")) {
		errno = EISDIR;
		return failed(file, "give the name of a file");
	}
	if ((size_t)snprintf(file->base, sizeof file->base, "%s", base) >= sizeof file->base) {
		errno = ENAMETOOLONG;
		return failed(file, "its name");
	}
	/* The slash stays, so that the root is no special case. */
	directory = slash ? strndup(file->path, (size_t)(base - file->path)) : strdup(".");
	if (!directory)
		return failed(file, "its directory");
	file->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(directory);
	return file->directory < 0 ? failed(file, "open its directory") : 0;
}

/* Whether the name is nobody's: there is nothing, or a file that was left over. */
static int check_name(const struct pid_file *file)
{
	AUTO_CLOSE int fd = -1;
	struct stat stat;

	if (fstatat(file->directory, file->base, &stat, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : failed(file, "look at what has this name");
	if (!S_ISREG(stat.st_mode)) {
		errno = EEXIST;
		return failed(file, "something that is no file has this name");
	}
	fd = openat(file->directory, file->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : failed(file, "open the one that is there");
	return flock(fd, LOCK_EX | LOCK_NB) ? failed(file, "another helper, which runs, has this name") : 0;
}

int pid_file_open(struct pid_file *file, const char *path)
{
	int error;

	*file = (struct pid_file){ .path = path, .directory = -1, .fd = -1 };
	error = open_directory(file);
	return error ? error : check_name(file);
}

static int write_file(struct pid_file *file, const char *name)
{
	file->fd = openat(file->directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	if (file->fd < 0)
		return failed(file, "make it");
	if (flock(file->fd, LOCK_EX | LOCK_NB))
		return failed(file, "lock it");
	return dprintf(file->fd, "%d\n", (int)getpid()) < 0 ? failed(file, "write it") : 0;
}

int pid_file_publish(struct pid_file *file)
{
	char name[NAME_MAX + 1];
	uint64_t random;
	int error;

	if (file->directory < 0)
		return 0;
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return failed(file, "getrandom");
	snprintf(name, sizeof name, ".%.200s.%016" PRIx64, file->base, random);
	error = write_file(file, name);
	if (!error)
		error = check_name(file);
	if (!error && renameat(file->directory, name, file->directory, file->base))
		error = failed(file, "give it its name");
	if (error && file->fd >= 0) {
		unlinkat(file->directory, name, 0);
		descriptor_close(&file->fd);
	}
	return error;
}

static bool is_ours(const struct pid_file *file)
{
	struct stat ours, found;

	return !fstat(file->fd, &ours) && !fstatat(file->directory, file->base, &found, AT_SYMLINK_NOFOLLOW) &&
	       ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
}

void pid_file_remove(struct pid_file *file)
{
	if (file->fd >= 0 && is_ours(file))
		unlinkat(file->directory, file->base, 0);
	descriptor_close(&file->fd);
	descriptor_close(&file->directory);
}

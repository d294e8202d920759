/* SPDX-License-Identifier: MIT */
#include "ops/object.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

/* open_tree(2): as a system call, because older C libraries have no wrapper. */
#define TREE_CLONE 1U

/* For a number in decimal. */
#define NAME_SIZE 12

/* The directory of this process's descriptors, or -1. */
static int own_descriptors = -1;

static int take_own_descriptors(void)
{
	AUTO_CLOSE int fd = (int)syscall(SYS_open_tree, AT_FDCWD, "/proc/self/fd", TREE_CLONE | O_CLOEXEC);
	struct statfs statfs;

	if (fd < 0 || fstatfs(fd, &statfs))
		return -errno;
	return statfs.f_type == PROC_SUPER_MAGIC ? descriptor_take(&fd) : -ENOTSUP;
}

int object_prepare(void)
{
	int fd = take_own_descriptors();

	if (fd < 0)
		log_info("/proc/self/fd cannot be taken along (%s): what takes a name in the moment when it is opened may be "
		         "opened, if not passed on",
		         strerror(-fd));
	own_descriptors = fd < 0 ? -1 : fd;
	return own_descriptors;
}

bool object_can_reopen(void)
{
	return own_descriptors >= 0;
}

int object_hold(const char *path, struct stat *stat)
{
	AUTO_CLOSE int object = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (object < 0 || fstat(object, stat))
		return -errno;
	return S_ISLNK(stat->st_mode) ? -ELOOP : descriptor_take(&object);
}

/* The number in decimal: without snprintf(3), whose time shows in that of an open. */
static const char *name_of(int object, char room[static NAME_SIZE])
{
	char *at = room + NAME_SIZE;

	*--at = '\0';
	do {
		*--at = (char)('0' + object % 10);
		object /= 10;
	} while (object > 0);
	return at;
}

int object_open(int object, int flags)
{
	char room[NAME_SIZE];
	/* The name is a link, and following it is what opens the object. */
	int fd = openat(own_descriptors, name_of(object, room), flags & ~O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int object_chmod(int object, mode_t mode)
{
	char room[NAME_SIZE];

	return fchmodat(own_descriptors, name_of(object, room), mode, 0) ? -errno : 0;
}

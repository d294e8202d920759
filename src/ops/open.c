/* SPDX-License-Identifier: MIT */
/*
 * What opens: for the guest, or to ask a file for its generation.
 *
 * Opening has effects: a FIFO waits for its other end and wakes it, a device runs its driver. So an object is held and
 * its type looked at first, and nothing but a regular file or directory is opened: ops/object.h.
 *
 * Where an object that is held cannot be opened, the name is looked at and then opened. If another object takes the
 * name in between, O_NONBLOCK keeps us from waiting for it and a second look keeps it from the guest; but a FIFO's
 * other end has then been woken, and a device been opened unless the file system is mounted with nodev.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "common/descriptor.h"
#include "ops/object.h"
#include "ops/ops.h"

/* What a guest may ask for; everything else is masked away. */
#define GUEST_FLAGS \
	(O_ACCMODE | O_EXCL | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_NOATIME | O_DIRECTORY | O_NOFOLLOW)

/* How often a name may vanish between two looks at it before we give up. */
#define CREATE_TRIES 16

static int guest_flags(const struct op_call *call)
{
	return ((int)call->request->flags & GUEST_FLAGS) | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
}

static int check_type(const struct stat *stat)
{
	if (S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode))
		return 0;
	return S_ISLNK(stat->st_mode) ? -ELOOP : -ENXIO;
}

/* Status flags belong to the open file, which the guest's QEMU shares: take ours off again. */
static int drop_nonblock(int fd, int flags)
{
	if (flags & O_NONBLOCK)
		return 0;
	return fcntl(fd, F_SETFL, flags) ? -errno : 0;
}

/* The kernel itself opens nothing but directories then. It says ENOTDIR of a link that it does not follow, too. */
static int open_directory(const char *path, int flags)
{
	int fd = open(path, flags);
	struct stat stat;

	if (fd >= 0 || errno != ENOTDIR)
		return fd < 0 ? -errno : fd;
	return !lstat(path, &stat) && S_ISLNK(stat.st_mode) ? -ELOOP : -ENOTDIR;
}

/* Between the look at the object and its opening nothing can take its place. */
static int open_held(const char *path, int flags)
{
	struct stat stat;
	AUTO_CLOSE int object = object_hold(path, &stat);
	int error = object < 0 ? object : check_type(&stat);

	return error ? error : object_open(object, flags);
}

/* For want of the former. */
static int open_looked_at(const char *path, int flags)
{
	AUTO_CLOSE int fd = -1;
	struct stat stat;
	int error = lstat(path, &stat) ? -errno : check_type(&stat);

	if (error)
		return error;
	fd = open(path, flags | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &stat))
		return -errno;
	error = check_type(&stat);
	if (!error)
		error = drop_nonblock(fd, flags);
	return error ? error : descriptor_take(&fd);
}

/* Opens what exists, if it is a regular file or directory. Returns a descriptor or -errno. */
static int open_existing(const char *path, int flags)
{
	if (flags & O_DIRECTORY)
		return open_directory(path, flags);
	return object_can_reopen() ? open_held(path, flags) : open_looked_at(path, flags);
}

int op_open(struct op_call *call)
{
	/* O_EXCL without O_CREAT means something to block devices only, and none is opened. */
	call->fd = open_existing(call->path, guest_flags(call) & ~O_EXCL);
	return call->fd < 0 ? call->fd : 0;
}

/* A directory cannot be created this way, and one that is there is not opened: open(2) with O_CREAT. */
static int open_existing_file(const char *path, int flags)
{
	AUTO_CLOSE int fd = open_existing(path, flags);
	struct stat stat;

	if (fd < 0)
		return fd;
	if (fstat(fd, &stat))
		return -errno;
	return S_ISDIR(stat.st_mode) ? -EISDIR : descriptor_take(&fd);
}

/*
 * A new file is made with O_EXCL: then it is the file that we made, and a plain one, whoever races for its name.
 * Only when something has the name already is that looked at and opened.
 */
int op_create(struct op_call *call)
{
	int flags = guest_flags(call);
	mode_t mode = call->request->mode & 07777U;

	for (int try = 0; try < CREATE_TRIES; try++) {
		call->fd = open(call->path, flags | O_CREAT | O_EXCL, mode);
		if (call->fd >= 0)
			return 0;
		if (errno != EEXIST || flags & O_EXCL)
			return -errno;
		call->fd = open_existing_file(call->path, flags);
		if (call->fd != -ENOENT)
			return call->fd < 0 ? call->fd : 0;
	}
	return -ENOENT;
}

/*
 * A guest asks for generations often, and many a file system has none. That is remembered for a second at most, since
 * another file system may get the device number: then a look at the name does, and nothing is opened.
 */
static _Thread_local struct {
	dev_t device;
	time_t second;
} barren;

static time_t this_second(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

static void note_barren(int fd)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return;
	barren.device = stat.st_dev;
	barren.second = this_second();
}

static bool is_barren(const char *path, struct stat *stat)
{
	return barren.device && barren.second == this_second() && !lstat(path, stat) && stat->st_dev == barren.device;
}

/* FS_IOC_GETVERSION writes 32 bits, although its number says long, ioctl_iflags(2). Not every file system has it. */
static int ask_for_generation(int fd, uint64_t *generation)
{
	uint32_t bits[2] = { 0, 0 };

	if (!ioctl(fd, FS_IOC_GETVERSION, bits)) {
		*generation = bits[0];
		return 0;
	}
	if (errno != ENOTTY && errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS)
		return -errno;
	note_barren(fd);
	return 0;
}

int op_getversion(struct op_call *call)
{
	AUTO_CLOSE int fd = -1;
	struct stat stat;

	if (is_barren(call->path, &stat))
		return check_type(&stat);
	fd = open_existing(call->path, O_RDONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? fd : ask_for_generation(fd, &call->reply.version);
}

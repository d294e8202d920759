/* SPDX-License-Identifier: MIT */
/* What reads and changes attributes that every file has. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <proxyfs/codec.h>

#include "common/descriptor.h"
#include "ops/object.h"
#include "ops/ops.h"

#define PERMISSIONS 07777U /* modes arrive with the type's bits at times */
#define NSEC_MAX    999999999

/* fchmodat2(2), Linux 6.6; the number is the same on every architecture. Debian 12's headers do not have it. */
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

int op_lstat(struct op_call *call)
{
	struct stat stat;

	if (lstat(call->path, &stat))
		return -errno;
	proxyfs_stat_from_native(&stat, &call->reply.stat);
	return 0;
}

/* statfs(2) follows: go through the object itself. */
int op_statfs(struct op_call *call)
{
	struct stat stat;
	AUTO_CLOSE int object = object_hold(call->path, &stat);
	struct statfs statfs;

	if (object < 0)
		return object;
	if (fstatfs(object, &statfs))
		return -errno;
	proxyfs_statfs_from_native(&statfs, &call->reply.statfs);
	return 0;
}

/* -ELOOP for a symbolic link, -errno if there is nothing, otherwise 0 and its attributes. */
static int stat_no_link(const char *path, struct stat *stat)
{
	if (lstat(path, stat))
		return -errno;
	return S_ISLNK(stat->st_mode) ? -ELOOP : 0;
}

static int chmod_held(const char *path, mode_t mode)
{
	struct stat stat;
	AUTO_CLOSE int object = object_hold(path, &stat);

	return object < 0 ? object : object_chmod(object, mode);
}

/*
 * Where an object cannot be held, a link that is put there between the two calls is followed, to something inside the
 * export that the guest could have named itself.
 */
static int chmod_looked_at(const char *path, mode_t mode)
{
	struct stat stat;
	int error = stat_no_link(path, &stat);

	if (error)
		return error;
	return chmod(path, mode) ? -errno : 0;
}

/* Before Linux 6.6 no call changes the mode of a name without following it. */
static int chmod_without_call(const char *path, mode_t mode)
{
	return object_can_reopen() ? chmod_held(path, mode) : chmod_looked_at(path, mode);
}

/* Whoever races for the name: what has been opened as a directory stays one. */
static int chmod_directory(const char *path, mode_t mode)
{
	AUTO_CLOSE int directory = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat stat;
	int error;

	if (directory >= 0)
		return fchmod(directory, mode) ? -errno : 0;
	if (errno != ENOTDIR)
		return -errno;
	error = stat_no_link(path, &stat);
	return error ? error : -EPERM;
}

int op_chmod(struct op_call *call)
{
	mode_t mode = call->request->mode & PERMISSIONS;
	struct stat stat;

	if (call->directories_only)
		return chmod_directory(call->path, mode);
	if (!syscall(SYS_fchmodat2, AT_FDCWD, call->path, mode, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (errno == ENOSYS)
		return chmod_without_call(call->path, mode);
	/* What it says of a symbolic link, whose mode cannot be changed. */
	if (errno == EOPNOTSUPP)
		return stat_no_link(call->path, &stat) == -ELOOP ? -ELOOP : -EOPNOTSUPP;
	return -errno;
}

int op_chown(struct op_call *call)
{
	return lchown(call->path, call->request->uid, call->request->gid) ? -errno : 0;
}

/* What truncate(2) says of an object that has no length. */
static int check_has_length(const struct stat *stat)
{
	if (S_ISREG(stat->st_mode))
		return 0;
	return S_ISDIR(stat->st_mode) ? -EISDIR : -EINVAL;
}

static int truncate_held(const char *path, int64_t length)
{
	struct stat stat;
	AUTO_CLOSE int object = object_hold(path, &stat);
	AUTO_CLOSE int fd = -1;
	int error = object < 0 ? object : check_has_length(&stat);

	if (error)
		return error;
	fd = object_open(object, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return fd;
	return ftruncate(fd, length) ? -errno : 0;
}

/* truncate(2) opens neither FIFO nor device. The same remark as for chmod_looked_at() holds. */
static int truncate_looked_at(const char *path, int64_t length)
{
	struct stat stat;
	int error = stat_no_link(path, &stat);

	if (error)
		return error;
	return truncate(path, length) ? -errno : 0;
}

int op_truncate(struct op_call *call)
{
	int64_t length = call->request->length;

	if (length < 0)
		return -EINVAL;
	return object_can_reopen() ? truncate_held(call->path, length) : truncate_looked_at(call->path, length);
}

/* UTIME_NOW is what a guest's plain touch(1) sends; the seconds that come with it or UTIME_OMIT mean nothing. */
static bool valid_nsec(int64_t nsec)
{
	return (nsec >= 0 && nsec <= NSEC_MAX) || nsec == UTIME_NOW || nsec == UTIME_OMIT;
}

int op_utime(struct op_call *call)
{
	const struct proxyfs_request *request = call->request;
	struct timespec times[2];

	if (!valid_nsec(request->atime_nsec) || !valid_nsec(request->mtime_nsec))
		return -EINVAL;
	times[0] = (struct timespec){ .tv_sec = request->atime_sec, .tv_nsec = (long)request->atime_nsec };
	if (call->keep_atime)
		times[0].tv_nsec = UTIME_OMIT;
	times[1] = (struct timespec){ .tv_sec = request->mtime_sec, .tv_nsec = (long)request->mtime_nsec };
	return utimensat(AT_FDCWD, call->path, times, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
}

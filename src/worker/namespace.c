/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: a chroot hides what lies outside from who looks up names inside, but a directory descriptor
 * that a client was passed leads anybody up to the host's root. In a mount namespace there is nothing above. So the
 * worker enters a copy of the host's, and clones the export's mounts in it, with stricter flags. Then an empty file
 * system changes places with everything else, which is unmounted, and the clone comes on top of that. From its root
 * ".." leads to itself: what it covers is the root of all there is, and has nothing above.
 *
 * It is not the clone itself that changes places: pivot_root(2) needs the lock of its top directory, which somebody
 * holds for as long as a look at a name in there does not return. Then of all times another worker may be needed.
 *
 * It is the copy of the directory in the new namespace that is cloned: the working directory goes along into a new
 * mount namespace, a descriptor does not.
 */
#include "worker/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

/* mount_setattr(2), open_tree(2), move_mount(2), and fsopen(2) with its like: as system calls, because older C libraries have no wrappers. */
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

struct attributes {
	uint64_t set, clear, propagation, userns_fd;
};

/* Of <linux/mount.h>, which cannot be included beside every <sys/mount.h>. */
enum {
	SET_READONLY = 0x1,
	SET_NOSUID = 0x2,
	SET_NODEV = 0x4,
	SET_NOEXEC = 0x8,
	SET_IDMAP = 0x100000,
	TREE_CLONE = 1,
	TREE_CLOEXEC = O_CLOEXEC,
	MOVE_FROM_EMPTY_PATH = 0x4,
	WITH_MOUNTS_BELOW = 0x8000, /* AT_RECURSIVE */
	FS_CLOEXEC = 1,
	FS_CREATE = 6, /* FSCONFIG_CMD_CREATE */
};

/* --- PID --- */

/* Only a process that can come back may leave: its next child would have no namespace to be in. */
static bool leave_pid_namespace(int own)
{
	return own >= 0 && !setns(own, CLONE_NEWPID) && !unshare(CLONE_NEWPID);
}

pid_t namespace_fork(void)
{
	AUTO_CLOSE int own = pidfd_open(getpid(), 0);
	bool apart = leave_pid_namespace(own);
	pid_t pid = fork();
	int error = errno;

	if (pid != 0 && apart)
		setns(own, CLONE_NEWPID);
	errno = error;
	return pid;
}

/* --- ids --- */

#define PID_SIZE 16

/* A process's file in /proc, by its name there. Returns its descriptor or -errno. */
static int open_proc(const char *pid, const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_map(const char *pid, const char *name, const struct idmap_ranges *ranges)
{
	AUTO_CLOSE int fd = open_proc(pid, name, O_WRONLY);
	char text[IDMAP_TEXT_SIZE];

	if (fd < 0)
		return fd;
	idmap_print(ranges, text);
	return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -errno;
}

/*
 * Waits until it is killed, as the one process in its user namespace. Who asked for it may be in a PID namespace in
 * which it has another number than in /proc: so it tells that.
 */
static _Noreturn void hold_namespace(int ready)
{
	char pid[PID_SIZE];
	ssize_t size = readlink("/proc/self", pid, sizeof pid);

	if (size < 0 || unshare(CLONE_NEWUSER) || write(ready, pid, (size_t)size) < 0)
		_exit(errno);
	for (;;)
		pause();
}

static int open_mapped(const char *holder, const struct idmap *map, const char **step)
{
	int error = write_map(holder, "uid_map", &map->uids);

	if (!error)
		error = write_map(holder, "gid_map", &map->gids);
	*step = "write the map of ids";
	return error ? error : open_proc(holder, "ns/user", O_RDONLY);
}

int namespace_make_idmap(const struct idmap *map, const char **step)
{
	int ready[2], status, result = -EPERM;
	char name[PID_SIZE] = "";
	pid_t holder;

	*step = "make a user namespace";
	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	holder = fork();
	if (holder == 0)
		hold_namespace(ready[1]);
	close(ready[1]);
	if (holder < 0)
		result = -errno;
	else if (read(ready[0], name, sizeof name - 1) > 0)
		result = open_mapped(name, map, step);
	close(ready[0]);
	if (holder > 0) {
		kill(holder, SIGKILL);
		/* If it could not make one, it has said why. */
		if (waitpid(holder, &status, 0) == holder && WIFEXITED(status) && WEXITSTATUS(status))
			result = -WEXITSTATUS(status);
	}
	return result;
}

/* --- mounts --- */

static int step_failed(const char **step, const char *what)
{
	*step = what;
	return -errno;
}

/* The mounts that will be all there is, not attached anywhere yet. */
static int clone_export(int idmap_fd, const char **step)
{
	struct attributes attributes = {
		.set = SET_NODEV | SET_NOSUID | SET_NOEXEC,
		.propagation = MS_SLAVE,
	};
	AUTO_CLOSE int tree = (int)syscall(SYS_open_tree, AT_FDCWD, ".", TREE_CLONE | TREE_CLOEXEC | WITH_MOUNTS_BELOW);

	if (tree < 0)
		return step_failed(step, "clone the export's mounts");
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | WITH_MOUNTS_BELOW, &attributes, sizeof attributes))
		return step_failed(step, "mount the export nodev, nosuid, noexec");
	if (idmap_fd < 0)
		return descriptor_take(&tree);

	attributes =
		(struct attributes){ .set = SET_IDMAP, .propagation = MS_PRIVATE, .userns_fd = (uint64_t)idmap_fd };
	if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | WITH_MOUNTS_BELOW, &attributes, sizeof attributes))
		return step_failed(step, "map the ids of the export's file systems (not every one can)");
	return descriptor_take(&tree);
}

/* Whether mounts made later below `directory` will appear in a copy: mount_namespaces(7). True if that is unknown. */
static bool is_shared(int directory)
{
	char line[4096], wanted[32];
	bool shared = true;
	struct statx status;
	FILE *mounts;

	if (statx(directory, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) || !(status.stx_mask & STATX_MNT_ID))
		return true;
	mounts = fopen("/proc/self/mountinfo", "re");
	if (!mounts)
		return true;
	snprintf(wanted, sizeof wanted, "%llu ", (unsigned long long)status.stx_mnt_id);
	while (fgets(line, sizeof line, mounts))
		if (!strncmp(line, wanted, strlen(wanted)))
			shared = strstr(line, " shared:") || strstr(line, " master:");
	fclose(mounts);
	return shared;
}

/* A file system with nothing in it, attached nowhere. Returns its descriptor or -errno. */
static int make_empty(void)
{
	AUTO_CLOSE int maker = (int)syscall(SYS_fsopen, "tmpfs", FS_CLOEXEC);
	int made;

	if (maker < 0 || syscall(SYS_fsconfig, maker, FS_CREATE, NULL, NULL, 0))
		return -errno;
	made = (int)syscall(SYS_fsmount, maker, FS_CLOEXEC, SET_READONLY | SET_NODEV | SET_NOSUID | SET_NOEXEC);
	return made < 0 ? -errno : made;
}

/* Puts mounts on top of our root. */
static int cover_root(int tree)
{
	return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, "/", MOVE_FROM_EMPTY_PATH);
}

static bool is_root(int directory)
{
	struct stat root, here;

	return !stat("/", &root) && !fstat(directory, &here) && root.st_dev == here.st_dev && root.st_ino == here.st_ino;
}

/*
 * What the root was lies on top of the new one after the call, and goes. Whether it has cannot be seen any more once the
 * export covers it: so that is looked at here.
 */
static int leave_all(int empty, const char **step)
{
	if (empty < 0 || cover_root(empty))
		return step_failed(step, "make an empty file system");
	if (fchdir(empty) || syscall(SYS_pivot_root, ".", "."))
		return step_failed(step, "pivot_root");
	if (umount2(".", MNT_DETACH))
		return step_failed(step, "unmount everything else");
	if (is_root(empty))
		return 0;
	errno = ENOTRECOVERABLE;
	return step_failed(step, "part from the host's root");
}

static int change_root(int tree, const char **step)
{
	AUTO_CLOSE int empty = make_empty();
	int error = leave_all(empty, step);

	if (error)
		return error;
	if (cover_root(tree))
		return step_failed(step, "attach the export's mounts");
	if (fchdir(tree) || chroot(".") || chdir("/"))
		return step_failed(step, "go to the new root (chroot)");
	return 0;
}

int namespace_enter(int export_fd, int idmap_fd, const char **step)
{
	AUTO_CLOSE int tree = -1;

	if (!is_shared(export_fd) && idmap_fd < 0)
		log_info("the export's file system is mounted private: what the host mounts below it from now on will not "
		         "appear until the helper is started again (mount --make-shared, or --sandbox=chroot)");
	if (fchdir(export_fd))
		return step_failed(step, "enter the export");
	if (unshare(CLONE_NEWNS))
		return step_failed(step, "make a mount namespace");
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL))
		return step_failed(step, "part from the host's mounts");
	tree = clone_export(idmap_fd, step);
	if (tree < 0)
		return tree;
	/*
	 * For good measure: nothing in the worker makes a network socket or a queue. Where that may not be had, as in the unit
	 * of contrib/systemd, there is nothing that anybody should do.
	 */
	if (unshare(CLONE_NEWNET))
		log_write(LOG_DEBUG, "the worker has no network namespace of its own: %s", strerror(errno));
	if (unshare(CLONE_NEWIPC))
		log_write(LOG_DEBUG, "the worker has no IPC namespace of its own: %s", strerror(errno));
	return change_root(tree, step);
}

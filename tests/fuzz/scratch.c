/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: root, mounts and capabilities belong to a thread once it has said so (CLONE_NEWNS, CLONE_FS), so
 * that nothing is left to tidy away and nothing that was there before can be reached. The file system is bounded, and
 * its devices are dead (nodev). Above the root lies a canary that must stay as it is.
 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fuzz.h"
#include "ops/object.h"
#include "worker/credentials.h"

/* Any directory will do: it is covered for this thread only. */
#define PLACE   "/tmp"
#define LIMITS  "size=64m,nr_inodes=4096,mode=0755"
#define OUTSIDE 3

static sem_t wanted, done;
static void (*job)(void);

/* The canary: its names from `above` on, and what they were. */
static const char *const outside_names[OUTSIDE] = { ".", "canary", "canary/secret" };
static struct stat outside[OUTSIDE];
static int above;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "the scratch directory: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void must(bool good, const char *what)
{
	if (!good)
		die(what);
}

/* --- making it --- */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

void scratch_prepare(void)
{
	char map[64];

	if (geteuid() == 0)
		return;
	snprintf(map, sizeof map, "0 %u 1", (unsigned)geteuid());
	must(!unshare(CLONE_NEWUSER), "needs root, or a user namespace");
	write_text("/proc/self/uid_map", map);
	write_text("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", (unsigned)getegid());
	write_text("/proc/self/gid_map", map);
}

static void make_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), path);
	close(fd);
}

static void mount_place(void)
{
	must(!unshare(CLONE_NEWNS | CLONE_FS), "a mount namespace");
	must(!mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), "a private mount namespace");
	must(!mount("tmpfs", PLACE, "tmpfs", MS_NODEV | MS_NOSUID | MS_NOEXEC, LIMITS), "a tmpfs");
	umask(0);
	must(!chdir(PLACE) && !mkdir("export", 0755) && !mkdir("canary", 0755), "its directories");
	make_file("canary/secret", "nobody reads this");
}

static void remember_outside(void)
{
	above = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	must(above >= 0, "its top");
	for (int i = 0; i < OUTSIDE; i++)
		must(!fstatat(above, outside_names[i], &outside[i], AT_SYMLINK_NOFOLLOW), outside_names[i]);
}

static void keep_capabilities(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const uint32_t low = (uint32_t)credentials_capabilities, high = (uint32_t)(credentials_capabilities >> 32);
	const struct __user_cap_data_struct data[2] = { { low, low, 0 }, { high, high, 0 } };

	must(!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
	must(!syscall(SYS_capset, &header, data), "its capabilities");
}

static void make_place(void)
{
	/* Of this thread alone. A user namespace that forbids it is one whose groups say nothing outside. */
	must(!syscall(SYS_setgroups, 0, NULL) || errno == EPERM, "its groups");
	mount_place();
	remember_outside();
	object_prepare(); /* without it there is another way */
	must(!chroot("export") && !chdir("/"), "its root");
	keep_capabilities();
}

static void *inside(void *unused)
{
	(void)unused;
	make_place();
	for (;;) {
		sem_post(&done);
		while (sem_wait(&wanted))
			;
		job();
	}
	return NULL;
}

static void wait_until_done(void)
{
	while (sem_wait(&done))
		;
}

void scratch_run(void (*body)(void))
{
	static pthread_t thread;

	if (!thread) {
		must(!sem_init(&wanted, 0, 0) && !sem_init(&done, 0, 0), "semaphores");
		must(!pthread_create(&thread, NULL, inside, NULL), "a thread");
		wait_until_done();
	}
	job = body;
	sem_post(&wanted);
	wait_until_done();
}

/* --- the tree --- */

static void empty(int parent, const char *name);

static void remove_name(int directory, const char *name)
{
	if (!unlinkat(directory, name, 0))
		return;
	must(errno == EISDIR || errno == EPERM, "removing a name");
	empty(directory, name);
	must(!unlinkat(directory, name, AT_REMOVEDIR), "removing a directory");
}

static void empty(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	must(directory, "a directory to empty");
	while ((entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			remove_name(fd, entry->d_name);
	closedir(directory);
}

static void strip_root(void)
{
	char names[4096];
	ssize_t size = llistxattr("/", names, sizeof names);

	must(!lchown("/", 0, 0) && !chmod("/", 0755), "the root's owner");
	for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1)
		lremovexattr("/", names + at);
}

/* The paths of the golden requests are among these. */
static void make_tree(void)
{
	must(!mkdir("dir", 0755) && !mkdir("dir/sub", 0700), "dir");
	make_file("file", "content");
	make_file("dir/file", "content");
	make_file("owned", "");
	must(!symlink("file", "link") && !symlink("/../canary/secret", "way-out") && !symlink("..", "dir/up"), "links");
	must(!mknod("fifo", S_IFIFO | 0644, 0), "fifo");
	/* Not in a user namespace; and here it is dead. */
	must(!mknod("device", S_IFCHR | 0666, makedev(1, 3)) || errno == EPERM, "device");
	must(!lchown("owned", 1000, 1000) || errno == EINVAL, "owned");
	/* Some kernels' tmpfs has no user attributes. */
	must(!setxattr("dir/file", "user.comment", "value", 5, 0) || errno == EOPNOTSUPP, "an attribute");
}

void scratch_reset(void)
{
	empty(AT_FDCWD, "/");
	strip_root();
	make_tree();
}

/* All but the time of the last access, which nobody wants to keep. */
static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_nlink == b->st_nlink &&
	       a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool scratch_outside_is_unchanged(void)
{
	for (int i = 0; i < OUTSIDE; i++) {
		struct stat now;

		if (fstatat(above, outside_names[i], &now, AT_SYMLINK_NOFOLLOW) || !same(&now, &outside[i]))
			return false;
	}
	return true;
}

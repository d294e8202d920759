/* SPDX-License-Identifier: MIT */
#include "monitor/name.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/rights.h"

#define SOCKET_MODE 0660
#define BACKLOG     128 /* connections that wait for accept(2): all guests of a host may start at once */
#define STAGED      "socket"

/* For half a second in all. */
#define LOCK_TRIES    50
#define LOCK_PAUSE_US 10000

static int failed(const struct socket_name *name, const char *what)
{
	int error = errno;

	log_error("socket %s: %s: %s", name->path, what, strerror(error));
	return -error;
}

/* --- the directory ------------------------------------------------------------------------------------------- */

static int split(struct socket_name *name, char *directory, size_t size)
{
	const char *slash = strrchr(name->path, '/');
	const char *base = slash ? slash + 1 : name->path;
	int length = slash ? (int)(slash - name->path) : 0;

	if (base[0] == '\0' || !strcmp(base, ".") || !strcmp(base, "..")) {
		log_error("socket %s: this is the name of a directory; give the name of a socket in it", name->path);
		return -EINVAL;
	}
	snprintf(name->base, sizeof name->base, "%s", base);
	if (slash == name->path)
		snprintf(directory, size, "/");
	else
		snprintf(directory, size, "%.*s", slash ? length : 1, slash ? name->path : ".");
	return 0;
}

/* QEMU removes the name when it may; whoever else may can put another socket in its place. */
static void warn_if_writable(const struct socket_name *name)
{
	struct stat stat;
	bool by_owner, by_group;

	if (fstat(name->directory, &stat))
		return;
	by_owner = stat.st_uid != 0 && stat.st_mode & S_IWUSR;
	by_group = stat.st_gid != 0 && stat.st_mode & S_IWGRP;
	if (by_owner || by_group || stat.st_mode & S_IWOTH)
		log_warning("socket %s: users other than root can write to its directory: they can remove the socket, as QEMU "
		            "does when it has connected, or put another in its place. Use a directory of root's, mode 0755",
		            name->path);
}

int socket_name_open(struct socket_name *name, const char *path, uid_t uid, gid_t gid)
{
	char directory[sizeof((struct sockaddr_un *)NULL)->sun_path];
	int error;

	*name = (struct socket_name){ .path = path, .directory = -1, .staging_fd = -1, .uid = uid, .gid = gid,
		                       .mode = SOCKET_MODE };
	error = split(name, directory, sizeof directory);
	if (error)
		return error;
	name->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (name->directory < 0)
		return failed(name, "open its directory");
	warn_if_writable(name);
	return 0;
}

/* --- making a socket ----------------------------------------------------------------------------------------- */

/* In a directory that others may write to, somebody could have put another in its place. */
static int check_staging(struct socket_name *name)
{
	struct stat stat;

	if (fstat(name->staging_fd, &stat))
		return failed(name, "look at the directory beside it");
	if (stat.st_uid == geteuid() && !(stat.st_mode & (S_IRWXG | S_IRWXO)))
		return 0;
	log_error("socket %s: somebody interferes with its directory; use one that only root can write to", name->path);
	descriptor_close(&name->staging_fd); /* nothing in there is ours to remove */
	return -EPERM;
}

static int make_staging(struct socket_name *name)
{
	uint64_t random;

	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return failed(name, "getrandom");
	snprintf(name->staging, sizeof name->staging, ".%.200s.%016" PRIx64, name->base, random);
	if (mkdirat(name->directory, name->staging, 0700)) {
		name->staging[0] = '\0';
		return failed(name, "create a directory beside it");
	}
	name->staging_fd = openat(name->directory, name->staging, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return name->staging_fd < 0 ? failed(name, "open the directory beside it") : check_staging(name);
}

/* bind(2) and connect(2) know names only from the working directory, which is of no other use to the monitor. */
static int at_directory(int directory, int (*call)(int, const struct sockaddr *, socklen_t), int socket,
                        const char *base)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int result;

	memcpy(address.sun_path, base, strnlen(base, sizeof address.sun_path - 1));
	if (fchdir(directory))
		return -1;
	result = call(socket, (const struct sockaddr *)&address, sizeof address);
	if (chdir("/"))
		log_warning("cannot return to the root directory: %s", strerror(errno));
	return result;
}

int socket_name_bind(struct socket_name *name, int *listener)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat stat;
	int error;

	if (fd < 0)
		return failed(name, "socket");
	rights_forbid(fd);
	error = make_staging(name);
	if (error)
		return error;
	if (at_directory(name->staging_fd, bind, fd, STAGED))
		return failed(name, "bind");
	if (fchownat(name->staging_fd, STAGED, name->uid, name->gid, AT_SYMLINK_NOFOLLOW))
		return failed(name, "give it to its owner");
	if (fchmodat(name->staging_fd, STAGED, name->mode, 0))
		return failed(name, "set its mode");
	if (listen(fd, BACKLOG))
		return failed(name, "listen");
	if (fstatat(name->staging_fd, STAGED, &stat, AT_SYMLINK_NOFOLLOW))
		return failed(name, "stat");

	name->dev = stat.st_dev;
	name->ino = stat.st_ino;
	*listener = descriptor_take(&fd);
	return 0;
}

void socket_name_discard(struct socket_name *name)
{
	if (name->staging_fd >= 0)
		unlinkat(name->staging_fd, STAGED, 0);
	descriptor_close(&name->staging_fd);
	if (name->staging[0])
		unlinkat(name->directory, name->staging, AT_REMOVEDIR);
	name->staging[0] = '\0';
}

/* --- giving it its name -------------------------------------------------------------------------------------- */

/* Whether it is a socket that nobody listens on: connecting to it is refused, unix(7). */
static bool is_stale(int directory, const char *base)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat stat;

	return fd >= 0 && !fstatat(directory, base, &stat, AT_SYMLINK_NOFOLLOW) && S_ISSOCK(stat.st_mode) &&
	       at_directory(directory, connect, fd, base) && errno == ECONNREFUSED;
}

static int exchange(const struct socket_name *name)
{
	return renameat2(name->staging_fd, STAGED, name->directory, name->base, RENAME_EXCHANGE) ? -errno : 0;
}

/* Helpers that start at once agree on one of them. Whoever else holds this lock does not keep us for ever. */
static void lock_directory(const struct socket_name *name)
{
	for (int tries = 0; tries < LOCK_TRIES && flock(name->directory, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK; tries++)
		usleep(LOCK_PAUSE_US);
}

/* Replaces a left-over socket; if what comes out is none, because somebody was faster, takes ours back. */
static int replace(struct socket_name *name)
{
	int error = exchange(name);

	if (error) {
		errno = -error;
		return failed(name, "replace the left-over socket");
	}
	if (is_stale(name->staging_fd, STAGED))
		return 0;
	exchange(name);
	log_error("socket %s: another process has just taken this name", name->path);
	return -EADDRINUSE;
}

/* Something has the name. */
static int publish_over(struct socket_name *name)
{
	struct stat old;

	if (fstatat(name->directory, name->base, &old, AT_SYMLINK_NOFOLLOW))
		return failed(name, "look at what has this name");
	if (!S_ISSOCK(old.st_mode)) {
		log_error("socket %s: something that is no socket has this name; remove it or choose another name", name->path);
		return -EEXIST;
	}
	if (!is_stale(name->directory, name->base)) {
		log_error("socket %s: another process serves it; stop that one or choose another name", name->path);
		return -EADDRINUSE;
	}
	return replace(name);
}

int socket_name_publish(struct socket_name *name)
{
	int error = 0;

	lock_directory(name);
	if (renameat2(name->staging_fd, STAGED, name->directory, name->base, RENAME_NOREPLACE))
		error = errno == EEXIST ? publish_over(name) : failed(name, "give it its name");
	flock(name->directory, LOCK_UN);
	socket_name_discard(name);
	return error;
}

/* --- keeping and removing it --------------------------------------------------------------------------------- */

enum name_state socket_name_look(const struct socket_name *name)
{
	struct stat stat;

	if (fstatat(name->directory, name->base, &stat, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? NAME_GONE : NAME_FOREIGN;
	return stat.st_dev == name->dev && stat.st_ino == name->ino ? NAME_OURS : NAME_FOREIGN;
}

int socket_name_watch(const struct socket_name *name)
{
	AUTO_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int watch;

	if (fd < 0 || fchdir(name->directory))
		return failed(name, "watch its directory");
	watch = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE | IN_MOVE | IN_ONLYDIR);
	if (watch < 0)
		return failed(name, "watch its directory");
	if (chdir("/"))
		return failed(name, "return to the root directory");
	return descriptor_take(&fd);
}

void socket_name_close(struct socket_name *name)
{
	if (name->directory < 0)
		return;
	socket_name_discard(name);
	if (socket_name_look(name) == NAME_OURS)
		unlinkat(name->directory, name->base, 0);
	descriptor_close(&name->directory);
}

/* SPDX-License-Identifier: MIT */
/*
 * The socket's name in the file system: made, kept, and removed.
 *
 * Theory of operation: a socket is bound and given its owner and mode inside a new directory that only we can enter,
 * beside its final place, and is then renamed there. Nobody sees it with other rights, and nobody can slip something
 * else under the name that we change the owner of. The rename never overwrites what we have not looked at: it is
 * one that fails where something stands, or one that exchanges, and what comes out is looked at once more. Helpers
 * that want the same name lock the directory, flock(2), meanwhile.
 *
 * QEMU unlinks the name after it has connected, and succeeds when it runs as root. A name without a socket cannot
 * be given back to a listening socket, so that a new one is made.
 */
#ifndef MONITOR_NAME_H
#define MONITOR_NAME_H

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct socket_name {
	const char *path;        /* as it was given, for messages */
	char base[NAME_MAX + 1]; /* its last component */
	int directory;           /* where it is */
	uid_t uid;               /* of the socket, (uid_t)-1: ours */
	gid_t gid;
	mode_t mode;             /* 0660; to be changed, if at all, before it is bound */
	char staging[NAME_MAX + 1]; /* the private directory, "" when there is none */
	int staging_fd;
	dev_t dev; /* of the socket that we have made */
	ino_t ino;
};

/*
 * Opens the directory of `path`. Logs a warning if users of the socket could remove it there. All functions below
 * log what goes wrong and return -errno then.
 */
int socket_name_open(struct socket_name *name, const char *path, uid_t uid, gid_t gid);

/* Makes a listening socket (close-on-exec, non-blocking) that has no name yet. */
int socket_name_bind(struct socket_name *name, int *listener);

/*
 * Gives the socket that was bound last its name. A socket that nobody listens on is replaced.
 * -EADDRINUSE: somebody listens on it. -EEXIST: what stands there is no socket.
 */
int socket_name_publish(struct socket_name *name);

/* Throws away what was bound and not published. */
void socket_name_discard(struct socket_name *name);

enum name_state {
	NAME_OURS,   /* in place */
	NAME_GONE,   /* nothing has the name */
	NAME_FOREIGN /* something else has it */
};

enum name_state socket_name_look(const struct socket_name *name);

/* An inotify(7) descriptor (close-on-exec, non-blocking) that reports changes of names in the directory. */
int socket_name_watch(const struct socket_name *name);

/* Removes the name if it is ours, and closes the directory. */
void socket_name_close(struct socket_name *name);

#endif

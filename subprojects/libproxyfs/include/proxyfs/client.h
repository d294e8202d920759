/* SPDX-License-Identifier: MIT */
/*
 * A small blocking client: one connection, one request at a time, one function an operation, which takes what the
 * system call of the same name takes. Not for use by two threads at once.
 *
 * Every call returns 0 (or what is said beside it) on success and a negative errno otherwise. An errno may come
 * from the helper, and the client goes on; or from the transport, and then proxyfs_client_error() says so and every
 * later call returns the same. -EINVAL and -ENOBUFS may also mean that a request cannot be encoded (codec.h): then
 * nothing was sent.
 *
 * Paths begin with '/' and are relative to the export's root.
 */
#ifndef PROXYFS_CLIENT_H
#define PROXYFS_CLIENT_H

#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/types.h>
#include <time.h>

#include "protocol.h"

/* On 32-bit hosts: -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64, as the pkg-config file says. */
_Static_assert(sizeof(off_t) == 8 && sizeof(time_t) == 8, "the protocol's offsets and times have 64 bits");

struct proxyfs_client;

/* Connects to a helper's named socket. -ENAMETOOLONG: longer than a socket's name can be, 107 bytes (unix(7)). */
int proxyfs_client_connect(const char *socket_path, struct proxyfs_client **client);

/* Takes over a connected socket, which is closed with the client. */
int proxyfs_client_adopt(int fd, struct proxyfs_client **client);

/* Closes the connection. NULL is allowed. Descriptors that calls have returned stay open. */
void proxyfs_client_close(struct proxyfs_client *client);

/* The descriptor of the connection, which stays the client's. */
int proxyfs_client_fd(const struct proxyfs_client *client);

/* 0 while the transport works, otherwise the negative errno that ended it; -EPROTO: a reply made no sense. */
int proxyfs_client_error(const struct proxyfs_client *client);

/*
 * Any request: sends it and decodes the reply. Returns the transport's error, or 0: reply->status then holds the
 * helper's. reply->bytes is valid until the next call. For OPEN and CREATE, a descriptor is stored in *fd
 * (close-on-exec, the caller's to close), otherwise -1; fd may be NULL for the others.
 */
int proxyfs_call(struct proxyfs_client *client, const struct proxyfs_request *request, struct proxyfs_reply *reply,
                 int *fd);

/* Return a descriptor, close-on-exec. O_CREAT is added to the flags of proxyfs_create(), whose file is uid:gid's. */
int proxyfs_open(struct proxyfs_client *client, const char *path, int flags);
int proxyfs_create(struct proxyfs_client *client, const char *path, int flags, mode_t mode, uid_t uid, gid_t gid);

/* What they make belongs to uid:gid. */
int proxyfs_mknod(struct proxyfs_client *client, const char *path, mode_t mode, dev_t rdev, uid_t uid, gid_t gid);
int proxyfs_mkdir(struct proxyfs_client *client, const char *path, mode_t mode, uid_t uid, gid_t gid);
int proxyfs_symlink(struct proxyfs_client *client, const char *target, const char *path, uid_t uid, gid_t gid);

int proxyfs_link(struct proxyfs_client *client, const char *old_path, const char *new_path);
int proxyfs_rename(struct proxyfs_client *client, const char *old_path, const char *new_path);
int proxyfs_remove(struct proxyfs_client *client, const char *path);
int proxyfs_lstat(struct proxyfs_client *client, const char *path, struct stat *stat);
int proxyfs_statfs(struct proxyfs_client *client, const char *path, struct statfs *statfs);
int proxyfs_chmod(struct proxyfs_client *client, const char *path, mode_t mode);
int proxyfs_chown(struct proxyfs_client *client, const char *path, uid_t uid, gid_t gid);
int proxyfs_truncate(struct proxyfs_client *client, const char *path, off_t length);
int proxyfs_utime(struct proxyfs_client *client, const char *path, const struct timespec times[2]);
int proxyfs_getversion(struct proxyfs_client *client, const char *path, uint64_t *version);

/*
 * Return the length in bytes of what was stored at `buffer`, at most `size`. With size 0, the xattr calls return the
 * length that there is. A link's target gets a terminating NUL, which must fit but is not counted.
 */
ssize_t proxyfs_readlink(struct proxyfs_client *client, const char *path, char *buffer, size_t size);
ssize_t proxyfs_lgetxattr(struct proxyfs_client *client, const char *path, const char *name, void *buffer,
                          size_t size);
ssize_t proxyfs_llistxattr(struct proxyfs_client *client, const char *path, char *buffer, size_t size);

int proxyfs_lsetxattr(struct proxyfs_client *client, const char *path, const char *name, const void *value,
                      size_t size, int flags);
int proxyfs_lremovexattr(struct proxyfs_client *client, const char *path, const char *name);

#endif

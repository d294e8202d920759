/* SPDX-License-Identifier: MIT */
/*
 * The virtfs proxy protocol: what travels between QEMU's 9p "proxy" file system driver (QEMU 1.1 to 9.1) and its
 * privileged helper over one connected AF_UNIX SOCK_STREAM socket. This header holds the vocabulary; codec.h turns
 * it into bytes and back.
 *
 * Integers travel in the host's byte order, without padding. A message is a header (u32 type, u32 payload size)
 * and at most 65536 bytes of payload.
 */
#ifndef PROXYFS_PROTOCOL_H
#define PROXYFS_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXYFS_HEADER_SIZE 8U      /* bytes */
#define PROXYFS_PAYLOAD_MAX 65536U  /* bytes */
#define PROXYFS_MESSAGE_MAX (PROXYFS_HEADER_SIZE + PROXYFS_PAYLOAD_MAX)
#define PROXYFS_STRING_MAX  65535U  /* bytes: a string's length is a u16 */
#define PROXYFS_VALUE_MAX   65534U  /* bytes: the longest string that fits into a payload with its length */
#define PROXYFS_STAT_SIZE   116U    /* bytes of an LSTAT success payload */
#define PROXYFS_STATFS_SIZE 88U     /* bytes of a STATFS success payload */

/* In place of -errno in an fd reply: success, one descriptor comes with it. */
#define PROXYFS_FD_FOLLOWS 0x7fffffff

/* The types of requests. 0 and 1 are the types of replies. */
enum proxyfs_op {
	PROXYFS_OPEN = 2,
	PROXYFS_CREATE,
	PROXYFS_MKNOD,
	PROXYFS_MKDIR,
	PROXYFS_SYMLINK,
	PROXYFS_LINK,
	PROXYFS_LSTAT,
	PROXYFS_READLINK,
	PROXYFS_STATFS,
	PROXYFS_CHMOD,
	PROXYFS_CHOWN,
	PROXYFS_TRUNCATE,
	PROXYFS_UTIME,
	PROXYFS_RENAME,
	PROXYFS_REMOVE,
	PROXYFS_LGETXATTR,
	PROXYFS_LLISTXATTR,
	PROXYFS_LSETXATTR,
	PROXYFS_LREMOVEXATTR,
	PROXYFS_GETVERSION,
	PROXYFS_OP_END, /* one past the last */
};

/* The three shapes of a reply; each operation always answers in the same one. */
enum proxyfs_form {
	PROXYFS_FORM_STATUS, /* u32 0 or 1, u32 4, s32 status: 12 bytes */
	PROXYFS_FORM_DATA,   /* success: u32 0, u32 size, payload; error: u32 1, u32 4, s32 -errno */
	PROXYFS_FORM_FD,     /* no header: s32 PROXYFS_FD_FOLLOWS with a descriptor as SCM_RIGHTS, or s32 -errno */
};

struct proxyfs_header {
	uint32_t type;
	uint32_t size; /* of the payload, bytes */
};

/* Bytes that lie in somebody else's buffer, not terminated. */
struct proxyfs_bytes {
	const char *data;
	size_t size;
};

/*
 * A request of any type: each operation uses the members that its row in operations.c names and leaves the others
 * zero. Paths, targets and names never hold a NUL byte; a value may hold anything.
 */
struct proxyfs_request {
	enum proxyfs_op op;
	struct proxyfs_bytes path;     /* the object; LINK and RENAME: the old name */
	struct proxyfs_bytes new_path; /* LINK, RENAME */
	struct proxyfs_bytes target;   /* SYMLINK: what the link holds */
	struct proxyfs_bytes name;     /* of an extended attribute */
	struct proxyfs_bytes value;    /* of an extended attribute */
	uint32_t flags;                /* OPEN, CREATE: of open(2); LSETXATTR: of setxattr(2) */
	uint32_t mode;
	uint32_t uid;                  /* (uint32_t)-1 in CHOWN keeps the owner */
	uint32_t gid;
	int32_t size;                  /* READLINK, xattrs: what the client has room for, bytes */
	uint64_t rdev;
	int64_t length;                /* TRUNCATE: bytes */
	int64_t atime_sec, atime_nsec;
	int64_t mtime_sec, mtime_nsec;
};

struct proxyfs_stat {
	uint64_t dev, ino, nlink;
	uint32_t mode, uid, gid;
	uint64_t rdev, size, blksize, blocks;
	int64_t atime_sec, atime_nsec;
	int64_t mtime_sec, mtime_nsec;
	int64_t ctime_sec, ctime_nsec;
};

struct proxyfs_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree;
	/* QEMU uses the low half of the first word and the high half of the second. */
	uint64_t fsid[2];
	uint64_t namelen, frsize;
};

/* A reply to any request. Where status is not 0, nothing else counts. */
struct proxyfs_reply {
	int32_t status;     /* 0 or -errno */
	bool length_only;   /* LGETXATTR, LLISTXATTR with size 0: the payload is length */
	uint32_t length;    /* bytes */
	uint64_t version;   /* GETVERSION: the inode's generation, 0 where there is none */
	struct proxyfs_bytes bytes; /* READLINK: the target; xattrs: the value, or the names with their NULs */
	struct proxyfs_stat stat;
	struct proxyfs_statfs statfs;
};

/* The name of an operation in lower case ("lstat"), or NULL for any other number. */
const char *proxyfs_op_name(uint32_t op);

/* The form in which a valid operation answers. */
enum proxyfs_form proxyfs_op_form(enum proxyfs_op op);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The handlers: one function an operation, little but the system call. They run inside the export, as root with the
 * helper's seven capabilities or, for what creates, as the guest's uid and gid; the table in worker/dispatch.c says
 * which. Each returns 0 or -errno, which goes to the guest as it is.
 *
 * The last component of a path is never followed: a Linux guest has resolved symbolic links itself, so what looks
 * like one here is a race or an attack, and the answer is ELOOP. Nothing but regular files and directories is ever
 * opened. ops/object.h says how this holds against who changes names meanwhile. Components before the last may be
 * links, also one that a slash follows, and lead no further than the export.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <proxyfs/protocol.h>

struct op_call {
	/* in */
	const struct proxyfs_request *request; /* numbers, and the value of an attribute */
	const char *path, *new_path, *target, *name; /* its texts, terminated; absolute as far as they are paths */
	bool directories_only;           /* CHMOD: -EPERM for everything else */
	bool keep_atime;                 /* UTIME: the time of last access is not to be touched */
	bool (*hides)(const char *name); /* LLISTXATTR: which names to leave out; NULL: none */
	char *buffer; /* PROXYFS_PAYLOAD_MAX bytes for what reply.bytes points to */

	/* out, on success */
	struct proxyfs_reply reply;
	int fd; /* OPEN, CREATE: the descriptor for the guest, close-on-exec */
};

typedef int op_handler(struct op_call *call);

/* ops/open.c */
op_handler op_open, op_create, op_getversion;

/* ops/names.c */
op_handler op_mknod, op_mkdir, op_symlink, op_link, op_readlink, op_rename, op_remove;

/* ops/attributes.c */
op_handler op_lstat, op_statfs, op_chmod, op_chown, op_truncate, op_utime;

/* ops/xattrs.c */
op_handler op_lgetxattr, op_llistxattr, op_lsetxattr, op_lremovexattr;

#endif

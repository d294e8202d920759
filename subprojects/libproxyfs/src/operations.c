/* SPDX-License-Identifier: MIT */
#include "operations.h"

#define REQUEST(kind, member) { kind, offsetof(struct proxyfs_request, member) }
#define REPLY(kind, member)   { kind, offsetof(struct proxyfs_reply, member) }

#define U32(member)   REQUEST(FIELD_U32, member)
#define U64(member)   REQUEST(FIELD_U64, member)
#define TEXT(member)  REQUEST(FIELD_TEXT, member)
#define TEXTZ(member) REQUEST(FIELD_TEXT_Z, member)
#define BYTES(member) REQUEST(FIELD_BYTES, member)

static const struct field reply_target_fields[] = { REPLY(FIELD_TEXT, bytes), { FIELD_END, 0 } };

static const struct field reply_bytes_fields[] = { REPLY(FIELD_BYTES, bytes), { FIELD_END, 0 } };

static const struct field reply_version_fields[] = { REPLY(FIELD_U64, version), { FIELD_END, 0 } };

const struct field reply_length_fields[] = { REPLY(FIELD_U32, length), { FIELD_END, 0 } };

static const struct field reply_stat_fields[] = {
	REPLY(FIELD_U64, stat.dev),        REPLY(FIELD_U64, stat.ino),        REPLY(FIELD_U64, stat.nlink),
	REPLY(FIELD_U32, stat.mode),       REPLY(FIELD_U32, stat.uid),        REPLY(FIELD_U32, stat.gid),
	REPLY(FIELD_U64, stat.rdev),       REPLY(FIELD_U64, stat.size),       REPLY(FIELD_U64, stat.blksize),
	REPLY(FIELD_U64, stat.blocks),     REPLY(FIELD_U64, stat.atime_sec),  REPLY(FIELD_U64, stat.atime_nsec),
	REPLY(FIELD_U64, stat.mtime_sec),  REPLY(FIELD_U64, stat.mtime_nsec), REPLY(FIELD_U64, stat.ctime_sec),
	REPLY(FIELD_U64, stat.ctime_nsec), { FIELD_END, 0 },
};

static const struct field reply_statfs_fields[] = {
	REPLY(FIELD_U64, statfs.type),    REPLY(FIELD_U64, statfs.bsize),   REPLY(FIELD_U64, statfs.blocks),
	REPLY(FIELD_U64, statfs.bfree),   REPLY(FIELD_U64, statfs.bavail),  REPLY(FIELD_U64, statfs.files),
	REPLY(FIELD_U64, statfs.ffree),   REPLY(FIELD_U64, statfs.fsid[0]), REPLY(FIELD_U64, statfs.fsid[1]),
	REPLY(FIELD_U64, statfs.namelen), REPLY(FIELD_U64, statfs.frsize),  { FIELD_END, 0 },
};

/* clang-format off */
static const struct operation operations[PROXYFS_OP_END] = {
	/* type                    name            reply                 fields, in the order of the wire */
	[PROXYFS_OPEN]         = { "open",         PROXYFS_FORM_FD,     { TEXTZ(path), U32(flags) }, NULL },
	[PROXYFS_CREATE]       = { "create",       PROXYFS_FORM_FD,     { TEXT(path), U32(flags), U32(mode), U32(uid), U32(gid) }, NULL },
	[PROXYFS_MKNOD]        = { "mknod",        PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(path), U32(mode), U64(rdev) }, NULL },
	[PROXYFS_MKDIR]        = { "mkdir",        PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(path), U32(mode) }, NULL },
	[PROXYFS_SYMLINK]      = { "symlink",      PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(target), TEXT(path) }, NULL },
	[PROXYFS_LINK]         = { "link",         PROXYFS_FORM_STATUS, { TEXTZ(path), TEXT(new_path) }, NULL },
	[PROXYFS_LSTAT]        = { "lstat",        PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_stat_fields },
	[PROXYFS_READLINK]     = { "readlink",     PROXYFS_FORM_DATA,   { TEXTZ(path), U32(size) }, reply_target_fields },
	[PROXYFS_STATFS]       = { "statfs",       PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_statfs_fields },
	[PROXYFS_CHMOD]        = { "chmod",        PROXYFS_FORM_STATUS, { TEXTZ(path), U32(mode) }, NULL },
	[PROXYFS_CHOWN]        = { "chown",        PROXYFS_FORM_STATUS, { TEXTZ(path), U32(uid), U32(gid) }, NULL },
	[PROXYFS_TRUNCATE]     = { "truncate",     PROXYFS_FORM_STATUS, { TEXTZ(path), U64(length) }, NULL },
	[PROXYFS_UTIME]        = { "utime",        PROXYFS_FORM_STATUS, { TEXTZ(path), U64(atime_sec), U64(atime_nsec),
	                                                                  U64(mtime_sec), U64(mtime_nsec) }, NULL },
	[PROXYFS_RENAME]       = { "rename",       PROXYFS_FORM_STATUS, { TEXT(path), TEXT(new_path) }, NULL },
	[PROXYFS_REMOVE]       = { "remove",       PROXYFS_FORM_STATUS, { TEXT(path) }, NULL },
	[PROXYFS_LGETXATTR]    = { "lgetxattr",    PROXYFS_FORM_DATA,   { U32(size), TEXTZ(path), TEXT(name) }, reply_bytes_fields },
	[PROXYFS_LLISTXATTR]   = { "llistxattr",   PROXYFS_FORM_DATA,   { U32(size), TEXTZ(path) }, reply_bytes_fields },
	[PROXYFS_LSETXATTR]    = { "lsetxattr",    PROXYFS_FORM_STATUS, { TEXTZ(path), TEXT(name), BYTES(value), U32(size), U32(flags) }, NULL },
	[PROXYFS_LREMOVEXATTR] = { "lremovexattr", PROXYFS_FORM_STATUS, { TEXTZ(path), TEXT(name) }, NULL },
	[PROXYFS_GETVERSION]   = { "getversion",   PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_version_fields },
};
/* clang-format on */

const struct operation *operation_find(uint32_t op)
{
	return op < PROXYFS_OP_END && operations[op].name ? &operations[op] : NULL;
}

const char *proxyfs_op_name(uint32_t op)
{
	const struct operation *operation = operation_find(op);

	return operation ? operation->name : NULL;
}

enum proxyfs_form proxyfs_op_form(enum proxyfs_op op)
{
	return operations[op].form;
}

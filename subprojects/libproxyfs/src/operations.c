/* SPDX-License-Identifier: MIT */
#include "operations.h"

#define REQUEST(kind, name, member) { name, PROXYFS_KIND_##kind, offsetof(struct proxyfs_request, member) }
#define REPLY(kind, name, member)   { name, PROXYFS_KIND_##kind, offsetof(struct proxyfs_reply, member) }
#define END                         { NULL, PROXYFS_KIND_END, 0 }

#define U32(member)         REQUEST(U32, #member, member)
#define S32(member)         REQUEST(S32, #member, member)
#define U64(member)         REQUEST(U64, #member, member)
#define S64(member)         REQUEST(S64, #member, member)
#define TEXT(member)        REQUEST(TEXT, #member, member)
#define TEXTZ(member)       REQUEST(TEXT_Z, #member, member)
#define BYTES(member)       REQUEST(BYTES, #member, member)
#define OLD(kind)           REQUEST(kind, "old", path)
#define NEW                 REQUEST(TEXT, "new", new_path)
#define STAT(kind, member)  REPLY(kind, #member, stat.member)
#define STATFS(member)      REPLY(U64, #member, statfs.member)

static const struct proxyfs_field reply_target_fields[] = { REPLY(TEXT, "target", bytes), END };

static const struct proxyfs_field reply_value_fields[] = { REPLY(BYTES, "value", bytes), END };

static const struct proxyfs_field reply_names_fields[] = { REPLY(BYTES, "names", bytes), END };

static const struct proxyfs_field reply_generation_fields[] = { REPLY(U64, "generation", version), END };

static const struct proxyfs_field reply_length_fields[] = { REPLY(U32, "length", length), END };

static const struct proxyfs_field reply_stat_fields[] = {
	STAT(U64, dev),        STAT(U64, ino),        STAT(U64, nlink),
	STAT(U32, mode),       STAT(U32, uid),        STAT(U32, gid),
	STAT(U64, rdev),       STAT(U64, size),       STAT(U64, blksize),
	STAT(U64, blocks),     STAT(S64, atime_sec),  STAT(S64, atime_nsec),
	STAT(S64, mtime_sec),  STAT(S64, mtime_nsec), STAT(S64, ctime_sec),
	STAT(S64, ctime_nsec), END,
};

static const struct proxyfs_field reply_statfs_fields[] = {
	STATFS(type),  STATFS(bsize), STATFS(blocks),
	STATFS(bfree), STATFS(bavail), STATFS(files),
	STATFS(ffree), REPLY(U64, "fsid0", statfs.fsid[0]), REPLY(U64, "fsid1", statfs.fsid[1]),
	STATFS(namelen), STATFS(frsize), END,
};

/* clang-format off */
static const struct operation operations[PROXYFS_OP_END] = {
	/* type                    name            reply                 fields, in the order of the wire */
	[PROXYFS_OPEN]         = { "open",         PROXYFS_FORM_FD,     { TEXTZ(path), U32(flags) }, NULL },
	[PROXYFS_CREATE]       = { "create",       PROXYFS_FORM_FD,     { TEXT(path), U32(flags), U32(mode), U32(uid), U32(gid) }, NULL },
	[PROXYFS_MKNOD]        = { "mknod",        PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(path), U32(mode), U64(rdev) }, NULL },
	[PROXYFS_MKDIR]        = { "mkdir",        PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(path), U32(mode) }, NULL },
	[PROXYFS_SYMLINK]      = { "symlink",      PROXYFS_FORM_STATUS, { U32(uid), U32(gid), TEXT(target), TEXT(path) }, NULL },
	[PROXYFS_LINK]         = { "link",         PROXYFS_FORM_STATUS, { OLD(TEXT_Z), NEW }, NULL },
	[PROXYFS_LSTAT]        = { "lstat",        PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_stat_fields },
	[PROXYFS_READLINK]     = { "readlink",     PROXYFS_FORM_DATA,   { TEXTZ(path), S32(size) }, reply_target_fields },
	[PROXYFS_STATFS]       = { "statfs",       PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_statfs_fields },
	[PROXYFS_CHMOD]        = { "chmod",        PROXYFS_FORM_STATUS, { TEXTZ(path), U32(mode) }, NULL },
	[PROXYFS_CHOWN]        = { "chown",        PROXYFS_FORM_STATUS, { TEXTZ(path), U32(uid), U32(gid) }, NULL },
	[PROXYFS_TRUNCATE]     = { "truncate",     PROXYFS_FORM_STATUS, { TEXTZ(path), S64(length) }, NULL },
	[PROXYFS_UTIME]        = { "utime",        PROXYFS_FORM_STATUS, { TEXTZ(path), S64(atime_sec), S64(atime_nsec),
	                                                                  S64(mtime_sec), S64(mtime_nsec) }, NULL },
	[PROXYFS_RENAME]       = { "rename",       PROXYFS_FORM_STATUS, { OLD(TEXT), NEW }, NULL },
	[PROXYFS_REMOVE]       = { "remove",       PROXYFS_FORM_STATUS, { TEXT(path) }, NULL },
	[PROXYFS_LGETXATTR]    = { "lgetxattr",    PROXYFS_FORM_DATA,   { S32(size), TEXTZ(path), TEXT(name) }, reply_value_fields },
	[PROXYFS_LLISTXATTR]   = { "llistxattr",   PROXYFS_FORM_DATA,   { S32(size), TEXTZ(path) }, reply_names_fields },
	[PROXYFS_LSETXATTR]    = { "lsetxattr",    PROXYFS_FORM_STATUS, { TEXTZ(path), TEXT(name), BYTES(value), S32(size), U32(flags) }, NULL },
	[PROXYFS_LREMOVEXATTR] = { "lremovexattr", PROXYFS_FORM_STATUS, { TEXTZ(path), TEXT(name) }, NULL },
	[PROXYFS_GETVERSION]   = { "getversion",   PROXYFS_FORM_DATA,   { TEXTZ(path) }, reply_generation_fields },
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

bool operation_may_ask_for_length(enum proxyfs_op op)
{
	return op == PROXYFS_LGETXATTR || op == PROXYFS_LLISTXATTR;
}

const struct proxyfs_field *proxyfs_request_fields(enum proxyfs_op op)
{
	return operations[op].request;
}

const struct proxyfs_field *proxyfs_reply_fields(enum proxyfs_op op, bool length_only)
{
	return length_only && operation_may_ask_for_length(op) ? reply_length_fields : operations[op].reply;
}

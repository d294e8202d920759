/* SPDX-License-Identifier: MIT */
#include "worker/dispatch.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "common/fault.h"
#include "ops/ops.h"
#include "worker/credentials.h"
#include "worker/policy.h"

/* Runs as the request's uid:gid. All others run as root. */
#define AS_GUEST 1U

/* Changes something in the export, always. OPEN does with some flags only, and is looked at for that. */
#define CHANGES 2U

/* The operations. What they look like on the wire is libproxyfs's, in the table of its operations.c. */
struct operation {
	op_handler *handler;
	unsigned flags;
	policy_check *check; /* what else the export's policy has to say, or NULL */
};

static const struct operation operations[PROXYFS_OP_END] = {
	[PROXYFS_OPEN]         = { op_open, 0, policy_open },
	[PROXYFS_CREATE]       = { op_create, AS_GUEST | CHANGES, policy_create },
	[PROXYFS_MKNOD]        = { op_mknod, AS_GUEST | CHANGES, policy_mknod },
	[PROXYFS_MKDIR]        = { op_mkdir, AS_GUEST | CHANGES, NULL },
	[PROXYFS_SYMLINK]      = { op_symlink, AS_GUEST | CHANGES, NULL },
	[PROXYFS_LINK]         = { op_link, CHANGES, NULL },
	[PROXYFS_LSTAT]        = { op_lstat, 0, NULL },
	[PROXYFS_READLINK]     = { op_readlink, 0, NULL },
	[PROXYFS_STATFS]       = { op_statfs, 0, NULL },
	[PROXYFS_CHMOD]        = { op_chmod, CHANGES, policy_chmod },
	[PROXYFS_CHOWN]        = { op_chown, CHANGES, NULL },
	[PROXYFS_TRUNCATE]     = { op_truncate, CHANGES, NULL },
	[PROXYFS_UTIME]        = { op_utime, CHANGES, policy_utime },
	[PROXYFS_RENAME]       = { op_rename, CHANGES, NULL },
	[PROXYFS_REMOVE]       = { op_remove, CHANGES, NULL },
	[PROXYFS_LGETXATTR]    = { op_lgetxattr, 0, policy_lgetxattr },
	[PROXYFS_LLISTXATTR]   = { op_llistxattr, 0, policy_llistxattr },
	[PROXYFS_LSETXATTR]    = { op_lsetxattr, CHANGES, policy_change_xattr },
	[PROXYFS_LREMOVEXATTR] = { op_lremovexattr, CHANGES, policy_change_xattr },
	[PROXYFS_GETVERSION]   = { op_getversion, 0, NULL },
};

/* Appends a text to those at *end, terminated. `too_long` is the error that the system call would give. */
static int copy_text(struct proxyfs_bytes text, size_t room, int too_long, char **end, const char **copy)
{
	if (text.size >= room)
		return too_long;
	*copy = *end;
	if (text.size > 0)
		memcpy(*end, text.data, text.size);
	(*end)[text.size] = '\0';
	*end += text.size + 1;
	return 0;
}

/* A path means something from the export's root only. */
static int copy_path(struct proxyfs_bytes path, char **end, const char **copy)
{
	int error = copy_text(path, PATH_MAX, -ENAMETOOLONG, end, copy);

	if (error)
		return error;
	if (path.size == 0)
		return -ENOENT;
	return **copy == '/' ? 0 : -EINVAL;
}

static bool has_new_path(enum proxyfs_op op)
{
	return op == PROXYFS_LINK || op == PROXYFS_RENAME;
}

/* Terminated copies of the request's texts, for the call. */
static int copy_texts(const struct proxyfs_request *request, struct dispatch_room *room, struct op_call *call)
{
	char *end = room->texts;
	int error = copy_path(request->path, &end, &call->path);

	if (!error && has_new_path(request->op))
		error = copy_path(request->new_path, &end, &call->new_path);
	if (!error)
		error = copy_text(request->target, PATH_MAX, -ENAMETOOLONG, &end, &call->target);
	if (!error)
		error = copy_text(request->name, XATTR_NAME_MAX + 1, -ERANGE, &end, &call->name);
	return error;
}

/* What the export's policy says of a request: 0, or the -errno that is its answer. */
static int judge(const struct operation *operation, struct op_call *call)
{
	int error = operation->flags & CHANGES ? policy_change(call) : 0;

	return error || !operation->check ? error : operation->check(call);
}

static int run(struct op_call *call)
{
	const struct proxyfs_request *request = call->request;
	const struct operation *operation = &operations[request->op];
	bool as_guest = operation->flags & AS_GUEST;
	int status = judge(operation, call);

	FAULT_POINT(judged);
	if (!status && as_guest)
		status = credentials_assume(request->uid, request->gid);
	if (status)
		return status;
	if (as_guest)
		FAULT_POINT(as_guest);
	FAULT_POINT(before_call);
	status = operation->handler(call);
	FAULT_POINT(after_call);
	if (as_guest)
		credentials_restore(request->uid, request->gid);
	FAULT_POINT(as_root);
	return status;
}

/* Encodes a reply, or that it does not fit. */
static void encode(enum proxyfs_op op, const struct proxyfs_reply *wire, struct dispatch_reply *reply)
{
	ssize_t size = proxyfs_encode_reply(op, wire, reply->bytes, sizeof reply->bytes);

	if (size < 0) {
		dispatch_failure(op, (int32_t)size, reply);
		return;
	}
	reply->size = (size_t)size;
	reply->status = wire->status;
}

void dispatch_failure(enum proxyfs_op op, int32_t status, struct dispatch_reply *reply)
{
	reply->fd = -1;
	encode(op, &(struct proxyfs_reply){ .status = status }, reply);
}

void dispatch(enum proxyfs_op op, const char *payload, size_t size, struct dispatch_room *room,
              struct dispatch_reply *reply)
{
	struct proxyfs_request request;
	struct op_call call = {
		.request = &request,
		.buffer = room->result,
		.fd = -1,
	};
	int status = proxyfs_decode_request(op, payload, size, &request);

	if (!status)
		status = copy_texts(&request, room, &call);
	FAULT_POINT(decoded);
	if (!status && room->ledger)
		ledger_note_path(room->ledger, request.path.data, request.path.size);
	FAULT_POINT(path_noted);
	if (!status)
		status = run(&call);
	if (status) {
		dispatch_failure(op, status, reply);
		return;
	}
	reply->fd = call.fd;
	encode(op, &call.reply, reply);
}

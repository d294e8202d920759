/* SPDX-License-Identifier: MIT */
/*
 * What each message is made of, for programs that print messages, read them from people, or describe them: the
 * library's own table, by which the codec works.
 */
#ifndef PROXYFS_FIELDS_H
#define PROXYFS_FIELDS_H

#include "protocol.h"

enum proxyfs_kind {
	PROXYFS_KIND_END, /* behind the last field */
	PROXYFS_KIND_U32,
	PROXYFS_KIND_S32,
	PROXYFS_KIND_U64,
	PROXYFS_KIND_S64,
	PROXYFS_KIND_TEXT,   /* a path, target or name, sent by QEMU without its NUL: struct proxyfs_bytes */
	PROXYFS_KIND_TEXT_Z, /* the same, sent by QEMU with its NUL; either is accepted for both */
	PROXYFS_KIND_BYTES,  /* binary: struct proxyfs_bytes */
};

/* One field on the wire, and where its value is in a struct proxyfs_request or proxyfs_reply. */
struct proxyfs_field {
	const char *name;
	enum proxyfs_kind kind;
	size_t offset; /* bytes */
};

/* The fields of a request of a valid type, in the order of the wire. */
const struct proxyfs_field *proxyfs_request_fields(enum proxyfs_op op);

/*
 * The fields of a successful reply, in the order of the wire; NULL where it has none: in the forms of a status and of
 * a descriptor. `length_only` as in struct proxyfs_reply.
 */
const struct proxyfs_field *proxyfs_reply_fields(enum proxyfs_op op, bool length_only);

#endif

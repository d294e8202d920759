/* SPDX-License-Identifier: MIT */
/* The table of operations: what each request and each successful reply is made of. */
#ifndef PROXYFS_OPERATIONS_H
#define PROXYFS_OPERATIONS_H

#include <proxyfs/protocol.h>

#define MAX_FIELDS 16

enum field_kind {
	FIELD_END,
	FIELD_U32,
	FIELD_U64,
	FIELD_TEXT,   /* a path, target or name, sent by QEMU without its NUL */
	FIELD_TEXT_Z, /* the same, sent by QEMU with its NUL; either is accepted for both */
	FIELD_BYTES,  /* binary */
};

/* One field on the wire and the place of its value in struct proxyfs_request or proxyfs_reply. */
struct field {
	enum field_kind kind;
	size_t offset;
};

struct operation {
	const char *name;
	enum proxyfs_form form;
	struct field request[MAX_FIELDS];
	const struct field *reply; /* FORM_DATA only */
};

/* The row of a valid operation, NULL for any other number. */
const struct operation *operation_find(uint32_t op);

/* The payload of an LGETXATTR or LLISTXATTR that asked for the length alone. */
extern const struct field reply_length_fields[];

#endif

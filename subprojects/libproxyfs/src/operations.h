/* SPDX-License-Identifier: MIT */
/* The table of operations: what each request and each successful reply is made of. */
#ifndef PROXYFS_OPERATIONS_H
#define PROXYFS_OPERATIONS_H

#include <proxyfs/fields.h>

#define MAX_FIELDS 16

struct operation {
	const char *name;
	enum proxyfs_form form;
	struct proxyfs_field request[MAX_FIELDS];
	const struct proxyfs_field *reply; /* FORM_DATA only */
};

/* The row of a valid operation, NULL for any other number. */
const struct operation *operation_find(uint32_t op);

/* Whether a request with size 0 is answered with a length alone. */
bool operation_may_ask_for_length(enum proxyfs_op op);

#endif

/* SPDX-License-Identifier: MIT */
/* Names for numbers: flags, types of files, errnos. */
#ifndef CTL_SYMBOLS_H
#define CTL_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <proxyfs/protocol.h>

/* Set if `value & mask` is `value`. An array ends with a name of NULL. */
struct symbol {
	const char *name;
	uint32_t mask;
	uint32_t value;
};

extern const struct symbol symbols_open[];  /* O_RDWR ... */
extern const struct symbol symbols_xattr[]; /* XATTR_CREATE, XATTR_REPLACE */
extern const struct symbol symbols_types[]; /* S_IFIFO ... */

/* Names and numbers (octal with `octal`, otherwise as in C) joined by '|' or ',': "O_RDWR|O_CREAT". */
bool symbols_parse(const struct symbol *symbols, bool octal, const char *text, uint32_t *value);

/* The same way round; what has no name, in octal. */
void symbols_print(FILE *out, const struct symbol *symbols, uint32_t value);

/* "ENOENT" for ENOENT, "errno 4000" for what has no name. */
void symbols_print_errno(FILE *out, int error);

/* The operation of that name, in any case of letters; false if there is none. */
bool symbols_operation(const char *name, enum proxyfs_op *op);

#endif

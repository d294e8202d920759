/* SPDX-License-Identifier: MIT */
/* A request from the words of a command line, by the library's table of fields. */
#ifndef CTL_ARGUMENTS_H
#define CTL_ARGUMENTS_H

#include <stddef.h>

#include <proxyfs/protocol.h>

#define ARGUMENTS_FAULT_MAX 400 /* bytes of what may be said to be wrong, or of a usage */

/*
 * Reads `words` as the fields of a request of type `op`: NAME=VALUE with the name of a field, or the value alone for the
 * next field, in the order of the wire, that has none. A time is one word for its two fields. Fields that most callers
 * do not care about have a value of their own, see arguments_usage().
 *
 *   numbers  decimal or 0x...; ids -1 as well
 *   mode     octal, S_IFIFO|644
 *   flags    O_RDWR|O_CREAT, XATTR_REPLACE, or numbers
 *   rdev     a number or MAJOR:MINOR
 *   times    now, omit, SECONDS or SECONDS.FRACTION
 *   value    text, or 0x and two hexadecimal digits a byte
 *
 * Returns 0, or -EINVAL: `fault`, of ARGUMENTS_FAULT_MAX bytes, then says what is wrong. The request points into
 * `words`, which may be changed.
 */
int arguments_parse(enum proxyfs_op op, int count, char **words, struct proxyfs_request *request, char *fault);

/* The fields of an operation, those that may be left out in brackets: "mkdir [uid=0] [gid=0] path [mode=755]". */
void arguments_usage(enum proxyfs_op op, char usage[ARGUMENTS_FAULT_MAX]);

#endif

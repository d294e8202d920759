/* SPDX-License-Identifier: MIT */
/*
 * Bytes that somebody else chose, as printable ASCII: a name in an export must not command a terminal, or end a line
 * of a log.
 */
#ifndef CTL_ESCAPE_H
#define CTL_ESCAPE_H

#include <stdbool.h>
#include <stdio.h>

#include <proxyfs/protocol.h>

/* As in C: \n, \t, \\, and \xHH, always two digits, for what is not printable ASCII. */
void escape_plain(FILE *out, struct proxyfs_bytes text);

/* The same in double quotes, with \" inside. */
void escape_quoted(FILE *out, struct proxyfs_bytes text);

/*
 * A JSON string, all ASCII: what is UTF-8 becomes \uXXXX, and each byte that is not becomes \u00XX, which loses the
 * difference between the two: escape_is_utf8() tells.
 */
void escape_json(FILE *out, struct proxyfs_bytes text);

/* Digits without a prefix. */
void escape_hex(FILE *out, struct proxyfs_bytes bytes);

/* Valid UTF-8: no surrogates, nothing too long, nothing beyond U+10FFFF. */
bool escape_is_utf8(struct proxyfs_bytes text);

#endif

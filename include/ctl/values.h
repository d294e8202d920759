/* SPDX-License-Identifier: MIT */
/* The value of one field, from text and to text for people: what a mode or a time looks like is decided here. */
#ifndef CTL_VALUES_H
#define CTL_VALUES_H

#include <stdint.h>
#include <stdio.h>

#include <proxyfs/fields.h>

/* Reads `text` into `member`. Returns NULL, or what should have been given. May change `text`, which is pointed into. */
const char *values_read(enum proxyfs_op op, const struct proxyfs_field *field, char *text, void *member);

/* now, omit, SECONDS[.FRACTION]. */
const char *values_read_time(const char *text, int64_t *seconds, int64_t *nanoseconds);

/* The field of `object`, a request or a reply. */
void values_print(FILE *out, enum proxyfs_op op, const struct proxyfs_field *field, const void *object);

/* `field` holds the seconds, and the next one the nanoseconds. */
void values_print_time(FILE *out, const struct proxyfs_field *field, const void *object);

/* The length of "mtime" in "mtime_sec"; 0: not the seconds of a time. */
size_t values_time_stem(const char *name);

/* A field of text or bytes. */
bool values_is_bytes(const struct proxyfs_field *field);
bool values_is_names(const struct proxyfs_field *field);
struct proxyfs_bytes values_bytes(const struct proxyfs_field *field, const void *object);

/* A field that is a number; of a kind with a sign: as int64_t. */
uint64_t values_number(const struct proxyfs_field *field, const void *object);
bool values_is_signed(const struct proxyfs_field *field);

/* Names, each ended by a NUL, as of an LLISTXATTR: takes the next off `names`. */
struct proxyfs_bytes values_next_name(struct proxyfs_bytes *names);

#endif

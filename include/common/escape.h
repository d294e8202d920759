/* SPDX-License-Identifier: MIT */
/* Names that guests chose, made harmless: for terminals, log files and line protocols. */
#ifndef COMMON_ESCAPE_H
#define COMMON_ESCAPE_H

#include <stddef.h>

/*
 * Stores the `size` bytes in printable ASCII and terminates it: a backslash as "\\", a double quote as "\"", what else
 * does not print as "\xNN". What would take more than `room` bytes, at least 4, is cut and ends in "...". Returns the
 * length.
 */
size_t escape(const char *bytes, size_t size, char *text, size_t room);

#endif

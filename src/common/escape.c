/* SPDX-License-Identifier: MIT */
#include "common/escape.h"

#include <stdio.h>
#include <string.h>

#define CUT      "..."
#define CUT_SIZE (sizeof CUT - 1)

/* Returns the length of what is stored, at most 4 bytes. */
static size_t escape_one(unsigned char byte, char piece[static 5])
{
	if (byte == '\\' || byte == '"')
		return (size_t)snprintf(piece, 5, "\\%c", byte);
	if (byte < ' ' || byte > '~')
		return (size_t)snprintf(piece, 5, "\\x%02x", byte);
	piece[0] = (char)byte;
	return 1;
}

size_t escape(const char *bytes, size_t size, char *text, size_t room)
{
	size_t used = 0, cut_at = 0;
	char piece[5];

	for (size_t i = 0; i < size; i++) {
		size_t length = escape_one((unsigned char)bytes[i], piece);

		if (used + length >= room) {
			memcpy(text + cut_at, CUT, sizeof CUT);
			return cut_at + CUT_SIZE;
		}
		memcpy(text + used, piece, length);
		used += length;
		if (used + CUT_SIZE < room)
			cut_at = used;
	}
	text[used] = '\0';
	return used;
}

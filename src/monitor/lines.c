/* SPDX-License-Identifier: MIT */
#include "monitor/lines.h"

#include <string.h>
#include <unistd.h>

ssize_t lines_read(struct lines *lines, int fd, void (*take)(void *context, const char *line), void *context)
{
	ssize_t got = read(fd, lines->text + lines->size, sizeof lines->text - 1 - lines->size);
	char *end;

	if (got <= 0)
		return got;
	lines->size += (size_t)got;
	while ((end = memchr(lines->text, '\n', lines->size)) || lines->size == sizeof lines->text - 1) {
		size_t taken = end ? (size_t)(end - lines->text) + 1 : lines->size;

		lines->text[end ? taken - 1 : taken] = '\0';
		take(context, lines->text);
		lines->size -= taken;
		memmove(lines->text, lines->text + taken, lines->size);
	}
	return got;
}

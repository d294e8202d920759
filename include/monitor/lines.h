/* SPDX-License-Identifier: MIT */
/* What a child writes to a pipe of ours, line by line. */
#ifndef MONITOR_LINES_H
#define MONITOR_LINES_H

#include <sys/types.h>

#include "common/log.h"

/* As far as the next line has come. Begins zeroed. */
struct lines {
	char text[LOG_LINE_MAX];
	size_t size;
};

/*
 * One read(2) of the pipe, whose result is returned. Calls `take` with each line that is complete, terminated and without
 * its newline, and with what is too long to become so.
 */
ssize_t lines_read(struct lines *lines, int fd, void (*take)(void *context, const char *line), void *context);

#endif

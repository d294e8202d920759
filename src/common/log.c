/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "virtfs-proxy-helper"

static enum log_sink sink = LOG_TO_STDERR;

void log_open(enum log_sink to)
{
	sink = to;
	if (sink == LOG_TO_SYSLOG)
		openlog(PROGRAM, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

/* One write(2) a line, so that lines of several threads and processes do not mix. A log that is full is not waited for. */
static void write_line(const char *prefix, const char *text)
{
	char line[LOG_LINE_MAX];
	int size = snprintf(line, sizeof line, "%s%s\n", prefix, text);
	ssize_t written;

	if (size >= (int)sizeof line) {
		size = sizeof line;
		line[sizeof line - 1] = '\n';
	}
	written = write(STDERR_FILENO, line, (size_t)size);
	(void)written;
}

static void write_text(int priority, char *text)
{
	char prefix[] = "<0>";

	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';

	switch (sink) {
	case LOG_TO_STDERR:
		write_line(PROGRAM ": ", text);
		break;
	case LOG_TO_SYSLOG:
		syslog(priority, "%s", text);
		break;
	case LOG_TO_MONITOR:
		prefix[1] = (char)('0' + priority);
		write_line(prefix, text);
		break;
	}
}

void log_write(int priority, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	write_text(priority, text);
}

void log_relay(const char *line)
{
	/* What has no priority was not written by the worker's log: a sanitizer or the C library is speaking. */
	int priority = LOG_ERR;
	char text[LOG_LINE_MAX];

	if (line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
		priority = line[1] - '0';
		line += 3;
	}
	snprintf(text, sizeof text, "%s", line);
	write_text(priority, text);
}

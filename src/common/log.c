/* SPDX-License-Identifier: MIT */
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "virtfs-proxy-helper"

int log_level = LOG_INFO;

static enum log_sink sink = LOG_TO_STDERR;
static _Atomic unsigned long dropped; /* lines that the pipe had no room for */

void log_open(enum log_sink to)
{
	sink = to;
	if (sink == LOG_TO_SYSLOG)
		openlog(PROGRAM, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

enum log_sink log_sink(void)
{
	return sink;
}

enum log_sink log_find_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat stat;
	char end;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &end) != 2 || fstat(STDERR_FILENO, &stat))
		return LOG_TO_STDERR;
	return stat.st_dev == device && stat.st_ino == inode ? LOG_TO_JOURNAL : LOG_TO_STDERR;
}

/*
 * One write(2) a line, so that lines of several threads and processes do not mix. A log that is full is not waited for:
 * false if nothing was written for that. The monitor's stderr is its launcher's as well, and so is whether it blocks; but
 * a pipe or socket that poll(2) calls writable has room for a line.
 */
static bool write_line(const char *prefix, const char *text)
{
	char line[LOG_LINE_MAX];
	int size = snprintf(line, sizeof line, "%s%s\n", prefix, text);

	if (size >= (int)sizeof line) {
		size = sizeof line;
		line[sizeof line - 1] = '\n';
	}
	if (sink != LOG_TO_MONITOR && poll(&(struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT }, 1, 0) == 0)
		return false;
	return write(STDERR_FILENO, line, (size_t)size) >= 0 || errno != EAGAIN;
}

static bool write_to_stderr(int priority, const char *text)
{
	char prefix[] = { '<', (char)('0' + priority), '>', '\0' };

	return write_line(sink == LOG_TO_STDERR ? PROGRAM ": " : prefix, text);
}

void log_tell_dropped(void)
{
	unsigned long count = atomic_load(&dropped) ? atomic_exchange(&dropped, 0) : 0;
	char text[96];

	if (count == 0)
		return;
	snprintf(text, sizeof text, "%lu lines of the log were left out: they came too fast", count);
	if (!write_to_stderr(LOG_WARNING, text))
		atomic_fetch_add(&dropped, count);
}

static void write_text(int priority, char *text)
{
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';

	if (sink == LOG_TO_SYSLOG) {
		syslog(priority, "%s", text);
		return;
	}
	log_tell_dropped();
	if (!write_to_stderr(priority, text))
		atomic_fetch_add(&dropped, 1);
}

void log_write(int priority, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list arguments;

	if (priority > log_level)
		return;
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
	if (priority > log_level)
		return;
	snprintf(text, sizeof text, "%s", line);
	write_text(priority, text);
}

/* SPDX-License-Identifier: MIT */
/*
 * The log. The monitor writes it to stderr or, once it is a daemon, to syslog; the worker has neither and writes
 * lines with their priority to a pipe, whose other end the monitor reads.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <syslog.h>

#define LOG_LINE_MAX 1024 /* bytes, with the newline; longer lines are cut */

enum log_sink {
	LOG_TO_STDERR, /* "virtfs-proxy-helper: text" */
	LOG_TO_SYSLOG, /* as a daemon */
	LOG_TO_MONITOR, /* "<N>text" on stderr, which is the pipe; never blocks, drops instead */
};

void log_open(enum log_sink sink);

/* `priority` is one of syslog(3). Control characters are replaced: texts may hold what a guest sent. */
void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)

/* Writes a line that the worker sent through its pipe, with or without a priority in front. Not trusted. */
void log_relay(const char *line);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The log. The monitor writes it to stderr or, once it is a daemon, to syslog; the worker has neither and writes
 * lines with their priority to a pipe, whose other end the monitor reads. Neither waits for a stderr that is full: lines
 * are left out then, and counted.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <syslog.h>

#define LOG_LINE_MAX 1024 /* bytes, with the newline; longer lines are cut */

enum log_sink {
	LOG_TO_STDERR, /* "virtfs-proxy-helper: text" */
	LOG_TO_JOURNAL, /* "<N>text" on stderr, sd-daemon(3) */
	LOG_TO_SYSLOG, /* as a daemon */
	LOG_TO_MONITOR, /* "<N>text" on stderr, which is the pipe */
};

/* The least urgent priority of syslog(3) that is written: LOG_INFO at first. */
extern int log_level;

void log_open(enum log_sink sink);

/* Where it goes. */
enum log_sink log_sink(void);

/* What stderr is: LOG_TO_JOURNAL if it leads there, as $JOURNAL_STREAM tells (systemd.exec(5)), or LOG_TO_STDERR. */
enum log_sink log_find_stderr(void);

/* Says how many lines were left out, if there were some that it has not said yet. */
void log_tell_dropped(void);

/* `priority` is one of syslog(3). Control characters are replaced: texts may hold what a guest sent. */
void log_write(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_write(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_INFO, __VA_ARGS__)

/* Whether lines for debugging are written: what they are made of costs nothing otherwise. */
static inline bool log_debugs(void)
{
	return __builtin_expect(log_level >= LOG_DEBUG, 0);
}

/* Writes a line that the worker sent through its pipe, with or without a priority in front. Not trusted. */
void log_relay(const char *line);

#endif

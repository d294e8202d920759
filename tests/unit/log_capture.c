/* SPDX-License-Identifier: MIT */
#include "log_capture.h"

#include <stdarg.h>
#include <stdio.h>

int log_level = LOG_INFO;

static unsigned lines, errors;
static char last[LOG_LINE_MAX];
static int last_priority;

void log_capture_reset(void)
{
	lines = errors = 0;
	last[0] = '\0';
	last_priority = -1;
}

unsigned log_capture_count(void)
{
	return lines;
}

unsigned log_capture_errors(void)
{
	return errors;
}

const char *log_capture_text(void)
{
	return last;
}

int log_capture_priority(void)
{
	return last_priority;
}

void log_write(int priority, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(last, sizeof last, format, arguments);
	va_end(arguments);
	last_priority = priority;
	lines++;
	errors += priority <= LOG_ERR;
}

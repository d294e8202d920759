/* SPDX-License-Identifier: MIT */
#include "monitor/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "monitor/systemd.h"

/* From a change to its report: a hundred guests that start together make one report. */
static const struct timeval status_delay = { .tv_sec = 2 };

#define STATUS "STATUS=%" PRIu32 " clients, %" PRIu64 " requests answered"

#define TEXT_SIZE 160

/* Only where notify_init() found that there is somebody to tell, and the library. */
static void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void tell(const char *format, ...)
{
	const struct systemd *systemd = systemd_load();
	char text[TEXT_SIZE];
	va_list arguments;
	int result;

	if (!systemd)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	result = systemd->notify(0, text);
	if (result < 0)
		log_warning("cannot tell the service manager how things are: %s", strerror(-result));
}

static void on_status(evutil_socket_t fd, short what, void *argument)
{
	const struct notify *notify = argument;

	(void)fd;
	(void)what;
	tell(STATUS, notify->custody->count, custody_requests(notify->custody));
}

/* That this loop turns is what the manager cannot see by itself: it sees processes end, and a worker is replaced. */
static void on_watchdog(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	tell("WATCHDOG=1");
}

void notify_init(struct notify *notify)
{
	uint64_t microseconds = 0;

	*notify = (struct notify){ .wanted = getenv("NOTIFY_SOCKET") && systemd_load() };
	if (notify->wanted && systemd_load()->watchdog_enabled(1, &microseconds) > 0)
		notify->watchdog_us = microseconds;
}

static int start_watchdog(struct notify *notify, struct event_base *base)
{
	/* Twice as often as it must be, as sd_watchdog_enabled(3) recommends. */
	const uint64_t interval = notify->watchdog_us / 2;
	const struct timeval time = { .tv_sec = (time_t)(interval / 1000000), .tv_usec = (suseconds_t)(interval % 1000000) };

	notify->watchdog = event_new(base, -1, EV_PERSIST, on_watchdog, notify);
	return notify->watchdog && !event_add(notify->watchdog, &time) ? 0 : -ENOMEM;
}

static int start_timers(struct notify *notify, struct event_base *base)
{
	notify->status = evtimer_new(base, on_status, notify);
	return notify->status && (!notify->watchdog_us || !start_watchdog(notify, base)) ? 0 : -ENOMEM;
}

int notify_ready(struct notify *notify, struct event_base *base, const struct custody *custody)
{
	if (!notify->wanted)
		return 0;
	notify->custody = custody;
	if (!notify->status && start_timers(notify, base))
		return -ENOMEM;
	/* A daemon is not the process that the manager started. */
	tell("READY=1\nMAINPID=%d\n" STATUS, (int)getpid(), custody->count, custody_requests(custody));
	return 0;
}

void notify_changed(struct notify *notify)
{
	if (notify->status && !evtimer_pending(notify->status, NULL))
		evtimer_add(notify->status, &status_delay);
}

/* With the time, as Type=notify-reload wants it, systemd.service(5). */
void notify_reloading(const struct notify *notify)
{
	if (notify->wanted)
		tell("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reloading", scoreboard_now() / 1000);
}

void notify_stopping(struct notify *notify)
{
	if (!notify->status)
		return;
	evtimer_del(notify->status);
	tell("STOPPING=1\nSTATUS=Stopping: %" PRIu32 " clients are left", notify->custody->count);
}

void notify_finish(struct notify *notify)
{
	if (notify->status)
		event_free(notify->status);
	if (notify->watchdog)
		event_free(notify->watchdog);
	*notify = (struct notify){ .wanted = false };
}

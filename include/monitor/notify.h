/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told, sd_notify(3): that clients can connect, how many there are, that the end is near,
 * and, if it asks for it, that the monitor is alive. Without a manager nothing is done, and no timer runs.
 */
#ifndef MONITOR_NOTIFY_H
#define MONITOR_NOTIFY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "monitor/custody.h"

struct notify {
	bool wanted;          /* somebody listens */
	uint64_t watchdog_us; /* a sign of life is due this often, 0: never */
	const struct custody *custody;
	struct event *status, *watchdog;
};

/* Reads the manager's wishes from the environment, in the process that it started, before a fork. */
void notify_init(struct notify *notify);

/*
 * Tells that clients can connect, and which process serves them. From here on the manager gets its signs of life, and
 * learns from notify_changed() what is in `custody`. Returns 0 or -errno.
 */
int notify_ready(struct notify *notify, struct event_base *base, const struct custody *custody);

/* A client has come or gone. It is told a little later, with all that has changed by then. */
void notify_changed(struct notify *notify);

/* A reload begins; notify_ready() ends it. */
void notify_reloading(const struct notify *notify);

void notify_stopping(struct notify *notify);

/* Frees what is held. One that was never initialised must be zero. */
void notify_finish(struct notify *notify);

#endif

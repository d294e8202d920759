/* SPDX-License-Identifier: MIT */
/*
 * What one monitor hands over to the next, in its order: written and read by the same lines (monitor/parcel.h). Whoever
 * changes them counts PARCEL_VERSION up. First come the names, then where the log goes (enum log_sink, as an int), then
 * these in their order.
 */
#ifndef MONITOR_INVENTORY_H
#define MONITOR_INVENTORY_H

#include "monitor/parcel.h"
#include "monitor/parts.h"

/* What a reload cannot change, because it is there already, under this name. */
struct names {
	const char *directory, *socket, *control, *pid_file;
};

void inventory_names(struct parcel *parcel, struct names *names);

/*
 * The monitor but for its workers. The sockets that are listened on have places of their own while they are written:
 * `listening` and `control`, -1 if there is none. Where it is read, there is room for `monitor->limits.clients` clients.
 */
void inventory_monitor(struct parcel *parcel, struct monitor *monitor, int *listening, int *control);

/* The workers, and which of them serves; what is read is for workforce_resume(). */
void inventory_workforce(struct parcel *parcel, struct workforce *workforce);

/* Children that are still to be reaped; `base` is where they are read. */
void inventory_remains(struct parcel *parcel, struct remains *remains, struct event_base *base);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Turning a client away so that its QEMU fails at once and says so. A socket that is closed with something unread in
 * it gives its peer ECONNRESET, any other an end of file, which QEMU may take for success (protocol.h). A client
 * speaks first: so its first bytes are waited for, for a moment.
 */
#ifndef MONITOR_REFUSAL_H
#define MONITOR_REFUSAL_H

#include <event2/event.h>

#define REFUSALS_PENDING_MOST 16 /* descriptors that wait so at most; more are closed as they come */

struct refusal {
	struct event *event; /* NULL: unused */
	int fd;
};

struct refusals {
	struct refusal pending[REFUSALS_PENDING_MOST];
	unsigned long long last_logged; /* CLOCK_MONOTONIC, ns */
};

/* Closes `fd`, now or soon, and logs `reason`, at most once a second. */
void refuse(struct refusals *refusals, struct event_base *base, int fd, const char *reason);

/* Closes those that are waited for. */
void refusals_finish(struct refusals *refusals);

#endif

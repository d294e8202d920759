/* SPDX-License-Identifier: MIT */
/*
 * Turning a client away so that its QEMU fails at once and says so. A socket that is closed with something unread in
 * it gives its peer ECONNRESET, any other an end of file, which QEMU may take for success (protocol.h). A client
 * speaks first: so its first bytes are waited for, for a moment. Who speaks after that gets EPIPE; only who never
 * does, and so waits for no reply, reads an end of file.
 *
 * Each refusal is worth a line in the log, but who is refused can come again at once, and could fill it. So a user
 * gets one line a minute. The table of users is bounded; one who was logged within the last minute is not forgotten
 * in favour of another, so that somebody with many uids (subuid(5)) fills the table, and no more. Who finds it full is
 * not logged by name; that there are such users is, once a minute.
 */
#ifndef MONITOR_REFUSAL_H
#define MONITOR_REFUSAL_H

#include <event2/event.h>
#include <sys/types.h>

#include "monitor/peer.h"

#define REFUSALS_PENDING_MOST 16 /* descriptors that wait so at most; more are closed as they come */
#define REFUSALS_USERS_MOST   32 /* that are logged within a minute by name */

struct refusal {
	struct event *event; /* NULL: unused */
	int fd;
};

struct refused_user {
	uid_t uid;
	unsigned unlogged;         /* refusals since the last line */
	unsigned long long logged; /* when that was, CLOCK_MONOTONIC, ns; 0: unused */
};

struct refusals {
	struct refusal pending[REFUSALS_PENDING_MOST];
	struct refused_user users[REFUSALS_USERS_MOST];
	unsigned long long overflow_logged;
};

/* Closes `fd`, now or soon, and logs for what `reason`, at most once a minute for each user. */
void refuse(struct refusals *refusals, struct event_base *base, int fd, const struct peer *peer, const char *reason);

/* For a client without whom there is nothing to do: logs, and waits here for its first bytes. `fd` stays open. */
void refuse_only_client(int fd, const struct peer *peer, const char *reason);

/* Closes those that are waited for. */
void refusals_finish(struct refusals *refusals);

#endif

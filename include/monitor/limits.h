/* SPDX-License-Identifier: MIT */
/* How much the helper may serve at once, and the descriptors that this takes. */
#ifndef MONITOR_LIMITS_H
#define MONITOR_LIMITS_H

struct limits {
	unsigned clients; /* connections at most */
	unsigned threads; /* reactors at most */
};

/*
 * Sets RLIMIT_NOFILE to `descriptors`, hard limit and all, or with 0 raises it to the hard limit that there is. Lowers
 * `limits` (logged, with what to do) to what that has room for: running out of descriptors in the middle of things
 * would harm guests that have done nothing. Returns 0, or -errno after logging why: `descriptors` is more than there
 * may be, or so few that there is not even room for one client.
 */
int limits_fit(struct limits *limits, unsigned descriptors);

#endif

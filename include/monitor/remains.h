/* SPDX-License-Identifier: MIT */
/* Processes that were given up because a thread of theirs hangs in the kernel: each is reaped whenever it ends. */
#ifndef MONITOR_REMAINS_H
#define MONITOR_REMAINS_H

#include <event2/event.h>
#include <sys/types.h>

struct remain;

/* A list; zero is an empty one. */
struct remains {
	struct remain *first;
};

/*
 * Takes over a child, and the pidfd_open(2) of it. Where that cannot be waited for, it is left to whoever inherits it
 * from us.
 */
void remains_keep(struct remains *remains, struct event_base *base, pid_t pid, int pidfd);

/* The process id of one, counted from 0, or 0. */
pid_t remains_pid(const struct remains *remains, unsigned index);

/* Forgets them. */
void remains_finish(struct remains *remains);

#endif

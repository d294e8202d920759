/* SPDX-License-Identifier: MIT */
/*
 * Processes that are not waited for, because a thread of theirs hangs in the kernel, or because they are on their way out
 * and that is nobody's concern: each is reaped whenever it ends.
 */
#ifndef MONITOR_REMAINS_H
#define MONITOR_REMAINS_H

#include <event2/event.h>
#include <stdbool.h>
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
void remains_keep(struct remains *remains, struct event_base *base, pid_t pid, int pidfd, bool hangs);

/* The process id of one, counted from 0, or 0; and whether it hangs. */
pid_t remains_pid(const struct remains *remains, unsigned index, bool *hangs);

/* Whether one hangs. */
bool remains_hang(const struct remains *remains);

/* Forgets them. */
void remains_finish(struct remains *remains);

#endif

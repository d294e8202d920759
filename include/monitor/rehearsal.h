/* SPDX-License-Identifier: MIT */
/* Trying a program before it is executed in our own place: a child that says on a pipe that all is well, or ends. */
#ifndef MONITOR_REHEARSAL_H
#define MONITOR_REHEARSAL_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/log.h"
#include "monitor/lines.h"

#define REHEARSAL_SECONDS 10 /* that it may take */

struct rehearsal {
	pid_t pid; /* 0: none is under way */
	int report_fd, log_fd;             /* to read from */
	int child_report_fd, child_log_fd; /* the child's, until it is there */
	struct event *report_event, *log_event;
	struct lines lines;            /* of what it says */
	char complaint[LOG_LINE_MAX]; /* the first line that it said, "" if there was none */
	void (*ended)(void *context, bool well);
	void *context;
};

/* What is run. */
struct piece {
	const char *program;
	char *const *arguments, *const *environment;
	const int *keep; /* descriptors that it inherits, besides the standard ones and the one it reports on */
	unsigned count;
};

/*
 * Makes the pipes, the first of two steps: *report is the number that the descriptor will have in the child on which it
 * is to write a byte when all is well. 0 or -errno.
 */
int rehearsal_open(struct rehearsal *rehearsal, int *report);

/*
 * Runs a piece, with a pipe of ours as its stderr: what it warns of goes to the log. When it has ended, or is ended
 * because it takes too long, `ended` is called from the event loop. 0 or -errno.
 */
int rehearsal_start(struct rehearsal *rehearsal, struct event_base *base, const struct piece *piece,
                    void (*ended)(void *context, bool well), void *context);

/* Ends it. One that was never opened must be zero, with -1 for the descriptors. */
void rehearsal_stop(struct rehearsal *rehearsal);

#endif

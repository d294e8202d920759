/* SPDX-License-Identifier: MIT */
/* The worker: the process inside the export that reads guests' bytes. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/confinement.h"
#include "common/policy.h"
#include "common/scoreboard.h"

struct worker_setup {
	int export_fd;  /* the directory that becomes the root */
	int channel;    /* to the monitor */
	int log_fd;     /* becomes stderr */
	int life_fd;    /* a pipe's end, which is closed when the process is no more (worker/canary.h) */
	unsigned threads; /* reactors at most */
	bool release;     /* connections that somebody else keeps besides the monitor: do not end them if it dies */
	uint32_t busy_poll; /* poller_configure() */
	uint64_t stuck_after; /* ns: the monitor is told of requests that take longer; 0: of none */
	struct confinement confinement;
	struct policy policy;
	struct scoreboard scoreboard;
};

/* fork(2), for the child to call worker_run() with the same setup. Returns what fork does. */
pid_t worker_fork(const struct worker_setup *setup);

/*
 * Confines the calling process, which the monitor has just forked, and serves until the monitor says stop or dies.
 * Never returns: exits with 0 after a stop, 1 if it could not be confined or started (logged).
 */
_Noreturn void worker_run(const struct worker_setup *setup);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Live upgrade: on SIGHUP, or when virtfs-proxyctl asks, the monitor executes the installed program in its own place,
 * same process, with its listener, its copies of the clients' sockets, the scoreboard and the worker that serves.
 *
 * Theory of operation. Nothing is risked: first the program is run beside us, on the same command line and the same
 * copy of the configuration file (a rehearsal: it reads what would be handed over, confines a worker, and ends). Only if
 * that goes well is it executed, with the same again. It starts a worker; when that is ready, the old one gives up its
 * connections, each between two messages, and the new one goes on with them (monitor/workforce.h). Whoever is in the
 * middle of a request stays with the old worker until it has its reply.
 *
 *   old program, old worker ──▶ rehearsal ──▶ execve ──▶ new program, old worker ──▶ new worker ready: both ──▶ new worker
 *                                  └─ fails: logged, told, nothing changes      └─ not: the old worker goes on
 *
 * reload.c is the side that goes, handover.c the one that comes, and inventory.c what is handed over.
 *
 * What survives execve(2) is put right: signals are blocked over it, so that none is lost; descriptors are close-on-exec
 * but those in the parcel; the filter, the bounding set and no_new_privs are the worker's alone.
 */
#ifndef MONITOR_HANDOVER_H
#define MONITOR_HANDOVER_H

#include <stdbool.h>

#include "options.h"

/* In the environment of the program: PARCEL,CONFIG,REPORT, the numbers of descriptors, or -1. */
#define HANDOVER_ENVIRONMENT "VIRTFS_PROXY_HANDOVER"
#define HANDOVER_FORMAT      "%d,%d,%d"

/* The same, taken apart: what another monitor has left. */
struct handover {
	int parcel_fd; /* monitor/parcel.h; -1: nothing, this is a start like any other */
	int config_fd; /* a copy of the file of --config, or -1 */
	int report_fd; /* of a rehearsal: where to say that all is well; -1: this is not one */
};

/* Takes it out of the environment. -EINVAL: there is something, but not of this kind. */
int handover_find(struct handover *handover);

/* Goes on where the other monitor stopped, or rehearses that. Returns the exit status. */
int handover_main(const struct options *options, const struct handover *handover);

#endif

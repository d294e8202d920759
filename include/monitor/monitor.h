/* SPDX-License-Identifier: MIT */
/* The monitor: the process outside the export, which keeps what the worker touches. See HACKING.md. */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "options.h"

/*
 * Serves until a signal, the peer of a connected --fd, or a failure ends it. Unless `options->foreground`, returns
 * in the calling process as soon as a daemon accepts connections, or has failed to start.
 * Returns the exit status: 0, or 1 after logging the reason, on the caller's stderr if it is about the start.
 */
int monitor_main(const struct options *options);

#endif

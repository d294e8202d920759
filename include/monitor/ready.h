/* SPDX-License-Identifier: MIT */
/* Readiness for those who wait for a newline from a descriptor, as s6 does: --ready-fd. */
#ifndef MONITOR_READY_H
#define MONITOR_READY_H

/* Whether `fd`, as the launcher passed it, is there to be written to. Returns 0, or -errno after logging. */
int ready_check(int fd);

/* Writes the newline, and closes it. Nothing is done to -1. */
void ready_tell(int *fd);

#endif

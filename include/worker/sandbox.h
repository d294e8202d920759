/* SPDX-License-Identifier: MIT */
/* Confinement of the worker. The only module that confines. */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/confinement.h"

/*
 * fork(2) for the process that is going to be confined as `confinement` says: a PID namespace begins with a fork.
 * Returns what fork does.
 */
pid_t sandbox_fork(const struct confinement *confinement);

/*
 * Confines the calling process, which must have one thread: its root becomes the directory `export_fd` (closed
 * here), supplementary groups are cleared, umask is 0, no_new_privs is set, bounding and ambient sets are empty, the
 * capabilities are those of credentials_capabilities, and only the system calls of worker/seccomp.c are allowed.
 * Logs which sandbox it is. Returns 0, or -errno after logging what failed and what to do about it.
 */
int sandbox_enter(int export_fd, const struct confinement *confinement);

/*
 * Whether the kernel holds the calling thread to be confined as sandbox_enter() leaves it; logs what is not. For
 * every thread of the worker to call before it reads a guest's byte.
 */
bool sandbox_verify(void);

/* Whether no descriptor is open but the standard ones and the `count` of `known`; logs what is. */
bool sandbox_verify_descriptors(const int *known, unsigned count);

#endif

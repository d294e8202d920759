/* SPDX-License-Identifier: MIT */
/* The system calls that the worker makes, and no others. */
#ifndef WORKER_SECCOMP_H
#define WORKER_SECCOMP_H

#include "common/confinement.h"

/*
 * From here on the calling process, which must have one thread and no_new_privs, may make the system calls of the
 * list in seccomp.c; another one kills it, or is logged by the kernel, as `mode` says. Threads that it makes are
 * filtered as well. Returns 0, or -errno after logging.
 */
int seccomp_enter(enum seccomp_mode mode);

#endif

/* SPDX-License-Identifier: MIT */
/* Confinement of the worker. The only module that confines. */
#ifndef WORKER_SANDBOX_H
#define WORKER_SANDBOX_H

#include <stdbool.h>

/*
 * Confines the calling process, which must have one thread: its root becomes the directory `export_fd` (closed
 * here), supplementary groups are cleared, umask is 0, no_new_privs is set, bounding and ambient sets are empty, and
 * the capabilities are those of credentials_capabilities. Returns 0, or -errno after logging what failed and what
 * to do about it.
 */
int sandbox_enter(int export_fd);

/*
 * Whether the kernel holds the calling thread to be confined as sandbox_enter() leaves it; logs what is not. For
 * every thread of the worker to call before it reads a guest's byte.
 */
bool sandbox_verify(void);

#endif

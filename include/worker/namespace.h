/* SPDX-License-Identifier: MIT */
/* The worker's own namespaces: sandbox.c's stronger half. */
#ifndef WORKER_NAMESPACE_H
#define WORKER_NAMESPACE_H

#include <sys/types.h>

#include "common/idmap.h"

/*
 * fork(2), with the child in a PID namespace of its own where that is possible. The child is then its init, whom no
 * signal from inside ends, nor from outside any but SIGKILL; what the kernel itself finds (SIGSEGV ...) still does.
 */
pid_t namespace_fork(void);

/*
 * A user namespace that maps as `map` says, for an idmapped mount. Returns its descriptor, which is the caller's to
 * close, or -errno, and then *step says what has failed.
 */
int namespace_make_idmap(const struct idmap *map, const char **step);

/*
 * Makes the directory `export_fd`, with the mounts below it, the root of a mount namespace that has nothing else:
 * nodev, nosuid and noexec, and with mapped ids if `idmap_fd` is not -1. What the host mounts below the export later
 * appears (if that is shared on the host, mount_namespaces(7)), unless ids are mapped: it would come without the map.
 * Network and IPC namespaces are made as well, where that is possible. Returns 0, or -errno, and then *step says what
 * has failed; the root and the working directory are then what they were, or those of the export.
 */
int namespace_enter(int export_fd, int idmap_fd, const char **step);

#endif

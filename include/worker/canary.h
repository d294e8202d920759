/* SPDX-License-Identifier: MIT */
/*
 * A thread by whose death the monitor learns of the process's.
 *
 * Theory of operation: a process that is killed while one of its threads hangs in the kernel, beyond the reach of any
 * signal, does not end before that thread returns: there is no SIGCHLD, its pidfd does not become readable, and as all
 * threads share one table of descriptors, none of its sockets is closed. Its other threads are gone at once, though. One of
 * them, this one, has a table of its own (unshare(2), CLONE_FILES), with nothing in it but the end of a pipe. It does
 * nothing but sleep, so that nothing can keep it from dying, and the monitor sees the end of the pipe.
 */
#ifndef WORKER_CANARY_H
#define WORKER_CANARY_H

/*
 * Starts the thread ("vph-canary"), which keeps `life` alone; for everybody else that is closed. It closes the standard
 * descriptors and the `count` others of `known`, which must be all that there are. Returns 0 or -errno.
 */
int canary_start(int life, const int *known, unsigned count);

#endif

/* SPDX-License-Identifier: MIT */
/* Becoming a daemon, daemon(7): the process that was started returns once its daemon is ready, or has failed. */
#ifndef MONITOR_DAEMON_H
#define MONITOR_DAEMON_H

#include <stdbool.h>

/*
 * Forks. In the child, which is in a session of its own, returns 0 and stores what daemon_ready() needs. The parent
 * does not return: it exits with 0 after daemon_ready(), and with 1 if the child ends without it. -errno: no fork.
 */
int daemon_fork(int *ready_fd);

/* Puts /dev/null in the place of stdin, stdout and stderr, and lets the parent go. From here on the log is syslog's. */
void daemon_ready(int *ready_fd);

#endif

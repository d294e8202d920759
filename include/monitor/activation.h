/* SPDX-License-Identifier: MIT */
/* A socket that a service manager made and listens on until somebody connects: LISTEN_FDS, sd_listen_fds(3). */
#ifndef MONITOR_ACTIVATION_H
#define MONITOR_ACTIVATION_H

#include <stdbool.h>

/*
 * Takes the announcement out of the environment, in the process that was started, before a fork. If `wanted`, stores
 * the descriptor of the one listening AF_UNIX stream socket that it must be about. Returns 0, or -errno after logging.
 */
int activation_take(bool wanted, int *fd);

#endif

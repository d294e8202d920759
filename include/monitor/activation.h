/* SPDX-License-Identifier: MIT */
/*
 * What a service manager passes to the process that it starts: LISTEN_FDS, sd_listen_fds(3). That is a socket which it
 * made, and listens on until somebody connects; and what it has kept of an earlier helper (monitor/store.h).
 */
#ifndef MONITOR_ACTIVATION_H
#define MONITOR_ACTIVATION_H

#include <stdbool.h>

#include "monitor/store.h"

/*
 * Takes the announcement out of the environment, in the process that was started, before a fork. If `wanted`, stores
 * the descriptor of the one listening AF_UNIX stream socket that it must be about, and notes what was kept in *legacy.
 * Returns 0, or -errno after logging.
 */
int activation_take(bool wanted, int *fd, struct legacy *legacy);

#endif

/* SPDX-License-Identifier: MIT */
/* A socket that the launcher made: --fd. */
#ifndef MONITOR_INHERITED_H
#define MONITOR_INHERITED_H

#include <stdbool.h>

/*
 * Takes over the descriptor `fd`, which must be a connected or a listening AF_UNIX stream socket (told apart by
 * SO_ACCEPTCONN, socket(7)), under a number that is no standard one. Returns that, close-on-exec, or -errno after
 * logging.
 */
int inherited_socket_take(int fd, bool *listening);

#endif

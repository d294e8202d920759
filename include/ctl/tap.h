/* SPDX-License-Identifier: MIT */
/*
 * A connected socket that is read by looking at it: the last byte seen is always left in its queue. For as long as one
 * lies there, closing gives the peer ECONNRESET, so that a reset can be passed on; an end is passed on by taking that
 * byte first. There is no other way to reset an AF_UNIX connection.
 */
#ifndef CTL_TAP_H
#define CTL_TAP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define TAP_DESCRIPTORS 253 /* as many as one message can carry, SCM_MAX_FD of unix(7) */

struct tap {
	int fd;        /* non-blocking; -1: none */
	size_t unread; /* bytes that have been seen and are still in the queue: 0 or 1 between calls */
};

/* Descriptors on their way. */
struct passed {
	int count;
	int fds[TAP_DESCRIPTORS];
};

/* Takes over a connected socket. Returns 0 or a negative errno. */
int tap_open(struct tap *tap, int fd);

/*
 * At most `size` of the bytes that come next, and the descriptors that came with them, which are added to `passed`;
 * those that came with a single byte, though, when the next bytes come.
 * Returns how many; 0 at the end; -EAGAIN: there are none yet; -ECONNRESET or another errno of the connection.
 */
ssize_t tap_look(struct tap *tap, void *bytes, size_t size, struct passed *passed);

/* Sends what the socket takes of the bytes, with all the descriptors. Returns how many bytes, or a negative errno. */
ssize_t tap_send(const struct tap *tap, const void *bytes, size_t size, const struct passed *passed);

/* Ends the connection: for the peer with a reset, if it ever sent a byte, or with an end of file. */
void tap_close(struct tap *tap, bool reset);

void passed_close(struct passed *passed);

#endif

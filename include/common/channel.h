/* SPDX-License-Identifier: MIT */
/*
 * The channel between monitor and worker: an AF_UNIX SOCK_SEQPACKET pair. Messages are small and whole, and one
 * kind brings a descriptor along. It is closed by whichever process dies first, and the other sees the end of file.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stdint.h>

enum channel_type {
	CHANNEL_READY,      /* worker: confined, checked, and waiting for connections */
	CHANNEL_CONNECTION, /* monitor: serve this one; brings its descriptor */
	CHANNEL_CLOSED,     /* worker: look at the scoreboard, a slot is SLOT_CLOSED or SLOT_RELEASED */
	CHANNEL_RELEASE,    /* monitor: give up each connection as soon as nothing of a message is in hand */
	CHANNEL_STOP,       /* monitor: answer what is in flight, close everything, exit */
	CHANNEL_STUCK,      /* worker: the request in this slot has been executing for longer than it should */
	CHANNEL_RETURNED,   /* worker: it came back */
};

struct channel_message {
	uint32_t type; /* enum channel_type */
	uint32_t slot; /* CHANNEL_CONNECTION, CHANNEL_STUCK, CHANNEL_RETURNED: index in the scoreboard */
};

/* Makes both ends, close-on-exec and non-blocking. Returns 0 or -errno. */
int channel_create(int ends[2]);

/* Sends a message, with a copy of `descriptor` unless it is -1. Returns 0 or -errno. Safe from any thread. */
int channel_send(int channel, const struct channel_message *message, int descriptor);

/*
 * Receives a message. *descriptor becomes the one that came along (close-on-exec, the caller's to close) or -1: there
 * was none, or this process could not have another (EMFILE).
 *
 *  0        a message
 *  -EAGAIN  none yet
 *  -EPIPE   the other process is gone
 *  -EPROTO  something that is no message
 *  others   of recvmsg(2)
 */
int channel_receive(int channel, struct channel_message *message, int *descriptor);

#endif

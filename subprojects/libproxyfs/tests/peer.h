/* SPDX-License-Identifier: MIT */
/*
 * A helper that follows a script, in a thread at the other end of a socketpair: it takes one request, keeps its bytes
 * for the test to look at, and answers whatever the script says, however wrong. For cmocka tests.
 */
#ifndef TESTS_PEER_H
#define TESTS_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <proxyfs/client.h>

#include "wire.h"

enum ending { STAYS, ENDS, RESETS };

struct script {
	struct part reply[PARTS_MAX];
	size_t sent;              /* bytes of the reply that are sent; 0: all */
	unsigned int descriptors; /* that come with its first byte */
	bool in_pieces;           /* each byte once the one before has been read */
	bool interrupts_sending;  /* two signals while the client waits to send, before anything is read */
	bool interrupts;          /* a signal while the client waits for the reply */
	enum ending then;         /* RESETS leaves a part of the request unread, as a helper does that cuts */
};

struct peer {
	const void *subject; /* the test's initial state */
	struct proxyfs_client *client;
	int fd;          /* the peer's end, -1 once it has ended */
	int passed;      /* what it passes descriptors of: a file of no other use */
	const struct script *script;
	unsigned char request[WIRE_MAX];
	size_t request_size;
};

/* Makes the one peer there is and its client, and leaves it at *state: a setup for cmocka. */
int peer_setup(void **state);

/* Ends both: the teardown. Fails when the test has left descriptors open. */
int peer_teardown(void **state);

/* Runs `call` against a peer that plays `script`, until both are done. Returns what the call does. */
long peer_play(struct peer *peer, const struct script *script, long (*call)(struct proxyfs_client *client));

/* Asserts that the peer has received exactly these bytes. */
void assert_received(const struct peer *peer, const struct part *parts);

/* Asserts that nothing was sent that the peer has not read. */
void assert_nothing_more_sent(const struct peer *peer);

/* Asserts that `fd` is a close-on-exec descriptor of what the peer passes, and closes it. */
void assert_passed(const struct peer *peer, long fd);

unsigned int open_descriptors(void);

#endif

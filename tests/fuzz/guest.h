/* SPDX-License-Identifier: MIT */
/*
 * The client's end of a connection, and what the client is owed: exactly one reply, the right one, for each message
 * that it has sent whole, in their order; then an end of file after whole messages only, and only because the client
 * hung up; a reset whenever anything of it remains unanswered.
 */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include <sys/types.h>

#include "answers.h"

enum guest_sight {
	GUEST_WAITS, /* there is nothing to read now */
	GUEST_READ,  /* bytes, as many as it wanted */
	GUEST_END,
	GUEST_RESET,
};

#define GUEST_DEATHS_MAX 256U

struct guest {
	int socket; /* -1: closed */
	int file;   /* what all descriptors, in both directions, are copies of */
	dev_t passed_dev;
	ino_t passed_ino;

	const uint8_t *stream; /* what it sends in all, and of this has sent */
	size_t size, sent;
	size_t at; /* where the message begins whose reply comes next */
	unsigned replies; /* read, whole */

	bool hung_up; /* half closed */
	bool deaf;    /* the other half closed: what it is owed it cannot read */
	bool sent_descriptor; /* for which it is to be cut */
	bool may_be_cut; /* for that, or because the helper died at a moment when it cannot go on */
	bool saw_reset; /* the kernel reports it once, to a send or a read, and an end of file ever after */
	unsigned failed_replies[GUEST_DEATHS_MAX]; /* numbers of those that are -EIO instead, because the helper died */
	unsigned failures;

	struct answer expected; /* the reply that comes next, if there is one: `known` */
	bool known;
	size_t done; /* bytes of it that have been read */
};

/* A guest at its end of a new socket pair. Returns the helper's end. */
int guest_begin(struct guest *guest, int file, const uint8_t *stream, size_t size);

/* Sends up to `size` bytes more of the stream, with a descriptor or without, as far as the socket takes them. */
void guest_send(struct guest *guest, size_t size, bool with_descriptor);

/* Reads, and checks, up to `most` bytes. */
enum guest_sight guest_read(struct guest *guest, size_t most);

void guest_hang_up(struct guest *guest);
void guest_stop_listening(struct guest *guest);
void guest_close(struct guest *guest);

/* Whether it waits for a reply to a message that it has sent whole. */
bool guest_is_owed(const struct guest *guest);

/* Whether the helper has a reason to end the connection. */
bool guest_deserves_end(const struct guest *guest);

/* The helper dies. Reply number `reply`, of which it has sent nothing, will be a failure; -1: it owes none. */
void guest_sees_death(struct guest *guest, long reply, bool may_be_cut);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Custody of the connected sockets: the monitor's copy of each, which keeps a client's connection from ending when
 * a worker does, and its slot in the scoreboard. No byte is read from them.
 */
#ifndef MONITOR_CUSTODY_H
#define MONITOR_CUSTODY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/ration.h"
#include "common/scoreboard.h"
#include "monitor/peer.h"

/* Who a client is, where no worker can change it. */
struct client_identity {
	uint64_t number;  /* from 1 on, in the order in which they came */
	uint64_t arrived; /* CLOCK_MONOTONIC, ns */
	pid_t pid;        /* SO_PEERCRED, unix(7) */
	uid_t uid;
	gid_t gid;
	char program[PEER_PROGRAM_SIZE];
};

struct custody;

/* Where another copy of each connection is kept: monitor/store.h. */
struct custody_store {
	void (*put)(const struct custody *custody, uint32_t index);
	void (*remove)(uint32_t index);
};

struct custody {
	struct scoreboard scoreboard;
	int *copies;    /* a descriptor for each slot, or -1 */
	uint32_t *holders; /* for each slot: the number of the worker that has its connection, or 0 */
	struct client_identity *clients; /* for each slot */
	struct tally gone[LEDGER_OPS];   /* what those that are gone asked for */
	struct ration lines;             /* of the log, about them */
	const struct custody_store *store; /* that keeps the connections, too: our end is not theirs. NULL: there is none */
	uint64_t admitted;               /* that there ever were */
	uint32_t count;                  /* slots in use */
	uint32_t most;                   /* that may be */
	bool held_elsewhere; /* a worker that cannot end may have any socket open: its clients do not notice a close */
	uint64_t reaped_requests; /* of connections that are over */
};

/* Makes room for `most` connections. Returns 0 or -errno. */
int custody_create(struct custody *custody, uint32_t most);

/*
 * The same for a custody whose scoreboard's descriptors are another monitor's: there is room for what it held, too. Its
 * clients are yet to be put in. Returns 0 or -errno.
 */
int custody_adopt(struct custody *custody, uint32_t most);

/*
 * Takes a connected socket, whose other end is `peer`, and gives it a slot, whose index is returned; -ENOSPC: all are
 * in use, fd is not taken.
 */
int custody_admit(struct custody *custody, int fd, const struct peer *peer);

/*
 * After custody_adopt(): puts a socket back into the slot that it had, as no worker's. False: this is no connection, or
 * the slot is none, or taken; fd is not.
 */
bool custody_readmit(struct custody *custody, uint32_t index, int fd);

/* The next slot from `first` on whose connection no worker has, or -1. */
int custody_next_unhanded(const struct custody *custody, uint32_t first);

/* How many connections the worker of this number has. */
uint32_t custody_held_by(const struct custody *custody, uint32_t worker);

/* It is gone, and has none of them any more. */
void custody_take_back(struct custody *custody, uint32_t worker);

/* It was asked to release them: it does not have those any more that it has released. */
void custody_take_released(struct custody *custody, uint32_t worker);

/* Whether somebody is owed something: there is a connection that its worker has not released. */
bool custody_is_owing(const struct custody *custody);

/* Closes the copies of connections that the worker has ended, and logs each. Returns how many there were. */
uint32_t custody_reap(struct custody *custody);

/* Requests answered so far, for all connections that there have been. */
uint64_t custody_requests(const struct custody *custody);

/* Closes all copies and frees what is held. */
void custody_destroy(struct custody *custody);

#endif

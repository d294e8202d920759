/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: the truth about every connection, one slot each, in memory that monitor and worker both map. The
 * worker writes without locks or system calls; the monitor reads, even while every reactor is stuck in a file
 * system, and trusts nothing in it.
 *
 * The life of a slot:
 *
 *   FREE ──monitor: accepted──▶ IDLE ──▶ EXECUTING ──▶ REPLYING ──▶ IDLE ...
 *                               ▲  │    ▲
 *                               │  ▼    │  a message that comes in pieces
 *                              READING ─┘
 *   any ──worker: the connection is over──▶ CLOSED ──monitor: copy closed──▶ FREE
 *   IDLE ──worker, asked to: given up──▶ RELEASED ──another worker: taken over──▶ IDLE
 *
 * Who moves a slot from EXECUTING to REPLYING answers the request: normally the reactor that runs it, but the
 * worker's main thread when a system call does not return in time at shutdown, and a new worker after a crash.
 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/ledger.h"

enum slot_phase {
	SLOT_FREE,
	SLOT_IDLE,      /* nothing of a next message has been dealt with */
	SLOT_READING,   /* a part of a message is in the worker's memory */
	SLOT_EXECUTING, /* the client is owed the reply to `op` */
	SLOT_REPLYING,  /* it is being sent */
	SLOT_CLOSED,    /* the worker is done with the connection */
	SLOT_RELEASED,  /* the worker has given it up between two messages: another one may go on with it */
};

struct slot {
	/* written by the worker */
	_Atomic uint32_t phase;    /* enum slot_phase */
	_Atomic uint32_t op;       /* the type of the message in hand */
	_Atomic uint64_t position; /* slot_set_position() */
	_Atomic uint32_t due;      /* bytes of its reply */
	_Atomic uint32_t partly;   /* not 0: some of these, not all, went with an earlier call than `sending` */
	/*
	 * The last sendmmsg(2) of a reply, with its one message. The kernel notes in msg_len what the socket took before
	 * the call returns, and so before a signal can kill the thread: whatever happens, this is the truth.
	 */
	struct mmsghdr sending;
	_Atomic uint64_t since;   /* of EXECUTING: CLOCK_MONOTONIC, ns */
	_Atomic uint64_t requests; /* answered */
	_Atomic uint64_t errors;  /* of these, with a failure */

	/* written by the monitor while the slot is its own, before IDLE: SO_PEERCRED at accept, unix(7) */
	pid_t pid;
	uid_t uid;
	gid_t gid;
} __attribute__((aligned(64))); /* reactors do not share cache lines */

#define SCOREBOARD_MOST 65536 /* slots */

struct scoreboard {
	uint32_t count;
	struct slot *slots;
	struct ledger *ledgers; /* one for each slot */
	int slots_fd, ledgers_fd; /* the memory of each, memfd_create(2), for who comes after this process */
};

/* Maps memory for `count` slots, shared with the processes forked from here on. Returns 0 or -errno. */
int scoreboard_create(struct scoreboard *scoreboard, uint32_t count);

/*
 * Maps what another monitor has created, enlarged to `count` slots if there are fewer. The descriptors are taken over.
 * Returns 0 or -errno; -EPROTO: this is no scoreboard.
 */
int scoreboard_adopt(struct scoreboard *scoreboard, int slots_fd, int ledgers_fd, uint32_t count);

/* Unmaps and closes it. */
void scoreboard_destroy(struct scoreboard *scoreboard);

/* CLOCK_MONOTONIC, ns. */
uint64_t scoreboard_now(void);

static inline void slot_set_phase(struct slot *slot, enum slot_phase phase)
{
	atomic_store_explicit(&slot->phase, phase, memory_order_release);
}

static inline enum slot_phase slot_phase(const struct slot *slot)
{
	return atomic_load_explicit(&slot->phase, memory_order_acquire);
}

/* Takes the right to answer the request that is executing; false: somebody else has it. */
static inline bool slot_claim_reply(struct slot *slot)
{
	uint32_t expected = SLOT_EXECUTING;

	return atomic_compare_exchange_strong_explicit(&slot->phase, &expected, SLOT_REPLYING, memory_order_acq_rel,
	                                               memory_order_relaxed);
}

/*
 * Where the worker is in the socket's queue, in one store: `kept` bytes at its head have been dealt with, `in_hand`
 * after them are the message that is being executed (worker/inbox.h).
 */
static inline void slot_set_position(struct slot *slot, uint32_t kept, uint32_t in_hand)
{
	atomic_store_explicit(&slot->position, (uint64_t)in_hand << 32 | kept, memory_order_release);
}

static inline uint32_t slot_kept(const struct slot *slot)
{
	return (uint32_t)atomic_load_explicit(&slot->position, memory_order_acquire);
}

static inline uint32_t slot_in_hand(const struct slot *slot)
{
	return (uint32_t)(atomic_load_explicit(&slot->position, memory_order_acquire) >> 32);
}

/* For a value that one thread alone writes: no locked instruction. */
#define slot_store(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)
#define slot_load(member)         atomic_load_explicit(&(member), memory_order_relaxed)

#endif

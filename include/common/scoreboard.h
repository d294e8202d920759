/* SPDX-License-Identifier: MIT */
/*
 * The scoreboard: the truth about every connection, one slot each, in memory that monitor and worker both map. The
 * worker writes without locks or system calls; the monitor reads, even while every reactor is stuck in a file
 * system, and trusts nothing in it.
 *
 * The life of a slot:
 *
 *   FREE ──monitor: accepted──▶ IDLE ──▶ READING ──▶ EXECUTING ──▶ REPLYING ──▶ IDLE ...
 *                                 └──worker: connection is over──▶ CLOSED ──monitor: copy closed──▶ FREE
 *
 * Who moves a slot from EXECUTING to REPLYING answers the request: normally the reactor that runs it, but the
 * worker's main thread when a system call does not return in time at shutdown, and a new worker after a crash.
 */
#ifndef COMMON_SCOREBOARD_H
#define COMMON_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum slot_phase {
	SLOT_FREE,
	SLOT_IDLE,      /* no byte of the next message has been consumed */
	SLOT_READING,   /* a message is being consumed */
	SLOT_EXECUTING, /* a message has been consumed; the client is owed its reply */
	SLOT_REPLYING,  /* the reply is being sent */
	SLOT_CLOSED,    /* the worker is done with the connection */
};

struct slot {
	/* written by the worker */
	_Atomic uint32_t phase;   /* enum slot_phase */
	_Atomic uint32_t op;      /* the type of the message in hand */
	_Atomic uint32_t size;    /* of that message, bytes with its header; 0 until its header is known */
	_Atomic uint32_t consumed; /* bytes of it taken from the socket */
	_Atomic uint32_t answered; /* bytes of its reply given to the socket */
	_Atomic uint64_t since;   /* when it was consumed: CLOCK_MONOTONIC, ns */
	_Atomic uint64_t requests; /* answered */
	_Atomic uint64_t errors;  /* of these, with a failure */

	/* written by the monitor while the slot is its own, before IDLE: SO_PEERCRED at accept, unix(7) */
	pid_t pid;
	uid_t uid;
	gid_t gid;
} __attribute__((aligned(64))); /* reactors do not share cache lines */

struct scoreboard {
	uint32_t count;
	struct slot *slots;
};

/* Maps memory for `count` slots, shared with the processes forked from here on. Returns 0 or -errno. */
int scoreboard_create(struct scoreboard *scoreboard, uint32_t count);

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

/* For a value that one thread alone writes: no locked instruction. */
#define slot_store(member, value) atomic_store_explicit(&(member), (value), memory_order_relaxed)
#define slot_load(member)         atomic_load_explicit(&(member), memory_order_relaxed)

#endif

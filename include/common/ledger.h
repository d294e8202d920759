/* SPDX-License-Identifier: MIT */
/*
 * What a connection has asked for, and how long that took: a page of shared memory for each slot of the scoreboard,
 * beside it, so that who looks through the slots does not touch it. One thread writes, without locks or system
 * calls; the monitor reads, and trusts nothing in it.
 *
 * Theory of operation: how long a request took goes into one of some buckets, each wider than the one before by the
 * square root of two. From their counts a percentile can be told to within 17.2 percent, for as many requests as one
 * likes, in 176 bytes. A bucket that is about to overflow halves its row: percentiles stay what they are.
 */
#ifndef COMMON_LEDGER_H
#define COMMON_LEDGER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_OPS      20U /* the operations, from the first type of a request on: PROXYFS_OPEN */
#define LEDGER_FIRST_OP 2U

/* From 512 ns to 1.07 s; the first bucket has all below, the last all above. */
#define LEDGER_BUCKETS   44U
#define LEDGER_LEAST_LOG 9U

#define LEDGER_BUCKET_MOST (1U << 31)

struct ledger_row {
	_Atomic uint64_t requests; /* answered */
	_Atomic uint64_t errors;   /* of these, with a failure */
	_Atomic uint64_t ns;       /* that they took together */
	_Atomic uint32_t buckets[LEDGER_BUCKETS];
};

#define LEDGER_PATH_SIZE 96 /* bytes, with the terminating NUL; what is longer is cut */

struct ledger {
	struct ledger_row rows[LEDGER_OPS];
	char path[LEDGER_PATH_SIZE]; /* of the request that is executed, as the guest sent it */
} __attribute__((aligned(4096)));

/* Adds a request of a valid type. */
void ledger_note(struct ledger *ledger, uint32_t op, int32_t status, uint64_t ns);

/* Notes the path of the request that is about to be executed. */
void ledger_note_path(struct ledger *ledger, const char *path, size_t size);

/* What one row, or several together, come to; nobody else's memory. */
struct tally {
	uint64_t requests, errors, ns;
	uint64_t buckets[LEDGER_BUCKETS];
};

/* Adds a row, whatever is in it. */
void tally_add(struct tally *tally, const struct ledger_row *row);

/* Adds another. */
void tally_merge(struct tally *tally, const struct tally *other);

/*
 * How many ns at most the fastest `percent` of the requests took, to within 17.2 percent where the buckets end; 0 if
 * there was no request.
 */
uint64_t tally_percentile(const struct tally *tally, unsigned percent);

/* The bucket that `ns` belongs to, and the least of what the next one holds. */
unsigned ledger_bucket(uint64_t ns);
uint64_t ledger_bucket_end(unsigned bucket);

#endif

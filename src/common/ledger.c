/* SPDX-License-Identifier: MIT */
#include "common/ledger.h"

#include <string.h>

_Static_assert(sizeof(struct ledger) == 4096, "a ledger is a page");

/* The square root of one half, in units of 2^-32. */
#define ROOT_OF_HALF UINT64_C(0xb504f334)

#define load(member)         atomic_load_explicit(&(member), memory_order_relaxed)
#define store(member, value) atomic_store_explicit(&(member), value, memory_order_relaxed)

/* Each power of two has two buckets, that end at its double's half, on a logarithmic scale, and at its double. */
unsigned ledger_bucket(uint64_t ns)
{
	unsigned log, bucket;

	if (ns >> LEDGER_LEAST_LOG == 0)
		return 0;
	log = 63U - (unsigned)__builtin_clzll(ns);
	bucket = 1 + 2 * (log - LEDGER_LEAST_LOG) + ((ns << (63U - log)) >> 32 >= ROOT_OF_HALF);
	return bucket < LEDGER_BUCKETS ? bucket : LEDGER_BUCKETS - 1;
}

uint64_t ledger_bucket_end(unsigned bucket)
{
	uint64_t power = UINT64_C(1) << (LEDGER_LEAST_LOG + bucket / 2);

	return bucket % 2 ? (2 * power * ROOT_OF_HALF + UINT32_MAX) >> 32 : power;
}

/* The number that is off by the same part of both ends. */
static uint64_t bucket_middle(unsigned bucket)
{
	uint64_t least = bucket ? ledger_bucket_end(bucket - 1) : ledger_bucket_end(0) / 2;
	uint64_t end = ledger_bucket_end(bucket);

	return bucket == LEDGER_BUCKETS - 1 ? least : 2 * least * end / (least + end);
}

static void halve(struct ledger_row *row)
{
	for (unsigned i = 0; i < LEDGER_BUCKETS; i++)
		store(row->buckets[i], load(row->buckets[i]) / 2);
}

void ledger_note(struct ledger *ledger, uint32_t op, int32_t status, uint64_t ns)
{
	struct ledger_row *row = &ledger->rows[op - LEDGER_FIRST_OP];
	unsigned bucket = ledger_bucket(ns);
	uint32_t count = load(row->buckets[bucket]) + 1;

	store(row->requests, load(row->requests) + 1);
	if (status)
		store(row->errors, load(row->errors) + 1);
	store(row->ns, load(row->ns) + ns);
	store(row->buckets[bucket], count);
	if (count >= LEDGER_BUCKET_MOST)
		halve(row);
}

void ledger_note_path(struct ledger *ledger, const char *path, size_t size)
{
	if (size >= LEDGER_PATH_SIZE)
		size = LEDGER_PATH_SIZE - 1;
	memcpy(ledger->path, path, size);
	ledger->path[size] = '\0';
}

void tally_add(struct tally *tally, const struct ledger_row *row)
{
	tally->requests += load(row->requests);
	tally->errors += load(row->errors);
	tally->ns += load(row->ns);
	for (unsigned i = 0; i < LEDGER_BUCKETS; i++)
		tally->buckets[i] += load(row->buckets[i]);
}

void tally_merge(struct tally *tally, const struct tally *other)
{
	tally->requests += other->requests;
	tally->errors += other->errors;
	tally->ns += other->ns;
	for (unsigned i = 0; i < LEDGER_BUCKETS; i++)
		tally->buckets[i] += other->buckets[i];
}

uint64_t tally_percentile(const struct tally *tally, unsigned percent)
{
	uint64_t all = 0, seen = 0, rank;

	for (unsigned i = 0; i < LEDGER_BUCKETS; i++)
		all += tally->buckets[i];
	if (all == 0)
		return 0;
	rank = all / 100 * percent + (all % 100 * percent + 99) / 100;
	for (unsigned i = 0; i < LEDGER_BUCKETS; i++) {
		seen += tally->buckets[i];
		if (seen >= rank)
			return bucket_middle(i);
	}
	return bucket_middle(LEDGER_BUCKETS - 1);
}

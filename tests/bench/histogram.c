/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <time.h>

#define STEPS (1U << HISTOGRAM_STEP_BITS)

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* Values below 64 have a bucket each; above, each power of two has 64. */
static unsigned bucket_of(uint64_t value)
{
	unsigned magnitude;

	if (value < STEPS)
		return (unsigned)value;
	magnitude = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
	return (magnitude + 1) * STEPS + (unsigned)(value >> magnitude) - STEPS;
}

static uint64_t top_of(unsigned bucket)
{
	unsigned magnitude = bucket / STEPS;

	if (magnitude == 0)
		return bucket;
	return ((uint64_t)(bucket % STEPS + STEPS + 1) << (magnitude - 1)) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->buckets[bucket_of(value)]++;
	histogram->count++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
	into->count += from->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

uint64_t histogram_percentile(const struct histogram *histogram, double rank)
{
	uint64_t wanted = (uint64_t)((double)histogram->count * rank);
	uint64_t seen = 0;

	if (wanted >= histogram->count && wanted > 0)
		wanted = histogram->count - 1;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += histogram->buckets[i];
		if (seen > wanted)
			return top_of(i);
	}
	return 0;
}

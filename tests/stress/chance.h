/* SPDX-License-Identifier: MIT */
/* Numbers that look random and are the same for the same seed: splitmix64. */
#ifndef TESTS_CHANCE_H
#define TESTS_CHANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
	uint64_t mixed = chance->state += 0x9e3779b97f4a7c15U;

	mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9U;
	mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebU;
	return mixed ^ mixed >> 31;
}

/* 0 to limit - 1. */
static inline uint32_t chance_below(struct chance *chance, uint32_t limit)
{
	return (uint32_t)(chance_next(chance) >> 32) % limit;
}

static inline bool chance_one_in(struct chance *chance, uint32_t count)
{
	return chance_below(chance, count) == 0;
}

/* 0 to most, small ones far more often: each number of bits is as likely as the others. */
static inline uint32_t chance_size(struct chance *chance, uint32_t most)
{
	uint32_t size = (uint32_t)(chance_next(chance) >> 32) >> chance_below(chance, 32);

	return size % (most + 1);
}

#endif

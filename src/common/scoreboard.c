/* SPDX-License-Identifier: MIT */
#include "common/scoreboard.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

int scoreboard_create(struct scoreboard *scoreboard, uint32_t count)
{
	void *memory = mmap(NULL, count * sizeof(struct slot), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	scoreboard->slots = memory;
	scoreboard->count = count;
	return 0;
}

uint64_t scoreboard_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

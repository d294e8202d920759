/* SPDX-License-Identifier: MIT */
#include "common/scoreboard.h"

#include <errno.h>
#include <sys/mman.h>
#include <time.h>

/* Memory that is there once it is touched. */
static void *map_shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int scoreboard_create(struct scoreboard *scoreboard, uint32_t count)
{
	scoreboard->slots = map_shared(count * sizeof(struct slot));
	scoreboard->ledgers = map_shared(count * sizeof(struct ledger));
	if (!scoreboard->slots || !scoreboard->ledgers)
		return -errno;
	scoreboard->count = count;
	return 0;
}

uint64_t scoreboard_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

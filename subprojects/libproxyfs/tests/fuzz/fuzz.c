/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Noreturn void fuzz_fail(const char *text, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	abort();
}

static uint8_t *map_guarded(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, FUZZ_INPUT_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	FUZZ_CHECK(map != MAP_FAILED && mprotect(map + FUZZ_INPUT_MAX, page, PROT_NONE) == 0);
	return (uint8_t *)map;
}

uint8_t *fuzz_room(unsigned number, size_t size)
{
	static uint8_t *maps[FUZZ_ROOMS];

	FUZZ_CHECK(number < FUZZ_ROOMS && size <= FUZZ_INPUT_MAX);
	if (!maps[number])
		maps[number] = map_guarded();
	return maps[number] + FUZZ_INPUT_MAX - size;
}

const uint8_t *fuzz_copy(unsigned number, const void *bytes, size_t size)
{
	uint8_t *room = fuzz_room(number, size);

	if (size > 0)
		memcpy(room, bytes, size);
	return room;
}

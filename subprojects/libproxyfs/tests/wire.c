/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static unsigned char *put(unsigned char *at, const void *bytes, size_t size)
{
	if (size > 0)
		memcpy(at, bytes, size);
	return at + size;
}

void wire_put_u16(void *bytes, uint16_t value)
{
	put(bytes, &value, sizeof value);
}

void wire_put_u32(void *bytes, uint32_t value)
{
	put(bytes, &value, sizeof value);
}

static unsigned char *put_part(unsigned char *at, const struct part *part)
{
	const uint32_t narrow = (uint32_t)part->number;
	const uint16_t length = (uint16_t)part->size;

	switch (part->kind) {
	case PART_U32:
		return put(at, &narrow, 4);
	case PART_U64:
		return put(at, &part->number, 8);
	case PART_TEXT:
	case PART_BINARY:
		return put(put(at, &length, 2), part->data, part->size);
	case PART_END:
		break;
	}
	return at;
}

size_t wire_build(const struct part *parts, void *bytes)
{
	unsigned char *at = bytes;

	for (const struct part *part = parts; part->kind != PART_END; part++)
		at = put_part(at, part);
	return (size_t)(at - (unsigned char *)bytes);
}

static unsigned char *map_guarded(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *map = mmap(NULL, WIRE_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || mprotect(map + WIRE_MAX, page, PROT_NONE) != 0) {
		perror("a guarded buffer");
		abort();
	}
	return (unsigned char *)map;
}

unsigned char *room_before_guard(size_t size)
{
	static unsigned char *map;

	if (!map)
		map = map_guarded();
	memset(map, 0xa5, WIRE_MAX);
	return map + WIRE_MAX - size;
}

unsigned char *copy_before_guard(const void *bytes, size_t size)
{
	unsigned char *room = room_before_guard(size);

	put(room, bytes, size);
	return room;
}

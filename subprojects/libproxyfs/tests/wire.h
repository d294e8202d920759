/* SPDX-License-Identifier: MIT */
/*
 * Wire bytes written by hand. A message is a list of parts, spelt with the letters of the protocol: D is 32 bits, Q
 * is 64, S is a path, target or name with its length, B is binary with its length. They are laid out here in the
 * host's byte order by code that shares nothing with the library: a mistake there cannot hide in its own tests.
 */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <stddef.h>
#include <stdint.h>

#define WIRE_MAX (1024U * 128U) /* bytes: more than any message, so that too long ones can be made */
#define PARTS_MAX 20

enum part_kind { PART_END, PART_U32, PART_U64, PART_TEXT, PART_BINARY };

struct part {
	enum part_kind kind;
	uint64_t number;
	const char *data;
	size_t size;
};

/* A counted NUL is spelt out: S("/name\0"). The literal's own is never on the wire. */
#define D(value) { PART_U32, (uint32_t)(value), NULL, 0 }
#define Q(value) { PART_U64, (uint64_t)(value), NULL, 0 }
#define S(literal) { PART_TEXT, 0, literal, sizeof literal - 1 }
#define B(literal) { PART_BINARY, 0, literal, sizeof literal - 1 }

#define HEADER_PARTS 2  /* type and size */
#define HEADER_BYTES 8

/* Lays the parts out at `bytes`, which has WIRE_MAX of room. Returns how many bytes they take. */
size_t wire_build(const struct part *parts, void *bytes);

void wire_put_u16(void *bytes, uint16_t value);
void wire_put_u32(void *bytes, uint32_t value);

/*
 * The last `size` bytes before a page that faults: whoever goes one byte too far, reading or writing, is caught in
 * any build. There is one such place: the next call gives the same memory, filled with 0xa5.
 */
unsigned char *room_before_guard(size_t size);

/* The same, holding a copy of `bytes`. */
unsigned char *copy_before_guard(const void *bytes, size_t size);

#endif

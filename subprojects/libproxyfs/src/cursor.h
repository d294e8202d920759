/* SPDX-License-Identifier: MIT */
/*
 * A bounded walk over wire bytes, and the only code that does arithmetic on them. A cursor that runs short stays
 * short: callers take or put all fields of a message and ask once at the end.
 */
#ifndef PROXYFS_CURSOR_H
#define PROXYFS_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <proxyfs/protocol.h>

struct reader {
	const char *at;
	size_t left;
	bool short_of; /* a field reached past the end */
};

struct writer {
	char *at;
	size_t left;
	bool short_of; /* a field did not fit */
};

/* The next `size` bytes, or NULL when the cursor is, or now becomes, short. */
static inline const char *reader_take(struct reader *reader, size_t size)
{
	const char *at = reader->at;

	if (reader->short_of || size > reader->left) {
		reader->short_of = true;
		return NULL;
	}
	reader->at += size;
	reader->left -= size;
	return at;
}

static inline void reader_integer(struct reader *reader, void *value, size_t size)
{
	const char *bytes = reader_take(reader, size);

	if (bytes)
		memcpy(value, bytes, size);
}

static inline struct proxyfs_bytes reader_bytes(struct reader *reader)
{
	uint16_t size = 0;
	const char *data;

	reader_integer(reader, &size, sizeof size);
	data = reader_take(reader, size);
	return data ? (struct proxyfs_bytes){ data, size } : (struct proxyfs_bytes){ NULL, 0 };
}

static inline void writer_put(struct writer *writer, const void *bytes, size_t size)
{
	if (writer->short_of || size > writer->left) {
		writer->short_of = true;
		return;
	}
	if (size > 0)
		memcpy(writer->at, bytes, size);
	writer->at += size;
	writer->left -= size;
}

static inline void writer_u32(struct writer *writer, uint32_t value)
{
	writer_put(writer, &value, sizeof value);
}

/* A string on the wire; `terminated` counts a NUL in. */
static inline void writer_bytes(struct writer *writer, struct proxyfs_bytes bytes, bool terminated)
{
	uint16_t size = (uint16_t)(bytes.size + terminated);

	if (bytes.size > PROXYFS_STRING_MAX - terminated) {
		writer->short_of = true;
		return;
	}
	writer_put(writer, &size, sizeof size);
	writer_put(writer, bytes.data, bytes.size);
	writer_put(writer, "", terminated);
}

#endif

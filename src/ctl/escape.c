/* SPDX-License-Identifier: MIT */
#include "ctl/escape.h"

#include <stdint.h>

static void put_byte(FILE *out, unsigned char byte, char quote)
{
	if (byte == '\n')
		fputs("\\n", out);
	else if (byte == '\t')
		fputs("\\t", out);
	else if (byte == '\\' || (quote && byte == (unsigned char)quote))
		fprintf(out, "\\%c", byte);
	else if (byte >= ' ' && byte < 0x7f)
		fputc(byte, out);
	else
		fprintf(out, "\\x%02x", byte);
}

void escape_plain(FILE *out, struct proxyfs_bytes text)
{
	for (size_t i = 0; i < text.size; i++)
		put_byte(out, (unsigned char)text.data[i], '\0');
}

void escape_quoted(FILE *out, struct proxyfs_bytes text)
{
	fputc('"', out);
	for (size_t i = 0; i < text.size; i++)
		put_byte(out, (unsigned char)text.data[i], '"');
	fputc('"', out);
}

void escape_hex(FILE *out, struct proxyfs_bytes bytes)
{
	for (size_t i = 0; i < bytes.size; i++)
		fprintf(out, "%02x", (unsigned char)bytes.data[i]);
}

/* How many bytes follow the first one of a character; -1: no character begins so. */
static int following(unsigned char first)
{
	if (first < 0x80)
		return 0;
	if (first >= 0xc2 && first < 0xe0)
		return 1;
	if (first >= 0xe0 && first < 0xf0)
		return 2;
	return first >= 0xf0 && first < 0xf5 ? 3 : -1;
}

/* The character at the start of `size` bytes, and how many they are; 0: it is none. */
static size_t take_character(const char *data, size_t size, uint32_t *character)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	static const unsigned char masks[] = { 0x7f, 0x1f, 0x0f, 0x07 };
	int more = following((unsigned char)data[0]);

	if (more < 0 || (size_t)more >= size)
		return 0;
	*character = (unsigned char)data[0] & masks[more];
	for (int i = 1; i <= more; i++) {
		if (((unsigned char)data[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | ((unsigned char)data[i] & 0x3f);
	}
	if (*character < least[more] || *character > 0x10ffff || (*character >= 0xd800 && *character < 0xe000))
		return 0;
	return (size_t)more + 1;
}

bool escape_is_utf8(struct proxyfs_bytes text)
{
	uint32_t character;
	size_t taken;

	for (size_t at = 0; at < text.size; at += taken) {
		taken = take_character(text.data + at, text.size - at, &character);
		if (taken == 0)
			return false;
	}
	return true;
}

static void put_character(FILE *out, uint32_t character)
{
	if (character == '"' || character == '\\') {
		fprintf(out, "\\%c", (char)character);
	} else if (character >= ' ' && character < 0x7f) {
		fputc((int)character, out);
	} else if (character < 0x10000) {
		fprintf(out, "\\u%04x", character);
	} else { /* JSON has UTF-16's pairs */
		character -= 0x10000;
		fprintf(out, "\\u%04x\\u%04x", 0xd800 + (character >> 10), 0xdc00 + (character & 0x3ff));
	}
}

void escape_json(FILE *out, struct proxyfs_bytes text)
{
	uint32_t character;
	size_t taken;

	fputc('"', out);
	for (size_t at = 0; at < text.size; at += taken) {
		taken = take_character(text.data + at, text.size - at, &character);
		if (taken == 0) {
			character = (unsigned char)text.data[at];
			taken = 1;
		}
		put_character(out, character);
	}
	fputc('"', out);
}

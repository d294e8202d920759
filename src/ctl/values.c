/* SPDX-License-Identifier: MIT */
#include "ctl/values.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "ctl/escape.h"
#include "ctl/symbols.h"

/* How the fields of one name look. */
enum look { LOOK_NUMBER, LOOK_MODE, LOOK_FLAGS, LOOK_ID, LOOK_DEVICE, LOOK_TEXT, LOOK_VALUE, LOOK_NAMES };

static enum look look_of(const struct proxyfs_field *field)
{
	static const struct {
		const char *name;
		enum look look;
	} looks[] = {
		{ "mode", LOOK_MODE },   { "flags", LOOK_FLAGS }, { "uid", LOOK_ID },      { "gid", LOOK_ID },
		{ "rdev", LOOK_DEVICE }, { "dev", LOOK_DEVICE },  { "value", LOOK_VALUE }, { "names", LOOK_NAMES },
	};

	for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++)
		if (!strcmp(field->name, looks[i].name))
			return looks[i].look;
	return values_is_bytes(field) ? LOOK_TEXT : LOOK_NUMBER;
}

bool values_is_bytes(const struct proxyfs_field *field)
{
	return field->kind == PROXYFS_KIND_TEXT || field->kind == PROXYFS_KIND_TEXT_Z || field->kind == PROXYFS_KIND_BYTES;
}

bool values_is_names(const struct proxyfs_field *field)
{
	return look_of(field) == LOOK_NAMES;
}

bool values_is_signed(const struct proxyfs_field *field)
{
	return field->kind == PROXYFS_KIND_S32 || field->kind == PROXYFS_KIND_S64;
}

static bool is_wide(const struct proxyfs_field *field)
{
	return field->kind == PROXYFS_KIND_U64 || field->kind == PROXYFS_KIND_S64;
}

size_t values_time_stem(const char *name)
{
	size_t length = strlen(name);

	return length > 4 && !strcmp(name + length - 4, "_sec") ? length - 4 : 0;
}

struct proxyfs_bytes values_bytes(const struct proxyfs_field *field, const void *object)
{
	struct proxyfs_bytes bytes;

	memcpy(&bytes, (const char *)object + field->offset, sizeof bytes);
	return bytes;
}

uint64_t values_number(const struct proxyfs_field *field, const void *object)
{
	uint64_t wide;
	uint32_t narrow;

	if (is_wide(field)) {
		memcpy(&wide, (const char *)object + field->offset, sizeof wide);
		return wide;
	}
	memcpy(&narrow, (const char *)object + field->offset, sizeof narrow);
	return field->kind == PROXYFS_KIND_S32 ? (uint64_t)(int64_t)(int32_t)narrow : narrow;
}

struct proxyfs_bytes values_next_name(struct proxyfs_bytes *names)
{
	size_t length = strnlen(names->data, names->size);
	struct proxyfs_bytes name = { names->data, length };

	length += length < names->size; /* the NUL, which the last one of a careless helper lacks */
	names->data += length;
	names->size -= length;
	return name;
}

/* From text */

static bool parse_integer(const char *text, int64_t *number)
{
	int base = !strncmp(text, "0x", 2) || !strncmp(text, "-0x", 3) ? 16 : 10;
	const char *digits = text + (text[0] == '-');
	char *end;

	if (digits[0] < '0' || digits[0] > '9')
		return false;
	errno = 0;
	*number = text[0] == '-' ? strtoll(text, &end, base) : (int64_t)strtoull(text, &end, base);
	return errno == 0 && *end == '\0';
}

static void store(const struct proxyfs_field *field, int64_t number, void *member)
{
	uint32_t narrow = (uint32_t)number;

	if (is_wide(field))
		memcpy(member, &number, sizeof number);
	else
		memcpy(member, &narrow, sizeof narrow);
}

/* A word of 32 bits may be given as it is on the wire or as what it means: 4294967295 or -1. */
static const char *read_number(const struct proxyfs_field *field, const char *text, void *member)
{
	int64_t number;

	if (!parse_integer(text, &number))
		return "a number";
	if (!is_wide(field) && (number < INT32_MIN || number > UINT32_MAX))
		return "a number of 32 bits";
	if (field->kind == PROXYFS_KIND_S64 && text[0] != '-' && number < 0)
		return "a number of 63 bits";
	store(field, number, member);
	return NULL;
}

static const char *read_device(const struct proxyfs_field *field, const char *text, void *member)
{
	unsigned major, minor;
	char rest;

	if (!strchr(text, ':'))
		return read_number(field, text, member) ? "a number or MAJOR:MINOR" : NULL;
	if (sscanf(text, "%u:%u%c", &major, &minor, &rest) != 2)
		return "a number or MAJOR:MINOR";
	store(field, (int64_t)makedev(major, minor), member);
	return NULL;
}

static const char *read_flags(enum proxyfs_op op, const char *text, uint32_t *flags)
{
	if (op == PROXYFS_LSETXATTR)
		return symbols_parse(symbols_xattr, false, text, flags) ? NULL : "XATTR_CREATE, XATTR_REPLACE or a number";
	return symbols_parse(symbols_open, false, text, flags) ? NULL : "flags of open(2), as in O_RDWR|O_CREAT, or a number";
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = digit ? strchr(digits, digit | 0x20) : NULL;

	return found ? (int)(found - digits) : -1;
}

/* In place: two digits become one byte. */
static const char *read_value(char *text, struct proxyfs_bytes *value)
{
	size_t size = 0;

	*value = (struct proxyfs_bytes){ text, strlen(text) };
	if (strncmp(text, "0x", 2) != 0)
		return NULL;
	for (const char *digits = text + 2; *digits; digits += 2) {
		int high = hex_digit(digits[0]), low = high < 0 ? -1 : hex_digit(digits[1]);

		if (low < 0)
			return "text, or 0x and two hexadecimal digits a byte";
		text[size++] = (char)(high << 4 | low);
	}
	value->size = size;
	return NULL;
}

const char *values_read(enum proxyfs_op op, const struct proxyfs_field *field, char *text, void *member)
{
	switch (look_of(field)) {
	case LOOK_TEXT:
	case LOOK_NAMES:
		*(struct proxyfs_bytes *)member = (struct proxyfs_bytes){ text, strlen(text) };
		return NULL;
	case LOOK_VALUE:
		return read_value(text, member);
	case LOOK_MODE:
		return symbols_parse(symbols_types, true, text, member) ? NULL : "a mode in octal, as in 755 or S_IFIFO|644";
	case LOOK_FLAGS:
		return read_flags(op, text, member);
	case LOOK_DEVICE:
		return read_device(field, text, member);
	case LOOK_ID:
	case LOOK_NUMBER:
		break;
	}
	return read_number(field, text, member);
}

const char *values_read_time(const char *text, int64_t *seconds, int64_t *nanoseconds)
{
	static const char expected[] = "now, omit, SECONDS or SECONDS.FRACTION";
	char digits[] = "000000000";
	size_t length;
	char *end;

	*seconds = 0;
	*nanoseconds = !strcmp(text, "now") ? UTIME_NOW : UTIME_OMIT;
	if (!strcmp(text, "now") || !strcmp(text, "omit"))
		return NULL;

	errno = 0;
	*seconds = strtoll(text, &end, 10);
	if (errno || end == text)
		return expected;
	length = *end == '.' ? strspn(end + 1, "0123456789") : 0;
	if (length > 9 || end[length + (length > 0)] != '\0')
		return expected;
	memcpy(digits, end + 1, length);
	*nanoseconds = atol(digits);
	return NULL;
}

/* To text */

static void print_number(FILE *out, const struct proxyfs_field *field, uint64_t number)
{
	if (values_is_signed(field))
		fprintf(out, "%" PRId64, (int64_t)number);
	else
		fprintf(out, "%" PRIu64, number);
}

static void print_names(FILE *out, struct proxyfs_bytes names)
{
	for (const char *between = ""; names.size > 0; between = ",") {
		fputs(between, out);
		escape_quoted(out, values_next_name(&names));
	}
}

void values_print(FILE *out, enum proxyfs_op op, const struct proxyfs_field *field, const void *object)
{
	uint64_t number = values_is_bytes(field) ? 0 : values_number(field, object);

	switch (look_of(field)) {
	case LOOK_TEXT:
	case LOOK_VALUE:
		escape_quoted(out, values_bytes(field, object));
		break;
	case LOOK_NAMES:
		print_names(out, values_bytes(field, object));
		break;
	case LOOK_MODE:
		fprintf(out, "0%" PRIo64, number);
		break;
	case LOOK_FLAGS:
		symbols_print(out, op == PROXYFS_LSETXATTR ? symbols_xattr : symbols_open, (uint32_t)number);
		break;
	case LOOK_ID:
		fprintf(out, "%" PRId64, number == UINT32_MAX ? -1 : (int64_t)number);
		break;
	case LOOK_DEVICE:
		fprintf(out, "%u:%u", major(number), minor(number));
		break;
	case LOOK_NUMBER:
		print_number(out, field, number);
		break;
	}
}

void values_print_time(FILE *out, const struct proxyfs_field *field, const void *object)
{
	int64_t seconds = (int64_t)values_number(field, object);
	int64_t nanoseconds = (int64_t)values_number(field + 1, object);

	/* Only in a request, where the seconds do not count: QEMU leaves garbage in them. */
	if (nanoseconds == UTIME_NOW || nanoseconds == UTIME_OMIT)
		fputs(nanoseconds == UTIME_NOW ? "now" : "omit", out);
	else
		fprintf(out, "%" PRId64 ".%09" PRId64, seconds, nanoseconds);
}

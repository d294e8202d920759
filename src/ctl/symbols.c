/* SPDX-License-Identifier: MIT */
#include "ctl/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#define SYMBOL(name)       { #name, (uint32_t)(name), (uint32_t)(name) }
#define PART_OF(name, mask) { #name, (uint32_t)(mask), (uint32_t)(name) }
#define END                { NULL, 0, 0 }

/* Those of several bits before those of some of them. */
const struct symbol symbols_open[] = {
	PART_OF(O_RDONLY, O_ACCMODE), PART_OF(O_WRONLY, O_ACCMODE), PART_OF(O_RDWR, O_ACCMODE),
	SYMBOL(O_CREAT), SYMBOL(O_EXCL), SYMBOL(O_NOCTTY), SYMBOL(O_TRUNC), SYMBOL(O_APPEND), SYMBOL(O_NONBLOCK),
	SYMBOL(O_SYNC), SYMBOL(O_DSYNC), SYMBOL(O_ASYNC), SYMBOL(O_DIRECT), SYMBOL(O_TMPFILE), SYMBOL(O_DIRECTORY),
	SYMBOL(O_NOFOLLOW), SYMBOL(O_NOATIME), SYMBOL(O_CLOEXEC), SYMBOL(O_PATH), END,
};

const struct symbol symbols_xattr[] = { SYMBOL(XATTR_CREATE), SYMBOL(XATTR_REPLACE), END };

const struct symbol symbols_types[] = {
	PART_OF(S_IFREG, S_IFMT), PART_OF(S_IFDIR, S_IFMT), PART_OF(S_IFLNK, S_IFMT),  PART_OF(S_IFCHR, S_IFMT),
	PART_OF(S_IFBLK, S_IFMT), PART_OF(S_IFIFO, S_IFMT), PART_OF(S_IFSOCK, S_IFMT), END,
};

static bool parse_number(const char *text, size_t length, bool octal, uint32_t *value)
{
	char *end;
	unsigned long long number;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, octal ? 8 : 0);
	*value = (uint32_t)number;
	return errno == 0 && end == text + length && number <= UINT32_MAX;
}

static bool parse_word(const struct symbol *symbols, bool octal, const char *text, size_t length, uint32_t *value)
{
	for (const struct symbol *symbol = symbols; symbol->name; symbol++) {
		if (strlen(symbol->name) == length && !strncasecmp(symbol->name, text, length)) {
			*value = symbol->value;
			return true;
		}
	}
	return parse_number(text, length, octal, value);
}

bool symbols_parse(const struct symbol *symbols, bool octal, const char *text, uint32_t *value)
{
	uint32_t part;
	size_t length;

	*value = 0;
	for (;; text += length + 1) {
		length = strcspn(text, "|,");
		if (!parse_word(symbols, octal, text, length, &part))
			return false;
		*value |= part;
		if (text[length] == '\0')
			return true;
	}
}

void symbols_print(FILE *out, const struct symbol *symbols, uint32_t value)
{
	uint32_t left = value;
	bool first = true;

	for (const struct symbol *symbol = symbols; symbol->name; symbol++) {
		/* Bits that a symbol before has named are not named twice, as those of O_DSYNC in O_SYNC. */
		if ((value & symbol->mask) != symbol->value || (left & symbol->value) != symbol->value)
			continue;
		fprintf(out, "%s%s", first ? "" : "|", symbol->name);
		left &= ~symbol->mask;
		first = false;
	}
	if (left)
		fprintf(out, "%s0%o", first ? "" : "|", left);
	else if (first)
		fputc('0', out);
}

void symbols_print_errno(FILE *out, int error)
{
	const char *name = strerrorname_np(error);

	if (name)
		fputs(name, out);
	else
		fprintf(out, "errno %d", error);
}

bool symbols_operation(const char *name, enum proxyfs_op *op)
{
	for (*op = PROXYFS_OPEN; *op < PROXYFS_OP_END; ++*op)
		if (!strcasecmp(name, proxyfs_op_name(*op)))
			return true;
	return false;
}

/* SPDX-License-Identifier: MIT */
#include "worker/trace.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "common/escape.h"

#define NAME_SIZE 200 /* of what a guest chose, escaped */

/* The numbers that say what a request is about. */
#define FLAGS  1U
#define MODE   2U
#define OWNER  4U
#define SIZE   8U
#define LENGTH 16U
#define TIMES  32U
#define DEVICE 64U

static const unsigned char numbers[PROXYFS_OP_END] = {
	[PROXYFS_OPEN] = FLAGS,
	[PROXYFS_CREATE] = FLAGS | MODE | OWNER,
	[PROXYFS_MKNOD] = MODE | OWNER | DEVICE,
	[PROXYFS_MKDIR] = MODE | OWNER,
	[PROXYFS_SYMLINK] = OWNER,
	[PROXYFS_READLINK] = SIZE,
	[PROXYFS_CHMOD] = MODE,
	[PROXYFS_CHOWN] = OWNER,
	[PROXYFS_TRUNCATE] = LENGTH,
	[PROXYFS_UTIME] = TIMES,
	[PROXYFS_LGETXATTR] = SIZE,
	[PROXYFS_LLISTXATTR] = SIZE,
	[PROXYFS_LSETXATTR] = SIZE | FLAGS,
};

/* A text that grows, as far as there is room. */
struct line {
	char *text;
	size_t used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct line *line, const char *format, ...)
{
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(line->text + line->used, TRACE_SIZE - line->used, format, arguments);
	va_end(arguments);
	if (size > 0)
		line->used += (size_t)size;
	if (line->used >= TRACE_SIZE)
		line->used = TRACE_SIZE - 1;
}

static void add_name(struct line *line, const char *before, struct proxyfs_bytes name)
{
	char text[NAME_SIZE];

	escape(name.data, name.size, text, sizeof text);
	add(line, "%s\"%s\"", before, text);
}

static void add_names(struct line *line, const struct proxyfs_request *request)
{
	if (request->op == PROXYFS_SYMLINK)
		add_name(line, " ", request->target);
	add_name(line, " ", request->path);
	if (request->op == PROXYFS_LINK || request->op == PROXYFS_RENAME)
		add_name(line, " ", request->new_path);
	if (request->name.size > 0)
		add_name(line, " ", request->name);
}

static void add_numbers(struct line *line, const struct proxyfs_request *request)
{
	unsigned which = numbers[request->op];

	if (which & FLAGS)
		add(line, " flags %#o", request->flags);
	if (which & MODE)
		add(line, " mode %#o", request->mode);
	if (which & OWNER)
		add(line, " owner %" PRId32 ":%" PRId32, (int32_t)request->uid, (int32_t)request->gid);
	if (which & DEVICE)
		add(line, " device %#" PRIx64, request->rdev);
	if (which & SIZE)
		add(line, " size %" PRId32, request->size);
	if (which & LENGTH)
		add(line, " length %" PRId64, request->length);
	if (which & TIMES)
		add(line, " atime %" PRId64 "+%" PRId64 " mtime %" PRId64 "+%" PRId64, request->atime_sec,
		    request->atime_nsec, request->mtime_sec, request->mtime_nsec);
}

void trace_describe(pid_t pid, enum proxyfs_op op, const char *payload, size_t size, int32_t status, uint64_t ns,
                    char text[static TRACE_SIZE])
{
	const char *error = status ? strerrorname_np(-status) : "0";
	struct line line = { text, 0 };
	struct proxyfs_request request;

	add(&line, "pid %d: %s", (int)pid, proxyfs_op_name(op));
	if (proxyfs_decode_request(op, payload, size, &request)) {
		add(&line, " (%zu bytes that are no such request)", size);
	} else {
		add_names(&line, &request);
		add_numbers(&line, &request);
	}
	if (error)
		add(&line, " = %s, %" PRIu64 " us", error, ns / 1000);
	else
		add(&line, " = %d, %" PRIu64 " us", (int)status, ns / 1000);
}

/* SPDX-License-Identifier: MIT */
/* Extended attributes, xattr(7). */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "ops/ops.h"

/*
 * The size that a client has room for, to what the system call is given; -EINVAL if negative. 0 asks for the length
 * that there is.
 */
static ssize_t room(const struct proxyfs_request *request)
{
	if (request->size < 0)
		return -EINVAL;
	return request->size > (int32_t)PROXYFS_PAYLOAD_MAX ? (ssize_t)PROXYFS_PAYLOAD_MAX : request->size;
}

/* The length alone, or `length` bytes in call->buffer. */
static int answer(struct op_call *call, ssize_t length)
{
	if (length < 0)
		return -errno;
	if (call->request->size == 0) {
		call->reply.length_only = true;
		call->reply.length = (uint32_t)length;
		return 0;
	}
	if (length > (ssize_t)PROXYFS_VALUE_MAX)
		return -ENOBUFS;
	call->reply.bytes = (struct proxyfs_bytes){ call->buffer, (size_t)length };
	return 0;
}

int op_lgetxattr(struct op_call *call)
{
	ssize_t size = room(call->request);

	return size < 0 ? (int)size : answer(call, lgetxattr(call->path, call->name, call->buffer, (size_t)size));
}

/* Takes the names that `hides` says out of a list of `length` bytes; the length that is left. */
static ssize_t leave_out(char *list, ssize_t length, bool (*hides)(const char *name))
{
	const char *end = list + length;
	const char *name = list, *nul;
	char *kept = list;

	for (; (nul = memchr(name, '\0', (size_t)(end - name))); name = nul + 1) {
		size_t size = (size_t)(nul - name) + 1;

		if (hides(name))
			continue;
		memmove(kept, name, size);
		kept += size;
	}
	return kept - list;
}

/* Always the whole list, whose size is not known before names are left out; the kernel's are no longer than that. */
int op_llistxattr(struct op_call *call)
{
	ssize_t size = room(call->request);
	ssize_t length;

	if (size < 0)
		return (int)size;
	length = llistxattr(call->path, call->buffer, PROXYFS_PAYLOAD_MAX);
	if (length > 0 && call->hides)
		length = leave_out(call->buffer, length, call->hides);
	if (size > 0 && length > size)
		return -ERANGE;
	return answer(call, length);
}

int op_lsetxattr(struct op_call *call)
{
	const struct proxyfs_request *request = call->request;
	const struct proxyfs_bytes *value = &request->value;

	/* What is left of a value of 65536 bytes after its length went through 16 bits. */
	if (value->size == 0 && request->size == (int32_t)PROXYFS_PAYLOAD_MAX)
		return -E2BIG;
	if (request->size < 0 || (size_t)request->size > value->size)
		return -EINVAL;
	return lsetxattr(call->path, call->name, value->data, (size_t)request->size, (int)request->flags) ? -errno : 0;
}

int op_lremovexattr(struct op_call *call)
{
	return lremovexattr(call->path, call->name) ? -errno : 0;
}

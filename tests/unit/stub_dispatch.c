/* SPDX-License-Identifier: MIT */
#include "stub_dispatch.h"

#include <string.h>

struct stub_dispatch stub;

void stub_reset(void)
{
	memset(&stub, 0, sizeof stub);
	stub.reply_fd = -1;
}

char stub_reply_byte(size_t offset)
{
	return (char)(offset * 7 + (offset >> 8) * 13 + 1);
}

int32_t stub_number(const char *payload, size_t size)
{
	int32_t number = (int32_t)size;

	if (size >= sizeof number)
		memcpy(&number, payload, sizeof number);
	return number;
}

static void put_status(struct dispatch_reply *reply, uint32_t type, int32_t status)
{
	uint32_t header[2] = { type, 4 };

	memcpy(reply->bytes, header, sizeof header);
	memcpy(reply->bytes + sizeof header, &status, sizeof status);
	reply->size = STATUS_SIZE;
}

static void put_fd(struct dispatch_reply *reply, int32_t status)
{
	memcpy(reply->bytes, &status, sizeof status);
	reply->size = FD_SIZE;
}

void dispatch(enum proxyfs_op op, const char *payload, size_t size, struct dispatch_room *room,
              struct dispatch_reply *reply)
{
	(void)room;
	stub.calls++;
	stub.op = op;
	stub.size = size;
	memcpy(stub.payload, payload, size);
	if (stub.during)
		stub.during(stub.context);

	reply->status = stub.status;
	reply->fd = stub.reply_fd;
	if (stub.reply_fd >= 0)
		put_fd(reply, PROXYFS_FD_FOLLOWS);
	else if (stub.reply_size == 0)
		put_status(reply, 0, stub_number(payload, size));
	else
		for (reply->size = 0; reply->size < stub.reply_size; reply->size++)
			reply->bytes[reply->size] = stub_reply_byte(reply->size);
	stub.reply_fd = -1;
}

void dispatch_failure(enum proxyfs_op op, int32_t status, struct dispatch_reply *reply)
{
	reply->status = status;
	reply->fd = -1;
	if (op == PROXYFS_OPEN || op == PROXYFS_CREATE)
		put_fd(reply, status);
	else
		put_status(reply, 1, status);
}

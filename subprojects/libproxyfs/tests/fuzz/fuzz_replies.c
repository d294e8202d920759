/* SPDX-License-Identifier: MIT */
/*
 * The codec, replies. An input is what decides the form of the reply, a u32 type and the s32 size that the request
 * named, and the reply.
 */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "../goldens.h"
#include "model.h"
#include "same.h"

enum room { REPLY, ENCODED, ENCODED_AGAIN, TOO_SMALL };

#define QUESTION 8U /* bytes before the reply */

size_t fuzz_seed(unsigned number, uint8_t *room)
{
	const struct golden_reply *golden = &golden_replies[number];

	if (number >= GOLDEN_REPLIES)
		return 0;
	wire_put_u32(room, golden->request.op);
	wire_put_u32(room + 4, (uint32_t)golden->request.size);
	return QUESTION + wire_build(golden->wire, room + QUESTION);
}

static void check_inside(struct proxyfs_bytes bytes, const uint8_t *message, size_t size)
{
	if (bytes.size == 0)
		return;
	FUZZ_CHECK((const uint8_t *)bytes.data >= message && bytes.size <= size);
	FUZZ_CHECK((size_t)((const uint8_t *)bytes.data - message) <= size - bytes.size);
}

/* What the C library's structures take they give back, where they are as wide as the wire. */
static void check_native(const struct proxyfs_reply *reply)
{
	struct proxyfs_stat again;
	struct stat native;
	struct proxyfs_statfs statfs_once, statfs_twice;
	struct statfs native_statfs;

	if (sizeof(long) < sizeof(uint64_t))
		return;
	proxyfs_stat_to_native(&reply->stat, &native);
	proxyfs_stat_from_native(&native, &again);
	FUZZ_CHECK(same_stat(&again, &reply->stat));

	proxyfs_statfs_to_native(&reply->statfs, &native_statfs);
	proxyfs_statfs_from_native(&native_statfs, &statfs_once);
	proxyfs_statfs_to_native(&statfs_once, &native_statfs);
	proxyfs_statfs_from_native(&native_statfs, &statfs_twice);
	FUZZ_CHECK(same_statfs(&statfs_once, &statfs_twice));
}

static void check_round_trip(const struct proxyfs_request *request, const struct proxyfs_reply *reply, unsigned hash)
{
	static char bytes[PROXYFS_MESSAGE_MAX];
	ssize_t used = proxyfs_encode_reply(request->op, reply, bytes, sizeof bytes);
	struct proxyfs_reply decoded;
	size_t size, less = 1 + hash % 4;

	FUZZ_CHECK(used >= 4);
	size = (size_t)used;
	FUZZ_CHECK(proxyfs_encode_reply(request->op, reply, fuzz_room(ENCODED, size), size) == used);
	FUZZ_CHECK(!memcmp(fuzz_room(ENCODED, size), bytes, size));
	FUZZ_CHECK(model_is_reply(request->op, request->size, (const uint8_t *)bytes, size));

	FUZZ_CHECK(proxyfs_decode_reply(request, fuzz_copy(ENCODED_AGAIN, bytes, size), size, &decoded) == 0);
	FUZZ_CHECK(same_reply(&decoded, reply));
	FUZZ_CHECK(proxyfs_encode_reply(request->op, reply, fuzz_room(TOO_SMALL, size - less), size - less) == -ENOBUFS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyfs_request request = { .op = PROXYFS_OPEN };
	struct proxyfs_reply reply;
	const uint8_t *message;
	uint32_t question[2];
	int verdict;

	if (size < QUESTION || size > QUESTION + PROXYFS_MESSAGE_MAX)
		return 0;
	memcpy(question, data, sizeof question);
	request.op = (enum proxyfs_op)model_any_op(question[0]);
	request.size = (int32_t)question[1];

	size -= QUESTION;
	message = fuzz_copy(REPLY, data + QUESTION, size);
	memset(&reply, 0xa5, sizeof reply);
	verdict = proxyfs_decode_reply(&request, message, size, &reply);
	FUZZ_CHECK(verdict == (model_is_reply(request.op, request.size, message, size) ? 0 : -EPROTO));
	if (verdict)
		return 0;
	FUZZ_CHECK(reply.status <= 0 && reply.status > -4096);
	check_inside(reply.bytes, message, size);
	check_native(&reply);
	check_round_trip(&request, &reply, question[1]);
	return 0;
}

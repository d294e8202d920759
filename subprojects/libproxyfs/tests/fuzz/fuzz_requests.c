/* SPDX-License-Identifier: MIT */
/* The codec, requests: header and payload, as they come from a client. A type that is none stands for some other. */
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "../goldens.h"
#include "model.h"
#include "same.h"

enum room { PAYLOAD, ENCODED, ENCODED_AGAIN, TOO_SMALL };

size_t fuzz_seed(unsigned number, uint8_t *room)
{
	return number < GOLDEN_REQUESTS ? wire_build(golden_requests[number].wire, room) : 0;
}

static void check_inside(struct proxyfs_bytes bytes, const uint8_t *payload, size_t size)
{
	if (bytes.size == 0)
		return;
	FUZZ_CHECK((const uint8_t *)bytes.data >= payload && bytes.size <= size);
	FUZZ_CHECK((size_t)((const uint8_t *)bytes.data - payload) <= size - bytes.size);
}

static void check_text(struct proxyfs_bytes text, const uint8_t *payload, size_t size)
{
	check_inside(text, payload, size);
	FUZZ_CHECK(text.size == 0 || !memchr(text.data, '\0', text.size));
}

static void check_all_inside(const struct proxyfs_request *request, const uint8_t *payload, size_t size)
{
	check_text(request->path, payload, size);
	check_text(request->new_path, payload, size);
	check_text(request->target, payload, size);
	check_text(request->name, payload, size);
	check_inside(request->value, payload, size);
}

/* It has no room for one byte less: nothing is written behind what there is, where a page faults. */
static void check_too_small(const struct proxyfs_request *request, size_t size, size_t less)
{
	FUZZ_CHECK(proxyfs_encode_request(request, fuzz_room(TOO_SMALL, size - less), size - less) == -ENOBUFS);
}

/* A text of 65535 bytes may gain a NUL when it is encoded as QEMU does it, and be too long then. */
static bool may_grow_too_long(const struct proxyfs_request *request)
{
	return request->path.size + request->name.size + request->value.size + 64 > PROXYFS_PAYLOAD_MAX;
}

static void check_round_trip(const struct proxyfs_request *request, unsigned hash)
{
	static char bytes[PROXYFS_MESSAGE_MAX];
	ssize_t used = proxyfs_encode_request(request, bytes, sizeof bytes);
	struct proxyfs_header header;
	struct proxyfs_request decoded;
	const uint8_t *copy;
	size_t size;

	if (used == -ENOBUFS && may_grow_too_long(request))
		return;
	FUZZ_CHECK(used >= (ssize_t)PROXYFS_HEADER_SIZE);
	size = (size_t)used;
	FUZZ_CHECK(proxyfs_encode_request(request, fuzz_room(ENCODED, size), size) == used);
	FUZZ_CHECK(!memcmp(fuzz_room(ENCODED, size), bytes, size));

	FUZZ_CHECK(proxyfs_decode_header(bytes, &header) == 0);
	FUZZ_CHECK(header.type == request->op && header.size == size - PROXYFS_HEADER_SIZE);
	copy = fuzz_copy(ENCODED_AGAIN, bytes + PROXYFS_HEADER_SIZE, header.size);
	FUZZ_CHECK(proxyfs_decode_request(request->op, copy, header.size, &decoded) == 0);
	FUZZ_CHECK(same_request(&decoded, request));
	check_too_small(request, size, 1);
	check_too_small(request, size, 1 + hash % size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxyfs_header header;
	struct proxyfs_request request;
	const uint8_t *payload;
	uint32_t op;
	int32_t room;
	int verdict;

	if (size < PROXYFS_HEADER_SIZE)
		return 0;
	FUZZ_CHECK(proxyfs_decode_header(fuzz_copy(PAYLOAD, data, PROXYFS_HEADER_SIZE), &header) ==
	           model_judge_header(header.type, header.size));
	FUZZ_CHECK(!memcmp(&header, data, sizeof header));
	FUZZ_CHECK(!proxyfs_op_name(header.type) == !model_is_op(header.type));

	op = model_any_op(header.type);
	size -= PROXYFS_HEADER_SIZE;
	if (size > PROXYFS_PAYLOAD_MAX)
		size = PROXYFS_PAYLOAD_MAX;
	payload = fuzz_copy(PAYLOAD, data + PROXYFS_HEADER_SIZE, size);
	memset(&request, 0xa5, sizeof request);
	verdict = proxyfs_decode_request((enum proxyfs_op)op, payload, size, &request);
	FUZZ_CHECK(verdict == model_judge_request(op, payload, size, &room));
	if (verdict)
		return 0;
	FUZZ_CHECK(request.op == (enum proxyfs_op)op && (room == 0 || request.size == room));
	check_all_inside(&request, payload, size);
	check_round_trip(&request, header.size);
	return 0;
}

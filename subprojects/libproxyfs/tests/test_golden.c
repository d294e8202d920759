/* SPDX-License-Identifier: MIT */
/* Every request and every form of reply, as bytes and as what they mean, in both directions. */
#include "compare.h"

#include <stdio.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "goldens.h"

#define TESTS (3 + 2 * GOLDEN_REQUESTS + 2 * GOLDEN_REPLIES)

static unsigned char wire[WIRE_MAX];

/* The layout that everything below trusts, against bytes that are no code's product. */
static void the_goldens_are_in_native_order(void **state)
{
	static const struct part parts[] = { D(0x04030201), Q(0x1817161514131211), S("ab\0"), B("\xff"), { PART_END } };
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static const char expected[] =
		"\x01\x02\x03\x04" "\x11\x12\x13\x14\x15\x16\x17\x18" "\x03\x00" "ab\0" "\x01\x00" "\xff";
#else
	static const char expected[] =
		"\x04\x03\x02\x01" "\x18\x17\x16\x15\x14\x13\x12\x11" "\x00\x03" "ab\0" "\x00\x01" "\xff";
#endif

	(void)state;
	assert_int_equal(wire_build(parts, wire), sizeof expected - 1);
	assert_memory_equal(wire, expected, sizeof expected - 1);
}

static void every_operation_has_a_golden_request(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < GOLDEN_REQUESTS; i++) {
		assert_int_equal(golden_requests[i].request.op, OP_FIRST + i);
		assert_int_equal(golden_requests[i].wire[0].number, OP_FIRST + i);
	}
	assert_int_equal(OP_FIRST + GOLDEN_REQUESTS - 1, OP_LAST);
}

static void every_operation_has_golden_replies(void **state)
{
	unsigned int successes[OP_LAST + 1] = { 0 };
	unsigned int failures[OP_LAST + 1] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < GOLDEN_REPLIES; i++) {
		const struct golden_reply *golden = &golden_replies[i];

		if (golden->reply.status)
			failures[golden->request.op]++;
		else
			successes[golden->request.op]++;
	}
	for (unsigned int op = OP_FIRST; op <= OP_LAST; op++) {
		assert_true(successes[op] >= 1);
		assert_int_equal(failures[op], 1);
	}
}

static void request_is_decoded(void **state)
{
	const struct golden_request *golden = *state;
	size_t size = wire_build(golden->wire, wire);
	struct proxyfs_header header;
	struct proxyfs_request request;

	assert_int_equal(proxyfs_decode_header(wire, &header), 0);
	assert_int_equal(header.type, golden->request.op);
	assert_int_equal(header.size, size - HEADER_BYTES);

	memset(&request, 0xa5, sizeof request);
	assert_int_equal(proxyfs_decode_request(golden->request.op, wire + HEADER_BYTES, header.size, &request), 0);
	assert_same_request(&request, &golden->request);
}

static void request_is_encoded(void **state)
{
	const struct golden_request *golden = *state;
	size_t size = wire_build(golden->wire, wire);
	unsigned char *buffer = room_before_guard(size);

	assert_int_equal(proxyfs_encode_request(&golden->request, buffer, size), size);
	assert_memory_equal(buffer, wire, size);
}

static void reply_is_decoded(void **state)
{
	const struct golden_reply *golden = *state;
	size_t size = wire_build(golden->wire, wire);
	struct proxyfs_reply reply;

	memset(&reply, 0xa5, sizeof reply);
	assert_int_equal(proxyfs_decode_reply(&golden->request, copy_before_guard(wire, size), size, &reply), 0);
	assert_same_reply(&reply, &golden->reply);
}

static void reply_is_encoded(void **state)
{
	const struct golden_reply *golden = *state;
	size_t size = wire_build(golden->wire, wire);
	unsigned char *buffer = room_before_guard(size);

	assert_int_equal(proxyfs_encode_reply(golden->request.op, &golden->reply, buffer, size), size);
	assert_memory_equal(buffer, wire, size);
}

/* A test of its own for each golden, so that a failure names it. */
static void add(struct CMUnitTest *test, CMUnitTestFunction function, const void *golden, const char *what,
                const char *verb)
{
	static char names[TESTS][64];
	static size_t used;
	char *name = names[used++];

	snprintf(name, sizeof names[0], "%s %s", what, verb);
	*test = (struct CMUnitTest){ .name = name, .test_func = function, .initial_state = (void *)(uintptr_t)golden };
}

int main(void)
{
	struct CMUnitTest tests[TESTS] = {
		cmocka_unit_test(the_goldens_are_in_native_order),
		cmocka_unit_test(every_operation_has_a_golden_request),
		cmocka_unit_test(every_operation_has_golden_replies),
	};
	struct CMUnitTest *test = &tests[3];

	for (unsigned int i = 0; i < GOLDEN_REQUESTS; i++) {
		const char *name = proxyfs_op_name(golden_requests[i].request.op);

		add(test++, request_is_decoded, &golden_requests[i], name, "request is decoded");
		add(test++, request_is_encoded, &golden_requests[i], name, "request is encoded");
	}
	for (unsigned int i = 0; i < GOLDEN_REPLIES; i++) {
		add(test++, reply_is_decoded, &golden_replies[i], golden_replies[i].what, "(decoded)");
		add(test++, reply_is_encoded, &golden_replies[i], golden_replies[i].what, "(encoded)");
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}

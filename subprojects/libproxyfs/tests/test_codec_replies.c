/* SPDX-License-Identifier: MIT */
/* The bounds of replies: no byte too many, none that was not written, and none believed that makes no sense. */
#include "compare.h"

#include <errno.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "goldens.h"

static unsigned char wire[WIRE_MAX];

#define for_each_golden(golden)                                                                                        \
	for (const struct golden_reply *golden = golden_replies; golden < golden_replies + GOLDEN_REPLIES; golden++)

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static ssize_t encode(const struct golden_reply *golden, void *buffer, size_t size)
{
	return proxyfs_encode_reply(golden->request.op, &golden->reply, buffer, size);
}

static void replies_need_all_of_their_room(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		for (size_t size = 0; size < whole; size++)
			assert_int_equal(encode(golden, room_before_guard(size), size), -ENOBUFS);
	}
}

static void replies_carry_nothing_of_what_the_room_held(void **state)
{
	static unsigned char zeroes[200], ones[200];

	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		memset(zeroes, 0x00, sizeof zeroes);
		memset(ones, 0xff, sizeof ones);
		assert_int_equal(encode(golden, zeroes, sizeof zeroes), whole);
		assert_int_equal(encode(golden, ones, sizeof ones), whole);
		assert_memory_equal(zeroes, ones, whole);
		for (size_t i = whole; i < sizeof ones; i++) {
			assert_int_equal(zeroes[i], 0x00);
			assert_int_equal(ones[i], 0xff);
		}
	}
}

static void a_failure_encodes_as_nothing_else(void **state)
{
	struct proxyfs_reply reply;

	(void)state;
	memset(&reply, 0xa5, sizeof reply);
	reply.status = -5;
	reply.length_only = true;
	for (uint32_t op = OP_FIRST; op <= OP_LAST; op++) {
		static const struct part headed[] = { D(1), D(4), D(-5), { PART_END } };
		static const struct part bare[] = { D(-5), { PART_END } };
		bool fd = op == PROXYFS_OPEN || op == PROXYFS_CREATE;
		size_t size = wire_build(fd ? bare : headed, wire);
		unsigned char *buffer = room_before_guard(size);

		assert_int_equal(proxyfs_encode_reply((enum proxyfs_op)op, &reply, buffer, size), size);
		assert_memory_equal(buffer, wire, size);
	}
}

/* What codec.h promises: everything but a link's target and the xattrs' values fits into so much. */
static void small_replies_fit_into_a_stat(void **state)
{
	(void)state;
	for_each_golden(golden)
		assert_true(encode(golden, wire, PROXYFS_STAT_SIZE + PROXYFS_HEADER_SIZE) > 0);
}

static ssize_t encode_value(enum proxyfs_op op, size_t size)
{
	static char value[WIRE_MAX];
	struct proxyfs_reply reply = { .bytes = { value, size } };

	memset(value, 0x5a, sizeof value);
	return proxyfs_encode_reply(op, &reply, room_before_guard(100000), 100000);
}

static void values_do_not_outgrow_a_message(void **state)
{
	static const enum proxyfs_op ops[] = { PROXYFS_READLINK, PROXYFS_LGETXATTR, PROXYFS_LLISTXATTR };
	static const size_t too_long[] = { 65535, 65536, 65537, 70000, 131071, SIZE_MAX - 1, SIZE_MAX };

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++) {
		assert_int_equal(encode_value(ops[i], 65533), 65543);
		assert_int_equal(encode_value(ops[i], 65534), 65544);
		for (size_t j = 0; j < COUNT(too_long); j++)
			assert_int_equal(encode_value(ops[i], too_long[j]), -ENOBUFS);
	}
}

static void the_longest_value_survives_a_round_trip(void **state)
{
	static const char value[65534] = { [0] = 1, [65533] = 2 };
	const struct proxyfs_request request = { .op = PROXYFS_LGETXATTR, .size = 65536 };
	const struct proxyfs_reply sent = { .bytes = { value, sizeof value } };
	unsigned char *buffer = room_before_guard(65544);
	struct proxyfs_reply received;

	(void)state;
	assert_int_equal(proxyfs_encode_reply(PROXYFS_LGETXATTR, &sent, buffer, 65544), 65544);
	assert_int_equal(proxyfs_decode_reply(&request, buffer, 65544, &received), 0);
	assert_same_reply(&received, &sent);
}

static int decode(const struct proxyfs_request *request, const void *bytes, size_t size)
{
	struct proxyfs_reply reply;

	memset(&reply, 0xa5, sizeof reply);
	return proxyfs_decode_reply(request, copy_before_guard(bytes, size), size, &reply);
}

static bool has_header(const struct golden_reply *golden)
{
	return golden->request.op != PROXYFS_OPEN && golden->request.op != PROXYFS_CREATE;
}

static void every_truncation_is_senseless(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		for (size_t size = 0; size < whole; size++)
			assert_int_equal(decode(&golden->request, wire, size), -EPROTO);
	}
}

/* The header and what came may agree with each other and still not with what was asked. */
static void every_consistent_wrong_size_is_senseless(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		memset(wire + whole, 0, 200);
		for (size_t size = HEADER_BYTES; has_header(golden) && size <= whole + 130; size++) {
			wire_put_u32(wire + 4, (uint32_t)(size - HEADER_BYTES));
			assert_int_equal(decode(&golden->request, wire, size), size == whole ? 0 : -EPROTO);
		}
	}
}

static void bytes_after_a_reply_are_senseless(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		memset(wire + whole, 0, 16);
		for (size_t extra = 1; extra <= 16; extra++)
			assert_int_equal(decode(&golden->request, wire, whole + extra), -EPROTO);
	}
}

static void a_header_that_lies_is_senseless(void **state)
{
	static const uint32_t types[] = { 2, 3, 8, 21, 0x80000000, 0xffffffff };
	static const uint32_t sizes[] = { 0, 1, 3, 5, 7, 65536, 65537, 0x80000004, 0xffffffff };

	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		for (size_t i = 0; has_header(golden) && i < COUNT(types); i++) {
			wire_put_u32(wire, types[i]);
			assert_int_equal(decode(&golden->request, wire, whole), -EPROTO);
		}
		wire_build(golden->wire, wire);
		for (size_t i = 0; has_header(golden) && i < COUNT(sizes); i++) {
			wire_put_u32(wire + 4, sizes[i]);
			assert_int_equal(decode(&golden->request, wire, whole), -EPROTO);
		}
	}
}

static int decode_status(enum proxyfs_op op, int32_t status)
{
	const struct part parts[] = { D(1), D(4), D(status), { PART_END } };
	const struct proxyfs_request request = { .op = op, .size = 100 };
	bool fd = op == PROXYFS_OPEN || op == PROXYFS_CREATE;

	return decode(&request, wire, wire_build(fd ? parts + HEADER_PARTS : parts, wire));
}

static void a_status_is_an_errno_or_senseless(void **state)
{
	static const int32_t senseless[] = { 1, 2, 4095, 0x7ffffffe, -4096, -65536, INT32_MIN };

	(void)state;
	for (uint32_t op = OP_FIRST; op <= OP_LAST; op++) {
		assert_int_equal(decode_status((enum proxyfs_op)op, -1), 0);
		assert_int_equal(decode_status((enum proxyfs_op)op, -4095), 0);
		for (size_t i = 0; i < COUNT(senseless); i++)
			assert_int_equal(decode_status((enum proxyfs_op)op, senseless[i]), -EPROTO);
	}
}

/* 0x7fffffff means something in an fd reply only; 0 in a status only. */
static void a_success_of_another_form_is_senseless(void **state)
{
	(void)state;
	for_each_golden(golden) {
		bool fd = !has_header(golden);
		bool data = proxyfs_op_form(golden->request.op) == PROXYFS_FORM_DATA;

		assert_int_equal(decode_status(golden->request.op, 0x7fffffff), fd ? 0 : -EPROTO);
		assert_int_equal(decode_status(golden->request.op, 0), fd || data ? -EPROTO : 0);
	}
}

static void every_reply_makes_sense_in_its_own_form_alone(void **state)
{
	(void)state;
	for_each_golden(golden)
		for_each_golden(other) {
			size_t whole = wire_build(other->wire, wire);

			if (has_header(golden) != has_header(other))
				assert_int_equal(decode(&golden->request, wire, whole), -EPROTO);
		}
}

/* What an LGETXATTR is answered depends on the size that it asked with. */
static void lengths_and_values_are_not_confused(void **state)
{
	static const struct part length[] = { D(0), D(4), D(0x04030201), { PART_END } };
	static const struct part value[] = { D(0), D(5), B("abc"), { PART_END } };
	static const enum proxyfs_op ops[] = { PROXYFS_LGETXATTR, PROXYFS_LLISTXATTR };

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++) {
		const struct proxyfs_request for_length = { .op = ops[i], .size = 0 };
		const struct proxyfs_request for_value = { .op = ops[i], .size = 100 };

		assert_int_equal(decode(&for_length, wire, wire_build(value, wire)), -EPROTO);
		assert_int_equal(decode(&for_value, wire, wire_build(length, wire)), -EPROTO);
	}
}

static void a_string_that_lies_is_senseless(void **state)
{
	static const struct part parts[] = { D(0), D(5), B("abc"), { PART_END } };
	static const uint16_t lengths[] = { 0, 1, 2, 4, 5, 0x0300, 0x7fff, 0xffff };
	static const enum proxyfs_op ops[] = { PROXYFS_READLINK, PROXYFS_LGETXATTR, PROXYFS_LLISTXATTR };

	(void)state;
	for (size_t i = 0; i < COUNT(ops); i++)
		for (size_t j = 0; j < COUNT(lengths); j++) {
			const struct proxyfs_request request = { .op = ops[i], .size = 100 };
			size_t whole = wire_build(parts, wire);

			assert_int_equal(decode(&request, wire, whole), 0);
			wire_put_u16(wire + HEADER_BYTES, lengths[j]);
			assert_int_equal(decode(&request, wire, whole), -EPROTO);
		}
}

static void decoded_bytes_point_into_the_message(void **state)
{
	static const struct part parts[] = { D(0), D(5), B("abc"), { PART_END } };
	const struct proxyfs_request request = { .op = PROXYFS_LGETXATTR, .size = 100 };
	struct proxyfs_reply reply;

	(void)state;
	assert_int_equal(proxyfs_decode_reply(&request, wire, wire_build(parts, wire), &reply), 0);
	assert_ptr_equal(reply.bytes.data, wire + 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_need_all_of_their_room),
		cmocka_unit_test(replies_carry_nothing_of_what_the_room_held),
		cmocka_unit_test(a_failure_encodes_as_nothing_else),
		cmocka_unit_test(small_replies_fit_into_a_stat),
		cmocka_unit_test(values_do_not_outgrow_a_message),
		cmocka_unit_test(the_longest_value_survives_a_round_trip),
		cmocka_unit_test(every_truncation_is_senseless),
		cmocka_unit_test(every_consistent_wrong_size_is_senseless),
		cmocka_unit_test(bytes_after_a_reply_are_senseless),
		cmocka_unit_test(a_header_that_lies_is_senseless),
		cmocka_unit_test(a_status_is_an_errno_or_senseless),
		cmocka_unit_test(a_success_of_another_form_is_senseless),
		cmocka_unit_test(every_reply_makes_sense_in_its_own_form_alone),
		cmocka_unit_test(lengths_and_values_are_not_confused),
		cmocka_unit_test(a_string_that_lies_is_senseless),
		cmocka_unit_test(decoded_bytes_point_into_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

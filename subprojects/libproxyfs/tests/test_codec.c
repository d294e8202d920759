/* SPDX-License-Identifier: MIT */
/* The bounds of headers and requests: what is too short, too long, or must not be in a text. */
#include "compare.h"

#include <errno.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "goldens.h"

static unsigned char wire[WIRE_MAX];

#define for_each_golden(golden)                                                                                        \
	for (const struct golden_request *golden = golden_requests; golden != golden_requests + GOLDEN_REQUESTS;       \
	     golden++)

#define COUNT(array) (sizeof (array) / sizeof (array)[0])

static int decode_header(uint32_t type, uint32_t size, struct proxyfs_header *header)
{
	unsigned char *bytes = room_before_guard(9) + 1; /* an odd address */

	wire_put_u32(bytes, type);
	wire_put_u32(bytes + 4, size);
	memset(header, 0xa5, sizeof *header);
	return proxyfs_decode_header(bytes, header);
}

static void assert_header(uint32_t type, uint32_t size, int expected)
{
	struct proxyfs_header header;

	assert_int_equal(decode_header(type, size, &header), expected);
	assert_int_equal(header.type, type);
	assert_int_equal(header.size, size);
}

static void headers_of_operations_are_accepted(void **state)
{
	(void)state;
	for (uint32_t op = OP_FIRST; op <= OP_LAST; op++) {
		assert_header(op, 0, 0);
		assert_header(op, 1, 0);
		assert_header(op, 65536, 0);
	}
}

static void headers_of_no_operation_are_refused(void **state)
{
	static const uint32_t types[] = { 0, 1, 22, 23, 0x02000000, 0x7fffffff, 0x80000002, 0xfffffffe, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		assert_header(types[i], 0, -EPROTO);
		assert_header(types[i], 12, -EPROTO);
		assert_header(types[i], 65537, -EPROTO);
	}
}

static void headers_with_too_much_payload_are_refused(void **state)
{
	(void)state;
	for (uint32_t op = OP_FIRST; op <= OP_LAST; op++) {
		assert_header(op, 65537, -EMSGSIZE);
		assert_header(op, 0x7fffffff, -EMSGSIZE);
		assert_header(op, 0x80000000, -EMSGSIZE);
		assert_header(op, 0xffffffff, -EMSGSIZE);
	}
}

/* Lays out the payload alone. */
static size_t build_payload(const struct part *parts)
{
	return wire_build(parts + HEADER_PARTS, wire);
}

static int decode(enum proxyfs_op op, const void *bytes, size_t size, struct proxyfs_request *request)
{
	memset(request, 0xa5, sizeof *request);
	return proxyfs_decode_request(op, copy_before_guard(bytes, size), size, request);
}

static void every_truncation_is_too_short(void **state)
{
	struct proxyfs_request request;

	(void)state;
	for_each_golden(golden) {
		size_t whole = build_payload(golden->wire);

		for (size_t size = 0; size < whole; size++)
			assert_int_equal(decode(golden->request.op, wire, size, &request), -ENOBUFS);
		assert_int_equal(decode(golden->request.op, wire, whole, &request), 0);
	}
}

static void an_empty_payload_may_have_no_address(void **state)
{
	struct proxyfs_request request;

	(void)state;
	for_each_golden(golden)
		assert_int_equal(proxyfs_decode_request(golden->request.op, NULL, 0, &request), -ENOBUFS);
}

static void bytes_after_the_last_field_are_ignored(void **state)
{
	static const size_t extra[] = { 1, 2, 7, 8, 1000, 65000 };
	struct proxyfs_request request;

	(void)state;
	for_each_golden(golden) {
		size_t whole = build_payload(golden->wire);

		memset(wire + whole, 0xff, sizeof wire - whole);
		for (size_t i = 0; i < COUNT(extra); i++) {
			assert_int_equal(decode(golden->request.op, wire, whole + extra[i], &request), 0);
			assert_same_request(&request, &golden->request);
		}
	}
}

/* Calls `check` for each string of that kind in each golden request, with the string's place among the parts. */
static void for_each_string(enum part_kind kind, void (*check)(const struct golden_request *golden, size_t index))
{
	unsigned int seen = 0;

	for_each_golden(golden)
		for (size_t i = HEADER_PARTS; golden->wire[i].kind != PART_END; i++)
			if (golden->wire[i].kind == kind) {
				check(golden, i);
				seen++;
			}
	assert_int_equal(seen, kind == PART_TEXT ? 26 : 1);
}

static void check_too_long(const struct golden_request *golden, size_t index)
{
	struct part before[PARTS_MAX] = { { PART_END } };
	struct proxyfs_request request;
	size_t whole, offset;

	memcpy(before, golden->wire, index * sizeof before[0]);
	offset = build_payload(before);
	whole = build_payload(golden->wire);
	wire_put_u16(wire + offset, 0xffff);
	assert_int_equal(decode(golden->request.op, wire, whole, &request), -ENOBUFS);
	wire_put_u16(wire + offset, (uint16_t)(whole - offset - 1)); /* one more than there are */
	assert_int_equal(decode(golden->request.op, wire, whole, &request), -ENOBUFS);
}

static void a_string_longer_than_its_payload_is_too_short(void **state)
{
	(void)state;
	for_each_string(PART_TEXT, check_too_long);
	for_each_string(PART_BINARY, check_too_long);
}

/* Decodes a golden request with its string at `index` replaced. */
static int decode_with(const struct golden_request *golden, size_t index, const char *data, size_t size,
                       struct proxyfs_request *request)
{
	struct part parts[PARTS_MAX];

	memcpy(parts, golden->wire, sizeof parts);
	parts[index].data = data;
	parts[index].size = size;
	return decode(golden->request.op, wire, build_payload(parts), request);
}

static void check_both_forms(const struct golden_request *golden, size_t index)
{
	const char *text = golden->wire[index].data; /* a literal: its NUL is there, counted or not */
	size_t length = strlen(text);
	struct proxyfs_request request;

	assert_int_equal(decode_with(golden, index, text, length, &request), 0);
	assert_same_request(&request, &golden->request);
	assert_int_equal(decode_with(golden, index, text, length + 1, &request), 0);
	assert_same_request(&request, &golden->request);
}

static void texts_are_accepted_with_and_without_their_nul(void **state)
{
	(void)state;
	for_each_string(PART_TEXT, check_both_forms);
}

static void check_nul_inside(const struct golden_request *golden, size_t index)
{
	static const struct proxyfs_bytes texts[] = {
		BYTES_OF("//a\0\0"), BYTES_OF("\0\0"), BYTES_OF("\0a"), BYTES_OF("//a\0b"), BYTES_OF("//a\0b\0"),
	};
	struct proxyfs_request request;

	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(decode_with(golden, index, texts[i].data, texts[i].size, &request), -EINVAL);
}

static void a_nul_inside_a_text_is_invalid(void **state)
{
	(void)state;
	for_each_string(PART_TEXT, check_nul_inside);
}

static size_t size_of_texts(const struct proxyfs_request *request)
{
	return request->path.size + request->new_path.size + request->target.size + request->name.size;
}

static void check_empty(const struct golden_request *golden, size_t index)
{
	size_t rest = size_of_texts(&golden->request) - strlen(golden->wire[index].data);
	struct proxyfs_request request;

	assert_int_equal(decode_with(golden, index, "", 0, &request), 0);
	assert_int_equal(size_of_texts(&request), rest);
	assert_int_equal(decode_with(golden, index, "", 1, &request), 0); /* with the literal's NUL */
	assert_int_equal(size_of_texts(&request), rest);
}

/* The codec has no opinion: that a path is empty is the helper's to refuse. */
static void a_text_may_be_empty(void **state)
{
	(void)state;
	for_each_string(PART_TEXT, check_empty);
}

static void check_value(const struct golden_request *golden, size_t index)
{
	static const struct proxyfs_bytes values[] = {
		BYTES_OF(""), BYTES_OF("\0"), BYTES_OF("\0\0"), BYTES_OF("a\0b\0"),
	};
	struct proxyfs_request request;

	for (size_t i = 0; i < COUNT(values); i++) {
		assert_int_equal(decode_with(golden, index, values[i].data, values[i].size, &request), 0);
		assert_same_bytes(request.value, values[i]);
	}
}

static void a_value_keeps_its_nuls(void **state)
{
	(void)state;
	for_each_string(PART_BINARY, check_value);
}

static void shortage_is_judged_before_nuls(void **state)
{
	static const struct part chmod_without_mode[] = { S("//a\0b\0"), { PART_END } };
	struct proxyfs_request request;
	size_t size = wire_build(chmod_without_mode, wire);

	(void)state;
	assert_int_equal(decode(PROXYFS_CHMOD, wire, size, &request), -ENOBUFS);
}

static void requests_need_all_of_their_room(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);

		for (size_t size = 0; size < whole; size++) {
			unsigned char *room = room_before_guard(size);

			assert_int_equal(proxyfs_encode_request(&golden->request, room, size), -ENOBUFS);
		}
	}
}

static void requests_leave_the_rest_of_their_room_alone(void **state)
{
	(void)state;
	for_each_golden(golden) {
		size_t whole = wire_build(golden->wire, wire);
		unsigned char *room = room_before_guard(whole + 100);

		assert_int_equal(proxyfs_encode_request(&golden->request, room, whole + 100), whole);
		for (size_t i = whole; i < whole + 100; i++)
			assert_int_equal(room[i], 0xa5);
	}
}

/* Encodes a request whose path has `size` bytes, into more room than a message may take. */
static ssize_t encode_with_path(enum proxyfs_op op, size_t size)
{
	static char path[WIRE_MAX];
	struct proxyfs_request request = { .op = op, .path = { path, size } };

	memset(path, 'p', sizeof path);
	return proxyfs_encode_request(&request, wire, sizeof wire);
}

static void paths_do_not_outgrow_a_message(void **state)
{
	(void)state;
	/* REMOVE sends a length and the path; LSTAT a NUL as well. */
	assert_int_equal(encode_with_path(PROXYFS_REMOVE, 65534), 65544);
	assert_int_equal(encode_with_path(PROXYFS_REMOVE, 65535), -ENOBUFS);
	assert_int_equal(encode_with_path(PROXYFS_REMOVE, 65536), -ENOBUFS);
	assert_int_equal(encode_with_path(PROXYFS_REMOVE, 65537), -ENOBUFS);
	assert_int_equal(encode_with_path(PROXYFS_LSTAT, 65533), 65544);
	assert_int_equal(encode_with_path(PROXYFS_LSTAT, 65534), -ENOBUFS);
	assert_int_equal(encode_with_path(PROXYFS_LSTAT, 65535), -ENOBUFS);
	assert_int_equal(encode_with_path(PROXYFS_LSTAT, 65536), -ENOBUFS);
}

static void the_longest_path_survives_a_round_trip(void **state)
{
	struct proxyfs_header header;
	struct proxyfs_request request;

	(void)state;
	assert_int_equal(encode_with_path(PROXYFS_LSTAT, 65533), 65544);
	assert_int_equal(proxyfs_decode_header(wire, &header), 0);
	assert_int_equal(header.size, 65536);
	assert_int_equal(decode(PROXYFS_LSTAT, wire + HEADER_BYTES, header.size, &request), 0);
	assert_int_equal(request.path.size, 65533);
	assert_int_equal(request.path.data[65532], 'p');
}

/* Path and name empty: 3 + 2 + (2 + value) + 8 bytes of payload. */
static void values_do_not_outgrow_a_message(void **state)
{
	static const char value[65536];
	struct proxyfs_request request = { .op = PROXYFS_LSETXATTR, .value = { value, 65521 } };

	(void)state;
	assert_int_equal(proxyfs_encode_request(&request, wire, sizeof wire), 65544);
	request.value.size = 65522;
	assert_int_equal(proxyfs_encode_request(&request, wire, sizeof wire), -ENOBUFS);
	request.value.size = 65536;
	assert_int_equal(proxyfs_encode_request(&request, wire, sizeof wire), -ENOBUFS);
	request.value.size = SIZE_MAX;
	assert_int_equal(proxyfs_encode_request(&request, wire, sizeof wire), -ENOBUFS);
}

static void assert_not_encoded(const struct proxyfs_request *request, struct proxyfs_bytes *text)
{
	static const struct proxyfs_bytes texts[] = {
		BYTES_OF("\0"), BYTES_OF("a\0"), BYTES_OF("\0a"), BYTES_OF("a\0b"),
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		*text = texts[i];
		assert_int_equal(proxyfs_encode_request(request, wire, sizeof wire), -EINVAL);
	}
}

static void texts_with_a_nul_are_not_encoded(void **state)
{
	(void)state;
	for_each_golden(golden) {
		struct proxyfs_request request = golden->request;
		struct proxyfs_bytes *texts[] = { &request.path, &request.new_path, &request.target, &request.name };

		for (size_t i = 0; i < COUNT(texts); i++) {
			struct proxyfs_bytes kept = *texts[i];

			if (kept.size == 0)
				continue; /* not one of this operation's */
			assert_not_encoded(&request, texts[i]);
			*texts[i] = kept;
		}
	}
}

static void a_type_that_is_no_operation_is_not_encoded(void **state)
{
	static const uint32_t types[] = { 0, 1, 22, 0x7fffffff, 0xffffffff };

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		struct proxyfs_request request = { .op = (enum proxyfs_op)types[i], .path = BYTES_OF("/") };

		assert_int_equal(proxyfs_encode_request(&request, wire, sizeof wire), -EINVAL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_of_operations_are_accepted),
		cmocka_unit_test(headers_of_no_operation_are_refused),
		cmocka_unit_test(headers_with_too_much_payload_are_refused),
		cmocka_unit_test(every_truncation_is_too_short),
		cmocka_unit_test(an_empty_payload_may_have_no_address),
		cmocka_unit_test(a_string_longer_than_its_payload_is_too_short),
		cmocka_unit_test(bytes_after_the_last_field_are_ignored),
		cmocka_unit_test(texts_are_accepted_with_and_without_their_nul),
		cmocka_unit_test(a_nul_inside_a_text_is_invalid),
		cmocka_unit_test(a_text_may_be_empty),
		cmocka_unit_test(a_value_keeps_its_nuls),
		cmocka_unit_test(shortage_is_judged_before_nuls),
		cmocka_unit_test(requests_need_all_of_their_room),
		cmocka_unit_test(requests_leave_the_rest_of_their_room_alone),
		cmocka_unit_test(paths_do_not_outgrow_a_message),
		cmocka_unit_test(the_longest_path_survives_a_round_trip),
		cmocka_unit_test(values_do_not_outgrow_a_message),
		cmocka_unit_test(texts_with_a_nul_are_not_encoded),
		cmocka_unit_test(a_type_that_is_no_operation_is_not_encoded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

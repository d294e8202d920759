/* SPDX-License-Identifier: MIT */
/*
 * The codec as a 32-bit program, where the C library's longs are narrower than the wire's numbers: nothing may be cut
 * off, and nothing written beyond a structure. Plain checks, because cmocka is rarely there for the other width.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <proxyfs/codec.h>

#include "goldens.h"

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                        \
			exit(1);                                                                                       \
		}                                                                                                      \
	} while (0)

_Static_assert(sizeof(long) == 4, "this program is about 32-bit hosts");
_Static_assert(sizeof(time_t) == 8 && sizeof(off_t) == 8, "built as the library is");

static unsigned char wire[WIRE_MAX];

/* Decodes a message and encodes what it means: the same bytes again. */
static struct proxyfs_request check_round_trip(const struct part *parts)
{
	size_t size = wire_build(parts, wire);
	unsigned char *buffer = room_before_guard(size);
	struct proxyfs_header header;
	struct proxyfs_request request;

	CHECK(proxyfs_decode_header(wire, &header) == 0);
	CHECK(header.size == size - HEADER_BYTES);
	CHECK(proxyfs_decode_request((enum proxyfs_op)header.type, wire + HEADER_BYTES, header.size, &request) == 0);
	CHECK(proxyfs_encode_request(&request, buffer, size) == (ssize_t)size);
	CHECK(memcmp(buffer, wire, size) == 0);
	return request;
}

static void check_goldens(void)
{
	for (size_t i = 0; i < GOLDEN_REQUESTS; i++)
		check_round_trip(golden_requests[i].wire);
	for (size_t i = 0; i < GOLDEN_REPLIES; i++) {
		const struct golden_reply *golden = &golden_replies[i];
		size_t size = wire_build(golden->wire, wire);
		unsigned char *buffer = room_before_guard(size);
		struct proxyfs_reply reply;

		CHECK(proxyfs_encode_reply(golden->request.op, &golden->reply, buffer, size) == (ssize_t)size);
		CHECK(memcmp(buffer, wire, size) == 0);
		CHECK(proxyfs_decode_reply(&golden->request, buffer, size, &reply) == 0);
	}
}

/* Beyond 2038 and before 1901, where 32 bits end. */
static void check_utime(void)
{
	static const struct part parts[] = {
		D(14), D(37), S("/a\0"), Q(0x100000001), Q(999999999), Q(-0x100000002), Q(0x3fffffff), { PART_END },
	};
	struct proxyfs_request request = check_round_trip(parts);

	CHECK(request.atime_sec == 0x100000001);
	CHECK(request.atime_nsec == 999999999);
	CHECK(request.mtime_sec == -0x100000002);
	CHECK(request.mtime_nsec == 0x3fffffff);
}

static void check_truncate(void)
{
	static const struct part beyond_4_gib[] = { D(13), D(13), S("/a\0"), Q(0x7877767574737271), { PART_END } };
	static const struct part negative[] = { D(13), D(13), S("/a\0"), Q(-1), { PART_END } };

	CHECK(check_round_trip(beyond_4_gib).length == 0x7877767574737271);
	CHECK(check_round_trip(negative).length == -1);
}

static void check_mknod(void)
{
	static const struct part parts[] = {
		D(4), D(24), D(1), D(2), S("/a"), D(0020600), Q(0x6867666564636261), { PART_END },
	};

	CHECK(check_round_trip(parts).rdev == 0x6867666564636261);
}

/* stat's numbers of 64 bits, there and back. */
static void check_stat(void)
{
	const struct stat native = {
		.st_dev = 0x0807060504030201, .st_ino = 0x1817161514131211, .st_rdev = 0x6867666564636261,
		.st_size = 0x7877767574737271, .st_blocks = 0x2827262524232221,
		.st_atim = { .tv_sec = 0x100000001, .tv_nsec = 999999999 }, .st_mtim = { .tv_sec = -0x100000002 },
		.st_ctim = { .tv_sec = -1, .tv_nsec = 1 },
	};
	struct { struct proxyfs_stat stat; uint64_t after; } wide = { .after = 0x5a5a5a5a5a5a5a5a };
	struct { struct stat stat; uint64_t after; } back = { .after = 0xa5a5a5a5a5a5a5a5 };

	proxyfs_stat_from_native(&native, &wide.stat);
	CHECK(wide.stat.ino == 0x1817161514131211 && wide.stat.size == 0x7877767574737271);
	CHECK(wide.stat.atime_sec == 0x100000001 && wide.stat.atime_nsec == 999999999);
	CHECK(wide.stat.mtime_sec == -0x100000002 && wide.stat.ctime_sec == -1 && wide.stat.ctime_nsec == 1);
	CHECK(wide.after == 0x5a5a5a5a5a5a5a5a);

	proxyfs_stat_to_native(&wide.stat, &back.stat);
	CHECK(back.stat.st_dev == native.st_dev && back.stat.st_ino == native.st_ino);
	CHECK(back.stat.st_rdev == native.st_rdev && back.stat.st_size == native.st_size);
	CHECK(back.stat.st_blocks == native.st_blocks);
	CHECK(back.stat.st_atim.tv_sec == native.st_atim.tv_sec && back.stat.st_atim.tv_nsec == 999999999);
	CHECK(back.stat.st_mtim.tv_sec == native.st_mtim.tv_sec && back.stat.st_ctim.tv_sec == -1);
	CHECK(back.after == 0xa5a5a5a5a5a5a5a5);
}

/* The type is an int there, and btrfs's has its highest bit set: no sign may spread from it. */
static void check_statfs(void)
{
	const struct statfs native = { .f_type = (int)0x9123683e, .f_blocks = 0x2827262524232221,
		                       .f_files = 0x5857565554535251, .f_fsid = { { 0x14131211, (int)0x84838281 } } };
	struct proxyfs_statfs wide;
	struct statfs back;

	proxyfs_statfs_from_native(&native, &wide);
	CHECK(wide.type == 0x9123683e);
	CHECK(wide.blocks == 0x2827262524232221 && wide.files == 0x5857565554535251);
	CHECK(wide.fsid[0] == 0x14131211 && wide.fsid[1] == 0x8483828184838281);

	proxyfs_statfs_to_native(&wide, &back);
	CHECK(back.f_type == native.f_type);
	CHECK(back.f_blocks == native.f_blocks && back.f_files == native.f_files);
	CHECK(memcmp(&back.f_fsid, &native.f_fsid, sizeof native.f_fsid) == 0);
}

int main(void)
{
	check_goldens();
	check_utime();
	check_truncate();
	check_mknod();
	check_stat();
	check_statfs();
	return 0;
}

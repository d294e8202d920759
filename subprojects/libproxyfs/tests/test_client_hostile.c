/* SPDX-License-Identifier: MIT */
/* A helper that lies, breaks off, or sends what nobody asked for: an error, never a hang, a leak or a byte too far. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "peer.h"

struct row {
	const char *name;
	long (*call)(struct proxyfs_client *client);
	struct script script;
	long result;
};

/* Buffers end where memory does. */
#define ROOM 10

static long call_open(struct proxyfs_client *client)
{
	return proxyfs_open(client, "/", 0);
}

static long call_create(struct proxyfs_client *client)
{
	return proxyfs_create(client, "//a", 0, 0644, 0, 0);
}

static long call_lstat(struct proxyfs_client *client)
{
	struct stat stat;

	return proxyfs_lstat(client, "/", &stat);
}

static long call_statfs(struct proxyfs_client *client)
{
	struct statfs statfs;

	return proxyfs_statfs(client, "/", &statfs);
}

static long call_chmod(struct proxyfs_client *client)
{
	return proxyfs_chmod(client, "/", 0755);
}

static long call_readlink(struct proxyfs_client *client)
{
	return proxyfs_readlink(client, "//link", (char *)room_before_guard(ROOM), ROOM);
}

static long call_lgetxattr(struct proxyfs_client *client)
{
	return proxyfs_lgetxattr(client, "/", "user.a", room_before_guard(ROOM), ROOM);
}

static long call_lgetxattr_length(struct proxyfs_client *client)
{
	return proxyfs_lgetxattr(client, "/", "user.a", NULL, 0);
}

static long call_llistxattr(struct proxyfs_client *client)
{
	return proxyfs_llistxattr(client, "/", (char *)room_before_guard(ROOM), ROOM);
}

static long call_getversion(struct proxyfs_client *client)
{
	uint64_t version;

	return proxyfs_getversion(client, "/", &version);
}

#define SUCCESS D(0x7fffffff)

/* A stat of 112, and with what follows it 115 or 117 bytes. */
#define MOST_OF_A_STAT Q(1), Q(2), Q(3), Q(4), Q(5), Q(6), Q(7), Q(8), Q(9), Q(10), Q(11), Q(12), Q(13), Q(14)

static const struct row rows[] = {
	/* descriptors */
	{ "a success without its descriptor", call_open, { { SUCCESS } }, -EPROTO },
	{ "a failure with a descriptor", call_open, { { D(-2) }, .descriptors = 1 }, -EPROTO },
	{ "a failure with two descriptors", call_create, { { D(-2) }, .descriptors = 2 }, -EPROTO },
	{ "two descriptors", call_open, { { SUCCESS }, .descriptors = 2 }, -EPROTO },
	{ "three descriptors", call_create, { { SUCCESS }, .descriptors = 3 }, -EPROTO },
	{ "twenty descriptors", call_open, { { SUCCESS }, .descriptors = 20 }, -EPROTO },
	{ "a zero with a descriptor", call_open, { { D(0) }, .descriptors = 1 }, -EPROTO },
	{ "a descriptor number", call_open, { { D(3) } }, -EPROTO },
	{ "a part of a success with its descriptor", call_open, { { SUCCESS }, .sent = 2, .descriptors = 1 }, -EPROTO },
	{ "a part of a failure", call_create, { { D(-2) }, .sent = 3 }, -EPROTO },
	{ "a failure that is no errno", call_create, { { D(-4096) } }, -EPROTO },

	/* the ends of connections */
	{ "an end instead of a descriptor", call_open, { .then = ENDS }, -ECONNRESET },
	{ "a reset instead of a descriptor", call_create, { .then = RESETS }, -ECONNRESET },
	{ "an end instead of a status", call_chmod, { .then = ENDS }, -ECONNRESET },
	{ "a reset instead of a stat", call_lstat, { .then = RESETS }, -ECONNRESET },
	{ "an end inside a header", call_lstat, { { D(0), D(116) }, .sent = 5, .then = ENDS }, -ECONNRESET },
	{ "an end after a header", call_lstat, { { D(0), D(116) }, .then = ENDS }, -ECONNRESET },
	{ "an end inside a status", call_chmod, { { D(0), D(4), D(0) }, .sent = 11, .then = ENDS }, -ECONNRESET },
	{ "an end inside a stat", call_lstat, { { D(0), D(116), Q(1), Q(2) }, .then = ENDS }, -ECONNRESET },

	/* headers */
	{ "a payload larger than any", call_lstat, { { D(0), D(65537) } }, -EPROTO },
	{ "a payload of 4 GiB", call_lgetxattr, { { D(0), D(0xffffffff) } }, -EPROTO },
	{ "an error larger than any", call_chmod, { { D(1), D(0x80000000) } }, -EPROTO },
	{ "a reply that is neither success nor error", call_lstat, { { D(2), D(4), D(-5) } }, -EPROTO },
	{ "a request", call_lstat, { { D(8), D(4), S("/\0") } }, -EPROTO },

	/* payloads */
	{ "a short stat", call_lstat, { { D(0), D(115), MOST_OF_A_STAT, B("a") } }, -EPROTO },
	{ "a long stat", call_lstat, { { D(0), D(117), MOST_OF_A_STAT, B("abc") } }, -EPROTO },
	{ "an empty stat", call_lstat, { { D(0), D(0) } }, -EPROTO },
	{ "a short statfs", call_statfs,
	  { { D(0), D(80), Q(1), Q(2), Q(3), Q(4), Q(5), Q(6), Q(7), Q(8), Q(9), Q(10) } }, -EPROTO },
	{ "a short generation", call_getversion, { { D(0), D(4), D(1) } }, -EPROTO },
	{ "a long status", call_chmod, { { D(0), D(8), Q(0) } }, -EPROTO },
	{ "no status", call_chmod, { { D(0), D(0) } }, -EPROTO },
	{ "a positive status", call_chmod, { { D(1), D(4), D(5) } }, -EPROTO },
	{ "an error that is none", call_lstat, { { D(1), D(4), D(0) } }, -EPROTO },
	{ "a string longer than its payload", call_readlink, { { D(0), D(4), D(0x00020003) } }, -EPROTO },
	{ "a value instead of a length", call_lgetxattr_length, { { D(0), D(5), B("abc") } }, -EPROTO },

	/* more than there is room for */
	{ "a value longer than asked for", call_lgetxattr, { { D(0), D(13), B("12345678901") } }, -EPROTO },
	{ "names longer than asked for", call_llistxattr, { { D(0), D(13), B("1234567890\0") } }, -EPROTO },
	{ "a target without room for its NUL", call_readlink, { { D(0), D(12), B("1234567890") } }, -EPROTO },
	{ "a target with a NUL inside", call_readlink, { { D(0), D(5), B("a\0b") } }, -EPROTO },

	/* for comparison: these just fit */
	{ "a value as long as asked for", call_lgetxattr, { { D(0), D(12), B("1234567890") } }, 10 },
	{ "names as long as asked for", call_llistxattr, { { D(0), D(12), B("123456789\0") } }, 10 },
	{ "a target as long as asked for", call_readlink, { { D(0), D(11), B("123456789") } }, 9 },
	{ "an errno as large as any", call_open, { { D(-4095) } }, -4095 },

	/* What nobody asked for is dropped, and closed. */
	{ "a descriptor with a status", call_chmod, { { D(0), D(4), D(0) }, .descriptors = 1 }, 0 },
	{ "descriptors with a value", call_lgetxattr, { { D(0), D(5), B("abc") }, .descriptors = 3 }, 3 },
};

#define ROWS (sizeof rows / sizeof rows[0])

/* Nothing is believed of a transport that has failed once, nor is anything sent there. */
static void assert_over(const struct peer *peer, long error)
{
	assert_int_equal(proxyfs_client_error(peer->client), error);
	assert_int_equal(call_chmod(peer->client), error);
	assert_int_equal(call_open(peer->client), error);
	assert_int_equal(call_lgetxattr(peer->client), error);
	assert_int_equal(proxyfs_client_error(peer->client), error);
	assert_nothing_more_sent(peer);
}

static void is_dealt_with(void **state)
{
	struct peer *peer = *state;
	const struct row *row = peer->subject;

	assert_int_equal(peer_play(peer, &row->script, row->call), row->result);
	if (row->result == -EPROTO || row->result == -ECONNRESET)
		assert_over(peer, row->result);
	else
		assert_int_equal(proxyfs_client_error(peer->client), 0);
}

/* Also no SIGPIPE, which would end this program. */
static void a_helper_that_went_away_before_the_call(void **state)
{
	struct peer *peer = *state;

	close(peer->fd);
	peer->fd = -1;
	assert_int_equal(call_lstat(peer->client), -EPIPE);
	assert_over(peer, -EPIPE);
}

int main(void)
{
	static struct CMUnitTest tests[ROWS + 1];

	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, is_dealt_with, peer_setup, peer_teardown,
			                        (void *)(uintptr_t)&rows[i] };
	tests[ROWS] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(
		a_helper_that_went_away_before_the_call, peer_setup, peer_teardown);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* How a client comes to be and ends, what it refuses to send, its largest messages, and the call beneath the others. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <proxyfs/client.h>

#include "peer.h"

static const struct script status_reply = { { D(0), D(4), D(0) } };
static const struct script open_reply = { { D(0x7fffffff) }, .descriptors = 1 };

/* A socket with a name in a directory of its own, the longest name that there can be. */
struct named {
	char directory[32];
	struct sockaddr_un address;
	int fd;
};

#define NAME_MAX_BYTES (sizeof ((struct sockaddr_un *)NULL)->sun_path - 1)

static int named_setup(void **state)
{
	static struct named named;
	size_t used;

	named = (struct named){ .directory = "/tmp/libproxyfs-XXXXXX", .address = { .sun_family = AF_UNIX } };
	assert_non_null(mkdtemp(named.directory));
	used = strlen(named.directory);
	memset(named.address.sun_path, 's', NAME_MAX_BYTES);
	memcpy(named.address.sun_path, named.directory, used);
	named.address.sun_path[used] = '/';
	named.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(named.fd >= 0);
	assert_int_equal(bind(named.fd, (struct sockaddr *)&named.address, sizeof named.address), 0);
	*state = &named;
	return 0;
}

static int named_teardown(void **state)
{
	struct named *named = *state;

	close(named->fd);
	unlink(named->address.sun_path);
	return rmdir(named->directory);
}

static void connects_to_a_name(void **state)
{
	struct named *named = *state;
	struct proxyfs_client *client;
	unsigned int before = open_descriptors();

	assert_int_equal(listen(named->fd, 1), 0);
	assert_int_equal(strlen(named->address.sun_path), 107);
	assert_int_equal(proxyfs_client_connect(named->address.sun_path, &client), 0);
	assert_int_equal(open_descriptors(), before + 1);
	assert_int_equal(fcntl(proxyfs_client_fd(client), F_GETFD), FD_CLOEXEC);
	assert_int_equal(proxyfs_client_error(client), 0);
	proxyfs_client_close(client);
	assert_int_equal(open_descriptors(), before);
}

static void says_why_it_cannot_connect(void **state)
{
	struct named *named = *state;
	struct proxyfs_client *client;
	unsigned int before = open_descriptors();
	char too_long[NAME_MAX_BYTES + 2] = { 0 };

	assert_int_equal(proxyfs_client_connect(named->address.sun_path, &client), -ECONNREFUSED);
	assert_int_equal(proxyfs_client_connect("/nonexistent/socket", &client), -ENOENT);
	memset(too_long, 's', sizeof too_long - 1);
	assert_int_equal(proxyfs_client_connect(too_long, &client), -ENAMETOOLONG);
	assert_int_equal(open_descriptors(), before);
}

static void closing_no_client_is_nothing(void **state)
{
	(void)state;
	proxyfs_client_close(NULL);
}

static long call_chmod(struct proxyfs_client *client)
{
	return proxyfs_chmod(client, "/", 0755);
}

static long call_open(struct proxyfs_client *client)
{
	return proxyfs_open(client, "/", 0);
}

static void an_adopted_socket_is_the_clients(void **state)
{
	const struct peer *peer = *state;

	assert_true(proxyfs_client_fd(peer->client) >= 0);
	assert_int_not_equal(proxyfs_client_fd(peer->client), peer->fd);
}

/* What cannot be a message is not sent at all, and the connection is none the worse for it. */
static void refuses_what_does_not_fit(void **state)
{
	static char path[65536], value[65536];
	struct peer *peer = *state;
	struct proxyfs_client *client = peer->client;

	memset(path, 'p', sizeof path - 1);
	assert_int_equal(proxyfs_remove(client, path), -ENOBUFS);
	assert_int_equal(proxyfs_open(client, path, 0), -ENOBUFS);
	assert_int_equal(proxyfs_lsetxattr(client, "/", "user.a", value, 65535, 0), -ENOBUFS);
	assert_int_equal(proxyfs_lsetxattr(client, "/", "user.a", value, 65536, 0), -E2BIG);
	assert_int_equal(proxyfs_lsetxattr(client, "/", "user.a", value, SIZE_MAX, 0), -E2BIG);
	assert_int_equal(proxyfs_client_error(client), 0);
	assert_nothing_more_sent(peer);
	assert_int_equal(peer_play(peer, &status_reply, call_chmod), 0);
}

static void a_link_is_not_read_into_nothing(void **state)
{
	struct peer *peer = *state;

	assert_int_equal(proxyfs_readlink(peer->client, "//link", NULL, 0), -EINVAL);
	assert_nothing_more_sent(peer);
}

/* Sizes beyond a payload are sent as a payload's, 65536. */
static long readlink_with_much_room(struct proxyfs_client *client)
{
	static char buffer[WIRE_MAX];

	return proxyfs_readlink(client, "/", buffer, sizeof buffer);
}

static long lgetxattr_with_much_room(struct proxyfs_client *client)
{
	static char buffer[WIRE_MAX];

	return proxyfs_lgetxattr(client, "/", "a", buffer, (size_t)SIZE_MAX - sizeof buffer);
}

static long llistxattr_with_much_room(struct proxyfs_client *client)
{
	static char buffer[WIRE_MAX];

	return proxyfs_llistxattr(client, "/", buffer, (size_t)UINT32_MAX);
}

static void asks_for_no_more_than_a_payload(void **state)
{
	static const struct script reply = { { D(0), D(5), B("abc") } };
	static const struct part readlink[] = { D(9), D(8), S("/\0"), D(65536), { PART_END } };
	static const struct part lgetxattr[] = { D(17), D(11), D(65536), S("/\0"), S("a"), { PART_END } };
	static const struct part llistxattr[] = { D(18), D(8), D(65536), S("/\0"), { PART_END } };
	struct peer *peer = *state;

	assert_int_equal(peer_play(peer, &reply, readlink_with_much_room), 3);
	assert_received(peer, readlink);
	assert_int_equal(peer_play(peer, &reply, lgetxattr_with_much_room), 3);
	assert_received(peer, lgetxattr);
	assert_int_equal(peer_play(peer, &reply, llistxattr_with_much_room), 3);
	assert_received(peer, llistxattr);
}

static char long_value[65534], long_got[65534];

static long get_long_value(struct proxyfs_client *client)
{
	return proxyfs_lgetxattr(client, "/", "a", long_got, sizeof long_got);
}

static long set_long_value(struct proxyfs_client *client)
{
	return proxyfs_lsetxattr(client, "/", "a", long_value, 65519, 0);
}

static void the_longest_values_get_through(void **state)
{
	struct peer *peer = *state;
	const struct script reply = { { D(0), D(65536), { PART_BINARY, 0, long_value, 65534 } } };
	const struct part request[] = {
		D(19), D(65536), S("/\0"), S("a"), { PART_BINARY, 0, long_value, 65519 }, D(65519), D(0), { PART_END },
	};

	for (size_t i = 0; i < sizeof long_value; i++)
		long_value[i] = (char)(i * 31);
	assert_int_equal(peer_play(peer, &reply, get_long_value), 65534);
	assert_memory_equal(long_got, long_value, sizeof long_got);
	assert_int_equal(peer_play(peer, &status_reply, set_long_value), 0);
	assert_received(peer, request);
}

static void a_signal_does_not_split_a_request(void **state)
{
	static const struct script interrupting = { { D(0), D(4), D(0) }, .interrupts_sending = true };
	static const int small = 1;
	const struct part request[] = {
		D(19), D(65536), S("/\0"), S("a"), { PART_BINARY, 0, long_value, 65519 }, D(65519), D(0), { PART_END },
	};
	struct peer *peer = *state;

	/* The kernel makes it a few thousand: the request does not fit. */
	assert_int_equal(setsockopt(proxyfs_client_fd(peer->client), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
	assert_int_equal(peer_play(peer, &interrupting, set_long_value), 0);
	assert_received(peer, request);
}

/* proxyfs_call() itself. */
static const struct proxyfs_request open_root = { .op = PROXYFS_OPEN, .path = { "/", 1 } };
static const struct proxyfs_request chmod_root = { .op = PROXYFS_CHMOD, .path = { "/", 1 } };
static struct proxyfs_reply reply;
static int call_fd;

static long open_without_taking_the_descriptor(struct proxyfs_client *client)
{
	return proxyfs_call(client, &open_root, &reply, NULL);
}

static long chmod_with_a_place_for_a_descriptor(struct proxyfs_client *client)
{
	return proxyfs_call(client, &chmod_root, &reply, &call_fd);
}

static long open_with_a_place_for_a_descriptor(struct proxyfs_client *client)
{
	return proxyfs_call(client, &open_root, &reply, &call_fd);
}

static void a_call_gives_the_descriptor_to_who_wants_it(void **state)
{
	static const struct script failure = { { D(-13) } };
	struct peer *peer = *state;
	unsigned int before = open_descriptors();

	assert_int_equal(peer_play(peer, &open_reply, open_without_taking_the_descriptor), 0);
	assert_int_equal(open_descriptors(), before);

	assert_int_equal(peer_play(peer, &open_reply, open_with_a_place_for_a_descriptor), 0);
	assert_passed(peer, call_fd);

	call_fd = 100;
	assert_int_equal(peer_play(peer, &status_reply, chmod_with_a_place_for_a_descriptor), 0);
	assert_int_equal(call_fd, -1);

	call_fd = 100;
	assert_int_equal(peer_play(peer, &failure, open_with_a_place_for_a_descriptor), 0);
	assert_int_equal(reply.status, -13);
	assert_int_equal(call_fd, -1);
}

static void a_call_of_no_operation_is_refused(void **state)
{
	const struct proxyfs_request request = { .op = PROXYFS_OP_END };
	struct peer *peer = *state;

	call_fd = 100;
	assert_int_equal(proxyfs_call(peer->client, &request, &reply, &call_fd), -EINVAL);
	assert_int_equal(call_fd, -1);
	assert_int_equal(proxyfs_client_error(peer->client), 0);
	assert_nothing_more_sent(peer);
}

static void descriptors_outlive_the_client(void **state)
{
	struct peer *peer = *state;
	long fd = peer_play(peer, &open_reply, call_open);

	proxyfs_client_close(peer->client);
	peer->client = NULL;
	assert_passed(peer, fd);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, peer_setup, peer_teardown)
#define WITH_NAME(test) cmocka_unit_test_setup_teardown(test, named_setup, named_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		WITH_NAME(connects_to_a_name),
		WITH_NAME(says_why_it_cannot_connect),
		cmocka_unit_test(closing_no_client_is_nothing),
		WITH_PEER(an_adopted_socket_is_the_clients),
		WITH_PEER(refuses_what_does_not_fit),
		WITH_PEER(a_link_is_not_read_into_nothing),
		WITH_PEER(asks_for_no_more_than_a_payload),
		WITH_PEER(the_longest_values_get_through),
		WITH_PEER(a_signal_does_not_split_a_request),
		WITH_PEER(a_call_gives_the_descriptor_to_who_wants_it),
		WITH_PEER(a_call_of_no_operation_is_refused),
		WITH_PEER(descriptors_outlive_the_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Looking without taking: bytes once, descriptors with theirs, and ends and resets as the other side should see them. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/tap.h"

struct fixture {
	struct tap tap, sender; /* the sender's is used for tap_send() only */
	struct passed passed;
	char bytes[100];
};

static int setup(void **state)
{
	static struct fixture fixture;
	int pair[2];

	fixture = (struct fixture){ .passed = { .count = 0 } };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(tap_open(&fixture.tap, pair[0]), 0);
	fixture.sender.fd = pair[1];
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	passed_close(&fixture->passed);
	tap_close(&fixture->tap, true);
	if (fixture->sender.fd >= 0)
		close(fixture->sender.fd);
	return 0;
}

static void send_text(struct fixture *fixture, const char *text, int fd)
{
	struct passed passed = { .count = fd >= 0, .fds = { fd } };

	assert_int_equal(tap_send(&fixture->sender, text, strlen(text), &passed), (ssize_t)strlen(text));
}

static void assert_look(struct fixture *fixture, size_t size, const char *expected, int descriptors)
{
	ssize_t got = tap_look(&fixture->tap, fixture->bytes, size, &fixture->passed);

	assert_int_equal(got, (ssize_t)strlen(expected));
	assert_memory_equal(fixture->bytes, expected, (size_t)got);
	assert_int_equal(fixture->passed.count, descriptors);
	passed_close(&fixture->passed);
}

static ssize_t read_as_peer(struct fixture *fixture)
{
	ssize_t got = recv(fixture->sender.fd, fixture->bytes, sizeof fixture->bytes, 0);

	return got < 0 ? -errno : got;
}

static void each_byte_is_seen_once(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abcdef", -1);
	assert_look(fixture, 2, "ab", 0);
	assert_look(fixture, 1, "c", 0);
	send_text(fixture, "gh", -1);
	assert_look(fixture, 100, "defgh", 0);
	assert_int_equal(tap_look(&fixture->tap, fixture->bytes, 1, &fixture->passed), -EAGAIN);
}

static void one_byte_stays(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abcdef", -1);
	assert_look(fixture, 100, "abcdef", 0);
	assert_int_equal(fixture->tap.unread, 1);
}

static void a_descriptor_comes_with_its_bytes(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "before", -1);
	send_text(fixture, "with", STDERR_FILENO);
	send_text(fixture, "more", STDERR_FILENO);
	send_text(fixture, "behind", -1);
	assert_look(fixture, 6, "before", 0);
	assert_look(fixture, 4, "with", 1);
	assert_look(fixture, 4, "more", 1);
	assert_look(fixture, 6, "behind", 0);
}

static void a_descriptor_is_what_was_sent(void **state)
{
	struct fixture *fixture = *state;
	struct stat sent, got;
	int pipe_fds[2];

	assert_int_equal(pipe(pipe_fds), 0);
	send_text(fixture, "with", pipe_fds[0]);
	assert_int_equal(tap_look(&fixture->tap, fixture->bytes, 4, &fixture->passed), 4);
	assert_int_equal(fixture->passed.count, 1);
	assert_int_equal(fstat(pipe_fds[0], &sent), 0);
	assert_int_equal(fstat(fixture->passed.fds[0], &got), 0);
	assert_int_equal(sent.st_ino, got.st_ino);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static void an_end_is_seen_behind_the_bytes(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abc", -1);
	close(fixture->sender.fd);
	fixture->sender.fd = -1;
	assert_look(fixture, 3, "abc", 0);
	assert_look(fixture, 3, "", 0);
}

static void a_reset_is_seen_behind_the_bytes(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abc", -1);
	assert_int_equal(send(fixture->tap.fd, "unread", 6, 0), 6);
	close(fixture->sender.fd);
	fixture->sender.fd = -1;
	assert_look(fixture, 3, "abc", 0);
	assert_int_equal(tap_look(&fixture->tap, fixture->bytes, 3, &fixture->passed), -ECONNRESET);
}

static void closing_with_a_reset_is_one(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abc", -1);
	assert_look(fixture, 3, "abc", 0);
	tap_close(&fixture->tap, true);
	assert_int_equal(read_as_peer(fixture), -ECONNRESET);
}

static void closing_with_an_end_is_one(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abc", STDERR_FILENO);
	assert_look(fixture, 3, "abc", 1);
	tap_close(&fixture->tap, false);
	assert_int_equal(read_as_peer(fixture), 0);
}

static void what_nobody_looked_at_makes_a_reset(void **state)
{
	struct fixture *fixture = *state;

	send_text(fixture, "abcd", -1);
	assert_look(fixture, 3, "abc", 0);
	tap_close(&fixture->tap, false);
	assert_int_equal(read_as_peer(fixture), -ECONNRESET);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_byte_is_seen_once),
		TEST(one_byte_stays),
		TEST(a_descriptor_comes_with_its_bytes),
		TEST(a_descriptor_is_what_was_sent),
		TEST(an_end_is_seen_behind_the_bytes),
		TEST(a_reset_is_seen_behind_the_bytes),
		TEST(closing_with_a_reset_is_one),
		TEST(closing_with_an_end_is_one),
		TEST(what_nobody_looked_at_makes_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Who is refused gets a reset, and a line in the log that nobody can have written more often than once a minute. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/scoreboard.h"
#include "log_capture.h"
#include "monitor/refusal.h"

#define SECOND 1000000000ULL

static struct event_base *base;
static struct refusals refusals;
static struct options options;
static uint64_t now;

/* The clock, which tests turn. */
uint64_t scoreboard_now(void)
{
	return now;
}

static int start(void **state)
{
	(void)state;
	base = event_base_new();
	memset(&refusals, 0, sizeof refusals);
	memset(&options, 0, sizeof options);
	log_capture_reset();
	now = 1000 * SECOND;
	return base ? 0 : -1;
}

static int finish(void **state)
{
	(void)state;
	refusals_finish(&refusals);
	event_base_free(base);
	return 0;
}

/* A client's end of a connection whose other end is refused. */
static int refuse_user(uid_t uid)
{
	const struct peer peer = { .pid = getpid(), .uid = uid, .gid = 0 };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	refuse(&refusals, base, pair[0], &peer, "it is a test");
	return pair[1];
}

static void refuse_and_hang_up(uid_t uid)
{
	close(refuse_user(uid));
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* --- the log ------------------------------------------------------------------------------------------------- */

static void assert_says(const char *what)
{
	if (!strstr(log_capture_text(), what))
		fail_msg("\"%s\" does not say \"%s\"", log_capture_text(), what);
}

static void the_line_names_process_program_user_and_reason(void **state)
{
	char expected[128];

	(void)state;
	refuse_and_hang_up(1234);
	snprintf(expected, sizeof expected, "client pid %d (test_refusal), uid 1234: refused: it is a test", (int)getpid());
	assert_string_equal(log_capture_text(), expected);
	assert_int_equal(log_capture_priority(), LOG_WARNING);
}

static void a_user_is_logged_once_a_minute(void **state)
{
	(void)state;
	for (unsigned second = 0; second < 60; second++) {
		refuse_and_hang_up(1);
		refuse_and_hang_up(2);
		now += SECOND;
	}
	assert_int_equal(log_capture_count(), 2);
	refuse_and_hang_up(1);
	assert_int_equal(log_capture_count(), 3);
	assert_says("59 more of this user");
	now += 60 * SECOND;
	refuse_and_hang_up(1);
	assert_int_equal(log_capture_count(), 4);
	assert_null(strstr(log_capture_text(), "more of this user"));
}

static void many_users_do_not_fill_the_log(void **state)
{
	(void)state;
	for (unsigned second = 0; second < 60; second++) {
		for (uid_t uid = 0; uid < 100; uid++)
			refuse_and_hang_up(uid);
		now += SECOND - 1;
	}
	assert_int_equal(log_capture_count(), REFUSALS_USERS_MOST + 1);
	assert_says("more users");
}

static void many_users_push_nobody_out_of_the_table(void **state)
{
	(void)state;
	refuse_and_hang_up(5000);
	for (uid_t uid = 0; uid < 100; uid++)
		refuse_and_hang_up(uid);
	log_capture_reset();
	refuse_and_hang_up(5000);
	assert_int_equal(log_capture_count(), 0);
}

static void there_is_room_again_after_a_minute(void **state)
{
	(void)state;
	for (uid_t uid = 0; uid < 100; uid++)
		refuse_and_hang_up(uid);
	now += 60 * SECOND;
	log_capture_reset();
	for (uid_t uid = 200; uid < 300; uid++)
		refuse_and_hang_up(uid);
	assert_int_equal(log_capture_count(), REFUSALS_USERS_MOST + 1);
}

/* --- the connection ------------------------------------------------------------------------------------------ */

static void assert_reset(int client)
{
	char byte;

	assert_int_equal(recv(client, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
}

static void who_speaks_is_reset(void **state)
{
	int client = refuse_user(1);

	(void)state;
	assert_int_equal(send(client, "12345678", 8, 0), 8);
	event_base_loop(base, EVLOOP_ONCE);
	assert_reset(client);
}

/* Neither of too many at once does any read an end of file: it is reset, or cannot speak. */
static void of_very_many_none_takes_it_for_success(void **state)
{
	int clients[3 * REFUSALS_PENDING_MOST];
	unsigned before = open_descriptors(), reset = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(clients); i++)
		clients[i] = refuse_user(1);
	for (size_t i = 0; i < COUNT(clients); i++) {
		bool spoke = send(clients[i], "12345678", 8, MSG_NOSIGNAL) == 8;

		event_base_loop(base, EVLOOP_NONBLOCK);
		reset += spoke;
		if (spoke)
			assert_reset(clients[i]);
		else
			close(clients[i]);
	}
	assert_int_equal(reset, REFUSALS_PENDING_MOST);
	assert_int_equal(open_descriptors(), before);
}

static void an_only_client_that_has_spoken_is_not_waited_for(void **state)
{
	const struct peer peer = { .pid = getpid(), .uid = 1 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], "12345678", 8, 0), 8);
	refuse_only_client(pair[0], &peer, "it is a test");
	assert_int_equal(log_capture_errors(), 1);
	close(pair[0]);
	assert_reset(pair[1]);
}

/* --- who is let in ------------------------------------------------------------------------------------------- */

static bool is_allowed(uid_t uid)
{
	return peer_is_allowed(&(struct peer){ .uid = uid }, &options);
}

static void without_a_list_everybody_is(void **state)
{
	(void)state;
	assert_true(is_allowed(0));
	assert_true(is_allowed(1000));
	assert_true(is_allowed((uid_t)-1));
}

static void with_a_list_it_is_who_is_listed_and_root(void **state)
{
	(void)state;
	options.allow_uids[0] = 1000;
	options.allow_uids[1] = 1002;
	options.allow_count = 2;
	assert_true(is_allowed(0));
	assert_true(is_allowed(1000));
	assert_false(is_allowed(1001));
	assert_true(is_allowed(1002));
	assert_false(is_allowed((uid_t)-1));
}

static void what_is_no_socket_has_nobody_at_its_other_end(void **state)
{
	struct peer peer;

	(void)state;
	options.allow_uids[0] = 1000;
	options.allow_count = 1;
	peer_read(-1, &peer);
	assert_false(peer_is_allowed(&peer, &options));
	assert_int_equal(log_capture_count(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_line_names_process_program_user_and_reason, start, finish),
		cmocka_unit_test_setup_teardown(a_user_is_logged_once_a_minute, start, finish),
		cmocka_unit_test_setup_teardown(many_users_do_not_fill_the_log, start, finish),
		cmocka_unit_test_setup_teardown(many_users_push_nobody_out_of_the_table, start, finish),
		cmocka_unit_test_setup_teardown(there_is_room_again_after_a_minute, start, finish),
		cmocka_unit_test_setup_teardown(who_speaks_is_reset, start, finish),
		cmocka_unit_test_setup_teardown(of_very_many_none_takes_it_for_success, start, finish),
		cmocka_unit_test_setup_teardown(an_only_client_that_has_spoken_is_not_waited_for, start, finish),
		cmocka_unit_test_setup_teardown(without_a_list_everybody_is, start, finish),
		cmocka_unit_test_setup_teardown(with_a_list_it_is_who_is_listed_and_root, start, finish),
		cmocka_unit_test_setup_teardown(what_is_no_socket_has_nobody_at_its_other_end, start, finish),
	};

	return cmocka_run_group_tests_name("refusal", tests, NULL, NULL);
}

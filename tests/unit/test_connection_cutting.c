/* SPDX-License-Identifier: MIT */
/*
 * The end of a connection. One that breaks the protocol is cut with bytes unread, so that its client gets ECONNRESET:
 * QEMU takes the end of file for success. A client may hang up at any point, and that is no news unless it had begun
 * a message.
 */
#include "connection_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE 40U /* bytes of a message */

struct violation {
	uint32_t type, size;
};

static const struct violation violations[] = {
	{ PROXYFS_LSTAT, PROXYFS_PAYLOAD_MAX + 1 },
	{ PROXYFS_OPEN, 0x7fffffff },
	{ PROXYFS_CREATE, 0x80000000 },
	{ PROXYFS_GETVERSION, 0xffffffff },
	{ 0, 4 },
	{ 1, 4 },
	{ PROXYFS_OP_END, 4 },
	{ 0xffffffff, 4 },
	{ 0x80000002, 0 },
	{ 0xffffffff, 0xffffffff },
};

#define for_each_violation(violation)                                                                                  \
	for (const struct violation *violation = violations; violation < violations + COUNT(violations); violation++)

static char message[PROXYFS_MESSAGE_MAX];

static void put_header(const struct violation *violation)
{
	memcpy(message, violation, PROXYFS_HEADER_SIZE);
}

/* Logged once, with who it was. */
static void assert_logged(void)
{
	char who[64];

	snprintf(who, sizeof who, "client pid %d, uid %d: ", CLIENT_PID, CLIENT_UID);
	assert_int_equal(log_capture_count(), 1);
	assert_int_equal(log_capture_priority(), LOG_WARNING);
	assert_ptr_equal(strstr(log_capture_text(), who), log_capture_text());
}

/* Serves and ends a connection whose client has broken the protocol. */
static void assert_cut(struct fixture *fixture, unsigned calls)
{
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(stub.calls, calls);
	assert_logged();
	connection_finish(&fixture->connection);
	client_reads_reset(fixture);
}

static void a_wrong_header_alone_is_cut(void **state)
{
	struct fixture *fixture = *state;

	for_each_violation(violation) {
		fixture_connect(fixture);
		put_header(violation);
		client_sends(fixture, message, PROXYFS_HEADER_SIZE);
		assert_cut(fixture, 0);
	}
}

static void a_wrong_header_with_its_payload_is_cut(void **state)
{
	struct fixture *fixture = *state;

	for_each_violation(violation) {
		fixture_connect(fixture);
		put_header(violation);
		client_sends(fixture, message, sizeof message);
		assert_cut(fixture, 0);
	}
}

static void a_wrong_header_in_two_pieces_is_cut(void **state)
{
	struct fixture *fixture = *state;

	for_each_violation(violation)
		for (size_t split = 1; split < PROXYFS_HEADER_SIZE; split++) {
			fixture_connect(fixture);
			put_header(violation);
			client_sends(fixture, message, split);
			assert_int_equal(serve(fixture), CONNECTION_READS);
			client_sends(fixture, message + split, PROXYFS_HEADER_SIZE - split);
			assert_cut(fixture, 0);
		}
}

static void a_wrong_header_byte_by_byte_is_cut(void **state)
{
	struct fixture *fixture = *state;

	for_each_violation(violation) {
		fixture_connect(fixture);
		put_header(violation);
		for (size_t sent = 0; sent < PROXYFS_HEADER_SIZE - 1; sent++) {
			client_sends(fixture, message + sent, 1);
			assert_int_equal(serve(fixture), CONNECTION_READS);
		}
		client_sends(fixture, message + PROXYFS_HEADER_SIZE - 1, 1);
		assert_cut(fixture, 0);
	}
}

static void requests_before_a_wrong_header_are_answered(void **state)
{
	struct fixture *fixture = *state;

	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	put_header(&violations[0]);
	client_sends(fixture, message, PROXYFS_HEADER_SIZE);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(stub.calls, 2);
	assert_logged();
	connection_finish(&fixture->connection);
	client_reads_status(fixture, 1);
	client_reads_status(fixture, 2);
	client_reads_reset(fixture);
}

static void the_log_says_what_is_wrong(void **state)
{
	struct fixture *fixture = *state;

	client_sends(fixture, (const uint32_t[]){ PROXYFS_LSTAT, 65537 }, PROXYFS_HEADER_SIZE);
	serve(fixture);
	assert_non_null(strstr(log_capture_text(), "payload of 65537 bytes"));
	assert_non_null(strstr(log_capture_text(), "65536"));

	fixture_connect(fixture);
	client_sends(fixture, (const uint32_t[]){ 22, 0 }, PROXYFS_HEADER_SIZE);
	serve(fixture);
	assert_non_null(strstr(log_capture_text(), "type 22"));
}

/* --- hanging up ---------------------------------------------------------------------------------------------- */

static void hanging_up_while_idle_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 0);

	fixture_connect(fixture);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 1);
	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 0);
}

static void hanging_up_in_a_message_is_logged(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_CREATE, SIZE - PROXYFS_HEADER_SIZE, 1);
	for (size_t sent = 1; sent < SIZE; sent++)
		for (int served_before = 0; served_before <= 1; served_before++) {
			fixture_connect(fixture);
			client_sends(fixture, message, sent);
			if (served_before)
				assert_int_equal(serve(fixture), CONNECTION_READS);
			client_hangs_up(fixture);
			assert_int_equal(serve(fixture), CONNECTION_ENDED);
			assert_int_equal(stub.calls, 0);
			assert_logged();
		}
}

static void hanging_up_before_the_reply_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(stub.calls, 1);
	assert_int_equal(log_capture_count(), 0);
}

static void hang_up(void *context)
{
	client_hangs_up(context);
}

static void hanging_up_during_the_request_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	stub.during = hang_up;
	stub.context = fixture;
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 0);
}

static void hanging_up_on_a_reply_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_hangs_up(fixture); /* with a reply unread: our side gets ECONNRESET */
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 0);
}

static void stopping_to_send_after_the_reply_is_no_news(void **state)
{
	struct fixture *fixture = *state;

	for (int tidy = 0; tidy <= 1; tidy++) {
		fixture_connect(fixture);
		client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, 1);
		if (tidy)
			connection_tidy(&fixture->connection);
		shutdown(fixture->client, SHUT_WR);
		assert_int_equal(serve(fixture), CONNECTION_ENDED);
		assert_int_equal(log_capture_count(), 0);
		connection_finish(&fixture->connection);
		client_reads_end(fixture);
	}
}

static void a_client_that_only_stops_sending_gets_its_replies(void **state)
{
	struct fixture *fixture = *state;

	for (int32_t i = 0; i < 40; i++)
		client_sends_message(fixture, PROXYFS_LSTAT, 20, i);
	shutdown(fixture->client, SHUT_WR);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	for (int32_t i = 0; i < 40; i++)
		client_reads_status(fixture, i);
	client_reads_nothing(fixture);
	connection_finish(&fixture->connection);
	client_reads_end(fixture);
	assert_int_equal(log_capture_count(), 0);
}

/* The reactor may have looked just when the client hung up, before the event loop could tell it. */
static void an_end_that_is_found_by_looking_is_one_too(void **state)
{
	struct fixture *fixture = *state;

	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 1);
	shutdown(fixture->client, SHUT_WR);
	assert_int_equal(serve_once(fixture), CONNECTION_ENDED);
	assert_false(fixture->connection.inbox.hung_up);
	assert_int_equal(untaken(fixture), 0);
	connection_finish(&fixture->connection);
	client_reads_end(fixture);

	for (size_t sent = 1; sent < SIZE; sent++) {
		fixture_connect(fixture);
		build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 1);
		client_sends(fixture, message, sent);
		shutdown(fixture->client, SHUT_WR);
		assert_int_equal(serve_once(fixture), CONNECTION_ENDED);
		assert_false(fixture->connection.inbox.hung_up);
		assert_logged();
		connection_finish(&fixture->connection);
		client_reads_reset(fixture);
	}
	assert_int_equal(stub.calls, 0);
}

static void stopping_to_send_in_a_message_ends_the_connection(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 1);
	for (size_t sent = 1; sent < SIZE; sent++) {
		fixture_connect(fixture);
		client_sends(fixture, message, sent);
		shutdown(fixture->client, SHUT_WR);
		assert_int_equal(serve(fixture), CONNECTION_ENDED);
		assert_int_equal(stub.calls, 0);
		assert_logged();
		client_reads_nothing(fixture);
		connection_finish(&fixture->connection);
		client_reads_reset(fixture);
	}
}

/* --- descriptors --- */

static void a_descriptor_is_cut(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();

	build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 1);
	for (size_t sent = 1; sent <= SIZE; sent++) {
		fixture_connect(fixture);
		client_sends_descriptor(fixture, message, sent, STDERR_FILENO);
		assert_cut(fixture, 0);
		assert_non_null(strstr(log_capture_text(), "descriptor"));
	}
	fixture_connect(fixture);
	assert_int_equal(open_descriptors(), before);
}

/* Also in the middle of a message, and where it is the last byte, which is never taken, that brings it. */
static void a_descriptor_after_the_first_bytes_is_cut(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 1);
	for (size_t split = 1; split < SIZE; split++) {
		fixture_connect(fixture);
		client_sends(fixture, message, split);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_sends_descriptor(fixture, message + split, SIZE - split, STDERR_FILENO);
		assert_cut(fixture, 0);
	}
}

/* Its end would otherwise never come: what lies in our queue keeps the client's socket open. */
static void a_client_that_sends_its_own_socket_is_cut(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSTAT, SIZE - PROXYFS_HEADER_SIZE, 1);
	client_sends(fixture, message, SIZE - 1);
	client_sends_descriptor(fixture, message + SIZE - 1, 1, fixture->client);
	client_hangs_up(fixture);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
}

/* A socket may come from a launcher that wants to know who sends. What that adds to each message is no descriptor. */
static void a_socket_that_tells_who_sends_is_served(void **state)
{
	struct fixture *fixture = *state;
	const int on = 1;
	int fd = fixture_connect_socket(fixture);

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
	assert_int_equal(connection_init(&fixture->connection, fd, &fixture->slot), 0);
	fixture_watch(fixture, CONNECTION_READS);
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 5);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 5);
}

#define test(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_wrong_header_alone_is_cut),
		test(a_wrong_header_with_its_payload_is_cut),
		test(a_wrong_header_in_two_pieces_is_cut),
		test(a_wrong_header_byte_by_byte_is_cut),
		test(requests_before_a_wrong_header_are_answered),
		test(the_log_says_what_is_wrong),
		test(hanging_up_while_idle_is_no_news),
		test(hanging_up_in_a_message_is_logged),
		test(hanging_up_before_the_reply_is_no_news),
		test(hanging_up_during_the_request_is_no_news),
		test(hanging_up_on_a_reply_is_no_news),
		test(stopping_to_send_after_the_reply_is_no_news),
		test(a_client_that_only_stops_sending_gets_its_replies),
		test(an_end_that_is_found_by_looking_is_one_too),
		test(stopping_to_send_in_a_message_ends_the_connection),
		test(a_descriptor_is_cut),
		test(a_descriptor_after_the_first_bytes_is_cut),
		test(a_client_that_sends_its_own_socket_is_cut),
		test(a_socket_that_tells_who_sends_is_served),
	};

	return cmocka_run_group_tests_name("connection_cutting", tests, NULL, NULL);
}

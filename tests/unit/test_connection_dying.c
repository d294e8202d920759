/* SPDX-License-Identifier: MIT */
/*
 * A worker that dies, before and after each of its system calls and in the middle of each request. Whoever takes over
 * (worker/adoption.c) finds no more than the slot and the socket, and yet each request is answered once and in order,
 * and runs at most once. One may be answered with -EIO; and a message that was in pieces may end the connection, with
 * a reset.
 */
#include "connection_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIED          3   /* exit status of a worker that has come to its end */
#define MESSAGES_MOST 100

/* The linker leads the code under test to the __wrap_ functions here, and these to the real ones. */
ssize_t __real_recv(int socket, void *bytes, size_t size, int flags);
ssize_t __real___recv_chk(int socket, void *bytes, size_t size, size_t room, int flags);
ssize_t __real_recvmsg(int socket, struct msghdr *message, int flags);
int __real_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags);
int __real_setsockopt(int socket, int level, int name, const void *value, socklen_t size);
ssize_t __wrap_recv(int socket, void *bytes, size_t size, int flags);
ssize_t __wrap___recv_chk(int socket, void *bytes, size_t size, size_t room, int flags);
ssize_t __wrap_recvmsg(int socket, struct msghdr *message, int flags);
int __wrap_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags);
int __wrap_setsockopt(int socket, int level, int name, const void *value, socklen_t size);

/* What the client sends, and how. */
struct scenario {
	unsigned messages;
	uint32_t payload; /* bytes, of each */
	size_t piece;     /* bytes that are sent at once */
	bool tidy;        /* the reactor tidies up after each piece */
};

/* What outlives the worker. */
struct legacy {
	struct slot slot;
	size_t sent; /* bytes, by the client */
	unsigned runs[MESSAGES_MOST];
};

static struct legacy *legacy;
static unsigned steps_left; /* to the worker's death; 0: it lives */
static char stream[MESSAGES_MOST * 2048];

static void step(void)
{
	if (steps_left > 0 && --steps_left == 0)
		_exit(DIED);
}

/* A system call, with a step before and after it. */
#define STEP_AROUND(type, call)                                                                                        \
	type result;                                                                                                   \
	int error;                                                                                                     \
	step();                                                                                                        \
	result = call;                                                                                                 \
	error = errno;                                                                                                 \
	step();                                                                                                        \
	errno = error;                                                                                                 \
	return result

ssize_t __wrap_recv(int socket, void *bytes, size_t size, int flags)
{
	STEP_AROUND(ssize_t, __real_recv(socket, bytes, size, flags));
}

/* What recv(2) is where the C library checks its arguments (_FORTIFY_SOURCE). */
ssize_t __wrap___recv_chk(int socket, void *bytes, size_t size, size_t room, int flags)
{
	STEP_AROUND(ssize_t, __real___recv_chk(socket, bytes, size, room, flags));
}

ssize_t __wrap_recvmsg(int socket, struct msghdr *message, int flags)
{
	STEP_AROUND(ssize_t, __real_recvmsg(socket, message, flags));
}

int __wrap_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags)
{
	STEP_AROUND(int, __real_sendmmsg(socket, messages, count, flags));
}

int __wrap_setsockopt(int socket, int level, int name, const void *value, socklen_t size)
{
	STEP_AROUND(int, __real_setsockopt(socket, level, name, value, size));
}

static void note_run(void *context)
{
	(void)context;
	step();
	legacy->runs[stub_number(stub.payload, stub.size)]++;
	step();
}

static size_t build_stream(const struct scenario *scenario)
{
	size_t size = 0;

	for (unsigned i = 0; i < scenario->messages; i++)
		size += build_message(stream + size, PROXYFS_LSTAT, scenario->payload, (int32_t)i);
	return size;
}

/* --- the worker that dies ------------------------------------------------------------------------------------ */

struct life {
	struct fixture *fixture;
	const struct scenario *scenario;
	size_t size; /* of the stream */
	int fd;
	unsigned steps;
};

static void live(const void *argument)
{
	const struct life *life = argument;
	struct connection *connection = &life->fixture->connection;

	steps_left = life->steps;
	CHECK_EQUAL(connection_init(connection, life->fd, &legacy->slot), 0);
	while (legacy->sent < life->size) {
		size_t left = life->size - legacy->sent, piece = life->scenario->piece;
		ssize_t sent = send(life->fixture->client, stream + legacy->sent, left < piece ? left : piece, MSG_DONTWAIT);
		enum connection_state state;

		CHECK(sent > 0);
		legacy->sent += (size_t)sent;
		do
			state = connection_serve(connection, &life->fixture->room);
		while (state == CONNECTION_HAS_MORE);
		CHECK_EQUAL(state, CONNECTION_READS);
		if (life->scenario->tidy)
			connection_tidy(connection);
	}
}

/* --- the one that takes over --------------------------------------------------------------------------------- */

/* Reads the reply to a request. Returns whether there is one. */
static bool client_reads_reply(struct fixture *fixture, int32_t number, unsigned *failures)
{
	int32_t reply[3];
	ssize_t got = recv(fixture->client, reply, sizeof reply, MSG_DONTWAIT);

	if (got < 0) {
		assert_int_equal(errno, ECONNRESET);
		return false;
	}
	assert_int_equal(got, sizeof reply);
	assert_int_equal(reply[1], 4);
	if (reply[0] == 0) {
		assert_int_equal(reply[2], number);
		assert_int_equal(legacy->runs[number], 1);
		return true;
	}
	assert_int_equal(reply[2], -EIO);
	++*failures;
	return true;
}

static void assert_served(struct fixture *fixture, const struct life *life)
{
	unsigned failures = 0;

	if (legacy->sent < life->size)
		client_sends(fixture, stream + legacy->sent, life->size - legacy->sent);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	for (unsigned i = 0; i < life->scenario->messages; i++)
		assert_true(client_reads_reply(fixture, (int32_t)i, &failures));
	assert_true(failures <= 1);
	client_reads_nothing(fixture);
	assert_int_equal(log_capture_count(), 0);
}

static void assert_reset(struct fixture *fixture)
{
	unsigned failures = 0;
	int32_t answered = 0;

	assert_int_equal(log_capture_count(), 1);
	connection_finish(&fixture->connection);
	while (client_reads_reply(fixture, answered, &failures))
		answered++;
	assert_int_equal(failures, 0);
}

/* A worker that dies at a step. False: it has no such step. */
static bool die_at(struct fixture *fixture, const struct scenario *scenario, unsigned steps)
{
	static struct dispatch_reply settlement;
	struct life life = { .fixture = fixture, .scenario = scenario, .steps = steps };
	enum connection_state state;
	enum slot_phase phase;
	int status;

	memset(legacy, 0, sizeof *legacy);
	life.size = build_stream(scenario);
	life.fd = fixture_connect_socket(fixture);
	stub.during = note_run;
	status = status_of_child(live, &life);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == DIED);

	phase = slot_phase(&legacy->slot);
	if (phase == SLOT_FREE) /* as the monitor would have left it */
		slot_set_phase(&legacy->slot, SLOT_IDLE);
	state = connection_adopt(&fixture->connection, life.fd, &legacy->slot, &settlement);
	if (state == CONNECTION_ENDED) {
		assert_int_equal(phase, SLOT_READING);
		assert_reset(fixture);
	} else {
		fixture_watch(fixture, state);
		assert_served(fixture, &life);
	}
	for (unsigned i = 0; i < scenario->messages; i++)
		assert_true(legacy->runs[i] <= 1);
	return WEXITSTATUS(status) == DIED;
}

static void die_everywhere(struct fixture *fixture, const struct scenario *scenario)
{
	unsigned steps = 1;

	while (die_at(fixture, scenario, steps))
		steps++;
	assert_true(steps > 4 * scenario->messages);
}

/* --- what it was doing --------------------------------------------------------------------------------------- */

static void one_request_at_a_time(void **state)
{
	die_everywhere(*state, &(struct scenario){ 40, 20, 28, false });
}

static void one_request_at_a_time_and_tidying(void **state)
{
	die_everywhere(*state, &(struct scenario){ 10, 20, 28, true });
}

static void many_small_requests_at_once(void **state)
{
	die_everywhere(*state, &(struct scenario){ 80, 20, SIZE_MAX, true });
}

static void many_requests_of_more_than_a_page_at_once(void **state)
{
	die_everywhere(*state, &(struct scenario){ 45, 1500, SIZE_MAX, true });
}

static void requests_in_pieces(void **state)
{
	static const size_t pieces[] = { 3, 13, 29, 45 };

	for (size_t i = 0; i < COUNT(pieces); i++)
		for (int tidy = 0; tidy <= 1; tidy++)
			die_everywhere(*state, &(struct scenario){ 6, 20, pieces[i], tidy });
}

static int setup(void **state)
{
	legacy = mmap(NULL, sizeof *legacy, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (legacy == MAP_FAILED)
		return -1;
	return fixture_setup(state);
}

static int teardown(void **state)
{
	int result = fixture_teardown(state);

	munmap(legacy, sizeof *legacy);
	return result;
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(one_request_at_a_time),
		test(one_request_at_a_time_and_tidying),
		test(many_small_requests_at_once),
		test(many_requests_of_more_than_a_page_at_once),
		test(requests_in_pieces),
	};

	return cmocka_run_group_tests_name("connection_dying", tests, NULL, NULL);
}

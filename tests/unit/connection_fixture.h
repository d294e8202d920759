/* SPDX-License-Identifier: MIT */
/*
 * A connection with its slot, a scripted dispatch behind it, and the client's end of its socket in the test's hand. The
 * test takes the part of the reactor too: it learns from an edge-triggered epoll(7) when there is something to serve.
 */
#ifndef TESTS_CONNECTION_FIXTURE_H
#define TESTS_CONNECTION_FIXTURE_H

#include "unit.h"

#include "log_capture.h"
#include "stub_dispatch.h"
#include "worker/connection.h"

struct fixture {
	int client; /* the client's end, which never blocks; -1: closed */
	int epoll;  /* tells what a reactor would be told */
	struct connection connection;
	enum connection_state state; /* its last */
	struct slot slot;
	struct connection_room room;
	unsigned descriptors; /* open before the test */
};

#define CLIENT_PID 4711
#define CLIENT_UID 815

/* For cmocka: makes a fixture with an idle connection; ends it, and fails if the test has left a descriptor open. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/*
 * A new socket, connection and slot in the place of the old, which are ended; stub and log are reset. The helper's
 * end is a blocking socket, as one that a launcher hands over may be: the connection must not wait even so.
 */
void fixture_connect(struct fixture *fixture);

/* The same, without a connection on it yet. Returns the helper's end. */
int fixture_connect_socket(struct fixture *fixture);

/* Begins to watch a connection that fixture_connect() has not made. */
void fixture_watch(struct fixture *fixture, enum connection_state state);

/*
 * A reactor's turn: serves the connection if there is an event for it, until there is no more to do now. Returns its
 * state; without an event that is as it was, however much lies in the socket.
 */
enum connection_state serve(struct fixture *fixture);

/* One call of connection_serve() only. */
enum connection_state serve_once(struct fixture *fixture);

/* Writes a message to `message`: its payload of `size` bytes begins with `number`. Returns the bytes of the whole. */
size_t build_message(char *message, uint32_t type, uint32_t size, int32_t number);

void client_sends(struct fixture *fixture, const void *bytes, size_t size);
void client_sends_message(struct fixture *fixture, uint32_t type, uint32_t size, int32_t number);

/* Sends with a copy of a descriptor. */
void client_sends_descriptor(struct fixture *fixture, const void *bytes, size_t size, int descriptor);

void client_hangs_up(struct fixture *fixture);

/* What the client finds: exactly these bytes, with more to come or not; nothing now; the end of file; ECONNRESET. */
void client_reads(struct fixture *fixture, const void *bytes, size_t size);
void client_reads_status(struct fixture *fixture, int32_t number);
void client_reads_failure(struct fixture *fixture, enum proxyfs_op op, int32_t status);
void client_reads_nothing(struct fixture *fixture);
void client_reads_end(struct fixture *fixture);
void client_reads_reset(struct fixture *fixture);

/* Reads an answer of OPEN that comes with exactly one descriptor, which is returned. */
int client_reads_descriptor(struct fixture *fixture);

/* Bytes that the client sent and that are in the socket still, dealt with or not. */
int untaken(const struct fixture *fixture);

/* Asserts that the dispatch has been called so many times, the last time with this message. */
void assert_dispatched(unsigned calls, const char *message, size_t size);

#endif

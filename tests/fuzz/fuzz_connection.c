/* SPDX-License-Identifier: MIT */
/*
 * The state machine of a connection, with a client that sends anything in any pieces, reads or does not, and hangs up
 * when it likes, and with a helper that dies now and then between two turns and is replaced. guest.h says what must
 * hold.
 *
 * An input: a byte for the sizes of the send buffers, a byte with the number of steps, the steps, and all the rest is
 * what the client sends. What the steps leave unsent, unserved or unread comes after them.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../unit/log_capture.h"
#include "common/descriptor.h"
#include "goldens.h"
#include "guest.h"
#include "model.h"
#include "worker/connection.h"

/* A step: what, and how much of it. */
enum step { SEND, SEND_MUCH, SERVE, SERVE_ONCE, READ, SEND_DESCRIPTOR, LEAVE_OR_TIDY, DIE, STEP_KINDS };

#define STEP(kind, amount) ((uint8_t)((kind) | (amount) << 3))
#define TIDY           0 /* amounts of LEAVE_OR_TIDY from which on it means this */
#define HANG_UP        16
#define STOP_LISTENING 24
#define CLOSE          28

/* Turns without anything done after which a connection is stuck. */
#define IDLE_TURNS 3

static struct guest guest;
static struct connection connection;
static struct slot slot;
static struct connection_room room;
static enum connection_state state;
static int epoll;

/* --- the reactor ----------------------------------------------------------------------------------------------- */

static void watch(int operation)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

	FUZZ_CHECK(epoll_ctl(epoll, operation, connection.fd, &event) == 0);
}

/* What libevent makes of it is EV_CLOSED, unless there is an error too. */
static bool has_event(void)
{
	struct epoll_event event;

	if (epoll_wait(epoll, &event, 1, 0) != 1)
		return false;
	if (event.events & EPOLLRDHUP && !(event.events & EPOLLERR))
		connection.inbox.hung_up = true;
	return true;
}

/* From the first byte that it has seen on, one lies unread: whoever ends the socket, the client sees no end of file. */
static void check_between_turns(void)
{
	int unread;

	FUZZ_CHECK(state != CONNECTION_ABANDONED);
	FUZZ_CHECK((state == CONNECTION_WRITES) == outbox_waits(&connection.outbox));
	FUZZ_CHECK(connection.inbox.partial_room <= PROXYFS_MESSAGE_MAX);
	FUZZ_CHECK(ioctl(connection.fd, FIONREAD, &unread) == 0);
	FUZZ_CHECK(unread > 0 || guest.sent == 0);
}

static void finish_if_ended(void)
{
	if (state != CONNECTION_ENDED) {
		check_between_turns();
		return;
	}
	FUZZ_CHECK(guest_deserves_end(&guest));
	connection_finish(&connection);
	connection.slot = NULL;
}

static void serve(bool once)
{
	enum connection_state before = state;

	if (!connection.slot || (before == CONNECTION_READS && !has_event()))
		return;
	do
		state = connection_serve(&connection, &room);
	while (state == CONNECTION_HAS_MORE && !once);
	finish_if_ended();
	/* A reactor adds the event anew: what is there by now is an edge once more. */
	if (connection.slot && before == CONNECTION_WRITES && state != CONNECTION_WRITES)
		watch(EPOLL_CTL_MOD);
}

/* What it had in memory is gone; slot and socket stay. */
static void die_and_adopt(void)
{
	bool waits, partly, reading;
	int fd;

	if (!connection.slot)
		return;
	waits = outbox_waits(&connection.outbox);
	partly = waits && connection.outbox.partly;
	reading = connection.inbox.partial_size > 0;
	guest_sees_death(&guest, waits && !partly ? (long)answers_given() - 1 : -1, partly || reading);

	fd = descriptor_take(&connection.fd);
	connection_finish(&connection);
	descriptor_close(&epoll);
	state = connection_adopt(&connection, fd, &slot, &room.reply);
	FUZZ_CHECK((state == CONNECTION_ENDED) == (partly || reading) || guest.hung_up || guest.deaf);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	FUZZ_CHECK(epoll >= 0);
	watch(EPOLL_CTL_ADD);
	finish_if_ended();
}

/* --- the steps ------------------------------------------------------------------------------------------------- */

static void leave_or_tidy(unsigned amount)
{
	if (amount >= CLOSE)
		guest_close(&guest);
	else if (amount >= STOP_LISTENING)
		guest_stop_listening(&guest);
	else if (amount >= HANG_UP)
		guest_hang_up(&guest);
	else if (connection.slot && connection_is_untidy(&connection))
		connection_tidy(&connection);
}

static void take_step(enum step step, unsigned amount)
{
	switch (step) {
	case SEND:
		guest_send(&guest, amount + 1, false);
		break;
	case SEND_MUCH:
		guest_send(&guest, (amount + 1) * 1024, false);
		break;
	case SEND_DESCRIPTOR:
		guest_send(&guest, amount + 1, true);
		break;
	case SERVE:
	case SERVE_ONCE:
		serve(step == SERVE_ONCE);
		break;
	case READ:
		guest_read(&guest, (size_t)1 << amount / 2);
		break;
	case LEAVE_OR_TIDY:
		leave_or_tidy(amount);
		break;
	case DIE:
		die_and_adopt();
		break;
	case STEP_KINDS:
		break;
	}
}

/* Everything is sent, served and read that can be. */
static void settle(void)
{
	size_t sent, at, done;
	unsigned given;

	for (int idle = 0; idle < IDLE_TURNS; idle++) {
		sent = guest.sent;
		at = guest.at;
		done = guest.done;
		given = answers_given();
		guest_send(&guest, guest.size, false);
		serve(false);
		guest_read(&guest, SIZE_MAX);
		if (sent != guest.sent || at != guest.at || done != guest.done || given != answers_given())
			idle = -1;
	}
}

/* The client hangs up, and what it sees then is the end that it deserves. */
static void part(void)
{
	settle();
	if (!guest.deaf && connection.slot)
		FUZZ_CHECK(!guest_is_owed(&guest) && guest.sent == guest.size && !guest.sent_descriptor);
	guest_hang_up(&guest);
	settle();
	if (guest.deaf)
		guest_close(&guest);
	settle();
	FUZZ_CHECK(!connection.slot);
	if (guest.socket >= 0) {
		enum guest_sight sight = guest_read(&guest, 1);

		FUZZ_CHECK(sight == GUEST_END || sight == GUEST_RESET || guest.deaf);
		FUZZ_CHECK(guest.deaf || guest.may_be_cut || answers_given() == guest.replies);
	}
}

/* --- an input -------------------------------------------------------------------------------------------------- */

static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	return fd;
}

static int passed_file(void)
{
	static int file = -1;

	if (file < 0)
		file = memfd_create("passed", MFD_CLOEXEC);
	FUZZ_CHECK(file >= 0);
	return file;
}

static void shrink_buffer(int socket, unsigned how)
{
	const int size = 1 << (10 + how); /* bytes; the kernel has a least of its own */

	if (how > 0)
		FUZZ_CHECK(setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
}

static void begin(int file, unsigned buffers, const uint8_t *stream, size_t size)
{
	int fd = guest_begin(&guest, file, stream, size);

	answers_begin(file);
	log_capture_reset();
	shrink_buffer(fd, buffers & 7);
	shrink_buffer(guest.socket, buffers >> 3 & 7);
	memset(&slot, 0, sizeof slot);
	FUZZ_CHECK(connection_init(&connection, fd, &slot) == 0);
	state = CONNECTION_READS;
	epoll = epoll_create1(EPOLL_CLOEXEC);
	FUZZ_CHECK(epoll >= 0);
	watch(EPOLL_CTL_ADD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int file = passed_file(), before = next_descriptor();
	size_t steps;

	if (size < 2)
		return 0;
	steps = data[1] < size - 2 ? data[1] : size - 2;
	begin(file, data[0], data + 2 + steps, size - 2 - steps);
	for (size_t i = 0; i < steps; i++)
		take_step(data[2 + i] % STEP_KINDS, data[2 + i] / STEP_KINDS);
	part();
	guest_close(&guest);
	descriptor_close(&epoll);
	FUZZ_CHECK(next_descriptor() == before);
	FUZZ_CHECK(log_capture_errors() == 0);
	return 0;
}

/* --- seeds ----------------------------------------------------------------------------------------------------- */

static const struct {
	uint8_t buffers;
	uint8_t steps[24];
} ways[] = {
	{ 0, { 0 } },
	{ 0, { STEP(SEND_MUCH, 31), STEP(SERVE, 0), STEP(READ, 31) } },
	{ 0, { STEP(SEND, 4), STEP(SERVE, 0), STEP(SEND, 8), STEP(SERVE, 0), STEP(SEND, 31), STEP(SERVE, 0) } },
	{ 0, { STEP(SEND, 9), STEP(SERVE, 0), STEP(LEAVE_OR_TIDY, HANG_UP), STEP(SERVE, 0), STEP(READ, 4) } },
	{ 0, { STEP(SEND_MUCH, 31), STEP(LEAVE_OR_TIDY, HANG_UP), STEP(SERVE_ONCE, 0), STEP(READ, 4) } },
	{ 0, { STEP(SEND_MUCH, 1), STEP(SERVE, 0), STEP(LEAVE_OR_TIDY, TIDY), STEP(DIE, 0), STEP(SEND_MUCH, 31) } },
	{ 9, { STEP(SEND_MUCH, 31), STEP(SERVE, 0), STEP(DIE, 0), STEP(SERVE, 0), STEP(READ, 20), STEP(SERVE, 0) } },
	{ 0, { STEP(SEND_DESCRIPTOR, 3), STEP(SERVE, 0), STEP(SEND_DESCRIPTOR, 31), STEP(SERVE, 0), STEP(SEND, 7) } },
	{ 0, { STEP(SEND_DESCRIPTOR, 31), STEP(SEND_DESCRIPTOR, 31), STEP(SEND_MUCH, 31), STEP(SERVE, 0) } },
	{ 0, { STEP(SEND_MUCH, 31), STEP(LEAVE_OR_TIDY, STOP_LISTENING), STEP(SERVE, 0) } },
	{ 0, { STEP(SEND_MUCH, 31), STEP(SERVE_ONCE, 0), STEP(LEAVE_OR_TIDY, CLOSE), STEP(SERVE, 0) } },
};

#define WAYS (sizeof ways / sizeof ways[0])

/* Every golden request, one after another, from number `first` on. */
static size_t put_goldens(uint8_t *at, unsigned first)
{
	size_t size = 0;

	for (unsigned i = 0; i < GOLDEN_REQUESTS; i++)
		size += wire_build(golden_requests[(first + i) % GOLDEN_REQUESTS].wire, at + size);
	return size;
}

/* The largest message, between two small ones. */
static size_t put_large(uint8_t *at)
{
	size_t size = wire_build(golden_requests[0].wire, at);

	wire_put_u32(at + size, PROXYFS_LSETXATTR);
	wire_put_u32(at + size + 4, PROXYFS_PAYLOAD_MAX);
	memset(at + size + HEADER_BYTES, 'x', PROXYFS_PAYLOAD_MAX);
	size += PROXYFS_MESSAGE_MAX;
	return size + wire_build(golden_requests[1].wire, at + size);
}

/* Goldens, then the header of what is no message. */
static size_t put_broken(uint8_t *at, uint32_t type, uint32_t payload)
{
	size_t size = put_goldens(at, 0);

	wire_put_u32(at + size, type);
	wire_put_u32(at + size + 4, payload);
	return size + HEADER_BYTES;
}

size_t fuzz_seed(unsigned number, uint8_t *bytes)
{
	unsigned way = number % WAYS;
	size_t steps = strnlen((const char *)ways[way].steps, sizeof ways[way].steps), size = 2 + steps;

	bytes[0] = ways[way].buffers;
	bytes[1] = (uint8_t)steps;
	memcpy(bytes + 2, ways[way].steps, steps);
	switch (number / WAYS) {
	case 0:
		return size + put_goldens(bytes + size, 0);
	case 1:
		return size + put_goldens(bytes + size, PROXYFS_LGETXATTR - OP_FIRST);
	case 2:
		return size + put_large(bytes + size);
	case 3:
		return size + put_broken(bytes + size, OP_LAST + 1, 4);
	case 4:
		return size + put_broken(bytes + size, OP_FIRST, PROXYFS_PAYLOAD_MAX + 1);
	default:
		return 0;
	}
}

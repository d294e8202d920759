/* SPDX-License-Identifier: MIT */
/*
 * What the kernel and the allocator may do to a connection: sends that are interrupted, short, or refused for the
 * descriptor they bring, and memory that is not there. And that a request needs no memory at all.
 */
#include "connection_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"

/* The linker leads the code under test to the __wrap_ functions here, and these to the real ones. */
int __real_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
int __wrap_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static struct {
	int error;             /* of the next sends */
	unsigned errors;       /* how many fail */
	bool with_descriptors; /* only those with a descriptor */
	size_t most;           /* bytes that a send takes; 0: as many as there are */
} sending;

static struct {
	unsigned calls;
	size_t largest;
	bool none; /* there is no memory */
} memory;

int __wrap_sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags)
{
	struct iovec *data = messages->msg_hdr.msg_iov;
	size_t whole = data->iov_len;
	int sent;

	if (sending.errors > 0 && (messages->msg_hdr.msg_controllen > 0 || !sending.with_descriptors)) {
		sending.errors--;
		errno = sending.error;
		return -1;
	}
	if (sending.most > 0 && data->iov_len > sending.most)
		data->iov_len = sending.most;
	sent = __real_sendmmsg(socket, messages, count, flags);
	data->iov_len = whole;
	return sent;
}

static bool note_allocation(size_t size)
{
	memory.calls++;
	if (size > memory.largest)
		memory.largest = size;
	errno = ENOMEM;
	return !memory.none;
}

void *__wrap_malloc(size_t size)
{
	return note_allocation(size) ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return note_allocation(count * size) ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
	return note_allocation(size) ? __real_realloc(old, size) : NULL;
}

static int setup(void **state)
{
	memset(&sending, 0, sizeof sending);
	memset(&memory, 0, sizeof memory);
	return fixture_setup(state);
}

static char message[PROXYFS_MESSAGE_MAX];

/* --- sending ------------------------------------------------------------------------------------------------- */

static void an_interrupted_send_is_repeated(void **state)
{
	struct fixture *fixture = *state;

	sending.error = EINTR;
	sending.errors = 3;
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 1);
	client_reads_nothing(fixture);
}

static void a_reply_may_be_cut_at_every_byte(void **state)
{
	struct fixture *fixture = *state;

	for (size_t cut = 1; cut < STATUS_SIZE; cut++) {
		sending.most = cut;
		client_sends_message(fixture, PROXYFS_LSTAT, 20, (int32_t)cut);
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(fixture->slot.sending.msg_len, cut);
		assert_true(slot_load(fixture->slot.partly));
		sending.most = 0;
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, (int32_t)cut);
		client_reads_nothing(fixture);
	}
}

static void a_reply_may_leave_byte_by_byte(void **state)
{
	struct fixture *fixture = *state;

	sending.most = 1;
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 4);
	for (uint32_t sent = 1; sent < STATUS_SIZE; sent++) {
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_true(slot_load(fixture->slot.partly));
	}
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 4);
	client_reads_nothing(fixture);
}

/* The guest has done nothing, and would never come back. */
static void a_kernel_without_memory_cuts_nobody(void **state)
{
	static const int errors[] = { ENOMEM, ENOBUFS };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT(errors); i++) {
		sending.error = errors[i];
		sending.errors = 3;
		client_sends_message(fixture, PROXYFS_LSTAT, 20, 4);
		for (int attempt = 0; attempt < 3; attempt++)
			assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		client_reads_status(fixture, 4);
		client_reads_nothing(fixture);
	}
}

/* --- descriptors that the kernel does not take: unix(7), ETOOMANYREFS ---------------------------------------- */

static void ask_for_descriptor(struct fixture *fixture, uint32_t op)
{
	stub.reply_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	client_sends_message(fixture, op, 20, 1);
}

static void assert_goes_on(struct fixture *fixture)
{
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 2);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_status(fixture, 2);
	client_reads_nothing(fixture);
}

static void a_refused_descriptor_fails_its_request(void **state)
{
	static const int errors[] = { ETOOMANYREFS, ENOMEM, ENOBUFS };
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();

	for (size_t i = 0; i < COUNT(errors); i++) {
		sending.error = errors[i];
		sending.errors = 1;
		sending.with_descriptors = true;
		ask_for_descriptor(fixture, i % 2 ? PROXYFS_OPEN : PROXYFS_CREATE);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_int_equal(open_descriptors(), before);
		client_reads_failure(fixture, PROXYFS_OPEN, -errors[i]);
		assert_goes_on(fixture);
	}
}

static void a_refused_descriptor_that_had_to_wait_fails_its_request(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();

	sending.error = EAGAIN;
	sending.errors = 1;
	ask_for_descriptor(fixture, PROXYFS_OPEN);
	assert_int_equal(serve(fixture), CONNECTION_WRITES);

	sending.error = ETOOMANYREFS;
	sending.errors = 1;
	sending.with_descriptors = true;
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_int_equal(open_descriptors(), before);
	client_reads_failure(fixture, PROXYFS_OPEN, -ETOOMANYREFS);
	assert_goes_on(fixture);
}

static void the_failure_in_its_place_may_have_to_wait(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();

	sending.error = ETOOMANYREFS;
	sending.errors = 1;
	sending.most = 1;
	ask_for_descriptor(fixture, PROXYFS_OPEN);
	assert_int_equal(serve(fixture), CONNECTION_WRITES);
	assert_int_equal(open_descriptors(), before);
	sending.most = 0;
	assert_int_equal(serve(fixture), CONNECTION_READS);
	client_reads_failure(fixture, PROXYFS_OPEN, -ETOOMANYREFS);
	assert_goes_on(fixture);
}

/* The kernel does not cut so small a reply, but nothing says so: unix(7). Returns how many descriptors came with it. */
static unsigned client_reads_open(struct fixture *fixture)
{
	union {
		struct cmsghdr part;
		char room[CMSG_SPACE(8 * sizeof(int))];
	} control;
	char bytes[FD_SIZE];
	const int32_t expected = PROXYFS_FD_FOLLOWS;
	unsigned count = 0;

	for (size_t done = 0; done < sizeof bytes;) {
		struct iovec data = { bytes + done, sizeof bytes - done };
		struct msghdr got = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
			                  .msg_controllen = sizeof control };
		ssize_t size = recvmsg(fixture->client, &got, MSG_DONTWAIT);
		int descriptor;

		assert_true(size > 0);
		done += (size_t)size;
		if (got.msg_controllen == 0)
			continue;
		assert_int_equal(control.part.cmsg_len, CMSG_LEN(sizeof descriptor));
		memcpy(&descriptor, CMSG_DATA(&control.part), sizeof descriptor);
		close(descriptor);
		count++;
	}
	assert_memory_equal(bytes, &expected, sizeof expected);
	return count;
}

static void a_descriptor_goes_with_the_first_byte_only(void **state)
{
	struct fixture *fixture = *state;
	unsigned before = open_descriptors();

	for (int waited = 0; waited <= 1; waited++) {
		sending.error = EAGAIN;
		sending.errors = waited ? 1 : 0;
		sending.most = 1;
		ask_for_descriptor(fixture, PROXYFS_OPEN);
		if (waited)
			assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(serve(fixture), CONNECTION_WRITES);
		assert_int_equal(open_descriptors(), before);
		assert_true(slot_load(fixture->slot.partly));
		while (serve(fixture) == CONNECTION_WRITES)
			;
		assert_int_equal(client_reads_open(fixture), 1);
		sending.most = 0;
		assert_goes_on(fixture);
	}
}

/* --- memory -------------------------------------------------------------------------------------------------- */

static void a_request_needs_no_memory(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 1000; i++) {
		stub.status = i % 3 ? 0 : -ENOENT;
		client_sends_message(fixture, PROXYFS_LSTAT, (uint32_t)(20 + i * 65), i);
		memory.calls = 0;
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_int_equal(memory.calls, 0);
		client_reads_status(fixture, i);
	}
	for (int i = 0; i < 100; i++) {
		ask_for_descriptor(fixture, PROXYFS_OPEN);
		memory.calls = 0;
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_int_equal(memory.calls, 0);
		close(client_reads_descriptor(fixture));
	}
}

static void a_header_reserves_no_memory_for_what_it_announces(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 1);
	client_sends(fixture, message, PROXYFS_HEADER_SIZE + 1);
	assert_int_equal(serve(fixture), CONNECTION_READS);
	assert_in_range(memory.largest, PROXYFS_HEADER_SIZE + 1, 1024);
}

static void a_message_in_pieces_needs_memory_for_itself_only(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 1);
	for (size_t sent = 0; sent < sizeof message; sent += 8) {
		client_sends(fixture, message + sent, 8);
		assert_int_equal(serve(fixture), CONNECTION_READS);
		assert_true(memory.largest <= 1024 || memory.largest <= 2 * (sent + 8));
	}
	assert_dispatched(1, message, sizeof message);
	assert_true(memory.largest <= PROXYFS_MESSAGE_MAX);
	assert_in_range(memory.calls, 1, 10);
}

static void a_message_in_pieces_without_memory_ends_the_connection(void **state)
{
	struct fixture *fixture = *state;

	build_message(message, PROXYFS_LSETXATTR, PROXYFS_PAYLOAD_MAX, 1);
	for (size_t kept = 0; kept <= 30000; kept += 10000) {
		fixture_connect(fixture);
		if (kept > 0) {
			client_sends(fixture, message, kept);
			assert_int_equal(serve(fixture), CONNECTION_READS);
		}
		memory.none = true;
		client_sends(fixture, message + kept, 35000);
		assert_int_equal(serve(fixture), CONNECTION_ENDED);
		memory.none = false;
		assert_int_equal(log_capture_count(), 1);
		assert_int_equal(stub.calls, 0);
	}
}

static void a_reply_that_waits_without_memory_ends_the_connection(void **state)
{
	struct fixture *fixture = *state;

	sending.most = 5;
	memory.none = true;
	client_sends_message(fixture, PROXYFS_LSTAT, 20, 1);
	assert_int_equal(serve(fixture), CONNECTION_ENDED);
	assert_int_equal(log_capture_count(), 1);
	memory.none = false;
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(an_interrupted_send_is_repeated),
		test(a_reply_may_be_cut_at_every_byte),
		test(a_reply_may_leave_byte_by_byte),
		test(a_kernel_without_memory_cuts_nobody),
		test(a_refused_descriptor_fails_its_request),
		test(a_refused_descriptor_that_had_to_wait_fails_its_request),
		test(the_failure_in_its_place_may_have_to_wait),
		test(a_descriptor_goes_with_the_first_byte_only),
		test(a_request_needs_no_memory),
		test(a_header_reserves_no_memory_for_what_it_announces),
		test(a_message_in_pieces_needs_memory_for_itself_only),
		test(a_message_in_pieces_without_memory_ends_the_connection),
		test(a_reply_that_waits_without_memory_ends_the_connection),
	};

	return cmocka_run_group_tests_name("connection_faults", tests, NULL, NULL);
}

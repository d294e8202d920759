/* SPDX-License-Identifier: MIT */
/*
 * All of a worker but its sockets: sequences of requests through the real table, handlers and credentials, on a small
 * tree that is the same at the beginning of each input. Held against the model are the forms and sizes of replies; what
 * they say is the integration tests' to judge.
 *
 * An input: requests, one after another, as on the wire. A type that is none stands for some other, and a size that
 * goes too far for what is left.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "goldens.h"
#include "model.h"
#include "scratch.h"
#include "worker/credentials.h"
#include "worker/dispatch.h"

#define REQUESTS_MOST 64 /* in one input */

/* Where request and reply lie while one is executed. */
static struct dispatch_room room;
static struct dispatch_reply reply;

static const uint8_t *input;
static size_t input_size;

/*
 * A fuzzer saves an input that ends the process on the thread that it ends on, which here can reach no file. So if the
 * environment says where, each is saved before it is run.
 */
static int saved = -1;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *path = getenv("FUZZ_SAVE_INPUT");

	(void)argc;
	(void)argv;
	if (path)
		saved = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	FUZZ_CHECK(!path || saved >= 0);
	scratch_prepare();
	return 0;
}

static void save_input(void)
{
	if (saved < 0)
		return;
	FUZZ_CHECK(pwrite(saved, input, input_size, 0) == (ssize_t)input_size);
	FUZZ_CHECK(!ftruncate(saved, (off_t)input_size));
}

static uint32_t u32_at(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	FUZZ_CHECK(fd >= 0);
	close(fd);
	return fd;
}

/* The flags follow the path, in OPEN as in CREATE. */
static int asked_flags(const uint8_t *payload)
{
	uint16_t path;

	memcpy(&path, payload, sizeof path);
	return (int)u32_at(payload + sizeof path + path);
}

/* What leaves is a plain file or a directory, opened as was asked for and no other way. */
static void check_descriptor(uint32_t op, const uint8_t *payload, int fd)
{
	int flags = fcntl(fd, F_GETFL), asked = asked_flags(payload);
	struct stat stat;

	FUZZ_CHECK(fstat(fd, &stat) == 0 && flags >= 0);
	FUZZ_CHECK(S_ISREG(stat.st_mode) || (S_ISDIR(stat.st_mode) && op == PROXYFS_OPEN));
	FUZZ_CHECK(!(flags & O_PATH) && (flags & O_ACCMODE) == (asked & O_ACCMODE));
	FUZZ_CHECK((flags & O_NONBLOCK) == (asked & O_NONBLOCK) && (flags & O_APPEND) == (asked & O_APPEND));
	FUZZ_CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

static void check_reply(uint32_t op, const uint8_t *payload, int verdict, int32_t wanted)
{
	const uint8_t *bytes = (const uint8_t *)reply.bytes;

	FUZZ_CHECK(model_may_reply(op, wanted, bytes, reply.size));
	FUZZ_CHECK(reply.status == model_status(op, bytes));
	FUZZ_CHECK(verdict == 0 || reply.status == verdict);
	FUZZ_CHECK((reply.fd >= 0) == (model_form(op) == MODEL_FD && reply.status == 0));
	if (reply.fd >= 0)
		check_descriptor(op, payload, reply.fd);
}

static void run(uint32_t op, const uint8_t *bytes, size_t size)
{
	const uint8_t *payload = fuzz_copy(0, bytes, size);
	int before = next_descriptor();
	char difference[256];
	int32_t wanted;
	int verdict = model_judge_request(op, payload, size, &wanted);

	reply.fd = -1;
	dispatch((enum proxyfs_op)op, (const char *)payload, size, &room, &reply);
	check_reply(op, payload, verdict, wanted);
	if (reply.fd >= 0)
		close(reply.fd);
	FUZZ_CHECK(next_descriptor() == before);
	FUZZ_CHECK(credentials_verify(difference, sizeof difference));
}

static void run_input(void)
{
	const uint8_t *at = input;
	size_t left = input_size;

	scratch_reset();
	for (int i = 0; i < REQUESTS_MOST && left >= MODEL_HEADER; i++) {
		uint32_t op = model_any_op(u32_at(at));
		size_t size = u32_at(at + 4);

		at += MODEL_HEADER;
		left -= MODEL_HEADER;
		if (size > left)
			size = left;
		if (size > MODEL_PAYLOAD_MAX)
			size = MODEL_PAYLOAD_MAX;
		run(op, at, size);
		at += size;
		left -= size;
	}
	FUZZ_CHECK(scratch_outside_is_unchanged());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_size = size;
	save_input();
	scratch_run(run_input);
	return 0;
}

/* --- seeds ----------------------------------------------------------------------------------------------------- */

#define NAME(literal) S("//" literal)
#define ROOM 4096

/* What the goldens' numbers do not reach: flags and modes that mean something, and paths that want out. */
static const struct part sequences[][PARTS_MAX] = {
	{ D(2), D(12), NAME("file\0"), D(O_RDWR) },
	{ D(2), D(11), NAME("dir\0"), D(O_DIRECTORY) },
	{ D(2), D(12), NAME("link\0"), D(O_RDONLY) },
	{ D(2), D(12), NAME("fifo\0"), D(O_RDWR | O_NONBLOCK) },
	{ D(2), D(14), NAME("device\0"), D(O_RDONLY) },
	{ D(2), D(13), NAME("dir/.\0"), D(O_TMPFILE | O_RDWR) },
	{ D(3), D(23), NAME("new"), D(O_CREAT | O_RDWR | O_EXCL), D(0640), D(1000), D(1000) },
	{ D(3), D(24), NAME("file"), D(O_CREAT | O_RDWR | O_TRUNC), D(04755), D(0), D(5) },
	{ D(3), D(23), NAME("dir"), D(O_CREAT | O_RDONLY), D(0755), D(0), D(0) },
	{ D(3), D(24), NAME("fifo"), D(O_CREAT | O_RDWR), D(0644), D(0), D(0) },
	{ D(4), D(25), D(0), D(0), NAME("node"), D(020644), Q(0x103) },
	{ D(4), D(26), D(1000), D(0), NAME("other"), D(060644), Q(0x800) },
	{ D(6), D(30), D(0), D(0), S("/../canary"), S("//dir/out") },
	{ D(8), D(15), S("//way-out/..\0") },
	{ D(8), D(20), S("/../canary/secret\0") },
	{ D(9), D(13), NAME("link\0"), D(ROOM) },
	{ D(9), D(13), NAME("link\0"), D(4) }, /* a target of four, and its NUL */
	{ D(9), D(13), NAME("link\0"), D(5) },
	{ D(17), D(29), D(0), S("//dir/file\0"), S("user.comment") },
	{ D(17), D(31), D(ROOM), S("//dir/file\0"), S("user.comment") },
	{ D(18), D(17), D(ROOM), S("//dir/file\0") },
	{ D(17), D(31), D(4), S("//dir/file\0"), S("user.comment") }, /* a value of five */
	{ D(17), D(31), D(5), S("//dir/file\0"), S("user.comment") },
	{ D(18), D(17), D(1), S("//dir/file\0") },
	{ D(19), D(37), S("//dir/file\0"), S("user.new"), B("value"), D(5), D(0) },
	{ D(15), D(24), S("//dir"), S("//dir/sub/inner") },
	{ D(7), D(25), S("//way-out\0"), S("//dir/hard") },
	{ D(13), D(16), NAME("file\0"), Q(1) },
	{ D(14), D(43), NAME("file\0"), Q(1), Q(UTIME_NOW), Q(1), Q(UTIME_OMIT) },
	{ D(11), D(15), NAME("link/..\0"), D(07777) },
};

#define SEQUENCES (sizeof sequences / sizeof sequences[0])

/* Goldens first, one by one; then these; then all of them in a row. */
size_t fuzz_seed(unsigned number, uint8_t *bytes)
{
	size_t size = 0;

	if (number < GOLDEN_REQUESTS)
		return wire_build(golden_requests[number].wire, bytes);
	number -= GOLDEN_REQUESTS;
	if (number < SEQUENCES)
		size = wire_build(sequences[number], bytes);
	else if (number == SEQUENCES)
		for (size_t i = 0; i < SEQUENCES; i++)
			size += wire_build(sequences[i], bytes + size);
	else if (number == SEQUENCES + 1)
		for (size_t i = 0; i < GOLDEN_REQUESTS; i++)
			size += wire_build(golden_requests[i].wire, bytes + size);
	return size;
}

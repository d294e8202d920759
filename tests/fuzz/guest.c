/* SPDX-License-Identifier: MIT */
#include "guest.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "fuzz.h"
#include "model.h"

int guest_begin(struct guest *guest, int file, const uint8_t *stream, size_t size)
{
	struct stat stat;
	int ends[2];

	FUZZ_CHECK(fstat(file, &stat) == 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	guest->socket = ends[0];
	guest->file = file;
	guest->passed_dev = stat.st_dev;
	guest->passed_ino = stat.st_ino;
	guest->stream = stream;
	guest->size = size;
	guest->sent = guest->at = guest->replies = 0;
	guest->hung_up = guest->deaf = guest->saw_reset = guest->known = false;
	guest->sent_descriptor = guest->may_be_cut = false;
	guest->failures = 0;
	guest->done = 0;
	return ends[1];
}

/* --- what it is owed --- */

static void header_at(const struct guest *guest, size_t at, uint32_t *type, uint32_t *size)
{
	memcpy(type, guest->stream + at, sizeof *type);
	memcpy(size, guest->stream + at + sizeof *type, sizeof *size);
}

static bool has_header(const struct guest *guest)
{
	return guest->sent - guest->at >= MODEL_HEADER;
}

static bool is_broken(const struct guest *guest)
{
	uint32_t type, size;

	if (!has_header(guest))
		return false;
	header_at(guest, guest->at, &type, &size);
	return model_judge_header(type, size) != 0;
}

bool guest_is_owed(const struct guest *guest)
{
	uint32_t type, size;

	if (!has_header(guest) || is_broken(guest))
		return false;
	header_at(guest, guest->at, &type, &size);
	return guest->sent - guest->at - MODEL_HEADER >= size;
}

/* Where the first message begins, from the one on whose reply is due, that is not whole. */
static struct guest after_whole_messages(const struct guest *guest)
{
	struct guest later = { .stream = guest->stream, .size = guest->size, .sent = guest->sent, .at = guest->at };

	while (guest_is_owed(&later)) {
		uint32_t type, size;

		header_at(&later, later.at, &type, &size);
		later.at += MODEL_HEADER + size;
	}
	return later;
}

bool guest_deserves_end(const struct guest *guest)
{
	if (guest->hung_up || guest->deaf || guest->may_be_cut || guest->socket < 0)
		return true;
	{
		struct guest later = after_whole_messages(guest);

		return is_broken(&later);
	}
}

/* Whether the reply that comes next is -EIO, from a helper that took over. */
static bool is_failure(const struct guest *guest)
{
	for (unsigned i = 0; i < guest->failures; i++)
		if (guest->failed_replies[i] == guest->replies)
			return true;
	return false;
}

/* The next reply, if one is due. */
static void expect(struct guest *guest)
{
	uint32_t type, size;

	if (guest->known || !guest_is_owed(guest))
		return;
	header_at(guest, guest->at, &type, &size);
	if (is_failure(guest))
		answer_failure((enum proxyfs_op)type, -EIO, &guest->expected);
	else
		answer_to((enum proxyfs_op)type, guest->stream + guest->at + MODEL_HEADER, size, &guest->expected);
	guest->known = true;
	guest->done = 0;
}

static void answered(struct guest *guest)
{
	uint32_t type, size;

	header_at(guest, guest->at, &type, &size);
	guest->at += MODEL_HEADER + size;
	guest->known = false;
	guest->done = 0;
	guest->replies++;
}

/* --- sending --- */

void guest_send(struct guest *guest, size_t size, bool with_descriptor)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	size_t left = guest->size - guest->sent;
	struct iovec data = { (void *)(uintptr_t)(guest->stream + guest->sent), size < left ? size : left };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t sent;

	if (guest->hung_up || guest->socket < 0 || data.iov_len == 0)
		return;
	if (with_descriptor) {
		memcpy(CMSG_DATA(&control.header), &guest->file, sizeof guest->file);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	sent = sendmsg(guest->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		guest->sent += (size_t)sent;
		guest->sent_descriptor |= with_descriptor;
		guest->may_be_cut |= with_descriptor;
	} else if (errno != EAGAIN && errno != ETOOMANYREFS) {
		FUZZ_CHECK((errno == EPIPE || errno == ECONNRESET) && guest_deserves_end(guest));
		guest->saw_reset |= errno == ECONNRESET;
	}
}

void guest_hang_up(struct guest *guest)
{
	if (guest->socket >= 0)
		shutdown(guest->socket, SHUT_WR);
	guest->hung_up = true;
}

void guest_stop_listening(struct guest *guest)
{
	if (guest->socket >= 0)
		shutdown(guest->socket, SHUT_RD);
	guest->deaf = true;
}

void guest_close(struct guest *guest)
{
	descriptor_close(&guest->socket);
	guest->hung_up = guest->deaf = true;
}

void guest_sees_death(struct guest *guest, long reply, bool may_be_cut)
{
	guest->may_be_cut |= may_be_cut;
	if (reply < 0)
		return;
	FUZZ_CHECK(guest->failures < GUEST_DEATHS_MAX);
	guest->failed_replies[guest->failures++] = (unsigned)reply;
	if (reply == (long)guest->replies && guest->done == 0)
		guest->known = false;
}

/* --- reading --- */

/* The end has come: was it the right one? */
static enum guest_sight check_end(struct guest *guest, ssize_t got)
{
	bool cut = got < 0 || guest->saw_reset;

	if (got < 0 && errno == EAGAIN)
		return GUEST_WAITS;
	FUZZ_CHECK(got == 0 || errno == ECONNRESET);
	guest->saw_reset = cut;
	FUZZ_CHECK(guest_deserves_end(guest));
	if (guest->may_be_cut) {
		/* Whatever is missing, it is not taken for a success. */
		FUZZ_CHECK(cut || guest->at == guest->sent);
		return cut ? GUEST_RESET : GUEST_END;
	}
	FUZZ_CHECK(!guest_is_owed(guest) && guest->done == 0);
	FUZZ_CHECK(cut == (guest->at < guest->sent));
	return cut ? GUEST_RESET : GUEST_END;
}

static void check_passed(const struct guest *guest, const struct msghdr *message)
{
	const struct cmsghdr *part = CMSG_FIRSTHDR(message);
	struct stat stat;
	int fd;

	FUZZ_CHECK((part != NULL) == guest->expected.with_descriptor && !(message->msg_flags & MSG_CTRUNC));
	if (!part)
		return;
	FUZZ_CHECK(part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS);
	FUZZ_CHECK(part->cmsg_len == CMSG_LEN(sizeof fd));
	memcpy(&fd, CMSG_DATA(part), sizeof fd);
	FUZZ_CHECK(fstat(fd, &stat) == 0 && stat.st_dev == guest->passed_dev && stat.st_ino == guest->passed_ino);
	close(fd);
}

/* One look: of the reply that is due no more than there is of it, as a client reads who knows its size. */
static ssize_t receive(struct guest *guest, size_t most)
{
	static uint8_t bytes[PROXYFS_MESSAGE_MAX];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct iovec data = { bytes, most };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control,
		                  .msg_controllen = sizeof control };
	ssize_t got = recvmsg(guest->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got <= 0)
		return got;
	FUZZ_CHECK(guest->known);
	FUZZ_CHECK(!memcmp(bytes, guest->expected.bytes + guest->done, (size_t)got));
	if (guest->done == 0)
		check_passed(guest, &message);
	else
		FUZZ_CHECK(message.msg_controllen == 0);
	return got;
}

enum guest_sight guest_read(struct guest *guest, size_t most)
{
	while (most > 0 && !guest->deaf) {
		size_t wanted = 1; /* a byte that must not be there */
		ssize_t got;

		expect(guest);
		if (guest->known)
			wanted = guest->expected.size - guest->done;
		/* The four bytes with a descriptor come in one piece, and alone. */
		if (wanted > most && guest->expected.size > sizeof(int32_t))
			wanted = most;
		got = receive(guest, wanted);
		if (got <= 0)
			return check_end(guest, got);
		FUZZ_CHECK(guest->expected.size > sizeof(int32_t) || (size_t)got == guest->expected.size);
		guest->done += (size_t)got;
		if (guest->done == guest->expected.size)
			answered(guest);
		most -= (size_t)got < most ? (size_t)got : most;
	}
	return GUEST_READ;
}

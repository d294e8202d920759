/* SPDX-License-Identifier: MIT */
#include "offender.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostile_message.h"
#include "model.h"

#define LIFE_MOST  256U         /* messages in one life */
#define OUT_MOST   (128U * 1024U) /* bytes collected before they are sent */
#define PATIENCE   60           /* seconds without a reply after which the helper is held to be stuck */
#define LEAST_READ 10U          /* bytes: no reply with a header is shorter */

/* What a reply must be. */
struct debt {
	uint32_t op;
	int32_t room;    /* that the request names */
	int32_t verdict; /* what the codec must say of the request; 0: that it is whole */
	size_t end;      /* of the message, in what is sent in this life: bytes */
};

enum manner { LOCK_STEP, PIPELINES, NEVER_READS, MANNERS };

enum ending { CLOSES, HANGS_UP, CUT_SHORT, BREAKS, STOPS_LISTENING, ENDINGS };

struct life {
	struct offender *offender;
	struct chance *chance;
	int socket;
	enum manner manner;

	uint8_t out[OUT_MOST + HOSTILE_MESSAGE_MAX];
	size_t out_size;
	size_t written; /* bytes put into `out` in this life */
	size_t sent;    /* of these */

	struct debt debts[LIFE_MOST + 1];
	unsigned debt_first, debt_end;
	bool passed_descriptor; /* for which it is cut, before what was sent earlier is answered or after */
	bool gone;              /* the helper has ended the connection */
	bool saw_reset;
};

/* --- connecting --- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	STRESS_CHECK(fd >= 0 && strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path));
	STRESS_CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
	STRESS_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
	return fd;
}

/* --- reading --- */

/* Whether a message that was sent whole has no reply yet. */
static bool is_owed(const struct life *life)
{
	return life->debt_first < life->debt_end && life->debts[life->debt_first].end <= life->sent;
}

static void check_passed(const struct msghdr *message, bool expected)
{
	const struct cmsghdr *part = CMSG_FIRSTHDR(message);
	struct stat stat;
	int fd;

	STRESS_CHECK((part != NULL) == expected && !(message->msg_flags & MSG_CTRUNC));
	if (!part)
		return;
	STRESS_CHECK(part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS);
	STRESS_CHECK(part->cmsg_len == CMSG_LEN(sizeof fd));
	memcpy(&fd, CMSG_DATA(part), sizeof fd);
	STRESS_CHECK(fstat(fd, &stat) == 0 && (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode)));
	close(fd);
}

/* The bytes of one recvmsg(2) that waits; 0: the connection is over, and life->gone. */
static size_t receive(struct life *life, uint8_t *bytes, size_t size, struct msghdr *message, int flags)
{
	struct iovec data = { bytes, size };
	ssize_t got;

	message->msg_iov = &data;
	message->msg_iovlen = 1;
	do
		got = recvmsg(life->socket, message, MSG_CMSG_CLOEXEC | flags);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return (size_t)got;
	STRESS_CHECK(got == 0 || errno == ECONNRESET);
	life->saw_reset |= got < 0;
	life->gone = true;
	return 0;
}

/* An end is noted as `gone`; in the middle of a reply it is one only after a reset. */
static size_t receive_reply(struct life *life, const struct debt *debt, uint8_t *bytes)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} control;
	struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof control };
	bool is_fd = model_form(debt->op) == MODEL_FD;
	size_t size, got = receive(life, bytes, is_fd ? sizeof(int32_t) : LEAST_READ, &message, is_fd ? 0 : MSG_WAITALL);

	if (life->gone)
		return 0;
	/* One piece, and the descriptor with it. */
	STRESS_CHECK(got == (is_fd ? sizeof(int32_t) : LEAST_READ));
	check_passed(&message, is_fd && model_status(debt->op, bytes) == 0);
	size = model_reply_size(debt->op, bytes, got);
	STRESS_CHECK(size >= got && size <= HOSTILE_MESSAGE_MAX);
	message = (struct msghdr){ .msg_control = NULL };
	if (size > got)
		STRESS_CHECK(receive(life, bytes + got, size - got, &message, MSG_WAITALL) == size - got);
	life->offender->descriptors += is_fd && model_status(debt->op, bytes) == 0;
	return size;
}

static void read_reply(struct life *life)
{
	const struct debt *debt = &life->debts[life->debt_first];
	uint8_t bytes[HOSTILE_MESSAGE_MAX];
	size_t size = receive_reply(life, debt, bytes);

	if (life->gone)
		return;
	STRESS_CHECK(model_may_reply(debt->op, debt->room, bytes, size));
	STRESS_CHECK(debt->verdict == 0 || model_status(debt->op, bytes) == debt->verdict);
	life->debt_first++;
	life->offender->replies++;
}

/*
 * All replies that are due, and then the end. This is the property that QEMU's life depends on: an end of file comes
 * when there is nothing due and nothing half sent, and in no other case.
 */
static void read_to_the_end(struct life *life, bool broken)
{
	struct msghdr message = { .msg_control = NULL };
	uint8_t byte;

	while (!life->gone && is_owed(life))
		read_reply(life);
	if (!life->gone)
		STRESS_CHECK(receive(life, &byte, 1, &message, 0) == 0);
	STRESS_CHECK(life->saw_reset || (!is_owed(life) && !broken));
	if (life->passed_descriptor)
		STRESS_CHECK(life->saw_reset);
	else
		STRESS_CHECK(!is_owed(life) && life->saw_reset == broken);
	life->offender->cuts += life->saw_reset;
	life->offender->ends += !life->saw_reset;
}

/* --- sending --- */

static ssize_t send_piece(struct life *life, const uint8_t *bytes, size_t size, int passed)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec data = { (void *)(uintptr_t)bytes, size };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	if (passed >= 0) {
		memcpy(CMSG_DATA(&control.header), &passed, sizeof passed);
		message.msg_control = &control;
		message.msg_controllen = sizeof control;
	}
	return sendmsg(life->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The helper takes no more now: read, if there is something to read, or wait. False: it has had enough of waiting. */
static bool make_room(struct life *life)
{
	struct pollfd poll_ = { .fd = life->socket, .events = POLLOUT };

	if (life->manner == NEVER_READS) {
		if (chance_one_in(life->chance, 2))
			return false;
		life->manner = PIPELINES;
	}
	if (is_owed(life))
		read_reply(life);
	else
		STRESS_CHECK(poll(&poll_, 1, PATIENCE * 1000) == 1);
	return !life->gone;
}

/* Sends what has been collected. False: it has had enough, or the helper has. */
static bool flush(struct life *life)
{
	size_t done = 0;

	while (done < life->out_size) {
		size_t left = life->out_size - done;
		size_t piece = chance_one_in(life->chance, 4) ? 1 + chance_size(life->chance, (uint32_t)left - 1) : left;
		bool passes = chance_one_in(life->chance, 512);
		ssize_t sent = send_piece(life, life->out + done, piece, passes ? STDERR_FILENO : -1);

		if (sent > 0) {
			done += (size_t)sent;
			life->sent += (size_t)sent;
			life->passed_descriptor |= passes;
		} else if (errno == EPERM && passes) {
			continue; /* Linux 6.16: the helper has had the kernel forbid it */
		} else if (errno == EAGAIN || errno == ETOOMANYREFS) {
			if (!make_room(life))
				return false;
		} else {
			/* Only who passes a descriptor is cut off before it says anything wrong. */
			STRESS_CHECK((errno == EPIPE || errno == ECONNRESET) && life->passed_descriptor);
			life->saw_reset |= errno == ECONNRESET;
			life->gone = true;
			return false;
		}
	}
	life->out_size = 0;
	return true;
}

static void put_message(struct life *life)
{
	struct debt *debt = &life->debts[life->debt_end];
	uint8_t *bytes = life->out + life->out_size;
	size_t size = hostile_message(life->chance, bytes);

	memcpy(&debt->op, bytes, sizeof debt->op);
	debt->verdict = model_judge_request(debt->op, bytes + MODEL_HEADER, size - MODEL_HEADER, &debt->room);
	life->out_size += size;
	life->written += size;
	debt->end = life->written;
	life->debt_end++;
}

/* Half of a message, or the header of none. */
static void put_broken(struct life *life, enum ending ending)
{
	uint8_t *bytes = life->out + life->out_size;
	size_t size;

	if (ending == CUT_SHORT)
		size = 1 + chance_size(life->chance, (uint32_t)hostile_message(life->chance, bytes) - 2);
	else
		size = hostile_header(life->chance, bytes);
	life->out_size += size;
	life->written += size;
}

/* --- a life --- */

/* False: it has come to an end already. */
static bool send_messages(struct life *life, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		put_message(life);
		if (life->manner != LOCK_STEP && life->out_size < OUT_MOST && !chance_one_in(life->chance, 8))
			continue;
		if (!flush(life))
			return false;
		while (life->manner == LOCK_STEP && !life->gone && is_owed(life))
			read_reply(life);
		if (life->manner == PIPELINES && !life->gone && is_owed(life) && chance_one_in(life->chance, 2))
			read_reply(life);
		if (life->gone)
			return false;
	}
	return true;
}

static void end_life(struct life *life, enum ending ending)
{
	bool broken = ending == CUT_SHORT || ending == BREAKS;

	if (broken)
		put_broken(life, ending);
	if (!flush(life))
		return;
	if (ending == CLOSES)
		return;
	if (ending == STOPS_LISTENING) {
		shutdown(life->socket, SHUT_RD);
		return;
	}
	if (ending != BREAKS)
		shutdown(life->socket, SHUT_WR);
	read_to_the_end(life, broken);
}

static unsigned live(struct offender *offender, struct life *life, uint64_t most)
{
	struct chance *chance = &offender->chance;
	unsigned count = 1 + chance_size(chance, LIFE_MOST - 1);

	if (count > most)
		count = (unsigned)most;
	life->offender = offender;
	life->chance = chance;
	life->manner = (enum manner)chance_below(chance, MANNERS);
	life->out_size = life->written = life->sent = 0;
	life->debt_first = life->debt_end = 0;
	life->passed_descriptor = life->gone = life->saw_reset = false;
	life->socket = connect_to(offender->socket_path);

	if (send_messages(life, count))
		end_life(life, (enum ending)chance_below(chance, ENDINGS));
	/* Cut off, and still owed an answer: it must not have been by an end of file. */
	if (life->gone && is_owed(life))
		STRESS_CHECK(life->saw_reset || life->passed_descriptor);
	close(life->socket);
	offender->lives++;
	return count;
}

void offender_run(struct offender *offender)
{
	struct life *life = malloc(sizeof *life);
	uint64_t left = offender->messages;

	STRESS_CHECK(life);
	while (left > 0)
		left -= live(offender, life, left);
	free(life);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation. Each direction is a half with room for one message. What has arrived is passed on at once, in the
 * pieces in which it came; but no look goes beyond the end of a message. So the int of a descriptor reply, which is
 * looked for by itself, is sent by itself, and when a half's message is whole, it is in one piece for the codec.
 *
 * A half that cannot make sense of its bytes passes them on without looking for messages any more: what they mean is for
 * the two ends to say. A half whose receiver is gone drops them, up to the sender's own end.
 */
#include "ctl/session.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <proxyfs/codec.h>

#include "ctl/contents.h"
#include "ctl/print.h"
#include "ctl/tap.h"

#define MOST_PENDING 256U /* requests of one client without a reply; further ones wait in its socket */

/* A request that has been passed on. */
struct pending {
	struct pending *next;
	uint64_t since; /* us */
	enum proxyfs_op op;
	size_t size;    /* of the payload, bytes */
	char payload[];
};

struct half {
	struct tap *from, *to;
	char bytes[PROXYFS_MESSAGE_MAX];
	size_t have, sent;
	struct passed passed;   /* came with the last bytes, to go with them */
	const char *descriptor; /* what the first descriptor in this message is */
	bool opaque;          /* no messages are looked for any more */
	bool deaf;            /* the receiver is gone */
	bool ended;           /* the sender has ended, or was reset */
	bool reset;
};

struct session {
	unsigned number;
	bool json;
	struct tap client, server;
	struct half requests, replies;
	struct pending *first, **last;
	unsigned pending;
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* What is printed */

static void print_reply(const struct session *session, struct print_exchange exchange, const struct half *half)
{
	struct proxyfs_request nothing = { .op = exchange.op };
	const struct proxyfs_request *request = exchange.request ? exchange.request : &nothing;
	struct proxyfs_reply reply;

	if (half && !proxyfs_decode_reply(request, half->bytes, half->have, &reply))
		exchange.reply = &reply;
	else if (half)
		exchange.fault = "a reply that makes no sense";
	if (half)
		exchange.descriptor = half->descriptor;
	print_exchange(stdout, session->json, &exchange);
}

/* A request with its reply, which is in `half`, or with the reason why there is none. */
static void print_pending(const struct session *session, const struct pending *pending, const struct half *half,
                          const char *fault)
{
	struct proxyfs_request request;
	int error = proxyfs_decode_request(pending->op, pending->payload, pending->size, &request);
	struct print_exchange exchange = { .client = session->number, .op = pending->op, .timed = true, .fault = fault,
		                           .request = error ? NULL : &request, .us = now() - pending->since };

	print_reply(session, exchange, half);
}

void session_print_pending(const struct session *session)
{
	for (const struct pending *pending = session->first; pending; pending = pending->next)
		print_pending(session, pending, NULL, "no reply yet");
}

static void finish_oldest(struct session *session, const struct half *half)
{
	struct pending *oldest = session->first;

	print_pending(session, oldest, half, half ? NULL : "no reply");
	session->first = oldest->next;
	if (!session->first)
		session->last = &session->first;
	session->pending--;
	free(oldest);
}

static void say(const struct session *session, const char *event)
{
	print_event(stdout, session->json, session->number, event);
}

/* Messages */

static bool remember_request(struct session *session, const struct half *half)
{
	size_t size = half->have - PROXYFS_HEADER_SIZE;
	struct pending *pending = malloc(sizeof *pending + size);
	struct proxyfs_header header;

	if (!pending)
		return false;
	proxyfs_decode_header(half->bytes, &header);
	*pending = (struct pending){ .since = now(), .op = header.type, .size = size };
	memcpy(pending->payload, half->bytes + PROXYFS_HEADER_SIZE, size);
	*session->last = pending;
	session->last = &pending->next;
	session->pending++;
	return true;
}

/* How large the message that begins in the half is, as far as that is known; negative: it is none. */
static ssize_t message_size(const struct session *session, const struct half *half)
{
	struct proxyfs_header header;

	if (half == &session->replies)
		return session->first ? proxyfs_reply_size(session->first->op, half->bytes, half->have) : -EPROTO;
	if (half->have < PROXYFS_HEADER_SIZE)
		return PROXYFS_HEADER_SIZE;
	if (proxyfs_decode_header(half->bytes, &header))
		return -EPROTO;
	return (ssize_t)(PROXYFS_HEADER_SIZE + header.size);
}

/* Bytes that are no message may be the last that make sense here, but they are not ours to keep. */
static void give_up_messages(struct session *session, struct half *half)
{
	half->opaque = true;
	say(session, half == &session->requests ? "sent what is no request" : "was sent what is no reply");
}

/* A request is remembered before its last bytes are passed on: its reply must not come sooner. */
static void notice_request(struct session *session)
{
	struct half *half = &session->requests;

	if (half->opaque || message_size(session, half) != (ssize_t)half->have)
		return;
	if (!remember_request(session, half))
		give_up_messages(session, &session->replies);
}

/* The way through a half */

static void forget_message(struct half *half)
{
	half->have = half->sent = 0;
	half->descriptor = NULL;
}

/* Whether something was sent, or dropped. */
static bool pass_on(struct half *half)
{
	ssize_t sent = half->deaf ? (ssize_t)(half->have - half->sent) :
	                            tap_send(half->to, half->bytes + half->sent, half->have - half->sent, &half->passed);

	if (sent == -EAGAIN)
		return false;
	if (sent < 0) {
		half->deaf = true;
		return true;
	}
	half->sent += (size_t)sent;
	passed_close(&half->passed); /* they went with the first of the bytes */
	return true;
}

/* How many bytes may be looked for, beyond those that are there; 0: the message is whole, or must wait. */
static size_t wanted(struct session *session, struct half *half)
{
	ssize_t size;

	if (!half->opaque && half == &session->replies && !session->first && half->have == 0)
		return 1; /* nothing is due: the end, or a byte that says otherwise */
	size = half->opaque ? (ssize_t)sizeof half->bytes : message_size(session, half);
	if (size < 0) {
		give_up_messages(session, half);
		size = sizeof half->bytes;
	}
	return (size_t)size - half->have;
}

/* Whether something arrived. */
static bool look(struct session *session, struct half *half, size_t size)
{
	ssize_t got = tap_look(half->from, half->bytes + half->have, size, &half->passed);

	if (got == -EAGAIN)
		return false;
	half->ended = got <= 0;
	half->reset = got < 0;
	if (got <= 0)
		return true;
	half->have += (size_t)got;
	if (half->passed.count > 0)
		half->descriptor = contents_kind(half->passed.fds[0]);
	if (half == &session->requests)
		notice_request(session);
	return true;
}

/* Whether there was progress. */
static bool pump(struct session *session, struct half *half)
{
	size_t size;

	if (half->sent < half->have)
		return pass_on(half);
	if (half->ended)
		return false;
	if (half->opaque)
		forget_message(half);
	if (half == &session->requests && half->have == 0 && session->pending >= MOST_PENDING)
		return false;
	size = wanted(session, half);
	if (size > 0)
		return look(session, half, size);

	if (half == &session->replies)
		finish_oldest(session, half);
	forget_message(half);
	return true;
}

/* The ends */

static bool hung_up(const struct tap *tap)
{
	struct pollfd poll_fd = { .fd = tap->fd };

	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLHUP;
}

static void say_end(const struct session *session)
{
	if (session->replies.reset)
		say(session, "was reset by the helper");
	else if (session->replies.ended)
		say(session, "was ended by the helper");
	else
		say(session, session->requests.reset ? "reset its connection" : "ended its connection");
}

static void finish(struct session *session)
{
	while (session->first)
		finish_oldest(session, NULL);
	say_end(session);
	tap_close(&session->client, session->replies.reset);
	tap_close(&session->server, session->requests.reset);
}

/* A client that has only ended its own direction, as socat does, still waits for replies. */
static bool goes_on(struct session *session)
{
	struct half *requests = &session->requests;

	if (session->replies.ended || requests->reset || (requests->ended && hung_up(&session->client)))
		return false;
	if (requests->ended && !requests->deaf) {
		shutdown(session->server.fd, SHUT_WR);
		requests->deaf = true;
	}
	return true;
}

bool session_pump(struct session *session)
{
	bool progress;

	if (session->server.fd < 0) { /* whatever it sends, it is not for us to answer */
		char byte;

		return tap_look(&session->client, &byte, 1, &session->requests.passed) == -EAGAIN;
	}
	do {
		progress = pump(session, &session->requests);
		progress = pump(session, &session->replies) || progress;
	} while (progress);

	if (goes_on(session))
		return true;
	finish(session);
	return false;
}

struct session *session_create(int client, int server, unsigned number, bool json)
{
	struct session *session = calloc(1, sizeof *session);
	struct tap taps[2] = { { .fd = client }, { .fd = server } };

	if (!session || tap_open(&taps[0], client) || (server >= 0 && tap_open(&taps[1], server))) {
		tap_close(&taps[0], true);
		tap_close(&taps[1], true);
		free(session);
		return NULL;
	}
	session->number = number;
	session->json = json;
	session->client = taps[0];
	session->server = taps[1];
	session->requests = (struct half){ .from = &session->client, .to = &session->server };
	session->replies = (struct half){ .from = &session->server, .to = &session->client };
	session->last = &session->first;
	return session;
}

void session_destroy(struct session *session)
{
	while (session->first)
		finish_oldest(session, NULL);
	tap_close(&session->client, true);
	tap_close(&session->server, true);
	passed_close(&session->requests.passed);
	passed_close(&session->replies.passed);
	free(session);
}

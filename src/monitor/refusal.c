/* SPDX-License-Identifier: MIT */
#include "monitor/refusal.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/scoreboard.h"

#define MINUTE 60000000000ULL /* ns */

#define PATIENCE_MS 1000

static const struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

static void end(struct refusal *refusal)
{
	event_free(refusal->event);
	refusal->event = NULL;
	close(refusal->fd);
}

/* It has spoken, hung up, or kept silent for too long. */
static void on_ready(evutil_socket_t fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	end(argument);
}

static struct refusal *find_unused(struct refusals *refusals)
{
	for (unsigned i = 0; i < REFUSALS_PENDING_MOST; i++)
		if (!refusals->pending[i].event)
			return &refusals->pending[i];
	return NULL;
}

static void log_refusal(int priority, const struct peer *peer, const char *reason, unsigned unlogged)
{
	char program[PEER_PROGRAM_SIZE], more[64] = "";

	peer_program(peer, program);
	if (unlogged)
		snprintf(more, sizeof more, "; %u more of this user were, since the last such line", unlogged);
	log_write(priority, "client pid %d (%s), uid %u: refused: %s%s", (int)peer->pid, program, (unsigned)peer->uid,
	          reason, more);
}

static bool is_recent(unsigned long long logged, unsigned long long now)
{
	return logged && now - logged < MINUTE;
}

/* The user's entry, or one that may become it, or NULL. */
static struct refused_user *find_user(struct refusals *refusals, uid_t uid, unsigned long long now)
{
	struct refused_user *usable = NULL;

	for (unsigned i = 0; i < REFUSALS_USERS_MOST; i++) {
		struct refused_user *user = &refusals->users[i];

		if (user->logged && user->uid == uid)
			return user;
		if (!is_recent(user->logged, now))
			usable = user;
	}
	if (usable)
		*usable = (struct refused_user){ .uid = uid };
	return usable;
}

static void log_overflow(struct refusals *refusals, unsigned long long now)
{
	if (is_recent(refusals->overflow_logged, now))
		return;
	refusals->overflow_logged = now;
	log_warning("clients of more users are refused than are logged by name, which are %d in a minute",
	            REFUSALS_USERS_MOST);
}

static void log_bounded(struct refusals *refusals, const struct peer *peer, const char *reason)
{
	unsigned long long now = scoreboard_now();
	struct refused_user *user = find_user(refusals, peer->uid, now);

	if (!user) {
		log_overflow(refusals, now);
	} else if (is_recent(user->logged, now)) {
		user->unlogged++;
	} else {
		log_refusal(LOG_WARNING, peer, reason, user->unlogged);
		user->unlogged = 0;
		user->logged = now;
	}
}

void refuse(struct refusals *refusals, struct event_base *base, int fd, const struct peer *peer, const char *reason)
{
	struct refusal *refusal = find_unused(refusals);

	log_bounded(refusals, peer, reason);
	if (refusal)
		refusal->event = event_new(base, fd, EV_READ, on_ready, refusal);
	if (!refusal || !refusal->event) {
		close(fd);
		return;
	}
	refusal->fd = fd;
	if (event_add(refusal->event, &patience))
		end(refusal);
}

void refuse_only_client(int fd, const struct peer *peer, const char *reason)
{
	log_refusal(LOG_ERR, peer, reason, 0);
	poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, PATIENCE_MS);
}

void refusals_finish(struct refusals *refusals)
{
	for (unsigned i = 0; i < REFUSALS_PENDING_MOST; i++)
		if (refusals->pending[i].event)
			end(&refusals->pending[i]);
}

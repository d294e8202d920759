/* SPDX-License-Identifier: MIT */
#include "monitor/refusal.h"

#include <unistd.h>

#include "common/log.h"
#include "common/scoreboard.h"

#define SECOND 1000000000ULL

static const struct timeval patience = { .tv_sec = 1 };

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

static void log_reason(struct refusals *refusals, const char *reason)
{
	unsigned long long now = scoreboard_now();

	if (refusals->last_logged && now - refusals->last_logged < SECOND)
		return;
	refusals->last_logged = now;
	log_warning("a client was refused: %s", reason);
}

void refuse(struct refusals *refusals, struct event_base *base, int fd, const char *reason)
{
	struct refusal *refusal = find_unused(refusals);

	log_reason(refusals, reason);
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

void refusals_finish(struct refusals *refusals)
{
	for (unsigned i = 0; i < REFUSALS_PENDING_MOST; i++)
		if (refusals->pending[i].event)
			end(&refusals->pending[i]);
}

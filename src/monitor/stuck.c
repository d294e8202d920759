/* SPDX-License-Identifier: MIT */
#include "monitor/stuck.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/log.h"

/* For as many clients as there are by default, when a server is gone; then one in ten seconds. */
#define LINES_AT_ONCE  256
#define LINES_INTERVAL 10000000000U

#define TEXT_SIZE (STATUS_PATH_SIZE + 128)

#define tenths(ns) (ns) / 1000000000U, (unsigned)((ns) / 100000000U % 10)

struct stuck_request {
	struct stuck_request *next;
	uint32_t slot;
	uint64_t since; /* CLOCK_MONOTONIC, ns */
	char text[TEXT_SIZE];
};

void stuck_init(struct stuck *stuck)
{
	*stuck = (struct stuck){ .lines = { .burst = LINES_AT_ONCE, .interval = LINES_INTERVAL } };
}

static bool may_log(struct stuck *stuck, uint64_t now)
{
	uint64_t left_out;

	if (!ration_take(&stuck->lines, now))
		return false;
	left_out = ration_left_out(&stuck->lines);
	if (left_out > 0)
		log_warning("%" PRIu64 " more requests were stuck, which were too many to tell of", left_out);
	return true;
}

/* Takes the request of a slot out of the list, if it is there. */
static struct stuck_request *take(struct stuck *stuck, uint32_t slot)
{
	struct stuck_request **link = &stuck->first;
	struct stuck_request *found;

	while (*link && (*link)->slot != slot)
		link = &(*link)->next;
	found = *link;
	if (found)
		*link = found->next;
	return found;
}

static void describe(const struct status_client *client, char text[static TEXT_SIZE])
{
	const struct client_identity *identity = client->identity;

	snprintf(text, TEXT_SIZE, "client pid %d (%s), uid %u: its %s \"%s\"", (int)identity->pid, identity->program,
	         (unsigned)identity->uid, client->operation, client->path);
}

void stuck_look(struct stuck *stuck, const struct status *status, uint32_t slot)
{
	uint64_t now = scoreboard_now();
	struct stuck_request *request;
	struct status_client client;

	if (slot >= status->custody->scoreboard.count || !status_read_client(status, slot, now, &client) || !client.stuck)
		return;
	free(take(stuck, slot));
	if (!may_log(stuck, now))
		return;
	request = malloc(sizeof *request);
	if (!request)
		return;
	*request = (struct stuck_request){ .next = stuck->first, .slot = slot, .since = now - client.since };
	describe(&client, request->text);
	stuck->first = request;
	log_warning("%s has been in the file system for %" PRIu64 ".%u s", request->text, tenths(client.since));
}

void stuck_returned(struct stuck *stuck, uint32_t slot)
{
	struct stuck_request *request = take(stuck, slot);

	if (request)
		log_info("%s came back after %" PRIu64 ".%u s", request->text, tenths(scoreboard_now() - request->since));
	free(request);
}

void stuck_forget(struct stuck *stuck, const struct custody *custody)
{
	struct stuck_request **link = &stuck->first;

	while (*link) {
		struct stuck_request *request = *link;

		if (custody && custody->holders[request->slot] > 0) {
			link = &request->next;
			continue;
		}
		*link = request->next;
		free(request);
	}
}

/* SPDX-License-Identifier: MIT */
/* The status as lines of the log. */
#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "monitor/status.h"

#define LINES_MOST   256U /* clients; a log is not for more */
#define REQUEST_SIZE (STATUS_PATH_SIZE + 64)

static void describe_request(const struct status_client *client, char text[static REQUEST_SIZE])
{
	text[0] = '\0';
	if (client->operation)
		snprintf(text, REQUEST_SIZE, "; in %s \"%s\" for %" PRIu64 " ms%s", client->operation, client->path,
		         client->since / 1000000, client->stuck ? ", which is stuck" : "");
}

static void log_client(const struct status_client *client)
{
	const struct client_identity *identity = client->identity;
	char request[REQUEST_SIZE];

	describe_request(client, request);
	log_info("status: client pid %d (%s), uid %u: here for %" PRIu64 " s, %" PRIu64 " requests, %" PRIu64
	         " of them failed, half took at most %" PRIu64 " us, 99%% %" PRIu64 " us%s",
	         (int)identity->pid, identity->program, (unsigned)identity->uid, client->age / 1000000000,
	         client->requests, client->errors, tally_percentile(&client->all, 50) / 1000,
	         tally_percentile(&client->all, 99) / 1000, request);
}

void status_log(const struct status *status)
{
	uint64_t now = scoreboard_now();
	struct status_client client;
	unsigned lines = 0;

	log_info("status: up for %" PRIu64 " s, %u of %u clients, worker pid %d, restarted %" PRIu64 " times, sandbox %s",
	         (now - status->started) / 1000000000, (unsigned)status->custody->count, status->most_clients,
	         (int)status->worker, status->restarts, status_sandbox(status));
	for (uint32_t i = 0; i < status->custody->scoreboard.count && lines < LINES_MOST; i++) {
		if (!status_read_client(status, i, now, &client))
			continue;
		log_client(&client);
		lines++;
	}
	if (lines < status->custody->count)
		log_info("status: and %u more", (unsigned)status->custody->count - lines);
}

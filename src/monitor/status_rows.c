/* SPDX-License-Identifier: MIT */
/*
 * The status as lines of fields with tabs between them, for virtfs-proxyctl, which makes tables of it. Names are
 * escaped, so that no field has a tab or a newline in it, and none is empty. Times are in ns.
 *
 *   helper  KEY  VALUE
 *   client  number pid uid program age requests errors p50 p99 operation since path stuck
 *   op      number name requests errors p50 p99                                        (of the client before it)
 *   end
 *
 * operation and path are "-" for none; stuck is 1 or 0.
 */
#include <event2/buffer.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/escape.h"
#include "config.h"
#include "monitor/process.h"
#include "monitor/status.h"

static void add_text(struct evbuffer *out, const char *key, const char *value)
{
	char text[4 * PATH_MAX];

	escape(value, strlen(value), text, sizeof text);
	evbuffer_add_printf(out, "helper\t%s\t%s\n", key, text);
}

static void add_number(struct evbuffer *out, const char *key, uint64_t value)
{
	evbuffer_add_printf(out, "helper\t%s\t%" PRIu64 "\n", key, value);
}

static void add_process(struct evbuffer *out, const char *name, pid_t pid)
{
	struct process_facts facts;

	process_look(pid, &facts);
	evbuffer_add_printf(out,
	                    "helper\t%s_pid\t%d\nhelper\t%s_descriptors\t%" PRId64 "\nhelper\t%s_rss\t%" PRId64
	                    "\nhelper\t%s_pss\t%" PRId64 "\n",
	                    name, (int)facts.pid, name, facts.descriptors, name, facts.rss, name, facts.pss);
}

static void add_helper(const struct status *status, struct evbuffer *out)
{
	char policy[POLICY_TEXT_MAX];

	policy_describe(status->policy, policy);
	add_text(out, "version", VERSION);
	add_text(out, "path", status->path);
	add_text(out, "socket", status->socket ? status->socket : "-");
	add_text(out, "sandbox", status_sandbox(status));
	add_text(out, "seccomp", status_seccomp(status));
	add_text(out, "policy", policy[0] ? policy + strlen(", ") : "default");
	add_number(out, "uptime", scoreboard_now() - status->started);
	add_number(out, "clients", status->custody->count);
	add_number(out, "max_clients", status->most_clients);
	add_number(out, "threads", status->most_threads);
	add_number(out, "restarts", status->restarts);
	add_process(out, "monitor", getpid());
	add_process(out, "worker", status->worker);
}

static void add_client(struct evbuffer *out, const struct status_client *client)
{
	const struct client_identity *identity = client->identity;

	evbuffer_add_printf(out,
	                    "client\t%" PRIu64 "\t%d\t%u\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
	                    "\t%s\t%" PRIu64 "\t%s\t%d\n",
	                    identity->number, (int)identity->pid, (unsigned)identity->uid,
	                    identity->program[0] ? identity->program : "?", client->age, client->requests, client->errors,
	                    tally_percentile(&client->all, 50), tally_percentile(&client->all, 99),
	                    client->operation ? client->operation : "-", client->since,
	                    client->path[0] ? client->path : "-", client->stuck);
	for (unsigned i = 0; i < LEDGER_OPS; i++) {
		const struct tally *row = &client->rows[i];

		if (row->requests > 0)
			evbuffer_add_printf(
				out, "op\t%" PRIu64 "\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n",
				identity->number, status_operation_name(i), row->requests, row->errors,
				tally_percentile(row, 50), tally_percentile(row, 99));
	}
}

void status_write_rows(const struct status *status, struct evbuffer *out)
{
	uint64_t now = scoreboard_now();
	struct status_client client;

	add_helper(status, out);
	for (uint32_t i = 0; i < status->custody->scoreboard.count; i++)
		if (status_read_client(status, i, now, &client))
			add_client(out, &client);
	evbuffer_add_printf(out, "end\n");
}

/* SPDX-License-Identifier: MIT */
/* The status as JSON, RFC 8259, in ASCII. Names are escaped (common/escape.h) before they are quoted for JSON. */
#include <event2/buffer.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/escape.h"
#include "config.h"
#include "monitor/process.h"
#include "monitor/status.h"

#define NS_PER_S 1000000000U

static const char *word(bool value)
{
	return value ? "true" : "false";
}

/* A text that is escaped already, and so has no control characters. */
static void add_string(struct evbuffer *out, const char *text)
{
	evbuffer_add(out, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			evbuffer_add(out, "\\", 1);
		evbuffer_add(out, text, 1);
	}
	evbuffer_add(out, "\"", 1);
}

static void add_name(struct evbuffer *out, const char *name)
{
	char text[4 * PATH_MAX];

	if (!name) {
		evbuffer_add_printf(out, "null");
		return;
	}
	escape(name, strlen(name), text, sizeof text);
	add_string(out, text);
}

static void add_seconds(struct evbuffer *out, const char *key, uint64_t ns)
{
	evbuffer_add_printf(out, ",\"%s\":%" PRIu64 ".%09u", key, ns / NS_PER_S, (unsigned)(ns % NS_PER_S));
}

static void add_tally(struct evbuffer *out, const struct tally *tally)
{
	evbuffer_add_printf(out, "{\"requests\":%" PRIu64 ",\"errors\":%" PRIu64, tally->requests, tally->errors);
	add_seconds(out, "seconds", tally->ns);
	add_seconds(out, "p50_seconds", tally_percentile(tally, 50));
	add_seconds(out, "p99_seconds", tally_percentile(tally, 99));
	evbuffer_add_printf(out, "}");
}

/* Those that there were requests for. */
static void add_operations(struct evbuffer *out, const struct tally rows[static LEDGER_OPS])
{
	const char *separator = "";

	evbuffer_add_printf(out, ",\"operations\":{");
	for (unsigned i = 0; i < LEDGER_OPS; i++) {
		if (rows[i].requests == 0)
			continue;
		evbuffer_add_printf(out, "%s\"%s\":", separator, status_operation_name(i));
		add_tally(out, &rows[i]);
		separator = ",";
	}
	evbuffer_add_printf(out, "}");
}

static void add_request(struct evbuffer *out, const struct status_client *client)
{
	evbuffer_add_printf(out, ",\"in_flight\":");
	if (!client->operation) {
		evbuffer_add_printf(out, "null");
		return;
	}
	evbuffer_add_printf(out, "{\"operation\":\"%s\",\"path\":", client->operation);
	add_string(out, client->path);
	add_seconds(out, "seconds", client->since);
	evbuffer_add_printf(out, ",\"stuck\":%s}", word(client->stuck));
}

static void add_client(struct evbuffer *out, const struct status_client *client)
{
	const struct client_identity *identity = client->identity;

	evbuffer_add_printf(out, "{\"number\":%" PRIu64 ",\"pid\":%d,\"uid\":%u,\"gid\":%u,\"program\":", identity->number,
	                    (int)identity->pid, (unsigned)identity->uid, (unsigned)identity->gid);
	add_string(out, identity->program);
	add_seconds(out, "age_seconds", client->age);
	evbuffer_add_printf(out, ",\"requests\":%" PRIu64 ",\"errors\":%" PRIu64, client->requests, client->errors);
	add_seconds(out, "p50_seconds", tally_percentile(&client->all, 50));
	add_seconds(out, "p99_seconds", tally_percentile(&client->all, 99));
	add_request(out, client);
	add_operations(out, client->rows);
	evbuffer_add_printf(out, "}");
}

static void add_clients(const struct status *status, struct evbuffer *out)
{
	uint64_t now = scoreboard_now();
	struct status_client client;
	const char *separator = "";

	evbuffer_add_printf(out, ",\"clients\":[");
	for (uint32_t i = 0; i < status->custody->scoreboard.count; i++) {
		if (!status_read_client(status, i, now, &client))
			continue;
		evbuffer_add_printf(out, "%s", separator);
		add_client(out, &client);
		separator = ",";
	}
	evbuffer_add_printf(out, "]");
}

static void add_fact(struct evbuffer *out, const char *key, int64_t value)
{
	if (value == PROCESS_UNKNOWN)
		evbuffer_add_printf(out, ",\"%s\":null", key);
	else
		evbuffer_add_printf(out, ",\"%s\":%" PRId64, key, value);
}

static void add_process(struct evbuffer *out, const char *name, pid_t pid)
{
	struct process_facts facts;

	process_look(pid, &facts);
	evbuffer_add_printf(out, ",\"%s\":{\"pid\":%d", name, (int)pid);
	add_fact(out, "descriptors", facts.descriptors);
	add_fact(out, "rss_bytes", facts.rss);
	add_fact(out, "pss_bytes", facts.pss);
	evbuffer_add_printf(out, "}");
}

static void add_policy(struct evbuffer *out, const struct policy *policy)
{
	static const char *const xattrs[] = { [XATTR_POLICY_HOST] = "host",
		                              [XATTR_POLICY_ALL] = "all",
		                              [XATTR_POLICY_NONE] = "none" };

	evbuffer_add_printf(out,
	                    ",\"policy\":{\"readonly\":%s,\"no_devices\":%s,\"no_setid\":%s,\"utime_quirk\":%s,"
	                    "\"xattrs\":\"%s\"}",
	                    word(policy->readonly), word(policy->no_devices), word(policy->no_setid),
	                    word(policy->utime_quirk), xattrs[policy->xattrs]);
}

void status_write_json(const struct status *status, struct evbuffer *out)
{
	struct tally totals[LEDGER_OPS];

	evbuffer_add_printf(out, "{\"version\":\"" VERSION "\",\"path\":");
	add_name(out, status->path);
	evbuffer_add_printf(out, ",\"socket\":");
	add_name(out, status->socket);
	add_seconds(out, "uptime_seconds", scoreboard_now() - status->started);
	evbuffer_add_printf(out, ",\"sandbox\":\"%s\",\"seccomp\":\"%s\"", status_sandbox(status), status_seccomp(status));
	add_policy(out, status->policy);
	evbuffer_add_printf(out, ",\"max_clients\":%u,\"threads\":%u,\"worker_restarts\":%" PRIu64, status->most_clients,
	                    status->most_threads, status->restarts);
	add_process(out, "monitor", getpid());
	add_process(out, "worker", status->worker);
	add_clients(status, out);
	status_read_totals(status, totals);
	add_operations(out, totals);
	evbuffer_add_printf(out, "}\n");
}

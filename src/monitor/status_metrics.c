/* SPDX-License-Identifier: MIT */
/*
 * The status as OpenMetrics text. A client's label is a number of its own, and it has its process's id and program
 * beside that: what a guest calls its files is never a label, so that guests cannot make up series.
 */
#include <event2/buffer.h>
#include <inttypes.h>
#include <unistd.h>

#include "config.h"
#include "monitor/process.h"
#include "monitor/status.h"

#define NS_PER_S    1000000000U
#define SECONDS     "%" PRIu64 ".%09u"
#define split(ns)   (ns) / NS_PER_S, (unsigned)((ns) % NS_PER_S)

static void add_family(struct evbuffer *out, const char *name, const char *type, const char *unit, const char *text)
{
	evbuffer_add_printf(out, "# TYPE virtfs_proxy_%s %s\n", name, type);
	if (unit)
		evbuffer_add_printf(out, "# UNIT virtfs_proxy_%s %s\n", name, unit);
	evbuffer_add_printf(out, "# HELP virtfs_proxy_%s %s\n", name, text);
}

static void add_gauge(struct evbuffer *out, const char *name, const char *text, uint64_t value)
{
	add_family(out, name, "gauge", NULL, text);
	evbuffer_add_printf(out, "virtfs_proxy_%s %" PRIu64 "\n", name, value);
}

static void add_counter(struct evbuffer *out, const char *name, const char *text, uint64_t value)
{
	add_family(out, name, "counter", NULL, text);
	evbuffer_add_printf(out, "virtfs_proxy_%s_total %" PRIu64 "\n", name, value);
}

/* --- operations ---------------------------------------------------------------------------------------------- */

static void add_operation_counts(struct evbuffer *out, const struct tally totals[static LEDGER_OPS])
{
	add_family(out, "requests", "counter", NULL, "Requests answered.");
	for (unsigned i = 0; i < LEDGER_OPS; i++)
		evbuffer_add_printf(out, "virtfs_proxy_requests_total{operation=\"%s\"} %" PRIu64 "\n",
		                    status_operation_name(i), totals[i].requests);
	add_family(out, "request_errors", "counter", NULL, "Requests answered with an error.");
	for (unsigned i = 0; i < LEDGER_OPS; i++)
		evbuffer_add_printf(out, "virtfs_proxy_request_errors_total{operation=\"%s\"} %" PRIu64 "\n",
		                    status_operation_name(i), totals[i].errors);
}

static void add_durations(struct evbuffer *out, const struct tally totals[static LEDGER_OPS])
{
	static const char name[] = "virtfs_proxy_request_duration_seconds";
	static const struct {
		const char *text;
		unsigned percent;
	} quantiles[] = { { "0.5", 50 }, { "0.9", 90 }, { "0.99", 99 } };

	add_family(out, "request_duration_seconds", "summary", "seconds",
	           "Time from a request's arrival to its result, since the start; quantiles within 17 percent.");
	for (unsigned i = 0; i < LEDGER_OPS; i++) {
		const char *operation = status_operation_name(i);

		for (unsigned q = 0; totals[i].requests > 0 && q < 3; q++)
			evbuffer_add_printf(out, "%s{operation=\"%s\",quantile=\"%s\"} " SECONDS "\n", name, operation,
			                    quantiles[q].text, split(tally_percentile(&totals[i], quantiles[q].percent)));
		evbuffer_add_printf(out, "%s_count{operation=\"%s\"} %" PRIu64 "\n", name, operation, totals[i].requests);
		evbuffer_add_printf(out, "%s_sum{operation=\"%s\"} " SECONDS "\n", name, operation, split(totals[i].ns));
	}
}

/* --- clients ------------------------------------------------------------------------------------------------- */

static void add_of_client(struct evbuffer *out, const char *name, const struct status_client *client)
{
	/* Escaped as this label wants it: a backslash and a double quote have a backslash before them. */
	evbuffer_add_printf(out, "virtfs_proxy_client_%s{client=\"%" PRIu64 "\",pid=\"%d\",program=\"", name,
	                    client->identity->number, (int)client->identity->pid);
	for (const char *at = client->identity->program; *at; at++)
		evbuffer_add_printf(out, "%s%c", *at == '\\' || *at == '"' ? "\\" : "", *at);
	evbuffer_add_printf(out, "\"} ");
}

static void add_client_requests(struct evbuffer *out, const struct status_client *client)
{
	add_of_client(out, "requests_total", client);
	evbuffer_add_printf(out, "%" PRIu64 "\n", client->requests);
}

static void add_client_errors(struct evbuffer *out, const struct status_client *client)
{
	add_of_client(out, "request_errors_total", client);
	evbuffer_add_printf(out, "%" PRIu64 "\n", client->errors);
}

static void add_client_wait(struct evbuffer *out, const struct status_client *client)
{
	add_of_client(out, "request_in_flight_seconds", client);
	evbuffer_add_printf(out, SECONDS "\n", split(client->since));
}

static void for_each_client(const struct status *status, struct evbuffer *out,
                            void (*add)(struct evbuffer *out, const struct status_client *client))
{
	uint64_t now = scoreboard_now();
	struct status_client client;

	for (uint32_t i = 0; i < status->custody->scoreboard.count; i++)
		if (status_read_client(status, i, now, &client))
			add(out, &client);
}

static uint64_t count_stuck(const struct status *status)
{
	uint64_t now = scoreboard_now(), count = 0;
	struct status_client client;

	for (uint32_t i = 0; i < status->custody->scoreboard.count; i++)
		count += status_read_client(status, i, now, &client) && client.stuck;
	return count;
}

static void add_clients(const struct status *status, struct evbuffer *out)
{
	add_gauge(out, "clients", "Clients that are connected.", status->custody->count);
	add_gauge(out, "clients_limit", "Clients that may be connected at once.", status->most_clients);
	add_counter(out, "clients_admitted", "Clients that have connected.", status->custody->admitted);
	add_family(out, "client_requests", "counter", NULL, "Requests answered to a client.");
	for_each_client(status, out, add_client_requests);
	add_family(out, "client_request_errors", "counter", NULL, "Requests of a client answered with an error.");
	for_each_client(status, out, add_client_errors);
	add_family(out, "client_request_in_flight_seconds", "gauge", "seconds",
	           "How long the request that is being executed has taken so far; 0 if there is none.");
	for_each_client(status, out, add_client_wait);
	add_gauge(out, "requests_stuck", "Requests that have been executing for longer than --stuck-after.",
	          count_stuck(status));
}

/* --- the helper ---------------------------------------------------------------------------------------------- */

static void add_fact(struct evbuffer *out, const char *name, const char *process, int64_t value)
{
	if (value != PROCESS_UNKNOWN)
		evbuffer_add_printf(out, "virtfs_proxy_%s{process=\"%s\"} %" PRId64 "\n", name, process, value);
}

static void add_processes(const struct status *status, struct evbuffer *out)
{
	struct process_facts monitor, worker;

	process_look(getpid(), &monitor);
	process_look(status->worker, &worker);
	add_family(out, "open_descriptors", "gauge", NULL, "Descriptors that are open.");
	add_fact(out, "open_descriptors", "monitor", monitor.descriptors);
	add_fact(out, "open_descriptors", "worker", worker.descriptors);
	add_family(out, "resident_memory_bytes", "gauge", "bytes", "Resident set size.");
	add_fact(out, "resident_memory_bytes", "monitor", monitor.rss);
	add_fact(out, "resident_memory_bytes", "worker", worker.rss);
	add_family(out, "proportional_memory_bytes", "gauge", "bytes", "Proportional set size.");
	add_fact(out, "proportional_memory_bytes", "monitor", monitor.pss);
	add_fact(out, "proportional_memory_bytes", "worker", worker.pss);
}

void status_write_metrics(const struct status *status, struct evbuffer *out)
{
	struct tally totals[LEDGER_OPS];

	status_read_totals(status, totals);
	add_family(out, "build", "info", NULL, "What is running.");
	evbuffer_add_printf(out, "virtfs_proxy_build_info{version=\"" VERSION "\",sandbox=\"%s\",seccomp=\"%s\"} 1\n",
	                    status_sandbox(status), status_seccomp(status));
	add_family(out, "uptime_seconds", "gauge", "seconds", "Time since the start.");
	evbuffer_add_printf(out, "virtfs_proxy_uptime_seconds " SECONDS "\n", split(scoreboard_now() - status->started));
	add_counter(out, "worker_restarts", "Workers that had to be replaced.", status->restarts);
	add_processes(status, out);
	add_clients(status, out);
	add_operation_counts(out, totals);
	add_durations(out, totals);
	evbuffer_add_printf(out, "# EOF\n");
}

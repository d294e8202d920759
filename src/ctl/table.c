/* SPDX-License-Identifier: MIT */
#include "ctl/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *scaled(double value, const char *unit, char text[static TABLE_CELL_SIZE])
{
	snprintf(text, TABLE_CELL_SIZE, value < 10 ? "%.2f %s" : value < 100 ? "%.1f %s" : "%.0f %s", value, unit);
	return text;
}

static const char *long_time(uint64_t seconds, char text[static TABLE_CELL_SIZE])
{
	if (seconds < 3600)
		snprintf(text, TABLE_CELL_SIZE, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
	else if (seconds < 86400)
		snprintf(text, TABLE_CELL_SIZE, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600, seconds / 60 % 60);
	else
		snprintf(text, TABLE_CELL_SIZE, "%" PRIu64 " d %" PRIu64 " h", seconds / 86400, seconds / 3600 % 24);
	return text;
}

const char *table_time(uint64_t ns, char text[static TABLE_CELL_SIZE])
{
	if (ns == 0)
		return memcpy(text, "-", sizeof "-");
	if (ns < 1000)
		snprintf(text, TABLE_CELL_SIZE, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		scaled((double)ns / 1e3, "us", text);
	else if (ns < 1000000000)
		scaled((double)ns / 1e6, "ms", text);
	else if (ns < UINT64_C(60000000000))
		scaled((double)ns / 1e9, "s", text);
	else
		long_time(ns / 1000000000, text);
	return text;
}

const char *table_bytes(const char *number, char text[static TABLE_CELL_SIZE])
{
	char *end;
	double bytes = (double)strtoll(number, &end, 10);

	if (end == number || bytes < 0)
		return memcpy(text, "?", sizeof "?");
	return bytes < 1e6 ? scaled(bytes / 1e3, "kB", text) : scaled(bytes / 1e6, "MB", text);
}

static void print_process(FILE *out, const struct rows *rows, const char *name)
{
	char key[TABLE_CELL_SIZE], rss[TABLE_CELL_SIZE], pss[TABLE_CELL_SIZE];
	const char *descriptors;

	snprintf(key, sizeof key, "%s_descriptors", name);
	descriptors = rows_value(rows, key);
	snprintf(key, sizeof key, "%s_rss", name);
	table_bytes(rows_value(rows, key), rss);
	snprintf(key, sizeof key, "%s_pss", name);
	table_bytes(rows_value(rows, key), pss);
	snprintf(key, sizeof key, "%s_pid", name);
	fprintf(out, "%-9s pid %s, %s descriptors, memory %s proportional, %s resident\n", name, rows_value(rows, key),
	        descriptors[0] == '-' ? "?" : descriptors, pss, rss);
}

void table_helper(FILE *out, const struct rows *rows)
{
	char up[TABLE_CELL_SIZE];

	fprintf(out, "virtfs-proxy-helper %s, up %s, serving %s on %s\n", rows_value(rows, "version"),
	        table_time(strtoull(rows_value(rows, "uptime"), NULL, 10), up), rows_value(rows, "path"),
	        rows_value(rows, "socket"));
	fprintf(out, "sandbox   %s, seccomp %s; policy: %s\n", rows_value(rows, "sandbox"), rows_value(rows, "seccomp"),
	        rows_value(rows, "policy"));
	fprintf(out, "clients   %s of %s, on at most %s threads; worker restarts: %s\n", rows_value(rows, "clients"),
	        rows_value(rows, "max_clients"), rows_value(rows, "threads"), rows_value(rows, "restarts"));
	print_process(out, rows, "monitor");
	print_process(out, rows, "worker");
}

void table_heads(FILE *out, bool rates)
{
	fprintf(out, "%8s %7s %-15s %12s", "PID", "UID", "PROGRAM", "AGE");
	if (rates)
		fprintf(out, " %9s", "REQ/S");
	fprintf(out, " %11s %9s %8s %8s  %s", "REQUESTS", "ERRORS", "P50", "P99", "IN FLIGHT");
}

void table_client(FILE *out, const struct rows_client *client, bool rates)
{
	char age[TABLE_CELL_SIZE], p50[TABLE_CELL_SIZE], p99[TABLE_CELL_SIZE], since[TABLE_CELL_SIZE];

	fprintf(out, "%8" PRIu64 " %7" PRIu64 " %-15.15s %12s", client->pid, client->uid, client->program,
	        table_time(client->age, age));
	if (rates)
		fprintf(out, " %9.0f", client->rate);
	fprintf(out, " %11" PRIu64 " %9" PRIu64 " %8s %8s  ", client->requests, client->errors,
	        table_time(client->p50, p50), table_time(client->p99, p99));
	if (!strcmp(client->operation, "-"))
		fprintf(out, "-");
	else
		fprintf(out, "%s%s %s for %s", client->stuck ? "STUCK " : "", client->operation, client->path,
		        table_time(client->since, since));
}

void table_operations(FILE *out, const struct rows_client *client)
{
	for (size_t i = 0; i < client->operation_count; i++) {
		const struct rows_operation *operation = &client->operations[i];
		char p50[TABLE_CELL_SIZE], p99[TABLE_CELL_SIZE];

		fprintf(out, "%32s %12s %11" PRIu64 " %9" PRIu64 " %8s %8s\n", operation->name, "", operation->requests,
		        operation->errors, table_time(operation->p50, p50), table_time(operation->p99, p99));
	}
}

/* SPDX-License-Identifier: MIT */
/* A helper's status as its control socket tells it to programs: lines of fields (monitor/status_rows.c). */
#ifndef CTL_ROWS_H
#define CTL_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct rows_operation {
	const char *name;
	uint64_t requests, errors, p50, p99; /* ns */
};

struct rows_client {
	uint64_t number, pid, uid;
	const char *program;
	uint64_t age; /* ns */
	uint64_t requests, errors, p50, p99;
	const char *operation, *path; /* "-": none */
	uint64_t since; /* ns */
	uint64_t stuck; /* not 0: which is longer than it should be */
	double rate;    /* requests a second; for who compares two */
	struct rows_operation *operations;
	size_t operation_count;
};

struct rows_value {
	const char *key, *value;
};

struct rows {
	char *text; /* what all pointers point into */
	struct rows_value *values;
	size_t value_count;
	struct rows_client *clients;
	size_t client_count;
	struct rows_operation *operations;
	size_t operation_count;
};

/* Takes over the text. Returns 0; -EPROTO: it is not whole; -ENOMEM. rows_finish() is due in any case. */
int rows_parse(struct rows *rows, char *text);

void rows_finish(struct rows *rows);

/* What the helper says of itself: "?" if it does not say. */
const char *rows_value(const struct rows *rows, const char *key);

#endif

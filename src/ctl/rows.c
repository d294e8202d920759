/* SPDX-License-Identifier: MIT */
#include "ctl/rows.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MOST 14

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

/* Cuts a line into its fields. Returns how many there are; further ones are ignored. */
static size_t split(char *line, char *fields[static FIELDS_MOST])
{
	size_t count = 0;

	while (line && count < FIELDS_MOST) {
		fields[count++] = line;
		line = strchr(line, '\t');
		if (line)
			*line++ = '\0';
	}
	return count;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	while ((text = strchr(text, '\n'))) {
		lines++;
		text++;
	}
	return lines;
}

static void add_client(struct rows *rows, char *fields[static FIELDS_MOST])
{
	rows->clients[rows->client_count++] = (struct rows_client){
		.number = number(fields[1]),
		.pid = number(fields[2]),
		.uid = number(fields[3]),
		.program = fields[4],
		.age = number(fields[5]),
		.requests = number(fields[6]),
		.errors = number(fields[7]),
		.p50 = number(fields[8]),
		.p99 = number(fields[9]),
		.operation = fields[10],
		.since = number(fields[11]),
		.path = fields[12],
		.stuck = number(fields[13]),
		.operations = rows->operations + rows->operation_count,
	};
}

static void add_operation(struct rows *rows, char *fields[static FIELDS_MOST])
{
	rows->operations[rows->operation_count++] = (struct rows_operation){
		fields[2], number(fields[3]), number(fields[4]), number(fields[5]), number(fields[6])
	};
	rows->clients[rows->client_count - 1].operation_count++;
}

/* False: this was the last one. */
static bool add_line(struct rows *rows, char *line)
{
	char *fields[FIELDS_MOST] = { line };
	size_t count = split(line, fields);

	if (!strcmp(fields[0], "helper") && count >= 3)
		rows->values[rows->value_count++] = (struct rows_value){ fields[1], fields[2] };
	else if (!strcmp(fields[0], "client") && count >= 14)
		add_client(rows, fields);
	else if (!strcmp(fields[0], "op") && count >= 7 && rows->client_count > 0)
		add_operation(rows, fields);
	return strcmp(fields[0], "end") != 0;
}

int rows_parse(struct rows *rows, char *text)
{
	size_t lines = count_lines(text) + 1;
	char *end;

	*rows = (struct rows){ .text = text };
	rows->values = calloc(lines, sizeof *rows->values);
	rows->clients = calloc(lines, sizeof *rows->clients);
	rows->operations = calloc(lines, sizeof *rows->operations);
	if (!rows->values || !rows->clients || !rows->operations)
		return -ENOMEM;
	while ((end = strchr(text, '\n'))) {
		*end = '\0';
		if (!add_line(rows, text))
			return 0;
		text = end + 1;
	}
	return -EPROTO;
}

void rows_finish(struct rows *rows)
{
	free(rows->text);
	free(rows->values);
	free(rows->clients);
	free(rows->operations);
	*rows = (struct rows){ .text = NULL };
}

const char *rows_value(const struct rows *rows, const char *key)
{
	for (size_t i = 0; i < rows->value_count; i++)
		if (!strcmp(rows->values[i].key, key))
			return rows->values[i].value;
	return "?";
}

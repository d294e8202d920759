/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/control.h"
#include "ctl/rows.h"

static const char *const facts[] = { "killed", "started", "hanging", "moved", "answered", "cut" };

static void print_json(const struct rows *rows)
{
	for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++)
		printf("%s\"%s\":%s", i == 0 ? "{" : ",", facts[i], rows_value(rows, facts[i]));
	puts("}");
}

static void print_text(const struct rows *rows)
{
	if (!strcmp(rows_value(rows, "started"), "0")) {
		printf("worker %s was killed, but still works in the kernel; another one is started when it no longer does\n",
		       rows_value(rows, "killed"));
		return;
	}
	if (!strcmp(rows_value(rows, "killed"), "0"))
		printf("there was no worker; started %s\n", rows_value(rows, "started"));
	else
		printf("worker %s was killed and replaced by %s; threads of it that stay in the kernel: %s\n",
		       rows_value(rows, "killed"), rows_value(rows, "started"), rows_value(rows, "hanging"));
	printf("connections that moved over: %s; requests that were answered with an I/O error: %s; connections cut: %s\n",
	       rows_value(rows, "moved"), rows_value(rows, "answered"), rows_value(rows, "cut"));
}

static enum command_status print(const struct command_line *line, char *text)
{
	struct rows rows;
	int error = rows_parse(&rows, text);

	if (error)
		command_failed(line, "%s", error == -EPROTO ? "the helper's answer is not whole" : strerror(-error));
	else if (line->json)
		print_json(&rows);
	else
		print_text(&rows);
	rows_finish(&rows);
	return error ? COMMAND_TRANSPORT : COMMAND_DONE;
}

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };
	char *text;

	if (!command_arguments(line, options, 0, 1))
		return line->status;
	text = control_fetch(line, "restart-worker");
	return text ? print(line, text) : line->status;
}

const struct command command_restart_worker = {
	.name = "restart-worker",
	.arguments = "[CONTROL]",
	.summary = "Kills a helper's worker and starts another one",
	.help = "For one whose threads all wait for a file system that does not answer. Requests\n"
	        "that are being executed get an I/O error; guests stay connected.\n",
	.run = run,
};

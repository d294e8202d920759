/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ctl/command.h"
#include "ctl/control.h"
#include "ctl/rows.h"
#include "ctl/table.h"

static void print(const struct rows *rows)
{
	table_helper(stdout, rows);
	if (rows->client_count == 0)
		return;
	putchar('\n');
	table_heads(stdout, false);
	putchar('\n');
	for (size_t i = 0; i < rows->client_count; i++) {
		table_client(stdout, &rows->clients[i], false);
		putchar('\n');
		table_operations(stdout, &rows->clients[i]);
	}
}

static enum command_status print_table(struct command_line *line)
{
	char *text = control_fetch(line, "rows");
	struct rows rows;
	int error;

	if (!text)
		return line->status;
	error = rows_parse(&rows, text);
	if (error)
		command_failed(line, "%s", error == -EPROTO ? "the helper's answer is not whole" : strerror(-error));
	else
		print(&rows);
	rows_finish(&rows);
	return error ? COMMAND_TRANSPORT : COMMAND_DONE;
}

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };

	if (!command_arguments(line, options, 0, 1))
		return line->status;
	return line->json ? control_print(line, "status") : print_table(line);
}

const struct command command_helper_status = {
	.name = "status",
	.arguments = "[CONTROL]",
	.summary = "Shows a helper, its clients, and what they wait for",
	.help = "With --json, as one JSON object.\n",
	.run = run,
};

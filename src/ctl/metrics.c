/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "ctl/command.h"
#include "ctl/control.h"

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };
	const char *path;
	char *text;

	if (!command_arguments(line, options, 0, 1))
		return line->status;
	path = control_path(line, 0);
	if (!path)
		return COMMAND_USAGE;
	text = control_fetch(line, path, "metrics");
	if (!text)
		return COMMAND_TRANSPORT;
	fputs(text, stdout);
	free(text);
	return COMMAND_DONE;
}

const struct command command_metrics = {
	.name = "metrics",
	.arguments = "[CONTROL]",
	.summary = "Prints a helper's counters as OpenMetrics text",
	.run = run,
};

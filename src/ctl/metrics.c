/* SPDX-License-Identifier: MIT */
#include "ctl/command.h"
#include "ctl/control.h"

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };

	if (!command_arguments(line, options, 0, 1))
		return line->status;
	return control_print(line, "metrics");
}

const struct command command_metrics = {
	.name = "metrics",
	.arguments = "[CONTROL]",
	.summary = "Prints a helper's counters as OpenMetrics text",
	.run = run,
};

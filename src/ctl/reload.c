/* SPDX-License-Identifier: MIT */
#include "ctl/command.h"
#include "ctl/control.h"

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };

	return command_arguments(line, options, 0, 1) ? control_order(line, "reload") : line->status;
}

const struct command command_reload = {
	.name = "reload",
	.arguments = "[CONTROL]",
	.summary = "Has a helper take up its configuration and the installed program",
	.help = "Guests stay connected, and none of their requests fails. If the program or the\n"
	        "configuration does not start, nothing changes, and the reason is printed.\n",
	.run = run,
};

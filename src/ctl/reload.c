/* SPDX-License-Identifier: MIT */
#include "ctl/command.h"
#include "ctl/control.h"

static enum command_status run(struct command_line *line)
{
	static const struct option options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };
	const char *path;

	if (!command_arguments(line, options, 0, 1))
		return line->status;
	path = control_path(line, 0);
	return path ? control_order(line, path, "reload") : COMMAND_USAGE;
}

const struct command command_reload = {
	.name = "reload",
	.arguments = "[CONTROL]",
	.summary = "Has a helper take up its configuration and the installed program",
	.help = "Guests stay connected, and none of their requests fails. If the program or the\n"
	        "configuration does not start, nothing changes, and the reason is printed.\n",
	.run = run,
};

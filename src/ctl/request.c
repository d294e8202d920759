/* SPDX-License-Identifier: MIT */
#include "ctl/request.h"

#include <stdio.h>

#include "ctl/arguments.h"
#include "ctl/symbols.h"

enum command_status request_read(const struct command_line *line, const char *operation, int count, char **words,
                                 struct proxyfs_request *request)
{
	char fault[ARGUMENTS_FAULT_MAX], usage[ARGUMENTS_FAULT_MAX];
	enum proxyfs_op op;

	if (!symbols_operation(operation, &op))
		return command_wrong(line, "there is no operation '%s'; encode --list names all", operation);
	if (!arguments_parse(op, count, words, request, fault))
		return COMMAND_DONE;
	arguments_usage(op, usage);
	return command_wrong(line, "%s\nusage: %s", fault, usage);
}

void request_list_operations(void)
{
	char usage[ARGUMENTS_FAULT_MAX];

	for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++) {
		arguments_usage(op, usage);
		puts(usage);
	}
}

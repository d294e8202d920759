/* SPDX-License-Identifier: MIT */
#include "ctl/request.h"

#include <stdio.h>

#include <proxyfs/fields.h>

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

/* The kinds as virtfs-proxy-protocol(7) names them. */
static void print_kinds(const struct proxyfs_field *fields)
{
	static const char letters[] = {
		[PROXYFS_KIND_U32] = 'd',  [PROXYFS_KIND_S32] = 'd',    [PROXYFS_KIND_U64] = 'q',   [PROXYFS_KIND_S64] = 'q',
		[PROXYFS_KIND_TEXT] = 's', [PROXYFS_KIND_TEXT_Z] = 'z', [PROXYFS_KIND_BYTES] = 'b',
	};

	for (const char *before = ""; fields && fields->kind != PROXYFS_KIND_END; fields++, before = ",")
		printf("%s{\"name\":\"%s\",\"kind\":\"%c\"}", before, fields->name, letters[fields->kind]);
}

static void print_row(enum proxyfs_op op)
{
	static const char *const forms[] = {
		[PROXYFS_FORM_STATUS] = "status", [PROXYFS_FORM_DATA] = "data", [PROXYFS_FORM_FD] = "fd"
	};

	printf("{\"operation\":\"%s\",\"type\":%d,\"form\":\"%s\",\"request\":[", proxyfs_op_name(op), (int)op,
	       forms[proxyfs_op_form(op)]);
	print_kinds(proxyfs_request_fields(op));
	fputs("],\"reply\":[", stdout);
	print_kinds(proxyfs_reply_fields(op, false));
	puts("]}");
}

static void print_usage(enum proxyfs_op op)
{
	char usage[ARGUMENTS_FAULT_MAX];

	arguments_usage(op, usage);
	puts(usage);
}

void request_list_operations(bool json)
{
	for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++)
		(json ? print_row : print_usage)(op);
}

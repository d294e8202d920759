/* SPDX-License-Identifier: MIT */
#include "ctl/command.h"

#include <stdarg.h>
#include <stdio.h>

static void print_help(const struct command *command)
{
	printf("Usage: virtfs-proxyctl %s %s\n\n%s.\n", command->name, command->arguments, command->summary);
	if (command->help)
		printf("\n%s", command->help);
	puts("\nSee virtfs-proxyctl(1).");
}

int command_option(struct command_line *line, const struct option *options)
{
	int option;

	if (!line->begun)
		optind = 0; /* glibc's word for starting anew */
	line->begun = true;
	while ((option = getopt_long(line->count, line->words, "+hj", options, NULL)) == 'j')
		line->json = true;

	switch (option) {
	case -1:
		line->words += optind;
		line->count -= optind;
		return COMMAND_OPTIONS_OVER;
	case 'h':
		print_help(line->command);
		line->status = COMMAND_DONE;
		return COMMAND_OPTIONS_STOP;
	case '?': /* getopt_long(3) has said what is wrong */
		fprintf(stderr, "Try 'virtfs-proxyctl %s --help'.\n", line->command->name);
		line->status = COMMAND_USAGE;
		return COMMAND_OPTIONS_STOP;
	default:
		return option;
	}
}

bool command_counted(struct command_line *line, int least, int most)
{
	if (line->count >= least && line->count <= most)
		return true;
	line->status = command_wrong(line, "usage: %s %s", line->command->name, line->command->arguments);
	return false;
}

bool command_arguments(struct command_line *line, const struct option *options, int least, int most)
{
	return command_option(line, options) == COMMAND_OPTIONS_OVER && command_counted(line, least, most);
}

static void say(const struct command_line *line, const char *format, va_list arguments)
{
	fprintf(stderr, "virtfs-proxyctl: %s: ", line->command->name);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
}

enum command_status command_wrong(const struct command_line *line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(line, format, arguments);
	va_end(arguments);
	fprintf(stderr, "Try 'virtfs-proxyctl %s --help'.\n", line->command->name);
	return COMMAND_USAGE;
}

void command_failed(const struct command_line *line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(line, format, arguments);
	va_end(arguments);
}

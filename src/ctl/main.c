/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "ctl/command.h"

static const struct command *const commands[] = {
	&command_helper_status, &command_top, &command_metrics, &command_reload, &command_restart_worker,
	&command_call, &command_ls, &command_cat, &command_put, &command_stat, &command_getfattr,
	&command_encode, &command_decode, &command_trace,
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void print_help(void)
{
	puts("Usage: virtfs-proxyctl [--json] COMMAND [OPTION...] [ARGUMENT...]\n"
	     "\n"
	     "Looks at virtfs-proxy-helper, and talks to it as QEMU does.\n");
	for (size_t i = 0; i < COUNT(commands); i++)
		printf("  %-14s %s\n", commands[i]->name, commands[i]->summary);
	puts("\n"
	     "      --json     print for programs: one JSON object a line\n"
	     "  -h, --help     print this and exit; behind a command, what that one does\n"
	     "      --version  print the version and exit\n"
	     "\n"
	     "See virtfs-proxyctl(1).");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < COUNT(commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

/* What cannot be written has not been said: a full disk must not look like success. */
static enum command_status flush_output(enum command_status status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	perror("virtfs-proxyctl: standard output");
	return COMMAND_TRANSPORT;
}

static enum command_status run(int count, char **words, bool json)
{
	const struct command *command = find_command(words[0]);
	struct command_line line = { .command = command, .count = count, .words = words, .json = json };

	if (!command) {
		fprintf(stderr, "virtfs-proxyctl: there is no command '%s'\nTry 'virtfs-proxyctl --help'.\n", words[0]);
		return COMMAND_USAGE;
	}
	return flush_output(command->run(&line));
}

int main(int count, char **words)
{
	static const struct option options[] = { COMMAND_OPTIONS, { "version", no_argument, NULL, 'v' },
		                                 COMMAND_OPTIONS_END };
	bool json = false;
	int option;

	while ((option = getopt_long(count, words, "+h", options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return (int)flush_output(COMMAND_DONE);
		case 'v':
			puts("virtfs-proxyctl " VERSION);
			return (int)flush_output(COMMAND_DONE);
		default:
			fputs("Try 'virtfs-proxyctl --help'.\n", stderr);
			return COMMAND_USAGE;
		}
	}
	if (optind == count) {
		fputs("virtfs-proxyctl: say what to do: COMMAND\nTry 'virtfs-proxyctl --help'.\n", stderr);
		return COMMAND_USAGE;
	}
	return (int)run(count - optind, words + optind, json);
}

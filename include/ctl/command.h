/* SPDX-License-Identifier: MIT */
/*
 * The commands of virtfs-proxyctl: a row each in main.c's table, a function each in the file of its group. A command
 * reads its own options with command_option() and says what is wrong with command_wrong().
 */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include <getopt.h>
#include <stdbool.h>

/* What the program exits with. */
enum command_status {
	COMMAND_DONE = 0,
	COMMAND_REFUSED = 1,   /* the helper answered an error, or what was read makes no sense */
	COMMAND_USAGE = 2,     /* the command line makes no sense */
	COMMAND_TRANSPORT = 3, /* a connection, or the output, failed */
};

struct command_line;

struct command {
	const char *name;
	const char *arguments; /* its usage, behind the name */
	const char *summary;   /* for the list of commands */
	const char *help;      /* further lines of --help, or NULL */
	enum command_status (*run)(struct command_line *line);
};

/* The words of a command. `json` may have been given before its name, too. */
struct command_line {
	const struct command *command;
	int count;    /* words[0] is the command's name; once the options are read, words[0] is the first argument */
	char **words;
	bool json;
	bool begun;   /* options have been read */
	enum command_status status;
};

/* The options that each command has; to stand first in a command's array, which ends with COMMAND_OPTIONS_END. */
#define COMMAND_OPTIONS     { "help", no_argument, NULL, 'h' }, { "json", no_argument, NULL, 'j' }
#define COMMAND_OPTIONS_END { NULL, 0, NULL, 0 }

#define COMMAND_OPTIONS_OVER 0    /* what is left in `words` are arguments */
#define COMMAND_OPTIONS_STOP (-1) /* return line->status */

/*
 * The next option of the command's own, as getopt_long(3) returns it, its value in optarg; or one of the two above.
 * Options stand before the arguments, so that an argument may begin with '-'.
 */
int command_option(struct command_line *line, const struct option *options);

/* For a command that has no options of its own: whether to go on, with `least` to `most` arguments. */
bool command_arguments(struct command_line *line, const struct option *options, int least, int most);

/* Says that there are too few or too many arguments, if so. */
bool command_counted(struct command_line *line, int least, int most);

/* "virtfs-proxyctl: COMMAND: what is wrong", on the standard error; the first also points to --help. */
enum command_status command_wrong(const struct command_line *line, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void command_failed(const struct command_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

extern const struct command command_helper_status, command_metrics, command_reload, command_restart_worker,
	command_top;
extern const struct command command_call;
extern const struct command command_ls, command_cat, command_put, command_stat, command_getfattr;
extern const struct command command_encode, command_decode;
extern const struct command command_trace;

#endif

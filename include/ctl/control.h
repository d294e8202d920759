/* SPDX-License-Identifier: MIT */
/* Asking a helper through its control socket. */
#ifndef CTL_CONTROL_H
#define CTL_CONTROL_H

#include <stddef.h>

#include "ctl/command.h"

#define CONTROL_ENVIRONMENT "VIRTFS_PROXY_CONTROL"

/* The socket that a command means: its argument or, without one, the environment's; NULL, after saying so, if neither. */
const char *control_path(const struct command_line *line, int argument);

/*
 * Sends the line `command` to the socket `path`, and takes the whole answer, terminated, which is the caller's to free.
 * Returns 0 or -errno; -EPROTO: the helper answered that it cannot.
 */
int control_ask(const char *path, const char *command, char **answer);

/*
 * The same for a command of the program whose one argument may be the socket. The answer, which is the caller's to free;
 * or NULL, after saying what is wrong, with line->status set.
 */
char *control_fetch(struct command_line *line, const char *command);

/* Prints the answer as it is. */
enum command_status control_print(struct command_line *line, const char *command);

/* For a command that has the helper do something: prints the one line that it answers, as an error if it is one. */
enum command_status control_order(struct command_line *line, const char *command);

#endif

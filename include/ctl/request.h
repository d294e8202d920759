/* SPDX-License-Identifier: MIT */
/* A request from a command line, for the commands that take OPERATION ARGUMENT... */
#ifndef CTL_REQUEST_H
#define CTL_REQUEST_H

#include "ctl/command.h"

#include <proxyfs/protocol.h>

/* COMMAND_DONE, or COMMAND_USAGE: what is wrong, and the operation's usage, have been said. */
enum command_status request_read(const struct command_line *line, const char *operation, int count, char **words,
                                 struct proxyfs_request *request);

/* A line each: its usage, or a JSON object with what the library's table says. */
void request_list_operations(bool json);

#endif

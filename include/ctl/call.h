/* SPDX-License-Identifier: MIT */
/* One request to a helper, and what came back. */
#ifndef CTL_CALL_H
#define CTL_CALL_H

#include <proxyfs/client.h>
#include <proxyfs/protocol.h>

#include "ctl/command.h"

struct call {
	const struct command_line *line;
	struct proxyfs_client *client;
	struct proxyfs_request request;
	struct proxyfs_reply reply; /* its bytes are the client's, until the next request */
	int fd;                     /* what came with it, or -1 */
};

/* Connects. COMMAND_TRANSPORT: what is wrong has been said. call_finish() is due in either case. */
enum command_status call_start(struct call *call, const struct command_line *line, const char *socket);

/*
 * Sends call->request. COMMAND_DONE: the helper did it. COMMAND_REFUSED: it answered an error, which has been printed,
 * on the standard error or as JSON. Otherwise what is wrong has been said.
 */
enum command_status call_send(struct call *call);

/* The exchange as a JSON object, with what its descriptor holds, if that is known. */
void call_print_object(const struct call *call, const struct proxyfs_bytes *names, const struct proxyfs_bytes *contents);

/* What the descriptor holds: the names in a directory, or the bytes of a file. */
enum command_status call_print_contents(struct call *call);

void call_finish(struct call *call);

#endif

/* SPDX-License-Identifier: MIT */
#include "ctl/call.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/contents.h"
#include "ctl/escape.h"
#include "ctl/print.h"
#include "ctl/request.h"
#include "ctl/values.h"

enum command_status call_start(struct call *call, const struct command_line *line, const char *socket)
{
	int error;

	*call = (struct call){ .line = line, .fd = -1 };
	error = proxyfs_client_connect(socket, &call->client);
	if (!error)
		return COMMAND_DONE;
	command_failed(line, "cannot connect to %s: %s", socket, strerror(-error));
	return COMMAND_TRANSPORT;
}

void call_finish(struct call *call)
{
	proxyfs_client_close(call->client);
	if (call->fd >= 0)
		close(call->fd);
	call->client = NULL;
	call->fd = -1;
}

void call_print_object(const struct call *call, const struct proxyfs_bytes *names, const struct proxyfs_bytes *contents)
{
	print_exchange(stdout, true, &(struct print_exchange){
		.op = call->request.op, .request = &call->request, .reply = &call->reply, .names = names,
		.contents = contents, .descriptor = call->fd < 0 ? NULL : contents_kind(call->fd) });
}

static enum command_status say_refusal(const struct call *call)
{
	if (call->line->json) {
		call_print_object(call, NULL, NULL);
		return COMMAND_REFUSED;
	}
	fprintf(stderr, "virtfs-proxyctl: %s: ", proxyfs_op_name(call->request.op));
	print_status(stderr, call->reply.status);
	fputc('\n', stderr);
	return COMMAND_REFUSED;
}

static enum command_status say_transport(const struct call *call, int error)
{
	if (error == -EPROTO)
		command_failed(call->line, "the reply makes no sense");
	else if (error == -ECONNRESET || error == -EPIPE)
		command_failed(call->line, "the connection was cut before a reply came: %s", strerror(-error));
	else
		command_failed(call->line, "no reply: %s", strerror(-error));
	return COMMAND_TRANSPORT;
}

enum command_status call_send(struct call *call)
{
	int error;

	if (call->fd >= 0)
		close(call->fd);
	error = proxyfs_call(call->client, &call->request, &call->reply, &call->fd);
	if (error && proxyfs_client_error(call->client))
		return say_transport(call, error);
	if (error)
		return command_wrong(call->line, "the request does not fit into a message");
	return call->reply.status ? say_refusal(call) : COMMAND_DONE;
}

/* A directory's. */
static int print_names(struct call *call)
{
	struct proxyfs_bytes names, left;
	int error = contents_names(call->fd, &names);

	if (error)
		return error;
	if (call->line->json) {
		call_print_object(call, &names, NULL);
	} else {
		for (left = names; left.size > 0; fputc('\n', stdout))
			escape_plain(stdout, values_next_name(&left));
	}
	free((char *)(uintptr_t)names.data);
	return 0;
}

static int print_bytes(struct call *call)
{
	struct proxyfs_bytes contents;
	int error;

	if (!call->line->json) {
		fflush(stdout);
		return contents_copy(call->fd, STDOUT_FILENO);
	}
	error = contents_read(call->fd, &contents);
	if (!error)
		call_print_object(call, NULL, &contents);
	free((char *)(uintptr_t)contents.data);
	return error;
}

enum command_status call_print_contents(struct call *call)
{
	int error = contents_is_directory(call->fd) ? print_names(call) : print_bytes(call);

	if (!error)
		return COMMAND_DONE;
	command_failed(call->line, "cannot read what came back: %s", strerror(-error));
	return COMMAND_TRANSPORT;
}

/* For people: the fields, one a line; what a status says is said by the exit status. */
static void print_result(const struct call *call)
{
	if (call->line->json)
		call_print_object(call, NULL, NULL);
	else if (call->fd >= 0)
		printf("descriptor: %s\n", contents_kind(call->fd));
	else
		print_fields(stdout, call->request.op, &call->reply);
}

enum { OPTION_CONTENTS = 'c' };

static const struct option options[] = {
	COMMAND_OPTIONS,
	{ "contents", no_argument, NULL, OPTION_CONTENTS },
	COMMAND_OPTIONS_END,
};

static enum command_status run_call(struct command_line *line)
{
	struct proxyfs_request request;
	enum command_status status;
	struct call call;
	bool contents = false;
	int option;

	while ((option = command_option(line, options)) == OPTION_CONTENTS)
		contents = true;
	if (option == COMMAND_OPTIONS_STOP || !command_counted(line, 2, INT_MAX))
		return line->status;
	status = request_read(line, line->words[1], line->count - 2, line->words + 2, &request);
	if (status != COMMAND_DONE)
		return status;

	status = call_start(&call, line, line->words[0]);
	if (status == COMMAND_DONE) {
		call.request = request;
		status = call_send(&call);
	}
	if (status == COMMAND_DONE && contents && call.fd >= 0)
		status = call_print_contents(&call);
	else if (status == COMMAND_DONE)
		print_result(&call);
	call_finish(&call);
	return status;
}

const struct command command_call = {
	"call", "[--json] [--contents] SOCKET OPERATION [ARGUMENT...]", "Send one request and print the reply",
	"  --contents  list the directory, or print the file, whose descriptor came back\n"
	"\n"
	"'virtfs-proxyctl encode --list' lists the operations and their arguments.\n",
	run_call,
};

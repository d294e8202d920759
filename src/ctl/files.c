/* SPDX-License-Identifier: MIT */
/* Short forms of what one asks most: they read and write as the guest would, through the descriptor that is passed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/call.h"
#include "ctl/contents.h"
#include "ctl/escape.h"
#include "ctl/print.h"
#include "ctl/values.h"

static const struct option plain_options[] = { COMMAND_OPTIONS, COMMAND_OPTIONS_END };

static struct proxyfs_bytes text(const char *string)
{
	return (struct proxyfs_bytes){ string, strlen(string) };
}

/* Connects, sends, and lets `print` say what came back. */
static enum command_status exchange(const struct command_line *line, const struct proxyfs_request *request,
                                    enum command_status (*print)(struct call *call))
{
	struct call call;
	enum command_status status = call_start(&call, line, line->words[0]);

	if (status == COMMAND_DONE) {
		call.request = *request;
		status = call_send(&call);
	}
	if (status == COMMAND_DONE)
		status = print(&call);
	call_finish(&call);
	return status;
}

static enum command_status run_ls(struct command_line *line)
{
	if (!command_arguments(line, plain_options, 2, 2))
		return line->status;
	return exchange(line, &(struct proxyfs_request){
		.op = PROXYFS_OPEN, .path = text(line->words[1]), .flags = O_RDONLY | O_DIRECTORY }, call_print_contents);
}

static enum command_status print_file(struct call *call)
{
	if (!contents_is_directory(call->fd))
		return call_print_contents(call);
	command_failed(call->line, "%s", strerror(EISDIR));
	return COMMAND_REFUSED;
}

static enum command_status run_cat(struct command_line *line)
{
	if (!command_arguments(line, plain_options, 2, 2))
		return line->status;
	return exchange(line, &(struct proxyfs_request){
		.op = PROXYFS_OPEN, .path = text(line->words[1]), .flags = O_RDONLY }, print_file);
}

static enum command_status print_reply(struct call *call)
{
	if (call->line->json)
		call_print_object(call, NULL, NULL);
	else
		print_fields(stdout, call->request.op, &call->reply);
	return COMMAND_DONE;
}

static enum command_status run_stat(struct command_line *line)
{
	if (!command_arguments(line, plain_options, 2, 2))
		return line->status;
	return exchange(line, &(struct proxyfs_request){ .op = PROXYFS_LSTAT, .path = text(line->words[1]) }, print_reply);
}

/* A name a line; or of one name, its value. */
static enum command_status print_attribute(struct call *call)
{
	struct proxyfs_bytes left = call->reply.bytes;

	if (call->line->json) {
		call_print_object(call, NULL, NULL);
	} else if (call->request.op == PROXYFS_LLISTXATTR) {
		for (; left.size > 0; fputc('\n', stdout))
			escape_plain(stdout, values_next_name(&left));
	} else {
		escape_quoted(stdout, left);
		fputc('\n', stdout);
	}
	return COMMAND_DONE;
}

static enum command_status run_getfattr(struct command_line *line)
{
	struct proxyfs_request request = { .op = PROXYFS_LLISTXATTR, .size = PROXYFS_PAYLOAD_MAX };

	if (!command_arguments(line, plain_options, 2, 3))
		return line->status;
	request.path = text(line->words[1]);
	if (line->count == 3) {
		request.op = PROXYFS_LGETXATTR;
		request.name = text(line->words[2]);
	}
	return exchange(line, &request, print_attribute);
}

/* put */

static const struct option put_options[] = {
	COMMAND_OPTIONS,
	{ "mode", required_argument, NULL, 'm' },
	{ "uid", required_argument, NULL, 'u' },
	{ "gid", required_argument, NULL, 'g' },
	COMMAND_OPTIONS_END,
};

/* The options as the fields of a CREATE of these names. */
static enum command_status read_put_option(const struct command_line *line, int option, struct proxyfs_request *request)
{
	const struct option *given = put_options;
	const struct proxyfs_field *field = proxyfs_request_fields(PROXYFS_CREATE);
	const char *expected;

	while (given->val != option)
		given++;
	while (strcmp(field->name, given->name) != 0)
		field++;
	expected = values_read(PROXYFS_CREATE, field, optarg, (char *)request + field->offset);
	return expected ? command_wrong(line, "--%s '%s': give %s", given->name, optarg, expected) : COMMAND_DONE;
}

/* What is put: the file's descriptor, that of the standard input, or a negative errno. */
static int open_source(const char *name)
{
	int fd = !strcmp(name, "-") ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static enum command_status put(const struct command_line *line, struct proxyfs_request *request, int source)
{
	struct call call;
	enum command_status status = call_start(&call, line, line->words[0]);
	int error = 0;

	if (status == COMMAND_DONE) {
		call.request = *request;
		status = call_send(&call);
	}
	if (status == COMMAND_DONE)
		error = contents_copy(source, call.fd);
	if (error) {
		command_failed(line, "cannot write the file: %s", strerror(-error));
		status = COMMAND_TRANSPORT;
	} else if (status == COMMAND_DONE && line->json) {
		call_print_object(&call, NULL, NULL);
	}
	call_finish(&call);
	return status;
}

static enum command_status run_put(struct command_line *line)
{
	struct proxyfs_request request = { .op = PROXYFS_CREATE, .flags = O_WRONLY | O_CREAT | O_TRUNC, .mode = 0644 };
	enum command_status status = COMMAND_DONE;
	int option, source;

	while (status == COMMAND_DONE && (option = command_option(line, put_options)) > COMMAND_OPTIONS_OVER)
		status = read_put_option(line, option, &request);
	if (status != COMMAND_DONE)
		return status;
	if (option == COMMAND_OPTIONS_STOP || !command_counted(line, 2, 3))
		return line->status;

	source = open_source(line->count == 3 ? line->words[2] : "-");
	if (source < 0) {
		command_failed(line, "%s: %s", line->words[2], strerror(-source));
		return COMMAND_USAGE;
	}
	request.path = text(line->words[1]);
	status = put(line, &request, source);
	close(source);
	return status;
}

const struct command command_ls = { "ls", "[--json] SOCKET PATH", "List a directory of the export", NULL, run_ls };

const struct command command_cat = { "cat", "[--json] SOCKET PATH", "Print a file of the export, as it is", NULL, run_cat };

const struct command command_stat = { "stat", "[--json] SOCKET PATH", "Print the attributes of an object", NULL, run_stat };

const struct command command_getfattr = {
	"getfattr", "[--json] SOCKET PATH [NAME]", "List extended attributes, or print the value of one", NULL, run_getfattr,
};

const struct command command_put = {
	"put", "[--json] [--mode MODE] [--uid UID] [--gid GID] SOCKET PATH [FILE|-]",
	"Write a file of the export, from a file here or the standard input",
	"  --mode MODE  of a file that is made, in octal (644)\n"
	"  --uid UID    its owner (0)\n"
	"  --gid GID    its group (0)\n",
	run_put,
};

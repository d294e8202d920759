/* SPDX-License-Identifier: MIT */
/*
 * Filters between words and wire bytes, for socat and the like. A reply does not say what it answers, so that the
 * operations come from the command line; and of a descriptor, only its int can come through a pipe.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <proxyfs/codec.h>

#include "ctl/command.h"
#include "ctl/print.h"
#include "ctl/request.h"
#include "ctl/symbols.h"

/* encode */

static const struct option encode_options[] = { COMMAND_OPTIONS, { "list", no_argument, NULL, 'l' }, COMMAND_OPTIONS_END };

static enum command_status run_encode(struct command_line *line)
{
	char message[PROXYFS_MESSAGE_MAX];
	struct proxyfs_request request;
	enum command_status status;
	bool list = false;
	ssize_t size;
	int option;

	while ((option = command_option(line, encode_options)) == 'l')
		list = true;
	if (option == COMMAND_OPTIONS_STOP || !command_counted(line, !list, list ? 0 : INT_MAX))
		return line->status;
	if (list) {
		request_list_operations(line->json);
		return COMMAND_DONE;
	}
	status = request_read(line, line->words[0], line->count - 1, line->words + 1, &request);
	if (status != COMMAND_DONE)
		return status;
	size = proxyfs_encode_request(&request, message, sizeof message);
	if (size < 0)
		return command_wrong(line, "the request does not fit into a message");
	fwrite(message, 1, (size_t)size, stdout);
	return COMMAND_DONE;
}

/* decode */

struct input {
	char bytes[PROXYFS_MESSAGE_MAX]; /* of the message that is being read */
	size_t have;
	uint64_t at; /* how many bytes of input came before them */
};

struct decoder {
	const struct command_line *line;
	struct input input;
	enum command_status status; /* the worst so far */
	int operations;             /* words, the last one of which repeats */
	char **operation;
};

static enum command_status garbage(struct decoder *decoder, const char *what)
{
	fflush(stdout); /* in the order in which it was found */
	command_failed(decoder->line, "byte %" PRIu64 ": %s", decoder->input.at, what);
	return decoder->status = COMMAND_REFUSED;
}

/* Reads until there are `size` bytes, at most a message, or the input ends. Whether there are as many. */
static bool input_need(struct input *input, size_t size)
{
	while (input->have < size) {
		ssize_t got = read(STDIN_FILENO, input->bytes + input->have, size - input->have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		input->have += (size_t)got;
	}
	return true;
}

static void input_next(struct input *input)
{
	input->at += input->have;
	input->have = 0;
}

static void cut_short(struct decoder *decoder, size_t size)
{
	char what[100];

	snprintf(what, sizeof what, "the input ends after %zu bytes of a message of %zu or more", decoder->input.have, size);
	garbage(decoder, what);
}

/* A whole request in the input. What is wrong with its payload alone does not keep the next from being found. */
static void print_request(struct decoder *decoder, const struct proxyfs_header *header)
{
	struct proxyfs_request request;
	int error = proxyfs_decode_request(header->type, decoder->input.bytes + PROXYFS_HEADER_SIZE, header->size, &request);
	struct print_exchange exchange = { .op = header->type };

	if (!error)
		exchange.request = &request;
	else if (error == -ENOBUFS)
		exchange.fault = "the payload is shorter than its fields";
	else
		exchange.fault = "a path or name has a NUL inside";
	print_exchange(stdout, decoder->line->json, &exchange);
	if (exchange.fault)
		garbage(decoder, exchange.fault);
}

/* Whether to go on. */
static bool decode_request(struct decoder *decoder)
{
	struct input *input = &decoder->input;
	struct proxyfs_header header;
	int error;

	if (!input_need(input, PROXYFS_HEADER_SIZE)) {
		if (input->have > 0)
			cut_short(decoder, PROXYFS_HEADER_SIZE);
		return false;
	}
	error = proxyfs_decode_header(input->bytes, &header);
	if (error) {
		garbage(decoder, error == -EPROTO ? "no operation has this type" : "the payload would be larger than 65536 bytes");
		return false;
	}
	if (!input_need(input, PROXYFS_HEADER_SIZE + header.size)) {
		cut_short(decoder, PROXYFS_HEADER_SIZE + header.size);
		return false;
	}
	print_request(decoder, &header);
	input_next(input);
	return true;
}

/*
 * A reply with a value and one with its length alone look alike but for the request's size, which is not known here:
 * what is a value is taken for one. Two NULs and the length 2 are the same bytes; a length is likelier.
 */
static int decode_sized(struct proxyfs_request *request, const struct input *input, struct proxyfs_reply *reply)
{
	int error;

	request->size = PROXYFS_PAYLOAD_MAX;
	error = proxyfs_decode_reply(request, input->bytes, input->have, reply);
	if (error || (reply->bytes.size == 2 && !memcmp(reply->bytes.data, "\0", 2))) {
		request->size = 0;
		error = proxyfs_decode_reply(request, input->bytes, input->have, reply);
	}
	return error;
}

static bool reply_arrives(struct decoder *decoder, enum proxyfs_op op)
{
	struct input *input = &decoder->input;
	ssize_t size;

	while ((size = proxyfs_reply_size(op, input->bytes, input->have)) > (ssize_t)input->have) {
		if (input_need(input, (size_t)size))
			continue;
		if (input->have > 0)
			cut_short(decoder, (size_t)size);
		return false;
	}
	if (size < 0)
		garbage(decoder, "this is no header of a reply");
	return size > 0;
}

static bool decode_reply(struct decoder *decoder, enum proxyfs_op op)
{
	struct proxyfs_request request = { .op = op };
	struct proxyfs_reply reply;
	char what[60];

	if (!reply_arrives(decoder, op))
		return false;
	if (decode_sized(&request, &decoder->input, &reply)) {
		snprintf(what, sizeof what, "this is no reply to %s", proxyfs_op_name(op));
		garbage(decoder, what);
		return false;
	}
	print_exchange(stdout, decoder->line->json, &(struct print_exchange){ .op = op, .reply = &reply });
	input_next(&decoder->input);
	return true;
}

static enum command_status decode_replies(struct decoder *decoder)
{
	enum proxyfs_op op;

	for (int i = 0; i < decoder->operations; i++)
		if (!symbols_operation(decoder->operation[i], &op))
			return command_wrong(decoder->line, "there is no operation '%s'", decoder->operation[i]);
	for (int i = 0; symbols_operation(decoder->operation[i], &op) && decode_reply(decoder, op);)
		i += i + 1 < decoder->operations;
	return decoder->status;
}

static const struct option decode_options[] = {
	COMMAND_OPTIONS,
	{ "requests", no_argument, NULL, 'q' },
	{ "replies", no_argument, NULL, 'r' },
	COMMAND_OPTIONS_END,
};

static enum command_status run_decode(struct command_line *line)
{
	static struct decoder decoder;
	bool replies = false;
	int option;

	while ((option = command_option(line, decode_options)) > COMMAND_OPTIONS_OVER)
		replies = option == 'r';
	if (option == COMMAND_OPTIONS_STOP || !command_counted(line, replies, replies ? INT_MAX : 0))
		return line->status;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	decoder = (struct decoder){ .line = line, .operations = line->count, .operation = line->words };
	if (replies)
		return decode_replies(&decoder);
	while (decode_request(&decoder))
		;
	return decoder.status;
}

const struct command command_encode = {
	"encode", "[[--json] --list] OPERATION [ARGUMENT...]", "Write the bytes of a request to the standard output",
	"  --list  the operations and their arguments\n"
	"\n"
	"An argument is NAME=VALUE or, in the order of the list, a value alone.\n",
	run_encode,
};

const struct command command_decode = {
	"decode", "[--json] [--requests | --replies OPERATION...]", "Print the messages on the standard input",
	"  --requests  they are requests, if nothing else is said\n"
	"  --replies   they are the replies to these operations, the last one repeated\n",
	run_decode,
};

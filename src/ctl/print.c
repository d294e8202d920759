/* SPDX-License-Identifier: MIT */
#include "ctl/print.h"

#include <inttypes.h>
#include <string.h>

#include <proxyfs/fields.h>

#include "ctl/escape.h"
#include "ctl/symbols.h"
#include "ctl/values.h"

static struct proxyfs_bytes literal(const char *text)
{
	return (struct proxyfs_bytes){ text, strlen(text) };
}

void print_status(FILE *out, int status)
{
	symbols_print_errno(out, -status);
	fprintf(out, ": %s", strerror(-status));
}

/* For people */

/* NAME=VALUE for each field, or NAME: VALUE; a time is one. */
static void print_text_fields(FILE *out, enum proxyfs_op op, const struct proxyfs_field *fields, const void *object,
                              const char *sign, const char *between, const char *end)
{
	const char *before = "";

	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++) {
		size_t stem = values_time_stem(field->name);

		fprintf(out, "%s%.*s%s", before, (int)(stem ? stem : strlen(field->name)), field->name, sign);
		if (stem)
			values_print_time(out, field++, object);
		else
			values_print(out, op, field, object);
		fputs(end, out);
		before = between;
	}
}

static void print_text_reply(FILE *out, const struct print_exchange *exchange)
{
	const struct proxyfs_reply *reply = exchange->reply;
	const struct proxyfs_field *fields = proxyfs_reply_fields(exchange->op, reply->length_only);

	if (reply->status)
		print_status(out, reply->status);
	else if (fields)
		print_text_fields(out, exchange->op, fields, reply, "=", " ", "");
	else if (exchange->descriptor)
		fprintf(out, "descriptor (%s)", exchange->descriptor);
	else
		fputs(proxyfs_op_form(exchange->op) == PROXYFS_FORM_FD ? "descriptor" : "0", out);
}

static void print_text(FILE *out, const struct print_exchange *exchange)
{
	if (exchange->client)
		fprintf(out, "%u ", exchange->client);
	fputs(proxyfs_op_name(exchange->op), out);
	if (exchange->request) {
		fputc('(', out);
		print_text_fields(out, exchange->op, proxyfs_request_fields(exchange->op), exchange->request, "=", ", ", "");
		fputc(')', out);
	}
	if (exchange->reply || exchange->fault)
		fputs(" = ", out);
	if (exchange->reply)
		print_text_reply(out, exchange);
	if (exchange->fault)
		fprintf(out, "(%s)", exchange->fault);
	if (exchange->timed)
		fprintf(out, " %" PRIu64 " us", exchange->us);
	fputc('\n', out);
}

void print_fields(FILE *out, enum proxyfs_op op, const struct proxyfs_reply *reply)
{
	const struct proxyfs_field *fields = proxyfs_reply_fields(op, reply->length_only);

	if (fields)
		print_text_fields(out, op, fields, reply, ": ", "", "\n");
}

/* For programs */

void print_json_string(FILE *out, const char *name, struct proxyfs_bytes text)
{
	fprintf(out, "\"%s\":", name);
	escape_json(out, text);
	if (!escape_is_utf8(text)) {
		fprintf(out, ",\"%s_hex\":\"", name);
		escape_hex(out, text);
		fputc('"', out);
	}
}

static void print_json_number(FILE *out, const struct proxyfs_field *field, const void *object)
{
	uint64_t number = values_number(field, object);

	fprintf(out, "\"%s\":", field->name);
	if (values_is_signed(field))
		fprintf(out, "%" PRId64, (int64_t)number);
	else
		fprintf(out, "%" PRIu64, number);
}

/* Names that a NUL ends each, as an array; and again in hexadecimal digits, if one of them is not UTF-8. */
static void print_json_names(FILE *out, struct proxyfs_bytes names)
{
	struct proxyfs_bytes left = names;
	const char *before;

	fputs("\"names\":[", out);
	for (before = ""; left.size > 0; before = ",") {
		fputs(before, out);
		escape_json(out, values_next_name(&left));
	}
	fputc(']', out);
	if (escape_is_utf8(names))
		return;

	fputs(",\"names_hex\":[", out);
	for (before = ""; names.size > 0; before = ",") {
		fprintf(out, "%s\"", before);
		escape_hex(out, values_next_name(&names));
		fputc('"', out);
	}
	fputc(']', out);
}

static void print_json_fields(FILE *out, const char *name, const struct proxyfs_field *fields, const void *object)
{
	fprintf(out, ",\"%s\":{", name);
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++) {
		if (field != fields)
			fputc(',', out);
		if (values_is_names(field))
			print_json_names(out, values_bytes(field, object));
		else if (values_is_bytes(field))
			print_json_string(out, field->name, values_bytes(field, object));
		else
			print_json_number(out, field, object);
	}
	fputc('}', out);
}

static void print_json_error(FILE *out, int status)
{
	fprintf(out, ",\"status\":%d,\"error\":\"", status);
	symbols_print_errno(out, -status);
	fputs("\",", out);
	print_json_string(out, "message", literal(strerror(-status)));
}

static void print_json_reply(FILE *out, const struct print_exchange *exchange)
{
	const struct proxyfs_reply *reply = exchange->reply;
	const struct proxyfs_field *fields = proxyfs_reply_fields(exchange->op, reply->length_only);

	if (reply->status) {
		print_json_error(out, reply->status);
		return;
	}
	fputs(",\"status\":0", out);
	if (fields)
		print_json_fields(out, "reply", fields, reply);
}

/* What the descriptor is and holds. */
static void print_json_descriptor(FILE *out, const struct print_exchange *exchange)
{
	if (exchange->descriptor) {
		fputc(',', out);
		print_json_string(out, "descriptor", literal(exchange->descriptor));
	}
	if (exchange->names) {
		fputc(',', out);
		print_json_names(out, *exchange->names);
	}
	if (exchange->contents) {
		fputc(',', out);
		print_json_string(out, "contents", *exchange->contents);
	}
}

static void print_json(FILE *out, const struct print_exchange *exchange)
{
	fputc('{', out);
	if (exchange->client)
		fprintf(out, "\"client\":%u,", exchange->client);
	print_json_string(out, "operation", literal(proxyfs_op_name(exchange->op)));
	if (exchange->request)
		print_json_fields(out, "request", proxyfs_request_fields(exchange->op), exchange->request);
	if (exchange->reply)
		print_json_reply(out, exchange);
	print_json_descriptor(out, exchange);
	if (exchange->fault) {
		fputc(',', out);
		print_json_string(out, "fault", literal(exchange->fault));
	}
	if (exchange->timed)
		fprintf(out, ",\"us\":%" PRIu64, exchange->us);
	fputs("}\n", out);
}

void print_exchange(FILE *out, bool json, const struct print_exchange *exchange)
{
	if (json)
		print_json(out, exchange);
	else
		print_text(out, exchange);
}

void print_event(FILE *out, bool json, unsigned client, const char *event)
{
	fprintf(out, json ? "{\"client\":%u,\"event\":\"%s\"}\n" : "%u %s\n", client, event);
}

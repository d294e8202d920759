/* SPDX-License-Identifier: MIT */
#include <proxyfs/codec.h>

#include <errno.h>

#include "cursor.h"
#include "operations.h"

enum reply_type { REPLY_SUCCESS, REPLY_ERROR };

/* Fields to and from the members of `object`, a struct proxyfs_request or proxyfs_reply. */

static void read_fields(struct reader *reader, const struct proxyfs_field *fields, void *object)
{
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++) {
		void *member = (char *)object + field->offset;

		switch (field->kind) {
		case PROXYFS_KIND_U32:
		case PROXYFS_KIND_S32:
			reader_integer(reader, member, sizeof(uint32_t));
			break;
		case PROXYFS_KIND_U64:
		case PROXYFS_KIND_S64:
			reader_integer(reader, member, sizeof(uint64_t));
			break;
		case PROXYFS_KIND_TEXT:
		case PROXYFS_KIND_TEXT_Z:
		case PROXYFS_KIND_BYTES:
			*(struct proxyfs_bytes *)member = reader_bytes(reader);
			break;
		case PROXYFS_KIND_END:
			break;
		}
	}
}

static void write_fields(struct writer *writer, const struct proxyfs_field *fields, const void *object)
{
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++) {
		const void *member = (const char *)object + field->offset;

		switch (field->kind) {
		case PROXYFS_KIND_U32:
		case PROXYFS_KIND_S32:
			writer_put(writer, member, sizeof(uint32_t));
			break;
		case PROXYFS_KIND_U64:
		case PROXYFS_KIND_S64:
			writer_put(writer, member, sizeof(uint64_t));
			break;
		case PROXYFS_KIND_TEXT:
		case PROXYFS_KIND_TEXT_Z:
		case PROXYFS_KIND_BYTES:
			writer_bytes(writer, *(const struct proxyfs_bytes *)member, field->kind == PROXYFS_KIND_TEXT_Z);
			break;
		case PROXYFS_KIND_END:
			break;
		}
	}
}

static bool is_text(const struct proxyfs_field *field)
{
	return field->kind == PROXYFS_KIND_TEXT || field->kind == PROXYFS_KIND_TEXT_Z;
}

static bool holds_nul(struct proxyfs_bytes text)
{
	return text.size > 0 && memchr(text.data, '\0', text.size);
}

/* Whether any path, target or name in `object`, a request or a reply, has a NUL inside. */
static bool texts_hold_nul(const struct proxyfs_field *fields, const void *object)
{
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++)
		if (is_text(field) &&
		    holds_nul(*(const struct proxyfs_bytes *)(const void *)((const char *)object + field->offset)))
			return true;
	return false;
}

static void strip_trailing_nuls(const struct proxyfs_field *fields, struct proxyfs_request *request)
{
	for (const struct proxyfs_field *field = fields; field->kind != PROXYFS_KIND_END; field++) {
		struct proxyfs_bytes *text = (void *)((char *)request + field->offset);

		if (is_text(field) && text->size > 0 && text->data[text->size - 1] == '\0')
			text->size--;
	}
}

int proxyfs_decode_header(const void *bytes, struct proxyfs_header *header)
{
	memcpy(&header->type, bytes, sizeof header->type);
	memcpy(&header->size, (const char *)bytes + sizeof header->type, sizeof header->size);

	if (!operation_find(header->type))
		return -EPROTO;
	return header->size > PROXYFS_PAYLOAD_MAX ? -EMSGSIZE : 0;
}

int proxyfs_decode_request(enum proxyfs_op op, const void *payload, size_t size, struct proxyfs_request *request)
{
	const struct proxyfs_field *fields = operation_find(op)->request;
	struct reader reader = { payload, size, false };

	*request = (struct proxyfs_request){ .op = op };
	read_fields(&reader, fields, request);
	if (reader.short_of)
		return -ENOBUFS;

	strip_trailing_nuls(fields, request);
	return texts_hold_nul(fields, request) ? -EINVAL : 0;
}

ssize_t proxyfs_encode_request(const struct proxyfs_request *request, void *buffer, size_t size)
{
	const struct operation *operation = operation_find(request->op);
	struct writer header = { buffer, size, false };
	struct writer payload;
	size_t used;

	if (!operation || texts_hold_nul(operation->request, request))
		return -EINVAL;
	if (size < PROXYFS_HEADER_SIZE)
		return -ENOBUFS;

	payload = (struct writer){ (char *)buffer + PROXYFS_HEADER_SIZE, size - PROXYFS_HEADER_SIZE, false };
	write_fields(&payload, operation->request, request);
	used = size - PROXYFS_HEADER_SIZE - payload.left;
	if (payload.short_of || used > PROXYFS_PAYLOAD_MAX)
		return -ENOBUFS;

	writer_u32(&header, request->op);
	writer_u32(&header, (uint32_t)used);
	return (ssize_t)(PROXYFS_HEADER_SIZE + used);
}

static ssize_t writer_used(const struct writer *writer, size_t size)
{
	return writer->short_of ? -ENOBUFS : (ssize_t)(size - writer->left);
}

/* A handler's slip must not become another answer: a positive status could say that a descriptor follows. */
static int32_t sane_status(int32_t status)
{
	return status > 0 ? -EIO : status;
}

/* The 12 bytes of a status, which are also those of a failed data reply. */
static ssize_t encode_status(int32_t status, void *buffer, size_t size)
{
	struct writer writer = { buffer, size, false };

	writer_u32(&writer, status ? REPLY_ERROR : REPLY_SUCCESS);
	writer_u32(&writer, sizeof status);
	writer_put(&writer, &status, sizeof status);
	return writer_used(&writer, size);
}

static ssize_t encode_fd(int32_t status, void *buffer, size_t size)
{
	struct writer writer = { buffer, size, false };

	writer_u32(&writer, status ? (uint32_t)status : PROXYFS_FD_FOLLOWS);
	return writer_used(&writer, size);
}

static ssize_t encode_data(enum proxyfs_op op, const struct proxyfs_reply *reply, void *buffer, size_t size)
{
	struct writer header = { buffer, size, false };
	struct writer payload;
	size_t used;

	if (size < PROXYFS_HEADER_SIZE)
		return -ENOBUFS;
	payload = (struct writer){ (char *)buffer + PROXYFS_HEADER_SIZE, size - PROXYFS_HEADER_SIZE, false };
	write_fields(&payload, proxyfs_reply_fields(op, reply->length_only), reply);
	used = size - PROXYFS_HEADER_SIZE - payload.left;
	if (payload.short_of || used > PROXYFS_PAYLOAD_MAX)
		return -ENOBUFS;

	writer_u32(&header, REPLY_SUCCESS);
	writer_u32(&header, (uint32_t)used);
	return (ssize_t)(PROXYFS_HEADER_SIZE + used);
}

ssize_t proxyfs_encode_reply(enum proxyfs_op op, const struct proxyfs_reply *reply, void *buffer, size_t size)
{
	enum proxyfs_form form = proxyfs_op_form(op);
	int32_t status = sane_status(reply->status);

	if (form == PROXYFS_FORM_FD)
		return encode_fd(status, buffer, size);
	if (form == PROXYFS_FORM_STATUS || status)
		return encode_status(status, buffer, size);
	return encode_data(op, reply, buffer, size);
}

/* An error is a negative errno; nothing else may stand in its place. */
static int accept_status(int32_t status, struct proxyfs_reply *reply)
{
	reply->status = status;
	return status <= 0 && status > -4096 ? 0 : -EPROTO;
}

static int decode_fd(struct reader *reader, struct proxyfs_reply *reply)
{
	int32_t status = 0;

	reader_integer(reader, &status, sizeof status);
	if (reader->short_of || reader->left || status == 0)
		return -EPROTO;
	return status == PROXYFS_FD_FOLLOWS ? 0 : accept_status(status, reply);
}

ssize_t proxyfs_reply_size(enum proxyfs_op op, const void *bytes, size_t size)
{
	struct reader reader = { bytes, size, false };
	struct proxyfs_header header = { 0, 0 };

	if (proxyfs_op_form(op) == PROXYFS_FORM_FD)
		return sizeof(int32_t);
	reader_integer(&reader, &header.type, sizeof header.type);
	reader_integer(&reader, &header.size, sizeof header.size);
	if (reader.short_of)
		return PROXYFS_HEADER_SIZE;
	if (header.type > REPLY_ERROR || header.size > PROXYFS_PAYLOAD_MAX)
		return -EPROTO;
	return (ssize_t)(PROXYFS_HEADER_SIZE + header.size);
}

int proxyfs_decode_reply(const struct proxyfs_request *request, const void *bytes, size_t size,
                         struct proxyfs_reply *reply)
{
	enum proxyfs_form form = proxyfs_op_form(request->op);
	struct reader reader = { bytes, size, false };
	struct proxyfs_header header = { 0, 0 };
	int32_t status = 0;

	*reply = (struct proxyfs_reply){ .status = 0 };
	if (form == PROXYFS_FORM_FD)
		return decode_fd(&reader, reply);

	reader_integer(&reader, &header.type, sizeof header.type);
	reader_integer(&reader, &header.size, sizeof header.size);
	if (reader.short_of || header.type > REPLY_ERROR || header.size != reader.left)
		return -EPROTO;

	if (form == PROXYFS_FORM_DATA && header.type == REPLY_SUCCESS) {
		const struct proxyfs_field *fields;

		reply->length_only = operation_may_ask_for_length(request->op) && request->size == 0;
		fields = proxyfs_reply_fields(request->op, reply->length_only);
		read_fields(&reader, fields, reply);
		return reader.short_of || reader.left || texts_hold_nul(fields, reply) ? -EPROTO : 0;
	}

	reader_integer(&reader, &status, sizeof status);
	if (reader.short_of || reader.left || (form == PROXYFS_FORM_DATA && status == 0))
		return -EPROTO;
	return accept_status(status, reply);
}

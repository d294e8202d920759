/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <errno.h>
#include <string.h>

#define STAT_SIZE   116U
#define STATFS_SIZE 88U

/* A request's fields: d 32 bits, q 64 bits, s text, b binary, r 32 bits which are the room that the client has. */
static const struct {
	const char *fields;
	enum model_form form;
	char success; /* of a data reply: one field like these, or S stat, F statfs, r length or binary */
} operations[MODEL_OP_LAST + 1] = {
	[2] = { "sd", MODEL_FD, 0 },         [3] = { "sdddd", MODEL_FD, 0 },   [4] = { "ddsdq", MODEL_STATUS, 0 },
	[5] = { "ddsd", MODEL_STATUS, 0 },   [6] = { "ddss", MODEL_STATUS, 0 }, [7] = { "ss", MODEL_STATUS, 0 },
	[8] = { "s", MODEL_DATA, 'S' },      [9] = { "sr", MODEL_DATA, 's' },  [10] = { "s", MODEL_DATA, 'F' },
	[11] = { "sd", MODEL_STATUS, 0 },    [12] = { "sdd", MODEL_STATUS, 0 }, [13] = { "sq", MODEL_STATUS, 0 },
	[14] = { "sqqqq", MODEL_STATUS, 0 }, [15] = { "ss", MODEL_STATUS, 0 }, [16] = { "s", MODEL_STATUS, 0 },
	[17] = { "rss", MODEL_DATA, 'r' },   [18] = { "rs", MODEL_DATA, 'r' }, [19] = { "ssbdd", MODEL_STATUS, 0 },
	[20] = { "ss", MODEL_STATUS, 0 },    [21] = { "s", MODEL_DATA, 'q' },
};

static uint16_t u16_at(const uint8_t *bytes)
{
	uint16_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static uint32_t u32_at(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

bool model_is_op(uint32_t type)
{
	return type >= MODEL_OP_FIRST && type <= MODEL_OP_LAST;
}

enum model_form model_form(uint32_t op)
{
	return operations[op].form;
}

uint32_t model_any_op(uint32_t number)
{
	return model_is_op(number) ? number : MODEL_OP_FIRST + number % (MODEL_OP_LAST - MODEL_OP_FIRST + 1);
}

int model_judge_header(uint32_t type, uint32_t size)
{
	if (!model_is_op(type))
		return -EPROTO;
	return size > MODEL_PAYLOAD_MAX ? -EMSGSIZE : 0;
}

static bool holds_nul(const uint8_t *text, size_t size)
{
	if (size > 0 && text[size - 1] == 0)
		size--;
	return size > 0 && memchr(text, 0, size);
}

/* The bytes that a field takes which begins at `at`, of which `left` are there; more than these: it is cut short. */
static size_t field_size(char kind, const uint8_t *at, size_t left)
{
	if (kind == 'q')
		return 8;
	if (kind == 'd' || kind == 'r')
		return 4;
	return left < 2 ? 2 : 2 + (size_t)u16_at(at);
}

int model_judge_request(uint32_t op, const uint8_t *payload, size_t size, int32_t *room)
{
	bool nul = false;

	*room = 0;
	for (const char *kind = operations[op].fields; *kind; kind++) {
		size_t taken = field_size(*kind, payload, size);

		if (taken > size)
			return -ENOBUFS;
		if (*kind == 's')
			nul |= holds_nul(payload + 2, taken - 2);
		if (*kind == 'r')
			*room = (int32_t)u32_at(payload);
		payload += taken;
		size -= taken;
	}
	return nul ? -EINVAL : 0;
}

static bool is_status(int32_t status)
{
	return status <= 0 && status > -4096;
}

static bool is_string(const uint8_t *payload, size_t size)
{
	return size >= 2 && u16_at(payload) == size - 2;
}

static bool is_success_payload(char kind, int32_t room, const uint8_t *payload, size_t size)
{
	switch (kind) {
	case 'S':
		return size == STAT_SIZE;
	case 'F':
		return size == STATFS_SIZE;
	case 'q':
		return size == 8;
	case 's':
		return is_string(payload, size) && !memchr(payload + 2, 0, size - 2);
	default:
		return room == 0 ? size == 4 : is_string(payload, size);
	}
}

bool model_is_reply(uint32_t op, int32_t room, const uint8_t *bytes, size_t size)
{
	int32_t status;

	if (operations[op].form == MODEL_FD) {
		status = size == 4 ? (int32_t)u32_at(bytes) : 0;
		return status == MODEL_FD_FOLLOWS || (status && is_status(status));
	}
	if (size < MODEL_HEADER || u32_at(bytes) > 1 || u32_at(bytes + 4) != size - MODEL_HEADER)
		return false;
	if (operations[op].form == MODEL_DATA && u32_at(bytes) == 0)
		return is_success_payload(operations[op].success, room, bytes + MODEL_HEADER, size - MODEL_HEADER);
	if (size != MODEL_HEADER + 4)
		return false;
	status = (int32_t)u32_at(bytes + MODEL_HEADER);
	return is_status(status) && (operations[op].form == MODEL_STATUS || status);
}

/* A link's target needs room for a NUL that is not sent. */
static bool fits(uint32_t op, int32_t room, size_t payload)
{
	char kind = operations[op].success;

	if (kind == 's')
		return room >= 2 && payload - 2 <= (size_t)room - 1;
	return kind != 'r' || room == 0 || (room > 0 && payload - 2 <= (size_t)room);
}

bool model_may_reply(uint32_t op, int32_t room, const uint8_t *bytes, size_t size)
{
	if (!model_is_reply(op, room, bytes, size) || size > MODEL_HEADER + MODEL_PAYLOAD_MAX)
		return false;
	if (operations[op].form == MODEL_FD)
		return true;
	if (operations[op].form == MODEL_DATA && u32_at(bytes) == 0)
		return fits(op, room, size - MODEL_HEADER);
	return (u32_at(bytes) == 1) == (u32_at(bytes + MODEL_HEADER) != 0);
}

int32_t model_status(uint32_t op, const uint8_t *bytes)
{
	if (operations[op].form == MODEL_FD)
		return u32_at(bytes) == MODEL_FD_FOLLOWS ? 0 : (int32_t)u32_at(bytes);
	return u32_at(bytes) ? (int32_t)u32_at(bytes + MODEL_HEADER) : 0;
}

size_t model_reply_size(uint32_t op, const uint8_t *bytes, size_t size)
{
	if (operations[op].form == MODEL_FD)
		return 4;
	return size < MODEL_HEADER ? MODEL_HEADER : MODEL_HEADER + (size_t)u32_at(bytes + 4);
}

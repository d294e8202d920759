/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include <fcntl.h>
#include <string.h>

#include "fuzz.h"
#include "model.h"

#define HASHED_MOST 64U /* bytes */

static int passed;
static unsigned given;

void answers_begin(int file)
{
	passed = file;
	given = 0;
}

unsigned answers_given(void)
{
	return given;
}

static uint32_t hash_of(enum proxyfs_op op, const uint8_t *payload, size_t size)
{
	uint32_t hash = 2166136261U ^ (uint32_t)op ^ (uint32_t)size << 8;

	for (size_t i = 0; i < size && i < HASHED_MOST; i++)
		hash = (hash ^ payload[i]) * 16777619U;
	return hash ^ hash >> 15;
}

static void put(struct answer *answer, const void *bytes, size_t size)
{
	memcpy(answer->bytes, bytes, size);
	answer->size = size;
	answer->with_descriptor = false;
}

void answer_failure(enum proxyfs_op op, int32_t status, struct answer *answer)
{
	const int32_t words[] = { status != 0, 4, status };

	if (model_form(op) == MODEL_FD)
		put(answer, &status, sizeof status);
	else
		put(answer, words, sizeof words);
}

static void answer_data(uint32_t hash, struct answer *answer)
{
	uint32_t payload = hash % 4 == 1 ? (hash >> 4) % (MODEL_PAYLOAD_MAX + 1) : (hash >> 4) % 200;
	const uint32_t header[] = { 0, payload };

	put(answer, header, sizeof header);
	for (uint32_t i = 0; i < payload; i++)
		answer->bytes[MODEL_HEADER + i] = (uint8_t)(i * 7 + (i >> 8) * 13 + hash);
	answer->size += payload;
}

void answer_to(enum proxyfs_op op, const uint8_t *payload, size_t size, struct answer *answer)
{
	const int32_t follows = MODEL_FD_FOLLOWS;
	uint32_t hash = hash_of(op, payload, size);
	enum model_form form = model_form(op);

	if (hash % 4 == 0 || (form == MODEL_STATUS && hash % 2)) {
		answer_failure(op, -1 - (int32_t)(hash % 4000), answer);
	} else if (form == MODEL_FD) {
		put(answer, &follows, sizeof follows);
		answer->with_descriptor = true;
	} else if (form == MODEL_STATUS) {
		answer_failure(op, 0, answer);
	} else {
		answer_data(hash, answer);
	}
}

static void give(enum proxyfs_op op, const struct answer *answer, struct dispatch_reply *reply)
{
	memcpy(reply->bytes, answer->bytes, answer->size);
	reply->size = answer->size;
	reply->status = model_status(op, answer->bytes);
	reply->fd = answer->with_descriptor ? fcntl(passed, F_DUPFD_CLOEXEC, 0) : -1;
	FUZZ_CHECK(!answer->with_descriptor || reply->fd >= 0);
}

void dispatch(enum proxyfs_op op, const char *payload, size_t size, struct dispatch_room *room,
              struct dispatch_reply *reply)
{
	static struct answer answer;

	(void)room;
	given++;
	FUZZ_CHECK(model_is_op(op) && size <= MODEL_PAYLOAD_MAX);
	answer_to(op, (const uint8_t *)payload, size, &answer);
	give(op, &answer, reply);
}

void dispatch_failure(enum proxyfs_op op, int32_t status, struct dispatch_reply *reply)
{
	static struct answer answer;

	FUZZ_CHECK(model_is_op(op) && status < 0);
	answer_failure(op, status, &answer);
	give(op, &answer, reply);
}

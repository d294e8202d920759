/* SPDX-License-Identifier: MIT */
/*
 * The protocol once more, in its shortest form, to hold the codec and what uses it against: it shares no code with the
 * library, and knows only whether bytes are right.
 */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_HEADER  8U
#define MODEL_PAYLOAD_MAX 65536U
#define MODEL_OP_FIRST 2U
#define MODEL_OP_LAST  21U
#define MODEL_FD_FOLLOWS 0x7fffffff

enum model_form { MODEL_STATUS, MODEL_DATA, MODEL_FD };

bool model_is_op(uint32_t type);

/* Of a type that is an operation. */
enum model_form model_form(uint32_t op);

/* The type of a valid operation for any number. */
uint32_t model_any_op(uint32_t number);

/* 0, -EPROTO or -EMSGSIZE: what is to be said of a header. */
int model_judge_header(uint32_t type, uint32_t size);

/*
 * 0, -ENOBUFS or -EINVAL: what is to be said of a request's payload before anything is done. With 0, *room is the
 * `size` that a READLINK or xattr request names, 0 for the others.
 */
int model_judge_request(uint32_t op, const uint8_t *payload, size_t size, int32_t *room);

/*
 * Whether these bytes have the form of a whole reply to a request of type `op`, which names `room`. Neither what they
 * say nor whether it fits is judged.
 */
bool model_is_reply(uint32_t op, int32_t room, const uint8_t *bytes, size_t size);

/* Whether such a reply is one that a helper may send: no more than `room`, types and statuses that agree. */
bool model_may_reply(uint32_t op, int32_t room, const uint8_t *bytes, size_t size);

/* Of bytes for which model_may_reply() holds: 0 or -errno. */
int32_t model_status(uint32_t op, const uint8_t *bytes);

/* How many bytes the reply has of which these are the first `size`; more than that when they do not say yet. */
size_t model_reply_size(uint32_t op, const uint8_t *bytes, size_t size);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a request and its reply look like, for all commands. A line for people:
 *
 *   1 lstat(path="//a") = mode=0100644 uid=0 ... 35 us
 *   2 open(path="//secret", flags=O_RDWR) = EACCES: Permission denied 12 us
 *
 * and for programs one JSON object, with what is known of client, operation, request, status, error, message, reply,
 * descriptor, names or contents, fault and us. A string of it that is not UTF-8 is followed by the same in hexadecimal
 * digits: "path":"/\u00ff","path_hex":"2fff".
 */
#ifndef CTL_PRINT_H
#define CTL_PRINT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <proxyfs/protocol.h>

/* What is known of one request and its reply; the rest is zero. */
struct print_exchange {
	unsigned client; /* its number, from 1 */
	enum proxyfs_op op;
	const struct proxyfs_request *request;
	const struct proxyfs_reply *reply;
	const char *descriptor;               /* what came with the reply, as "directory" */
	const struct proxyfs_bytes *names;    /* what is in it, each ended by a NUL */
	const struct proxyfs_bytes *contents; /* or what it holds */
	const char *fault;                    /* why there is no reply, or what is wrong with the request */
	bool timed;
	uint64_t us;
};

/* One line. */
void print_exchange(FILE *out, bool json, const struct print_exchange *exchange);

/* What else happened to a client: "1 ended its connection", or "event" in an object. */
void print_event(FILE *out, bool json, unsigned client, const char *event);

/* A successful reply's fields for people, one a line: "mode: 0100644". Nothing where there are none. */
void print_fields(FILE *out, enum proxyfs_op op, const struct proxyfs_reply *reply);

/* "ENOENT: No such file or directory", for a negative errno. */
void print_status(FILE *out, int status);

/* "name":"text" and, where it is not UTF-8, ,"name_hex":"74657874". */
void print_json_string(FILE *out, const char *name, struct proxyfs_bytes text);

#endif

/* SPDX-License-Identifier: MIT */
/* A client that does honest work, checks every reply, and misses none. */
#ifndef TESTS_HONEST_H
#define TESTS_HONEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <proxyfs/client.h>

#define HONEST_ROUNDS_LEAST 50

struct honest {
	const char *socket_path;
	const char *directory; /* its own, which nobody guesses; made by it, and removed */
	uint32_t id;           /* uid and gid of its files */
	_Atomic bool *stop;    /* when to stop, after HONEST_ROUNDS_LEAST at the earliest */
	uint64_t rounds;       /* done */
	struct proxyfs_client *client;
};

/* Connects and makes the directory: before anybody can leave it an access list or a group to inherit. */
void honest_begin(struct honest *honest);

void honest_run(struct honest *honest);

#endif

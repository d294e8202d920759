/* SPDX-License-Identifier: MIT */
/*
 * What the administrator can see of a helper, at one moment. Nothing of it is read from the worker's memory more than
 * once, numbers are held to what is possible, and texts are escaped: whoever prints it may trust it.
 */
#ifndef MONITOR_STATUS_H
#define MONITOR_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/confinement.h"
#include "common/ledger.h"
#include "common/policy.h"
#include "monitor/custody.h"

#define STATUS_PATH_SIZE (4 * LEDGER_PATH_SIZE) /* bytes of a path, escaped */

/* What the monitor knows of itself. */
struct status {
	const struct custody *custody;
	const char *path;   /* the export */
	const char *socket; /* NULL: an inherited one */
	const struct policy *policy;
	const struct confinement *confinement;
	unsigned most_clients, most_threads;
	uint64_t started;   /* CLOCK_MONOTONIC, ns */
	uint64_t restarts;  /* of the worker */
	pid_t worker;       /* 0: none at the moment */
	uint64_t stuck_after; /* ns: a request that takes longer is stuck; 0: none is */
};

/* A client. */
struct status_client {
	const struct client_identity *identity;
	uint64_t age;           /* ns since it connected */
	uint64_t requests, errors;
	const char *operation;  /* that is being executed; NULL: none */
	uint64_t since;         /* for so many ns */
	bool stuck;             /* which is longer than --stuck-after */
	char path[STATUS_PATH_SIZE];    /* on this path, "" if it is not known */
	struct tally all;               /* its requests */
	struct tally rows[LEDGER_OPS];  /* by operation */
};

/* Reads the slot `index`; false: nobody has it. */
bool status_read_client(const struct status *status, uint32_t index, uint64_t now, struct status_client *client);

/* What all clients together, also those that are gone, have asked for. */
void status_read_totals(const struct status *status, struct tally totals[static LEDGER_OPS]);

/* The name of a row of a ledger. */
const char *status_operation_name(unsigned row);

/* How the worker is confined, and by what system calls it may make: words of the command line. */
const char *status_sandbox(const struct status *status);
const char *status_seccomp(const struct status *status);

struct evbuffer;

/* For machines, one JSON object; and for virtfs-proxyctl, lines of fields with tabs between them. */
void status_write_json(const struct status *status, struct evbuffer *out);
void status_write_rows(const struct status *status, struct evbuffer *out);

/* OpenMetrics text. */
void status_write_metrics(const struct status *status, struct evbuffer *out);

/* To the log. */
void status_log(const struct status *status);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Requests that sit in the file system for longer than --stuck-after: logged once, and once more when they return.
 *
 * It is the worker that says when to look (worker/lookout.h), so that the monitor wakes up for nothing else; what it
 * says is held against the scoreboard, and the lines are rationed.
 */
#ifndef MONITOR_STUCK_H
#define MONITOR_STUCK_H

#include <stdint.h>

#include "common/ration.h"
#include "monitor/status.h"

struct stuck_request;

struct stuck {
	struct stuck_request *first; /* those that were logged and have not returned */
	struct ration lines;
};

void stuck_init(struct stuck *stuck);

/* The request in this slot, if there is such a slot, may be stuck. */
void stuck_look(struct stuck *stuck, const struct status *status, uint32_t slot);

/* It has returned. */
void stuck_returned(struct stuck *stuck, uint32_t slot);

/* A worker is gone: of the requests in the slots that no worker has, none will return. Without `custody`, all of them. */
void stuck_forget(struct stuck *stuck, const struct custody *custody);

#endif

/* SPDX-License-Identifier: MIT */
/* The worker as its parent sees it: a process, a channel, and a pipe from which its log lines come. */
#ifndef MONITOR_WORKER_PROCESS_H
#define MONITOR_WORKER_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "common/log.h"
#include "monitor/remains.h"
#include "worker/worker.h"

struct worker_process {
	pid_t pid;   /* 0: none */
	int channel; /* -1: none */
	bool ready;  /* it has said so */
	struct event *channel_event, *room_event, *log_event;
	struct event *life_event, *dying; /* it was killed, or exits; a timer: whether it is over */
	unsigned looks; /* at one that is dying */
	unsigned hung;  /* the last of them that found it hanging, in a row */
	unsigned hanging; /* threads of it, then */
	int log_fd;
	int life_fd; /* a pipe that ends with its canary (worker/canary.h) */
	struct scoreboard scoreboard;
	struct remains remains; /* of earlier ones */
	char line[LOG_LINE_MAX]; /* of its log, as far as it has come */
	size_t line_size;
	const struct worker_events *events;
	void *context;
};

struct worker_events {
	void (*ready)(void *context);  /* confined, and waiting for connections */
	void (*room)(void *context);   /* after worker_process_give() found none: there is room in the channel */
	void (*closed)(void *context); /* it has ended connections: see the scoreboard */
	/* The request in a slot, which may be none that there is, is stuck (monitor/stuck.h); or has returned. */
	void (*stuck)(void *context, uint32_t slot, bool returned);
	void (*gone)(void *context);   /* it has died, or left after a stop */
};

/*
 * Forks a worker with `setup`, in which the channel and the log are left to this function; its export_fd stays the
 * caller's. Returns 0 or -errno after logging.
 */
int worker_process_start(struct worker_process *worker, struct event_base *base, const struct worker_setup *setup,
                         const struct worker_events *events, void *context);

/*
 * Hands it a connection: the one in `slot`, of which `fd` is the monitor's copy. Returns 0 or -errno; -EAGAIN: the
 * channel is full for now, events->room() will say when it is not.
 */
int worker_process_give(struct worker_process *worker, uint32_t slot, int fd);

/* Asks it to answer what is in flight and leave. */
void worker_process_stop(struct worker_process *worker);

/*
 * Kills it, and waits a moment. True: it is over, and may be finished, although threads of it may hang in the kernel,
 * `hanging` of them. False: it does not end yet; events->gone() will say when.
 */
bool worker_process_kill(struct worker_process *worker);

/*
 * Kills it if it is still there, relays what it logged last, and frees what belongs to it, but for `remains`, to which
 * it is added if it does not end. Logs how it ended.
 */
void worker_process_finish(struct worker_process *worker, bool expected);

#endif

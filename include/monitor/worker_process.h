/* SPDX-License-Identifier: MIT */
/* The worker as its parent sees it: a process, a channel, and a pipe from which its log lines come. */
#ifndef MONITOR_WORKER_PROCESS_H
#define MONITOR_WORKER_PROCESS_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "monitor/custody.h"
#include "monitor/lines.h"
#include "monitor/remains.h"
#include "worker/worker.h"

struct worker_process {
	uint32_t number; /* among all that this monitor and those before it have started, from 1 on; 0: none */
	pid_t pid;   /* 0: none */
	int channel; /* -1: none */
	uint32_t slots; /* that it knows of */
	bool ready;  /* it has said so */
	bool retired; /* it was asked to release its connections to another */
	bool owes_release, owes_stop; /* commands for which the channel had no room yet */
	struct event *channel_event, *room_event, *log_event;
	struct event *life_event, *dying; /* it was killed, or exits; a timer: whether it is over */
	unsigned looks; /* at one that is dying */
	unsigned hung;  /* the last of them that found it hanging, in a row */
	unsigned hanging; /* threads of it, then */
	int log_fd;
	int life_fd; /* a pipe that ends with its canary (worker/canary.h) */
	const struct custody *custody;
	struct remains *remains; /* where it goes if it does not end */
	struct lines lines; /* of its log */
	const struct worker_events *events;
	void *context;
};

struct worker_events {
	/* confined, and waiting for connections */
	void (*ready)(void *context, struct worker_process *worker);
	/* after worker_process_give() found none: there is room in the channel */
	void (*room)(void *context, struct worker_process *worker);
	/* it has ended or released connections: see the scoreboard */
	void (*closed)(void *context, struct worker_process *worker);
	/* the request in a slot, which may be none that there is, is stuck (monitor/stuck.h), or has returned */
	void (*stuck)(void *context, uint32_t slot, bool returned);
	/* it has died, or left after a stop */
	void (*gone)(void *context, struct worker_process *worker);
};

/*
 * Forks the worker `number` with `setup`, in which the channel, the log and life_fd are left to this function; its
 * export_fd stays the caller's. `custody`, `remains`, `events` and `context` are set. Returns 0 or -errno after logging.
 */
int worker_process_start(struct worker_process *worker, uint32_t number, struct event_base *base,
                         const struct worker_setup *setup);

/*
 * Goes on with a worker that this process has started before it executed another program, or the same one again:
 * everything but its events is set. Returns 0 or -errno after logging.
 */
int worker_process_resume(struct worker_process *worker, struct event_base *base);

/*
 * Hands it a connection: the one in `slot`, of which `fd` is the monitor's copy. Returns 0 or -errno; -EAGAIN: the
 * channel is full for now, events->room() will say when it is not.
 */
int worker_process_give(struct worker_process *worker, uint32_t slot, int fd);

/* Asks it to release its connections, each between two messages. */
void worker_process_release(struct worker_process *worker);

/* Asks it to answer what is in flight and leave. */
void worker_process_stop(struct worker_process *worker);

/*
 * Kills it, and waits a moment. True: it is over, and may be finished, although threads of it may hang in the kernel,
 * `hanging` of them. False: it does not end yet; events->gone() will say when.
 */
bool worker_process_kill(struct worker_process *worker);

/*
 * Kills it if it is still there, relays what it logged last, and frees what belongs to it; if it does not end it is added
 * to `remains`. Logs how it ended.
 */
void worker_process_finish(struct worker_process *worker, bool expected);

/* The same for one that is on its way out by itself, and is not waited for at all. */
void worker_process_dismiss(struct worker_process *worker);

#endif

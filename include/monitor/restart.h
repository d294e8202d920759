/* SPDX-License-Identifier: MIT */
/* Replacing a worker that nothing else helps, at an administrator's wish, and what there is to say about it. */
#ifndef MONITOR_RESTART_H
#define MONITOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "monitor/custody.h"
#include "monitor/worker_process.h"

struct restart {
	pid_t killed;      /* 0: there was none */
	pid_t started;     /* 0: another one follows when the one that was killed is over */
	unsigned hanging;  /* threads of the dead one that stay in the kernel */
	uint32_t moved;    /* connections that go on */
	uint32_t answered; /* of these, with an I/O error in place of the reply that was due */
	uint32_t cut;      /* connections that end: in the middle of a message or of a reply */
};

/*
 * Kills the worker, which is NULL if there is none, and looks at what it leaves. True: it is over, and another one can be started.
 * False: it is on its way out, and worker_events.gone() will say when it is over.
 */
bool restart_kill(struct restart *restart, struct worker_process *worker, const struct custody *custody);

struct evbuffer;

/* Lines of fields, as of monitor/status_rows.c. */
void restart_write(const struct restart *restart, struct evbuffer *out);

#endif

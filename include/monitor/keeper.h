/* SPDX-License-Identifier: MIT */
/* Keeps a socket's name in place: watches it with inotify(7), and puts it back when it is gone. */
#ifndef MONITOR_KEEPER_H
#define MONITOR_KEEPER_H

#include <event2/event.h>
#include <stdbool.h>

#include "monitor/listener.h"
#include "monitor/name.h"

struct keeper {
	struct socket_name *name;
	struct listener *listener; /* goes over to the new socket when the name is put back */
	int watch_fd;              /* -1: none */
	struct event *watch, *repair;
	bool lost; /* something else has the name; said once */
};

/* Begins to keep a published name. Where it cannot be watched, that is logged, and guests are served all the same. */
void keeper_start(struct keeper *keeper, struct event_base *base, struct socket_name *name, struct listener *listener);

/* Ends it. A keeper that was never started must have watch_fd -1 and be zero otherwise. */
void keeper_stop(struct keeper *keeper);

#endif

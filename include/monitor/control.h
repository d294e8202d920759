/* SPDX-License-Identifier: MIT */
/*
 * The control socket: whoever may open it sends one line and gets a text until the end of file. Commands: "status"
 * (JSON), "rows" (for virtfs-proxyctl), "metrics" (OpenMetrics), "restart-worker" (rows of what that came to), and
 * "reload", whose answer comes when that is done. Whatever fails is answered with a line that begins with "error: ".
 *
 * It never waits for a client. So many are served at once, each for so long; the others wait for their turn.
 */
#ifndef MONITOR_CONTROL_H
#define MONITOR_CONTROL_H

#include <event2/event.h>
#include <stdbool.h>

#include "monitor/name.h"
#include "monitor/status.h"

#define CONTROL_SESSIONS_MOST 8
#define CONTROL_LINE_MOST     64 /* bytes, with the newline */

struct control;

/* Who is asked, and told, in the monitor. */
struct control_host {
	void (*describe)(void *context, struct status *status); /* what there is to say */
	void (*restart_worker)(void *context, struct evbuffer *out);
	void (*reload)(void *context, int asker); /* the answer is to be sent to this socket, which is to be closed */
};

struct control_session {
	struct control *control;
	struct evbuffer *out; /* NULL: unused */
	struct event *event;
	int fd;
	char line[CONTROL_LINE_MOST];
	size_t size;
};

struct control {
	struct event_base *base;
	struct socket_name name;
	bool named;
	int listener;
	struct event *accept, *resume; /* somebody is there; time to look again after a failure */
	struct control_session sessions[CONTROL_SESSIONS_MOST];
	unsigned count; /* of sessions */
	const struct control_host *host;
	void *context;
};

/* Opens the directory of the socket `path`, which is for our own user, mode 0600. 0 or -errno after logging. */
int control_open(struct control *control, const char *path);

/* Answers on the socket, from the event loop, with the help of `host`. The descriptor is taken over. 0 or -errno after logging. */
int control_start(struct control *control, struct event_base *base, int fd, const struct control_host *host,
                  void *context);

/* Removes the name and ends all sessions. One that was never opened must be zero, with -1 for the listener. */
void control_stop(struct control *control);

#endif

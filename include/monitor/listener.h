/* SPDX-License-Identifier: MIT */
/* Accepting connections, and ceasing to when descriptors run out. */
#ifndef MONITOR_LISTENER_H
#define MONITOR_LISTENER_H

#include <event2/event.h>
#include <event2/listener.h>

struct listener {
	struct event_base *base;
	struct evconnlistener *current;  /* NULL: not listening */
	struct evconnlistener *previous; /* of a socket that has lost its name, for who looked that up just before */
	struct event *resume;            /* timer: accept again */
	struct event *farewell;          /* timer: close `previous` */
	void (*accepted)(int fd, void *context);
	void *context;
};

/*
 * Calls `accepted` with each new connection (close-on-exec, the callee's to close) on the listening socket `fd`,
 * which is taken over. Returns 0 or -errno.
 */
int listener_start(struct listener *listener, struct event_base *base, int fd,
                   void (*accepted)(int fd, void *context), void *context);

/* Goes over to another listening socket, taken over; the old one lasts a moment more. Returns 0 or -errno. */
int listener_replace(struct listener *listener, int fd);

/* Accepts again after running out of descriptors, now rather than in a second: one has become free. */
void listener_resume(struct listener *listener);

/* Stops listening. */
void listener_stop(struct listener *listener);

#endif

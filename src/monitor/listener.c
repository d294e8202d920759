/* SPDX-License-Identifier: MIT */
#include "monitor/listener.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"

/* An accept(2) that failed for want of descriptors or memory would fail again at once, and burn a core. */
static const struct timeval pause_time = { .tv_sec = 1 };

static const struct timeval farewell_time = { .tv_sec = 1 };

static void on_accept(struct evconnlistener *source, evutil_socket_t fd, struct sockaddr *address, int size,
                      void *argument)
{
	struct listener *listener = argument;

	(void)source;
	(void)address;
	(void)size;
	listener->accepted(fd, listener->context);
}

static void on_error(struct evconnlistener *source, void *argument)
{
	struct listener *listener = argument;

	if (!evtimer_pending(listener->resume, NULL))
		log_error("cannot accept a connection: %s; trying again in a second", strerror(errno));
	evconnlistener_disable(source);
	evtimer_add(listener->resume, &pause_time);
}

static void on_resume(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;

	(void)fd;
	(void)what;
	evconnlistener_enable(listener->current);
	if (listener->previous)
		evconnlistener_enable(listener->previous);
}

static void on_farewell(evutil_socket_t fd, short what, void *argument)
{
	struct listener *listener = argument;

	(void)fd;
	(void)what;
	if (listener->previous)
		evconnlistener_free(listener->previous);
	listener->previous = NULL;
}

static struct evconnlistener *listen_on(struct listener *listener, int fd)
{
	struct evconnlistener *made = evconnlistener_new(
		listener->base, on_accept, listener, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);

	if (made)
		evconnlistener_set_error_cb(made, on_error);
	return made;
}

int listener_start(struct listener *listener, struct event_base *base, int fd,
                   void (*accepted)(int fd, void *context), void *context)
{
	*listener = (struct listener){ .base = base, .accepted = accepted, .context = context };
	listener->resume = evtimer_new(base, on_resume, listener);
	listener->farewell = evtimer_new(base, on_farewell, listener);
	if (listener->resume && listener->farewell)
		listener->current = listen_on(listener, fd);
	if (listener->current)
		return 0;
	listener_stop(listener);
	return -ENOMEM;
}

int listener_replace(struct listener *listener, int fd)
{
	struct evconnlistener *made = listen_on(listener, fd);

	if (!made)
		return -ENOMEM;
	on_farewell(-1, 0, listener);
	listener->previous = listener->current;
	listener->current = made;
	evtimer_add(listener->farewell, &farewell_time);
	return 0;
}

void listener_resume(struct listener *listener)
{
	if (!listener->resume || !evtimer_pending(listener->resume, NULL))
		return;
	evtimer_del(listener->resume);
	on_resume(-1, 0, listener);
}

void listener_stop(struct listener *listener)
{
	on_farewell(-1, 0, listener);
	if (listener->current)
		evconnlistener_free(listener->current);
	if (listener->resume)
		event_free(listener->resume);
	if (listener->farewell)
		event_free(listener->farewell);
	*listener = (struct listener){ .base = NULL };
}

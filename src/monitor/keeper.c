/* SPDX-License-Identifier: MIT */
#include "monitor/keeper.h"

#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

/* Before the name is put back: someone who removes it in a loop gets no more of us than this. */
static const struct timeval repair_delay = { .tv_usec = 100000 };

/* After that failed. */
static const struct timeval repair_retry = { .tv_sec = 5 };

static int renew_socket(struct keeper *keeper)
{
	AUTO_CLOSE int fd = -1;
	int error = socket_name_bind(keeper->name, &fd);

	if (error) {
		socket_name_discard(keeper->name);
		return error;
	}
	error = socket_name_publish(keeper->name);
	return error ? error : listener_replace(keeper->listener, descriptor_take(&fd));
}

static void on_repair(evutil_socket_t fd, short what, void *argument)
{
	struct keeper *keeper = argument;

	(void)fd;
	(void)what;
	switch (socket_name_look(keeper->name)) {
	case NAME_OURS:
		break;
	case NAME_GONE:
		keeper->lost = false;
		if (renew_socket(keeper))
			evtimer_add(keeper->repair, &repair_retry);
		else
			log_info("socket %s: its name was removed; put back", keeper->name->path);
		break;
	case NAME_FOREIGN:
		if (!keeper->lost)
			log_warning("socket %s: something else has taken its name; new clients cannot connect until it is gone",
			            keeper->name->path);
		keeper->lost = true;
		break;
	}
}

static void look(struct keeper *keeper)
{
	if (!evtimer_pending(keeper->repair, NULL) && socket_name_look(keeper->name) != NAME_OURS)
		evtimer_add(keeper->repair, &repair_delay);
}

/* What has changed does not matter: the name is looked at. */
static void on_watch(evutil_socket_t fd, short what, void *argument)
{
	char events[4096] __attribute__((aligned(8)));

	(void)what;
	while (read(fd, events, sizeof events) > 0)
		;
	look(argument);
}

void keeper_start(struct keeper *keeper, struct event_base *base, struct socket_name *name, struct listener *listener)
{
	*keeper = (struct keeper){ .name = name, .listener = listener };
	keeper->watch_fd = socket_name_watch(name);
	keeper->repair = evtimer_new(base, on_repair, keeper);
	if (keeper->watch_fd >= 0)
		keeper->watch = event_new(base, keeper->watch_fd, EV_READ | EV_PERSIST, on_watch, keeper);
	if (!keeper->repair || !keeper->watch || event_add(keeper->watch, NULL))
		log_warning("socket %s: its name cannot be watched; if it is removed it will not be put back", name->path);
	else
		look(keeper); /* the first QEMU may have been faster than we were */
}

void keeper_stop(struct keeper *keeper)
{
	if (keeper->watch)
		event_free(keeper->watch);
	if (keeper->repair)
		event_free(keeper->repair);
	keeper->watch = keeper->repair = NULL;
	descriptor_close(&keeper->watch_fd);
}

/* SPDX-License-Identifier: MIT */
#include "monitor/remains.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"

struct remain {
	struct remains *list;
	struct remain *next;
	struct event *event; /* the process has ended */
	pid_t pid;
	int pidfd;
	bool hangs;
};

static void unlink_from_list(struct remain *remain)
{
	struct remain **link = &remain->list->first;

	while (*link != remain)
		link = &(*link)->next;
	*link = remain->next;
}

static void discard(struct remain *remain)
{
	event_free(remain->event);
	close(remain->pidfd);
	free(remain);
}

static void on_end(evutil_socket_t fd, short what, void *argument)
{
	struct remain *remain = argument;

	(void)fd;
	(void)what;
	if (waitpid(remain->pid, NULL, WNOHANG) == 0)
		return;
	if (remain->hangs)
		log_info("the earlier worker, pid %d, which hung in the file system, has ended", (int)remain->pid);
	unlink_from_list(remain);
	discard(remain);
}

void remains_keep(struct remains *remains, struct event_base *base, pid_t pid, int pidfd, bool hangs)
{
	struct remain *remain = malloc(sizeof *remain);
	struct event *event = remain ? event_new(base, pidfd, EV_READ | EV_PERSIST, on_end, remain) : NULL;

	if (!event || event_add(event, NULL)) {
		if (event)
			event_free(event);
		free(remain);
		close(pidfd);
		return;
	}
	*remain = (struct remain){ .list = remains, .next = remains->first, .event = event, .pid = pid, .pidfd = pidfd, .hangs = hangs };
	remains->first = remain;
}

pid_t remains_pid(const struct remains *remains, unsigned index, bool *hangs)
{
	const struct remain *remain = remains->first;

	while (remain && index-- > 0)
		remain = remain->next;
	*hangs = remain && remain->hangs;
	return remain ? remain->pid : 0;
}

bool remains_hang(const struct remains *remains)
{
	for (const struct remain *remain = remains->first; remain; remain = remain->next)
		if (remain->hangs)
			return true;
	return false;
}

void remains_finish(struct remains *remains)
{
	struct remain *next;

	for (struct remain *remain = remains->first; remain; remain = next) {
		next = remain->next;
		discard(remain);
	}
	remains->first = NULL;
}

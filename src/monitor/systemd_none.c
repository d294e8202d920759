/* SPDX-License-Identifier: MIT */
/* In the place of activation.c and notify.c where libsystemd is not there. */
#include <errno.h>

#include "common/log.h"
#include "monitor/activation.h"
#include "monitor/notify.h"

int activation_take(bool wanted, int *fd)
{
	(void)fd;
	if (!wanted)
		return 0;
	log_error("LISTEN_FDS: this helper was built without libsystemd and does not know it; give --socket or --fd");
	return -ENOSYS;
}

void notify_init(struct notify *notify)
{
	*notify = (struct notify){ .wanted = false };
}

int notify_ready(struct notify *notify, struct event_base *base, const struct custody *custody)
{
	(void)notify;
	(void)base;
	(void)custody;
	return 0;
}

void notify_changed(struct notify *notify)
{
	(void)notify;
}

void notify_reloading(const struct notify *notify)
{
	(void)notify;
}

void notify_stopping(struct notify *notify)
{
	(void)notify;
}

void notify_finish(struct notify *notify)
{
	(void)notify;
}

/* SPDX-License-Identifier: MIT */
/* In the place of activation.c, notify.c, store.c and systemd.c where libsystemd is not there. */
#include <errno.h>

#include "common/log.h"
#include "monitor/activation.h"
#include "monitor/notify.h"

int activation_take(bool wanted, int *fd, struct legacy *legacy)
{
	(void)fd;
	(void)legacy;
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

int legacy_adopt(struct legacy *legacy, struct custody *custody, uint32_t most)
{
	(void)legacy;
	(void)custody;
	(void)most;
	return 0;
}

unsigned legacy_list(const struct legacy *legacy, int *fds)
{
	(void)legacy;
	(void)fds;
	return 0;
}

void legacy_finish(struct legacy *legacy)
{
	(void)legacy;
}

void store_begin(struct custody *custody)
{
	(void)custody;
}

/* SPDX-License-Identifier: MIT */
/* One owner for each descriptor: closed when its variable leaves the scope, unless it was handed over. */
#ifndef COMMON_DESCRIPTOR_H
#define COMMON_DESCRIPTOR_H

#include <unistd.h>

static inline void descriptor_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

#define AUTO_CLOSE __attribute__((cleanup(descriptor_close)))

/* Hands a descriptor over: the variable no longer owns it. */
static inline int descriptor_take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/*
 * Closes every descriptor above 2 but those in `keep`, which is `count` long and gets sorted.
 * Returns 0 or -errno (close_range(2), Linux 5.9).
 */
int descriptor_close_all_but(int *keep, unsigned count);

/* Puts /dev/null in place of a standard descriptor that is closed, so that no later open gets its number. */
int descriptor_fill_standard(void);

#endif

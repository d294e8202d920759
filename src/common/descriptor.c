/* SPDX-License-Identifier: MIT */
#include "common/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

int descriptor_close_all_but(int *keep, unsigned count)
{
	unsigned next = 3;

	qsort(keep, count, sizeof *keep, compare);
	for (unsigned i = 0; i < count; i++) {
		if (keep[i] < (int)next)
			continue;
		if ((unsigned)keep[i] > next && close_range(next, (unsigned)keep[i] - 1, 0))
			return -errno;
		next = (unsigned)keep[i] + 1;
	}
	return close_range(next, UINT_MAX, 0) ? -errno : 0;
}

int descriptor_fill_standard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return -errno;
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

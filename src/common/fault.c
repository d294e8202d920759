/* SPDX-License-Identifier: MIT */
#include "common/fault.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAULT_NAME(name) #name,

static const char *const names[] = { FAULT_POINTS_ALL(FAULT_NAME) };

static struct fault_order *order;

static void map(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	order = mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || order == MAP_FAILED) {
		perror(path);
		exit(EXIT_FAILURE);
	}
	close(fd);
}

void fault_begin(int count, char **arguments)
{
	const char *path = getenv("VIRTFS_PROXY_FAULT");

	if (count == 2 && !strcmp(arguments[1], "--fault-points")) {
		for (unsigned i = 0; i < FAULT_POINTS_COUNT; i++)
			puts(names[i]);
		exit(EXIT_SUCCESS);
	}
	if (path)
		map(path);
}

void fault_pass(enum fault_point point)
{
	if (!order || atomic_load(&order->point) != (uint32_t)point + 1 || atomic_fetch_sub(&order->passings, 1) != 1)
		return;
	atomic_store(&order->point, 0);
	atomic_fetch_add(&order->deaths, 1);
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGKILL);
	abort(); /* it has no right to kill itself */
}

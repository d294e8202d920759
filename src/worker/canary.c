/* SPDX-License-Identifier: MIT */
#include "worker/canary.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "worker/thread.h"

/* It calls little, and a sanitizer's or the C library's own needs are in the least size. */
#define STACK_SIZE ((size_t)64 * 1024)

struct orders {
	const int *known;
	unsigned count;
	int error;
	sem_t carried_out;
};

static int keep_life_only(const struct orders *orders)
{
	if (unshare(CLONE_FILES))
		return -errno;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close(fd);
	for (unsigned i = 0; i < orders->count; i++)
		close(orders->known[i]);
	return 0;
}

/* What it was told lies in its creator's stack, which waits for the semaphore and no longer. */
static void *canary_main(void *argument)
{
	struct orders *orders = argument;

	prctl(PR_SET_NAME, "vph-canary");
	orders->error = keep_life_only(orders);
	sem_post(&orders->carried_out);
	for (;;)
		pause();
	return NULL;
}

int canary_start(int life, const int *known, unsigned count)
{
	struct orders orders = { .known = known, .count = count };
	int error;

	sem_init(&orders.carried_out, 0, 0);
	error = thread_start(STACK_SIZE, canary_main, &orders);
	if (error)
		return error;
	while (sem_wait(&orders.carried_out))
		; /* EINTR */
	close(life);
	return orders.error;
}

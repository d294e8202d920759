/* SPDX-License-Identifier: MIT */
#include "monitor/limits.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "common/log.h"

/*
 * What the worker opens, which is more than the monitor does: for itself; for each client its socket; for each
 * reactor its epoll instance, libevent's pair for signals, an eventfd, and what one request opens.
 */
#define OWN         24U
#define PER_CLIENT  1U
#define PER_REACTOR 7U

static rlim_t raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : limit.rlim_cur;
}

int limits_fit(struct limits *limits)
{
	const struct limits wanted = *limits;
	rlim_t available = raise_descriptors();

	if (limits->threads > limits->clients)
		limits->threads = limits->clients;
	if (available == RLIM_INFINITY || available >= OWN + PER_CLIENT * limits->clients + PER_REACTOR * limits->threads)
		return 0;

	if (available < OWN + PER_CLIENT + PER_REACTOR) {
		log_error("a limit of %lu open files is too low to serve anybody; raise it (RLIMIT_NOFILE)",
		          (unsigned long)available);
		return -EMFILE;
	}
	/* A client less is worse than a thread that two share, but half of the room is the threads' all the same. */
	available -= OWN;
	if (limits->clients > available / 2)
		limits->clients = (unsigned)available / 2;
	available -= PER_CLIENT * limits->clients;
	if (limits->threads > available / PER_REACTOR)
		limits->threads = available < PER_REACTOR ? 1 : (unsigned)available / PER_REACTOR;
	log_warning("the limit of open files allows %u clients and %u threads, not %u and %u; raise it (RLIMIT_NOFILE), or "
	            "lower --max-clients and --threads",
	            limits->clients, limits->threads, wanted.clients, wanted.threads);
	return 0;
}

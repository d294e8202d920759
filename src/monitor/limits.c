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
#define PER_CLIENT  1UL
#define PER_REACTOR 7UL

/* To what the command line says. Only root of the initial user namespace may go above the hard limit. */
static int set_descriptors(unsigned count)
{
	struct rlimit before = { 0 }, limit = { count, count };
	int error;

	getrlimit(RLIMIT_NOFILE, &before);
	if (!setrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	error = errno;
	log_error("cannot set the limit of open files to %u, as --rlimit-nofile says: %s (the hard limit is %llu)", count,
	          strerror(error), (unsigned long long)before.rlim_max);
	return -error;
}

/* As far as it goes without being told. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

static rlim_t available_descriptors(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ? 0 : limit.rlim_cur;
}

/* Lowers `limits` to `available` descriptors. */
static int lower(struct limits *limits, rlim_t available)
{
	const struct limits wanted = *limits;

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

int limits_fit(struct limits *limits, unsigned descriptors)
{
	int error = 0;

	if (descriptors > 0)
		error = set_descriptors(descriptors);
	else
		raise_descriptors();
	return error ? error : lower(limits, available_descriptors());
}

/* SPDX-License-Identifier: MIT */
#include "monitor/inherited.h"

#include <errno.h>
#include <event2/util.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"
#include "monitor/rights.h"

static int get_option(int fd, int option, int *value)
{
	socklen_t size = sizeof *value;

	return getsockopt(fd, SOL_SOCKET, option, value, &size);
}

static bool has_peer(int fd)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof peer;

	return !getpeername(fd, (struct sockaddr *)&peer, &size);
}

static int failed(int fd, const char *what_to_do)
{
	int error = errno;

	log_error("--fd %d: %s; %s", fd, strerror(error), what_to_do);
	return -error;
}

static int check(int fd, bool *listening)
{
	int domain, type, accepts;

	if (get_option(fd, SO_DOMAIN, &domain) || get_option(fd, SO_TYPE, &type) ||
	    get_option(fd, SO_ACCEPTCONN, &accepts))
		return failed(fd, "give the number of an inherited socket");
	if (domain != AF_UNIX || type != SOCK_STREAM) {
		errno = EPROTOTYPE;
		return failed(fd, "give an AF_UNIX stream socket");
	}
	if (!accepts && !has_peer(fd))
		return failed(fd, "connect it, or listen on it, first");
	*listening = accepts;
	return 0;
}

int inherited_socket_take(int fd, bool *listening)
{
	AUTO_CLOSE int taken = -1;
	int error = check(fd, listening);

	if (error)
		return error;
	/* It may have been given as a standard descriptor, as inetd does. */
	taken = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (taken < 0)
		return failed(fd, "it cannot be duplicated");
	close(fd);
	rights_forbid(taken);
	error = descriptor_fill_standard();
	if (!error && *listening && evutil_make_socket_nonblocking(taken))
		error = -errno;
	return error ? error : descriptor_take(&taken);
}

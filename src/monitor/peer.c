/* SPDX-License-Identifier: MIT */
#include "monitor/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/escape.h"
#include "common/log.h"

void peer_read(int fd, struct peer *peer)
{
	struct ucred credentials = { .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t size = sizeof credentials;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size))
		log_warning("the credentials of a client cannot be read: %s", strerror(errno));
	*peer = (struct peer){ credentials.pid, credentials.uid, credentials.gid };
}

bool peer_is_allowed(const struct peer *peer, const struct options *options)
{
	if (options->allow_count == 0 || peer->uid == 0)
		return true;
	for (unsigned i = 0; i < options->allow_count; i++)
		if (options->allow_uids[i] == peer->uid)
			return true;
	return false;
}

void peer_program(const struct peer *peer, char program[static PEER_PROGRAM_SIZE])
{
	AUTO_CLOSE int fd = -1;
	char path[32], comm[32] = "?";
	ssize_t size;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)peer->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	size = fd < 0 ? -1 : read(fd, comm, sizeof comm);
	escape(comm, size > 0 ? (size_t)size - 1 : 1, program, PEER_PROGRAM_SIZE); /* without the newline */
}

/* SPDX-License-Identifier: MIT */
#include "monitor/activation.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"

static int check(int count)
{
	int is_ours;

	if (count < 0 && count != -EINVAL) {
		log_error("LISTEN_FDS: the sockets that it announces are not there: %s", strerror(-count));
		return count;
	}
	if (count <= 0) {
		log_error("LISTEN_FDS: it announces no socket to this process; give --socket or --fd");
		return -ENOTSOCK;
	}
	if (count > 1) {
		log_error("LISTEN_FDS: it announces %d sockets; one is served: have one ListenStream= in the socket unit", count);
		return -EINVAL;
	}
	is_ours = sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0);
	if (is_ours > 0)
		return 0;
	log_error("LISTEN_FDS: this is no listening AF_UNIX stream socket; the socket unit needs ListenStream= with a name "
	          "of a file, and Accept=no");
	return is_ours < 0 ? is_ours : -EPROTOTYPE;
}

int activation_take(bool wanted, int *fd)
{
	int count = sd_listen_fds(1);
	int error = wanted ? check(count) : 0;

	if (wanted && !error)
		*fd = SD_LISTEN_FDS_START;
	return error;
}

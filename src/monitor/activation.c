/* SPDX-License-Identifier: MIT */
#include "monitor/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "monitor/systemd.h"

static int check(const struct systemd *systemd, int count)
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
	is_ours = systemd->is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0);
	if (is_ours > 0)
		return 0;
	log_error("LISTEN_FDS: this is no listening AF_UNIX stream socket; the socket unit needs ListenStream= with a name "
	          "of a file, and Accept=no");
	return is_ours < 0 ? is_ours : -EPROTOTYPE;
}

int activation_take(bool wanted, int *fd)
{
	const struct systemd *systemd;
	int count, error;

	if (!getenv("LISTEN_FDS"))
		return wanted ? check(NULL, 0) : 0;
	systemd = systemd_load();
	if (!systemd)
		return wanted ? -ENOSYS : 0;
	count = systemd->listen_fds(1);
	error = wanted ? check(systemd, count) : 0;

	if (wanted && !error)
		*fd = SD_LISTEN_FDS_START;
	return error;
}

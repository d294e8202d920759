/* SPDX-License-Identifier: MIT */
#include "monitor/activation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include "common/log.h"
#include "monitor/systemd.h"

static int check(const struct systemd *systemd, int fd)
{
	int is_ours = systemd->is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0);

	if (is_ours > 0)
		return 0;
	log_error("LISTEN_FDS: this is no listening AF_UNIX stream socket; the socket unit needs ListenStream= with a name "
	          "of a file, and Accept=no");
	return is_ours < 0 ? is_ours : -EPROTOTYPE;
}

/* Of `count` descriptors, those of the store are noted, and the last other one is stored. Returns how many others. */
static int sort(int count, char **names, int *other, struct legacy *legacy)
{
	int others = 0;

	for (int i = 0; i < count; i++) {
		if (legacy_note(legacy, SD_LISTEN_FDS_START + i, names[i]))
			continue;
		others++;
		*other = SD_LISTEN_FDS_START + i;
	}
	return others;
}

static int judge(const struct systemd *systemd, int others, int other)
{
	if (others == 0) {
		log_error("LISTEN_FDS: it announces no socket to this process; give --socket or --fd");
		return -ENOTSOCK;
	}
	if (others > 1) {
		log_error("LISTEN_FDS: it announces %d sockets; one is served: have one ListenStream= in the socket unit", others);
		return -EINVAL;
	}
	return check(systemd, other);
}

static void free_names(char **names)
{
	for (char **name = names; name && *name; name++)
		free(*name);
	free(names);
}

int activation_take(bool wanted, int *fd, struct legacy *legacy)
{
	const struct systemd *systemd = NULL;
	int count = 0, others, other = -1, error;
	char **names = NULL;

	if (getenv("LISTEN_FDS")) {
		systemd = systemd_load();
		if (!systemd)
			return wanted ? -ENOSYS : 0;
		count = systemd->listen_fds_with_names(1, &names);
	}
	if (wanted && count < 0 && count != -EINVAL) {
		log_error("LISTEN_FDS: the sockets that it announces are not there: %s", strerror(-count));
		return count;
	}
	others = sort(count, names, &other, legacy);
	free_names(names);
	error = wanted ? judge(systemd, others, other) : 0;
	if (wanted && !error)
		*fd = other;
	return error;
}

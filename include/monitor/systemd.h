/* SPDX-License-Identifier: MIT */
/*
 * libsystemd, loaded when a service manager has left word in the environment, and not before: it brings five further
 * libraries along, compression and cryptography, which would take a megabyte of each helper and have no business in
 * a privileged process.
 */
#ifndef MONITOR_SYSTEMD_H
#define MONITOR_SYSTEMD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The functions of <systemd/sd-daemon.h> that are used: sd_notify(3), sd_watchdog_enabled(3) ... */
struct systemd {
	int (*notify)(int unset_environment, const char *state);
	int (*notify_with_fds)(pid_t pid, int unset_environment, const char *state, const int *fds, unsigned count);
	int (*watchdog_enabled)(int unset_environment, uint64_t *microseconds);
	int (*listen_fds_with_names)(int unset_environment, char ***names);
	int (*is_socket_unix)(int fd, int type, int listening, const char *path, size_t length);
};

/* Loads the library if need be. NULL, after logging: it is not there. */
const struct systemd *systemd_load(void);

#endif

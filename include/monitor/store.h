/* SPDX-License-Identifier: MIT */
/*
 * The service manager's file descriptor store, systemd.service(5): --fd-store. What the monitor keeps of its guests, their
 * sockets and the scoreboard, is kept once more by the manager, which passes it to the next monitor, after a restart
 * or a crash of this one.
 *
 * Descriptors have names: "slots-N" and "ledgers-N", whose N says of which layout they are, and "client-N" for the socket
 * in slot N. A monitor that does not know the layout lets go of all of them, and the guests' connections are reset.
 */
#ifndef MONITOR_STORE_H
#define MONITOR_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "monitor/custody.h"

/* What another monitor left, as it was passed to this one. */
struct legacy {
	int slots_fd, ledgers_fd; /* -1: none, or of another layout */
	struct legacy_client {
		int fd;
		uint32_t slot;
	} *clients;
	unsigned count;
};

/* Notes a descriptor of this name. False: it is not one of the store's. -ENOMEM is logged, and the descriptor closed. */
bool legacy_note(struct legacy *legacy, int fd, const char *name);

/* All descriptors, into `fds`, which has room for them: legacy->count + 2. Returns how many there are. */
unsigned legacy_list(const struct legacy *legacy, int *fds);

/*
 * Makes the custody that they are about, with room for `most` clients: those whose slot makes sense are in it, and go on
 * (connection_adopt()). Logs how many there are. 1: done; 0: there is nothing to go on with; -errno.
 */
int legacy_adopt(struct legacy *legacy, struct custody *custody, uint32_t most);

/* Closes what was not adopted, and frees what is held. */
void legacy_finish(struct legacy *legacy);

/* Puts all there is of a custody into the store, and from here on each client that comes; what is there already stays. */
void store_begin(struct custody *custody);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a connection, by the kernel's word: SO_PEERCRED, unix(7). That is who called connect(2),
 * with the ids of that moment; for a pair of socketpair(2), who made the pair.
 *
 * Who may connect at all is the kernel's to say, by the mode of the socket: root, the socket's owner, and its group.
 * --allow-uid narrows this further, to the users that are listed. Root remains: the helper could not keep anybody out
 * who can stop it, trace it or replace it, and an administrator's look at what is wrong should not need an exception.
 *
 * A user whom the helper's user namespace does not know has the id that the kernel gives to all of them, 65534 mostly,
 * user_namespaces(7): to list that one means them all.
 */
#ifndef MONITOR_PEER_H
#define MONITOR_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "options.h"

#define PEER_PROGRAM_SIZE 64 /* of a process's name, proc_pid_comm(5), escaped, with some to spare */

struct peer {
	pid_t pid; /* 0: of a process that our pid namespace does not have */
	uid_t uid; /* (uid_t)-1: the kernel does not say; that is logged, and nobody's in any list */
	gid_t gid;
};

#define PEER_NOT_ALLOWED "its user is not among those of --allow-uid" /* why somebody is turned away */

void peer_read(int fd, struct peer *peer);

/* Whether the options let this one in. */
bool peer_is_allowed(const struct peer *peer, const struct options *options);

/* The name of the peer's program, escaped, or "?". For the log and the status alone: a process names itself, and its id may be reused. */
void peer_program(const struct peer *peer, char program[static PEER_PROGRAM_SIZE]);

#endif

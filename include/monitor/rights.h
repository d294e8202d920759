/* SPDX-License-Identifier: MIT */
/* What clients may send along with bytes. */
#ifndef MONITOR_RIGHTS_H
#define MONITOR_RIGHTS_H

#include <sys/socket.h>

/* Linux 6.16; Debian 12's headers do not have it. It is another number on some architectures. */
#if !defined SO_PASSRIGHTS && (defined __x86_64__ || defined __i386__ || defined __aarch64__ || defined __arm__ || defined __riscv)
#define SO_PASSRIGHTS 83
#endif

/*
 * Has the kernel refuse a client that sends descriptors (EPERM, to it), on a socket or all that a listening one accepts.
 * None belongs to a message, and one in the queue would stay there: that of the connection itself for ever. On an older
 * kernel the worker cuts a client when it finds one (worker/inbox.c).
 */
static inline void rights_forbid(int socket)
{
#ifdef SO_PASSRIGHTS
	const int off = 0;

	setsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
#else
	(void)socket;
#endif
}

#endif

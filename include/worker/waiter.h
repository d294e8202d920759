/* SPDX-License-Identifier: MIT */
/*
 * A recvmsg(2) that waits, and that another thread can end.
 *
 * Theory of operation: a thread with one socket to look after need not ask epoll(7) about it. It can wait in the call
 * that brings the bytes, which is a system call less for each message. But then it hears of nothing else, so that
 * whoever has something for it sends it a signal. One that comes while it waits ends the call (EINTR). For one that
 * comes a moment before, the handler spoils the message header that the call is about to be given, and which the kernel
 * reads first of all: the call fails (EMSGSIZE) instead of waiting. So no wake-up is lost, and none has to be asked for.
 *
 * Nor does a signal come later, where it could end a system call of a request, which then failed with EINTR: a thread
 * whose waiting is over takes it back that it waits, and if somebody was faster, lets his signal come first.
 */
#ifndef WORKER_WAITER_H
#define WORKER_WAITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

/* A thread's. Begins zeroed. */
struct waiter {
	pid_t thread;
	bool works;         /* it can be sent the signal */
	_Atomic int state;  /* waiter.c */
	_Atomic bool woken; /* it shall not wait before it has looked what there is: waiter_rest() */
};

/* Before any thread: the signal's handler. Returns 0 or -errno. */
int waiter_prepare(void);

/* By the thread, first of all. */
void waiter_begin(struct waiter *waiter);

/*
 * Receives from a socket that does not have O_NONBLOCK, and waits until there is something. Returns what recvmsg(2)
 * does, or -errno; -EAGAIN: woken, or it cannot wait: the socket does not let it, or it could not be woken.
 */
ssize_t waiter_receive(struct waiter *waiter, int socket, struct msghdr *message, int flags);

/* Whether it has been woken since it rested last. */
bool waiter_is_woken(const struct waiter *waiter);

/* Ends its waiting, or keeps it from waiting. From any other thread. */
void waiter_wake(struct waiter *waiter);

/* By the thread: it has heard, and looks what there is, now. */
void waiter_rest(struct waiter *waiter);

#endif

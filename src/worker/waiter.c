/* SPDX-License-Identifier: MIT */
#include "worker/waiter.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ignored where it has no handler. */
#define WAKE_SIGNAL SIGURG

/* While the other thread's signal is on its way. */
#define MOMENT_US 10

enum { ELSEWHERE, WAITING, SIGNALLED };

/* The header of the call that this thread makes, or is about to; NULL: the signal has come. */
static _Thread_local struct msghdr *volatile current;

static void on_signal(int number)
{
	(void)number;
	if (current)
		current->msg_iovlen = SIZE_MAX; /* more than UIO_MAXIOV */
	current = NULL;
}

int waiter_prepare(void)
{
	/* Without SA_RESTART, recvmsg(2) ends with EINTR: signal(7). */
	return sigaction(WAKE_SIGNAL, &(struct sigaction){ .sa_handler = on_signal }, NULL) ? -errno : 0;
}

static int send_signal(pid_t thread)
{
	return (int)syscall(SYS_tgkill, getpid(), thread, WAKE_SIGNAL);
}

void waiter_begin(struct waiter *waiter)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, WAKE_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
	waiter->thread = gettid();
	/* A security module that we know nothing of may not let us: then nobody waits who could not be woken. */
	waiter->works = !send_signal(waiter->thread);
}

static void stop_waiting(struct waiter *waiter)
{
	int state = WAITING;

	if (!atomic_compare_exchange_strong(&waiter->state, &state, ELSEWHERE)) {
		while (current)
			usleep(MOMENT_US);
		atomic_store(&waiter->state, ELSEWHERE);
	}
	current = NULL;
}

ssize_t waiter_receive(struct waiter *waiter, int socket, struct msghdr *message, int flags)
{
	ssize_t got = -EAGAIN;

	if (!waiter->works)
		return -EAGAIN;
	current = message;
	/* Who wakes us after we have seen that nobody has sees that we are waiting. */
	atomic_store(&waiter->state, WAITING);
	if (!atomic_load(&waiter->woken)) {
		got = recvmsg(socket, message, flags);
		if (got < 0)
			got = errno == EINTR || errno == EMSGSIZE ? -EAGAIN : -errno;
	}
	stop_waiting(waiter);
	return got;
}

bool waiter_is_woken(const struct waiter *waiter)
{
	return atomic_load(&waiter->woken);
}

void waiter_wake(struct waiter *waiter)
{
	int state = WAITING;

	atomic_store(&waiter->woken, true);
	if (atomic_compare_exchange_strong(&waiter->state, &state, SIGNALLED))
		send_signal(waiter->thread);
}

void waiter_rest(struct waiter *waiter)
{
	atomic_store(&waiter->woken, false);
}

/* SPDX-License-Identifier: MIT */
/*
 * Waiting for a socket in recvmsg(2): data ends it, and so does another thread, in whatever moment that is, and never
 * anything else that the thread does.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "worker/waiter.h"

#define ROUNDS     20000U
#define PATIENCE_S 60 /* whoever waits for ever is ended by SIGALRM */
#define SHORT_US   20000U

static struct waiter waiter;
static int ends[2]; /* ours, and the peer's */

static int setup(void **state)
{
	(void)state;
	memset(&waiter, 0, sizeof waiter);
	assert_int_equal(waiter_prepare(), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	waiter_begin(&waiter);
	alarm(PATIENCE_S);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static ssize_t receive(void)
{
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

	return waiter_receive(&waiter, ends[0], &message, 0);
}

static void say_something(void)
{
	CHECK_EQUAL(send(ends[1], "", 1, MSG_NOSIGNAL), 1);
}

/* Runs `body` in a thread of its own, after a moment in which the test's begins to wait. */
static void *after_a_moment(void *body)
{
	void (*const *run)(void) = body;

	usleep(SHORT_US);
	(*run)();
	return NULL;
}

static void wake(void)
{
	waiter_wake(&waiter);
}

static void hang_up(void)
{
	CHECK_EQUAL(shutdown(ends[1], SHUT_WR), 0);
}

static ssize_t receive_until(void (*body)(void))
{
	pthread_t thread;
	ssize_t got;

	assert_int_equal(pthread_create(&thread, NULL, after_a_moment, &body), 0);
	got = receive();
	assert_int_equal(pthread_join(thread, NULL), 0);
	return got;
}

static void what_is_there_is_received(void **state)
{
	(void)state;
	say_something();
	assert_int_equal(receive(), 1);
	assert_false(waiter_is_woken(&waiter));
}

static void what_comes_ends_the_waiting(void **state)
{
	(void)state;
	assert_int_equal(receive_until(say_something), 1);
	assert_false(waiter_is_woken(&waiter));
}

static void an_end_of_file_ends_the_waiting(void **state)
{
	(void)state;
	assert_int_equal(receive_until(hang_up), 0);
}

static void another_thread_ends_the_waiting(void **state)
{
	(void)state;
	assert_int_equal(receive_until(wake), -EAGAIN);
	assert_true(waiter_is_woken(&waiter));
	waiter_rest(&waiter);
	assert_int_equal(receive_until(say_something), 1);
}

static void who_was_woken_does_not_wait_before_it_has_rested(void **state)
{
	(void)state;
	waiter_wake(&waiter);
	waiter_wake(&waiter);
	assert_int_equal(receive(), -EAGAIN);
	assert_int_equal(receive(), -EAGAIN);
	waiter_rest(&waiter);
	say_something();
	assert_int_equal(receive(), 1);
}

static void a_socket_that_does_not_block_lets_nobody_wait(void **state)
{
	(void)state;
	assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(receive(), -EAGAIN);
	assert_false(waiter_is_woken(&waiter));
}

/* As an AppArmor profile that lacks a rule would have it. */
static bool signals_are_forbidden;

long __real_syscall(long number, long first, long second, long third);
long __wrap_syscall(long number, long first, long second, long third);

long __wrap_syscall(long number, long first, long second, long third)
{
	errno = EACCES;
	return signals_are_forbidden ? -1 : __real_syscall(number, first, second, third);
}

static void who_cannot_be_woken_does_not_wait(void **state)
{
	(void)state;
	signals_are_forbidden = true;
	waiter_begin(&waiter);
	assert_int_equal(receive(), -EAGAIN);
	say_something();
	assert_int_equal(receive(), -EAGAIN);
	signals_are_forbidden = false;
	waiter_begin(&waiter);
	assert_int_equal(receive(), 1);
}

static void a_failure_is_told(void **state)
{
	(void)state;
	close(ends[0]);
	ends[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_int_equal(receive(), -ENOTSOCK);
}

/* --- in whatever moment ---------------------------------------------------------------------------------------- */

/* The threads meet twice in a round, by looking: whoever slept would be late for the moments that matter. */
static _Atomic unsigned waits, woken;
static bool data_comes_too;

static void meet(const _Atomic unsigned *other, unsigned round)
{
	for (unsigned looks = 0; atomic_load(other) <= round; looks++)
		if (looks % 1024 == 1023)
			sched_yield(); /* there may be but one core */
}

static void spin(unsigned turns)
{
	for (volatile unsigned i = 0; i < turns; i++)
		;
}

/* On the way into the kernel a signal comes too early to end the call. In every other round, that way is long. */
ssize_t __real_recvmsg(int socket, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int socket, struct msghdr *message, int flags);

ssize_t __wrap_recvmsg(int socket, struct msghdr *message, int flags)
{
	spin(waits % 2 ? 0 : 20000);
	return __real_recvmsg(socket, message, flags);
}

static void *wake_in_each_round(void *argument)
{
	(void)argument;
	for (unsigned round = 0; round < ROUNDS; round++) {
		meet(&waits, round);
		spin(round % 997);
		if (data_comes_too)
			say_something();
		spin(round % 13);
		waiter_wake(&waiter);
		atomic_fetch_add(&woken, 1);
	}
	return NULL;
}

/* What ends a request's system call would end this. */
static void sleep_undisturbed(void)
{
	struct timespec moment = { .tv_nsec = 1000 };

	CHECK_EQUAL(nanosleep(&moment, NULL), 0);
}

static void *wait_in_each_round(void *argument)
{
	(void)argument;
	waiter_begin(&waiter);
	for (unsigned round = 0; round < ROUNDS; round++) {
		ssize_t got;

		atomic_fetch_add(&waits, 1);
		got = receive();
		sleep_undisturbed();
		CHECK(got == -EAGAIN || (data_comes_too && got == 1));
		meet(&woken, round);
		CHECK(waiter_is_woken(&waiter));
		waiter_rest(&waiter);
		if (data_comes_too && got != 1)
			CHECK_EQUAL(receive(), 1);
	}
	return NULL;
}

/* ThreadSanitizer keeps a signal back until the thread calls it, so that the moments that matter are others. */
static void need_signals_at_once(void)
{
#ifdef __SANITIZE_THREAD__
	skip_because("ThreadSanitizer keeps signals back");
#endif
}

/* Both must come to their end: a wake-up that is lost has the one wait for ever, and with it the other. */
static void run_rounds(bool data)
{
	pthread_t sleeper, waker;

	data_comes_too = data;
	waits = woken = 0;
	assert_int_equal(pthread_create(&sleeper, NULL, wait_in_each_round, NULL), 0);
	assert_int_equal(pthread_create(&waker, NULL, wake_in_each_round, NULL), 0);
	assert_int_equal(pthread_join(sleeper, NULL), 0);
	assert_int_equal(pthread_join(waker, NULL), 0);
	assert_int_equal(waits, ROUNDS);
}

static void no_wake_up_is_lost(void **state)
{
	(void)state;
	need_signals_at_once();
	run_rounds(false);
}

static void no_signal_comes_when_the_waiting_is_over(void **state)
{
	(void)state;
	need_signals_at_once();
	run_rounds(true);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(what_is_there_is_received),
		test(what_comes_ends_the_waiting),
		test(an_end_of_file_ends_the_waiting),
		test(another_thread_ends_the_waiting),
		test(who_was_woken_does_not_wait_before_it_has_rested),
		test(a_socket_that_does_not_block_lets_nobody_wait),
		test(who_cannot_be_woken_does_not_wait),
		test(a_failure_is_told),
		test(no_wake_up_is_lost),
		test(no_signal_comes_when_the_waiting_is_over),
	};

	return cmocka_run_group_tests_name("waiter", tests, NULL, NULL);
}

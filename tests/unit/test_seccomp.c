/* SPDX-License-Identifier: MIT */
/*
 * The worker's list of system calls, from inside: what is not on it kills, or is let pass and logged; what is on it with
 * some arguments kills with others; and what the C library needs for threads, memory and its own end still works.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/log.h"
#include "worker/seccomp.h"

struct attempt {
	const char *name;
	void (*make)(void);
};

#define ATTEMPT(name, call) \
	static void name(void) \
	{ \
		(void)!(call); \
	}

ATTEMPT(make_socket, socket(AF_UNIX, SOCK_STREAM, 0))
ATTEMPT(connect_socket, connect(0, NULL, 0))
ATTEMPT(execute, execl("/bin/true", "true", NULL))
ATTEMPT(fork_process, fork())
ATTEMPT(clone_without_thread, syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL))
ATTEMPT(trace, ptrace(PTRACE_TRACEME, 0, NULL, NULL))
ATTEMPT(kill_other, kill(getppid(), 0))
ATTEMPT(signal_other_thread, syscall(SYS_tgkill, getppid(), getppid(), 0))
ATTEMPT(change_root, chroot("/"))
ATTEMPT(change_directory, fchdir(0))
ATTEMPT(unshare_all, unshare(CLONE_NEWUSER))
ATTEMPT(terminal_input, ioctl(0, _IOW('T', 0x12, char), "x"))
ATTEMPT(set_flags, ioctl(0, FS_IOC_SETFLAGS, NULL))
ATTEMPT(executable_memory, mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
ATTEMPT(make_executable, mprotect(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC))
ATTEMPT(real_uid, setresuid(1000, 1000, 1000))
ATTEMPT(real_gid, setresgid(1000, 1000, 1000))
ATTEMPT(supplementary_groups, syscall(SYS_setgroups, 0, NULL))
ATTEMPT(dumpable, prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT(new_limit, syscall(SYS_prlimit64, 0, 0, NULL, NULL))
ATTEMPT(other_socket_option, setsockopt(0, SOL_SOCKET, SO_RCVBUF, "\1\0\0\0", 4))
ATTEMPT(lease, fcntl(0, F_SETLEASE, F_RDLCK))
ATTEMPT(by_handle, syscall(SYS_open_by_handle_at, -1, NULL, 0))
ATTEMPT(io_ring, syscall(SYS_io_uring_setup, 1, NULL))
ATTEMPT(program_for_the_kernel, syscall(SYS_bpf, 0, NULL, 0))
ATTEMPT(catch_signal, signal(SIGSEGV, SIG_IGN) == SIG_ERR)
ATTEMPT(no_such_call, syscall(100000))

static const struct attempt forbidden[] = {
	{ "socket", make_socket },
	{ "connect", connect_socket },
	{ "execve", execute },
	{ "fork", fork_process },
	{ "clone of a process", clone_without_thread },
	{ "ptrace", trace },
	{ "kill", kill_other },
	{ "tgkill of another process", signal_other_thread },
	{ "chroot", change_root },
	{ "fchdir", change_directory },
	{ "unshare", unshare_all },
	{ "ioctl TIOCSTI", terminal_input },
	{ "ioctl SETFLAGS", set_flags },
	{ "mmap PROT_EXEC", executable_memory },
	{ "mprotect PROT_EXEC", make_executable },
	{ "setresuid of the real uid", real_uid },
	{ "setresgid of the real gid", real_gid },
	{ "setgroups", supplementary_groups },
	{ "prctl PR_SET_DUMPABLE", dumpable },
	{ "prlimit", new_limit },
	{ "setsockopt SO_RCVBUF", other_socket_option },
	{ "fcntl F_SETLEASE", lease },
	{ "open_by_handle_at", by_handle },
	{ "io_uring_setup", io_ring },
	{ "bpf", program_for_the_kernel },
	{ "sigaction of SIGSEGV", catch_signal },
	{ "a call that does not exist", no_such_call },
};

static void *be_a_thread(void *argument)
{
	char *memory = malloc(1 << 20);

	memory[0] = 1;
	free(memory);
	return argument;
}

static void live(void)
{
	pthread_t thread;
	void *result = NULL;
	char name[16] = "seccomp-test";
	struct stat stat;

	CHECK_EQUAL(pthread_create(&thread, NULL, be_a_thread, name), 0);
	CHECK_EQUAL(pthread_join(thread, &result), 0);
	CHECK(result == name);
	CHECK_EQUAL(prctl(PR_SET_NAME, name), 0);
	CHECK_EQUAL(lstat("/", &stat), 0);
	CHECK_EQUAL(fcntl(0, F_GETFD) == -1 ? errno : 0, 0);
	CHECK_EQUAL(syscall(SYS_setresuid, -1, 1000, -1), 0);
	CHECK_EQUAL(syscall(SYS_setresuid, -1, 0, -1), 0);
	CHECK_EQUAL(prctl(PR_GET_SECCOMP), 2);
}

static void enter(enum seccomp_mode mode)
{
	CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQUAL(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0); /* no core */
	CHECK_EQUAL(seccomp_enter(mode), 0);
}

static void attempt_killed(const void *argument)
{
	enter(SECCOMP_KILL);
	live();
	((const struct attempt *)argument)->make();
}

static void attempt_logged(const void *argument)
{
	enter(SECCOMP_LOG);
	live();
	((const struct attempt *)argument)->make();
}

static void a_call_that_is_not_on_the_list_kills(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < COUNT(forbidden); i++) {
		int status = status_of_child(attempt_killed, &forbidden[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %#x", forbidden[i].name, (unsigned)status);
	}
}

static void or_is_logged_and_passes(void **state)
{
	(void)state;
	need_root();
	run_in_child(attempt_logged, &forbidden[0]);
	run_in_child(attempt_logged, &forbidden[COUNT(forbidden) - 1]);
}

static void end_by_abort(const void *argument)
{
	(void)argument;
	enter(SECCOMP_KILL);
	abort();
}

static void abort_still_says_that_it_is_one(void **state)
{
	int status;

	(void)state;
	need_root();
	status = status_of_child(end_by_abort, NULL);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_is_not_on_the_list_kills),
		cmocka_unit_test(or_is_logged_and_passes),
		cmocka_unit_test(abort_still_says_that_it_is_one),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Theory of operation: an attacker who has taken over the worker's code has, besides its capabilities, the kernel's
 * whole surface. The list leaves what the handlers and the reactors call; not among it are, for example, socket(2),
 * execve(2), ptrace(2), mount(2), bpf(2), fchdir(2), kill(2), and every call that is newer than this file.
 *
 * Arguments are looked at where they turn a harmless call into another one. The kernel remembers calls that are allowed
 * whatever their arguments (Linux 5.11), so that those cost nothing to speak of.
 */
#include "worker/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* By name: what an architecture does not have is left out, and some have several for one function. */
static const char *const allowed[] = {
	/* handlers: src/ops */
	"open", "openat", "lstat", "lstat64", "stat", "stat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx",
	"fstatfs", "fstatfs64", "mknod", "mknodat", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "rename",
	"renameat", "renameat2", "unlink", "unlinkat", "rmdir", "readlink", "readlinkat", "chmod", "fchmod", "fchmodat",
	"fchmodat2", "lchown", "lchown32", "fchownat", "truncate", "truncate64", "ftruncate", "ftruncate64", "utimensat",
	"utimensat_time64",
	"lgetxattr", "llistxattr", "lsetxattr", "lremovexattr",

	/* connections */
	"recv", "recvfrom", "recvmsg", "sendmsg", "sendmmsg", "close",

	/* reactors, and libevent's bases */
	"epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "pipe2",
	"read", "write", "writev", "clock_gettime", "clock_gettime64", "gettimeofday", "time", "pause", "ppoll", "sched_getaffinity",

	/* what a thread finds out about its confinement */
	"capget", "getresuid", "getresuid32", "getresgid", "getresgid32", "getgroups", "getgroups32", "getuid", "getgid",
	"geteuid", "getegid", "getuid32", "getgid32", "geteuid32", "getegid32",

	/* the C library: threads, memory, locks, the end */
	"set_robust_list", "rseq", "futex", "futex_time64", "munmap", "mremap", "madvise", "brk", "rt_sigprocmask",
	"rt_sigreturn", "sigreturn", "restart_syscall", "getpid", "gettid", "getrandom", "sched_yield", "sigaltstack",
	"exit", "exit_group", "set_tid_address",
};

/* A call that is allowed where one argument, masked, has this value. */
static const struct {
	const char *name;
	unsigned argument;
	uint64_t mask, value;
} restricted[] = {
	/* identity: the effective one alone, worker/credentials.c */
	{ "setresuid", 0, UINT32_MAX, UINT32_MAX },
	{ "setresuid32", 0, UINT32_MAX, UINT32_MAX },
	{ "setresgid", 0, UINT32_MAX, UINT32_MAX },
	{ "setresgid32", 0, UINT32_MAX, UINT32_MAX },

	/* a file's generation; what else is an ioctl(2) is a driver's, or could change the file system */
	{ "ioctl", 1, UINT32_MAX, (uint32_t)FS_IOC_GETVERSION },
	{ "fcntl", 1, UINT32_MAX, F_GETFD },
	{ "fcntl", 1, UINT32_MAX, F_GETFL },
	{ "fcntl", 1, UINT32_MAX, F_SETFL },
	{ "fcntl", 1, UINT32_MAX, F_SETFD },
	{ "fcntl64", 1, UINT32_MAX, F_GETFD },
	{ "fcntl64", 1, UINT32_MAX, F_GETFL },
	{ "fcntl64", 1, UINT32_MAX, F_SETFL },
	{ "fcntl64", 1, UINT32_MAX, F_SETFD },
	{ "setsockopt", 2, UINT32_MAX, SO_PEEK_OFF },
	{ "setsockopt", 2, UINT32_MAX, SO_PASSCRED },
	{ "setsockopt", 2, UINT32_MAX, SO_PASSSEC },
	{ "getsockopt", 2, UINT32_MAX, SO_PEEK_OFF },

	/* no code is made at run time, and no process: clone3(2) cannot be looked into, see below */
	{ "mmap", 2, PROT_EXEC, 0 },
	{ "mmap2", 2, PROT_EXEC, 0 },
	{ "mprotect", 2, PROT_EXEC, 0 },
	{ "clone", 0, CLONE_THREAD | CLONE_NEWUSER, CLONE_THREAD },

	/* one thread has descriptors of its own, worker/canary.h */
	{ "unshare", 0, UINT32_MAX, CLONE_FILES },

	/* the C library's own two signals, with its first thread, and what abort(3) does at last */
	{ "rt_sigaction", 0, UINT32_MAX, 32 },
	{ "rt_sigaction", 0, UINT32_MAX, 33 },
	{ "rt_sigaction", 0, UINT32_MAX, SIGABRT },

	/* questions about the confinement, and a thread's name */
	{ "prctl", 0, UINT32_MAX, PR_SET_NAME },
	{ "prctl", 0, UINT32_MAX, PR_GET_NO_NEW_PRIVS },
	{ "prctl", 0, UINT32_MAX, PR_GET_SECUREBITS },
	{ "prctl", 0, UINT32_MAX, PR_GET_SECCOMP },
	{ "prctl", 0, UINT32_MAX, PR_CAPBSET_READ },
	{ "prctl", 0, UINT32_MAX, PR_CAP_AMBIENT }, /* it has no capability to raise it with */
};

static int allow(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < COUNT(allowed); i++) {
		int number = seccomp_syscall_resolve_name(allowed[i]);
		int error = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);

		if (error)
			return error;
	}
	return 0;
}

static int allow_restricted(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < COUNT(restricted); i++) {
		int number = seccomp_syscall_resolve_name(restricted[i].name);
		struct scmp_arg_cmp comparison =
			SCMP_CMP64(restricted[i].argument, SCMP_CMP_MASKED_EQ, restricted[i].mask, restricted[i].value);
		int error = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, comparison);

		if (error)
			return error;
	}
	return 0;
}

/* Two that need more than one comparison, or another answer. */
static int allow_particular(scmp_filter_ctx filter)
{
	int error;

	/* What is effective goes up to what is permitted, and that is for good: any capset(2) is harmless. */
	error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(capset), 0);
	/* abort(3) */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
		                         SCMP_CMP64(0, SCMP_CMP_EQ, (uint64_t)getpid()));
	/* The C library then makes its threads with clone(2). */
	if (!error && seccomp_syscall_resolve_name("clone3") >= 0)
		error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return error;
}

static int build(scmp_filter_ctx filter)
{
	int error = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

	/* The worker runs nobody's code: the kernel need not slow it down against its own (prctl(2), speculation). */
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
	if (!error)
		error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!error)
		error = allow(filter);
	if (!error)
		error = allow_restricted(filter);
	if (!error)
		error = allow_particular(filter);
	return error ? error : seccomp_load(filter);
}

int seccomp_enter(enum seccomp_mode mode)
{
	scmp_filter_ctx filter = seccomp_init(mode == SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	int error = filter ? build(filter) : -ENOMEM;

	if (filter)
		seccomp_release(filter);
	if (error)
		log_error("cannot filter the worker's system calls: %s; start the helper with --seccomp=off to do without",
		          strerror(-error));
	return error;
}

/* SPDX-License-Identifier: MIT */
/*
 * Identities of one thread, as the kernel reports them: what a guest's is while it is assumed, that nothing is left of
 * it afterwards, and that a thread which cannot become root again ends the process. All in children.
 */
#include "credentials_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/credentials.h"

#define UID    1234U
#define GID    5678U
#define NO_ID  ((uid_t)-1)

/* Where the plain names are of the calls of old, with 16 bits: i386, arm. */
#ifdef SYS_setresuid32
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#else
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#endif

struct pair {
	uid_t uid;
	gid_t gid;
};

static const struct pair matrix[] = {
	{ 0, 0 },     { 0, GID },     { 0, NO_ID },
	{ UID, 0 },   { UID, GID },   { UID, NO_ID },
	{ NO_ID, 0 }, { NO_ID, GID }, { NO_ID, NO_ID },
};

static bool is_refused(struct pair pair)
{
	return pair.uid == NO_ID || pair.gid == NO_ID;
}

static void assume_and_check(struct pair pair)
{
	CHECK_EQUAL(credentials_assume(pair.uid, pair.gid), is_refused(pair) ? -EINVAL : 0);
	if (is_refused(pair) || (pair.uid == 0 && pair.gid == 0))
		check_is_root();
	else
		check_is_guest(pair.uid, pair.gid);
	if (is_refused(pair))
		return;
	credentials_restore(pair.uid, pair.gid);
	check_is_root();
}

static void go_through_one(const void *argument)
{
	become_worker();
	assume_and_check(*(const struct pair *)argument);
}

static void every_pair_of_ids_is_assumed_or_refused(void **state)
{
	(void)state;
	need_root();
	for (size_t i = 0; i < COUNT(matrix); i++)
		run_in_child(go_through_one, &matrix[i]);
}

static void go_through_all(const void *argument)
{
	(void)argument;
	become_worker();
	for (size_t i = 0; i < COUNT(matrix); i++)
		for (size_t j = 0; j < COUNT(matrix); j++) {
			assume_and_check(matrix[i]);
			assume_and_check(matrix[j]);
		}
}

static void any_pair_of_ids_may_follow_any_other(void **state)
{
	(void)state;
	need_root();
	run_in_child(go_through_all, NULL);
}

/* --- what an identity is for --------------------------------------------------------------------------------- */

/* Creates a file as `pair` in a directory that only root may enter, and checks whose it is. */
static void create_as(struct pair pair)
{
	struct stat file;
	int fd;

	CHECK_EQUAL(credentials_assume(pair.uid, pair.gid), 0);
	fd = open("file", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQUAL(fchown(fd, 1, 1), pair.uid == 0 && pair.gid == 0 ? 0 : -1);
	CHECK_EQUAL(fchown(fd, pair.uid, pair.gid), 0);
	credentials_restore(pair.uid, pair.gid);
	CHECK_EQUAL(fstat(fd, &file), 0);
	CHECK_EQUAL(file.st_uid, pair.uid);
	CHECK_EQUAL(file.st_gid, pair.gid);
	close(fd);
	CHECK_EQUAL(chown("file", 1, 1), 0);
	CHECK_EQUAL(unlink("file"), 0);
}

static void create_files(const void *argument)
{
	CHECK_EQUAL(chdir(argument), 0);
	become_worker();
	for (size_t i = 0; i < COUNT(matrix); i++)
		if (!is_refused(matrix[i]))
			create_as(matrix[i]);
	/* The old helper lost its capabilities with the first of these, and aborted in the second. */
	create_as((struct pair){ 0, 1000 });
	create_as((struct pair){ 1000, 1000 });
	create_as((struct pair){ 0, 0 });
}

static void files_belong_to_who_creates_them(void **state)
{
	(void)state;
	need_root();
	run_in_directory(create_files);
}

/* --- what a worker verifies ---------------------------------------------------------------------------------- */

static void set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	const struct __user_cap_data_struct data[2] = {
		{ (uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable },
		{ (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32) },
	};

	CHECK_EQUAL(syscall(SYS_capset, &header, data), 0);
}

static void check_differs(const char *what)
{
	char difference[256] = "", cut[8];

	CHECK(!credentials_verify(difference, sizeof difference));
	CHECK(strstr(difference, what) != NULL);
	CHECK(!credentials_verify(cut, sizeof cut));
	CHECK_EQUAL(strlen(cut), sizeof cut - 1);
}

static void verify_capabilities(const void *argument)
{
	const uint64_t seven = credentials_capabilities, eight = seven | 1U << CAP_SYS_CHROOT;

	(void)argument;
	check_differs("capabilities");
	set_capabilities(eight, eight, 0);
	check_differs("capabilities");
	set_capabilities(seven, eight, 0);
	check_differs("permitted");
	set_capabilities(seven, seven, DAC_OVERRIDE);
	check_differs("inheritable");
	set_capabilities(DAC_OVERRIDE, seven, 0);
	check_differs("effective");
	set_capabilities(seven, seven, 0);
	check_is_root();
	set_capabilities(seven & ~DAC_OVERRIDE, seven & ~DAC_OVERRIDE, 0);
	check_differs("capabilities");
}

static void verify_id(const void *argument)
{
	const unsigned *which = argument;
	int (*const call)(uid_t, uid_t, uid_t) = *which < 3 ? setresuid : setresgid;
	uid_t ids[3] = { NO_ID, NO_ID, NO_ID };

	become_worker();
	ids[*which % 3] = UID;
	CHECK_EQUAL(call(ids[0], ids[1], ids[2]), 0);
	check_differs("1234");
}

static void a_worker_that_is_not_as_it_should_be_knows(void **state)
{
	(void)state;
	need_root();
	run_in_child(verify_capabilities, NULL);
	for (unsigned which = 0; which < 6; which++)
		run_in_child(verify_id, &which);
}

/* --- ids without a mapping ----------------------------------------------------------------------------------- */

static void write_map(pid_t pid, const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		print_message("# %s cannot be written: %s\n", path, strerror(errno));
	close(fd);
}

#define CANNOT 77 /* exit status of a child that has no user namespace */

/* Group 1000 is known here and user 1000 is not, so that the second half of a change fails. */
static _Noreturn void assume_unmapped(int parent)
{
	static const struct pair unmapped[] = { { 1000, 1000 }, { 1000, 0 }, { 0, 2000 }, { 2000, 2000 }, { 1, 1000 } };
	char byte = 0;

	if (unshare(CLONE_NEWUSER))
		_exit(CANNOT);
	CHECK_EQUAL(write(parent, &byte, 1), 1);
	CHECK_EQUAL(read(parent, &byte, 1), 1);
	if (setresgid(0, 0, 0) || setresuid(0, 0, 0))
		_exit(CANNOT);
	become_worker();
	for (size_t i = 0; i < COUNT(unmapped); i++) {
		CHECK_EQUAL(credentials_assume(unmapped[i].uid, unmapped[i].gid), -EINVAL);
		check_is_root();
	}
	assume_and_check((struct pair){ 0, 1000 });
	_exit(EXIT_SUCCESS);
}

static void ids_without_a_mapping_are_refused(void **state)
{
	int ends[2], status;
	char byte;
	pid_t pid;

	(void)state;
	need_root();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		assume_unmapped(ends[1]);
	}
	close(ends[1]);
	if (read(ends[0], &byte, 1) == 1) {
		write_map(pid, "uid_map", "0 0 1\n");
		write_map(pid, "gid_map", "0 0 1\n1000 1000 1\n");
		assert_int_equal(write(ends[0], &byte, 1), 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ends[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT)
		skip_because("there are no user namespaces here");
	assert_int_equal(status, 0);
}

/* --- when the kernel refuses --------------------------------------------------------------------------------- */

/* A system call that fails with EPERM from now on, if its second argument is this. */
struct refusal {
	unsigned call;
	bool any; /* whatever the argument */
	uint32_t argument;
};

static void refuse(const struct refusal *refusal)
{
	const unsigned low_word = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : 4;
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal->call, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]) + low_word),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal->argument, 0, refusal->any ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { COUNT(rules), rules };

	CHECK_EQUAL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQUAL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void fail_to_assume(const void *argument)
{
	become_worker();
	refuse(argument);
	CHECK_EQUAL(credentials_assume(UID, GID), -EPERM);
	check_is_root();
}

static void a_refused_identity_changes_nothing(void **state)
{
	static const struct refusal refusals[] = {
		{ SETRESGID, false, GID },
		{ SETRESUID, false, UID },
		{ SYS_capset, true, 0 }, /* the half that was done is undone, without that call */
	};

	(void)state;
	need_root();
	for (size_t i = 0; i < COUNT(refusals); i++)
		run_in_child(fail_to_assume, &refusals[i]);
}

static void fail_to_restore(const void *argument)
{
	become_worker();
	CHECK_EQUAL(credentials_assume(UID, GID), 0);
	refuse(argument);
	credentials_restore(UID, GID);
}

/* The uid was 0 all the time, and brings no capability back. */
static void fail_to_restore_group(const void *argument)
{
	become_worker();
	CHECK_EQUAL(credentials_assume(0, GID), 0);
	refuse(argument);
	credentials_restore(0, GID);
}

static void assert_aborts(void (*body)(const void *argument), const struct refusal *refusal)
{
	int status = status_of_child(body, refusal);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void a_thread_that_cannot_become_root_again_aborts(void **state)
{
	static const struct refusal no_uid = { SETRESUID, false, 0 }, no_gid = { SETRESGID, false, 0 };
	static const struct refusal no_capabilities = { SYS_capset, true, 0 };

	(void)state;
	need_root();
	assert_aborts(fail_to_restore, &no_uid);
	assert_aborts(fail_to_restore, &no_gid);
	assert_aborts(fail_to_restore_group, &no_gid);
	assert_aborts(fail_to_restore_group, &no_capabilities);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_ids_is_assumed_or_refused),
		cmocka_unit_test(any_pair_of_ids_may_follow_any_other),
		cmocka_unit_test(files_belong_to_who_creates_them),
		cmocka_unit_test(a_worker_that_is_not_as_it_should_be_knows),
		cmocka_unit_test(ids_without_a_mapping_are_refused),
		cmocka_unit_test(a_refused_identity_changes_nothing),
		cmocka_unit_test(a_thread_that_cannot_become_root_again_aborts),
	};

	return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What happens when something else takes a name in the very moment between the look at an object and what is done. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log_capture.h"
#include "ops/object.h"
#include "ops/ops.h"

static char directory[32];
static bool no_fchmodat2; /* as before Linux 6.6 */
static const char *taker; /* what takes the name "name" when something is done to what was held */
static struct proxyfs_request request;
static struct op_call call;

/* --- the kernel, with a hostile neighbour -------------------------------------------------------------------- */

int __real_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...);
int __wrap___openat64_2(int at, const char *path, int flags);
int __real_fchmodat(int at, const char *path, mode_t mode, int flags);
int __wrap_fchmodat(int at, const char *path, mode_t mode, int flags);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static void let_taker_take(void)
{
	if (taker)
		assert_int_equal(rename(taker, "name"), 0);
	taker = NULL;
}

int __wrap_openat64(int at, const char *path, int flags, ...)
{
	let_taker_take();
	return __real_openat64(at, path, flags);
}

/* Its fortified form. */
int __wrap___openat64_2(int at, const char *path, int flags)
{
	return __wrap_openat64(at, path, flags);
}

int __wrap_fchmodat(int at, const char *path, mode_t mode, int flags)
{
	let_taker_take();
	return __real_fchmodat(at, path, mode, flags);
}

long __wrap_syscall(long number, ...)
{
	va_list arguments;
	long a, b, c, d;

	if (no_fchmodat2 && number == 452) {
		errno = ENOSYS;
		return -1;
	}
	va_start(arguments, number);
	a = va_arg(arguments, long);
	b = va_arg(arguments, long);
	c = va_arg(arguments, long);
	d = va_arg(arguments, long);
	va_end(arguments);
	return __real_syscall(number, a, b, c, d);
}

/* --- a directory of objects ---------------------------------------------------------------------------------- */

static void write_file(const char *name)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs("content", file);
	fclose(file);
	assert_int_equal(chmod(name, 0600), 0);
}

static int make(void **state)
{
	(void)state;
	make_directory(directory);
	if (chdir(directory))
		return -1;
	write_file("name");
	write_file("other");
	if (mkfifo("fifo", 0600) || symlink("other", "link") || mkdir("sub", 0700))
		return -1;
	log_capture_reset();
	no_fchmodat2 = false;
	taker = NULL;
	request = (struct proxyfs_request){ .flags = O_RDWR, .mode = 0640, .length = 3 };
	call = (struct op_call){ .request = &request, .path = "name", .fd = -1 };
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	if (call.fd >= 0)
		close(call.fd);
	call.fd = -1;
	if (chdir("/"))
		return -1;
	remove_directory(directory);
	return 0;
}

static int make_prepared(void **state)
{
	object_prepare();
	return make(state);
}

static struct stat status_of(const char *name)
{
	struct stat stat;

	assert_int_equal(lstat(name, &stat), 0);
	return stat;
}

#define assert_same(a, b) assert_true((a).st_dev == (b).st_dev && (a).st_ino == (b).st_ino)

/* What object_prepare() needs is a right of root's. */
static void need_reopening(void)
{
	need_root();
	assert_true(object_can_reopen());
}

/* --- what was held is what is opened ------------------------------------------------------------------------- */

static void what_is_opened_is_what_was_looked_at(void **state)
{
	static const char *const takers[] = { "fifo", "link", "other" };
	struct stat opened, before;

	need_reopening();
	for (size_t i = 0; i < COUNT(takers); i++) {
		assert_int_equal(destroy(state), 0);
		assert_int_equal(make(state), 0);
		before = status_of("name");
		taker = takers[i];
		assert_int_equal(op_open(&call), 0);
		assert_null(taker);
		assert_int_equal(fstat(call.fd, &opened), 0);
		assert_same(opened, before);
	}
}

static void what_is_cut_is_what_was_looked_at(void **state)
{
	(void)state;
	need_reopening();
	taker = "link";
	assert_int_equal(op_truncate(&call), 0);
	assert_null(taker);
	assert_int_equal(status_of("other").st_size, 7);
}

static void without_the_call_of_linux_6_6_no_link_is_followed_either(void **state)
{
	(void)state;
	need_reopening();
	no_fchmodat2 = true;
	taker = "link";
	assert_int_equal(op_chmod(&call), 0);
	assert_null(taker);
	assert_int_equal(status_of("other").st_mode & 07777, 0600);
}

static void flags_are_those_that_were_asked_for(void **state)
{
	(void)state;
	request.flags = O_WRONLY | O_APPEND | O_TRUNC;
	assert_int_equal(op_open(&call), 0);
	assert_int_equal(fcntl(call.fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_WRONLY | O_APPEND);
	assert_int_equal(fcntl(call.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(status_of("name").st_size, 0);
}

/* --- with and without /proc/self/fd the same answers --------------------------------------------------------- */

static void assert_answers(const char *name, int to_open, int to_truncate, int to_chmod)
{
	call.path = name;
	assert_int_equal(op_open(&call), to_open);
	assert_int_equal(op_getversion(&call), to_open);
	assert_int_equal(op_truncate(&call), to_truncate);
	assert_int_equal(op_chmod(&call), to_chmod);
}

static void each_kind_of_object_has_its_answer(void **state)
{
	(void)state;
	for (int old = 0; old <= 1; old++) {
		no_fchmodat2 = old;
		assert_answers("fifo", -ENXIO, -EINVAL, 0);
		assert_answers("link", -ELOOP, -ELOOP, -ELOOP);
		assert_answers("missing", -ENOENT, -ENOENT, -ENOENT);
		call.path = "sub";
		assert_int_equal(op_open(&call), -EISDIR);
		assert_int_equal(op_truncate(&call), -EISDIR);
		assert_int_equal(status_of("other").st_size, 7);
		assert_int_equal(status_of("other").st_mode & 07777, 0600);
		call.path = "name";
		assert_int_equal(op_chmod(&call), 0);
		assert_int_equal(status_of("name").st_mode & 07777, 0640);
		assert_int_equal(op_truncate(&call), 0);
		assert_int_equal(status_of("name").st_size, 3);
	}
}

static void no_descriptor_is_left(void **state)
{
	unsigned before = open_descriptors();

	each_kind_of_object_has_its_answer(state);
	assert_int_equal(open_descriptors(), before);
}

static void nothing_can_be_reached_from_the_directory_of_descriptors(void **state)
{
	struct stat root, above;
	int fd = dup(0);

	(void)state;
	need_reopening();
	/* It is the descriptor that was taken before this one: the only directory among those that are open. */
	for (int i = fd - 1; i > 2; i--) {
		if (fstat(i, &root) || !S_ISDIR(root.st_mode))
			continue;
		assert_int_equal(fstatat(i, "../../..", &above, 0), 0);
		assert_same(root, above);
		close(fd);
		return;
	}
	fail_msg("there is no directory of descriptors");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* Before object_prepare(): as where there is no /proc. */
		cmocka_unit_test_setup_teardown(flags_are_those_that_were_asked_for, make, destroy),
		cmocka_unit_test_setup_teardown(each_kind_of_object_has_its_answer, make, destroy),
		cmocka_unit_test_setup_teardown(no_descriptor_is_left, make, destroy),

		cmocka_unit_test_setup_teardown(flags_are_those_that_were_asked_for, make_prepared, destroy),
		cmocka_unit_test_setup_teardown(each_kind_of_object_has_its_answer, make, destroy),
		cmocka_unit_test_setup_teardown(no_descriptor_is_left, make, destroy),
		cmocka_unit_test_setup_teardown(what_is_opened_is_what_was_looked_at, make, destroy),
		cmocka_unit_test_setup_teardown(what_is_cut_is_what_was_looked_at, make, destroy),
		cmocka_unit_test_setup_teardown(without_the_call_of_linux_6_6_no_link_is_followed_either, make, destroy),
		cmocka_unit_test_setup_teardown(nothing_can_be_reached_from_the_directory_of_descriptors, make, destroy),
	};

	return cmocka_run_group_tests_name("object", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What a worker finds out about its own confinement, where it is not what it should be. All in children. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "log_capture.h"
#include "worker/sandbox.h"

static void look_at_descriptors(const void *argument)
{
	int none[1] = { -1 }, known, other;

	(void)argument;
	CHECK_EQUAL(descriptor_fill_standard(), 0);
	CHECK_EQUAL(descriptor_close_all_but(none, 0), 0);
	known = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CHECK(sandbox_verify_descriptors(&known, 1));
	other = open("/", O_PATH | O_CLOEXEC);
	CHECK(!sandbox_verify_descriptors(&known, 1));
	CHECK(strstr(log_capture_text(), "a descriptor that it should not have") != NULL);
	close(other);
	CHECK(sandbox_verify_descriptors(&known, 1));
	CHECK(!sandbox_verify_descriptors(NULL, 0));
}

static void a_foreign_descriptor_is_found(void **state)
{
	(void)state;
	run_in_child(look_at_descriptors, NULL);
}

static void enter_and_leave(const void *argument)
{
	static const struct confinement confinement = { .kind = SANDBOX_CHROOT, .seccomp = SECCOMP_OFF };

	CHECK_EQUAL(sandbox_enter(open(argument, O_PATH | O_DIRECTORY | O_CLOEXEC), &confinement), 0);
	CHECK(sandbox_verify());
	CHECK_EQUAL(mkdir("below", 0755), 0);
	CHECK_EQUAL(syscall(SYS_setresuid, -1, 1000, -1), 0);
	CHECK(!sandbox_verify());
	CHECK(strstr(log_capture_text(), "refusing to serve") != NULL);
	CHECK_EQUAL(syscall(SYS_setresuid, -1, 0, -1), 0);
	CHECK(sandbox_verify());
}

static void an_identity_that_is_left_is_found(void **state)
{
	char path[32];
	int status;

	(void)state;
	need_root();
	make_directory(path);
	status = status_of_child(enter_and_leave, path);
	remove_directory(path);
	assert_int_equal(status, 0);
}

static void look_unconfined(const void *argument)
{
	(void)argument;
	CHECK(!sandbox_verify());
}

static void who_never_entered_is_not_confined(void **state)
{
	(void)state;
	run_in_child(look_unconfined, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_foreign_descriptor_is_found),
		cmocka_unit_test(an_identity_that_is_left_is_found),
		cmocka_unit_test(who_never_entered_is_not_confined),
	};

	return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}

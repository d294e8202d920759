/* SPDX-License-Identifier: MIT */
/*
 * What libattr makes of a host's /etc/xattr.conf, and that what it does not find there it does not look for inside
 * the export. Each child sees an /etc of the test's, in a mount namespace of its own.
 */
#include "unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/private_attributes.h"
#include "log_capture.h"

static char directory[32];

static void write_file(const char *folder, const char *content)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s/xattr.conf", directory, folder);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(content, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "%s/%s", directory, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* The host's /etc, empty, and an export whose guest would like to have a say. */
static int setup(void **state)
{
	(void)state;
	need_root();
	make_directory(directory);
	make_folder("host");
	make_folder("export");
	make_folder("export/etc");
	write_file("export/etc", "user.guest skip\nsecurity.capability skip\nuser.host permissions\n");
	log_capture_reset();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_directory(directory);
	return 0;
}

static void enter_host(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/host", directory);
	CHECK(!unshare(CLONE_NEWNS));
	CHECK(!mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CHECK(!mount(path, "/etc", NULL, MS_BIND, NULL));
}

/* Nothing of the guest's is heard, before a child is forked nor after. */
static void check_guest_has_no_say(void)
{
	char path[64];

	snprintf(path, sizeof path, "%s/export", directory);
	CHECK(!chroot(path) && !chdir("/"));
	CHECK(!access("/etc/xattr.conf", R_OK));
	for (int i = 0; i < 2; i++) {
		CHECK(!private_attributes_include("user.guest"));
		CHECK(!private_attributes_include("security.capability"));
		CHECK(private_attributes_include("security.evm"));
		CHECK(private_attributes_include("security.ima"));
	}
}

static void check_no_rules(const void *argument)
{
	(void)argument;
	enter_host();
	CHECK_EQUAL(private_attributes_read(), 0);
	CHECK_EQUAL(log_capture_count(), 1);
	CHECK_EQUAL(log_capture_errors(), 0);
	CHECK(strstr(log_capture_text(), "/etc/xattr.conf"));
	CHECK(!private_attributes_include("user.host"));
	check_guest_has_no_say();
	CHECK(!private_attributes_include("user.host"));
}

static void check_rules(const void *argument)
{
	(void)argument;
	enter_host();
	CHECK_EQUAL(private_attributes_read(), 0);
	CHECK_EQUAL(log_capture_count(), 0);
	CHECK(private_attributes_include("user.host"));
	check_guest_has_no_say();
	CHECK(private_attributes_include("user.host"));
}

static void check_unusable(const void *argument)
{
	const int *error = argument;

	enter_host();
	CHECK_EQUAL(private_attributes_read(), *error);
	CHECK_EQUAL(log_capture_errors(), 1);
	CHECK(strstr(log_capture_text(), "/etc/xattr.conf"));
	CHECK(strstr(log_capture_text(), "--xattr-policy"));
}

static void without_a_file_the_guests_is_not_read(void **state)
{
	(void)state;
	run_in_child(check_no_rules, NULL);
}

static void with_a_file_without_rules_the_guests_is_not_read(void **state)
{
	static const char *const contents[] = { "", "\n\n", "# user.host skip\n", "   # nothing\n\n" };

	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		write_file("host", contents[i]);
		run_in_child(check_no_rules, NULL);
	}
}

static void the_hosts_rules_are_remembered(void **state)
{
	static const char *const contents[] = {
		"user.host skip\n",
		"\n# a comment\nsystem.posix_acl_access permissions\nuser.host\tskip # another\n",
		"user.h[opq]st skip\n",
		"user.ho* skip\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		write_file("host", contents[i]);
		run_in_child(check_rules, NULL);
	}
}

static void what_makes_no_sense_is_an_error(void **state)
{
	static const char *const contents[] = { "user.host\n", "user.host hide\n", "user.host skip\nuser.other skip please\n" };
	static const int invalid = -EINVAL;

	(void)state;
	for (size_t i = 0; i < COUNT(contents); i++) {
		write_file("host", contents[i]);
		run_in_child(check_unusable, &invalid);
	}
}

static void what_cannot_be_read_is_an_error(void **state)
{
	static const int is_directory = -EISDIR;

	(void)state;
	make_folder("host/xattr.conf");
	run_in_child(check_unusable, &is_directory);
}

static void check_permissions(const void *argument)
{
	(void)argument;
	enter_host();
	CHECK_EQUAL(private_attributes_read(), 0);
	CHECK(!private_attributes_include("system.posix_acl_access"));
	CHECK(!private_attributes_include("user.mode"));
	CHECK(!private_attributes_include("user.host"));
	CHECK(!private_attributes_include("user.hidden"));
	CHECK(private_attributes_include("user.hidden.x"));
	CHECK(!private_attributes_include(""));
}

static void attributes_that_are_permissions_are_not_private(void **state)
{
	(void)state;
	write_file("host", "system.posix_acl_access permissions\nuser.mode permissions\nuser.hidden.* skip\n");
	run_in_child(check_permissions, NULL);
}

/* A child of a process that has read the rules, as the worker is, goes by them, whatever has become of the file. */
static void check_heir(const void *argument)
{
	(void)argument;
	check_guest_has_no_say();
	CHECK(private_attributes_include("user.host"));
}

static void check_inherited(const void *argument)
{
	char path[64];

	(void)argument;
	enter_host();
	CHECK_EQUAL(private_attributes_read(), 0);
	snprintf(path, sizeof path, "%s/host/xattr.conf", directory);
	CHECK(!unlink(path));
	for (int i = 0; i < 2; i++)
		CHECK_EQUAL(status_of_child(check_heir, NULL), 0);
}

static void children_inherit_the_rules(void **state)
{
	(void)state;
	write_file("host", "user.host skip\n");
	run_in_child(check_inherited, NULL);
}

static void check_limit(const void *argument)
{
	struct rlimit before, after;

	(void)argument;
	enter_host();
	CHECK(!getrlimit(RLIMIT_NOFILE, &before));
	CHECK_EQUAL(private_attributes_read(), 0);
	CHECK(!getrlimit(RLIMIT_NOFILE, &after));
	CHECK_EQUAL(after.rlim_cur, before.rlim_cur);
	CHECK_EQUAL(after.rlim_max, before.rlim_max);
}

static void the_limit_of_descriptors_stays(void **state)
{
	(void)state;
	run_in_child(check_limit, NULL);
	write_file("host", "user.host skip\n");
	run_in_child(check_limit, NULL);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(without_a_file_the_guests_is_not_read),
		test(with_a_file_without_rules_the_guests_is_not_read),
		test(the_hosts_rules_are_remembered),
		test(what_makes_no_sense_is_an_error),
		test(what_cannot_be_read_is_an_error),
		test(attributes_that_are_permissions_are_not_private),
		test(children_inherit_the_rules),
		test(the_limit_of_descriptors_stays),
	};

	return cmocka_run_group_tests_name("private_attributes", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Each check of the export's policy by itself, at the edges of what it refuses, and how the log words a policy. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "common/private_attributes.h"
#include "worker/policy.h"

#define YEAR INT64_C(31557600) /* seconds */

static struct proxyfs_request request;
static struct op_call call;

bool private_attributes_include(const char *name)
{
	return !strcmp(name, "user.private");
}

static int setup(void **state)
{
	(void)state;
	request = (struct proxyfs_request){ .op = PROXYFS_OPEN };
	call = (struct op_call){ .request = &request, .name = "user.name" };
	policy_enforce(&(struct policy){ .readonly = false });
	return 0;
}

#define enforce(...) policy_enforce(&(struct policy){ __VA_ARGS__ })

static int judge_flags(int flags)
{
	request.flags = (uint32_t)flags;
	return policy_open(&call);
}

static int judge_mode(policy_check *asked, mode_t mode)
{
	request.mode = mode;
	return asked(&call);
}

static int judge_name(policy_check *asked, const char *name)
{
	call.name = name;
	return asked(&call);
}

/* --- nothing changes ----------------------------------------------------------------------------------------- */

static void without_a_policy_everything_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(policy_change(&call), 0);
	assert_int_equal(judge_flags(O_RDWR | O_TRUNC), 0);
	assert_int_equal(judge_mode(policy_create, 06777), 0);
	assert_int_equal(judge_mode(policy_mknod, S_IFBLK | 06777), 0);
	assert_int_equal(judge_mode(policy_chmod, 06777), 0);
	assert_false(call.directories_only);
	assert_int_equal(policy_utime(&call), 0);
	assert_false(call.keep_atime);
}

static void a_readonly_export_is_opened_for_reading_only(void **state)
{
	static const int reads[] = { O_RDONLY, O_RDONLY | O_DIRECTORY, O_RDONLY | O_APPEND | O_NOATIME | O_SYNC | O_EXCL };
	static const int writes[] = { O_WRONLY, O_RDWR, O_ACCMODE, O_RDONLY | O_TRUNC, O_WRONLY | O_APPEND,
		                      O_DIRECTORY | O_RDWR };

	(void)state;
	enforce(.readonly = true);
	assert_int_equal(policy_change(&call), -EROFS);
	for (size_t i = 0; i < COUNT(reads); i++)
		assert_int_equal(judge_flags(reads[i]), 0);
	for (size_t i = 0; i < COUNT(writes); i++)
		assert_int_equal(judge_flags(writes[i]), -EROFS);
}

/* --- modes --------------------------------------------------------------------------------------------------- */

static void device_nodes_are_told_by_their_type(void **state)
{
	static const mode_t others[] = { 0, S_IFREG, S_IFIFO, S_IFSOCK, S_IFDIR, S_IFLNK };

	(void)state;
	enforce(.no_devices = true);
	assert_int_equal(judge_mode(policy_mknod, S_IFCHR | 0600), -EPERM);
	assert_int_equal(judge_mode(policy_mknod, S_IFBLK | 0600), -EPERM);
	assert_int_equal(judge_mode(policy_mknod, S_IFCHR), -EPERM);
	for (size_t i = 0; i < COUNT(others); i++)
		assert_int_equal(judge_mode(policy_mknod, others[i] | 06777), 0);

	/* The kernel looks at 16 bits of a mode. */
	assert_int_equal(judge_mode(policy_mknod, 0xffff0000U | S_IFBLK), -EPERM);
}

static void set_id_bits_are_refused_to_new_files(void **state)
{
	policy_check *const checks[] = { policy_create, policy_mknod };

	(void)state;
	enforce(.no_setid = true);
	for (size_t i = 0; i < COUNT(checks); i++) {
		assert_int_equal(judge_mode(checks[i], S_IFREG | 01777), 0);
		assert_int_equal(judge_mode(checks[i], S_IFREG | 04000), -EPERM);
		assert_int_equal(judge_mode(checks[i], S_IFREG | 02000), -EPERM);
		assert_int_equal(judge_mode(checks[i], 06777), -EPERM);
	}
	assert_int_equal(judge_mode(policy_mknod, S_IFBLK | 0600), 0);
}

static void set_id_bits_are_for_directories_only(void **state)
{
	(void)state;
	enforce(.no_setid = true);
	for (mode_t mode = 0; mode <= 07777; mode++) {
		assert_int_equal(judge_mode(policy_chmod, mode), 0);
		assert_int_equal(call.directories_only, (mode & 06000) != 0);
	}
}

/* --- times --------------------------------------------------------------------------------------------------- */

static bool keeps_atime(int64_t sec, int64_t atime_nsec, int64_t mtime_nsec)
{
	request.atime_sec = sec;
	request.atime_nsec = atime_nsec;
	request.mtime_nsec = mtime_nsec;
	assert_int_equal(policy_utime(&call), 0);
	return call.keep_atime;
}

static void a_time_of_last_access_far_away_is_left_alone(void **state)
{
	int64_t now = time(NULL);
	const int64_t near[] = { now, now - 9 * YEAR, now + 9 * YEAR, now - 10 * YEAR + 100, now + 10 * YEAR - 100 };
	const int64_t far[] = { 0, -1, INT64_MIN, INT64_MAX, now - 10 * YEAR - 100, now + 10 * YEAR + 100 };

	(void)state;
	enforce(.utime_quirk = true);
	for (size_t i = 0; i < COUNT(near); i++) {
		assert_false(keeps_atime(near[i], 0, 0));
		assert_false(keeps_atime(near[i], 999999999, 999999999));
	}
	for (size_t i = 0; i < COUNT(far); i++) {
		assert_true(keeps_atime(far[i], 0, 0));
		assert_true(keeps_atime(far[i], 999999999, 999999999));
	}
}

static void times_that_mean_something_are_set(void **state)
{
	(void)state;
	enforce(.utime_quirk = true);
	assert_false(keeps_atime(0, 1, 2));
	assert_false(keeps_atime(0, UTIME_NOW, UTIME_NOW));
	assert_false(keeps_atime(0, UTIME_NOW, 0));
	assert_false(keeps_atime(0, 0, UTIME_NOW));
}

/* --- attributes ---------------------------------------------------------------------------------------------- */

static void attributes_private_to_the_host_are_hidden(void **state)
{
	(void)state;
	enforce(.xattrs = XATTR_POLICY_HOST);
	assert_int_equal(judge_name(policy_lgetxattr, "user.private"), -ENODATA);
	assert_int_equal(judge_name(policy_change_xattr, "user.private"), -ENOTSUP);
	assert_int_equal(judge_name(policy_lgetxattr, "user.name"), 0);
	assert_int_equal(judge_name(policy_change_xattr, "user.name"), 0);
	assert_int_equal(policy_llistxattr(&call), 0);
	assert_true(call.hides("user.private"));
	assert_false(call.hides("user.name"));
}

static void nothing_is_hidden(void **state)
{
	(void)state;
	enforce(.xattrs = XATTR_POLICY_ALL);
	assert_int_equal(judge_name(policy_lgetxattr, "user.private"), 0);
	assert_int_equal(judge_name(policy_change_xattr, "user.private"), 0);
	assert_int_equal(policy_llistxattr(&call), 0);
	assert_null(call.hides);
}

static void there_are_no_attributes(void **state)
{
	(void)state;
	enforce(.xattrs = XATTR_POLICY_NONE);
	assert_int_equal(judge_name(policy_lgetxattr, "user.name"), -ENOTSUP);
	assert_int_equal(judge_name(policy_change_xattr, "user.name"), -ENOTSUP);
	assert_int_equal(policy_llistxattr(&call), -ENOTSUP);
}

/* --- words --------------------------------------------------------------------------------------------------- */

static void assert_described(struct policy policy, const char *expected)
{
	char text[POLICY_TEXT_MAX];

	policy_describe(&policy, text);
	assert_string_equal(text, expected);
}

static void the_log_says_what_is_on(void **state)
{
	(void)state;
	assert_described((struct policy){ .readonly = false }, "");
	assert_described((struct policy){ .readonly = true }, ", read-only");
	assert_described((struct policy){ .no_devices = true, .no_setid = true }, ", no devices, no set-id files");
	assert_described((struct policy){ .xattrs = XATTR_POLICY_ALL }, ", all attributes");
	assert_described((struct policy){ true, true, true, true, XATTR_POLICY_NONE },
	                 ", read-only, no devices, no set-id files, no attributes, UTIME quirk");
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(without_a_policy_everything_is_allowed),
		test(a_readonly_export_is_opened_for_reading_only),
		test(device_nodes_are_told_by_their_type),
		test(set_id_bits_are_refused_to_new_files),
		test(set_id_bits_are_for_directories_only),
		test(a_time_of_last_access_far_away_is_left_alone),
		test(times_that_mean_something_are_set),
		test(attributes_private_to_the_host_are_hidden),
		test(nothing_is_hidden),
		test(there_are_no_attributes),
		test(the_log_says_what_is_on),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}

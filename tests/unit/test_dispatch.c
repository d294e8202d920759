/* SPDX-License-Identifier: MIT */
/*
 * The table of operations with handlers and credentials that only note what they are asked: who runs as whom, what
 * reaches a handler at all, and the forms of failure.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <proxyfs/codec.h>

#include "common/private_attributes.h"
#include "ops/ops.h"
#include "worker/credentials.h"
#include "worker/dispatch.h"
#include "worker/policy.h"

#define UID 1234U
#define GID 5678U

/* What happened, in the order in which it did: 'a'ssume, 'h'andler, 'r'estore. */
static char events[16];
static int assume_error, handler_status, handler_fd;
static enum proxyfs_op handled;
static bool directories_only, keep_atime, hides;
static char path[PATH_MAX], new_path[PATH_MAX], target[PATH_MAX], name[XATTR_NAME_MAX + 1];
static size_t attribute_size;

static void note(char event)
{
	size_t size = strlen(events);

	assert_true(size < sizeof events - 1);
	events[size] = event;
}

int credentials_assume(uid_t uid, gid_t gid)
{
	assert_int_equal(uid, UID);
	assert_int_equal(gid, GID);
	note('a');
	return assume_error;
}

void credentials_restore(uid_t uid, gid_t gid)
{
	assert_int_equal(uid, UID);
	assert_int_equal(gid, GID);
	note('r');
}

bool private_attributes_include(const char *attribute)
{
	return !strcmp(attribute, "user.private");
}

static int handle(enum proxyfs_op op, struct op_call *call)
{
	note('h');
	handled = op;
	assert_int_equal(call->request->op, op);
	snprintf(path, sizeof path, "%s", call->path);
	if (op == PROXYFS_LINK || op == PROXYFS_RENAME)
		snprintf(new_path, sizeof new_path, "%s", call->new_path);
	snprintf(target, sizeof target, "%s", call->target);
	snprintf(name, sizeof name, "%s", call->name);
	directories_only = call->directories_only;
	keep_atime = call->keep_atime;
	hides = call->hides;
	memset(call->buffer, 'v', PROXYFS_PAYLOAD_MAX);
	call->reply.bytes = (struct proxyfs_bytes){ call->buffer, attribute_size };
	call->fd = handler_fd;
	return handler_status;
}

#define HANDLER(function, op)                                                                                          \
	int function(struct op_call *call)                                                                             \
	{                                                                                                              \
		return handle(op, call);                                                                               \
	}

HANDLER(op_open, PROXYFS_OPEN)
HANDLER(op_create, PROXYFS_CREATE)
HANDLER(op_mknod, PROXYFS_MKNOD)
HANDLER(op_mkdir, PROXYFS_MKDIR)
HANDLER(op_symlink, PROXYFS_SYMLINK)
HANDLER(op_link, PROXYFS_LINK)
HANDLER(op_lstat, PROXYFS_LSTAT)
HANDLER(op_readlink, PROXYFS_READLINK)
HANDLER(op_statfs, PROXYFS_STATFS)
HANDLER(op_chmod, PROXYFS_CHMOD)
HANDLER(op_chown, PROXYFS_CHOWN)
HANDLER(op_truncate, PROXYFS_TRUNCATE)
HANDLER(op_utime, PROXYFS_UTIME)
HANDLER(op_rename, PROXYFS_RENAME)
HANDLER(op_remove, PROXYFS_REMOVE)
HANDLER(op_lgetxattr, PROXYFS_LGETXATTR)
HANDLER(op_llistxattr, PROXYFS_LLISTXATTR)
HANDLER(op_lsetxattr, PROXYFS_LSETXATTR)
HANDLER(op_lremovexattr, PROXYFS_LREMOVEXATTR)
HANDLER(op_getversion, PROXYFS_GETVERSION)

static int setup(void **state)
{
	(void)state;
	memset(events, 0, sizeof events);
	assume_error = handler_status = 0;
	handler_fd = -1;
	attribute_size = 4;
	policy_enforce(&(struct policy){ .xattrs = XATTR_POLICY_HOST });
	return 0;
}

/* --- requests ------------------------------------------------------------------------------------------------ */

static struct dispatch_room room;
static struct dispatch_reply reply;

#define for_each_op(op) for (enum proxyfs_op op = PROXYFS_OPEN; op < PROXYFS_OP_END; op++)

static struct proxyfs_bytes text(const char *string)
{
	return (struct proxyfs_bytes){ string, strlen(string) };
}

static struct proxyfs_request request(enum proxyfs_op op)
{
	return (struct proxyfs_request){ .op = op, .path = text("//d/path"), .new_path = text("//new"),
		                         .target = text("a target"), .name = text("user.name"),
		                         .value = text("value"), .uid = UID, .gid = GID, .size = 100 };
}

/* Encodes a request and dispatches as many bytes of its payload. */
static void dispatch_part(const struct proxyfs_request *asked, size_t most)
{
	static char message[PROXYFS_MESSAGE_MAX];
	ssize_t size = proxyfs_encode_request(asked, message, sizeof message);
	size_t payload;

	assert_true(size >= (ssize_t)PROXYFS_HEADER_SIZE);
	payload = (size_t)size - PROXYFS_HEADER_SIZE;
	memset(events, 0, sizeof events);
	memset(&reply, 0xa5, sizeof reply);
	reply.fd = 99;
	dispatch(asked->op, message + PROXYFS_HEADER_SIZE, payload < most ? payload : most, &room, &reply);
}

static void ask(enum proxyfs_op op)
{
	struct proxyfs_request asked = request(op);

	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
}

static void assert_failure(enum proxyfs_op op, int32_t status)
{
	const uint32_t header[] = { 1, 4 };
	size_t size = op == PROXYFS_OPEN || op == PROXYFS_CREATE ? 0 : sizeof header;

	assert_int_equal(reply.status, status);
	assert_int_equal(reply.fd, -1);
	assert_int_equal(reply.size, size + sizeof status);
	assert_memory_equal(reply.bytes, header, size);
	assert_memory_equal(reply.bytes + size, &status, sizeof status);
}

/* --- the table ----------------------------------------------------------------------------------------------- */

static bool creates(enum proxyfs_op op)
{
	return op == PROXYFS_CREATE || op == PROXYFS_MKNOD || op == PROXYFS_MKDIR || op == PROXYFS_SYMLINK;
}

static void every_operation_reaches_its_handler(void **state)
{
	(void)state;
	for_each_op(op) {
		ask(op);
		assert_int_equal(handled, op);
		assert_int_equal(reply.status, 0);
		assert_string_equal(path, "//d/path");
	}
}

static void what_creates_runs_as_the_guest_and_nothing_else(void **state)
{
	(void)state;
	for_each_op(op) {
		ask(op);
		assert_string_equal(events, creates(op) ? "ahr" : "h");
	}
}

static void a_failed_handler_is_root_again(void **state)
{
	(void)state;
	handler_status = -EDQUOT;
	for_each_op(op) {
		ask(op);
		assert_string_equal(events, creates(op) ? "ahr" : "h");
		assert_failure(op, -EDQUOT);
	}
}

static void nothing_is_created_without_the_guests_identity(void **state)
{
	(void)state;
	assume_error = -EINVAL;
	for_each_op(op) {
		ask(op);
		assert_string_equal(events, creates(op) ? "a" : "h");
		if (creates(op))
			assert_failure(op, -EINVAL);
	}
}

static void a_payload_too_short_reaches_no_handler(void **state)
{
	(void)state;
	for_each_op(op) {
		struct proxyfs_request asked = request(op);
		char message[256];
		size_t size = (size_t)proxyfs_encode_request(&asked, message, sizeof message) - PROXYFS_HEADER_SIZE;

		for (size_t most = 0; most < size; most++) {
			dispatch_part(&asked, most);
			assert_string_equal(events, "");
			assert_failure(op, -ENOBUFS);
		}
	}
}

static void any_operation_can_fail_without_being_run(void **state)
{
	(void)state;
	for_each_op(op) {
		memset(&reply, 0xa5, sizeof reply);
		dispatch_failure(op, -EIO, &reply);
		assert_failure(op, -EIO);
	}
}

/* --- the policy ---------------------------------------------------------------------------------------------- */

/* OPEN without a flag is for reading. */
static bool changes(enum proxyfs_op op)
{
	static const enum proxyfs_op others[] = { PROXYFS_OPEN,      PROXYFS_LSTAT,      PROXYFS_READLINK,  PROXYFS_STATFS,
		                                  PROXYFS_LGETXATTR, PROXYFS_LLISTXATTR, PROXYFS_GETVERSION };

	for (size_t i = 0; i < COUNT(others); i++)
		if (op == others[i])
			return false;
	return true;
}

static void a_readonly_export_is_not_changed(void **state)
{
	(void)state;
	policy_enforce(&(struct policy){ .readonly = true });
	for_each_op(op) {
		ask(op);
		assert_string_equal(events, changes(op) ? "" : "h");
		if (changes(op))
			assert_failure(op, -EROFS);
	}
}

/* Asks and expects no handler to be reached, nor an identity changed. */
static void assert_refused(struct proxyfs_request asked, int status)
{
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_string_equal(events, "");
	assert_failure(asked.op, status);
}

static struct proxyfs_request request_of(enum proxyfs_op op, uint32_t flags, uint32_t mode, const char *attribute)
{
	struct proxyfs_request asked = request(op);

	asked.flags = flags;
	asked.mode = mode;
	asked.name = text(attribute);
	return asked;
}

static void each_operation_is_judged_by_its_own_check(void **state)
{
	(void)state;
	policy_enforce(&(struct policy){ .readonly = true });
	assert_refused(request_of(PROXYFS_OPEN, O_WRONLY, 0, ""), -EROFS);
	policy_enforce(&(struct policy){ .no_setid = true });
	assert_refused(request_of(PROXYFS_CREATE, 0, 04755, ""), -EPERM);
	assert_refused(request_of(PROXYFS_MKNOD, 0, S_IFIFO | 02755, ""), -EPERM);
	policy_enforce(&(struct policy){ .no_devices = true });
	assert_refused(request_of(PROXYFS_MKNOD, 0, S_IFCHR | 0644, ""), -EPERM);
	policy_enforce(&(struct policy){ .xattrs = XATTR_POLICY_HOST });
	assert_refused(request_of(PROXYFS_LGETXATTR, 0, 0, "user.private"), -ENODATA);
	assert_refused(request_of(PROXYFS_LSETXATTR, 0, 0, "user.private"), -ENOTSUP);
	assert_refused(request_of(PROXYFS_LREMOVEXATTR, 0, 0, "user.private"), -ENOTSUP);
	policy_enforce(&(struct policy){ .xattrs = XATTR_POLICY_NONE });
	assert_refused(request_of(PROXYFS_LLISTXATTR, 0, 0, ""), -ENOTSUP);
}

static void what_a_policy_wants_of_a_handler_reaches_it(void **state)
{
	struct proxyfs_request asked = request_of(PROXYFS_CHMOD, 0, 02755, "");

	(void)state;
	policy_enforce(&(struct policy){ .no_setid = true, .utime_quirk = true, .xattrs = XATTR_POLICY_HOST });
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_true(directories_only && !keep_atime && !hides);
	ask(PROXYFS_UTIME); /* of 1970 */
	assert_true(!directories_only && keep_atime && !hides);
	ask(PROXYFS_LLISTXATTR);
	assert_true(!directories_only && !keep_atime && hides);
	for_each_op(op) {
		if (op == PROXYFS_CHMOD || op == PROXYFS_UTIME || op == PROXYFS_LLISTXATTR)
			continue;
		ask(op);
		assert_true(!directories_only && !keep_atime && !hides);
	}
}

/* --- texts --------------------------------------------------------------------------------------------------- */

static void texts_are_terminated(void **state)
{
	(void)state;
	for_each_op(op) {
		memset(&room, 'x', sizeof room);
	room.ledger = NULL;
		ask(op);
		assert_string_equal(path, "//d/path");
		if (op == PROXYFS_LINK || op == PROXYFS_RENAME)
			assert_string_equal(new_path, "//new");
		assert_string_equal(target, op == PROXYFS_SYMLINK ? "a target" : "");
		assert_string_equal(name, op == PROXYFS_LGETXATTR || op == PROXYFS_LSETXATTR || op == PROXYFS_LREMOVEXATTR ?
		                                  "user.name" : "");
	}
}

static void assert_path_refused(struct proxyfs_bytes wrong, int status)
{
	for_each_op(op) {
		struct proxyfs_request asked = request(op);

		asked.path = wrong;
		dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
		assert_string_equal(events, "");
		assert_failure(op, status);
	}
	for (int i = 0; i < 2; i++) {
		struct proxyfs_request asked = request(i ? PROXYFS_LINK : PROXYFS_RENAME);

		asked.new_path = wrong;
		dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
		assert_string_equal(events, "");
		assert_failure(asked.op, status);
	}
}

static void paths_that_mean_nothing_reach_no_handler(void **state)
{
	static char longest[PATH_MAX + 1];

	(void)state;
	memset(longest, '/', sizeof longest);
	assert_path_refused(text(""), -ENOENT);
	assert_path_refused(text("a"), -EINVAL);
	assert_path_refused(text("../a"), -EINVAL);
	assert_path_refused(text("./a"), -EINVAL);
	assert_path_refused((struct proxyfs_bytes){ longest, PATH_MAX }, -ENAMETOOLONG);
	assert_path_refused((struct proxyfs_bytes){ longest, PATH_MAX + 1 }, -ENAMETOOLONG);
}

static void the_longest_texts_reach_their_handler(void **state)
{
	static char longest[PATH_MAX];
	struct proxyfs_request asked = request(PROXYFS_SYMLINK);

	(void)state;
	memset(longest, '/', sizeof longest);
	asked.path = asked.target = (struct proxyfs_bytes){ longest, PATH_MAX - 1 };
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_string_equal(events, "ahr");
	assert_int_equal(strlen(path), PATH_MAX - 1);
	assert_int_equal(strlen(target), PATH_MAX - 1);

	asked.target.size = PATH_MAX;
	asked.target.data = memset(room.result, 't', PATH_MAX);
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_string_equal(events, "");
	assert_failure(PROXYFS_SYMLINK, -ENAMETOOLONG);
}

static void an_attributes_name_may_have_255_bytes(void **state)
{
	static char longest[XATTR_NAME_MAX + 1];
	struct proxyfs_request asked = request(PROXYFS_LREMOVEXATTR);

	(void)state;
	memset(longest, 'n', sizeof longest);
	asked.name = (struct proxyfs_bytes){ longest, XATTR_NAME_MAX };
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_string_equal(events, "h");
	assert_int_equal(strlen(name), XATTR_NAME_MAX);
	asked.name.size++;
	dispatch_part(&asked, PROXYFS_PAYLOAD_MAX);
	assert_string_equal(events, "");
	assert_failure(PROXYFS_LREMOVEXATTR, -ERANGE);
}

/* --- replies ------------------------------------------------------------------------------------------------- */

static void a_descriptor_goes_with_its_reply(void **state)
{
	const int32_t follows = PROXYFS_FD_FOLLOWS;

	(void)state;
	handler_fd = 77;
	for (enum proxyfs_op op = PROXYFS_OPEN; op <= PROXYFS_CREATE; op++) {
		ask(op);
		assert_int_equal(reply.fd, 77);
		assert_int_equal(reply.status, 0);
		assert_int_equal(reply.size, sizeof follows);
		assert_memory_equal(reply.bytes, &follows, sizeof follows);
	}
}

static void the_largest_attribute_fits(void **state)
{
	(void)state;
	attribute_size = PROXYFS_VALUE_MAX;
	ask(PROXYFS_LGETXATTR);
	assert_int_equal(reply.status, 0);
	assert_int_equal(reply.size, PROXYFS_MESSAGE_MAX);
	assert_int_equal(reply.bytes[PROXYFS_MESSAGE_MAX - 1], 'v');
	attribute_size++;
	ask(PROXYFS_LGETXATTR);
	assert_failure(PROXYFS_LGETXATTR, -ENOBUFS);
}

#define test(function) cmocka_unit_test_setup(function, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(every_operation_reaches_its_handler),
		test(what_creates_runs_as_the_guest_and_nothing_else),
		test(a_failed_handler_is_root_again),
		test(nothing_is_created_without_the_guests_identity),
		test(a_payload_too_short_reaches_no_handler),
		test(any_operation_can_fail_without_being_run),
		test(a_readonly_export_is_not_changed),
		test(each_operation_is_judged_by_its_own_check),
		test(what_a_policy_wants_of_a_handler_reaches_it),
		test(texts_are_terminated),
		test(paths_that_mean_nothing_reach_no_handler),
		test(the_longest_texts_reach_their_handler),
		test(an_attributes_name_may_have_255_bytes),
		test(a_descriptor_goes_with_its_reply),
		test(the_largest_attribute_fits),
	};

	return cmocka_run_group_tests_name("dispatch", tests, NULL, NULL);
}

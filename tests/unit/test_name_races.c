/* SPDX-License-Identifier: MIT */
/*
 * A socket's name while others look on and interfere. A race that can be forced is: the linker leads some system
 * calls of the code under test through a hook here, which looks around or interferes at just that moment.
 */
#include "name_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/descriptor.h"

int __real_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags);
int __real_mkdirat(int directory, const char *path, mode_t mode);
int __real_fchownat(int directory, const char *path, uid_t uid, gid_t gid, int flags);
int __wrap_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags);
int __wrap_mkdirat(int directory, const char *path, mode_t mode);
int __wrap_fchownat(int directory, const char *path, uid_t uid, gid_t gid, int flags);

static struct {
	const struct name_fixture *fixture;
	void (*before_rename)(const struct name_fixture *fixture, int staging, const char *staged);
	void (*after_mkdir)(int directory, const char *path);
	int chown_error;
} hooks;

int __wrap_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags)
{
	void (*hook)(const struct name_fixture *, int, const char *) = hooks.before_rename;

	hooks.before_rename = NULL;
	if (hook)
		hook(hooks.fixture, old_directory, old_path);
	return __real_renameat2(old_directory, old_path, directory, path, flags);
}

int __wrap_mkdirat(int directory, const char *path, mode_t mode)
{
	int result = __real_mkdirat(directory, path, mode);

	if (hooks.after_mkdir)
		hooks.after_mkdir(directory, path);
	return result;
}

int __wrap_fchownat(int directory, const char *path, uid_t uid, gid_t gid, int flags)
{
	errno = hooks.chown_error;
	return hooks.chown_error ? -1 : __real_fchownat(directory, path, uid, gid, flags);
}

static int intruder; /* a socket that has taken the name, or -1 */

static int setup(void **state)
{
	memset(&hooks, 0, sizeof hooks);
	intruder = -1;
	return name_setup(state);
}

static int teardown(void **state)
{
	descriptor_close(&intruder);
	return name_teardown(state);
}

/* --- what others see ----------------------------------------------------------------------------------------- */

static bool complete;

static void look_before_rename(const struct name_fixture *fixture, int staging, const char *staged)
{
	struct stat socket, private;
	char path[64];

	(void)fixture;
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", staging, staged);
	assert_int_equal(fstatat(staging, staged, &socket, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(fstat(staging, &private), 0);
	complete = socket.st_mode == (S_IFSOCK | 0660) && socket.st_uid == USER && socket.st_gid == GROUP &&
	           private.st_mode == (S_IFDIR | 0700) && private.st_uid == 0 && try_connect(path) == 0;
}

static void a_socket_is_complete_before_it_has_its_name(void **state)
{
	struct name_fixture *fixture = *state;

	need_root();
	for (int stale = 0; stale <= 1; stale++) {
		if (stale)
			make_stale_socket(path_of(fixture, SOCKET));
		complete = false;
		hooks.before_rename = look_before_rename;
		assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), USER, GROUP), 0);
		assert_true(complete);
		unpublish(fixture);
	}
}

/* What inotify(7) says of the name since the watch was made, or since this was called last. */
static uint32_t events_of_name(int watch)
{
	char room[16384] __attribute__((aligned(8)));
	ssize_t size = read(watch, room, sizeof room);
	uint32_t events = 0;

	for (ssize_t at = 0; at < size;) {
		struct inotify_event event;

		memcpy(&event, room + at, sizeof event);
		if (event.len > 0 && !strcmp(room + at + sizeof event, SOCKET))
			events |= event.mask;
		at += (ssize_t)(sizeof event + event.len);
	}
	return events;
}

static void a_name_appears_by_a_rename_and_does_not_change(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int watch = -1;

	need_root();
	watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	assert_true(inotify_add_watch(watch, fixture->directory, IN_ALL_EVENTS) >= 0);
	assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), USER, GROUP), 0);
	assert_int_equal(events_of_name(watch), IN_MOVED_TO);
	unpublish(fixture);

	make_stale_socket(path_of(fixture, SOCKET));
	events_of_name(watch);
	assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), USER, GROUP), 0);
	assert_int_equal(events_of_name(watch), IN_MOVED_TO | IN_MOVED_FROM);
}

struct onlooker {
	const struct name_fixture *fixture;
	_Atomic bool stop;
	unsigned seen, wrong;
};

/* Looks at the name as often as it can: the left-over socket and ours, with all their rights, are all there is. */
static void *look_on(void *argument)
{
	struct onlooker *onlooker = argument;
	struct stat socket;

	while (!onlooker->stop) {
		if (fstatat(onlooker->fixture->fd, SOCKET, &socket, AT_SYMLINK_NOFOLLOW))
			continue;
		onlooker->seen++;
		if (!(socket.st_mode == (S_IFSOCK | 0660) && socket.st_uid == USER && socket.st_gid == GROUP) &&
		    !(socket.st_mode == (S_IFSOCK | 0600) && socket.st_uid == 0 && socket.st_gid == 0))
			onlooker->wrong++;
	}
	return NULL;
}

static void an_onlooker_never_sees_other_rights(void **state)
{
	struct name_fixture *fixture = *state;
	struct onlooker onlooker = { .fixture = fixture };
	mode_t before;
	pthread_t thread;

	need_root();
	before = umask(0177);
	assert_int_equal(pthread_create(&thread, NULL, look_on, &onlooker), 0);
	for (int i = 0; i < 500; i++) {
		if (i % 2)
			make_stale_socket(path_of(fixture, SOCKET));
		assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), USER, GROUP), 0);
		unpublish(fixture);
	}
	onlooker.stop = true;
	pthread_join(thread, NULL);
	umask(before);
	assert_true(onlooker.seen > 0);
	assert_int_equal(onlooker.wrong, 0);
}

/* --- interference -------------------------------------------------------------------------------------------- */

/* Whoever may write to the directory puts his own in the place of the private one, just made. */
static void swap_for_his(int directory, const char *path)
{
	assert_int_equal(renameat(directory, path, directory, "swapped"), 0);
	assert_int_equal(__real_mkdirat(directory, path, 0700), 0);
	assert_int_equal(fchownat(directory, path, USER, GROUP, 0), 0);
}

static char bait[256]; /* has the name of what we would make, and is not ours to remove */

/* Or one of root's that others may write to. */
static void swap_for_public(int directory, const char *path)
{
	snprintf(bait, sizeof bait, "%s/socket", path);
	assert_int_equal(renameat(directory, path, directory, "swapped"), 0);
	assert_int_equal(__real_mkdirat(directory, path, 0700), 0);
	assert_int_equal(fchmodat(directory, path, 0777, 0), 0);
	assert_int_equal(mknodat(directory, bait, S_IFREG | 0600, 0), 0);
}

static void swap_for_link(int directory, const char *path)
{
	assert_int_equal(renameat(directory, path, directory, "swapped"), 0);
	assert_int_equal(symlinkat("swapped", directory, path), 0);
}

static void a_private_directory_that_was_swapped_is_not_used(void **state)
{
	static void (*const swaps[])(int, const char *) = { swap_for_his, swap_for_public, swap_for_link };
	struct name_fixture *fixture = *state;

	need_root();
	for (size_t i = 0; i < COUNT(swaps); i++) {
		hooks.after_mkdir = swaps[i];
		assert_int_equal(socket_name_open(&fixture->name, path_of(fixture, SOCKET), USER, GROUP), 0);
		assert_true(socket_name_bind(&fixture->name, &fixture->listener) < 0);
		hooks.after_mkdir = NULL;
		assert_int_equal(unlinkat(fixture->fd, "swapped", AT_REMOVEDIR), 0); /* it is empty */
		unpublish(fixture);
		if (swaps[i] == swap_for_public)
			assert_int_equal(faccessat(fixture->fd, bait, F_OK, 0), 0);
	}
}

static void a_socket_that_cannot_be_given_away_leaves_nothing_behind(void **state)
{
	struct name_fixture *fixture = *state;
	unsigned before = open_descriptors();

	hooks.chown_error = EPERM;
	assert_int_equal(publish(fixture), -EPERM);
	assert_int_equal(open_descriptors(), before);
	assert_holds(fixture, "");
}

static void take_name(const struct name_fixture *fixture, int staging, const char *staged)
{
	(void)staging;
	(void)staged;
	unlinkat(fixture->fd, SOCKET, 0);
	intruder = make_socket(path_of(fixture, SOCKET), 5);
}

static void a_name_that_is_taken_in_the_last_moment_is_left(void **state)
{
	struct name_fixture *fixture = *state;

	hooks.fixture = fixture;
	hooks.before_rename = take_name;
	assert_int_equal(publish(fixture), -EADDRINUSE);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_holds(fixture, SOCKET);
}

/* The same between the look at a left-over socket and its replacement: the second rename. */
static void wait_for_second(const struct name_fixture *fixture, int staging, const char *staged)
{
	(void)fixture;
	(void)staging;
	(void)staged;
	hooks.before_rename = take_name;
}

static void a_left_over_name_that_is_taken_in_the_last_moment_is_left(void **state)
{
	struct name_fixture *fixture = *state;

	hooks.fixture = fixture;
	hooks.before_rename = wait_for_second;
	make_stale_socket(path_of(fixture, SOCKET));
	assert_int_equal(publish(fixture), -EADDRINUSE);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_holds(fixture, SOCKET);
}

static void remove_name(const struct name_fixture *fixture, int staging, const char *staged)
{
	(void)staging;
	(void)staged;
	unlinkat(fixture->fd, SOCKET, 0);
}

static void wait_to_remove(const struct name_fixture *fixture, int staging, const char *staged)
{
	(void)fixture;
	(void)staging;
	(void)staged;
	hooks.before_rename = remove_name;
}

static void a_left_over_name_that_vanishes_in_the_last_moment_leaves_nothing_behind(void **state)
{
	struct name_fixture *fixture = *state;
	int error;

	hooks.fixture = fixture;
	hooks.before_rename = wait_to_remove;
	make_stale_socket(path_of(fixture, SOCKET));
	error = publish(fixture);
	assert_holds(fixture, error ? "" : SOCKET);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_socket_is_complete_before_it_has_its_name),
		test(a_name_appears_by_a_rename_and_does_not_change),
		test(an_onlooker_never_sees_other_rights),
		test(a_private_directory_that_was_swapped_is_not_used),
		test(a_socket_that_cannot_be_given_away_leaves_nothing_behind),
		test(a_name_that_is_taken_in_the_last_moment_is_left),
		test(a_left_over_name_that_is_taken_in_the_last_moment_is_left),
		test(a_left_over_name_that_vanishes_in_the_last_moment_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("name_races", tests, NULL, NULL);
}

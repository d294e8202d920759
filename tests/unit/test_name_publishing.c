/* SPDX-License-Identifier: MIT */
/* A socket's name: what it looks like once published, what it may take the place of, and what it leaves alone. */
#include "name_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"

/* --- what is published --------------------------------------------------------------------------------------- */

static void a_published_socket_has_its_owner_and_mode(void **state)
{
	struct name_fixture *fixture = *state;
	struct stat socket;
	mode_t before;

	need_root();
	before = umask(0);
	for (unsigned mask = 0; mask <= 0777; mask += 0111) {
		umask(mask);
		assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), USER, GROUP), 0);
		umask(before);
		socket = look_at(fixture, SOCKET);
		assert_true(S_ISSOCK(socket.st_mode));
		assert_int_equal(socket.st_mode & 07777, 0660);
		assert_int_equal(socket.st_uid, USER);
		assert_int_equal(socket.st_gid, GROUP);
		assert_holds(fixture, SOCKET);
		unpublish(fixture);
		assert_holds(fixture, "");
	}
}

static void a_socket_without_an_owner_is_ours(void **state)
{
	struct name_fixture *fixture = *state;
	struct stat socket;

	assert_int_equal(publish(fixture), 0);
	socket = look_at(fixture, SOCKET);
	assert_int_equal(socket.st_mode & 07777, 0660);
	assert_int_equal(socket.st_uid, geteuid());
	assert_int_equal(socket.st_gid, getegid());
}

static void a_socket_may_have_a_group_only(void **state)
{
	struct name_fixture *fixture = *state;
	struct stat socket;

	need_root();
	assert_int_equal(publish_path(fixture, path_of(fixture, SOCKET), OURS, GROUP), 0);
	socket = look_at(fixture, SOCKET);
	assert_int_equal(socket.st_uid, 0);
	assert_int_equal(socket.st_gid, GROUP);
}

static void clients_can_connect_and_are_accepted(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int accepted = -1;

	assert_int_equal(publish(fixture), 0);
	assert_int_equal(fcntl(fixture->listener, F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(fixture->listener, F_GETFL) & O_NONBLOCK);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	accepted = accept(fixture->listener, NULL, NULL);
	assert_true(accepted >= 0);
}

static void a_bound_socket_has_no_name_yet(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(socket_name_open(&fixture->name, path_of(fixture, SOCKET), OURS, OURS), 0);
	assert_int_equal(socket_name_bind(&fixture->name, &fixture->listener), 0);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), -ENOENT);
	socket_name_discard(&fixture->name);
	assert_holds(fixture, "");
}

static void closing_discards_what_was_bound(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(socket_name_open(&fixture->name, path_of(fixture, SOCKET), OURS, OURS), 0);
	assert_int_equal(socket_name_bind(&fixture->name, &fixture->listener), 0);
	unpublish(fixture);
	assert_holds(fixture, "");
}

/* --- the path ------------------------------------------------------------------------------------------------ */

static void a_relative_path_means_where_it_was_given(void **state)
{
	static const char *const paths[] = { SOCKET, "./" SOCKET, "sub/../" SOCKET, "sub/./..//" SOCKET };
	struct name_fixture *fixture = *state;

	assert_int_equal(mkdirat(fixture->fd, "sub", 0755), 0);
	for (size_t i = 0; i < COUNT(paths); i++) {
		assert_int_equal(fchdir(fixture->fd), 0);
		assert_int_equal(publish_path(fixture, paths[i], OURS, OURS), 0);
		assert_int_equal(chdir("/"), 0);
		assert_holds(fixture, SOCKET " sub");
		assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
		assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
		unpublish(fixture);
		assert_holds(fixture, "sub");
	}
}

static void publish_at_root(const void *argument)
{
	const struct name_fixture *fixture = argument;
	struct socket_name name;
	struct stat stat;
	int listener;

	CHECK_EQUAL(chroot(fixture->directory), 0);
	CHECK_EQUAL(socket_name_open(&name, "/" SOCKET, OURS, OURS), 0);
	CHECK_EQUAL(socket_name_bind(&name, &listener), 0);
	CHECK_EQUAL(socket_name_publish(&name), 0);
	CHECK_EQUAL(lstat("/" SOCKET, &stat), 0);
	CHECK(S_ISSOCK(stat.st_mode));
}

static void a_socket_may_lie_in_the_root_directory(void **state)
{
	struct name_fixture *fixture = *state;

	need_root();
	run_in_child(publish_at_root, fixture);
	assert_holds(fixture, SOCKET);
}

/* Makes a path of 107 bytes, the longest that a client can connect to, with so many of them in its last component. */
static void longest_path(const struct name_fixture *fixture, size_t base_size, char path[108])
{
	size_t size = strlen(fixture->directory);

	memset(path, 'n', 107);
	path[107] = '\0';
	memcpy(path, fixture->directory, size);
	path[size] = '/';
	path[107 - base_size - 1] = '/';
}

static void the_longest_paths_are_published(void **state)
{
	struct name_fixture *fixture = *state;
	size_t longest_base = 107 - strlen(fixture->directory) - 1;
	const size_t base_sizes[] = { longest_base, 40, 1 };
	char path[108];

	for (size_t i = 0; i < COUNT(base_sizes); i++) {
		longest_path(fixture, base_sizes[i], path);
		path[107 - base_sizes[i] - 1] = '\0';
		if (base_sizes[i] != longest_base)
			assert_int_equal(mkdir(path, 0755), 0);
		path[107 - base_sizes[i] - 1] = '/';
		assert_int_equal(publish_path(fixture, path, OURS, OURS), 0);
		assert_int_equal(try_connect(path), 0);
		assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
		unpublish(fixture);
		assert_int_equal(try_connect(path), -ENOENT);
	}
}

static void assert_cannot_open(struct name_fixture *fixture, const char *path, int error)
{
	log_capture_reset();
	assert_int_equal(publish_path(fixture, path, OURS, OURS), error);
	assert_int_equal(log_capture_count(), 1);
	assert_int_equal(log_capture_priority(), LOG_ERR);
	assert_non_null(strstr(log_capture_text(), path));
}

static void a_directory_that_is_none_is_refused(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(mknodat(fixture->fd, "file", S_IFREG | 0600, 0), 0);
	assert_cannot_open(fixture, path_of(fixture, "missing/sock"), -ENOENT);
	assert_cannot_open(fixture, path_of(fixture, "file/sock"), -ENOTDIR);
	assert_cannot_open(fixture, path_of(fixture, ""), -EINVAL);
	assert_cannot_open(fixture, path_of(fixture, "."), -EINVAL);
	assert_cannot_open(fixture, path_of(fixture, ".."), -EINVAL);
	assert_cannot_open(fixture, path_of(fixture, "missing/"), -EINVAL);
	assert_cannot_open(fixture, "/", -EINVAL);
	assert_cannot_open(fixture, "..", -EINVAL);
	assert_cannot_open(fixture, "", -EINVAL);
	assert_holds(fixture, "file");
}

/* --- what stands there --------------------------------------------------------------------------------------- */

static void a_socket_that_nobody_listens_on_is_replaced(void **state)
{
	struct name_fixture *fixture = *state;
	ino_t old;

	make_stale_socket(path_of(fixture, SOCKET));
	old = look_at(fixture, SOCKET).st_ino;
	assert_int_equal(publish(fixture), 0);
	assert_int_not_equal(look_at(fixture, SOCKET).st_ino, old);
	assert_int_equal(look_at(fixture, SOCKET).st_mode & 07777, 0660);
	assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_holds(fixture, SOCKET);
}

/* Asserts that publishing fails and that what has the name is as it was. */
static void assert_refused(struct name_fixture *fixture, int error)
{
	struct stat before = look_at(fixture, SOCKET), after;

	log_capture_reset();
	assert_int_equal(publish(fixture), error);
	assert_int_equal(log_capture_errors(), 1);
	assert_non_null(strstr(log_capture_text(), path_of(fixture, SOCKET)));
	after = look_at(fixture, SOCKET);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(before.st_mode, after.st_mode);
	assert_int_equal(before.st_uid, after.st_uid);
	assert_int_equal(before.st_nlink, after.st_nlink);
	assert_int_equal(before.st_size, after.st_size);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
	assert_memory_equal(&before.st_ctim, &after.st_ctim, sizeof before.st_ctim);
}

static void a_socket_that_somebody_listens_on_is_refused(void **state)
{
	struct name_fixture *fixture = *state;
	int live = make_socket(path_of(fixture, SOCKET), 5);

	assert_refused(fixture, -EADDRINUSE);
	assert_holds(fixture, SOCKET);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	close(live);
}

static void a_socket_with_a_full_backlog_is_refused(void **state)
{
	struct name_fixture *fixture = *state;
	int live = make_socket(path_of(fixture, SOCKET), 0);

	while (try_connect(path_of(fixture, SOCKET)) == 0)
		;
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), -EAGAIN);
	assert_refused(fixture, -EADDRINUSE);
	assert_holds(fixture, SOCKET);
	close(live);
}

static void one_helper_refuses_the_name_of_another(void **state)
{
	struct name_fixture *fixture = *state;
	struct socket_name second;
	AUTO_CLOSE int listener = -1;

	assert_int_equal(publish(fixture), 0);
	assert_int_equal(socket_name_open(&second, path_of(fixture, SOCKET), OURS, OURS), 0);
	assert_int_equal(socket_name_bind(&second, &listener), 0);
	assert_int_equal(socket_name_publish(&second), -EADDRINUSE);
	assert_int_equal(socket_name_look(&second), NAME_FOREIGN);
	socket_name_close(&second);
	assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
	assert_holds(fixture, SOCKET);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(mkdirat(fixture->fd, SOCKET, 0700), 0);
	assert_refused(fixture, -EEXIST);
	assert_holds(fixture, SOCKET);
	assert_int_equal(mkdirat(fixture->fd, SOCKET "/sub", 0700), 0);
	assert_refused(fixture, -EEXIST);
	assert_int_equal(unlinkat(fixture->fd, SOCKET "/sub", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(fixture->fd, SOCKET, AT_REMOVEDIR), 0);

	assert_int_equal(mknodat(fixture->fd, SOCKET, S_IFREG | 0644, 0), 0);
	assert_refused(fixture, -EEXIST);
	assert_holds(fixture, SOCKET);
	assert_int_equal(unlinkat(fixture->fd, SOCKET, 0), 0);

	assert_int_equal(mkfifoat(fixture->fd, SOCKET, 0644), 0);
	assert_refused(fixture, -EEXIST);
	assert_holds(fixture, SOCKET);
}

static void symbolic_links_are_refused_wherever_they_lead(void **state)
{
	static const char *const targets[] = { "missing", "file", "stale", "live", ".", SOCKET };
	struct name_fixture *fixture = *state;
	int live = make_socket(path_of(fixture, "live"), 5);

	make_stale_socket(path_of(fixture, "stale"));
	assert_int_equal(mknodat(fixture->fd, "file", S_IFREG | 0644, 0), 0);
	for (size_t i = 0; i < COUNT(targets); i++) {
		assert_int_equal(symlinkat(targets[i], fixture->fd, SOCKET), 0);
		assert_refused(fixture, -EEXIST);
		assert_holds(fixture, SOCKET " live stale file");
		assert_int_equal(unlinkat(fixture->fd, SOCKET, 0), 0);
	}
	close(live);
}

static void a_directory_of_users_is_warned_of(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		mode_t mode;
		bool warned;
	} directories[] = {
		{ 0, 0, 0755, false },      { 0, 0, 0775, false },      { 0, GROUP, 0755, false },
		{ USER, 0, 0555, false },   { USER, 0, 0755, true },    { 0, GROUP, 0775, true },
		{ 0, 0, 0757, true },       { 0, 0, 01777, true },      { USER, GROUP, 0700, true },
	};
	struct name_fixture *fixture = *state;

	need_root();
	for (size_t i = 0; i < COUNT(directories); i++) {
		assert_int_equal(fchown(fixture->fd, directories[i].uid, directories[i].gid), 0);
		assert_int_equal(fchmod(fixture->fd, directories[i].mode), 0);
		log_capture_reset();
		assert_int_equal(publish(fixture), 0);
		assert_int_equal(log_capture_count(), directories[i].warned);
		if (directories[i].warned)
			assert_int_equal(log_capture_priority(), LOG_WARNING);
		unpublish(fixture);
	}
}

#define test(function) cmocka_unit_test_setup_teardown(function, name_setup, name_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_published_socket_has_its_owner_and_mode),
		test(a_socket_without_an_owner_is_ours),
		test(a_socket_may_have_a_group_only),
		test(clients_can_connect_and_are_accepted),
		test(a_bound_socket_has_no_name_yet),
		test(closing_discards_what_was_bound),
		test(a_relative_path_means_where_it_was_given),
		test(a_socket_may_lie_in_the_root_directory),
		test(the_longest_paths_are_published),
		test(a_directory_that_is_none_is_refused),
		test(a_socket_that_nobody_listens_on_is_replaced),
		test(a_socket_that_somebody_listens_on_is_refused),
		test(a_socket_with_a_full_backlog_is_refused),
		test(one_helper_refuses_the_name_of_another),
		test(what_is_no_socket_is_refused),
		test(symbolic_links_are_refused_wherever_they_lead),
		test(a_directory_of_users_is_warned_of),
	};

	return cmocka_run_group_tests_name("name_publishing", tests, NULL, NULL);
}

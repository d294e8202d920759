/* SPDX-License-Identifier: MIT */
/* A socket's name after it was published: QEMU removes it, others may take it, and we remove none but ours. */
#include "name_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/descriptor.h"

static void remove_name(const struct name_fixture *fixture)
{
	assert_int_equal(unlinkat(fixture->fd, SOCKET, 0), 0);
}

static void rename_to(const struct name_fixture *fixture, const char *from, const char *to)
{
	assert_int_equal(renameat(fixture->fd, from, fixture->fd, to), 0);
}

/* --- looking ------------------------------------------------------------------------------------------------- */

static void a_name_is_ours_gone_or_foreign(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(publish(fixture), 0);
	assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
	rename_to(fixture, SOCKET, "aside");
	assert_int_equal(socket_name_look(&fixture->name), NAME_GONE);
	assert_int_equal(mknodat(fixture->fd, SOCKET, S_IFREG | 0600, 0), 0);
	assert_int_equal(socket_name_look(&fixture->name), NAME_FOREIGN);
	rename_to(fixture, "aside", SOCKET);
	assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
	remove_name(fixture);
	assert_int_equal(socket_name_look(&fixture->name), NAME_GONE);
}

static void another_socket_is_foreign(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int other = -1;

	assert_int_equal(publish(fixture), 0);
	remove_name(fixture);
	other = make_socket(path_of(fixture, SOCKET), 5);
	assert_int_equal(socket_name_look(&fixture->name), NAME_FOREIGN);
}

static void a_link_to_ours_is_foreign(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(publish(fixture), 0);
	rename_to(fixture, SOCKET, "aside");
	assert_int_equal(symlinkat("aside", fixture->fd, SOCKET), 0);
	assert_int_equal(socket_name_look(&fixture->name), NAME_FOREIGN);
}

/* --- watching ------------------------------------------------------------------------------------------------ */

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

static void drain(int fd)
{
	char events[4096] __attribute__((aligned(8)));

	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	while (read(fd, events, sizeof events) > 0)
		;
}

static void a_watch_tells_that_the_name_was_removed(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int watch = -1;

	assert_int_equal(publish(fixture), 0);
	watch = socket_name_watch(&fixture->name);
	assert_true(watch >= 0);
	assert_int_equal(fcntl(watch, F_GETFD), FD_CLOEXEC);
	assert_false(is_readable(watch));
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_false(is_readable(watch));

	remove_name(fixture);
	assert_true(is_readable(watch));
	drain(watch);
	assert_false(is_readable(watch));
}

static void a_watch_tells_that_the_name_was_moved(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int watch = -1;

	assert_int_equal(publish(fixture), 0);
	watch = socket_name_watch(&fixture->name);
	rename_to(fixture, SOCKET, "aside");
	assert_true(is_readable(watch));
}

static void a_watch_survives_the_names_return(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int watch = -1;

	assert_int_equal(publish(fixture), 0);
	watch = socket_name_watch(&fixture->name);
	for (int i = 0; i < 5; i++) {
		remove_name(fixture);
		assert_true(is_readable(watch));
		descriptor_close(&fixture->listener);
		assert_int_equal(socket_name_bind(&fixture->name, &fixture->listener), 0);
		assert_int_equal(socket_name_publish(&fixture->name), 0);
		assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
		drain(watch);
	}
	assert_holds(fixture, SOCKET);
}

/* --- putting it back ----------------------------------------------------------------------------------------- */

static void a_name_is_put_back_while_the_old_socket_lives(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int old = -1;
	AUTO_CLOSE int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(publish(fixture), 0);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	remove_name(fixture);
	old = descriptor_take(&fixture->listener);
	assert_int_equal(socket_name_bind(&fixture->name, &fixture->listener), 0);
	assert_int_equal(socket_name_publish(&fixture->name), 0);
	assert_int_equal(socket_name_look(&fixture->name), NAME_OURS);
	assert_int_equal(look_at(fixture, SOCKET).st_mode & 07777, 0660);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_holds(fixture, SOCKET);

	/* Whoever connected before the removal waits there still. */
	descriptor_close(&client);
	client = accept(old, NULL, NULL);
	assert_true(client >= 0);
}

static void a_name_is_not_put_back_over_another(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int listener = -1;
	AUTO_CLOSE int other = -1;

	assert_int_equal(publish(fixture), 0);
	remove_name(fixture);
	other = make_socket(path_of(fixture, SOCKET), 5);
	assert_int_equal(socket_name_bind(&fixture->name, &listener), 0);
	assert_int_equal(socket_name_publish(&fixture->name), -EADDRINUSE);
	assert_int_equal(socket_name_look(&fixture->name), NAME_FOREIGN);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
	assert_holds(fixture, SOCKET);
}

/* --- removing it --------------------------------------------------------------------------------------------- */

static void closing_removes_the_name(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(publish(fixture), 0);
	socket_name_close(&fixture->name);
	assert_holds(fixture, "");
	socket_name_close(&fixture->name); /* once more does nothing */
}

static void closing_without_a_name_is_no_error(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(publish(fixture), 0);
	remove_name(fixture);
	log_capture_reset();
	socket_name_close(&fixture->name);
	assert_int_equal(log_capture_count(), 0);
}

static void closing_leaves_another_socket(void **state)
{
	struct name_fixture *fixture = *state;
	AUTO_CLOSE int other = -1;
	ino_t inode;

	assert_int_equal(publish(fixture), 0);
	remove_name(fixture);
	other = make_socket(path_of(fixture, SOCKET), 5);
	inode = look_at(fixture, SOCKET).st_ino;
	socket_name_close(&fixture->name);
	assert_int_equal(look_at(fixture, SOCKET).st_ino, inode);
	assert_int_equal(try_connect(path_of(fixture, SOCKET)), 0);
}

static void closing_leaves_what_is_no_socket(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(publish(fixture), 0);
	remove_name(fixture);
	assert_int_equal(mknodat(fixture->fd, SOCKET, S_IFREG | 0600, 0), 0);
	socket_name_close(&fixture->name);
	assert_holds(fixture, SOCKET);
}

static void closing_follows_a_directory_that_was_moved(void **state)
{
	struct name_fixture *fixture = *state;

	assert_int_equal(mkdirat(fixture->fd, "sub", 0755), 0);
	assert_int_equal(publish_path(fixture, path_of(fixture, "sub/" SOCKET), OURS, OURS), 0);
	rename_to(fixture, "sub", "moved");
	socket_name_close(&fixture->name);
	assert_int_equal(unlinkat(fixture->fd, "moved", AT_REMOVEDIR), 0); /* it is empty */
}

#define test(function) cmocka_unit_test_setup_teardown(function, name_setup, name_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_name_is_ours_gone_or_foreign),
		test(another_socket_is_foreign),
		test(a_link_to_ours_is_foreign),
		test(a_watch_tells_that_the_name_was_removed),
		test(a_watch_tells_that_the_name_was_moved),
		test(a_watch_survives_the_names_return),
		test(a_name_is_put_back_while_the_old_socket_lives),
		test(a_name_is_not_put_back_over_another),
		test(closing_removes_the_name),
		test(closing_without_a_name_is_no_error),
		test(closing_leaves_another_socket),
		test(closing_leaves_what_is_no_socket),
		test(closing_follows_a_directory_that_was_moved),
	};

	return cmocka_run_group_tests_name("name_keeping", tests, NULL, NULL);
}

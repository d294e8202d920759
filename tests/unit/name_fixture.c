/* SPDX-License-Identifier: MIT */
#include "name_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/descriptor.h"

static struct name_fixture the_fixture;

int name_setup(void **state)
{
	struct name_fixture *fixture = &the_fixture;

	memset(fixture, 0, sizeof *fixture);
	log_capture_reset();
	fixture->descriptors = open_descriptors();
	fixture->listener = fixture->name.directory = fixture->name.staging_fd = -1;
	make_directory(fixture->directory);
	if (chmod(fixture->directory, 0755))
		return -1;
	fixture->fd = open(fixture->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = fixture;
	return fixture->fd < 0 ? -1 : 0;
}

int name_teardown(void **state)
{
	struct name_fixture *fixture = *state;

	unpublish(fixture);
	descriptor_close(&fixture->fd);
	remove_directory(fixture->directory);
	assert_int_equal(open_descriptors(), fixture->descriptors);
	return 0;
}

const char *path_of(const struct name_fixture *fixture, const char *base)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", fixture->directory, base);
	return path;
}

int publish_path(struct name_fixture *fixture, const char *path, uid_t uid, gid_t gid)
{
	int error = socket_name_open(&fixture->name, path, uid, gid);

	if (!error)
		error = socket_name_bind(&fixture->name, &fixture->listener);
	if (!error)
		error = socket_name_publish(&fixture->name);
	if (error)
		unpublish(fixture);
	return error;
}

int publish(struct name_fixture *fixture)
{
	return publish_path(fixture, path_of(fixture, SOCKET), OURS, OURS);
}

void unpublish(struct name_fixture *fixture)
{
	socket_name_close(&fixture->name);
	descriptor_close(&fixture->listener);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	assert_true(strlen(path) < sizeof address.sun_path);
	memcpy(address.sun_path, path, strlen(path));
	return address;
}

int make_socket(const char *path, int backlog)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

void make_stale_socket(const char *path)
{
	close(make_socket(path, 1));
}

int try_connect(const char *path)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = address_of(path);

	assert_true(fd >= 0);
	return connect(fd, (struct sockaddr *)&address, sizeof address) ? -errno : 0;
}

struct stat look_at(const struct name_fixture *fixture, const char *base)
{
	struct stat stat;

	assert_int_equal(fstatat(fixture->fd, base, &stat, AT_SYMLINK_NOFOLLOW), 0);
	return stat;
}

static bool is_among(const char *name, const char *names)
{
	size_t size = strlen(name);

	for (const char *at = names; (at = strstr(at, name)); at++)
		if ((at == names || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
			return true;
	return false;
}

void assert_holds(const struct name_fixture *fixture, const char *expected)
{
	DIR *directory = opendir(fixture->directory);
	size_t size = 0;
	struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (!is_among(entry->d_name, expected))
			fail_msg("the directory holds %s, not only %s", entry->d_name, expected);
		size += strlen(entry->d_name) + 1;
	}
	closedir(directory);
	assert_int_equal(size, strlen(expected) + (expected[0] ? 1 : 0));
}

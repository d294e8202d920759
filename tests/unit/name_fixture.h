/* SPDX-License-Identifier: MIT */
/* A directory of the test's own, for sockets to be published in. */
#ifndef TESTS_NAME_FIXTURE_H
#define TESTS_NAME_FIXTURE_H

#include "unit.h"

#include <sys/stat.h>

#include "log_capture.h"
#include "monitor/name.h"

#define SOCKET "sock" /* the name that most tests publish */
#define USER   1234U
#define GROUP  5678U
#define OURS   ((uid_t)-1)

struct name_fixture {
	char directory[32]; /* its path */
	int fd;             /* of it */
	int listener;       /* of what was published last, or -1 */
	struct socket_name name;
	unsigned descriptors;
};

/* For cmocka. The teardown closes the name and removes everything; it fails if the test has left a descriptor open. */
int name_setup(void **state);
int name_teardown(void **state);

/* The path of something in the directory, valid until the next call but three. */
const char *path_of(const struct name_fixture *fixture, const char *base);

/* Opens, binds and publishes; closes the name again if that fails. Returns what publishing does. */
int publish_path(struct name_fixture *fixture, const char *path, uid_t uid, gid_t gid);
int publish(struct name_fixture *fixture);

/* Closes name and listener. */
void unpublish(struct name_fixture *fixture);

/* Makes a socket without the code under test. Returns its descriptor; it listens if `backlog` is not negative. */
int make_socket(const char *path, int backlog);
void make_stale_socket(const char *path);

/* Tries to connect, without waiting. Returns 0 or -errno. */
int try_connect(const char *path);

struct stat look_at(const struct name_fixture *fixture, const char *base);

/* Asserts that the directory holds exactly the names in `expected`, which are separated by spaces. */
void assert_holds(const struct name_fixture *fixture, const char *expected);

#endif

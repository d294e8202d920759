/* SPDX-License-Identifier: MIT */
/* Identities belong to threads: what one assumes, no other has, not even for a moment. In a child. */
#include "credentials_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/credentials.h"

#define THREADS 6
#define ROUNDS  300

static pthread_barrier_t start;
static _Atomic unsigned working;

static void create_and_check(unsigned number, uid_t uid, gid_t gid)
{
	struct stat file;
	char name[32];
	int fd;

	snprintf(name, sizeof name, "file-%u", number);
	fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(fd >= 0);
	CHECK_EQUAL(fstat(fd, &file), 0);
	CHECK_EQUAL(file.st_uid, uid);
	CHECK_EQUAL(file.st_gid, gid);
	close(fd);
	CHECK_EQUAL(unlink(name), 0);
}

/* Serves guests of many ids, root's among them. */
static void *serve_guests(void *argument)
{
	const unsigned number = *(const unsigned *)argument;

	pthread_barrier_wait(&start);
	check_is_root();
	for (unsigned round = 0; round < ROUNDS; round++) {
		uid_t uid = round % 5 ? 1000 * (number + 1) + round : 0;
		gid_t gid = round % 7 ? 2000 * (number + 1) + round : 0;

		CHECK_EQUAL(credentials_assume(uid, gid), 0);
		create_and_check(number, uid, gid);
		if (uid || gid)
			check_is_guest(uid, gid);
		credentials_restore(uid, gid);
		check_is_root();
	}
	working--;
	return NULL;
}

/* Never assumes anything, and is root as long as the others are not. */
static void *stay_root(void *argument)
{
	const unsigned number = *(const unsigned *)argument;
	unsigned rounds = 0;

	pthread_barrier_wait(&start);
	while (working > 0 || rounds < ROUNDS) {
		check_is_root();
		create_and_check(number, 0, 0);
		rounds++;
	}
	return NULL;
}

static void run_threads(const void *argument)
{
	unsigned numbers[THREADS + 1];
	pthread_t threads[THREADS + 1];

	CHECK_EQUAL(chdir(argument), 0);
	become_worker();
	working = THREADS;
	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (unsigned i = 0; i <= THREADS; i++) {
		numbers[i] = i;
		CHECK_EQUAL(pthread_create(&threads[i], NULL, i < THREADS ? serve_guests : stay_root, &numbers[i]), 0);
	}
	for (unsigned i = 0; i <= THREADS; i++)
		pthread_join(threads[i], NULL);
	check_is_root();
}

static void threads_do_not_share_identities(void **state)
{
	(void)state;
	need_root();
	run_in_directory(run_threads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_do_not_share_identities),
	};

	return cmocka_run_group_tests_name("credentials_threads", tests, NULL, NULL);
}

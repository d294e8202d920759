/* SPDX-License-Identifier: MIT */
/* Several helpers that are started at once with the same socket: one has the name in the end, and all know who. */
#include "name_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int __real_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags);
int __wrap_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags);

static bool napping; /* before a rename, so that others come in between */

/* The linker leads the code under test here. */
int __wrap_renameat2(int old_directory, const char *old_path, int directory, const char *path, unsigned flags)
{
	if (napping)
		usleep((unsigned)rand() % 500);
	return __real_renameat2(old_directory, old_path, directory, path, flags);
}

#define HELPERS 6
#define ROUNDS  100

struct race {
	pthread_barrier_t start, done, looked, end;
	const char *path;
	int results[HELPERS];
	enum name_state states[HELPERS];
	int connected; /* what a client's attempt comes to while all are there */
};

static _Noreturn void run_helper(struct race *race, unsigned number)
{
	struct socket_name name;
	int listener, error;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that has failed leaves nobody waiting */
	napping = true;
	srand((unsigned)getpid());
	error = socket_name_open(&name, race->path, OURS, OURS);
	if (!error)
		error = socket_name_bind(&name, &listener);
	pthread_barrier_wait(&race->start);
	race->results[number] = error ? error : socket_name_publish(&name);
	pthread_barrier_wait(&race->done);
	race->states[number] = socket_name_look(&name);
	pthread_barrier_wait(&race->looked);
	pthread_barrier_wait(&race->end);
	socket_name_close(&name);
	_exit(EXIT_SUCCESS);
}

static void make_barriers(struct race *race)
{
	pthread_barrierattr_t shared;

	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&race->start, &shared, HELPERS);
	pthread_barrier_init(&race->done, &shared, HELPERS);
	pthread_barrier_init(&race->looked, &shared, HELPERS + 1);
	pthread_barrier_init(&race->end, &shared, HELPERS + 1);
	pthread_barrierattr_destroy(&shared);
}

/* One helper has the name, knows it, and can be reached; all others know that they have not. */
static void assert_one_winner(const struct race *race)
{
	unsigned winners = 0;

	for (unsigned i = 0; i < HELPERS; i++) {
		assert_int_equal(race->results[i] == 0, race->states[i] == NAME_OURS);
		assert_true(race->results[i] == 0 || race->results[i] == -EADDRINUSE);
		winners += race->results[i] == 0;
	}
	assert_int_equal(winners, 1);
	assert_int_equal(race->connected, 0);
}

static void run_race(struct race *race)
{
	pid_t pids[HELPERS];
	int status, failed = 0;

	for (unsigned i = 0; i < HELPERS; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0)
			run_helper(race, i);
	}
	pthread_barrier_wait(&race->looked);
	race->connected = try_connect(race->path);
	pthread_barrier_wait(&race->end);
	for (unsigned i = 0; i < HELPERS; i++) {
		waitpid(pids[i], &status, 0);
		failed += status != 0;
	}
	assert_int_equal(failed, 0);
}

static void race_for_name(struct name_fixture *fixture, bool stale)
{
	struct race *race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(race, MAP_FAILED);
	make_barriers(race);
	race->path = path_of(fixture, SOCKET);
	for (int round = 0; round < ROUNDS; round++) {
		if (stale)
			make_stale_socket(race->path);
		run_race(race);
		assert_one_winner(race);
		assert_holds(fixture, "");
	}
	munmap(race, sizeof *race);
}

static void one_of_many_gets_a_free_name(void **state)
{
	race_for_name(*state, false);
}

static void one_of_many_replaces_a_left_over_socket(void **state)
{
	race_for_name(*state, true);
}

#define test(function) cmocka_unit_test_setup_teardown(function, name_setup, name_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(one_of_many_gets_a_free_name),
		test(one_of_many_replaces_a_left_over_socket),
	};

	return cmocka_run_group_tests_name("name_contest", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Hostile messages to a running helper over 16 connections at a time, while two honest clients work.
 *
 *   wire_fuzzer SOCKET MESSAGES SEED CANARY
 *
 * CANARY is the path of something beside the export. The same seed makes the same messages. Prints what was done in one
 * line; ends with 1, and says what was wrong, when any client got what it must not get.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "honest.h"
#include "hostile_message.h"
#include "offender.h"

#define OFFENDERS 16U
#define HONEST    2U

static uint64_t seed;

_Noreturn void stress_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: seed %" PRIu64 ": not true: %s\n", file, line, seed, what);
	exit(EXIT_FAILURE);
}

static void *run_offender(void *argument)
{
	offender_run(argument);
	return NULL;
}

static void *run_honest(void *argument)
{
	honest_run(argument);
	return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), void *argument)
{
	STRESS_CHECK(pthread_create(thread, NULL, body, argument) == 0);
}

static void run_offenders(struct offender *offenders, const char *socket_path, uint64_t messages)
{
	pthread_t threads[OFFENDERS];
	struct chance chance = { seed };

	for (unsigned i = 0; i < OFFENDERS; i++) {
		offenders[i] = (struct offender){
			.chance = { chance_next(&chance) },
			.socket_path = socket_path,
			.messages = messages / OFFENDERS + (i < messages % OFFENDERS),
		};
		start(&threads[i], run_offender, &offenders[i]);
	}
	for (unsigned i = 0; i < OFFENDERS; i++)
		pthread_join(threads[i], NULL);
}

static void start_honest(struct honest *honest, pthread_t *threads, const char *socket_path, _Atomic bool *stop)
{
	static char directories[HONEST][64];

	for (unsigned i = 0; i < HONEST; i++) {
		snprintf(directories[i], sizeof directories[i], "//honest-%u-%016" PRIx64, i, ~seed);
		honest[i] = (struct honest){
			.socket_path = socket_path,
			.directory = directories[i],
			.id = 2000 + i,
			.stop = stop,
		};
		honest_begin(&honest[i]);
		start(&threads[i], run_honest, &honest[i]);
	}
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void print_outcome(const struct offender *offenders, const struct honest *honest, uint64_t messages,
                          double seconds)
{
	struct offender sum = { .replies = 0 };

	for (unsigned i = 0; i < OFFENDERS; i++) {
		sum.replies += offenders[i].replies;
		sum.descriptors += offenders[i].descriptors;
		sum.lives += offenders[i].lives;
		sum.cuts += offenders[i].cuts;
		sum.ends += offenders[i].ends;
	}
	printf("seed %" PRIu64 ": %" PRIu64 " messages in %" PRIu64 " connections, %.1f s; ", seed, messages, sum.lives,
	       seconds);
	printf("%" PRIu64 " replies with %" PRIu64 " descriptors read, %" PRIu64 " resets and %" PRIu64
	       " ends of file; ",
	       sum.replies, sum.descriptors, sum.cuts, sum.ends);
	printf("honest rounds %" PRIu64 " and %" PRIu64 "\n", honest[0].rounds, honest[1].rounds);
}

int main(int argc, char **argv)
{
	static struct offender offenders[OFFENDERS];
	static struct honest honest[HONEST];
	pthread_t threads[HONEST];
	_Atomic bool stop = false;
	uint64_t messages;
	double begun = seconds_now();

	if (argc != 5) {
		fprintf(stderr, "usage: %s SOCKET MESSAGES SEED CANARY\n", argv[0]);
		return EXIT_FAILURE;
	}
	messages = strtoull(argv[2], NULL, 10);
	seed = strtoull(argv[3], NULL, 10);
	hostile_canary = argv[4];

	start_honest(honest, threads, argv[1], &stop);
	run_offenders(offenders, argv[1], messages);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < HONEST; i++)
		pthread_join(threads[i], NULL);
	print_outcome(offenders, honest, messages, seconds_now() - begun);
	return EXIT_SUCCESS;
}

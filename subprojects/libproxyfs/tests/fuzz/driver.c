/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without a fuzzer, in TAP: its seeds, its seeds cut short and with bytes changed, which is a little
 * fuzzing that every build gets and that is the same each time, and the files named, or in the directories named.
 *
 * With --write-seeds DIRECTORY it writes the seeds to files there instead, for a fuzzer to begin with.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Places of a seed that are cut or changed, spread evenly over a longer one. */
#define PLACES 150U

#pragma weak LLVMFuzzerInitialize

static uint8_t seed[FUZZ_INPUT_MAX];
static unsigned tests, runs;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* From memory of exactly this size, so that a sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		die("an input");
	if (size > 0)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	runs++;
}

static void report(const char *what)
{
	printf("ok %u - %s (%u inputs)\n", ++tests, what, runs);
	fflush(stdout);
	runs = 0;
}

static void run_whole(size_t size)
{
	run(seed, size);
}

static size_t step(size_t size)
{
	return size / PLACES + 1;
}

static void run_cut(size_t size)
{
	for (size_t length = 0; length < size; length += step(size))
		run(seed, length);
}

static void run_changed(size_t size)
{
	static const uint8_t changes[] = { 0x01, 0x80, 0xff };

	for (size_t at = 0; at < size; at += step(size)) {
		for (size_t i = 0; i < sizeof changes; i++) {
			seed[at] ^= changes[i];
			run(seed, size);
			seed[at] ^= changes[i];
		}
	}
}

static void run_seeds(void (*run_seed)(size_t size), const char *what)
{
	size_t size;

	for (unsigned number = 0; (size = fuzz_seed(number, seed)) > 0; number++)
		run_seed(size);
	report(what);
}

static void run_file(const char *path)
{
	static uint8_t bytes[FUZZ_INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;

	if (!file)
		die(path);
	size = fread(bytes, 1, sizeof bytes, file);
	if (ferror(file))
		die(path);
	fclose(file);
	fprintf(stderr, "# %s\n", path);
	run(bytes, size);
}

static void run_directory(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, alphasort);
	char name[4096];

	if (count < 0)
		die(path);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.')
			run_file(name);
		free(entries[i]);
	}
	free(entries);
}

static void run_named(const char *path)
{
	struct stat stat_;

	if (stat(path, &stat_))
		die(path);
	if (S_ISDIR(stat_.st_mode))
		run_directory(path);
	else
		run_file(path);
	report(path);
}

static void write_seeds(const char *directory)
{
	char name[4096];
	size_t size;

	for (unsigned number = 0; (size = fuzz_seed(number, seed)) > 0; number++) {
		FILE *file;

		snprintf(name, sizeof name, "%s/seed-%03u", directory, number);
		file = fopen(name, "wb");
		if (!file || fwrite(seed, 1, size, file) != size || fclose(file))
			die(name);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--write-seeds")) {
		write_seeds(argv[2]);
		return EXIT_SUCCESS;
	}
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	run_seeds(run_whole, "the seeds");
	run_seeds(run_cut, "the seeds, cut short");
	run_seeds(run_changed, "the seeds, each with a byte changed");
	for (int i = 1; i < argc; i++)
		run_named(argv[i]);
	printf("1..%u\n", tests);
	return EXIT_SUCCESS;
}

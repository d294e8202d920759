/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_FAILED 70 /* exit status that cannot be mistaken for one of the code under test */

unsigned open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count - 3; /* ".", "..", and the directory itself */
}

void skip_because(const char *reason)
{
	const char *ci = getenv("CI");

	if (ci && !strcmp(ci, "true"))
		fail_msg("this would be skipped: %s", reason);
	print_message("# skipped: %s\n", reason);
	skip();
}

void need_root(void)
{
	if (geteuid() != 0)
		skip_because("it needs root");
}

void make_directory(char path[static 32])
{
	snprintf(path, 32, "/tmp/test-unit-XXXXXX");
	assert_non_null(mkdtemp(path));
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *place)
{
	(void)stat;
	(void)type;
	(void)place;
	return remove(path);
}

void remove_directory(const char *path)
{
	assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int status_of_child(void (*body)(const void *argument), const void *argument)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		body(argument);
		_exit(EXIT_SUCCESS);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

void run_in_child(void (*body)(const void *argument), const void *argument)
{
	assert_int_equal(status_of_child(body, argument), 0);
}

void check(bool condition, const char *text, const char *file, int line)
{
	if (condition)
		return;
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	_exit(CHECK_FAILED);
}

void check_equal(long long left, long long right, const char *text, const char *file, int line)
{
	if (left == right)
		return;
	fprintf(stderr, "%s:%d: not true: %s: %lld, %lld\n", file, line, text, left, right);
	_exit(CHECK_FAILED);
}

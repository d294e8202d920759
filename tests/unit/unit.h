/* SPDX-License-Identifier: MIT */
/* What the tests share: cmocka with what it needs, skipping with a reason, children, and counting descriptors. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* How many descriptors the process has open: what a test leaks shows as a difference. */
unsigned open_descriptors(void);

/* Skips the test, with the reason on stdout; where CI=true nothing of ours may be skipped, and it fails instead. */
void skip_because(const char *reason);

/* Skips the test unless it runs as root. */
void need_root(void);

/* Makes a directory of the test's own, and removes it with all that is in it. */
void make_directory(char path[static 32]);
void remove_directory(const char *path);

/* Runs `body` in a child process and returns the status of waitpid(2); it ends with 0 when `body` returns. */
int status_of_child(void (*body)(const void *argument), const void *argument);

/* Runs `body` in a child process, which must end with 0. */
void run_in_child(void (*body)(const void *argument), const void *argument);

/* In a child or a thread, where a failed assertion of cmocka's would go on with the next test: ends the process. */
#define CHECK(condition) check(condition, #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(left, right)                                                                                       \
	check_equal((long long)(left), (long long)(right), #left " == " #right, __FILE__, __LINE__)

void check(bool condition, const char *text, const char *file, int line);
void check_equal(long long left, long long right, const char *text, const char *file, int line);

#endif

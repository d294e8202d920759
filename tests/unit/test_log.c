/* SPDX-License-Identifier: MIT */
/* Lines of the log: whole, bounded, and harmless to a terminal, whoever wrote what is in them. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/descriptor.h"
#include "common/log.h"

static int saved_stderr, reader;
static char got[4 * LOG_LINE_MAX];

static int setup(void **state)
{
	int ends[2];

	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	if (saved_stderr < 0 || pipe2(ends, O_CLOEXEC | O_NONBLOCK) || dup2(ends[1], STDERR_FILENO) < 0)
		return -1;
	close(ends[1]);
	reader = ends[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR);
	log_level = LOG_INFO;
	while (read(reader, got, sizeof got) > 0)
		;
	log_tell_dropped(); /* the next test is not to hear of it */
	unsetenv("JOURNAL_STREAM");
	dup2(saved_stderr, STDERR_FILENO);
	descriptor_close(&saved_stderr);
	descriptor_close(&reader);
	return 0;
}

/* Takes what was logged; one read(2) takes one line at most if each was written by itself and read at once. */
static const char *logged(void)
{
	ssize_t size = read(reader, got, sizeof got - 1);

	got[size > 0 ? size : 0] = '\0';
	return got;
}

static void lines_on_stderr_name_the_program(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR);
	log_error("a %s with %d", "text", 5);
	assert_string_equal(logged(), "virtfs-proxy-helper: a text with 5\n");
}

static void lines_for_the_monitor_bear_their_priority(void **state)
{
	(void)state;
	log_open(LOG_TO_MONITOR);
	log_error("bad");
	assert_string_equal(logged(), "<3>bad\n");
	log_warning("so so");
	assert_string_equal(logged(), "<4>so so\n");
	log_info("good");
	assert_string_equal(logged(), "<6>good\n");
}

static void control_characters_are_replaced(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR);
	log_info("one\ntwo\r\x1b[31m\x7f\tend");
	assert_string_equal(logged(), "virtfs-proxy-helper: one?two??[31m??end\n");
	log_info("\xc3\xbc stays");
	assert_string_equal(logged(), "virtfs-proxy-helper: \xc3\xbc stays\n");
}

static void long_lines_are_cut(void **state)
{
	static const enum log_sink sinks[] = { LOG_TO_STDERR, LOG_TO_MONITOR };
	char text[3 * LOG_LINE_MAX];

	(void)state;
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	for (size_t i = 0; i < COUNT(sinks); i++) {
		log_open(sinks[i]);
		for (size_t size = LOG_LINE_MAX - 30; size < sizeof text; size++) {
			log_info("%s", text + sizeof text - 1 - size);
			logged();
			assert_in_range(strlen(got), LOG_LINE_MAX - 30, LOG_LINE_MAX);
			assert_int_equal(got[strlen(got) - 1], '\n');
			assert_ptr_equal(strchr(got, '\n'), got + strlen(got) - 1);
		}
	}
}

static void a_full_log_is_not_waited_for(void **state)
{
	size_t size = 0;

	(void)state;
	log_open(LOG_TO_MONITOR);
	for (int i = 0; i < 100000; i++)
		log_info("a line that is written more often than the pipe has room for");
	while (logged()[0])
		size += strlen(got);
	assert_in_range(size, 4096, 100000);
}

static void dropped_lines_are_counted_and_told(void **state)
{
	unsigned written = 0, told, kept = 0;
	const char *at;

	(void)state;
	log_open(LOG_TO_MONITOR);
	for (; written < 10000; written++)
		log_info("line");
	while (logged()[0])
		for (at = got; (at = strchr(at, '\n')); at++)
			kept++;
	log_info("after");
	assert_int_equal(sscanf(logged(), "<4>%u lines of the log were left out", &told), 1);
	assert_int_equal(told, written - kept);
	assert_non_null(strstr(got, "<6>after\n"));
	log_info("again");
	assert_string_equal(logged(), "<6>again\n");
}

static void less_urgent_lines_than_the_level_are_not_written(void **state)
{
	static const int levels[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

	(void)state;
	log_open(LOG_TO_MONITOR);
	for (size_t i = 0; i < COUNT(levels); i++) {
		log_level = levels[i];
		assert_int_equal(log_debugs(), levels[i] == LOG_DEBUG);
		for (size_t k = 0; k < COUNT(levels); k++) {
			char line[] = "<0>relayed";

			log_write(levels[k], "written");
			assert_int_equal(logged()[0] != '\0', k <= i);
			line[1] = (char)('0' + levels[k]);
			log_relay(line);
			assert_int_equal(logged()[0] != '\0', k <= i);
		}
	}
}

static void set_journal(unsigned long long device, unsigned long long inode, const char *rest)
{
	char value[64];

	snprintf(value, sizeof value, "%llu:%llu%s", device, inode, rest);
	setenv("JOURNAL_STREAM", value, 1);
}

static void the_journal_gets_priorities(void **state)
{
	struct stat stat;

	(void)state;
	assert_int_equal(fstat(STDERR_FILENO, &stat), 0);
	assert_int_equal(log_find_stderr(), LOG_TO_STDERR);
	set_journal(stat.st_dev, stat.st_ino, "");
	assert_int_equal(log_find_stderr(), LOG_TO_JOURNAL);
	log_open(log_find_stderr());
	log_warning("so so");
	assert_string_equal(logged(), "<4>so so\n");

	set_journal(stat.st_dev, stat.st_ino + 1, "");
	assert_int_equal(log_find_stderr(), LOG_TO_STDERR);
	set_journal(stat.st_dev + 1, stat.st_ino, "");
	assert_int_equal(log_find_stderr(), LOG_TO_STDERR);
	set_journal(stat.st_dev, stat.st_ino, "x");
	assert_int_equal(log_find_stderr(), LOG_TO_STDERR);
	setenv("JOURNAL_STREAM", "", 1);
	assert_int_equal(log_find_stderr(), LOG_TO_STDERR);
}

static void relayed_lines_lose_their_priority(void **state)
{
	(void)state;
	log_open(LOG_TO_STDERR);
	log_relay("<6>from the worker");
	assert_string_equal(logged(), "virtfs-proxy-helper: from the worker\n");
	log_relay("==1==ERROR: a sanitizer");
	assert_string_equal(logged(), "virtfs-proxy-helper: ==1==ERROR: a sanitizer\n");
	log_relay("");
	assert_string_equal(logged(), "virtfs-proxy-helper: \n");
	log_relay("<9>");
	assert_string_equal(logged(), "virtfs-proxy-helper: <9>\n");
	log_relay("<3");
	assert_string_equal(logged(), "virtfs-proxy-helper: <3\n");
}

static void relayed_lines_are_not_trusted(void **state)
{
	char text[2 * LOG_LINE_MAX];

	(void)state;
	log_open(LOG_TO_STDERR);
	log_relay("<3>%s%n\x1b]0;title\x07");
	assert_string_equal(logged(), "virtfs-proxy-helper: %s%n?]0;title?\n");

	memset(text, 'y', sizeof text);
	text[sizeof text - 1] = '\0';
	log_relay(text);
	assert_int_equal(strlen(logged()), LOG_LINE_MAX);
}

#define test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(lines_on_stderr_name_the_program),
		test(lines_for_the_monitor_bear_their_priority),
		test(control_characters_are_replaced),
		test(long_lines_are_cut),
		test(a_full_log_is_not_waited_for),
		test(dropped_lines_are_counted_and_told),
		test(less_urgent_lines_than_the_level_are_not_written),
		test(the_journal_gets_priorities),
		test(relayed_lines_lose_their_priority),
		test(relayed_lines_are_not_trusted),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Lines of the log: whole, bounded, and harmless to a terminal, whoever wrote what is in them. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
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
		test(relayed_lines_lose_their_priority),
		test(relayed_lines_are_not_trusted),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}

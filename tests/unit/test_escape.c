/* SPDX-License-Identifier: MIT */
/* Whatever bytes a guest chose, what is printed of them is printable, bounded, and says which they were. */
#include "unit.h"

#include <string.h>

#include "common/escape.h"

static char text[64];

static const char *escaped(const char *bytes, size_t size)
{
	size_t length;

	memset(text, 'x', sizeof text);
	length = escape(bytes, size, text, sizeof text);
	assert_int_equal(length, strlen(text));
	return text;
}

static void what_prints_stays(void **state)
{
	(void)state;
	assert_string_equal(escaped("//a b/~!{}'", 11), "//a b/~!{}'");
	assert_string_equal(escaped("", 0), "");
	assert_string_equal(escaped(NULL, 0), "");
}

static void what_does_not_print_is_told_in_hexadecimal(void **state)
{
	(void)state;
	assert_string_equal(escaped("a\nb\x1b[31m\t\0z", 11), "a\\x0ab\\x1b[31m\\x09\\x00z");
	assert_string_equal(escaped("\xc3\xbc\x7f\x9b", 4), "\\xc3\\xbc\\x7f\\x9b");
	assert_string_equal(escaped("\\x0a\"", 5), "\\\\x0a\\\"");
}

/* For each size of the text and of the room, and for bytes that take one, two and four. */
static void what_is_cut_says_so(void **state)
{
	static const char bytes[] = { 'a', '\n', '"' };

	(void)state;
	for (size_t kind = 0; kind < sizeof bytes; kind++) {
		char many[80];

		memset(many, bytes[kind], sizeof many);
		for (size_t room = 4; room <= sizeof text; room++) {
			for (size_t size = 0; size < sizeof many; size++) {
				size_t length, each = kind == 0 ? 1 : kind == 1 ? 4 : 2;

				memset(text, 'x', sizeof text);
				length = escape(many, size, text, room);
				assert_true(length < room);
				assert_int_equal(text[length], '\0');
				assert_int_equal(strlen(text), length);
				if (size * each < room)
					assert_int_equal(length, size * each);
				else
					assert_string_equal(text + length - 3, "...");
				assert_true(room == sizeof text || text[room] == 'x');
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_prints_stays),
		cmocka_unit_test(what_does_not_print_is_told_in_hexadecimal),
		cmocka_unit_test(what_is_cut_says_so),
	};

	return cmocka_run_group_tests_name("escape", tests, NULL, NULL);
}

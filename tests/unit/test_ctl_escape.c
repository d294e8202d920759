/* SPDX-License-Identifier: MIT */
/* Bytes of others as printable ASCII, and what is UTF-8. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/escape.h"

#define INITIAL(literal) { literal, sizeof literal - 1 }
#define BYTES(literal)   ((struct proxyfs_bytes)INITIAL(literal))

typedef void escape_function(FILE *out, struct proxyfs_bytes text);

static void assert_escaped(escape_function *escape, struct proxyfs_bytes text, const char *expected)
{
	char *printed;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	assert_non_null(out);
	escape(out, text);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(printed, expected);
	free(printed);
}

static void plain_text_stays(void **state)
{
	(void)state;
	assert_escaped(escape_plain, BYTES("a b~!'\"%"), "a b~!'\"%");
	assert_escaped(escape_plain, BYTES(""), "");
}

static void nothing_commands_a_terminal(void **state)
{
	(void)state;
	assert_escaped(escape_plain, BYTES("\33[2J\a\r\n\t\\\177"), "\\x1b[2J\\x07\\x0d\\n\\t\\\\\\x7f");
	assert_escaped(escape_plain, BYTES("\302\233\0x"), "\\xc2\\x9b\\x00x");
}

static void no_byte_leaves_as_it_is_but_printable_ascii(void **state)
{
	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		char text = (char)byte, expected[5];
		bool printable = byte >= ' ' && byte < 0x7f && byte != '\\';

		if (byte == '\n' || byte == '\t' || byte == '\\')
			continue;
		snprintf(expected, sizeof expected, printable ? "%c" : "\\x%02x", byte);
		assert_escaped(escape_plain, (struct proxyfs_bytes){ &text, 1 }, expected);
	}
}

static void quotes_inside_quotes(void **state)
{
	(void)state;
	assert_escaped(escape_quoted, BYTES("a\"b\\"), "\"a\\\"b\\\\\"");
	assert_escaped(escape_quoted, BYTES(""), "\"\"");
}

static void hexadecimal(void **state)
{
	(void)state;
	assert_escaped(escape_hex, BYTES("\0\377a"), "00ff61");
}

static void json_of_utf8(void **state)
{
	(void)state;
	assert_escaped(escape_json, BYTES("a\"\\/\n\0\177"), "\"a\\\"\\\\/\\u000a\\u0000\\u007f\"");
	assert_escaped(escape_json, BYTES("\303\251\342\202\254"), "\"\\u00e9\\u20ac\"");
	assert_escaped(escape_json, BYTES("\360\237\220\237\364\217\277\277"), "\"\\ud83d\\udc1f\\udbff\\udfff\"");
}

static void json_of_other_bytes(void **state)
{
	(void)state;
	assert_escaped(escape_json, BYTES("a\377b"), "\"a\\u00ffb\"");
	assert_escaped(escape_json, BYTES("\303"), "\"\\u00c3\"");
	assert_escaped(escape_json, BYTES("\303a"), "\"\\u00c3a\"");
	assert_escaped(escape_json, BYTES("\355\240\200"), "\"\\u00ed\\u00a0\\u0080\"");
}

static void utf8_and_not(void **state)
{
	static const struct proxyfs_bytes good[] = { INITIAL(""), INITIAL("a\0"), INITIAL("\302\200"), INITIAL("\337\277"),
		INITIAL("\340\240\200"), INITIAL("\355\237\277"), INITIAL("\356\200\200"), INITIAL("\360\220\200\200"),
		INITIAL("\364\217\277\277") };
	/* Alone, too long, a surrogate, beyond the last, cut short. */
	static const struct proxyfs_bytes bad[] = { INITIAL("\200"), INITIAL("\377"), INITIAL("\300\200"), INITIAL("\301\277"),
		INITIAL("\340\237\277"), INITIAL("\355\240\200"), INITIAL("\360\217\277\277"), INITIAL("\364\220\200\200"),
		INITIAL("\365\200\200\200"), INITIAL("\342\202"), INITIAL("\342\202a"), INITIAL("a\303") };

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_true(escape_is_utf8(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(escape_is_utf8(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_text_stays),
		cmocka_unit_test(nothing_commands_a_terminal),
		cmocka_unit_test(no_byte_leaves_as_it_is_but_printable_ascii),
		cmocka_unit_test(quotes_inside_quotes),
		cmocka_unit_test(hexadecimal),
		cmocka_unit_test(json_of_utf8),
		cmocka_unit_test(json_of_other_bytes),
		cmocka_unit_test(utf8_and_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

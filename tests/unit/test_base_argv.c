/*
 * test_base_argv.c - command lines split into words by quotes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/argv.h"

static void test_words(void **state)
{
	static const struct {
		const char *text;
		const char *words[6];
	} table[] = {
	        {"true", {"true"}},
	        {"  a\tb  c ", {"a", "b", "c"}},
	        {"mail -s 'the bot is silent' root", {"mail", "-s", "the bot is silent", "root"}},
	        {"a \"b c\" d", {"a", "b c", "d"}},
	        {"a '' \"\" b", {"a", "", "", "b"}},
	        {"a'b c'\"d e\"f", {"ab cd ef"}},
	        {"'a\\b' \"a\\\"b\\\\c\\d\"", {"a\\b", "a\"b\\c\\d"}},
	        {"a\\ b \\'c \\\\", {"a b", "'c", "\\"}},
	        {"echo $HOME ~ * `id` $(id) | cat", {"echo", "$HOME", "~", "*", "`id`", "$(id)"}},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fault fault = {0};
		char **words;

		assert_int_equal(argv_split(table[i].text, &words, &fault), OK);
		for (size_t j = 0; j < 6 && table[i].words[j]; j++) {
			assert_non_null(words[j]);
			assert_string_equal(words[j], table[i].words[j]);
			if (j < 5 && !table[i].words[j + 1])
				assert_null(words[j + 1]);
		}
		argv_free(words);
	}
}

static void test_faults(void **state)
{
	static const char *const table[][2] = {
	        {"", "has no word"},
	        {" \t ", "has no word"},
	        {"a 'b", "has a ' that is not closed"},
	        {"a \"b\\\"", "has a \" that is not closed"},
	        {"a \"b\\", "has a \" that is not closed"},
	        {"a b\\", "ends in a backslash"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct fault fault = {0};
		char **words = (char **)1;

		assert_int_equal(argv_split(table[i][0], &words, &fault), ERR_INVALID);
		assert_null(words);
		assert_string_equal(fault.text, table[i][1]);
	}
	argv_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_words),
	        cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

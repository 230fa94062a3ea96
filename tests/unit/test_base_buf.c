/*
 * Buffers, error messages and memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/err.h"
#include "bot/base/text.h"

static void test_buf_grows_and_stays_terminated(void **state)
{
	struct buf buf;

	buf_init(&buf, 100000);
	assert_string_equal(buf_str(&buf), "");
	for (int i = 0; i < 10000; i++) {
		buf_add_char(&buf, 'x');
		assert_int_equal(buf.data[buf.len], '\0');
	}
	buf_printf(&buf, "%d%s", 42, "y");
	assert_int_equal(buf.len, 10003);
	assert_string_equal(buf.data + 10000, "42y");
	assert_false(buf.overflow);
	buf_finish(&buf);
	buf_finish(&buf);
}

static void test_buf_stops_at_its_maximum(void **state)
{
	struct buf buf;

	buf_init(&buf, 4);
	buf_add_str(&buf, "abc");
	buf_add_str(&buf, "d");
	assert_false(buf.overflow);
	buf_add_str(&buf, "");
	assert_false(buf.overflow);
	buf_add_char(&buf, 'e');
	assert_true(buf.overflow);
	assert_string_equal(buf_str(&buf), "abcd");
	/* nothing is added later, even if it would fit again */
	buf_drop(&buf, 2);
	buf_add_char(&buf, 'f');
	assert_string_equal(buf_str(&buf), "cd");
	buf_reset(&buf);
	buf_printf(&buf, "%s", "12345");
	assert_true(buf.overflow);
	assert_string_equal(buf_str(&buf), "");
	buf_finish(&buf);
	/* a zeroed one takes nothing */
	struct buf zero = {0};
	buf_add_char(&zero, 'x');
	assert_true(zero.overflow);
	buf_finish(&zero);
}

static void test_buf_refuses_sizes_that_would_wrap(void **state)
{
	struct buf buf;

	buf_init(&buf, SIZE_MAX - 1);
	buf_add_str(&buf, "abc");
	buf.max = 10;
	buf_add(&buf, "x", SIZE_MAX);
	assert_true(buf.overflow);
	assert_string_equal(buf_str(&buf), "abc");
	buf_finish(&buf);
}

static void test_buf_drop_and_take(void **state)
{
	struct buf buf;
	char *taken;

	buf_init(&buf, 64);
	buf_drop(&buf, 5);
	buf_add_str(&buf, "one two");
	buf_drop(&buf, 4);
	assert_string_equal(buf_str(&buf), "two");
	taken = buf_take(&buf);
	assert_string_equal(taken, "two");
	assert_int_equal(buf.len, 0);
	free(taken);
	taken = buf_take(&buf);
	assert_string_equal(taken, "");
	free(taken);
	buf_add_str(&buf, "again");
	buf_drop(&buf, 100);
	assert_string_equal(buf_str(&buf), "");
	buf_finish(&buf);
}

static void test_buf_trims_line_ends(void **state)
{
	struct buf buf;

	buf_init(&buf, 100);
	buf_trim_lines(&buf);
	assert_string_equal(buf_str(&buf), "");
	buf_add_str(&buf, "\na\nb \n\n");
	buf_trim_lines(&buf);
	assert_string_equal(buf_str(&buf), "\na\nb ");
	assert_int_equal(buf.len, 5);
	buf_trim_lines(&buf);
	assert_int_equal(buf.len, 5);
	buf_reset(&buf);
	buf_add_str(&buf, "\n\n");
	buf_trim_lines(&buf);
	assert_int_equal(buf.len, 0);
	buf_finish(&buf);
}

static void test_every_code_has_its_name_and_text(void **state)
{
	static const struct {
		const char *symbol, *text;
	} codes[] = {
#define CODE(name, text) {#name, text},
	        ERR_TABLE(CODE)
#undef CODE
	};

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const char *symbol = codes[i].symbol;
		char name[32];
		size_t len = 0;

		if (strncmp(symbol, "ERR_", 4) == 0)
			symbol += 4;
		for (; symbol[len]; len++)
			name[len] = (char)tolower((unsigned char)symbol[len]);
		name[len] = '\0';
		assert_string_equal(err_name((enum err)i), name);
		assert_string_equal(err_text((enum err)i), codes[i].text);
	}
	assert_string_equal(err_name((enum err)999), "unknown");
	assert_non_null(err_text((enum err)999));
}

static void test_faults_are_wrapped_and_cut_whole(void **state)
{
	struct fault fault = {0};
	char longer[400];

	assert_int_equal(fault_set(NULL, ERR_IO, "x"), ERR_IO);
	assert_int_equal(fault_set(&fault, ERR_IO, "no %s", "disk"), ERR_IO);
	assert_int_equal(fault_wrap(&fault, "%s", "store"), ERR_IO);
	assert_string_equal(fault.text, "store: no disk");
	/* its own text may be an argument */
	fault_set(&fault, ERR_FULL, "again %s", fault.text);
	assert_string_equal(fault.text, "again store: no disk");
	assert_int_equal(fault.code, ERR_FULL);
	/* é has two bytes, so that one of 255 would be half */
	for (size_t i = 0; i < sizeof(longer) - 2; i += 2)
		memcpy(longer + i, "é", 3);
	fault_set(&fault, ERR_IO, "%s", longer);
	assert_int_equal(strlen(fault.text), 254);
	assert_true(text_is_utf8(fault.text, strlen(fault.text)));
	fault_wrap(&fault, "ab");
	assert_int_equal(strlen(fault.text), 254);
	assert_true(text_is_utf8(fault.text, strlen(fault.text)));
	fault_wrap(&fault, "%s", longer);
	assert_true(text_is_utf8(fault.text, strlen(fault.text)));
	assert_int_equal(fault.code, ERR_IO);
}

static void test_memory(void **state)
{
	char *text = x_asprintf("%d-%s", 7, "x");

	assert_string_equal(text, "7-x");
	x_wipe_free_str(text);
	x_wipe_free_str(NULL);
	x_wipe_free(NULL, 10);
	assert_null(x_strdup_opt(NULL));
	text = x_strndup("abcdef", 3);
	assert_string_equal(text, "abc");
	free(text);
	text = x_strndup("ab", 100);
	assert_string_equal(text, "ab");
	free(text);
	free(x_calloc(0, 0));
	free(x_realloc(NULL, 0));
}

/* What the daemon or its disk caused is tried again; what is damaged is not tried again and again.
 */
static void test_err_says_who_is_to_blame(void **state)
{
	static const enum err wrong[] = {ERR_INVALID, ERR_TOO_LARGE, ERR_NOT_FOUND, ERR_EXISTS};
	static const enum err own[] = {ERR_IO, ERR_FULL, ERR_BUSY, ERR_CORRUPT, ERR_DAMAGED,
	        ERR_REPLACED, ERR_NET, ERR_TIMEOUT, ERR_HELD, ERR_CANCELED};
	static const enum err passing[] = {OK, ERR_IO, ERR_FULL, ERR_BUSY, ERR_REPLACED, ERR_HELD};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_true(!err_is_own(wrong[i]) && err_is_lasting(wrong[i]));
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		assert_true(err_is_own(own[i]));
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		assert_false(err_is_lasting(passing[i]));
	assert_true(err_is_lasting(ERR_CORRUPT) && err_is_lasting(ERR_DAMAGED));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_err_says_who_is_to_blame),
	        cmocka_unit_test(test_buf_grows_and_stays_terminated),
	        cmocka_unit_test(test_buf_stops_at_its_maximum),
	        cmocka_unit_test(test_buf_refuses_sizes_that_would_wrap),
	        cmocka_unit_test(test_buf_drop_and_take),
	        cmocka_unit_test(test_buf_trims_line_ends),
	        cmocka_unit_test(test_every_code_has_its_name_and_text),
	        cmocka_unit_test(test_faults_are_wrapped_and_cut_whole),
	        cmocka_unit_test(test_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

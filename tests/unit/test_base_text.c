/*
 * Text from outside made safe: UTF-8, neutral text, HTML, URIs, distances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"

#define BAD "\xEF\xBF\xBD"

static const char *const malformed[] = {
        "\x80", /* a continuation alone */
        "\xBF",
        "\xC0\x80", /* NUL, overlong */
        "\xC0\xAF", /* "/", overlong */
        "\xC1\xBF",
        "\xE0\x80\xAF", /* overlong by three */
        "\xE0\x9F\xBF",
        "\xF0\x80\x80\xAF", /* overlong by four */
        "\xF0\x8F\xBF\xBF",
        "\xED\xA0\x80",             /* the first surrogate */
        "\xED\xBF\xBF",             /* the last one */
        "\xED\xA0\xBD\xED\xB8\x80", /* a pair of them (CESU-8) */
        "\xF4\x90\x80\x80",         /* U+110000 */
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "\xC3", /* cut off */
        "\xE2\x82",
        "\xF0\x9F\x98",
        "\xC3(", /* not followed by what it needs */
        "\xE2(\xA1",
        "\xF0\x9F(\x80",
        "good \xE2\x82 and good",
};

static void test_malformed_utf8_is_refused_and_replaced(void **state)
{
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
		const char *text = malformed[i];
		struct buf out;
		unsigned point;
		size_t used = text_decode(text, strlen(text), &point);

		assert_false(text_is_utf8(text, strlen(text)));
		assert_in_range(used, 1, strlen(text));
		if (text[0] != 'g')
			assert_int_equal(point, 0xFFFD);
		buf_init(&out, 1024);
		text_add_plain(&out, text, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
		assert_true(text_is_utf8(out.data, out.len));
		assert_non_null(strstr(out.data, BAD));
		buf_finish(&out);
	}
}

/* No byte that stands after a broken sequence is swallowed: "<" must meet its escape. */
static void test_a_broken_sequence_swallows_nothing(void **state)
{
	static const char *const texts[] = {
	        "\xC3<b>", "\xE2\x82<b>", "\xF0\x9F\x98<b>", "\xF0<b>", "\xED\xA0<b>", "\xC0<b>"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		text_add_html(&out, texts[i], TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
		assert_null(strchr(out.data, '<'));
		assert_non_null(strstr(out.data, "&lt;b&gt;"));
		buf_finish(&out);
	}
}

/* An encoder of the test's own, that also makes surrogates; text has 5 bytes. */
static size_t encode(unsigned p, char *text)
{
	size_t len = p < 0x80 ? 1 : p < 0x800 ? 2 : p < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};

	for (size_t i = len - 1; i > 0; i--, p >>= 6)
		text[i] = (char)(0x80 | (p & 63));
	text[0] = (char)(lead[len] | p);
	text[len] = '\0';
	return len;
}

static void test_every_code_point_decodes_to_itself(void **state)
{
	for (unsigned p = 0; p <= 0x10FFFF; p++) {
		char text[5];
		size_t len = encode(p, text);
		unsigned got;

		if (p >= 0xD800 && p <= 0xDFFF) {
			assert_false(text_is_utf8(text, len));
			continue;
		}
		assert_true(text_is_utf8(text, len));
		assert_int_equal(text_decode(text, len, &got), len);
		assert_int_equal(got, p);
		/* never reads what is not there, and never takes a part for a whole */
		for (size_t cut = 1; cut < len; cut++) {
			char *part = malloc(cut);

			memcpy(part, text, cut);
			assert_false(text_is_utf8(part, cut));
			assert_in_range(text_decode(part, cut, &got), 1, cut);
			assert_int_equal(text_whole(part, cut), 0);
			free(part);
		}
	}
}

static bool is_replaced(unsigned p)
{
	return p < 0x20 || (p >= 0x7F && p < 0xA0) || p == 0x61C || p == 0x200E || p == 0x200F ||
	       p == 0x2028 || p == 0x2029 || (p >= 0x202A && p <= 0x202E) ||
	       (p >= 0x2066 && p <= 0x2069) || (p >= 0xE0000 && p <= 0xE007F);
}

static void test_neutral_text_replaces_exactly_what_the_header_lists(void **state)
{
	/* all of the first plane, and the neighbourhood of the tags */
	for (unsigned p = 1; p <= 0xE0100; p = p == 0xFFFF ? 0xDFF00 : p + 1) {
		char text[5];
		struct buf out;

		if (p == '\n' || p == '\t' || (p >= 0xD800 && p <= 0xDFFF))
			continue;
		encode(p, text);
		buf_init(&out, 64);
		text_add_plain(&out, text, TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES);
		if (strcmp(out.data, is_replaced(p) ? BAD : text) != 0)
			fail_msg("U+%04X became \"%s\"", p, out.data);
		buf_finish(&out);
	}
}

struct plain_case {
	const char *in;
	size_t max;
	enum text_newlines mode;
	const char *plain, *html;
};

static const struct plain_case plain_cases[] = {
        {"", 0, TEXT_KEEP_NEWLINES, "", ""},
        {"", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "", ""},
        {"a", 0, TEXT_KEEP_NEWLINES, "", ""},
        {"abc", 3, TEXT_KEEP_NEWLINES, "abc", "abc"},
        {"abcd", 3, TEXT_KEEP_NEWLINES, "abc…", "abc…"},
        {"abcd", 1, TEXT_KEEP_NEWLINES, "a…", "a…"},
        {"héé", 3, TEXT_KEEP_NEWLINES, "héé", "héé"},
        {"hééé", 3, TEXT_KEEP_NEWLINES, "héé…", "héé…"},
        {"😀😀😀", 3, TEXT_KEEP_NEWLINES, "😀😀😀", "😀😀😀"},
        {"😀😀😀", 2, TEXT_KEEP_NEWLINES, "😀😀…", "😀😀…"},
        {"a\nb", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "a\nb", "a<br>b"},
        {"a\nb", TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES, "a ⏎ b", "a ⏎ b"},
        {"a\r\nb", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "a\nb", "a<br>b"},
        {"a\r\nb", 3, TEXT_KEEP_NEWLINES, "a\nb", "a<br>b"},
        {"a\rb", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "a" BAD "b", "a" BAD "b"},
        {"a\tb", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "a b", "a b"},
        {"\xC3", 1, TEXT_KEEP_NEWLINES, BAD, BAD},
        {"a\xC3", 2, TEXT_KEEP_NEWLINES, "a" BAD, "a" BAD},
        {"\xE2\x80\xAE"
         "evil",
                TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, BAD "evil", BAD "evil"},
        {"\033[31m", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, BAD "[31m", BAD "[31m"},
        {"<a href=\"x\" o='y'>&</a>", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES,
                "<a href=\"x\" o='y'>&</a>",
                "&lt;a href=&quot;x&quot; o=&#39;y&#39;&gt;&amp;&lt;/a&gt;"},
        /* an escape counts as one and is never cut */
        {"&&&", 3, TEXT_KEEP_NEWLINES, "&&&", "&amp;&amp;&amp;"},
        {"&&&", 2, TEXT_KEEP_NEWLINES, "&&…", "&amp;&amp;…"},
        {"&amp;", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "&amp;", "&amp;amp;"},
        {"👩‍🚀", TEXT_NO_LIMIT, TEXT_KEEP_NEWLINES, "👩‍🚀", "👩‍🚀"},
};

static void test_plain_and_html_within_limits(void **state)
{
	for (size_t i = 0; i < sizeof(plain_cases) / sizeof(plain_cases[0]); i++) {
		const struct plain_case *c = &plain_cases[i];
		struct buf plain, html;

		buf_init(&plain, 1024);
		buf_init(&html, 1024);
		text_add_plain(&plain, c->in, c->max, c->mode);
		text_add_html(&html, c->in, c->max, c->mode);
		assert_string_equal(buf_str(&plain), c->plain);
		assert_string_equal(buf_str(&html), c->html);
		buf_finish(&plain);
		buf_finish(&html);
	}
}

static void test_a_long_text_keeps_its_end(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	        {"", ""},
	        {"abcde", "abcde"},
	        {"abcdef", "ab…def"},
	        {"a\nb\nc", "a ⏎ b ⏎ c"},
	        {"a\r\nb\r\nc", "a ⏎ b ⏎ c"},
	        {"éééxyüüü", "éé…üüü"},
	        {"\xFF\xFF\xFF\xFF\xFF\xFF", BAD BAD "…" BAD BAD BAD},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		text_add_ends(&out, cases[i].in, 2, 5);
		assert_string_equal(buf_str(&out), cases[i].out);
		buf_finish(&out);
	}
}

static void test_uri_leaves_only_unreserved(void **state)
{
	struct buf out;

	buf_init(&out, 1024);
	text_add_uri(&out, "aZ09-._~ /?#[]@!$&'()*+,;=%\"<>\\^`{|}é\n");
	assert_string_equal(buf_str(&out), "aZ09-._~%20%2F%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2B"
	                                   "%2C%3B%3D%25%22%3C%3E%5C%5E%60%7B%7C%7D%C3%A9%0A");
	buf_finish(&out);
}

static void test_json_size_counts_escapes(void **state)
{
	assert_int_equal(text_json_size(""), 0);
	assert_int_equal(text_json_size("abc"), 3);
	assert_int_equal(text_json_size("\"\\\n\r\t\b\f"), 14);
	assert_int_equal(text_json_size("\x01\x1f"), 12);
	assert_int_equal(text_json_size("é😀/"), 7);
}

static void test_whole_cuts_only_unfinished_ends(void **state)
{
	assert_int_equal(text_whole("", 0), 0);
	assert_int_equal(text_whole("ab", 2), 2);
	assert_int_equal(text_whole("aé", 3), 3);
	assert_int_equal(text_whole("aé", 2), 1);
	assert_int_equal(text_whole("a😀", 5), 5);
	for (size_t len = 2; len <= 4; len++)
		assert_int_equal(text_whole("a😀", len), 1);
	/* what is no UTF-8 at all is left alone */
	assert_int_equal(text_whole("\x80\x80\x80\x80\x80", 5), 5);
}

static void test_distance(void **state)
{
	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("homeserver", "homeserver"), 0);
	assert_int_equal(text_distance("hoomserver", "homeserver"), 2);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("aaaaaaaaaaaaaaaaaaaaaaaa", "b"), 16);
	char *longer = x_calloc(1, 10000);
	memset(longer, 'x', 9999);
	assert_int_equal(text_distance(longer, "x"), 16);
	assert_int_equal(text_distance("x", longer), 16);
	free(longer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_malformed_utf8_is_refused_and_replaced),
	        cmocka_unit_test(test_a_broken_sequence_swallows_nothing),
	        cmocka_unit_test(test_every_code_point_decodes_to_itself),
	        cmocka_unit_test(test_neutral_text_replaces_exactly_what_the_header_lists),
	        cmocka_unit_test(test_plain_and_html_within_limits),
	        cmocka_unit_test(test_a_long_text_keeps_its_end),
	        cmocka_unit_test(test_uri_leaves_only_unreserved),
	        cmocka_unit_test(test_json_size_counts_escapes),
	        cmocka_unit_test(test_whole_cuts_only_unfinished_ends),
	        cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

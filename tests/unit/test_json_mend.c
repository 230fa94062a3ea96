/*
 * test_json_mend.c - what encoders of other languages write, where a strict parser refuses it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/json_mend.h"
#include "bot/base/request.h"
#include "bot/base/text.h"

#define REPLACED "\xEF\xBF\xBD"

struct example {
	const char *given;
	size_t len;         /* 0 = to the NUL */
	const char *expect; /* NULL = no JSON */
	int notes;
};

static void examples_hold(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct example *e = &examples[i];
		json_t *notes = json_array();
		json_t *value = json_mend(e->given, e->len ? e->len : strlen(e->given), 4, notes);
		char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

		if (!e->expect && text)
			fail_msg("%s is taken as %s", e->given, text);
		if (e->expect && (!text || strcmp(text, e->expect) != 0))
			fail_msg("%s gives %s", e->given, text ? text : "nothing");
		if (e->expect && (int)json_array_size(notes) != e->notes)
			fail_msg("%s has %zu notes", e->given, json_array_size(notes));
		free(text);
		json_decref(value);
		json_decref(notes);
	}
}
#define EXAMPLES_HOLD(list) examples_hold(list, sizeof(list) / sizeof((list)[0]))

static void texts_become_utf8(void **state)
{
	static const struct example examples[] = {
	        {"\"caf\\udce9.txt\"", 0, "\"caf" REPLACED ".txt\"", 1},
	        {"\"half \\ud83d\"", 0, "\"half " REPLACED "\"", 1},
	        {"\"\\ud83d\\u0041\"", 0, "\"" REPLACED "A\"", 1},
	        {"\"\\ud83d\\ud83d\\ude00\"", 0, "\"" REPLACED "😀\"", 1},
	        {"\"\\ude00\\ud83d\"", 0, "\"" REPLACED REPLACED "\"", 1},
	        {"\"\\uD83D\\uDE00 \\u00e9\"", 0, "\"😀 é\"", 0},
	        {"\"bad\\u0000byte\"", 0, "\"bad" REPLACED "byte\"", 1},
	        {"\"bad\0byte\"", 10, "\"bad" REPLACED "byte\"", 1},
	        {"\"caf\xe9\"", 0, "\"caf" REPLACED "\"", 1},
	        {"\"\xed\xa0\xbd\"", 0, "\"" REPLACED REPLACED REPLACED "\"", 1},
	        {"\"\xc0\x80\xf8\"", 0, "\"" REPLACED REPLACED REPLACED "\"", 1},
	        {"\"cut \xf0\x9f\x98\"", 0, "\"cut " REPLACED REPLACED REPLACED "\"", 1},
	        {"\"tab\tand\nline\x1b\"", 0, "\"tab\\tand\\nline\\u001B\"", 0},
	        {"\"it\\'s \\x41 \\u12\"", 0, "\"it\\\\'s \\\\x41 \\\\u12\"", 0},
	        {"\"" REPLACED "\"", 0, "\"" REPLACED "\"", 0},
	        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", 0, "\"\\\"\\\\/\\b\\f\\n\\r\\t\"", 0},
	        {"\xEF\xBB\xBF{\"a\":1}\r", 0, "{\"a\":1}", 0},
	        {"\0\0{\"a\":1}", 9, "{\"a\":1}", 0},
	        {"{\"k\xe9y\":1}", 0, "{\"k" REPLACED "y\":1}", 1},
	        {"{\"\\u0000\":1}", 0, "{\"" REPLACED "\":1}", 1},
	};

	EXAMPLES_HOLD(examples);
}

static void numbers_are_kept_one_way_or_the_other(void **state)
{
	static const struct example examples[] = {
	        {"0", 0, "0", 0},
	        {"-0", 0, "0", 0},
	        {"-12", 0, "-12", 0},
	        {"9223372036854775807", 0, "9223372036854775807", 0},
	        {"9223372036854775808", 0, "\"9223372036854775808\"", 1},
	        {"-1234567890123456789012345678901234567890", 0,
	                "\"-1234567890123456789012345678901234567890\"", 1},
	        {"0.5", 0, "0.5", 0},
	        {"1e3", 0, "1000.0", 0},
	        {"1e999", 0, "\"1e999\"", 1},
	        {"-1E+999", 0, "\"-1E+999\"", 1},
	        {"NaN", 0, "\"NaN\"", 1},
	        {"Infinity", 0, "\"Infinity\"", 1},
	        {"-Infinity", 0, "\"-Infinity\"", 1},
	        {"[nan,-inf]", 0, "[\"nan\",\"-inf\"]", 2},
	        {"007", 0, "\"007\"", 1},
	        {"+1", 0, "\"+1\"", 1},
	        {".5", 0, "\".5\"", 1},
	        {"1.", 0, "\"1.\"", 1},
	        {"0x1F", 0, "\"0x1F\"", 1},
	        {"{\"a\":1e400,\"b\":true,\"c\":null}", 0,
	                "{\"a\":\"1e400\",\"b\":true,\"c\":null}", 1},
	};

	EXAMPLES_HOLD(examples);
}

static void structure_is_kept_or_refused(void **state)
{
	static const struct example examples[] = {
	        {"{\"a\":1,\"a\":2}", 0, "{\"a\":2}", 1},
	        {"{}", 0, "{}", 0},
	        {" [ ] ", 0, "[]", 0},
	        {"[[[[[[1]]]]]]", 0, "[[[[\"[[1]]\"]]]]", 1},
	        {"[[[[{\"a\":\"]\\\"}\"}]]]]", 0, "[[[[\"{\\\"a\\\":\\\"]\\\\\\\"}\\\"}\"]]]]", 1},
	        {"", 0, NULL, 0},
	        {" ", 0, NULL, 0},
	        {"nonsense", 0, NULL, 0},
	        {"{", 0, NULL, 0},
	        {"{\"a\"", 0, NULL, 0},
	        {"{\"a\":", 0, NULL, 0},
	        {"{\"a\":1", 0, NULL, 0},
	        {"{\"a\":1,}", 0, NULL, 0},
	        {"{,}", 0, NULL, 0},
	        {"{\"a\":1}{\"a\":2}", 0, NULL, 0},
	        {"[1,]", 0, NULL, 0},
	        {"[1 2]", 0, NULL, 0},
	        {"[[[[[[", 0, NULL, 0},
	        {"\"open", 0, NULL, 0},
	        {"\"open\\", 0, NULL, 0},
	        {"{'a':1}", 0, NULL, 0},
	        {"}", 0, NULL, 0},
	};

	EXAMPLES_HOLD(examples);
}

static const char *note(const json_t *notes, size_t i, const char *name)
{
	return json_string_value(json_object_get(json_array_get(notes, i), name));
}

static void notes_name_the_field(void **state)
{
	const char *text =
	        "{\"title\":\"\\ud800\",\"fields\":{\"load\":NaN,\"deep\":{\"x\":[NaN]}}}";
	json_t *notes = json_array();
	json_t *value = json_mend(text, strlen(text), 9, notes);

	assert_int_equal(json_array_size(notes), 3);
	assert_string_equal(note(notes, 0, "field"), "title");
	assert_string_equal(note(notes, 1, "field"), "fields.load");
	assert_string_equal(note(notes, 2, "field"), "fields.deep");
	assert_non_null(strstr(note(notes, 1, "message"), "NaN"));
	for (int i = 0; i < 100; i++)
		json_mend_note(notes, "\xff\n", "%s", "\x1b[31m");
	assert_int_equal(json_array_size(notes), MEND_NOTES_MAX);
	json_decref(value);
	json_decref(notes);
}

static json_t *request_of(const char *line)
{
	struct fault fault;
	size_t position;
	json_t *request;

	request_parse(line, strlen(line), &request, &position, &fault);
	return request;
}

static void only_alerts_are_mended(void **state)
{
	json_t *request = request_of("{\"op\":\"alert\",\"app\":\"a\",\"n\":NaN}");

	assert_int_equal(json_array_size(json_object_get(request, REQUEST_MENDED)), 1);
	json_decref(request);
	assert_null(request_of("{\"op\":\"silence\",\"what\":\"a\",\"what\":\"b\"}"));
	assert_null(request_of("{\"op\":\"ack\",\"run_id\":\"\\ud800\"}"));
	assert_null(request_of("[NaN]"));
	assert_null(request_of("[1]"));
	/* what was mended before stays said */
	request = request_of("{\"op\":\"alert\",\"app\":\"a\",\"n\":NaN,"
	                     "\"\":[{\"field\":\"f\",\"message\":\"m\"}]}");
	assert_int_equal(json_array_size(json_object_get(request, REQUEST_MENDED)), 2);
	json_decref(request);
}

/* Any bytes give a value that jansson can write and read again, or none, and never a crash. */
static void any_bytes_do_no_harm(void **state)
{
	static const char seed[] =
	        "{\"op\":\"alert\",\"app\":\"a\",\"t\":\"\\ud83d\\ude00\",\"n\":["
	        "1e999,-0,NaN,null],\"f\":{\"x\":{\"y\":[[[[[]]]]]}}}";
	static const char alphabet[] = "{}[]\",:\\u0dDeE8+-.nNaIf \t\xff\xc3\xed\xf0\x9f";
	char line[sizeof(seed) + 8];
	unsigned random = 20261126;
	int taken = 0;

	for (int round = 0; round < 60000; round++) {
		size_t len = sizeof(seed) - 1;

		memcpy(line, seed, len);
		for (int n = 0; n <= round % 5; n++) {
			random = random * 1664525 + 1013904223;
			line[(random >> 8) % len] = alphabet[(random >> 20) % sizeof(alphabet)];
		}
		len -= (random >> 16) % 4 == 0 ? (random >> 3) % 10 : 0;
		json_t *notes = json_array();
		json_t *value = json_mend(line, len, 4, notes);
		if (value) {
			char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

			taken++;
			assert_non_null(text);
			assert_true(text_is_utf8(text, strlen(text)));
			free(text);
		}
		json_decref(value);
		json_decref(notes);
	}
	assert_true(taken > 1000);
}

static void texts_are_cut_between_code_points(void **state)
{
	char *cut = json_mend_cut("äöü€", 3);

	assert_string_equal(cut, "äö…");
	free(cut);
	assert_null(json_mend_cut("äöü€", 4));
	assert_null(json_mend_cut("", 1));
}

/* Fits an alert with `count` fields of `len` bytes; their length after that, 0 = they are gone. */
static size_t fields_fit(int count, size_t len)
{
	json_t *alert = json_pack("{s:s, s:{}, s:[s, {s:i}]}", "app", "a", "fields", REQUEST_MENDED,
	        "no note", "field", 7);
	json_t *fields = json_object_get(alert, "fields");
	char name[16], *text = calloc(1, len + 1);
	size_t left;

	memset(text, 'x', len);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		json_object_set_new(fields, name, json_string(text));
	}
	request_fit(alert);
	assert_true(json_dumpb(alert, NULL, 0, JSON_COMPACT) <= REQUEST_MAX + 4096);
	assert_string_equal(json_string_value(json_object_get(alert, "app")), "a");
	assert_true(json_array_size(json_object_get(alert, REQUEST_MENDED)) <= MEND_NOTES_MAX);
	left = json_string_length(json_object_get(json_object_get(alert, "fields"), "f0"));
	json_decref(alert);
	free(text);
	return left;
}

/* However many texts there are, a few passes over them are enough. */
static void texts_are_cut_to_the_same_length_until_the_alert_fits(void **state)
{
	assert_int_equal(fields_fit(10, 400), 400);
	assert_in_range(fields_fit(1, 300000), 40000, REQUEST_MAX);
	assert_in_range(fields_fit(100, 1000), 400, 700);
	assert_int_equal(fields_fit(10000, 400), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(texts_are_cut_to_the_same_length_until_the_alert_fits),
	        cmocka_unit_test(texts_become_utf8),
	        cmocka_unit_test(numbers_are_kept_one_way_or_the_other),
	        cmocka_unit_test(structure_is_kept_or_refused),
	        cmocka_unit_test(notes_name_the_field),
	        cmocka_unit_test(only_alerts_are_mended),
	        cmocka_unit_test(any_bytes_do_no_harm),
	        cmocka_unit_test(texts_are_cut_between_code_points),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

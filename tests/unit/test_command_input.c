/*
 * test_command_input.c - the table of commands, and how what people type becomes its arguments:
 * words, times, matchers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/commands/arguments.h"
#include "handlers/commands/command_what.h"
#include "handlers/commands/command_when.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static int64_t at(const char *text)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(text, &ms));
	return ms;
}

/* ---- the table ---- */

static void rows_are_in_order_and_whole(void **state)
{
	const struct command *command, *before = NULL;

	for (size_t i = 0; (command = command_at(i)); i++) {
		if (before && strcmp(before->name, command->name) > 0)
			fail_msg("%s stands behind %s", command->name, before->name);
		before = command;
		assert_non_null(command->help);
		assert_true(command->where);
		assert_true(strlen(command->name) < COMMAND_NAME_MAX);
		if (command->where & COMMAND_ROOM) {
			assert_non_null(command->run);
			assert_non_null(command->example);
			assert_ptr_equal(command_find(command->name, COMMAND_ROOM), command);
		}
		if (command->op)
			assert_non_null(command_find(command->op, COMMAND_SOCKET));
		/* what must be given stands before what may be left out, or words would be lost */
		for (const struct command_member *m = command->members; m->name && m[1].name; m++)
			assert_true(m->required || !m[1].required || command->words);
	}
}

/* A command's name stands in its own file and in the list, and nowhere else; bot/http, as a client
 * of the socket's protocol, asks for commands by name. */
static void a_command_is_a_file_and_a_line_of_the_table(void **state)
{
	const char *root = getenv("SOURCE_ROOT");
	char command[512];

	if (!root)
		skip();
	snprintf(command, sizeof(command),
	        "cd '%s' && grep -rlE '\"unsilence\"|\\(unsilence\\)|command_unsilence\\b' "
	        "--include=*.c --include=*.h --exclude-dir=http bot handlers storage | sort | tr "
	        "'\\n' ' ' | "
	        "grep -qx 'handlers/commands/command_silences.c handlers/commands/table.c '",
	        root);
	assert_int_equal(system(command), 0);
}

static void names_near_are_found(void **state)
{
	static const struct {
		const char *typed, *meant;
		enum command_where where;
	} cases[] = {
	        {"hlep", "help", COMMAND_ROOM},
	        {"stauts", "status", COMMAND_ROOM},
	        {"STATUS", "status", COMMAND_ROOM},
	        {"sta", "status", COMMAND_LINE},
	        {"stat", "status", COMMAND_SOCKET},
	        {"ac", "ack", COMMAND_ROOM},
	        {"silnce", "silence", COMMAND_SOCKET},
	        {"alrt", "alert", COMMAND_ROOM},
	        {"unsil", "unsilence", COMMAND_ROOM},
	        {"ru", "run", COMMAND_LINE},
	        {"ru", NULL, COMMAND_ROOM},
	        {"xyzzy", NULL, COMMAND_ROOM},
	        {"x", NULL, COMMAND_ROOM},
	        {"", NULL, COMMAND_ROOM},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		const struct command *near = command_nearest(cases[i].typed, cases[i].where);

		if (strcmp(near ? near->name : "-", cases[i].meant ? cases[i].meant : "-") != 0)
			fail_msg("%s: %s", cases[i].typed, near ? near->name : "-");
	}
	assert_true(command_unlike("r-8", "r-81") < command_unlike("r-8", "c-8"));
	assert_int_equal(command_unlike("ETL", "etl"), 0);
	assert_int_equal(command_unlike("a", "etl"), COMMAND_UNLIKE);
}

static void usage_is_made_of_members(void **state)
{
	static const struct {
		const char *name, *usage;
	} cases[] = {{"unack", "unack <run_id>…"}, {"alerts", "alerts [app] [limit]"},
	        {"status", "status"}, {"test", "test [node|dag|violation|all|undelivered]"}};
	struct buf text;

	for (size_t i = 0; i < LEN(cases); i++) {
		buf_init(&text, 200);
		command_add_usage(command_find(cases[i].name, COMMAND_ROOM), &text);
		assert_string_equal(buf_str(&text), cases[i].usage);
		buf_finish(&text);
	}
}

/* ---- words and requests ---- */

static char *dump(json_t *args)
{
	char *text = args ? json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS) : strdup("-");

	json_decref(args);
	return text;
}

static void words_become_arguments(void **state)
{
	static const struct {
		const char *name, *text, *args; /* args: "-" = refused */
	} cases[] = {
	        {"alerts", "", "{}"},
	        {"alerts", "etl", "{\"app\":\"etl\"}"},
	        {"alerts", "5", "{\"limit\":5}"},
	        {"alerts", "etl 5", "{\"app\":\"etl\",\"limit\":5}"},
	        {"alerts", "'etl' 5", "{\"app\":\"etl\",\"limit\":5}"},
	        {"alerts", "-5", "-"},
	        {"alerts", "501", "-"},
	        {"alerts", "0", "-"},
	        {"alerts", "etl billing", "-"},
	        {"alerts", "5 etl", "-"},
	        {"alert", "5", "{\"run_id\":\"5\"}"},
	        {"alert", "nightly run 5", "{\"run_id\":\"nightly run 5\"}"},
	        {"alert", "\"nightly run 5\"", "{\"run_id\":\"nightly run 5\"}"},
	        {"alert", "", "-"},
	        {"discard", "3", "{\"id\":3}"},
	        {"discard", "99999999999999999999", "{\"id\":9223372036854775807}"},
	        {"test", "dag", "{\"kind\":\"dag\"}"},
	        {"test", "nod", "-"},
	        {"test", "d|v", "-"},
	        {"heartbeat", "stop etl nightly",
	                "{\"action\":\"stop\",\"app\":\"etl\",\"name\":\"nightly\"}"},
	        {"heartbeat", "nowish", "-"},
	        {"status", "please", "-"},
	        {"ack", "r-1 don't \"panic now\"",
	                "{\"words\":[\"r-1\",\"don't\",\"\\\"panic now\\\"\"]}"},
	        {"ack", "", "{\"words\":[]}"},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *words = arguments_split(cases[i].text), *args = NULL;
		char why[160] = "", *text;
		enum err err = arguments_from_words(
		        command_find(cases[i].name, COMMAND_ROOM), words, &args, why);

		text = dump(err == OK ? args : NULL);
		if (strcmp(text, cases[i].args) != 0 || (err != OK && !why[0]))
			fail_msg("%s %s: %s %s", cases[i].name, cases[i].text, text, why);
		free(text);
		json_decref(words);
	}
}

static void requests_become_arguments(void **state)
{
	static const struct {
		const char *request, *args, *field;
	} cases[] = {
	        {"{\"op\":\"ack\",\"run_id\":\"nightly run 5\"}",
	                "{\"run_id\":[\"nightly run 5\"]}", NULL},
	        {"{\"op\":\"ack\",\"run_id\":[\"a b\",7],\"note\":\"x -- y\"}",
	                "{\"note\":\"x -- y\",\"run_id\":[\"a b\",\"7\"]}", NULL},
	        {"{\"op\":\"ack\",\"words\":[\"r-1\",\"on it\"]}",
	                "{\"words\":[\"r-1\",\"on it\"]}", NULL},
	        {"{\"op\":\"unack\"}", "-", "run_id"},
	        {"{\"op\":\"ack\",\"run_id\":[]}", "-", "run_id"},
	        {"{\"op\":\"ack\",\"run_id\":[\"a\",null]}", "-", "run_id"},
	        {"{\"op\":\"ack\",\"run_id\":{}}", "-", "run_id"},
	        {"{\"op\":\"ack\",\"run_id\":\"a\",\"note\":[1]}", "-", "note"},
	        {"{\"op\":\"ack\",\"words\":\"\"}", "{\"words\":[\"\"]}", NULL},
	        {"{\"op\":\"ack\",\"words\":[]}", "{\"words\":[]}", NULL},
	        {"{\"op\":\"ack\",\"words\":[[]]}", "-", "words"},
	        {"{\"op\":\"alerts\",\"limit\":\"5\"}", "-", "limit"},
	        {"{\"op\":\"alerts\",\"limit\":5,\"app\":null,\"more\":1}", "{\"limit\":5}", NULL},
	        {"{\"op\":\"alerts\",\"limit\":501}", "-", "limit"},
	        {"{\"op\":\"alerts\",\"limit\":1.5}", "-", "limit"},
	        {"{\"op\":\"discard\",\"id\":-1}", "-", "id"},
	        {"{\"op\":\"wait\",\"alert\":1,\"timeout_ms\":0}", "{\"alert\":1,\"timeout_ms\":0}",
	                NULL},
	        {"{\"op\":\"verify\",\"action\":\"no\"}", "-", "action"},
	        {"{\"op\":\"verify\",\"action\":\"\"}", "-", "action"},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *request = json_loads(cases[i].request, 0, NULL), *args = NULL;
		const char *name = json_string_value(json_object_get(request, "op")), *field;
		char why[160] = "", *text;
		enum err err = arguments_from_request(
		        command_find(name, COMMAND_SOCKET), request, &args, &field, why);

		text = dump(err == OK ? args : NULL);
		if (strcmp(text, cases[i].args) != 0 ||
		        (err != OK && (strcmp(field, cases[i].field) != 0 || !strstr(why, field))))
			fail_msg("%s: %s %s", cases[i].request, text, why);
		free(text);
		json_decref(request);
	}
}

static void too_long_texts_are_refused(void **state)
{
	char *text = calloc(1, ARGUMENTS_MAX + 2), why[160];
	const char *field;
	json_t *request, *args;

	memset(text, 'x', ARGUMENTS_MAX + 1);
	request = json_pack("{s:[s], s:s}", "run_id", "r", "note", text);
	assert_int_equal(arguments_from_request(
	                         command_find("ack", COMMAND_SOCKET), request, &args, &field, why),
	        ERR_INVALID);
	assert_string_equal(field, "note");
	json_decref(request);
	free(text);
}

/* ---- times ---- */

static void times_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text, *start, *end, *rest; /* start NULL: at once; end NULL: refused */
	} cases[] = {
	        {"", NULL, "2026-11-24T13:00:00Z", ""},
	        {"2h", NULL, "2026-11-24T14:00:00Z", ""},
	        {"1d12h deploy of 2 things", NULL, "2026-11-26T00:00:00Z", "deploy of 2 things"},
	        {"deploy", NULL, "2026-11-24T13:00:00Z", "deploy"},
	        {"for 2h deploy", NULL, "2026-11-24T14:00:00Z", "deploy"},
	        {"for maintenance", NULL, "2026-11-24T13:00:00Z", "for maintenance"},
	        {"from 22:00", "2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z", ""},
	        {"from 22:00 2h x", "2026-11-24T22:00:00Z", "2026-11-25T00:00:00Z", "x"},
	        {"2h from 22:00 x", "2026-11-24T22:00:00Z", "2026-11-25T00:00:00Z", "x"},
	        {"from 9:00 until 8:30", "2026-11-25T09:00:00Z", "2026-11-26T08:30:00Z", ""},
	        {"from 22:00 to 06:00 x", "2026-11-24T22:00:00Z", "2026-11-25T06:00:00Z", "x"},
	        {"from 22:00 - 06:00", "2026-11-24T22:00:00Z", "2026-11-25T06:00:00Z", ""},
	        {"from 10pm to tomorrow 6am", "2026-11-24T22:00:00Z", "2026-11-25T06:00:00Z", ""},
	        {"from 22:00 -- to be sure", "2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z",
	                "to be sure"},
	        {"to 22:00", NULL, NULL, ""},
	        {"until 07:00", NULL, "2026-11-25T07:00:00Z", ""},
	        {"until 07:00 from 22:00", "2026-11-24T22:00:00Z", "2026-11-25T07:00:00Z", ""},
	        {"until 12:30", NULL, "2026-11-24T12:30:00Z", ""},
	        {"in 30m for 2h", "2026-11-24T12:30:00Z", "2026-11-24T14:30:00Z", ""},
	        {"until resolved now", NULL, "2026-12-01T12:00:00Z", "now"},
	        {"-- 2h is in the reason", NULL, "2026-11-24T13:00:00Z", "2h is in the reason"},
	        {"until 7pm", NULL, "2026-11-24T19:00:00Z", ""},
	        {"until 7:00 pm x", NULL, "2026-11-24T19:00:00Z", "x"},
	        {"until 7:30p.m.", NULL, "2026-11-24T19:30:00Z", ""},
	        {"until 12am", NULL, "2026-11-25T00:00:00Z", ""},
	        {"until 12pm", NULL, "2026-11-25T12:00:00Z", ""},
	        {"till noon", NULL, "2026-11-25T12:00:00Z", ""},
	        {"until midnight", NULL, "2026-11-25T00:00:00Z", ""},
	        {"until tomorrow 07:00", NULL, "2026-11-25T07:00:00Z", ""},
	        {"until tomorrow at 7pm deploy", NULL, "2026-11-25T19:00:00Z", "deploy"},
	        {"until mon 9:00", NULL, "2026-11-30T09:00:00Z", ""},
	        {"until 7pm tomorrow deploy", NULL, "2026-11-25T19:00:00Z", "deploy"},
	        {"until 9:00 Monday", NULL, "2026-11-30T09:00:00Z", ""},
	        {"from 22:00 26 Nov until 06:00 27 Nov x", "2026-11-26T22:00:00Z",
	                "2026-11-27T06:00:00Z", "x"},
	        {"until 18:00 2026-11-26", NULL, "2026-11-26T18:00:00Z", ""},
	        {"until 08:00 today", NULL, NULL, ""},
	        {"until 07:00 in case", NULL, "2026-11-25T07:00:00Z", "in case"},
	        {"until tuesday 11:00", NULL, "2026-12-01T11:00:00Z", ""},
	        {"until 2026-11-26 18:00", NULL, "2026-11-26T18:00:00Z", ""},
	        {"until 26 Nov 18:00", NULL, "2026-11-26T18:00:00Z", ""},
	        {"until 2026-11-26T18:00:00Z", NULL, "2026-11-26T18:00:00Z", ""},
	        {"until 16:05 UTC", NULL, "2026-11-24T16:05:00Z", ""},
	        {"from tomorrow 22:00 2 hours", "2026-11-25T22:00:00Z", "2026-11-26T00:00:00Z", ""},
	        {"2 hours deploy", NULL, "2026-11-24T14:00:00Z", "deploy"},
	        {"for half an hour x", NULL, "2026-11-24T12:30:00Z", "x"},
	        {"half an hour", NULL, "2026-11-24T12:30:00Z", ""},
	        {"1H, deploy", NULL, "2026-11-24T13:00:00Z", "deploy"},
	        {"- 2h too", NULL, "2026-11-24T14:00:00Z", "too"},
	        {"- until 07:00", NULL, "2026-11-25T07:00:00Z", ""},
	        {"- half an hour", NULL, "2026-11-24T12:30:00Z", ""},
	        {"- 2h - deploy", NULL, "2026-11-24T14:00:00Z", "deploy"},
	        {"- tomorrow", NULL, NULL, ""},
	        {"~2h", NULL, NULL, ""},
	        {"deploy (2h)", NULL, NULL, ""},
	        {"deploy (again) <- soon", NULL, "2026-11-24T13:00:00Z", "deploy (again) <- soon"},
	        {"- deploy", NULL, "2026-11-24T13:00:00Z", "deploy"},
	        {"- 2 disks are new", NULL, "2026-11-24T13:00:00Z", "2 disks are new"},
	        {"-- 2h too", NULL, "2026-11-24T13:00:00Z", "2h too"},
	        {"tomorrow", NULL, NULL, ""},
	        {"today 08:00", NULL, NULL, ""},
	        {"until today 08:00", NULL, NULL, ""},
	        {"until 2026-11-23 08:00", NULL, NULL, ""},
	        {"until 16:05 PST", NULL, NULL, ""},
	        {"until 13pm", NULL, NULL, ""},
	        {"until 7:60", NULL, NULL, ""},
	        {"until monday", NULL, NULL, ""},
	        {"deploy until 17:00", NULL, NULL, ""},
	        {"deploy for 2h", NULL, NULL, ""},
	        {"2h until 17:00", NULL, NULL, ""},
	        {"2h 3h", NULL, NULL, ""},
	        {"7pm", NULL, NULL, ""},
	        {"2h -- until then", NULL, "2026-11-24T14:00:00Z", "until then"},
	        {"7d", NULL, "2026-12-01T12:00:00Z", ""},
	        {"8d", NULL, NULL, ""},
	        {"in 8d", NULL, NULL, ""},
	        {"3x", NULL, NULL, ""},
	        {"30", NULL, NULL, ""},
	        {"0m", NULL, NULL, ""},
	        {"-1h", NULL, NULL, ""},
	        {"+1h", NULL, NULL, ""},
	        {"1h30", NULL, NULL, ""},
	        {"99999999999999999999m", NULL, NULL, ""},
	        {"forever", NULL, NULL, ""},
	        {"Always", NULL, NULL, ""},
	        {"until tomorrow", NULL, NULL, ""},
	        {"until 25:00", NULL, NULL, ""},
	        {"until 7", NULL, NULL, ""},
	        {"from 9x", NULL, NULL, ""},
	        {"in a while", NULL, NULL, ""},
	        {"a couple of hours", NULL, NULL, ""},
	        {"tonight", NULL, NULL, ""},
	        {"at the weekend", NULL, NULL, ""},
	        {"the whole day", NULL, NULL, ""},
	        {"next week", NULL, NULL, ""},
	        {"PT2H", NULL, NULL, ""},
	        {"between 22:00 and 23:00", NULL, NULL, ""},
	        {"deploy at 10pm", NULL, NULL, ""},
	        {"deploy tomorrow", NULL, NULL, ""},
	        {"until the weekend", NULL, NULL, ""},
	        {"2h for the whole day", NULL, "2026-11-24T14:00:00Z", "for the whole day"},
	        {"upgrade to 22.04", NULL, "2026-11-24T13:00:00Z", "upgrade to 22.04"},
	        {"-- deploy tomorrow at 10pm", NULL, "2026-11-24T13:00:00Z",
	                "deploy tomorrow at 10pm"},
	};

	zone_use(NULL);
	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *list = arguments_split(cases[i].text);
		struct input words = {list, 0};
		int64_t now_ms = at("2026-11-24T12:00:00Z"); /* a Tuesday */
		struct command_when when;
		char why[160] = "", *rest;
		bool good = command_when_read(
		        &words, now_ms, CLOCK_HOUR_MS, 7 * CLOCK_DAY_MS, &when, why);

		rest = input_rest(&words);
		if (!cases[i].end ? good || !why[0]
		                  : !good || when.end_ms != at(cases[i].end) ||
		                            when.start_ms !=
		                                    (cases[i].start ? at(cases[i].start) : 0) ||
		                            strcmp(rest, cases[i].rest) != 0)
			fail_msg("%s: %s, %lld, rest %s", cases[i].text, why,
			        (long long)when.end_ms, rest);
		if (cases[i].end)
			assert_int_equal(when.until_resolved,
			        strstr(cases[i].text, "until resolved") != NULL);
		free(rest);
		json_decref(list);
	}
}

static void durations_of_every_form(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* 0 = none */
		const char *rest;
	} cases[] = {
	        {"2 hours", 2 * CLOCK_HOUR_MS, ""},
	        {"2hours x", 2 * CLOCK_HOUR_MS, "x"},
	        {"90min", 90 * CLOCK_MINUTE_MS, ""},
	        {"90 mins", 90 * CLOCK_MINUTE_MS, ""},
	        {"1H", CLOCK_HOUR_MS, ""},
	        {"1 h 30 m", 90 * CLOCK_MINUTE_MS, ""},
	        {"1h 30m deploy", 90 * CLOCK_MINUTE_MS, "deploy"},
	        {"1 hour and 30 minutes", 90 * CLOCK_MINUTE_MS, ""},
	        {"1 hour and deploy", CLOCK_HOUR_MS, "and deploy"},
	        {"1.5h", 90 * CLOCK_MINUTE_MS, ""},
	        {"1,5 hours", 90 * CLOCK_MINUTE_MS, ""},
	        {"an hour", CLOCK_HOUR_MS, ""},
	        {"half an hour", 30 * CLOCK_MINUTE_MS, ""},
	        {"a week", 7 * CLOCK_DAY_MS, ""},
	        {"2h,", 2 * CLOCK_HOUR_MS, ""},
	        {"2w3d", 17 * CLOCK_DAY_MS, ""},
	        {"a m", 0, "a m"},
	        {"a deploy", 0, "a deploy"},
	        {"2", 0, "2"},
	        {"2 things", 0, "2 things"},
	        {"30m1h", 0, "30m1h"},
	        {"2hh", 0, "2hh"},
	        {"0m", 0, "0m"},
	        {"9999999d", 0, "9999999d"},
	        {"1h30", 0, "1h30"},
	        {"", 0, ""},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *list = arguments_split(cases[i].text);
		struct input words = {list, 0};
		int64_t ms = 0;
		bool good = command_duration_read(&words, &ms);
		char *rest = input_rest(&words);

		if (good != (cases[i].ms != 0) || ms != cases[i].ms ||
		        strcmp(rest, cases[i].rest) != 0)
			fail_msg("%s: %lld, rest %s", cases[i].text, (long long)ms, rest);
		free(rest);
		json_decref(list);
	}
}

/* ---- matchers ---- */

static void matchers_of_every_form(void **state)
{
	static const struct {
		const char *text, *what, *rest; /* what "-": refused */
	} cases[] = {
	        {"app=etl 1h", "app=\"etl\"", "1h"},
	        {"app=\"etl\" 1h", "app=\"etl\"", "1h"},
	        {"app='etl' 1h", "app=\"etl\"", "1h"},
	        {"app='two words' 1h", "app=\"two words\"", "1h"},
	        {"app==etl", "app=\"etl\"", ""},
	        {"app == etl 2h", "app=\"etl\"", "2h"},
	        {"app= etl 2h", "app=\"etl\"", "2h"},
	        {"app =etl 2h", "app=\"etl\"", "2h"},
	        {"app = \"a b\" 2h", "app=\"a b\"", "2h"},
	        {"App=etl", "app=\"etl\"", ""},
	        {"node_id=~\"etl.*\", severity!=critical 2h",
	                "node_id=~\"etl.*\" severity!=\"critical\"", "2h"},
	        {"app=etl,node_id!~x", "app=\"etl\" node_id!~\"x\"", ""},
	        {"app=etl and node_id=x 2h", "app=\"etl\" node_id=\"x\"", "2h"},
	        {"app=etl , node_id=x", "app=\"etl\" node_id=\"x\"", ""},
	        {"title=\"say \\\"hi\\\"\"", "title=\"say \\\"hi\\\"\"", ""},
	        {"title='say \"hi\"'", "title=\"say \\\"hi\\\"\"", ""},
	        {"app=\"\"", "app=\"\"", ""},
	        {"etl 2h", "", "etl 2h"},
	        {"app=etl or app=billing", "-", NULL},
	        {"app=", "-", NULL},
	        {"app=\"etl", "-", NULL},
	        {"app=etl\"", "-", NULL},
	        {"app='etl", "-", NULL},
	        {"node_id=~a{1,2}", "-", NULL},
	        {"app=etl,billing", "-", NULL},
	};

	for (size_t i = 0; i < LEN(cases); i++) {
		json_t *list = arguments_split(cases[i].text);
		struct input words = {list, 0};
		char why[160] = "", *rest;
		struct buf what;
		bool good;

		buf_init(&what, 1000);
		good = command_what_read(&words, &what, why);
		rest = input_rest(&words);
		if (strcmp(good ? buf_str(&what) : "-", cases[i].what) != 0 ||
		        (good ? strcmp(rest, cases[i].rest) != 0 : !why[0]))
			fail_msg("%s: %s, rest %s, %s", cases[i].text, buf_str(&what), rest, why);
		free(rest);
		buf_finish(&what);
		json_decref(list);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(rows_are_in_order_and_whole),
	        cmocka_unit_test(a_command_is_a_file_and_a_line_of_the_table),
	        cmocka_unit_test(names_near_are_found),
	        cmocka_unit_test(usage_is_made_of_members),
	        cmocka_unit_test(words_become_arguments),
	        cmocka_unit_test(requests_become_arguments),
	        cmocka_unit_test(too_long_texts_are_refused),
	        cmocka_unit_test(times_are_read_as_people_write_them),
	        cmocka_unit_test(durations_of_every_form),
	        cmocka_unit_test(matchers_of_every_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What counts as a problem, with its cause, and that a healthy status has none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "handlers/commands/health.h"
#include "tests/unit/snapshot.h"

#define HOSTILE "<b>@room</b> [x](https://evil.example) #ops:x @op1:x **bold** `code`"

#define NOW_MS INT64_C(1800000000000)

static struct report_room room = {
        .name = "ops", .address = "#ops:e", .room_id = "!o:e", .problem = ""};
static struct report_watch watch = {.name = "stock", .problem = ""};

static struct report_status well(void)
{
	room = (struct report_room){
	        .name = "ops", .address = "#ops:e", .room_id = "!o:e", .problem = ""};
	watch = (struct report_watch){.name = "stock", .problem = ""};
	return (struct report_status){
	        .now_ms = NOW_MS,
	        .started_ms = NOW_MS - 60000,
	        .version = "1",
	        .problem = "",
	        .limit = "",
	        .last_sync_ms = NOW_MS - 1000,
	        .rooms = &room,
	        .rooms_len = 1,
	        .watches = &watch,
	        .watches_len = 1,
	};
}

/* The only problem is of that cause and says that text; each has a way out; so do the lines. */
static void assert_only(const struct report_status *status, const char *cause, const char *text)
{
	json_t *problems = health_problems(status, "!"), *problem = json_array_get(problems, 0);
	struct words out;
	char *body;

	assert_int_equal(json_array_size(problems), 1);
	assert_string_equal(json_string_value(json_object_get(problem, "cause")), cause);
	assert_non_null(strstr(json_string_value(json_object_get(problem, "text")), text));
	assert_true(json_string_length(json_object_get(problem, "fix")) > 10);
	words_init(&out);
	report_status_text(status, "!", &out);
	body = words_body(&out);
	assert_ptr_equal(strstr(body, "⚠️"), body);
	assert_non_null(strstr(body, text));
	free(body);
	words_finish(&out);
	json_decref(problems);
}

static void test_a_healthy_bot_has_no_problem(void **state)
{
	struct report_status status = well();
	json_t *problems;
	struct words out;
	char *body;

	status.waiting = 3; /* for a moment */
	status.oldest_ms = NOW_MS - 2000;
	problems = health_problems(&status, "");
	assert_int_equal(json_array_size(problems), 0);
	json_decref(problems);
	words_init(&out);
	report_status_text(&status, "", &out);
	body = words_body(&out);
	assert_ptr_equal(strstr(body, "✅"), body);
	free(body);
	words_finish(&out);
}

static void test_each_thing_that_keeps_alerts_unread_is_one(void **state)
{
	struct report_status status = well();
	json_t *readers =
	        json_pack("{s:i, s:i, s:[{s:s, s:b, s:s, s:[]}]}", "members", 1, "readers", 0,
	                "held", "user_id", "@op:e", "reads", 0, "cause", "no_devices", "devices");
	json_t *problems;

	status.problem = "the access token is refused";
	assert_only(&status, "homeserver", "the access token is refused");
	status = well();
	status.last_sync_ms = NOW_MS - 600000;
	assert_only(&status, "homeserver", "the last sync was 10m");
	status = well();
	status.held = "HTTP 403 M_USER_SUSPENDED: suspended";
	assert_only(&status, "account", "M_USER_SUSPENDED");
	status.held = "";
	status.limit = "the homeserver allows one send in 5 s";
	assert_only(&status, "rate_limit", "one send in 5 s");
	status = well();
	room.problem = "the alias does not exist";
	assert_only(&status, "room", "room ops: the alias does not exist");
	status.rooms_waiting = &(struct outbox_waiting){.count = 3, .first_id = 12};
	assert_only(&status, "room", "room ops, 3 waiting: the alias does not exist");
	problems = health_problems(&status, "!");
	assert_non_null(
	        strstr(json_string_value(json_object_get(json_array_get(problems, 0), "fix")),
	                "`!discard 12` discards the first"));
	json_decref(problems);
	status = well();
	status.damage = "ENTRIES_OF: row 5: the database is damaged: column severity";
	assert_only(&status, "database", "row 5");
	status = well();
	status.unwritten = "database or disk is full";
	assert_only(&status, "storage", "the database cannot be written: database or disk is full");
	status = well();
	status.skew_ms = 30000; /* the homeserver tells whole seconds, and answers take time */
	problems = health_problems(&status, "!");
	assert_int_equal(json_array_size(problems), 0);
	json_decref(problems);
	status.skew_ms = 600000;
	assert_only(&status, "clock", "clock: 10m ahead of the homeserver's");
	status.skew_ms = -7200000;
	assert_only(&status, "clock", "clock: 2h behind the homeserver's");
	status = well();
	room.mute = "the bot may not write: its power level is 0, 50 is needed";
	assert_only(&status, "room", "room ops: the bot may not write");
	status = well();
	room.problem = "not checked yet";
	room.pending = true; /* a moment after the start */
	problems = health_problems(&status, "!");
	assert_int_equal(json_array_size(problems), 0);
	json_decref(problems);
	status = well();
	room.denied = true;
	assert_only(&status, "room", "refused: the homeserver says that it is not encrypted");
	status = well();
	room.encrypted = true;
	room.readers = readers;
	assert_only(&status, "readers", "nobody can read it");
	status = well();
	room.encrypted = true;
	status.encryption_problem = "the device is not cross-signed";
	assert_only(&status, "encryption", "not cross-signed");
	status = well();
	status.undeliverable = 2;
	assert_only(&status, "undeliverable", "2 undeliverable");
	status = well();
	status.waiting = 1;
	status.oldest_ms = NOW_MS - 120000;
	assert_only(&status, "queue", "1 waiting, the oldest for 2m");
	status.retrying = "HTTP 403";
	assert_only(&status, "queue", "1 waiting, the oldest for 2m: HTTP 403");
	status = well();
	status.spool_bad = 2;
	assert_only(&status, "spool", "2 files rejected (*.bad)");
	status = well();
	status.silences_failed = 1;
	assert_only(&status, "silence", "silences without effect: 1");
	status = well();
	watch.problem = "no such table: goods";
	assert_only(&status, "watch", "watch stock: no such table: goods");
	json_decref(readers);
}

/* In a room without encryption a broken encryption keeps nobody from reading. */
static void test_broken_encryption_is_none_without_an_encrypted_room(void **state)
{
	struct report_status status = well();
	json_t *problems;

	status.encryption_problem = "the device is not cross-signed";
	problems = health_problems(&status, "");
	assert_int_equal(json_array_size(problems), 0);
	json_decref(problems);
}

static void test_what_is_said_is_neutral(void **state)
{
	struct report_status status = well();
	json_t *problems;

	status.problem = "\x1b[31mred\nline";
	problems = health_problems(&status, "");
	assert_null(strpbrk(
	        json_string_value(json_object_get(json_array_get(problems, 0), "text")), "\x1b\n"));
	json_decref(problems);
}

/* What the homeserver, apps and people wrote stands in <code>, our own words do not. */
static void test_everything_wrong_is_readable(void **state)
{
	struct report_status status = well();
	struct report_room rooms[] = {
	        {.name = "ops",
	                .address = "#ops:x",
	                .problem = "",
	                .encrypted = true,
	                .readers = json_loads("{\"members\":2,\"readers\":0,\"unknown\":0,"
	                                      "\"held\":[{\"user_id\":\"@op1:x\",\"reads\":"
	                                      "false,\"cause\":\"not_cross_signed\","
	                                      "\"devices\":[{\"device_id\":\"A\"},{"
	                                      "\"device_id\":\"<B>\"}]},{\"user_id\":"
	                                      "\"@ben:x\",\"reads\":false,\"cause\":"
	                                      "\"no_devices\",\"devices\":[]}]}",
	                        0, NULL)},
	        {.name = "dev", .address = "#dev:x", .problem = "HTTP 403: " HOSTILE},
	        {.name = "audit",
	                .address = "#audit:x",
	                .problem = "",
	                .encrypted = true,
	                .readers =
	                        json_loads("{\"members\":2,\"readers\":1,\"unknown\":0,\"held\":[{"
	                                   "\"user_id\":\"@op1:x\",\"reads\":true,\"cause\":null,"
	                                   "\"devices\":[{\"device_id\":\"A\",\"cause\":"
	                                   "\"no_one_time_key\"}]}]}",
	                                0, NULL)},
	};
	struct outbox_waiting waiting[] = {{0}, {.count = 3, .first_id = 12}, {0}};
	struct outbox_row refused = {
	        .id = 7, .room = (char *)"audit", .error = (char *)"HTTP 413: " HOSTILE};
	struct mended_row mended[] = {
	        {.app = (char *)"evil.example", .count = 2, .note = (char *)"title: " HOSTILE},
	        {.app = (char *)"b", .count = 1, .note = (char *)"app: odd"},
	        {.app = (char *)"c", .count = 1, .note = (char *)"app: odd"},
	        {.app = (char *)"d", .count = 1, .note = (char *)"app: odd"},
	        {.app = (char *)"e", .count = 1, .note = (char *)"app: odd"},
	        {.app = (char *)"f", .count = 1, .note = (char *)"app: odd"}};
	json_t *notices = json_pack("[s]", "the identity of @op1:x changed");
	struct snapshot snapshot;
	struct words out;

	watch.problem = HOSTILE;
	status.problem = "HTTP 502: " HOSTILE;
	status.held = "HTTP 403 M_USER_SUSPENDED: " HOSTILE;
	status.limit = "one send in 5 s";
	status.rooms = rooms;
	status.rooms_len = 3;
	status.rooms_waiting = waiting;
	status.waiting = 3;
	status.oldest_ms = NOW_MS - 7200000;
	status.undeliverable = status.undeliverable_len = 1;
	status.undeliverable_rows = &refused;
	status.mended_rows = mended;
	status.mended_len = 6;
	status.encryption_problem = "the device is not cross-signed";
	status.spool_bad = 1;
	status.silences = 2;
	status.silences_failed = 1;
	status.damage = "ENTRIES_OF: row 5: column severity";
	status.beats = 3;
	status.beats_missed = 1;
	status.counts[2] = 21;
	status.p95_ms = 90000;
	status.notices = notices;
	status.unwritten = "database or disk is full";
	status.skew_ms = 600000;
	snapshot_init(&snapshot, "status");
	words_init(&out);
	report_status_text(&status, "!", &out);
	snapshot_add_words(&snapshot, "everything is wrong", &out);
	words_finish(&out);
	words_init(&out);
	report_status_text(&status, "", &out);
	snapshot_add_words(&snapshot, "everything is wrong, on the host", &out);
	words_finish(&out);
	rooms[2].mute = "the bot may not write: its power level is 0, 50 is needed";
	status.skew_ms = 0;
	status.unwritten = "";
	status.problem = status.held = status.limit = "";
	status.damage = rooms[1].problem = "";
	words_init(&out);
	report_status_text(&status, "!", &out);
	snapshot_add_words(&snapshot, "nobody can read a room", &out);
	words_finish(&out);
	snapshot_check(&snapshot);
	json_decref((json_t *)rooms[0].readers);
	json_decref((json_t *)rooms[2].readers);
	json_decref(notices);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_healthy_bot_has_no_problem),
	        cmocka_unit_test(test_each_thing_that_keeps_alerts_unread_is_one),
	        cmocka_unit_test(test_broken_encryption_is_none_without_an_encrypted_room),
	        cmocka_unit_test(test_what_is_said_is_neutral),
	        cmocka_unit_test(test_everything_wrong_is_readable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

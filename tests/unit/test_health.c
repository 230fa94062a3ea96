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
	assert_only(&status, "room", "room ops: the alias does not exist; 3 waiting for it");
	problems = health_problems(&status, "!");
	assert_non_null(
	        strstr(json_string_value(json_object_get(json_array_get(problems, 0), "fix")),
	                "!discard 12 gives up the first"));
	json_decref(problems);
	status = well();
	status.damage = "ENTRIES_OF: row 5: the database is damaged: column severity";
	assert_only(&status, "database", "row 5");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_a_healthy_bot_has_no_problem),
	        cmocka_unit_test(test_each_thing_that_keeps_alerts_unread_is_one),
	        cmocka_unit_test(test_broken_encryption_is_none_without_an_encrypted_room),
	        cmocka_unit_test(test_what_is_said_is_neutral),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

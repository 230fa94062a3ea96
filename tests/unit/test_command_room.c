/*
 * test_command_room.c - commands and reactions of a room, over a real store: who is obeyed, what
 * is answered, what it does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "handlers/oncall/resolve.h"
#include "handlers/silences/held.h"
#include "handlers/silences/silence.h"
#include "storage/command_log.h"
#include "tests/unit/log_lines.h"
#include "storage/sql.h"
#include "tests/unit/command_fixture.h"

#define FAILED                                                                                   \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"%s\",\"fields\":{\"node_id\":\"%" \
	"s\","                                                                                   \
	"\"error\":\"no\"}}"

/* A failure that is in the room; its event id, good until the next one. */
static const char *fail_in_room(struct world *w, const char *app, const char *run)
{
	static char event_id[64];
	struct alert_row alert = {0};
	struct message_row message = {0};

	w->now_ms += CLOCK_HOUR_MS; /* a message of its own */
	world_alert(w, FAILED, app, run, run);
	world_send(w);
	assert_int_equal(alerts_by_run_id(w->store, run, &alert), OK);
	assert_int_equal(messages_by_id(w->store, alert.message_id, &message), OK);
	snprintf(event_id, sizeof(event_id), "%s", message.event_id);
	alert_row_finish(&alert);
	message_row_finish(&message);
	return event_id;
}

static bool is_acked(struct world *w, const char *run)
{
	char *answer, *line = x_asprintf("!alert %s", run);
	bool acked;

	answer = ask(w, line);
	acked = strstr(answer, "acked by") || strstr(answer, "acknowledged by");
	free(answer);
	free(line);
	return acked;
}

static void reactions_acknowledge_in_any_form(void **state)
{
	static const char *const keys[] = {"✅", "👍\U0001f3fd", "👀", "✅\ufe0f", "👍\ufe0f"};
	struct world *w = world_create("");
	char run[16], event_id[16];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(run, sizeof(run), "run-%zu", i);
		snprintf(event_id, sizeof(event_id), "$r%zu", i);
		react(w, event_id, fail_in_room(w, "etl", run), keys[i], OP);
		if (!is_acked(w, run))
			fail_msg("%s does nothing", keys[i]);
	}
	react(w, "$r9", fail_in_room(w, "etl", "run-9"), "🎉", OP);
	assert_false(is_acked(w, "run-9"));
	world_destroy(w);
}

/* A reaction that is taken away takes its acknowledgement away; one that came late does nothing. */
static void reactions_are_taken_back_and_may_be_late(void **state)
{
	struct world *w = world_create("");
	const char *target = fail_in_room(w, "etl", "r-1");
	size_t before;
	char *answer;

	react(w, "$1", target, "✅", OP);
	asked(w, "!unacked", "Nothing is unacknowledged");
	say_event(w, "$2", &(struct said){.type = "m.room.redaction", .redacts = "$1"});
	asked(w, "!unacked", "r-1");
	before = w->len;
	say_event(w, "$3",
	        &(struct said){.type = "m.reaction",
	                .late_ms = 400000,
	                .content = json_pack("{s:{s:s, s:s, s:s}}", "m.relates_to", "rel_type",
	                        "m.annotation", "event_id", target, "key", "✅")});
	answer = answer_since(w, before);
	assert_non_null(answer);
	assert_non_null(strstr(answer, "Not carried out"));
	free(answer);
	asked(w, "!unacked", "r-1");
	world_destroy(w);
}

/* It is in the room, as /sync showed, but the homeserver has not answered the request that sent it:
 * the answer may be lost, and people react meanwhile. */
static void what_is_on_its_way_can_be_acknowledged(void **state)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct deliver_event event;
	char event_id[64], *body;

	world_alert(w, FAILED, "etl", "run-1", "run-1");
	assert_true(world_next(w, &event));
	snprintf(event_id, sizeof(event_id), "$%lld", (long long)event.outbox_id);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(deliver_echoed(&d, "ops", "!other:x", event.txn_id, "$other"), OK);
	assert_int_equal(deliver_echoed(&d, "ops", "!ops:x", "no-id-of-ours", "$other"), OK);
	assert_int_equal(deliver_echoed(&d, "ops", "!ops:x", event.txn_id, event_id), OK);
	assert_int_equal(store_commit(w->store), OK);
	w->down = true; /* nothing follows before the answer */
	react(w, "$r", event_id, "✅", OP);
	w->down = false;
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	world_pass(w, 2000);
	body = world_body(w, w->len - 1);
	assert_non_null(strstr(body, "👀 etl · run-1 FAILED · acknowledged by op1"));
	free(body);
	world_destroy(w);
}

/* A test is in no list; its acknowledgement is not that of a failure of the same name, and it mutes
 * no warning. */
static void a_test_counts_for_nothing(void **state)
{
	struct world *w = world_create("[delivery]\ninhibit = yes\n[route]\nwarning = ops\n");
	struct entry_row *rows;
	struct firing_count counts[4];
	size_t len;

	world_alert(w, "{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"t-1\",\"fields\":{"
	               "\"node_id\":\"n\",\"test\":true}}");
	world_send(w);
	asked(w, "!unacked", "Nothing is unacknowledged");
	assert_int_equal(entries_open(w->store, 0, 9, &rows, &len), OK);
	assert_int_equal(len, 0);
	free(rows);
	len = 4;
	assert_int_equal(entries_count_firing(w->store, 0, counts, &len), OK);
	assert_int_equal(len, 0);
	asked(w, "!ack t-1", "acknowledged by you");
	assert_string_equal(world_alert(w, "{\"app\":\"etl\",\"kind\":\"node_failed\",\"severity\":"
	                                   "\"warning\",\"fields\":{\"node_id\":\"n\"}}"),
	        "queued");
	world_alert(w, FAILED, "etl", "r-1", "n");
	world_send(w);
	asked(w, "!unacked", "etl · n");
	world_destroy(w);
}

static void a_refused_reaction_is_told_once_a_minute(void **state)
{
	struct world *w = world_create("");
	const char *target = fail_in_room(w, "etl", "r-1");
	size_t before = w->len;
	char *answer;

	react(w, "$1", target, "✅", STRANGER);
	answer = answer_since(w, before);
	assert_non_null(answer);
	assert_non_null(strstr(answer, "you need power level 50 in this room to use commands"));
	free(answer);
	assert_non_null(strstr(w->events[w->len - 1].content, "\"m.thread\""));
	before = w->len;
	react(w, "$2", target, "👍", STRANGER);
	assert_null(answer_since(w, before));
	react(w, "$3", "$nothing", "👍", "@another:x");
	assert_null(answer_since(w, before)); /* it is on nothing of ours */
	w->now_ms += CLOCK_MINUTE_MS + 1;
	react(w, "$4", target, "🔕", STRANGER);
	answer = answer_since(w, before);
	assert_non_null(answer);
	free(answer);
	assert_false(is_acked(w, "r-1"));
	world_destroy(w);
}

/* Many strangers at once: some are answered, the rest neither fills the queue nor the database. */
static void strangers_hold_up_nothing(void **state)
{
	struct world *w = world_create("");
	const char *target = fail_in_room(w, "etl", "r-1");
	int64_t kept;

	for (int i = 0; i < 200; i++) {
		char sender[32], event_id[32];

		snprintf(sender, sizeof(sender), "@stranger%d:x", i);
		snprintf(event_id, sizeof(event_id), "$stranger%d", i);
		if (i % 2)
			react(w, event_id, target, "✅", sender);
		else
			say_event(w, event_id, &(struct said){.sender = sender, .body = "!help"});
	}
	assert_int_equal(world_count(w, "note"), 5);
	assert_int_equal(commands_count_room(w->store, "ops", "refused", 0, &kept), OK);
	assert_int_equal(kept, 50);
	w->now_ms += CLOCK_MINUTE_MS + 1;
	react(w, "$later", target, "✅", STRANGER);
	assert_int_equal(world_count(w, "note"), 6);
	for (int i = 0; i < 50; i++) { /* an operator's bridge */
		char event_id[32];

		snprintf(event_id, sizeof(event_id), "$bridge%d", i);
		say_event(w, event_id, &(struct said){.body = "!deployed"});
	}
	assert_int_equal(world_count(w, "note"), 16);
	asked(w, "!help", "!ack");
	world_destroy(w);
}

static void lateness_is_what_the_homeserver_says(void **state)
{
	struct world *w = world_create("");
	char *answer;
	size_t before = w->len;

	say_event(w, "$1", &(struct said){.body = "!help", .late_ms = 6 * CLOCK_MINUTE_MS});
	answer = answer_since(w, before);
	assert_non_null(strstr(answer, "Not carried out: this was sent 6m ago"));
	free(answer);
	before = w->len;
	say_event(w, "$2", &(struct said){.body = "!help", .late_ms = 4 * CLOCK_MINUTE_MS});
	answer = answer_since(w, before);
	assert_non_null(strstr(answer, "!ack"));
	free(answer);
	world_destroy(w);
}

static size_t reactions_since(const struct world *w, size_t before)
{
	size_t count = 0;

	for (size_t i = before; i < w->len; i++)
		count += strstr(w->events[i].content, "🔏") != NULL;
	return count;
}

static void who_cannot_read_the_answer_gets_a_sign(void **state)
{
	struct world *w = world_create("");
	char *answer;

	say_event(w, "$1", &(struct said){.body = "!status", .encrypted = true, .deaf = true});
	assert_int_equal(reactions_since(w, 0), 1);
	answer = answer_since(w, 0);
	assert_non_null(strstr(answer, "your device is not verified"));
	free(answer);
	w->now_ms += 2 * CLOCK_MINUTE_MS;
	say_event(w, "$2", &(struct said){.body = "!status", .encrypted = true, .clear = true});
	say_event(w, "$3", &(struct said){.body = "!status", .encrypted = true});
	assert_int_equal(reactions_since(w, 0), 1);
	world_destroy(w);
}

static void silencing_by_reaction_is_offered_where_it_works(void **state)
{
	struct world *w = world_create("");
	const char *target = fail_in_room(w, "etl", "r-1");
	char *answer;
	size_t before;

	asked(w, "!help silence", "🔕");
	before = w->len;
	say_event(w, "$1", &(struct said){.body = "!help silence", .encrypted = true});
	answer = answer_since(w, before);
	assert_null(strstr(answer, "🔕"));
	free(answer);
	before = w->len;
	say_event(w, "$2",
	        &(struct said){.type = "m.reaction",
	                .encrypted = true,
	                .clear = true,
	                .content = json_pack("{s:{s:s, s:s, s:s}}", "m.relates_to", "rel_type",
	                        "m.annotation", "event_id", target, "key", "🔕")});
	answer = answer_since(w, before);
	assert_non_null(strstr(answer, "reactions are not encrypted"));
	free(answer);
	react(w, "$3", target, "🔕", OP);
	asked(w, "!silences", "app=\"etl\"");
	world_destroy(w);
}

static void what_is_near_is_proposed(void **state)
{
	struct world *w = world_create("");

	fail_in_room(w, "etl", "r-81");
	fail_in_room(w, "billing", "c-8");
	asked(w, "!silence ETL 1h", "Did you mean etl?");
	asked(w, "!alert r-8", "Did you mean r-81?");
	asked(w, "!alerts -5", "limit must be a whole number from 1 to 500");
	asked(w, "!alerts bill", "Did you mean billing?");
	asked(w, "!ack r-82", "Did you mean r-81?");
	asked(w, "!ack Billing", "There is no run or app Billing. Did you mean billing?");
	asked(w, "!unack ETL", "There is no run or app ETL. Did you mean etl?");
	asked(w, "!resolve billin fixed", "There is no run or app billin. Did you mean billing?");
	asked(w, "!resolve zzzz", "There is no run zzzz. !alerts lists recent ones.");
	asked(w, "!alert ETL", "There is no run ETL. !alerts lists recent ones.");
	asked(w, "!sta", "Did you mean !status?");
	asked(w, "!xyzzy", "!help lists");
	asked(w, "!ab", "!help lists"); /* half of it would have to change for !ack */
	world_destroy(w);
}

static void commas_stand_between_run_ids(void **state)
{
	struct world *w = world_create("");

	for (int i = 1; i <= 8; i++) {
		char run[8];

		snprintf(run, sizeof(run), "r-%d", i);
		fail_in_room(w, "etl", run);
	}
	fail_in_room(w, "etl", "nightly run 5");
	asked(w, "!ack r-1, r-2,r-3; rolling back", "r-3");
	assert_true(is_acked(w, "r-1") && is_acked(w, "r-2") && is_acked(w, "r-3"));
	assert_false(is_acked(w, "r-4"));
	asked(w, "!alert r-1", "rolling back");
	asked(w, "!ack r-5 , r-6 and r-7 and the rest later", "r-7");
	assert_true(is_acked(w, "r-5") && is_acked(w, "r-6") && is_acked(w, "r-7"));
	asked(w, "!alert r-7", "and the rest later");
	assert_false(is_acked(w, "r-8"));
	asked(w, "!unack r-1", "removed");
	asked(w, "!unack r-2", "removed");
	asked(w, "!ack r-1. on it", "r-1"); /* keyboards write two blanks as a point and a blank */
	assert_true(is_acked(w, "r-1"));
	asked(w, "!ack r-1 & r-2!", "r-2");
	assert_true(is_acked(w, "r-2"));
	asked(w, "! really", "");
	asked(w, "!ack nightly run 5", "nightly run 5");
	assert_true(is_acked(w, "nightly run 5"));
	world_destroy(w);
}

/* Fails unless the answer names the run as unknown, or, NULL, names none; run r-1 is acknowledged
 * with the note. */
static void acked_naming(struct world *w, const char *line, const char *unknown, const char *note)
{
	char *answer = ask(w, line), *wanted = x_asprintf("There is no run %s", unknown);
	char *told, *last;

	if (!strstr(answer, "acknowledged by you") ||
	        (unknown ? !strstr(answer, wanted) : !!strstr(answer, "There is no")))
		fail_msg("%s: %s", line, answer);
	told = last = ask(w, "!alert r-1");
	for (char *at = told; at; at = strstr(at + 1, " acknowledged by op1"))
		last = at;
	last += strlen(" acknowledged by op1");
	if (note ? strncmp(last, ": ", 2) != 0 || strncmp(last + 2, note, strlen(note)) != 0
	         : *last == ':')
		fail_msg("%s: %s", line, told);
	free(wanted);
	free(answer);
	free(told);
	asked(w, "!unack r-1", "removed");
}

static void what_looks_like_a_run_after_a_comma_is_named(void **state)
{
	struct world *w = world_create("");

	fail_in_room(w, "etl", "r-1");
	acked_naming(w, "!ack r-1, r-unknown", "r-unknown", NULL);
	acked_naming(w, "!ack r-1,r-unknown", "r-unknown", NULL);
	acked_naming(w, "!ack r-1, r-77; on it", "r-77", "on it");
	acked_naming(w, "!ack r-1 and r-77!", "r-77", NULL);
	acked_naming(w, "!ack r-1 , r-8, r-9 both", "r-9", "both");
	acked_naming(w, "!ack r-1 looking, thanks", NULL, "looking, thanks");
	acked_naming(w, "!ack r-1, looking, thanks", NULL, "looking, thanks");
	acked_naming(w, "!ack r-1, 2 of 3 done", NULL, "2 of 3 done");
	acked_naming(w, "!ack r-1, back at 14:00", NULL, "back at 14:00");
	acked_naming(w, "!ack r-1, ready by 5", NULL, "ready by 5");
	acked_naming(w, "!ack r-1, - r-unknown did it", NULL, "r-unknown did it");
	acked_naming(w, "!ack r-1 r-unknown did it", NULL, "r-unknown did it");
	asked(w, "!ack r-8, r-1", "There is no run r-8. Did you mean r-1?");
	fail_in_room(w, "etl", "batch5");
	fail_in_room(w, "etl", "4711");
	fail_in_room(w, "etl", "9b2c41f0");
	fail_in_room(w, "etl", "etl:2026.11");
	asked(w, "!ack batch5, batch6", "There is no run batch6");
	asked(w, "!ack 4711, 4712", "There is no run 4712");
	asked(w, "!ack 9b2c41f0, 77aa01e9", "There is no run 77aa01e9");
	asked(w, "!ack etl:2026.11, etl:2026.12", "There is no run etl:2026.12");
	assert_true(is_acked(w, "batch5") && is_acked(w, "4711") && is_acked(w, "9b2c41f0") &&
	            is_acked(w, "etl:2026.11"));
	asked(w, "!unack 4711, 4712", "There is no run 4712");
	/* the same lists, to resolve them */
	asked(w, "!resolve r-1, r-unknown fixed by hand",
	        "etl · r-1 resolved\nThere is no run r-unknown");
	asked(w, "!alert r-1", "resolved by op1: fixed by hand");
	asked(w, "!resolve batch5, fixed by hand", "etl · batch5 resolved");
	asked(w, "!alert batch5", "resolved by op1: fixed by hand");
	asked(w, "!resolve batch5, 4711 and 9b2c41f0 all of them",
	        "batch5: nothing is firing.\n✅ etl · 4711 resolved\n✅ etl · 9b2c41f0 resolved");
	asked(w, "!alert 9b2c41f0", "all of them");
	world_destroy(w);
}

static void silences_are_understood_or_refused(void **state)
{
	static const struct {
		const char *said, *part;
	} cases[] = {
	        {"!silence app=«etl» 1h", "app=\"etl\""},
	        {"!silence app=‘etl’ 1h", "app=\"etl\""},
	        {"!silence 'etl' 1h", "app=\"etl\""},
	        {"!silence “etl” 1h", "app=\"etl\""},
	        {"!silence app == etl 2 hours", "(2h)"},
	        {"!silence etl 90min", "(1h 30m)"},
	        {"!silence etl 2h deploy of v2", "reason: deploy of v2"},
	        {"!silence etl", "(1h)"},
	        {"!silence etl tomorrow", "Until when?"},
	        {"!silence etl two hours", "Until when?"},
	        {"!silence etl ½h", "Until when?"},
	        {"!silence etl takes ten minutes", "before the reason"},
	        {"!silence etl 2h two engineers", "reason: two engineers"},
	        {"! Silence etl 2h", "(2h)"},
	        {"!silence etl deploy until 17:00", "before the reason"},
	        {"!silence app=etl and node_id=x 2h", "node_id=\"x\""},
	        {"!silence app=etl 2h node_id=x", "Put matchers before the time"},
	        {"!silence etl, billing 2h", "One app for each silence"},
	        {"!silence etl and billing 2h", "One app for each silence"},
	        {"!silence app:etl 2h", "what? An app"},
	        {"!silence app===etl 2h", "No app can have the name"},
	        {"!silence app=(etl) 2h", "No app can have the name"},
	        {"!silence app=etl;node_id=x 2h", "No app can have the name"},
	        {"!silence node_id=x app=etl|billing 2h", "For several apps: app=~"},
	        {"!silence severity=CRITICAL 2h", "A severity is critical, warning or info."},
	        {"!silence app=etl,severity=error 2h", "A severity is critical, warning or info."},
	        {"!silence app=not_yet.seen-1 2h", "app=\"not_yet.seen-1\""},
	        {"!silence severity=info 2h", "severity=\"info\""},
	        {"!silence severity!=critical 2h", "severity!=\"critical\""},
	        {"!silence app=~\".*\" 2h", "That would silence everything"},
	        {"!silence status=firing 2h", "That would silence everything"},
	        {"!silence everything 2h", "app=~\".*\""},
	        {"!silence", "what? An app"},
	};
	struct world *w = world_create("");

	fail_in_room(w, "etl", "r-81");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		asked(w, cases[i].said, cases[i].part);
	world_destroy(w);
}

static void an_alert_of_a_room_that_is_gone_names_the_room_of_today(void **state)
{
	struct world *w = world_create("[rooms]\npay = #pay:x\n[app etl]\ncritical = pay\n");
	struct config *before = w->config;

	world_alert(w, FAILED, "etl", "r-81", "r-81");
	asked(w, "!alert r-81", "critical alerts go to room pay");
	w->config = fixture_config("");
	config_unref(before);
	asked(w, "!alert r-81", "critical alerts go to room ops");
	world_destroy(w);
}

/* What is no command, or not meant for the bot, is left alone. */
static void what_is_no_command_is_left_alone(void **state)
{
	static const char *const contents[] = {
	        "{\"msgtype\":\"m.notice\",\"body\":\"!help\"}",
	        "{\"msgtype\":\"m.emote\",\"body\":\"!help\"}",
	        ("{\"msgtype\":\"m.text\",\"body\":\"!help\",\"m.relates_to\":"
	         "{\"rel_type\":\"m.replace\",\"event_id\":\"$x\"}}"),
	        "{\"msgtype\":\"m.text\",\"body\":\"!!! wow\"}",
	        "{\"msgtype\":\"m.text\",\"body\":\"!5 minutes\"}",
	        "{\"msgtype\":\"m.text\",\"body\":\"! really\"}",
	        "{\"msgtype\":\"m.text\",\"body\":\"!\"}",
	        "{\"msgtype\":\"m.text\",\"body\":5}",
	        "{\"msgtype\":5,\"body\":\"!help\"}",
	};
	struct world *w = world_create("");

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		char event_id[8];

		snprintf(event_id, sizeof(event_id), "$%zu", i);
		say_event(w, event_id, &(struct said){.content = json_loads(contents[i], 0, NULL)});
		if (w->len > 0)
			fail_msg("%s is answered", contents[i]);
	}
	asked(w, "!help", "Commands");
	world_destroy(w);
}

/* A fault of the database is told to who gave the command, and costs nobody else's anything. */
static void what_cannot_be_stored_is_told(void **state)
{
	struct world *w = world_create("");

	fail_in_room(w, "etl", "r-81");
	assert_int_equal(sqlite3_exec(w->store->db,
	                         "CREATE TRIGGER t BEFORE INSERT ON silences BEGIN "
	                         "SELECT raise(ABORT, 'a torn page'); END",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	asked(w, "!silence etl 2h", "Not carried out, because of a database error: ");
	asked(w, "!ack r-81", "acknowledged by you");
	world_destroy(w);
}

static void many_are_acknowledged_at_once(void **state)
{
	struct world *w = world_create("");

	asked(w, "!ack", "Nothing is unacknowledged");
	fail_in_room(w, "etl", "r-1");
	asked(w, "!ack on it", "There is no run on");
	asked(w, "!ack", "etl · r-1 acknowledged by you");
	fail_in_room(w, "etl", "r-2");
	fail_in_room(w, "etl", "r-3");
	fail_in_room(w, "billing", "c-1");
	asked(w, "!ack", "Which of the 3 unacknowledged alerts? Send !ack <run_id>");
	asked(w, "!ack etl both are mine", "etl · r-2 and 1 more acknowledged by you");
	assert_true(is_acked(w, "r-2") && is_acked(w, "r-3"));
	assert_false(is_acked(w, "c-1"));
	asked(w, "!alert r-3", "both are mine");
	asked(w, "!ack all", "billing · c-1 acknowledged by you");
	asked(w, "!ack all", "Nothing is unacknowledged");
	asked(w, "!ack etl", "Nothing of etl is unacknowledged");
	world_destroy(w);
}

/* In a second message, since it happened again later. */
static void a_failure_in_several_messages_fires_once(void **state)
{
	struct world *w = world_create("");
	struct entry_row *rows;
	size_t len;

	for (int i = 0; i < 3; i++) {
		world_alert(w, "{\"app\":\"etl\",\"severity\":\"critical\",\"title\":\"disk\"}");
		world_pass(w, 2 * CLOCK_MINUTE_MS);
	}
	world_alert(w, "{\"app\":\"etl\",\"severity\":\"critical\",\"title\":\"net\"}");
	world_send(w);
	assert_true(world_count(w, "send") >= 3);
	asked(w, "!silence etl 1h", "Firing now: 2 (etl · net, etl · disk) · last 24 h: 4");
	assert_int_equal(entries_open(w->store, 0, 10, &rows, &len), OK);
	assert_int_equal(len, 2);
	entry_rows_free(rows, len);
	asked(w, "!resolve etl", "etl · net and 1 more resolved");
	assert_int_equal(entries_open(w->store, 0, 10, &rows, &len), OK);
	assert_int_equal(len, 0);
	entry_rows_free(rows, len);
	world_destroy(w);
}

static void unacknowledged_ones_are_listed_with_links(void **state)
{
	struct world *w = world_create("");
	char *answer, run[16];
	size_t before;

	asked(w, "!unacked", "Nothing is unacknowledged");
	for (int i = 0; i < 12; i++) {
		snprintf(run, sizeof(run), "r-%02d", i);
		fail_in_room(w, "etl", run);
	}
	before = w->len;
	answer = ask(w, "!unacked");
	assert_non_null(strstr(answer, "🚨 12 unacknowledged critical alerts: oldest and newest"));
	assert_non_null(strstr(answer, "… 2 more …"));
	assert_non_null(strstr(answer, "r-04"));
	assert_non_null(strstr(answer, "r-11"));
	assert_null(strstr(answer, "r-05"));
	assert_true(strstr(answer, "r-00") < strstr(answer, "r-11"));
	free(answer);
	assert_non_null(strstr(w->events[before].content, "https://matrix.to/#/!ops:x/$"));
	world_destroy(w);
}

/* Events whose new text begins with that. */
static int told(struct world *w, const char *words)
{
	int count = 0;

	for (size_t i = 0; i < w->len; i++) {
		json_t *content = json_loads(w->events[i].content, 0, NULL);
		const json_t *fresh = json_object_get(content, "m.new_content");
		const char *body =
		        json_string_value(json_object_get(fresh ? fresh : content, "body"));

		count += body && strncmp(body, words, strlen(words)) == 0;
		json_decref(content);
	}
	return count;
}

static void strangers_make_one_line(void **state)
{
	struct world *w = world_create("");
	const char *target = fail_in_room(w, "etl", "r-1");
	char event_id[16], stranger[32];
	struct log_lines lines;

	log_flush(INT64_MAX);
	log_lines_begin(&lines);
	for (int i = 0; i < 20; i++) {
		snprintf(event_id, sizeof(event_id), "$s%d", i);
		snprintf(stranger, sizeof(stranger), "@s%d:x", i);
		react(w, event_id, target, "✅", stranger);
	}
	assert_int_equal(log_lines_end(&lines, "refused in ops"), 1);
	world_destroy(w);
}

/* Limits that a reload sets hold for what is firing already. */
static void new_limits_hold_for_what_fires(void **state)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .now_ms = w->now_ms};

	fail_in_room(w, "etl", "e-1");
	fail_in_room(w, "slow", "s-1");
	config_unref(w->config);
	d.config = w->config = fixture_config("[app slow]\nresolve_after = 2h\n");
	for (int hours = 1; hours <= 4; hours++) {
		d.now_ms = w->now_ms += CLOCK_HOUR_MS;
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(resolve_due(&d), OK);
		assert_int_equal(store_commit(w->store), OK);
		asked(w, "!alert s-1", hours < 2 ? "firing" : "resolved by resolve_after");
	}
	asked(w, "!alert e-1", "firing");
	world_destroy(w);
}

static void resolve_hourly(struct world *w, int hours)
{
	struct deliver d = {.store = w->store, .config = w->config};

	for (int i = 0; i < hours; i++) {
		d.now_ms = w->now_ms += CLOCK_HOUR_MS;
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(resolve_due(&d), OK);
		assert_int_equal(store_commit(w->store), OK);
	}
}

/* What fails again in the same message has its whole time again, also under a limit that came
 * while it was resolved. */
static void what_fails_again_is_resolved_again(void **state)
{
	for (int late = 0; late < 2; late++) {
		struct world *w = world_create(
		        late ? "[delivery]\nthrottle = 9h\n"
		             : "[delivery]\nthrottle = 9h\n[app slow]\nresolve_after = 2h\n");

		fail_in_room(w, "slow", "s-1");
		if (late)
			asked(w, "!resolve s-1", "resolved");
		resolve_hourly(w, 3);
		asked(w, "!alert s-1", late ? "resolved" : "resolved by resolve_after");
		config_unref(w->config);
		w->config = fixture_config(
		        "[delivery]\nthrottle = 9h\n[app slow]\nresolve_after = 2h\n");
		resolve_hourly(w, 1);
		fail_in_room(w, "slow", "s-1");
		resolve_hourly(w, 1);
		asked(w, "!alert s-1", "firing");
		resolve_hourly(w, 2);
		asked(w, "!alert s-1", "resolved by resolve_after");
		world_destroy(w);
	}
}

static void what_never_resolves_is_closed_by_hand(void **state)
{
	struct world *w = world_create("[app slow]\nresolve_after = 2h\n[kind node_failed]\n"
	                               "resolve_after = 10h\n");
	struct deliver d = {.store = w->store, .config = w->config};
	size_t before;
	char *body;

	fail_in_room(w, "etl", "r-1");
	fail_in_room(w, "etl", "r-2");
	fail_in_room(w, "billing", "c-1");
	asked(w, "!resolve", "!resolve <run_id|app|all>");
	asked(w, "!resolve r-9", "Did you mean r-");
	asked(w, "!resolve r-1 fixed by hand", "✅ etl · r-1 resolved");
	world_send(w);
	/* its message, and the thread */
	assert_int_equal(told(w, "✅ etl · r-1 resolved after 2h by op1: fixed by hand"), 2);
	asked(w, "!alert r-1", "resolved by op1: fixed by hand");
	asked(w, "!resolve r-1", "nothing is firing");
	asked(w, "!resolve etl", "✅ etl · r-2 resolved");
	fail_in_room(w, "etl", "r-4");
	react(w, "$close", fail_in_room(w, "etl", "r-3"), "☑", OP);
	asked(w, "!alert r-3", "resolved by op1");
	before = w->len;
	asked(w, "!resolve all", "and 1 more resolved");
	world_send(w);
	assert_int_equal(w->len, before + 3); /* the answer, and two edits: no threads */
	body = world_body(w, w->len - 1);
	free(body);
	/* by themselves: the app's word counts before the kind's */
	fail_in_room(w, "slow", "s-1");
	fail_in_room(w, "etl", "e-1");
	for (int hours = 1; hours <= 12; hours++) {
		d.now_ms = w->now_ms += CLOCK_HOUR_MS;
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(resolve_due(&d), OK);
		assert_int_equal(store_commit(w->store), OK);
		if (hours == 2)
			asked(w, "!alert s-1", "resolved by resolve_after");
		if (hours == 9)
			asked(w, "!alert e-1", "firing");
	}
	asked(w, "!alert e-1", "resolved by resolve_after");
	world_destroy(w);
}

/* Fails unless the answer has the first text and not the second; NULL = any. */
static void told_of(struct world *w, const char *line, const char *has, const char *has_not)
{
	char *answer = ask(w, line);

	if (!strstr(answer, has) || (has_not && strstr(answer, has_not)))
		fail_msg("%s: %s (wanted: %s, not %s)", line, answer, has, has_not);
	free(answer);
}

#define NODE_OF(RUN, STATUS)                                          \
	"{\"app\":\"etl\",\"kind\":\"node_failed\",\"run_id\":\"" RUN \
	"\",\"fields\":{\"node_id\":\"n\"},\"status\":\"" STATUS "\"}"

/* The same fails in three runs: in one message with an end between, then in another message. */
static void an_alert_tells_its_own_episode(void **state)
{
	struct world *w = world_create("");

	world_alert(w, NODE_OF("r-1", "firing"));
	world_send(w);
	asked(w, "!ack r-1 first", "acknowledged by you");
	w->now_ms += 10000;
	world_alert(w, NODE_OF("r-1", "resolved"));
	w->now_ms += 10000;
	world_alert(w, NODE_OF("r-2", "firing"));
	world_pass(w, 2000);
	told_of(w, "!alert r-1", "first", "firing");
	told_of(w, "!alert r-1", "resolved\n", NULL);
	told_of(w, "!alert r-1", "sent", "updated"); /* that was about r-2 */
	told_of(w, "!alert r-2", "firing", "first");
	told_of(w, "!alert r-2", "firing", "resolved");
	asked(w, "!ack r-2 second", "acknowledged by you");
	told_of(w, "!alert r-1", "first", "second");
	told_of(w, "!alerts", "acknowledged by op1", NULL);
	told_of(w, "!alert r-2", "second", "first");
	world_alert(w, NODE_OF("r-2", "resolved"));
	w->now_ms += CLOCK_HOUR_MS;
	world_alert(w, NODE_OF("r-3", "firing"));
	world_send(w);
	told_of(w, "!alert r-3", "firing", "second");
	told_of(w, "!alert r-2", "second", "first");
	told_of(w, "!alert r-1", "first", "second");
	world_destroy(w);
}

/* What joins an older message was sent when the edit was. */
static void an_alert_was_sent_after_it_was_received(void **state)
{
	struct world *w = world_create("[heartbeat]\ntimezone = UTC\n");
	char *answer, *received, *sent;

	w->now_ms = INT64_C(1790000000000) / CLOCK_MINUTE_MS * CLOCK_MINUTE_MS + 50000;
	world_alert(w, FAILED, "etl", "r-1", "r-1");
	world_send(w);
	w->now_ms += 15000; /* the next minute of the clock */
	world_alert(w, FAILED, "etl", "r-2", "r-2");
	world_pass(w, 2000);
	answer = ask(w, "!alert r-2");
	received = strstr(answer, " received");
	sent = strstr(answer, " sent");
	assert_true(received && sent);
	assert_memory_equal(received - 5, sent - 5, 5);
	free(answer);
	world_destroy(w);
}

/* Fails unless the parts stand in the answer in this order. */
static void told_in_order(struct world *w, const char *line, const char *const *parts)
{
	char *answer = ask(w, line);
	const char *at = answer;

	for (; *parts; parts++) {
		at = strstr(at, *parts);
		if (!at)
			fail_msg("%s: %s (wanted next: %s)", line, answer, *parts);
	}
	free(answer);
}

#define ORDER(...) ((const char *const[]){__VA_ARGS__, NULL})

/* An edit shows what was done before it; the message may be on its way when somebody knows. */
static void an_alert_is_told_in_the_order_of_time(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;

	fail_in_room(w, "etl", "r-1");
	w->now_ms += CLOCK_MINUTE_MS;
	asked(w, "!ack r-1", "acknowledged by you");
	told_in_order(
	        w, "!alert r-1", ORDER("received", "sent", " acknowledged by op1", "updated"));
	w->now_ms += CLOCK_MINUTE_MS;
	asked(w, "!unack r-1", "removed");
	told_in_order(w, "!alert r-1",
	        ORDER(" acknowledged by op1", "acknowledgement removed", "updated"));
	world_alert(w, FAILED, "billing", "c-1", "c-1");
	assert_true(world_next(w, &event));
	w->now_ms += CLOCK_MINUTE_MS;
	asked(w, "!ack c-1", "acknowledged by you");
	w->now_ms += CLOCK_MINUTE_MS;
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	told_in_order(w, "!alert c-1", ORDER("received", " acknowledged by op1", "sent", "Why"));
	world_destroy(w);
}

/* Apps say "resolved" without the severity of what failed. */
static void what_ends_a_critical_is_no_warning(void **state)
{
	struct world *w = world_create("");
	struct alert_row row = {0};

	world_alert(w, "{\"app\":\"etl\",\"title\":\"disk\",\"severity\":\"critical\","
	               "\"run_id\":\"r-1\"}");
	world_send(w);
	world_alert(w,
	        "{\"app\":\"etl\",\"title\":\"disk\",\"status\":\"resolved\",\"run_id\":\"r-9\"}");
	told_of(w, "!alert r-9", "✅ etl · disk · ", "⚠️");
	told_of(w, "!alert r-9", "✅", "go to room");
	assert_int_equal(alerts_by_run_id(w->store, "r-9", &row), OK);
	assert_int_equal(row.severity, SEVERITY_CRITICAL);
	assert_string_equal(row.room, "ops");
	alert_row_finish(&row);
	told_of(w, "!alert r-1", "critical alerts go to room ops", "room dev");
	told_of(w, "!alerts", "✅ etl · disk · ", "⚠️");
	world_alert(w,
	        "{\"app\":\"etl\",\"title\":\"disk\",\"status\":\"resolved\",\"run_id\":\"r-8\"}");
	told_of(w, "!alerts", "ignored: no matching alert is firing", NULL);
	world_destroy(w);
}

/* The same in more messages than are looked at in one go: all of it is over. */
static void what_fired_in_many_messages_is_over_in_all(void **state)
{
	struct world *w = world_create("");

	for (int i = 0; i < 70; i++) {
		w->now_ms += CLOCK_HOUR_MS;
		world_alert(w, NODE_OF("r-1", "firing"));
		world_send(w);
	}
	world_alert(w, NODE_OF("r-1", "resolved"));
	asked(w, "!unacked", "Nothing is unacknowledged");
	world_destroy(w);
}

/* What fires and has no limit does not hide what has one, however much it is. */
static void what_has_a_limit_is_closed_among_many_that_have_none(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n[app slow]\nresolve_after = 2h\n");
	struct deliver d = {.store = w->store, .config = w->config};

	world_alert(w, FAILED, "slow", "s-1", "s-1");
	for (int i = 0; i < 600; i++)
		world_alert(w, "{\"app\":\"etl\",\"title\":\"t%d\",\"severity\":\"warning\"}", i);
	d.now_ms = w->now_ms += 3 * CLOCK_HOUR_MS;
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(resolve_due(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	asked(w, "!alert s-1", "resolved by resolve_after");
	world_destroy(w);
}

/* By its run id alone, and by hand: it is not told as firing at the silence's end. */
static void what_is_silenced_is_resolved_by_its_run(void **state)
{
	for (int by_hand = 0; by_hand < 2; by_hand++) {
		struct world *w = world_create("");
		struct deliver d = {.store = w->store, .config = w->config};
		int64_t silence = world_silence(w, "app=\"etl\"", 0, w->now_ms + CLOCK_HOUR_MS);
		size_t before;

		assert_string_equal(world_alert(w, NODE_OF("r-1", "firing")), "silenced");
		if (by_hand)
			asked(w, "!resolve r-1", "what was silenced resolved");
		else
			assert_string_equal(world_alert(w, "{\"app\":\"etl\",\"run_id\":\"r-1\","
			                                   "\"status\":\"resolved\"}"),
			        "silenced");
		d.now_ms = w->now_ms += 2 * CLOCK_HOUR_MS;
		before = w->len;
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(silence_end_due(&d), OK);
		assert_int_equal(held_release(&d), OK);
		assert_int_equal(store_commit(w->store), OK);
		world_send(w);
		for (size_t i = before; i < w->len; i++) {
			char *body = world_body(w, i);

			assert_null(strstr(body, "FAILED"));
			assert_null(strstr(body, "Not resolved"));
			free(body);
		}
		assert_true(w->len > before);
		assert_int_equal(world_held(w, silence), 1);
		world_destroy(w);
	}
}

static void what_a_silence_held_is_delivered_with_its_end_by_hand(void **state)
{
	struct world *w = world_create("");

	asked(w, "!silence app=etl 1h", "(1h)");
	assert_string_equal(world_alert(w, NODE_OF("r-1", "firing")), "silenced");
	asked(w, "!unsilence 1", "Silence 1 cancelled");
	world_send(w);
	assert_int_equal(world_count(w, "send"), 1);
	world_destroy(w);
}

static void silences_are_ended_and_extended_by_app(void **state)
{
	struct world *w = world_create("");

	fail_in_room(w, "etl", "r-1");
	fail_in_room(w, "billing", "c-1");
	asked(w, "!unsilence etl", "no silence is active");
	asked(w, "!silence etl 1h", "(1h)");
	asked(w, "!silence etl extend 2h", "(3h)");
	asked(w, "!silence 1 extend 1 hour", "(4h)");
	asked(w, "!silence 1 3h another reason", "reason: another reason");
	asked(w, "!silence 1 4h", "reason: another reason");
	asked(w, "!silence 1 extend", "Extend by how long?");
	asked(w, "!silence 1 extend 30d", "longer than a silence may last");
	asked(w, "!silence billing extend 1h", "no silence is active");
	asked(w, "!silence app=etl, node_id=x 1h", "node_id");
	asked(w, "!unsilence etl", "there are several");
	asked(w, "!unsilence 2", "2");
	asked(w, "!unsilence etl", "ilence 1");
	asked(w, "!unsilence 9", "There is no active silence 9");
	world_destroy(w);
}

/* What is answered to a command in a reply to an event, or in its thread; owned by the caller. */
static char *ask_in(struct world *w, const char *body, const char *event_id, bool thread)
{
	static int count;
	size_t before = w->len;
	char asked_id[32], *answer;
	json_t *relates = thread ? json_pack("{s:s, s:s, s:b, s:{s:s}}", "rel_type", "m.thread",
	                                   "event_id", event_id, "is_falling_back", true,
	                                   "m.in_reply_to", "event_id", "$last")
	                         : json_pack("{s:{s:s}}", "m.in_reply_to", "event_id", event_id);

	snprintf(asked_id, sizeof(asked_id), "$in%d", count++);
	say_event(w, asked_id,
	        &(struct said){.content = json_pack("{s:s, s:s, s:o}", "msgtype", "m.text", "body",
	                               body, "m.relates_to", relates)});
	answer = answer_since(w, before);
	return answer ? answer : x_strdup("");
}

/* Fails unless the answer has the part, both in a reply and in the thread. */
static void asked_in(struct world *w, const char *body, const char *event_id, const char *part)
{
	for (int thread = 0; thread < 2; thread++) {
		char *answer = ask_in(w, body, event_id, thread);

		if (!strstr(answer, part))
			fail_msg("%s%s: %s (wanted: %s)", body, thread ? " in the thread" : "",
			        answer, part);
		free(answer);
	}
}

static void a_reply_silences_the_app_of_the_alert(void **state)
{
	static const struct {
		const char *said, *part;
	} cases[] = {
	        {"!silence 1h", "app=\"etl\""},
	        {"!silence 2 hours", "(2h)"},
	        {"!silence 2 hours", "app=\"etl\""},
	        {"!silence for 2h deploy", "reason: deploy"},
	        {"!silence half an hour", "(30m)"},
	        {"!silence", "app=\"etl\""},
	        {"!silence -- bad disk", "reason: bad disk"},
	        {"!silence until resolved", "app=\"etl\" until resolved"},
	        {"!silence until 07:00 too loud", "reason: too loud"},
	        {"!silence in 30m for 1h", "app=\"etl\" from"},
	        {"!silence forever", "A silence needs an end"},
	        {"!silence 400d", "longer than a silence may last"},
	        {"!silence until whenever", "Until when?"},
	        {"!silence billing 1h", "app=\"billing\""}, /* what is named comes first */
	        {"!silence c-1", "app=\"billing\""},
	        {"!silence app=billing 1h", "app=\"billing\""},
	        {"!silence 30m 1h", "app=\"30m\""}, /* an app of that name */
	        {"!silence everything 1h", "app=~\".*\""},
	        {"!silence deploy 1h",
	                "To silence the app of this alert, give the time first: !silence 1h"},
	        {"!silence 1 3h", "Silence 1: app=\"etl\""},
	        {"!silence 99 3h", "no active silence 99"},
	};
	struct world *w = world_create("[app 30m]\n");
	char event_id[64];

	fail_in_room(w, "billing", "c-1");
	snprintf(event_id, sizeof(event_id), "%s", fail_in_room(w, "etl", "r-1"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		asked_in(w, cases[i].said, event_id, cases[i].part);
	asked_in(w, "!silence 1h", "$nothing", "That message is not an alert");
	asked(w, "!silence 1h", "There is no app or run 1h"); /* in no reply */
	world_destroy(w);
}

/* The event id of the last new message; owned by the world. */
static const char *last_message(struct world *w)
{
	static char event_id[64];
	struct alert_row alert = {0};
	struct message_row message = {0};

	assert_int_equal(alerts_by_run_id(w->store, "last", &alert), OK);
	assert_int_equal(messages_by_id(w->store, alert.message_id, &message), OK);
	snprintf(event_id, sizeof(event_id), "%s", message.event_id);
	alert_row_finish(&alert);
	message_row_finish(&message);
	return event_id;
}

static void a_reply_to_what_is_about_several_apps_is_asked_back(void **state)
{
	struct world *w = world_create("[delivery]\nstorm = 1\n");

	world_alert(w, FAILED, "etl", "r-1", "r-1");
	world_send(w);
	world_alert(w, FAILED, "billing", "c-1", "c-1");
	world_alert(w, FAILED, "crm", "last", "last");
	world_pass(w, 3000);
	asked_in(w, "!silence 1h", last_message(w),
	        "about several apps. Name one: !silence billing 1h");
	react(w, "$off", last_message(w), "🔕", OP);
	asked(w, "!silences", "No silence");
	asked_in(w, "!alert", last_message(w), "billing · c-1");
	asked_in(w, "!alert", last_message(w), "crm · last");
	asked_in(w, "!alert", last_message(w), "!alert <run_id> shows one");
	world_destroy(w);
}

static void a_reply_shows_the_alert(void **state)
{
	struct world *w = world_create("");
	const char *event_id;

	event_id = fail_in_room(w, "etl", "r-1");
	asked_in(w, "!alert", event_id, "etl · r-1 · ");
	asked_in(w, "!alert", event_id, " received");
	asked_in(w, "!alert", event_id, "Why: new message");
	asked_in(w, "!alert c-1", event_id, "There is no run c-1");
	asked_in(w, "!alert", "$nothing", "not an alert. Example: !alert r-81");
	asked(w, "!alert", "run_id is missing. Example: !alert r-81");
	/* in the thread of an answer about it, too */
	react(w, "$off", event_id, "🔕", OP);
	asked(w, "!silences", "app=\"etl\"");
	world_destroy(w);
}

/* The message that rings for another one shows what has joined since, too. */
static void what_a_ring_is_about_can_be_acknowledged(void **state)
{
	struct world *w = world_create("");
	char ring[64] = "";

	fail_in_room(w, "etl", "r-1");
	world_alert(w, FAILED, "etl", "r-2", "r-2");
	world_pass(w, CLOCK_MINUTE_MS + 1000);
	for (size_t i = 0; i < w->len; i++)
		if (strstr(w->events[i].content, "1 more critical failure"))
			snprintf(ring, sizeof(ring), "$%zu", i + 1);
	asked_in(w, "!alert", ring, "etl · r-2");
	world_alert(w, FAILED, "etl", "r-3", "r-3"); /* joins the ring */
	world_pass(w, 3000);
	asked_in(w, "!alert", ring, "etl · r-2");
	asked_in(w, "!alert", ring, "etl · r-3");
	react(w, "$ack", ring, "✅", OP);
	assert_true(is_acked(w, "r-1") && is_acked(w, "r-2") && is_acked(w, "r-3"));
	asked_in(w, "!resolve", ring, "");
	asked(w, "!alert r-3", "resolved by op1");
	world_destroy(w);
}

static void undeliverable_ones_are_given_up(void **state)
{
	struct world *w = world_create("");
	struct deliver_event event;
	char *line;

	asked(w, "!discard 1", "No message 1 is waiting or undeliverable");
	asked(w, "!discard", "id is missing. Example: !discard 12");
	world_alert(w, FAILED, "etl", "r-1", "r-1");
	assert_true(world_next(w, &event));
	world_finish(w, &event, DELIVER_UNDELIVERABLE);
	line = x_asprintf("!discard %lld", (long long)event.outbox_id);
	asked(w, "!alert r-1", "undeliverable\n");
	asked(w, line, "discarded");
	asked(w, "!alert r-1", "discarded\n");
	asked(w, line, "is waiting or undeliverable");
	asked(w, "!retry", "Nothing is undeliverable");
	deliver_event_finish(&event);
	free(line);
	world_destroy(w);
}

static void a_test_names_the_channels_that_hear_of_it(void **state)
{
	static const char *const rooms[] = {"dev", "ops"};

	for (size_t i = 0; i < 2; i++) {
		char *more = x_asprintf("[meta]\nroom = %s\nexec = /bin/true\n", rooms[i]);
		struct world *w = world_create(more);
		char *answer = ask(w, "!test undelivered");

		assert_non_null(strstr(answer, "late: exec, second account (not configured)"));
		assert_int_equal(strstr(answer, "configured), room dev") != NULL, i == 0);
		assert_null(strstr(answer, ", room ops"));
		free(answer);
		free(more);
		world_destroy(w);
	}
}

static void answers_are_replies_if_wanted(void **state)
{
	struct world *w = world_create("[commands]\nanswers = reply\n");

	asked(w, "!help", "!ack");
	assert_null(strstr(w->events[w->len - 1].content, "m.thread"));
	assert_non_null(strstr(w->events[w->len - 1].content, "m.in_reply_to"));
	say_event(w, "$2",
	        &(struct said){.content = json_pack("{s:s, s:s, s:{s:s, s:s}}", "msgtype", "m.text",
	                               "body", "!help", "m.relates_to", "rel_type", "m.thread",
	                               "event_id", "$root")});
	assert_non_null(strstr(w->events[w->len - 1].content, "m.thread"));
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reactions_acknowledge_in_any_form),
	        cmocka_unit_test(reactions_are_taken_back_and_may_be_late),
	        cmocka_unit_test(what_is_on_its_way_can_be_acknowledged),
	        cmocka_unit_test(a_test_counts_for_nothing),
	        cmocka_unit_test(a_refused_reaction_is_told_once_a_minute),
	        cmocka_unit_test(strangers_hold_up_nothing),
	        cmocka_unit_test(lateness_is_what_the_homeserver_says),
	        cmocka_unit_test(who_cannot_read_the_answer_gets_a_sign),
	        cmocka_unit_test(silencing_by_reaction_is_offered_where_it_works),
	        cmocka_unit_test(what_is_near_is_proposed),
	        cmocka_unit_test(commas_stand_between_run_ids),
	        cmocka_unit_test(what_looks_like_a_run_after_a_comma_is_named),
	        cmocka_unit_test(silences_are_understood_or_refused),
	        cmocka_unit_test(what_cannot_be_stored_is_told),
	        cmocka_unit_test(an_alert_of_a_room_that_is_gone_names_the_room_of_today),
	        cmocka_unit_test(what_is_no_command_is_left_alone),
	        cmocka_unit_test(many_are_acknowledged_at_once),
	        cmocka_unit_test(a_failure_in_several_messages_fires_once),
	        cmocka_unit_test(unacknowledged_ones_are_listed_with_links),
	        cmocka_unit_test(strangers_make_one_line),
	        cmocka_unit_test(new_limits_hold_for_what_fires),
	        cmocka_unit_test(what_fails_again_is_resolved_again),
	        cmocka_unit_test(what_never_resolves_is_closed_by_hand),
	        cmocka_unit_test(an_alert_tells_its_own_episode),
	        cmocka_unit_test(an_alert_is_told_in_the_order_of_time),
	        cmocka_unit_test(what_fired_in_many_messages_is_over_in_all),
	        cmocka_unit_test(what_has_a_limit_is_closed_among_many_that_have_none),
	        cmocka_unit_test(what_is_silenced_is_resolved_by_its_run),
	        cmocka_unit_test(an_alert_was_sent_after_it_was_received),
	        cmocka_unit_test(what_ends_a_critical_is_no_warning),
	        cmocka_unit_test(what_a_silence_held_is_delivered_with_its_end_by_hand),
	        cmocka_unit_test(silences_are_ended_and_extended_by_app),
	        cmocka_unit_test(a_reply_silences_the_app_of_the_alert),
	        cmocka_unit_test(a_reply_to_what_is_about_several_apps_is_asked_back),
	        cmocka_unit_test(a_reply_shows_the_alert),
	        cmocka_unit_test(what_a_ring_is_about_can_be_acknowledged),
	        cmocka_unit_test(undeliverable_ones_are_given_up),
	        cmocka_unit_test(a_test_names_the_channels_that_hear_of_it),
	        cmocka_unit_test(answers_are_replies_if_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

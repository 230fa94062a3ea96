/*
 * Tests of what people write in the rooms on its way from /sync to the handlers: each event once
 * and in order, what a limited timeline left out, who may, a job that fails, and closing between.
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
#include "bot/base/clock.h"
#include "bot/link/link.h"
#include "handlers/commands/room_event.h"
#include "storage/outbox.h"
#include "storage/state.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define MESSAGES "/v3/rooms/%21ops%3Afake.local/messages"
#define STATE "/v3/rooms/%21ops%3Afake.local/state/"
#define LEVELS STATE "m.room.power_levels"
#define CREATE STATE "m.room.create"
#define NONE "{\"errcode\":\"M_NOT_FOUND\"}"
#define PAGES 20 /* as many pages of a room as are fetched */

struct reader {
	struct looped *l;
	struct courier *courier;
	struct link *link; /* NULL once closed */
	unsigned stored;   /* answers of /sync */
	/* of the handlers, on the writer's thread while a job is under way */
	char seen[4096]; /* "$event " each */
	int64_t power, late_ms;
	int fails;       /* that many calls are still to fail */
	enum err damage; /* of "$bad"; OK = none */
	char own_id[8];
	struct outbox_row own; /* what "$about" is about */
};

static struct reader *reading; /* on_event() has no argument of its own */

static void on_fatal(const char *message, void *arg)
{
	fail_msg("%s", message);
}

static void on_happened(json_t *event, void *arg)
{
	json_decref(event);
}

static void on_status(struct report_status *status, void *arg)
{
	status->problem = "";
}

static void on_stored(bool first, void *arg)
{
	struct reader *f = arg;

	f->stored++;
}

static enum err on_event(const struct command_env *env, const struct room_event *event)
{
	size_t len = strlen(reading->seen);

	if (reading->fails > 0) {
		reading->fails--;
		return ERR_IO;
	}
	if (strcmp(event->event_id, "$about") == 0)
		assert_int_equal(outbox_by_event(env->store, reading->own_id, &reading->own), OK);
	if (strcmp(event->event_id, "$bad") == 0 && reading->damage != OK)
		return reading->damage;
	snprintf(reading->seen + len, sizeof(reading->seen) - len, "%s ", event->event_id);
	reading->power = event->power;
	reading->late_ms = event->late_ms;
	return OK;
}

static int setup_with(void **state, timeline_event_fn on_event_fn)
{
	struct reader *f = x_calloc(1, sizeof(*f));
	struct courier_events courier_events = {0};
	struct link_events events = {on_fatal, on_happened, on_status, on_stored, f};
	struct fault fault = {0};
	struct link_options options;

	reading = f;
	f->l = looped_begin("[commands]\npower_level = 50\n");
	looped_good_homeserver();
	script_rule("GET", MESSAGES, 200, NULL); /* waits for the test */
	script_rule("GET", CREATE, 200, "{\"sender\":\"@admin:x\",\"content\":{}}");
	script_rule("GET", LEVELS, 200, "{\"users\":{\"@op:x\":50}}");
	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &courier_events);
	options = (struct link_options){.loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .on_event = on_event_fn};
	assert_int_equal(link_create(&f->link, &options, f->l->config, &events, &fault), OK);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, on_event);
}

static int setup_commands(void **state)
{
	return setup_with(state, NULL);
}

static void close_link(struct reader *f)
{
	bool stopped = false, closed = false, courier_closed = false;

	courier_stop(f->courier, 100, turn_set, &stopped);
	looped_until(f->l, &stopped);
	link_close(f->link, turn_set, &closed);
	looped_until(f->l, &closed);
	courier_close(f->courier, turn_set, &courier_closed);
	looped_until(f->l, &courier_closed);
	f->link = NULL;
}

static int teardown(void **state)
{
	struct reader *f = *state;

	if (f->link)
		close_link(f);
	looped_end(f->l);
	free(f);
	return 0;
}

/* One message as JSON; the caller's. age_ms < 0: the homeserver does not say. */
static char *message(const char *id, const char *sender, int64_t sent_ms, int64_t age_ms)
{
	char age[64] = "";

	if (age_ms >= 0)
		snprintf(age, sizeof(age), ",\"unsigned\":{\"age\":%lld}", (long long)age_ms);
	return x_asprintf("{\"type\":\"m.room.message\",\"sender\":\"%s\",\"event_id\":\"%s\","
	                  "\"origin_server_ts\":%lld,\"content\":{\"body\":\"!status\"}%s}",
	        sender, id, (long long)sent_ms, age);
}

/* Answers /sync with events of ops (JSON, separated by commas); more: further members of the
 * timeline. */
static void answer_sync(const char *next, const char *events, const char *more)
{
	script_answer(script_wait("GET", "/v3/sync"), 200,
	        "{\"next_batch\":\"%s\",\"rooms\":{\"join\":{\"" FIXTURE_OPS
	        "\":{\"timeline\":{\"events\":[%s]%s}}}}}",
	        next, events, more);
}

static void answer_with_message(const char *next, const char *id, const char *more)
{
	char *event = message(id, "@op:x", clock_now_ms(), -1);

	answer_sync(next, event, more);
	free(event);
}

struct until {
	struct reader *f;
	unsigned stored;
};

static bool has_stored(void *arg)
{
	const struct until *until = arg;

	return until->f->stored >= until->stored;
}

static void wait_stored(struct reader *f, unsigned stored)
{
	struct until until = {f, stored};

	looped_wait(f->l, has_stored, &until);
}

/* The start, up to the first answer of /sync being stored. */
static void begin(struct reader *f)
{
	answer_with_message("s1", "$old", "");
	wait_stored(f, 1);
}

/* What was written before the bot's first start is no command. */
static void first_answer_is_old(void **state)
{
	struct reader *f = *state;

	begin(f);
	assert_string_equal(f->seen, "");
	answer_with_message("s2", "$new", "");
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$new ");
}

static enum err read_position(struct store *store, void *arg)
{
	return state_get(store, "sync.since", arg);
}

static void assert_position(struct reader *f, const char *expected)
{
	char *position = NULL;

	assert_int_equal(looped_work(f->l, read_position, &position), OK);
	assert_string_equal(position, expected);
	free(position);
}

/* The echo of what the bot sent, and an answer with nothing in it: the sync goes on without a
 * commit, and the position is stored with the next answer that changes something. */
static void answers_with_nothing_for_the_bot_cost_no_commit(void **state)
{
	struct reader *f = *state;
	char *echo = message("$echo", FIXTURE_USER, clock_now_ms(), -1);

	begin(f);
	answer_with_message("s2", "$2", "");
	wait_stored(f, 2);
	answer_sync("s3", echo, "");
	wait_stored(f, 3);
	answer_sync("s4", "", "");
	wait_stored(f, 4);
	assert_position(f, "s2");
	answer_with_message("s5", "$5", "");
	wait_stored(f, 5);
	assert_position(f, "s5");
	assert_string_equal(f->seen, "$2 $5 ");
	free(echo);
}

#define TALK(type, id, content)                                                \
	"{\"type\":\"" type "\",\"sender\":\"@op:x\",\"event_id\":\"" id "\"," \
	"\"content\":{" content "}}"
#define REACTION(key) \
	"\"m.relates_to\":{\"rel_type\":\"m.annotation\",\"event_id\":\"$1\",\"key\":\"" key "\"}"

/* Nor does what people say to each other; what may be meant for the bot is stored at once. */
static void talk_costs_no_commit(void **state)
{
	static const struct {
		const char *event;
		bool stored;
	} cases[] = {
	        {TALK("m.room.message", "$1", "\"msgtype\":\"m.text\",\"body\":\"hello\""), false},
	        {TALK("m.room.message", "$2", "\"msgtype\":\"m.image\",\"body\":\"a.png\""), false},
	        {TALK("m.room.message", "$3", "\"msgtype\":\"m.text\",\"body\":\"!!!\""), false},
	        {TALK("m.reaction", "$4", REACTION("🎉")), false},
	        {TALK("m.sticker", "$5", "\"body\":\"a cat\""), false},
	        {TALK("m.reaction", "$6", REACTION("👍")), true},
	        {TALK("m.room.message", "$7", "\"body\":\"without a type\""), false},
	        {TALK("m.room.message", "$8",
	                 "\"msgtype\":\"m.key.verification.request\",\"body\":\"verify\""),
	                true},
	        {TALK("m.room.message", "$9", "\"msgtype\":\"m.text\",\"body\":\"!help\""), true},
	        {TALK("m.room.redaction", "$10", "\"redacts\":\"$1\""), true},
	        {TALK("m.room.encrypted", "$11", "\"algorithm\":\"none\""), true},
	};
	struct reader *f = *state;
	char next[8], position[8] = "s1";

	begin(f);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(next, sizeof(next), "t%u", i);
		answer_sync(next, cases[i].event, "");
		wait_stored(f, i + 2);
		if (cases[i].stored)
			memcpy(position, next, sizeof(position));
		assert_position(f, position);
	}
}

static enum err forget_own(struct store *store, void *arg)
{
	return outbox_delete(store, *(int64_t *)arg);
}

static enum err freeze_own(struct store *store, void *arg)
{
	struct outbox_row row = {.purpose = OUTBOX_NOTE,
	        .room = (char *)"ops",
	        .type = (char *)"m.room.message",
	        .content = (char *)"{}",
	        .created_ms = 1};
	enum err err = outbox_insert(store, &row);

	row.state = OUTBOX_FROZEN;
	row.room_id = (char *)FIXTURE_OPS;
	row.frozen_ms = row.known_ms = clock_now_ms();
	row.tries = 1;
	*(char **)arg = row.txn_id;
	return err == OK ? outbox_update(store, &row) : err;
}

/* Each time another event id. */
static void answer_about(struct reader *f, char *events, unsigned stored)
{
	for (char *own = events; (own = strstr(own, "$own")); own++)
		memcpy(own, f->own_id, 4);
	answer_sync("a", events, "");
	wait_stored(f, stored);
	free(events);
}

/* The request that sends an event is not answered yet, but others see the event already. */
static void what_is_about_an_event_on_its_way_finds_it(void **state)
{
	static const char *const about[] = {
	        "\"type\":\"m.reaction\",\"content\":{\"m.relates_to\":{\"rel_type\":"
	        "\"m.annotation\",\"event_id\":\"$own\",\"key\":\"✅\"}}",
	        "\"type\":\"m.room.message\",\"content\":{\"body\":\"!ack\",\"m.relates_to\":{"
	        "\"m.in_reply_to\":{\"event_id\":\"$own\"}}}",
	        "\"type\":\"m.room.redaction\",\"redacts\":\"$own\",\"content\":{}",
	        "\"type\":\"m.room.redaction\",\"content\":{\"redacts\":\"$own\"}"};
	struct reader *f = *state;
	unsigned stored = 1;
	char *txn_id;

	script_rule("PUT", "/v3/rooms/%21ops%3Afake.local/send/", 200, NULL); /* no answer */
	begin(f);
	for (size_t i = 0; i < sizeof(about) / sizeof(about[0]); i++) {
		snprintf(f->own_id, sizeof(f->own_id), "$ow%zu", i);
		assert_int_equal(looped_work(f->l, freeze_own, &txn_id), OK);
		answer_about(f,
		        x_asprintf("{\"type\":\"m.room.message\",\"sender\":\"" FIXTURE_USER
		                   "\",\"event_id\":\"$own\",\"content\":{},"
		                   "\"unsigned\":{\"transaction_id\":\"%s\"}}",
		                txn_id),
		        ++stored);
		answer_about(f,
		        x_asprintf("{\"sender\":\"@op:x\",\"event_id\":\"$about\",%s}", about[i]),
		        ++stored);
		assert_string_equal(f->own.txn_id, txn_id);
		assert_int_equal(f->own.state, OUTBOX_FROZEN); /* the answer is still to come */
		assert_int_equal(looped_work(f->l, forget_own, &f->own.id), OK);
		outbox_row_finish(&f->own);
		free(txn_id);
	}
}

/* What the encryption must see is stored before the sync goes on, since the homeserver forgets it
 * then. */
static void answers_about_keys_are_stored_at_once(void **state)
{
	static const char *const parts[] = {"\"device_lists\":{\"changed\":[\"@op:x\"]}",
	        "\"device_lists\":{\"left\":[\"@op:x\"]}",
	        "\"to_device\":{\"events\":[{\"type\":\"m.dummy\",\"content\":{}}]}",
	        "\"device_one_time_keys_count\":{\"signed_curve25519\":7}",
	        "\"device_unused_fallback_key_types\":[]"};
	struct reader *f = *state;
	char next[8];

	begin(f);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		snprintf(next, sizeof(next), "k%zu", i);
		script_answer(script_wait("GET", "/v3/sync"), 200, "{\"next_batch\":\"%s\",%s}",
		        next, parts[i]);
		wait_stored(f, (unsigned)i + 2);
		assert_position(f, next);
	}
}

/* Synapse names the bot's own device list with each echo when the bot sends to several rooms: see
 * own_list.h. */
static void own_list_beside_own_membership_costs_no_commit_each_time(void **state)
{
	static const char answer[] =
	        "{\"next_batch\":\"%s\",\"device_lists\":{\"changed\":[\"" FIXTURE_USER
	        "\"]},\"rooms\":{\"join\":{\"" FIXTURE_OPS "\":{\"state\":{\"events\":[{\"type\":"
	        "\"m.room.member\",\"state_key\":\"" FIXTURE_USER
	        "\",\"content\":{\"membership\":\"join\"}}]},\"timeline\":{\"events\":[]}}}}}";
	struct reader *f = *state;

	begin(f);
	script_answer(script_wait("GET", "/v3/sync"), 200, answer, "s2");
	wait_stored(f, 2);
	assert_position(f, "s2");
	script_answer(script_wait("GET", "/v3/sync"), 200, answer, "s3");
	wait_stored(f, 3);
	assert_position(f, "s2");
}

/* A page of what was left out, newest first. */
static void answer_page(const char *newer, const char *older, const char *end)
{
	char *first = message(newer, "@op:x", clock_now_ms(), -1);
	char *second = message(older, "@op:x", clock_now_ms(), -1);
	struct http_request *page = script_wait("GET", MESSAGES);

	assert_non_null(strstr(script_path(page), "to=s1"));
	if (end)
		script_answer(page, 200, "{\"chunk\":[%s,%s],\"end\":\"%s\"}", first, second, end);
	else
		script_answer(page, 200, "{\"chunk\":[%s,%s]}", first, second);
	free(first);
	free(second);
}

static void what_was_left_out_comes_first_and_in_order(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	answer_page("$4", "$3", "p2");
	answer_page("$2", "$1", NULL);
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$1 $2 $3 $4 $5 ");
}

static void page_that_fails_is_asked_for_again(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	script_answer(script_wait("GET", MESSAGES), 502, "{}");
	assert_int_equal(f->stored, 1);
	answer_page("$4", "$3", NULL);
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$3 $4 $5 ");
}

static void page_that_is_refused_is_given_up(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	script_answer(script_wait("GET", MESSAGES), 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$5 ");
}

/* A homeserver that always has another page. */
static void pages_have_an_end(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	for (int i = 0; i < PAGES; i++)
		script_answer(script_wait("GET", MESSAGES), 200,
		        "{\"chunk\":[{\"type\":\"m.room.topic\",\"state_key\":\"\"}],\"end\":"
		        "\"p\"}");
	wait_stored(f, 2);
	assert_int_equal(script_count("GET", MESSAGES), PAGES);
	assert_string_equal(f->seen, "$5 ");
}

/* The sender has power 50; then an event takes it away. */
static void begin_and_lower_power(struct reader *f)
{
	begin(f);
	answer_with_message("s2", "$1", "");
	wait_stored(f, 2);
	assert_int_equal(f->power, 50);
	answer_sync("s3",
	        "{\"type\":\"m.room.power_levels\",\"sender\":\"@admin:x\",\"event_id\":\"$p\","
	        "\"state_key\":\"\",\"content\":{\"users\":{\"@op:x\":0}}}",
	        "");
	wait_stored(f, 3);
}

static void power_is_fetched_once_and_followed(void **state)
{
	struct reader *f = *state;

	begin_and_lower_power(f);
	answer_with_message("s4", "$2", "");
	wait_stored(f, 4);
	assert_int_equal(f->power, 0);
	/* once; the others are asked for with the room, and when they have changed */
	assert_in_range(script_count("GET", LEVELS), 1, 3);
}

/* Two events were written at the same time, the levels and one that does not know them: the state
 * before the second is older than what the first has told. */
static void state_beside_a_timeline_may_be_older_than_what_was_told(void **state)
{
	struct reader *f = *state;

	begin_and_lower_power(f);
	script_rule("GET", LEVELS, 200, "{\"users\":{\"@op:x\":0}}");
	answer_with_message("s4", "$2",
	        "},\"state\":{\"events\":[{\"type\":\"m.room.power_levels\",\"sender\":"
	        "\"@admin:x\",\"event_id\":\"$o\",\"state_key\":\"\",\"content\":{\"users\":"
	        "{\"@op:x\":50}}}]");
	wait_stored(f, 4);
	assert_int_equal(f->power, 0);
}

/* For a minute they cannot be had: unknown, not none, and asked for again with the next event. */
static void power_that_cannot_be_had_is_asked_for_again(void **state)
{
	struct reader *f = *state;

	script_rule("GET", LEVELS, 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	begin(f);
	answer_with_message("s2", "$1", "");
	wait_stored(f, 2);
	assert_int_equal(f->power, ROOM_POWER_UNKNOWN);
	script_rule("GET", LEVELS, 404, "{\"errcode\":\"M_UNRECOGNIZED\"}");
	answer_with_message("s3", "$2", "");
	wait_stored(f, 3);
	assert_int_equal(f->power, ROOM_POWER_UNKNOWN);
	script_rule("GET", LEVELS, 200, "{\"users\":{\"@op:x\":50}}");
	answer_with_message("s4", "$3", "");
	wait_stored(f, 4);
	assert_int_equal(f->power, 50);
}

/* While too much happened for an answer with rooms, the levels may have changed unseen. */
static void power_is_asked_for_again_after_an_answer_without_rooms(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$1", "");
	wait_stored(f, 2);
	assert_int_equal(f->power, 50);
	script_rule("GET", LEVELS, 200, "{\"users\":{\"@op:x\":0}}");
	script_rule("GET", MESSAGES, 200, "{\"chunk\":[]}");
	for (int i = 0; i < 2; i++)
		script_fail(script_wait("GET", "/v3/sync"), ERR_TOO_LARGE, true);
	answer_sync("s3", "", "");
	wait_stored(f, 3);
	answer_with_message("s4", "$2", "");
	wait_stored(f, 4);
	assert_int_equal(f->power, 0);
}

static void job_that_fails_is_done_again_as_a_whole(void **state)
{
	struct reader *f = *state;

	begin(f);
	f->fails = 1;
	answer_with_message("s2", "$1", "");
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$1 ");
	assert_int_equal(f->fails, 0);
}

/* A batch with a bad event in its midst. */
static void answer_with_bad(struct reader *f, const char *next, enum err damage)
{
	char *events[] = {message("$1", "@op:x", clock_now_ms(), -1),
	        message("$bad", "@op:x", clock_now_ms(), -1),
	        message("$2", "@op:x", clock_now_ms(), -1)};
	char *all = x_asprintf("%s,%s,%s", events[0], events[1], events[2]);

	f->damage = damage;
	f->seen[0] = '\0';
	answer_sync(next, all, "");
	for (size_t i = 0; i < 3; i++)
		free(events[i]);
	free(all);
}

static void damage_concerns_its_event_alone(void **state)
{
	static const enum err damages[] = {ERR_CORRUPT, ERR_DAMAGED, ERR_INVALID, ERR_NOT_FOUND};
	struct reader *f = *state;

	begin(f);
	for (unsigned i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		char next[8];

		snprintf(next, sizeof(next), "s%u", i + 2);
		answer_with_bad(f, next, damages[i]);
		wait_stored(f, i + 2);
		assert_string_equal(f->seen, "$1 $2 ");
	}
}

static void what_fails_each_time_is_left_out_alone(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_bad(f, "s2", ERR_IO);
	wait_stored(f, 2);
	assert_string_equal(f->seen, "$1 $1 $1 $1 $1 $2 ");
	f->seen[0] = '\0';
	answer_with_message("s3", "$3", "");
	wait_stored(f, 3);
	assert_string_equal(f->seen, "$3 ");
}

/* Clocks differ: how late an event is, the homeserver's own word says. */
static void lateness_is_the_homeservers_word(void **state)
{
	struct reader *f = *state;
	char *event = message("$1", "@op:x", clock_now_ms() - CLOCK_DAY_MS, 40);

	begin(f);
	answer_sync("s2", event, "");
	wait_stored(f, 2);
	assert_true(f->late_ms < CLOCK_MINUTE_MS);
	free(event);
	event = message("$2", "@op:x", clock_now_ms() - CLOCK_DAY_MS, -1);
	answer_sync("s3", event, "");
	wait_stored(f, 3);
	assert_true(f->late_ms >= CLOCK_DAY_MS);
	free(event);
}

/* What no clock says: it is late or not, and nothing overflows. */
static void impossible_times_are_bounded(void **state)
{
	static const struct {
		int64_t sent_ms, age_ms;
		bool late;
	} cases[] = {{0, INT64_MAX, true}, {INT64_MIN, -1, true}, {INT64_MAX, -1, false},
	        {INT64_MIN, 40, false}, {INT64_MAX, INT64_MAX, true}};
	struct reader *f = *state;

	begin(f);
	for (int i = 0; i < 5; i++) {
		char id[8], next[8], *event;

		snprintf(id, sizeof(id), "$%d", i);
		snprintf(next, sizeof(next), "s%d", i + 2);
		event = message(id, "@op:x", cases[i].sent_ms, cases[i].age_ms);
		answer_sync(next, event, "");
		wait_stored(f, (unsigned)i + 2);
		assert_int_equal(f->late_ms > CLOCK_MINUTE_MS, cases[i].late);
		free(event);
	}
}

static void close_during_page(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	script_wait("GET", MESSAGES);
	close_link(f);
	assert_string_equal(f->seen, "");
}

static void close_before_the_next_try(void **state)
{
	struct reader *f = *state;

	begin(f);
	answer_with_message("s2", "$5", ",\"limited\":true,\"prev_batch\":\"p1\"");
	script_fail(script_wait("GET", MESSAGES), ERR_NET, false);
	looped_turn(f->l, 5);
	close_link(f);
	assert_string_equal(f->seen, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(first_answer_is_old),
	        TEST(answers_with_nothing_for_the_bot_cost_no_commit),
	        cmocka_unit_test_setup_teardown(talk_costs_no_commit, setup_commands, teardown),
	        TEST(what_is_about_an_event_on_its_way_finds_it),
	        TEST(answers_about_keys_are_stored_at_once),
	        TEST(own_list_beside_own_membership_costs_no_commit_each_time),
	        TEST(what_was_left_out_comes_first_and_in_order),
	        TEST(page_that_fails_is_asked_for_again),
	        TEST(page_that_is_refused_is_given_up),
	        TEST(pages_have_an_end),
	        TEST(power_is_fetched_once_and_followed),
	        TEST(state_beside_a_timeline_may_be_older_than_what_was_told),
	        TEST(power_that_cannot_be_had_is_asked_for_again),
	        TEST(power_is_asked_for_again_after_an_answer_without_rooms),
	        TEST(job_that_fails_is_done_again_as_a_whole),
	        TEST(damage_concerns_its_event_alone),
	        TEST(what_fails_each_time_is_left_out_alone),
	        TEST(lateness_is_the_homeservers_word),
	        TEST(impossible_times_are_bounded),
	        TEST(close_during_page),
	        TEST(close_before_the_next_try),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

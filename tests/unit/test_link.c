/*
 * Tests of the way to the homeserver: going online, losing the token, another device, answers of
 * /sync and what they cause, and closing and reloading at each step of the start. With the link
 * come the vault, the timeline, the rooms and their members.
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
#include "storage/state.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define COMMANDS "[commands]\nusers = @op:fake.local\n"
#define STEPS_MAX 400 /* turns of the loop in which a start is over */

struct linked {
	struct looped *l;
	struct courier *courier;
	struct link *link; /* NULL once closed */
	char fatal[512];
	unsigned stored;  /* answers of /sync */
	unsigned whoamis; /* before the start that is tested */
	bool stopped, closed;
	uv_sem_t gate;
};

static void on_fatal(const char *message, void *arg)
{
	struct linked *f = arg;

	snprintf(f->fatal, sizeof(f->fatal), "%s", message);
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
	struct linked *f = arg;

	f->stored++;
}

static void open_link(struct linked *f)
{
	struct courier_events courier_events = {0};
	struct link_events events = {on_fatal, on_happened, on_status, on_stored, f};
	struct link_options options = {.loop = &f->l->loop, .writer = f->l->writer};
	struct fault fault = {0};

	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &courier_events);
	options.courier = f->courier;
	assert_int_equal(link_create(&f->link, &options, f->l->config, &events, &fault), OK);
	f->stopped = f->closed = false;
}

static void close_link(struct linked *f)
{
	bool courier_closed = false;

	courier_stop(f->courier, 100, turn_set, &f->stopped);
	looped_until(f->l, &f->stopped);
	link_close(f->link, turn_set, &f->closed);
	looped_until(f->l, &f->closed);
	courier_close(f->courier, turn_set, &courier_closed);
	looped_until(f->l, &courier_closed);
	f->link = NULL;
}

static int setup(void **state)
{
	struct linked *f = x_calloc(1, sizeof(*f));

	f->l = looped_begin(COMMANDS);
	looped_good_homeserver();
	uv_sem_init(&f->gate, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct linked *f = *state;

	if (f->link)
		close_link(f);
	looped_end(f->l);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

static bool is_online(void *arg)
{
	const struct linked *f = arg;
	const struct rooms *rooms = link_rooms(f->link);

	return !link_problem(f->link)[0] && rooms && rooms_get(rooms, "ops")->ready &&
	       rooms_get(rooms, "dev")->ready;
}

static bool has_stored(void *arg)
{
	const struct linked *f = arg;

	return f->stored > 0;
}

/* An answer of /sync with one message in ops, or with none (sender NULL). */
static void answer_sync(const char *next, const char *sender, const char *id, const char *body)
{
	struct http_request *sync = script_wait("GET", "/v3/sync");

	if (!sender) {
		script_answer(sync, 200, "{\"next_batch\":\"%s\"}", next);
		return;
	}
	script_answer(sync, 200,
	        "{\"next_batch\":\"%s\",\"rooms\":{\"join\":{\"" FIXTURE_OPS
	        "\":{\"timeline\":{\"events\":[{\"type\":\"m.room.message\",\"sender\":\"%s\","
	        "\"event_id\":\"%s\",\"origin_server_ts\":%lld,\"content\":{\"msgtype\":"
	        "\"m.text\",\"body\":\"%s\"}}]}}}}}",
	        next, sender, id, (long long)clock_now_ms(), body);
}

static void goes_online_and_sends(void **state)
{
	struct linked *f = *state;
	struct http_request *put;

	open_link(f);
	assert_string_not_equal(link_problem(f->link), "");
	looped_alert(f->l, "{\"op\":\"alert\",\"app\":\"etl\",\"severity\":\"critical\"}");
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	courier_poke(f->courier);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
	assert_string_equal(f->fatal, "");
}

/* The next answer is asked for only when the last one is stored, from where it ended. */
static void sync_goes_on_from_what_is_stored(void **state)
{
	struct linked *f = *state;
	struct http_request *sync;

	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	sync = script_wait("GET", "/v3/sync");
	assert_non_null(strstr(script_path(sync), "since=s1"));
	assert_int_equal(f->stored, 1);
	close_link(f);
	open_link(f); /* another start, from the same database */
	sync = script_wait("GET", "/v3/sync");
	assert_non_null(strstr(script_path(sync), "since=s1"));
}

/* What is stored of the rooms saves requests before the first message of the next run. */
static void the_next_start_asks_little_before_it_sends(void **state)
{
	struct linked *f = *state;
	unsigned joins, states;

	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	answer_sync("s2", NULL, NULL, NULL);
	script_wait("GET", "/v3/sync");
	close_link(f);
	joins = script_count("POST", "/v3/join/");
	states = script_count("GET", "/v3/rooms/");
	looped_alert(f->l, "{\"op\":\"alert\",\"app\":\"etl\",\"severity\":\"critical\"}");
	open_link(f);
	answer_sync("s3", NULL, NULL, NULL);
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	assert_int_equal(script_count("POST", "/v3/join/"), joins);
	assert_int_equal(script_count("GET", "/v3/rooms/"), states);
	assert_int_equal(script_count("GET", "/versions"), 0);
}

static enum err other_device(struct store *store, void *arg)
{
	return state_set(store, "device_id", "OTHER");
}

static bool is_fatal(void *arg)
{
	const struct linked *f = arg;

	return f->fatal[0];
}

/* One start that proves the token, and its end. */
static void start_once(struct linked *f)
{
	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	answer_sync("s2", NULL, NULL, NULL);
	script_wait("GET", "/v3/sync");
	close_link(f);
	looped_alert(f->l, "{\"op\":\"alert\",\"app\":\"etl\",\"severity\":\"critical\"}");
	f->whoamis = script_count("GET", "/v3/account/whoami");
}

static bool has_asked_whoami(void *arg)
{
	const struct linked *f = arg;

	return script_count("GET", "/v3/account/whoami") > f->whoamis;
}

static enum err read_proof(struct store *store, void *arg)
{
	return state_get(store, "token.proof", arg);
}

/* What waited is sent with the token that the last run has proven, and /whoami asked after it. */
static void a_known_token_sends_before_it_is_confirmed(void **state)
{
	struct linked *f = *state;
	char *proof;

	start_once(f);
	open_link(f);
	assert_string_equal(link_problem(f->link), "not connected yet");
	answer_sync("s3", NULL, NULL, NULL);
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	assert_false(has_asked_whoami(f));
	looped_wait(f->l, has_asked_whoami, f);
	assert_int_equal(looped_work(f->l, read_proof, &proof), OK);
	assert_null(strstr(proof, "good")); /* the token */
	free(proof);
}

static void a_known_token_that_is_refused_sends_nothing(void **state)
{
	struct linked *f = *state;

	start_once(f);
	script_rule("GET", "/v3/account/whoami", 401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}");
	open_link(f);
	script_answer(script_wait("GET", "/v3/sync"), 401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}");
	looped_wait(f->l, has_asked_whoami, f);
	looped_turn(f->l, 20);
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
	assert_non_null(strstr(link_problem(f->link), "refuses the access token"));
}

/* Another token, another homeserver or another account: /whoami first. */
static enum err other_proof(struct store *store, void *arg)
{
	return state_set(store, "token.proof", "AAAAAAAAAAAAAAAAAAAAAA.AAAA");
}

static enum err other_user(struct store *store, void *arg)
{
	return state_set(store, "user_id", "@other:fake.local");
}

static void an_unknown_token_is_proven_first(void **state)
{
	struct linked *f = *state;
	writer_work_fn changes[] = {other_proof, other_user, other_device};
	unsigned syncs;

	start_once(f);
	script_rule("GET", "/v3/account/whoami", 200, NULL);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_int_equal(looped_work(f->l, changes[i], NULL), OK);
		syncs = script_count("GET", "/v3/sync");
		open_link(f);
		script_wait("GET", "/v3/account/whoami");
		looped_turn(f->l, 20);
		assert_int_equal(script_count("GET", "/v3/sync"), syncs);
		assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
		close_link(f);
	}
}

static void a_known_token_of_another_device_is_fatal(void **state)
{
	struct linked *f = *state;

	start_once(f);
	script_rule("GET", "/v3/account/whoami", 200,
	        "{\"user_id\":\"" FIXTURE_USER "\",\"device_id\":\"DEV2\"}");
	open_link(f);
	looped_wait(f->l, is_fatal, f);
	assert_non_null(strstr(f->fatal, "DEV2"));
	assert_int_equal(script_count("PUT", FIXTURE_SEND_OPS), 0);
}

static void a_command_is_answered_in_its_room(void **state)
{
	struct linked *f = *state;
	struct http_request *put;

	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	answer_sync("s2", "@op:fake.local", "$c1", "!silences");
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_string_equal(script_member(put, "msgtype"), "m.notice");
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
}

static void refused_token_is_read_again(void **state)
{
	struct linked *f = *state;
	struct http_request *sync;

	open_link(f);
	sync = script_wait("GET", "/v3/sync");
	looped_wait(f->l, is_online, f);
	script_answer(sync, 401, "{\"errcode\":\"M_UNKNOWN_TOKEN\",\"error\":\"gone\"}");
	sync = script_wait("GET", "/v3/sync");
	assert_string_equal(script_bearer(sync), "good");
	assert_true(script_count("GET", "/v3/account/whoami") >= 2);
}

/* Locked, and for long: the end of it is heard of by a send, and /sync need not wait. */
static void what_ends_a_refusal_wakes_the_sync(void **state)
{
	struct linked *f = *state;
	unsigned syncs;

	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	for (int i = 0; i < 3; i++) /* the next wait takes a second at least */
		script_answer(script_wait("GET", "/v3/sync"), 401,
		        "{\"errcode\":\"M_USER_LOCKED\",\"error\":\"locked\"}");
	looped_turn(f->l, 5);
	syncs = script_count("GET", "/v3/sync");
	link_try_now(f->link);
	assert_int_equal(script_count("GET", "/v3/sync"), syncs + 1);
	answer_sync("s2", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
}

static void homeserver_that_does_not_answer_is_asked_again(void **state)
{
	struct linked *f = *state;

	script_rule("GET", "/v3/account/whoami", 200, NULL);
	open_link(f);
	script_fail(script_wait("GET", "/v3/account/whoami"), ERR_NET, false);
	script_fail(script_wait("GET", "/v3/account/whoami"), ERR_TIMEOUT, false);
	assert_string_not_equal(link_problem(f->link), "");
	script_answer(script_wait("GET", "/v3/account/whoami"), 200,
	        "{\"user_id\":\"" FIXTURE_USER "\",\"device_id\":\"DEV1\"}");
	looped_wait(f->l, is_online, f);
}

static void another_device_is_fatal(void **state)
{
	struct linked *f = *state;

	assert_int_equal(looped_work(f->l, other_device, NULL), OK);
	open_link(f);
	looped_wait(f->l, is_fatal, f);
	assert_non_null(strstr(f->fatal, "OTHER"));
	assert_non_null(strstr(f->fatal, "--accept-new-device"));
	assert_int_equal(script_count("GET", "/v3/sync"), 0);
}

/* --- lifetime ------------------------------------------------------------------------------ */

/* However far the start is, it ends cleanly, and the next one goes online. */
static void close_at_each_turn_of_the_start(void **state)
{
	struct linked *f = *state;
	unsigned n;

	for (n = 0; n < STEPS_MAX && !has_stored(f); n += 1 + n / 16) {
		open_link(f);
		for (unsigned i = 0; i < n; i++) {
			uv_run(&f->l->loop, i < n / 2 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
			if (script_open("GET", "/v3/sync") > 0)
				break;
		}
		close_link(f);
	}
	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
}

static void reload_at_each_turn_of_the_start(void **state)
{
	struct linked *f = *state;

	for (unsigned n = 0; n < 40; n += 2) {
		open_link(f);
		for (unsigned i = 0; i < n && script_open("GET", "/v3/sync") == 0; i++)
			uv_run(&f->l->loop, UV_RUN_ONCE);
		link_configure(f->link, f->l->config);
		script_wait("GET", "/v3/sync");
		looped_wait(f->l, is_online, f);
		close_link(f);
	}
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct linked *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

/* The writer stands still with an answer of /sync queued behind. */
static void hold_batch(struct linked *f)
{
	looped_wait(f->l, has_stored, f);
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	looped_turn(f->l, 2);
	answer_sync("s2", "@op:fake.local", "$c1", "!silences");
	looped_turn(f->l, 10);
	assert_true(writer_pending(f->l->writer) >= 2);
}

static void hold_with_a_batch(struct linked *f)
{
	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	hold_batch(f);
}

static void reload_during_batch(void **state)
{
	struct linked *f = *state;
	struct config *fresh = looped_config(f->l, "[commands]\nusers = @other:fake.local\n");

	hold_with_a_batch(f);
	link_configure(f->link, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	script_answer(script_wait("PUT", FIXTURE_SEND_OPS), 200, "{\"event_id\":\"$1\"}");
	script_wait("GET", "/v3/sync");
	assert_int_equal(f->stored, 2);
}

static void close_during_batch(void **state)
{
	struct linked *f = *state;

	hold_with_a_batch(f);
	courier_stop(f->courier, 100, turn_set, &f->stopped);
	looped_turn(f->l, 5);
	assert_false(f->stopped); /* a choice is queued behind */
	uv_sem_post(&f->gate);
	looped_until(f->l, &f->stopped);
	link_close(f->link, turn_set, &f->closed);
	looped_until(f->l, &f->closed);
	f->closed = false;
	courier_close(f->courier, turn_set, &f->closed);
	looped_until(f->l, &f->closed);
	f->link = NULL;
	/* the command was carried out with its batch, and not a second time */
	open_link(f);
	assert_non_null(strstr(script_path(script_wait("GET", "/v3/sync")), "since=s2"));
}

/* A send finds out that the token is no longer good while an answer of /sync is being stored. */
static void offline_during_batch(void **state)
{
	struct linked *f = *state;
	struct http_request *put;

	open_link(f);
	answer_sync("s1", NULL, NULL, NULL);
	looped_wait(f->l, is_online, f);
	looped_alert(f->l, "{\"op\":\"alert\",\"app\":\"etl\",\"severity\":\"critical\"}");
	courier_poke(f->courier);
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	hold_batch(f);
	script_answer(put, 401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}");
	looped_turn(f->l, 10);
	assert_string_not_equal(link_problem(f->link), "");
	uv_sem_post(&f->gate);
	/* back with the same token, both go on */
	put = script_wait("PUT", FIXTURE_SEND_OPS);
	assert_non_null(strstr(script_path(script_wait("GET", "/v3/sync")), "since=s2"));
	script_answer(put, 200, "{\"event_id\":\"$1\"}");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(goes_online_and_sends),
	        TEST(sync_goes_on_from_what_is_stored),
	        TEST(the_next_start_asks_little_before_it_sends),
	        TEST(a_known_token_sends_before_it_is_confirmed),
	        TEST(a_known_token_that_is_refused_sends_nothing),
	        TEST(an_unknown_token_is_proven_first),
	        TEST(a_known_token_of_another_device_is_fatal),
	        TEST(a_command_is_answered_in_its_room),
	        TEST(refused_token_is_read_again),
	        TEST(what_ends_a_refusal_wakes_the_sync),
	        TEST(homeserver_that_does_not_answer_is_asked_again),
	        TEST(another_device_is_fatal),
	        TEST(close_at_each_turn_of_the_start),
	        TEST(reload_at_each_turn_of_the_start),
	        TEST(reload_during_batch),
	        TEST(close_during_batch),
	        TEST(offline_during_batch),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

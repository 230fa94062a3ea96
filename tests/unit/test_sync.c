/*
 * test_sync.c - the /sync loop against a scripted server.
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
#include "bot/matrix/sync.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

#define FILTER_PATH "/_matrix/client/v3/user/%40bot%3Ax/filter"
#define SYNC_PATH "/_matrix/client/v3/sync"

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	struct mx *mx;
	struct sync *sync;
	/* answers a /sync; NULL = next_batch counts up */
	void (*script)(struct fixture *f, struct peer_request *request);
	int filters, polls; /* seen by the server */
	int refusals;       /* still to be given */
	char targets[8][2048];
	struct peer_request *held;
	/* seen by the owner */
	int batches, firsts, blinds, ups, downs;
	char next_batch[32], error[256];
	int wanted;  /* batches after which `done` is set */
	bool hold;   /* the owner does not go on by itself */
	bool echoes; /* what comes is nothing but what the bot sent */
	bool close_in_batch;
	bool done, got_down, got_held, sync_closed, http_closed, peer_closed;
};

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;
	char next[32];

	if (peer_is(request, "POST", FILTER_PATH)) {
		assert_non_null(strstr(peer_body(request), "\"limit\":100"));
		assert_non_null(strstr(peer_body(request), "\"lazy_load_members\":true"));
		peer_answer_json(request, 200, "{s:s}", "filter_id", f->filters++ ? "f2" : "f1");
		return;
	}
	assert_true(peer_is(request, "GET", SYNC_PATH));
	snprintf(f->targets[f->polls++ % 8], sizeof(f->targets[0]), "%s", peer_target(request));
	if (f->script) {
		f->script(f, request);
		return;
	}
	snprintf(next, sizeof(next), "s%d", f->polls);
	peer_answer_json(request, 200, "{s:s}", "next_batch", next);
}

static void on_batch(
        const json_t *answer, const char *next_batch, bool first, bool blind, void *arg)
{
	struct fixture *f = arg;

	f->blinds += blind;
	assert_string_equal(json_string_value(json_object_get(answer, "next_batch")), next_batch);
	snprintf(f->next_batch, sizeof(f->next_batch), "%s", next_batch);
	f->batches++;
	f->firsts += first;
	if (f->batches == f->wanted)
		f->done = true;
	else if (!f->hold)
		sync_next(f->sync, !f->echoes);
	if (f->close_in_batch)
		sync_close(f->sync, turn_set, &f->sync_closed);
}

static void on_state(bool up, const char *error, void *arg)
{
	struct fixture *f = arg;

	if (up)
		f->ups++;
	else
		f->downs++;
	f->got_down = !up;
	snprintf(f->error, sizeof(f->error), "%s", error);
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};
	struct sync_events events = {.on_batch = on_batch, .on_state = on_state, .arg = f};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->mx = mx_create(f->http, peer_url(f->peer), NULL);
	mx_set_token(f->mx, "token");
	f->sync = sync_create(&f->loop, f->mx, "@bot:x", &events);
	f->wanted = 1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->sync_closed) {
		sync_close(f->sync, turn_set, &f->sync_closed);
		turn_until(&f->loop, &f->sync_closed);
	}
	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	mx_destroy(f->mx);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	free(f);
	return 0;
}

static void run(struct fixture *f, const char *since)
{
	sync_start(f->sync, since);
	turn_until(&f->loop, &f->done);
}

#define TOO_LARGE (16 * 1024 * 1024 + 1)

/* As many answers as are to be refused are too large to take. */
static void answer_too_much(struct fixture *f, struct peer_request *request)
{
	char *text;

	if (f->refusals-- <= 0) {
		peer_answer_json(request, 200, "{s:s}", "next_batch", "small");
		return;
	}
	text = x_calloc(1, TOO_LARGE + 1);
	memset(text, ' ', TOO_LARGE);
	peer_answer(request, 200, NULL, text);
	free(text);
}

static void test_answer_that_is_too_large_is_asked_for_with_less_in_it(void **state)
{
	struct fixture *f = *state;

	f->script = answer_too_much;
	f->refusals = 2;
	run(f, NULL);
	assert_int_equal(f->polls, 3);
	assert_null(strstr(f->targets[0], "m.room.encryption"));
	assert_non_null(strstr(f->targets[1], "m.room.encryption")); /* the state that counts */
	assert_non_null(strstr(f->targets[2], "%22rooms%22%3A%5B%5D"));
	assert_int_equal(f->firsts, 1);
	assert_int_equal(f->blinds, 1);
	f->done = false;
	f->wanted = 2;
	f->refusals = 1; /* what came since is too much as well */
	sync_next(f->sync, true);
	turn_until(&f->loop, &f->done);
	assert_non_null(strstr(f->targets[3], "filter=f1"));
	assert_non_null(strstr(f->targets[4], "%22limit%22%3A1"));
	assert_non_null(strstr(f->targets[4], "since=small"));
	assert_int_equal(f->blinds, 1);
	f->done = false;
	f->wanted = 3;
	sync_next(f->sync, true);
	turn_until(&f->loop, &f->done);
	assert_non_null(strstr(f->targets[5], "filter=f1")); /* whole again */
}

static void test_first_sync_has_a_filter_of_its_own_and_does_not_wait(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(sync_last_ms(f->sync), 0);
	run(f, NULL);
	assert_int_equal(f->firsts, 1);
	assert_int_equal(f->filters, 0);
	assert_non_null(strstr(f->targets[0], "timeout=0"));
	assert_non_null(strstr(f->targets[0], "nonce"));
	assert_null(strstr(f->targets[0], "since="));
	assert_string_equal(f->next_batch, "s1");
	assert_int_equal(f->ups, 1);
	assert_true(sync_last_ms(f->sync) > 0);
	assert_true(clock_now_ms() - sync_last_ms(f->sync) < 60000);
}

static void test_first_filters_differ(void **state)
{
	struct fixture *f = *state;
	char first[512];
	struct sync_events events = {.on_batch = on_batch, .on_state = on_state, .arg = f};

	run(f, NULL);
	memcpy(first, f->targets[0], sizeof(first));
	sync_close(f->sync, turn_set, &f->sync_closed);
	turn_until(&f->loop, &f->sync_closed);
	f->sync_closed = f->done = false;
	f->batches = 0;
	f->sync = sync_create(&f->loop, f->mx, "@bot:x", &events);
	run(f, NULL);
	assert_string_not_equal(first, f->targets[1]);
}

static void test_polls_go_on_from_batch_to_batch(void **state)
{
	struct fixture *f = *state;

	f->wanted = 3;
	run(f, NULL);
	assert_int_equal(f->firsts, 1);
	assert_int_equal(f->filters, 1);
	assert_non_null(strstr(f->targets[1], "filter=f1&since=s1"));
	assert_non_null(strstr(f->targets[1], "timeout=30000"));
	assert_non_null(strstr(f->targets[2], "filter=f1&since=s2"));
	assert_int_equal(f->ups, 1);
	assert_int_equal(f->downs, 0);
}

static void test_stored_since_is_resumed_and_is_not_first(void **state)
{
	struct fixture *f = *state;

	f->wanted = 2;
	run(f, "s_7/ä");
	assert_int_equal(f->firsts, 0);
	assert_non_null(strstr(f->targets[0], "timeout=0&filter=%7B"));
	assert_non_null(strstr(f->targets[0], "%22limit%22%3A100"));
	assert_non_null(strstr(f->targets[0], "&since=s_7%2F%C3%A4"));
	assert_non_null(strstr(f->targets[1], "timeout=30000&filter=f1&since=s1"));
}

/* Continues until that many answers came; the time it took. */
static int64_t run_on_ms(struct fixture *f, int wanted, bool changed)
{
	int64_t started_ms = clock_monotonic_ms();

	f->done = false;
	f->wanted = wanted;
	sync_next(f->sync, changed);
	turn_until(&f->loop, &f->done);
	return clock_monotonic_ms() - started_ms;
}

/* While the bot sends much, each poll is answered at once with what it sent. */
static void test_polls_that_bring_only_echoes_come_more_and_more_apart(void **state)
{
	struct fixture *f = *state;

	f->echoes = true;
	run(f, "s0");
	assert_true(run_on_ms(f, 2, false) >= 290);
	assert_true(run_on_ms(f, 3, false) >= 590);
	assert_true(run_on_ms(f, 4, false) >= 890);
	assert_true(run_on_ms(f, 5, true) < 890); /* anything else was in it */
	assert_true(run_on_ms(f, 6, false) < 890);
}

static void test_next_poll_waits_for_the_owner(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	f->wanted = 1;
	run(f, "s0");
	assert_int_equal(f->polls, 1);
	f->done = false;
	f->wanted = 2;
	sync_next(f->sync, true);
	turn_until(&f->loop, &f->done);
	assert_int_equal(f->polls, 2);
}

static void refuse(struct fixture *f, struct peer_request *request)
{
	static const struct {
		int status;
		const char *headers, *body;
	} failures[] = {
	        {502, NULL, "<html>bad gateway"},
	        {200, NULL, "{\"next_batch\":\"s"},
	        {200, NULL, "{}"},
	};

	if (f->refusals > 0) {
		f->refusals--;
		peer_answer(
		        request, failures[f->refusals].status, NULL, failures[f->refusals].body);
		return;
	}
	peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

static void test_failures_are_tried_again_and_told_once(void **state)
{
	struct fixture *f = *state;
	int64_t start_ms = clock_monotonic_ms();

	f->script = refuse;
	f->refusals = 3;
	run(f, "s0");
	assert_int_equal(f->polls, 4);
	assert_int_equal(f->downs, 1);
	assert_int_equal(f->ups, 1);
	assert_non_null(strstr(f->targets[3], "timeout=0")); /* to know at once */
	assert_non_null(strstr(f->targets[3], "since=s0"));
	assert_true(clock_monotonic_ms() - start_ms >= 250 + 500 + 1000 - 50);
}

static void limit_once(struct fixture *f, struct peer_request *request)
{
	if (f->polls == 1)
		peer_answer(
		        request, 429, "Retry-After: 1\r\n", "{\"errcode\":\"M_LIMIT_EXCEEDED\"}");
	else
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

static void test_wait_that_the_server_asks_for_is_kept(void **state)
{
	struct fixture *f = *state;
	int64_t start_ms = clock_monotonic_ms();

	f->script = limit_once;
	run(f, "s0");
	assert_true(clock_monotonic_ms() - start_ms >= 990);
}

static void refuse_old_token(struct fixture *f, struct peer_request *request)
{
	if (strcmp(peer_header(request, "authorization"), "Bearer new") == 0)
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
	else
		peer_answer_json(request, 401, "{s:s}", "errcode", "M_UNKNOWN_TOKEN");
}

static void test_refused_token_waits_to_be_woken(void **state)
{
	struct fixture *f = *state;

	f->script = refuse_old_token;
	sync_start(f->sync, "s0");
	turn_until(&f->loop, &f->got_down);
	assert_int_equal(f->polls, 1);
	assert_non_null(strstr(f->error, "M_UNKNOWN_TOKEN"));
	mx_set_token(f->mx, "new");
	sync_wake(f->sync);
	turn_until(&f->loop, &f->done);
	assert_int_equal(f->polls, 2);
	assert_int_equal(f->ups, 1);
}

static void test_waking_cuts_a_backoff_short(void **state)
{
	struct fixture *f = *state;

	f->script = refuse;
	f->refusals = 1;
	sync_start(f->sync, "s0");
	turn_until(&f->loop, &f->got_down);
	sync_wake(f->sync);
	sync_wake(f->sync); /* a poll is under way: nothing more */
	turn_until(&f->loop, &f->done);
	assert_int_equal(f->polls, 2);
}

static void forget_position(struct fixture *f, struct peer_request *request)
{
	if (strstr(peer_target(request), "since="))
		peer_answer_json(request, 400, "{s:s}", "errcode", "M_UNKNOWN_POS");
	else
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

static void test_unknown_since_starts_over_as_first(void **state)
{
	struct fixture *f = *state;

	f->script = forget_position;
	run(f, "s0");
	assert_int_equal(f->firsts, 1);
	assert_int_equal(f->polls, 2);
}

static void forget_filter(struct fixture *f, struct peer_request *request)
{
	if (f->polls > 2 && strstr(peer_target(request), "filter=f1"))
		peer_answer_json(request, 404, "{s:s}", "errcode", "M_NOT_FOUND");
	else
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

static void test_filter_that_is_gone_is_stored_anew_and_since_is_kept(void **state)
{
	struct fixture *f = *state;

	f->wanted = 3;
	f->script = forget_filter;
	run(f, "s0");
	assert_int_equal(f->firsts, 0);
	assert_int_equal(f->filters, 2);
	assert_non_null(strstr(f->targets[3], "filter=f2&since=s9"));
}

static void refuse_what_is_inline(struct fixture *f, struct peer_request *request)
{
	if (strstr(peer_target(request), "filter=%7B"))
		peer_answer_json(request, 400, "{s:s}", "errcode", "M_INVALID_PARAM");
	else
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

/* A homeserver that takes stored filters alone costs a request, not the position. */
static void test_filter_in_the_request_may_be_refused(void **state)
{
	struct fixture *f = *state;

	f->script = refuse_what_is_inline;
	run(f, "s0");
	assert_int_equal(f->firsts, 0);
	assert_non_null(strstr(f->targets[1], "filter=f1&since=s0"));
}

static void refuse_as_a_proxy(struct fixture *f, struct peer_request *request)
{
	if (f->polls == 1)
		peer_answer(request, 400, NULL, "<html>bad request");
	else
		peer_answer_json(request, 200, "{s:s}", "next_batch", "s9");
}

static void test_refusal_by_a_proxy_does_not_lose_the_position(void **state)
{
	struct fixture *f = *state;

	f->script = refuse_as_a_proxy;
	run(f, "s0");
	assert_int_equal(f->firsts, 0);
	assert_non_null(strstr(f->targets[1], "since=s0"));
}

static void same_again(struct fixture *f, struct peer_request *request)
{
	(void)f;
	peer_answer_json(request, 200, "{s:s}", "next_batch", "s0");
}

static void test_server_that_does_not_wait_is_not_asked_without_pause(void **state)
{
	struct fixture *f = *state;
	int64_t start_ms = clock_monotonic_ms();

	f->script = same_again;
	f->wanted = 3;
	run(f, "s0");
	assert_true(clock_monotonic_ms() - start_ms >= 990);
}

static void hold(struct fixture *f, struct peer_request *request)
{
	f->held = request;
	f->got_held = true;
}

static void test_close_during_a_poll(void **state)
{
	struct fixture *f = *state;

	f->script = hold;
	sync_start(f->sync, "s0");
	turn_until(&f->loop, &f->got_held);
	sync_close(f->sync, turn_set, &f->sync_closed);
	assert_false(f->sync_closed);
	turn_until(&f->loop, &f->sync_closed);
	assert_int_equal(f->batches, 0);
	assert_int_equal(f->downs, 0);
}

static void test_close_from_within_a_batch(void **state)
{
	struct fixture *f = *state;

	f->close_in_batch = true;
	sync_start(f->sync, "s0");
	turn_until(&f->loop, &f->sync_closed);
	assert_int_equal(f->batches, 1);
}

static void test_close_in_a_backoff(void **state)
{
	struct fixture *f = *state;

	f->script = refuse;
	f->refusals = 1;
	sync_start(f->sync, "s0");
	turn_until(&f->loop, &f->got_down);
	sync_close(f->sync, turn_set, &f->sync_closed);
	turn_until(&f->loop, &f->sync_closed);
	assert_int_equal(f->polls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_answer_that_is_too_large_is_asked_for_with_less_in_it),
	        TEST(test_first_sync_has_a_filter_of_its_own_and_does_not_wait),
	        TEST(test_first_filters_differ),
	        TEST(test_polls_go_on_from_batch_to_batch),
	        TEST(test_stored_since_is_resumed_and_is_not_first),
	        TEST(test_polls_that_bring_only_echoes_come_more_and_more_apart),
	        TEST(test_next_poll_waits_for_the_owner),
	        TEST(test_failures_are_tried_again_and_told_once),
	        TEST(test_wait_that_the_server_asks_for_is_kept),
	        TEST(test_refused_token_waits_to_be_woken),
	        TEST(test_waking_cuts_a_backoff_short),
	        TEST(test_unknown_since_starts_over_as_first),
	        TEST(test_filter_that_is_gone_is_stored_anew_and_since_is_kept),
	        TEST(test_filter_in_the_request_may_be_refused),
	        TEST(test_refusal_by_a_proxy_does_not_lose_the_position),
	        TEST(test_server_that_does_not_wait_is_not_asked_without_pause),
	        TEST(test_close_during_a_poll),
	        TEST(test_close_from_within_a_batch),
	        TEST(test_close_in_a_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

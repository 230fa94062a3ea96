/*
 * The blocking side of the homeserver, against a scripted one that turns in a thread of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "bot/setup/ask.h"
#include "peer.h"

struct fixture {
	uv_loop_t loop; /* of the thread */
	uv_thread_t thread;
	uv_async_t stop;
	uv_sem_t ready;
	struct peer *peer;
	struct config *config;
	char url[64];
};

static void script(struct peer_request *request, void *arg)
{
	if (peer_is(request, "GET", "/_matrix/client/versions"))
		peer_answer(request, 200,
		        "Content-Type: application/json\r\n"
		        "Date: Tue, 24 Nov 2026 09:00:00 GMT\r\n",
		        "{\"versions\":[\"v1.11\"]}");
	else if (peer_is(request, "GET", "/_matrix/client/v3/account/whoami"))
		peer_answer_json(
		        request, 200, "{s:s}", "auth", peer_header(request, "authorization"));
	else if (peer_is(request, "POST", "/_matrix/client/v3/login"))
		peer_answer_json(
		        request, 200, "{s:o}", "got", json_loads(peer_body(request), 0, NULL));
	else if (peer_is(request, "GET", "/_matrix/client/v3/limited"))
		peer_answer_json(request, 429, "{s:s, s:s, s:i}", "errcode", "M_LIMIT_EXCEEDED",
		        "error", "slow", "retry_after_ms", 1500);
	else if (peer_is(request, "GET", "/_matrix/client/v3/reset"))
		peer_reset(request);
	else
		peer_answer_json(
		        request, 404, "{s:s, s:s}", "errcode", "M_NOT_FOUND", "error", "no");
}

static void on_peer_closed(void *arg)
{
}

static void on_stop(uv_async_t *stop)
{
	struct fixture *f = stop->data;

	peer_close(f->peer, on_peer_closed, NULL);
	uv_close((uv_handle_t *)stop, NULL);
}

static void serve(void *arg)
{
	struct fixture *f = arg;

	uv_loop_init(&f->loop);
	uv_async_init(&f->loop, &f->stop, on_stop);
	f->stop.data = f;
	f->peer = peer_create(&f->loop, script, NULL);
	snprintf(f->url, sizeof(f->url), "%s", peer_url(f->peer));
	uv_sem_post(&f->ready);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static struct config *make_config(const char *homeserver)
{
	struct config *config;
	struct buf text, report;

	buf_init(&text, 1024);
	buf_init(&report, 4096);
	buf_printf(
	        &text, "[matrix]\nhomeserver = %s\nuser = @b:e\n[rooms]\nops = #o:e\n", homeserver);
	if (config_parse(buf_str(&text), "f", &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&text);
	buf_finish(&report);
	return config;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	uv_sem_init(&f->ready, 0);
	assert_int_equal(uv_thread_create(&f->thread, serve, f), 0);
	uv_sem_wait(&f->ready);
	f->config = make_config(f->url);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	uv_async_send(&f->stop);
	uv_thread_join(&f->thread);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	uv_sem_destroy(&f->ready);
	config_unref(f->config);
	free(f);
	return 0;
}

static struct ask *open_ask(struct fixture *f)
{
	struct fault fault = {0};
	struct ask *ask;

	if (ask_open(&ask, f->config, &fault) != OK)
		fail_msg("%s", fault.text);
	return ask;
}

static void test_calls_with_and_without_a_token(void **state)
{
	struct fixture *f = *state;
	struct ask *ask = open_ask(f);
	json_t *body = json_pack("{s:s}", "type", "x");
	struct ask_answer answer;

	assert_string_equal(ask_url(ask), f->url);
	ask_call(ask, "GET", "/v3/account/whoami", NULL, &answer);
	assert_int_equal(answer.code, OK);
	assert_string_equal(json_string_value(json_object_get(answer.body, "auth")), "");
	ask_answer_finish(&answer);
	assert_int_equal(ask_set_token(ask, "s3cret"), OK);
	ask_call(ask, "GET", "/v3/account/whoami", NULL, &answer);
	assert_string_equal(
	        json_string_value(json_object_get(answer.body, "auth")), "Bearer s3cret");
	ask_answer_finish(&answer);
	ask_call(ask, "POST", "/v3/login", body, &answer);
	assert_true(json_equal(json_object_get(answer.body, "got"), body));
	ask_answer_finish(&answer);
	assert_int_equal(ask_set_token(ask, "a\r\nb"), ERR_INVALID);
	json_decref(body);
	ask_close(ask);
}

static void test_failures_are_told(void **state)
{
	struct ask *ask = open_ask(*state);
	struct ask_answer answer;

	ask_call(ask, "GET", "/v3/nothing", NULL, &answer);
	assert_int_equal(answer.code, ERR_NOT_FOUND);
	assert_string_equal(answer.errcode, "M_NOT_FOUND");
	assert_non_null(strstr(answer.error, "no"));
	ask_answer_finish(&answer);
	ask_call(ask, "GET", "/v3/limited", NULL, &answer);
	assert_int_equal(answer.code, ERR_LIMITED);
	assert_int_equal(answer.retry_after_ms, 1500);
	ask_answer_finish(&answer);
	ask_call(ask, "GET", "/v3/reset", NULL, &answer);
	assert_int_equal(answer.code, ERR_NET);
	assert_null(answer.body);
	assert_string_not_equal(answer.error, "");
	ask_answer_finish(&answer);
	ask_close(ask);
}

static void test_the_homeserver_s_clock(void **state)
{
	struct ask *ask = open_ask(*state);
	struct fault fault = {0};
	int64_t theirs_ms, ours_ms;

	assert_int_equal(ask_date(ask, &theirs_ms, &ours_ms, &fault), OK);
	assert_int_equal(theirs_ms, 1795510800000);
	assert_true(ours_ms > 1600000000000);
	ask_close(ask);
}

static void test_no_homeserver(void **state)
{
	struct fixture *f = *state;
	struct config *config;
	struct fault fault = {0};
	struct ask *ask = (struct ask *)f;

	/* a path below it is none */
	char url[96];
	snprintf(url, sizeof(url), "%s/below", f->url);
	config = make_config(url);
	assert_int_not_equal(ask_open(&ask, config, &fault), OK);
	assert_null(ask);
	assert_string_not_equal(fault.text, "");
	config_unref(config);
	config = make_config("http://127.0.0.1:1");
	assert_int_equal(ask_open(&ask, config, &fault), ERR_NET);
	assert_null(ask);
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(
	                test_calls_with_and_without_a_token, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_failures_are_told, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_the_homeserver_s_clock, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_no_homeserver, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

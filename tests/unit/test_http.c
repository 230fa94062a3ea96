/*
 * test_http.c - HTTP requests against a scripted server on the same loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/matrix/http.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	void (*script)(struct fixture *f, struct peer_request *request);
	struct peer_request *held;
	bool holding;
	bool http_closed, peer_closed;
	const char *headers;
	int status;
};

/* What became of one request. */
struct outcome {
	struct fixture *f;
	struct http_request *request;
	int calls;
	bool done;
	enum err code;
	long status;
	char body[64];
	size_t body_len;
	int64_t retry_after_ms, duration_ms;
	bool sent;
	char error[128];
	void (*then)(struct outcome *outcome);
	struct outcome *other;
};

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;

	f->script(f, request);
}

static void on_done(const struct http_result *result, void *arg)
{
	struct outcome *o = arg;

	o->calls++;
	o->done = true;
	o->code = result->code;
	o->status = result->status;
	o->body_len = result->body_len;
	snprintf(o->body, sizeof(o->body), "%s", result->body);
	o->retry_after_ms = result->retry_after_ms;
	o->duration_ms = result->duration_ms;
	o->sent = result->sent;
	memcpy(o->error, result->error, sizeof(o->error));
	assert_true(result->code == OK || result->error[0] != '\0');
	assert_null(strstr(result->error, "s3cret"));
	if (o->then)
		o->then(o);
}

static void start_call(struct fixture *f, struct outcome *o, const struct http_call *call)
{
	o->f = f;
	o->request = http_start(f->http, call, on_done, o);
	assert_int_equal(o->calls, 0); /* never before http_start() returns */
}

static void start(struct fixture *f, struct outcome *o, const char *method, const char *body)
{
	char url[96];
	struct http_call call = {
	        .method = method,
	        .url = url,
	        .bearer = "s3cret",
	        .body = body,
	        .body_len = body ? strlen(body) : 0,
	        .timeout_ms = 10000,
	        .max_answer = 1000,
	};

	snprintf(url, sizeof(url), "%s/some/path?x=1", peer_url(f->peer));
	start_call(f, o, &call);
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = "", .user_agent = "test/1"};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	*state = f;
	return 0;
}

static void close_http(struct fixture *f)
{
	http_close(f->http, turn_set, &f->http_closed);
	assert_false(f->http_closed);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->http_closed) {
		close_http(f);
		turn_until(&f->loop, &f->http_closed);
	}
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	free(f);
	return 0;
}

static void hold(struct fixture *f, struct peer_request *request)
{
	f->held = request;
	f->holding = true;
}

/* ---- answers ---- */

static void answer_put(struct fixture *f, struct peer_request *request)
{
	(void)f;
	assert_true(peer_is(request, "PUT", "/some/path"));
	assert_string_equal(peer_target(request), "/some/path?x=1");
	assert_string_equal(peer_header(request, "authorization"), "Bearer s3cret");
	assert_string_equal(peer_header(request, "content-type"), "application/json");
	assert_string_equal(peer_header(request, "user-agent"), "test/1");
	assert_string_equal(peer_header(request, "expect"), "");
	assert_string_equal(peer_body(request), "{\"a\":1}");
	peer_answer(request, 200, NULL, "{}");
}

static void test_put_is_answered(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};

	f->script = answer_put;
	start(f, &o, "PUT", "{\"a\":1}");
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, OK);
	assert_int_equal(o.status, 200);
	assert_string_equal(o.body, "{}");
	assert_int_equal(o.body_len, 2);
	assert_int_equal(o.retry_after_ms, -1);
	assert_true(o.sent);
}

static void answer_by_method(struct fixture *f, struct peer_request *request)
{
	(void)f;
	peer_answer(request, 200, NULL, peer_method(request));
}

static void test_methods_and_reuse_of_the_connection(void **state)
{
	struct fixture *f = *state;
	static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};

	f->script = answer_by_method;
	for (size_t i = 0; i < 4; i++) {
		struct outcome o = {0};

		start(f, &o, methods[i], i == 1 || i == 2 ? "{}" : NULL);
		turn_until(&f->loop, &o.done);
		assert_int_equal(o.status, 200);
		assert_string_equal(o.body, methods[i]);
	}
	assert_int_equal(peer_connections(f->peer), 1);
}

static void answer_with_headers(struct fixture *f, struct peer_request *request)
{
	peer_answer(request, f->status, f->headers, "no");
}

static void test_wait_comes_from_the_header(void **state)
{
	struct fixture *f = *state;
	char date[64], header[96];
	time_t then = time(NULL) + 100;
	struct outcome o = {0}, p = {0}, q = {0};

	f->script = answer_with_headers;
	f->status = 429;
	f->headers = "Retry-After: 7\r\n";
	start(f, &o, "GET", NULL);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, OK);
	assert_int_equal(o.status, 429);
	assert_int_equal(o.retry_after_ms, 7000);

	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
	snprintf(header, sizeof(header), "Retry-After: %s\r\n", date);
	f->headers = header;
	start(f, &p, "GET", NULL);
	turn_until(&f->loop, &p.done);
	assert_in_range(p.retry_after_ms, 80000, 100000);

	f->headers = "Retry-After: 99999999999\r\n";
	start(f, &q, "GET", NULL);
	turn_until(&f->loop, &q.done);
	assert_int_equal(q.retry_after_ms, CLOCK_DAY_MS);
}

/* Whole seconds, and the time that the answer took, make no difference. */
static void test_clocks_are_compared(void **state)
{
	static const struct {
		int ahead_s;
		int64_t from_ms, to_ms; /* of the difference */
	} table[] = {{600, -601000, -580000}, {-600, 580000, 601000}, {0, -1000, 1000}};
	struct fixture *f = *state;
	char header[80], date[40];

	f->script = answer_with_headers;
	f->status = 200;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		time_t then = time(NULL) + table[i].ahead_s;
		struct outcome o = {0};

		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&then));
		snprintf(header, sizeof(header), "Date: %s\r\n", date);
		f->headers = header;
		start(f, &o, "GET", NULL);
		turn_until(&f->loop, &o.done);
		assert_true(http_skew_ms(f->http) >= table[i].from_ms &&
		            http_skew_ms(f->http) <= table[i].to_ms);
	}
}

static void redirect(struct fixture *f, struct peer_request *request)
{
	if (peer_is(request, "GET", "/there")) {
		assert_string_equal(peer_header(request, "authorization"), "");
		peer_answer(request, 200, NULL, "there");
	} else {
		peer_answer(request, 302, f->headers, "moved");
	}
}

static void test_redirect_is_followed_only_when_asked_and_never_with_a_token(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *bearer;
		unsigned redirects;
		long status;
	} cases[] = {{NULL, 3, 200}, {NULL, 0, 302}, {"s3cret", 3, 302}};

	f->script = redirect;
	f->headers = "Location: /there\r\n";
	for (size_t i = 0; i < 3; i++) {
		struct outcome o = {0};
		struct http_call call = {
		        .method = "GET",
		        .url = peer_url(f->peer),
		        .bearer = cases[i].bearer,
		        .timeout_ms = 10000,
		        .max_answer = 100,
		        .redirects = cases[i].redirects,
		};

		start_call(f, &o, &call);
		turn_until(&f->loop, &o.done);
		assert_int_equal(o.code, OK);
		assert_int_equal(o.status, cases[i].status);
	}
}

static void test_redirect_to_another_protocol_is_refused(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};
	struct http_call call = {
	        .method = "GET",
	        .url = peer_url(f->peer),
	        .timeout_ms = 10000,
	        .max_answer = 100,
	        .redirects = 3,
	};

	f->script = redirect;
	f->headers = "Location: file:///etc/passwd\r\n";
	start_call(f, &o, &call);
	turn_until(&f->loop, &o.done);
	assert_int_not_equal(o.code, OK);
	assert_int_equal(o.status, 0);
	assert_int_equal(o.body_len, 0);
}

/* ---- failures ---- */

static void test_refused_connection_was_not_sent(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};
	char url[64];
	struct http_call call = {
	        .method = "PUT", .url = url, .body = "{}", .body_len = 2, .timeout_ms = 10000};

	snprintf(url, sizeof(url), "%s", peer_url(f->peer));
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	start_call(f, &o, &call);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_NET);
	assert_int_equal(o.status, 0);
	assert_false(o.sent);
	f->peer_closed = false;
	f->peer = peer_create(&f->loop, on_request, f);
}

static void test_bad_url_and_bad_token_end_as_invalid(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0}, p = {0}, q = {0};
	struct http_call call = {.method = "GET", .url = "http://", .timeout_ms = 1000};

	start_call(f, &o, &call);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_INVALID);
	assert_false(o.sent);

	call.url = "file:///etc/passwd";
	start_call(f, &q, &call);
	turn_until(&f->loop, &q.done);
	assert_int_equal(q.code, ERR_INVALID);

	call.url = peer_url(f->peer);
	call.bearer = "x\r\nX-Other: y";
	start_call(f, &p, &call);
	turn_until(&f->loop, &p.done);
	assert_int_equal(p.code, ERR_INVALID);
	assert_int_equal(peer_requests(f->peer), 0);
}

static void reset_at_once(struct fixture *f, struct peer_request *request)
{
	(void)f;
	peer_reset(request);
}

static void hang_up_at_once(struct fixture *f, struct peer_request *request)
{
	(void)f;
	peer_hang_up(request);
}

static void test_reset_after_the_request_was_read(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0}, p = {0};

	f->script = reset_at_once;
	start(f, &o, "PUT", "{}");
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_NET);
	assert_int_equal(o.status, 0);
	assert_true(o.sent);

	f->script = hang_up_at_once;
	start(f, &p, "PUT", "{}");
	turn_until(&f->loop, &p.done);
	assert_int_equal(p.code, ERR_NET);
	assert_true(p.sent);
}

static void half_then_reset(struct fixture *f, struct peer_request *request)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"event_id\":";

	peer_raw(request, half, sizeof(half) - 1);
	hold(f, request);
}

static void test_reset_in_the_middle_of_an_answer(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};

	f->script = half_then_reset;
	start(f, &o, "PUT", "{}");
	turn_until(&f->loop, &f->holding);
	peer_reset(f->held);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_NET);
	assert_int_equal(o.status, 0);
	assert_int_equal(o.body_len, 0);
	assert_true(o.sent);
}

static void test_server_that_never_answers_times_out(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};
	struct http_call call = {
	        .method = "GET", .url = peer_url(f->peer), .timeout_ms = 100, .max_answer = 10};

	f->script = hold;
	start_call(f, &o, &call);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_TIMEOUT);
	assert_int_equal(o.status, 0);
	assert_true(o.sent);
	assert_in_range(o.duration_ms, 90, 5000);
}

struct drip {
	uv_timer_t timer;
	struct peer_request *request;
	bool stopped;
};

static void on_drip_closed(uv_handle_t *handle)
{
	((struct drip *)handle->data)->stopped = true;
}

static void on_drip(uv_timer_t *timer)
{
	peer_raw(((struct drip *)timer->data)->request, " ", 1);
}

static void test_slow_bytes_do_not_hold_off_the_time_out(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};
	struct drip drip = {0};
	struct http_call call = {
	        .method = "GET", .url = peer_url(f->peer), .timeout_ms = 200, .max_answer = 1000};

	f->script = half_then_reset;
	start_call(f, &o, &call);
	turn_until(&f->loop, &f->holding);
	drip.request = f->held;
	drip.timer.data = &drip;
	uv_timer_init(&f->loop, &drip.timer);
	uv_timer_start(&drip.timer, on_drip, 10, 10);
	while (!o.done)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&drip.timer, on_drip_closed);
	turn_until(&f->loop, &drip.stopped);
	assert_int_equal(o.code, ERR_TIMEOUT);
}

static void answer_large(struct fixture *f, struct peer_request *request)
{
	static char body[2001];

	(void)f;
	memset(body, 'x', 2000);
	if (f->status == 1) /* without saying how large */
		peer_raw(request, "HTTP/1.1 200 OK\r\n\r\n", 19);
	if (f->status == 1)
		peer_raw(request, body, 2000);
	else
		peer_answer(request, 200, NULL, body);
}

static void test_oversized_answer(void **state)
{
	struct fixture *f = *state;

	f->script = answer_large;
	for (f->status = 0; f->status < 2; f->status++) {
		struct outcome o = {0};

		start(f, &o, "GET", NULL);
		turn_until(&f->loop, &o.done);
		assert_int_equal(o.code, ERR_TOO_LARGE);
		assert_int_equal(o.status, 0);
		assert_int_equal(o.body_len, 0);
	}
}

/* ---- canceling and closing ---- */

static void test_cancel_ends_from_the_loop_and_once(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0}, p = {0};

	f->script = hold;
	start(f, &o, "GET", NULL);
	turn_until(&f->loop, &f->holding);
	http_cancel(o.request);
	http_cancel(o.request);
	assert_int_equal(o.calls, 0);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_CANCELED);
	assert_true(o.sent);

	start(f, &p, "GET", NULL);
	http_cancel(p.request); /* not even begun */
	turn_until(&f->loop, &p.done);
	assert_int_equal(p.code, ERR_CANCELED);
	assert_false(p.sent);
	assert_int_equal(o.calls, 1);
}

static void cancel_other(struct outcome *o)
{
	http_cancel(o->other->request);
}

static void answer_first_hold_second(struct fixture *f, struct peer_request *request)
{
	if (peer_is(request, "GET", "/some/path"))
		peer_answer(f->held, 200, NULL, "");
	else
		hold(f, request);
}

static void test_cancel_of_another_from_within_a_callback(void **state)
{
	struct fixture *f = *state;
	struct outcome first = {0}, second = {0};

	f->script = answer_first_hold_second;
	first.then = cancel_other;
	first.other = &second;
	start(f, &first, "PUT", "{}");
	turn_until(&f->loop, &f->holding);
	start(f, &second, "GET", NULL);
	turn_until(&f->loop, &second.done);
	assert_int_equal(first.code, OK);
	assert_int_equal(second.code, ERR_CANCELED);
	assert_int_equal(first.calls + second.calls, 2);
}

/* Both answers are in before the loop looks: the second is finished but not yet told. */
static void answer_both(struct fixture *f, struct peer_request *request)
{
	if (!f->holding) {
		hold(f, request);
		return;
	}
	peer_answer(f->held, 200, NULL, "");
	peer_answer(request, 200, NULL, "");
}

static void test_cancel_of_one_that_just_finished(void **state)
{
	struct fixture *f = *state;
	struct outcome first = {0}, second = {0};

	f->script = answer_both;
	first.then = cancel_other;
	first.other = &second;
	start(f, &first, "PUT", "{}");
	turn_until(&f->loop, &f->holding);
	start(f, &second, "PUT", "{}");
	turn_until(&f->loop, &second.done);
	assert_int_equal(first.code, OK);
	assert_int_equal(second.calls, 1);
}

static void start_next(struct outcome *o)
{
	start(o->f, o->other, "GET", NULL);
}

static void test_start_from_within_a_callback(void **state)
{
	struct fixture *f = *state;
	struct outcome first = {0}, second = {0}, third = {0};

	f->script = answer_by_method;
	first.then = second.then = start_next;
	first.other = &second;
	second.other = &third;
	start(f, &first, "GET", NULL);
	turn_until(&f->loop, &third.done);
	assert_int_equal(third.code, OK);
	assert_int_equal(peer_connections(f->peer), 1);
}

static void test_refused_request_ends_from_the_loop(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};

	http_refuse(f->http, ERR_AUTH, on_done, &o);
	assert_int_equal(o.calls, 0);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_AUTH);
	assert_false(o.sent);
	assert_string_equal(o.error, err_text(ERR_AUTH));
}

static void test_close_during_requests(void **state)
{
	struct fixture *f = *state;
	struct outcome first = {0}, second = {0}, late = {0};

	f->script = hold;
	start(f, &first, "GET", NULL);
	turn_until(&f->loop, &f->holding);
	start(f, &second, "PUT", "{}");
	first.then = start_next; /* while it closes: canceled, but told */
	first.other = &late;
	close_http(f);
	turn_until(&f->loop, &f->http_closed);
	assert_int_equal(first.code, ERR_CANCELED);
	assert_int_equal(second.code, ERR_CANCELED);
	assert_int_equal(late.code, ERR_CANCELED);
	assert_int_equal(first.calls + second.calls + late.calls, 3);
}

static void close_then(struct outcome *o)
{
	close_http(o->f);
}

static void test_close_from_within_a_callback(void **state)
{
	struct fixture *f = *state;
	struct outcome first = {0}, second = {0};

	f->script = answer_first_hold_second;
	first.then = close_then;
	start(f, &first, "PUT", "{}");
	turn_until(&f->loop, &f->holding);
	start(f, &second, "GET", NULL);
	turn_until(&f->loop, &f->http_closed);
	assert_int_equal(first.code, OK);
	assert_int_equal(second.code, ERR_CANCELED);
	assert_int_equal(second.calls, 1);
}

static void close_idle(struct fixture *f, struct peer_request *request)
{
	peer_answer(request, 200, NULL, "{}");
	f->held = request;
}

static void test_kept_connection_that_the_server_closed_is_replaced(void **state)
{
	struct fixture *f = *state;

	f->script = close_idle;
	for (unsigned i = 1; i <= 3; i++) {
		struct outcome o = {0};

		start(f, &o, "PUT", "{}");
		turn_until(&f->loop, &o.done);
		assert_int_equal(o.code, OK);
		peer_hang_up(f->held);
		assert_int_equal(peer_connections(f->peer), i);
	}
}

static void count_poll(uv_handle_t *handle, void *arg)
{
	unsigned *count = arg;

	*count += handle->type == UV_POLL && uv_is_active(handle);
}

static unsigned watched(struct fixture *f)
{
	unsigned count = 0;

	uv_walk(&f->loop, count_poll, &count);
	return count;
}

/* One poll handle serves all its requests; once the server closes it, that ends, or the loop would
 * be woken again and again by a socket that nobody reads. */
static void test_kept_connection_stays_watched_until_it_is_closed(void **state)
{
	struct fixture *f = *state;

	f->script = close_idle;
	for (unsigned i = 0; i < 3; i++) {
		struct outcome o = {0};

		start(f, &o, "PUT", "{}");
		turn_until(&f->loop, &o.done);
		assert_int_equal(watched(f), 1);
	}
	assert_int_equal(peer_connections(f->peer), 1);
	peer_hang_up(f->held);
	while (watched(f) > 0)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void test_many_at_once(void **state)
{
	struct fixture *f = *state;
	struct outcome o[50] = {0};

	f->script = answer_by_method;
	for (size_t i = 0; i < 50; i++)
		start(f, &o[i], "PUT", "{}");
	for (size_t i = 0; i < 50; i++) {
		if (!o[i].done)
			turn_until(&f->loop, &o[i].done);
		assert_int_equal(o[i].status, 200);
		assert_int_equal(o[i].calls, 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_put_is_answered),
	        TEST(test_methods_and_reuse_of_the_connection),
	        TEST(test_wait_comes_from_the_header),
	        TEST(test_clocks_are_compared),
	        TEST(test_redirect_is_followed_only_when_asked_and_never_with_a_token),
	        TEST(test_redirect_to_another_protocol_is_refused),
	        TEST(test_refused_connection_was_not_sent),
	        TEST(test_bad_url_and_bad_token_end_as_invalid),
	        TEST(test_reset_after_the_request_was_read),
	        TEST(test_reset_in_the_middle_of_an_answer),
	        TEST(test_server_that_never_answers_times_out),
	        TEST(test_slow_bytes_do_not_hold_off_the_time_out),
	        TEST(test_oversized_answer),
	        TEST(test_cancel_ends_from_the_loop_and_once),
	        TEST(test_cancel_of_another_from_within_a_callback),
	        TEST(test_cancel_of_one_that_just_finished),
	        TEST(test_start_from_within_a_callback),
	        TEST(test_refused_request_ends_from_the_loop),
	        TEST(test_close_during_requests),
	        TEST(test_close_from_within_a_callback),
	        TEST(test_kept_connection_that_the_server_closed_is_replaced),
	        TEST(test_kept_connection_stays_watched_until_it_is_closed),
	        TEST(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

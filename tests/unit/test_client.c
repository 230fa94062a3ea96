/*
 * test_client.c - what answers mean, and the access token's rules, against a scripted server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "bot/matrix/answer.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

/* ---- pure ---- */

static void test_answers_map_to_codes(void **state)
{
	static const char html[] = "<html><h1>502 Bad Gateway</h1></html>";
	static const struct {
		long status;
		const char *body;
		enum err code;
		bool sent;
		const char *errcode;
		int64_t retry_after_ms;
	} cases[] = {
	        {200, "{\"event_id\":\"$a\"}", OK, true, "", -1},
	        {200, "{\"event_id\":\"$", ERR_PROTO, true, "", -1},
	        {200, "[]", ERR_PROTO, true, "", -1},
	        {200, "", ERR_PROTO, true, "", -1},
	        {302, "{}", ERR_PROTO, true, "", -1},
	        {400, "{\"errcode\":\"M_BAD_JSON\"}", ERR_REJECTED, false, "M_BAD_JSON", -1},
	        {400, html, ERR_SERVER, true, "", -1},
	        {401, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}", ERR_AUTH, false, "M_UNKNOWN_TOKEN", -1},
	        {401, "{\"errcode\":\"M_MISSING_TOKEN\"}", ERR_AUTH, false, "M_MISSING_TOKEN", -1},
	        {401, "{\"flows\":[],\"session\":\"x\"}", ERR_REJECTED, false, "", -1},
	        {401, html, ERR_SERVER, true, "", -1},
	        {403, "{\"errcode\":\"M_FORBIDDEN\"}", ERR_DENIED, false, "M_FORBIDDEN", -1},
	        {403, html, ERR_SERVER, true, "", -1},
	        {400, "{\"message\":\"Bad Request\"}", ERR_SERVER, true, "", -1},
	        {401, "{\"message\":\"Unauthorized\"}", ERR_SERVER, true, "", -1},
	        {401, "{\"errcode\":\"M_UNAUTHORIZED\"}", ERR_HELD, false, "M_UNAUTHORIZED", -1},
	        {401, "{\"errcode\":\"M_FORBIDDEN\",\"flows\":[]}", ERR_REJECTED, false,
	                "M_FORBIDDEN", -1},
	        {402, "{\"message\":\"Payment Required\"}", ERR_SERVER, true, "", -1},
	        {403, "{\"message\":\"Forbidden\"}", ERR_SERVER, true, "", -1},
	        {404, "{\"message\":\"no Route matched\"}", ERR_SERVER, true, "", -1},
	        {403, "{\"errcode\":\"M_RESOURCE_LIMIT_EXCEEDED\",\"limit_type\":\"hs_disabled\"}",
	                ERR_HELD, false, "M_RESOURCE_LIMIT_EXCEEDED", -1},
	        {400, "{\"errcode\":\"M_RESOURCE_LIMIT_EXCEEDED\"}", ERR_HELD, false,
	                "M_RESOURCE_LIMIT_EXCEEDED", -1},
	        {403, "{\"errcode\":\"M_USER_SUSPENDED\"}", ERR_HELD, false, "M_USER_SUSPENDED",
	                -1},
	        {403, "{\"errcode\":\"M_CONSENT_NOT_GIVEN\"}", ERR_HELD, false,
	                "M_CONSENT_NOT_GIVEN", -1},
	        {401, "{\"errcode\":\"M_USER_LOCKED\",\"soft_logout\":true}", ERR_HELD, false,
	                "M_USER_LOCKED", -1},
	        {403, "{\"errcode\":\"M_USER_DEACTIVATED\"}", ERR_HELD, false, "M_USER_DEACTIVATED",
	                -1},
	        {403, "{\"errcode\":\"M_USER_LIMIT_EXCEEDED\",\"info_uri\":\"https://x\"}",
	                ERR_HELD, false, "M_USER_LIMIT_EXCEEDED", -1},
	        {403, "{\"errcode\":\"M_TERMS_NOT_SIGNED\"}", ERR_HELD, false, "M_TERMS_NOT_SIGNED",
	                -1},
	        {403, "{\"errcode\":\"ORG_MATRIX_EXPIRED_ACCOUNT\"}", ERR_HELD, false,
	                "ORG_MATRIX_EXPIRED_ACCOUNT", -1},
	        {403, "{\"errcode\":\"ORG.MATRIX.MSC3823.USER_ACCOUNT_SUSPENDED\"}", ERR_HELD,
	                false, "ORG.MATRIX.MSC3823.USER_ACCOUNT_SUSPENDED", -1},
	        {403, "{\"errcode\":\"ORG.MATRIX.MSC3866_USER_AWAITING_APPROVAL\"}", ERR_HELD,
	                false, "ORG.MATRIX.MSC3866_USER_AWAITING_APPROVAL", -1},
	        {402, "{\"errcode\":\"X\"}", ERR_HELD, false, "X", -1},
	        {503, "{\"errcode\":\"M_USER_SUSPENDED\"}", ERR_SERVER, true, "M_USER_SUSPENDED",
	                -1},
	        {404, "{\"errcode\":\"M_NOT_FOUND\"}", ERR_NOT_FOUND, false, "M_NOT_FOUND", -1},
	        {404, "{\"errcode\":\"M_UNRECOGNIZED\"}", ERR_REJECTED, false, "M_UNRECOGNIZED",
	                -1},
	        {404, "404 page not found", ERR_SERVER, true, "", -1},
	        {405, html, ERR_SERVER, true, "", -1},
	        {407, html, ERR_SERVER, true, "", -1},
	        {409, "{\"errcode\":\"M_WRONG\"}", ERR_REJECTED, false, "M_WRONG", -1},
	        {408, "", ERR_SERVER, true, "", -1},
	        {413, html, ERR_TOO_LARGE, false, "", -1},
	        {414, html, ERR_TOO_LARGE, false, "", -1},
	        {431, "", ERR_TOO_LARGE, false, "", -1},
	        {400, "{\"errcode\":\"M_TOO_LARGE\"}", ERR_TOO_LARGE, false, "M_TOO_LARGE", -1},
	        {429, "", ERR_LIMITED, false, "", -1},
	        {429, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"retry_after_ms\":1234}", ERR_LIMITED,
	                false, "M_LIMIT_EXCEEDED", 1234},
	        {429, "{\"retry_after_ms\":1234.5}", ERR_LIMITED, false, "", 1234},
	        {429, "{\"retry_after_ms\":1e18}", ERR_LIMITED, false, "", -1},
	        {429, "{\"retry_after_ms\":-5}", ERR_LIMITED, false, "", -1},
	        {429, "{\"retry_after_ms\":\"soon\"}", ERR_LIMITED, false, "", -1},
	        {500, "{\"errcode\":\"M_UNKNOWN\"}", ERR_SERVER, true, "M_UNKNOWN", -1},
	        {502, html, ERR_SERVER, true, "", -1},
	        {500, "{\"errcode\":\"M_UNKNOWN_TOKEN\"}", ERR_SERVER, true, "M_UNKNOWN_TOKEN", -1},
	        {403, "{\"errcode\":\"evil\\nline\"}", ERR_DENIED, false, "", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_result result = {
		        .status = cases[i].status,
		        .body = cases[i].body,
		        .body_len = strlen(cases[i].body),
		        .retry_after_ms = -1,
		        .sent = true,
		};
		struct mx_answer answer;
		json_t *body = answer_read(&answer, &result);

		assert_string_equal(err_name(answer.code), err_name(cases[i].code));
		assert_int_equal(answer.status, cases[i].status);
		assert_int_equal(answer.sent, cases[i].sent);
		assert_string_equal(answer.errcode, cases[i].errcode);
		assert_int_equal(answer.retry_after_ms, cases[i].retry_after_ms);
		assert_ptr_equal(answer.body, body);
		assert_int_equal(answer.error[0] == '\0', answer.code == OK);
		json_decref(body);
	}
}

static void test_header_goes_before_the_body(void **state)
{
	static const char text[] = "{\"retry_after_ms\":1}";
	struct http_result result = {
	        .status = 429, .body = text, .body_len = sizeof(text) - 1, .retry_after_ms = 9000};
	struct mx_answer answer;

	(void)state;
	json_decref(answer_read(&answer, &result));
	assert_int_equal(answer.retry_after_ms, 9000);
}

static void test_network_failure_is_passed_on(void **state)
{
	struct http_result result = {
	        .code = ERR_TIMEOUT, .body = "", .retry_after_ms = -1, .error = "slow"};
	struct mx_answer answer;

	(void)state;
	assert_null(answer_read(&answer, &result));
	assert_int_equal(answer.code, ERR_TIMEOUT);
	assert_string_equal(answer.error, "slow");
	assert_false(answer.sent);
}

static void test_words_of_the_server_are_made_neutral_and_cut(void **state)
{
	char text[2048] = "{\"errcode\":\"M_FORBIDDEN\",\"error\":\"a\\u001b[31m\\nb ";
	struct http_result result = {.status = 403, .body = text, .retry_after_ms = -1};
	struct mx_answer answer;

	(void)state;
	for (int i = 0; i < 300; i++)
		strcat(text, "é…");
	strcat(text, "\"}");
	result.body_len = strlen(text);
	json_decref(answer_read(&answer, &result));
	assert_null(strchr(answer.error, '\x1b'));
	assert_null(strchr(answer.error, '\n'));
	assert_non_null(strstr(answer.error, "HTTP 403 M_FORBIDDEN: a"));
	assert_true(strlen(answer.error) > 200);
	assert_true(text_is_utf8(answer.error, strlen(answer.error)));
}

static void test_hostile_json_is_mended(void **state)
{
	static const struct {
		const char *text, *mended;
	} cases[] = {
	        {"{\"a\":1}", "{\"a\":1}"},
	        {"{\"a\":99999999999999999999999,\"b\":2}", "{\"a\":0,\"b\":2}"},
	        {"{\"a\":-99999999999999999999999}", "{\"a\":0}"},
	        {"{\"a\":[1e400,-1e400,1.5]}", "{\"a\":[0,0,1.5]}"},
	        {"{\"a\":\"\\ud800\",\"b\":\"99999999999999999999999\"}",
	                "{\"a\":\"\xEF\xBF\xBD\",\"b\":\"99999999999999999999999\"}"},
	        {"{\"a\":\"\\udc00\\ud83d\\ude00\\\"\\ud83d\\u0041\"}",
	                "{\"a\":\"\xEF\xBF\xBD\xF0\x9F\x98\x80\\\"\xEF\xBF\xBD"
	                "A\"}"},
	        {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"}"},
	        {"{\"a\":1", NULL},
	        {"{\"a\":\"\\u12\"}", NULL},
	        {"{\"a\":\"\\", NULL},
	        {"{\"a\":-", NULL},
	        {"7", NULL},
	        {"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json = answer_parse(cases[i].text, strlen(cases[i].text));

		if (cases[i].mended) {
			char *text = json_dumps(json, JSON_COMPACT);

			assert_string_equal(text, cases[i].mended);
			free(text);
		} else {
			assert_null(json);
		}
		json_decref(json);
	}
}

static void test_path_is_percent_encoded(void **state)
{
	char *path = mx_path("/v3/rooms/%s/send/%s?limit=%d&x=100%%", "!a/b:c", "m ü", INT64_MAX);

	(void)state;
	assert_string_equal(
	        path, "/v3/rooms/%21a%2Fb%3Ac/send/m%20%C3%BC?limit=9223372036854775807&x=100%");
	free(path);
}

/* A 413 says that what was asked is too large; this says nothing about it. */
static void test_too_large_an_answer_may_be_asked_for_again(void **state)
{
	struct http_result result = {
	        .code = ERR_TOO_LARGE, .body = "", .retry_after_ms = -1, .sent = true};
	struct mx_answer answer;

	(void)state;
	assert_null(answer_read(&answer, &result));
	assert_int_equal(answer.code, ERR_PROTO);
	assert_true(answer.sent);
	assert_string_equal(answer.error, "the answer is too large");
}

/* ---- with a server ---- */

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	struct mx *mx;
	void (*script)(struct fixture *f, struct peer_request *request);
	struct peer_request *held;
	bool holding;
	int round;
	int lost;
	bool soft_logout;
	struct mx_call *cancel; /* when the token is refused, or NULL */
	bool http_closed, peer_closed;
};

struct outcome {
	int calls;
	bool done;
	enum err code;
	bool sent;
	char event_id[16];
	char error[256], errcode[64];
};

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;

	f->script(f, request);
}

static void on_auth_lost(bool soft_logout, void *arg)
{
	struct fixture *f = arg;

	f->lost++;
	f->soft_logout = soft_logout;
	if (f->cancel)
		mx_cancel(f->cancel);
}

static void on_done(const struct mx_answer *answer, void *arg)
{
	struct outcome *o = arg;
	const char *event_id = json_string_value(json_object_get(answer->body, "event_id"));

	o->calls++;
	o->done = true;
	o->code = answer->code;
	o->sent = answer->sent;
	strcpy(o->error, answer->error);
	strcpy(o->errcode, answer->errcode);
	if (event_id)
		strncpy(o->event_id, event_id, sizeof(o->event_id) - 1);
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};
	struct mx_events events = {.on_auth_lost = on_auth_lost, .arg = f};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->mx = mx_create(f->http, peer_url(f->peer), &events);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	mx_destroy(f->mx);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	free(f);
	return 0;
}

static void start(struct fixture *f, struct outcome *o)
{
	mx_start_text(f->mx, "PUT", "/v3/x", "{\"body\":1}", 10000, on_done, o);
	assert_int_equal(o->calls, 0);
}

static void run(struct fixture *f, struct outcome *o)
{
	start(f, o);
	turn_until(&f->loop, &o->done);
}

static void answer_event(struct fixture *f, struct peer_request *request)
{
	(void)f;
	assert_true(peer_is(request, "PUT", "/_matrix/client/v3/x"));
	assert_string_equal(peer_body(request), "{\"body\":1}");
	peer_answer_json(request, 200, "{s:s}", "event_id", "$e");
}

static void refuse_old_token(struct fixture *f, struct peer_request *request)
{
	if (strcmp(peer_header(request, "authorization"), "Bearer new") == 0)
		answer_event(f, request);
	else
		peer_answer_json(
		        request, 401, "{s:s, s:b}", "errcode", "M_UNKNOWN_TOKEN", "soft_logout", 1);
}

#define LINE_OF_60 "------------------------------------------------------------"

static void repeat_the_token(struct fixture *f, struct peer_request *request)
{
	static const char *const answers[][2] = {
	        {"M_FORBIDDEN", "bad header: Bearer syt_s3cret, sorry"},
	        {"syt_s3cret", "no such code"},
	        /* cut inside the token */
	        {"M_FORBIDDEN", LINE_OF_60 LINE_OF_60 "---------------------------- syt_s3cret"},
	};
	const char *const *answer = answers[f->round];

	peer_answer_json(request, 403, "{s:s, s:s}", "errcode", answer[0], "error", answer[1]);
}

static void test_a_token_in_the_complaint_is_not_shown(void **state)
{
	struct fixture *f = *state;

	f->script = repeat_the_token;
	mx_set_token(f->mx, "syt_s3cret");
	for (f->round = 0; f->round < 3; f->round++) {
		struct outcome o = {0};

		run(f, &o);
		assert_int_equal(o.code, ERR_DENIED);
		assert_null(strstr(o.error, "syt_"));
		assert_null(strstr(o.errcode, "syt_"));
		assert_true(o.error[0]);
	}
}

static void hold(struct fixture *f, struct peer_request *request)
{
	f->held = request;
	f->holding = true;
}

static void test_text_is_sent_byte_for_byte(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};

	f->script = answer_event;
	run(f, &o);
	assert_int_equal(o.code, OK);
	assert_string_equal(o.event_id, "$e");
}

static void echo(struct fixture *f, struct peer_request *request)
{
	(void)f;
	peer_answer_json(request, 200, "{s:s}", "event_id", peer_body(request));
}

static void test_body_as_json_and_no_body(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0}, p = {0}, q = {0};
	json_t *body = json_pack("{s:i}", "a", 1);

	f->script = echo;
	mx_start(f->mx, "POST", "/v3/x", body, 10000, on_done, &o);
	json_decref(body);
	turn_until(&f->loop, &o.done);
	assert_string_equal(o.event_id, "{\"a\":1}");
	mx_start(f->mx, "POST", "/v3/x", NULL, 10000, on_done, &p);
	turn_until(&f->loop, &p.done);
	assert_string_equal(p.event_id, "{}");
	mx_start(f->mx, "GET", "/v3/x", NULL, 10000, on_done, &q);
	turn_until(&f->loop, &q.done);
	assert_string_equal(q.event_id, "");
}

static void test_refused_token_is_told_once_and_blocks_until_replaced(void **state)
{
	struct fixture *f = *state;
	struct outcome a = {0}, b = {0}, c = {0}, d = {0};

	f->script = refuse_old_token;
	mx_set_token(f->mx, "old");
	start(f, &a);
	start(f, &b);
	turn_until(&f->loop, &a.done);
	turn_until(&f->loop, &b.done);
	assert_int_equal(a.code, ERR_AUTH);
	assert_int_equal(b.code, ERR_AUTH);
	assert_false(a.sent);
	assert_int_equal(f->lost, 1);
	assert_true(f->soft_logout);

	run(f, &c);
	assert_int_equal(c.code, ERR_AUTH);
	assert_int_equal(f->lost, 1);
	assert_int_equal(peer_requests(f->peer), 2); /* the third was not sent */

	assert_int_equal(mx_set_token(f->mx, "new"), OK);
	run(f, &d);
	assert_int_equal(d.code, OK);
}

static void test_late_refusal_of_a_replaced_token_harms_nobody(void **state)
{
	struct fixture *f = *state;
	struct outcome a = {0}, b = {0};

	f->script = hold;
	mx_set_token(f->mx, "old");
	start(f, &a);
	turn_until(&f->loop, &f->holding);
	mx_set_token(f->mx, "new");
	f->script = refuse_old_token;
	refuse_old_token(f, f->held);
	turn_until(&f->loop, &a.done);
	assert_int_equal(a.code, ERR_NET);
	assert_false(a.sent);
	assert_int_equal(f->lost, 0);
	run(f, &b);
	assert_int_equal(b.code, OK);
}

static void test_call_without_a_token_loses_none(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};

	f->script = refuse_old_token;
	assert_false(mx_has_token(f->mx));
	run(f, &o);
	assert_int_equal(o.code, ERR_AUTH);
	assert_int_equal(f->lost, 0);
}

static void test_what_is_no_token_is_not_taken(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {"", "a b", "a\r\nX: y", "a\n", "\x7f", "\xC3\xA9"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mx_set_token(f->mx, bad[i]), ERR_INVALID);
	assert_false(mx_has_token(f->mx));
	assert_int_equal(mx_set_token(f->mx, "syt_abc~=/+."), OK);
	assert_true(mx_has_token(f->mx));
	assert_int_equal(mx_set_token(f->mx, NULL), OK);
	assert_false(mx_has_token(f->mx));
}

static void test_canceled_call_ends_once(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0};
	struct mx_call *call;

	f->script = hold;
	call = mx_start(f->mx, "GET", "/v3/x", NULL, 10000, on_done, &o);
	turn_until(&f->loop, &f->holding);
	mx_cancel(call);
	assert_int_equal(o.calls, 0);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_CANCELED);
}

/* Who hears that the token is refused gives up all calls, the refused one as well. */
static void test_the_refused_call_may_be_canceled(void **state)
{
	struct fixture *f = *state;
	struct outcome o = {0}, after = {0};

	f->script = refuse_old_token;
	mx_set_token(f->mx, "old");
	f->cancel = mx_start_text(f->mx, "PUT", "/v3/x", "{\"body\":1}", 10000, on_done, &o);
	turn_until(&f->loop, &o.done);
	assert_int_equal(o.code, ERR_CANCELED);
	assert_int_equal(f->lost, 1);
	f->cancel = NULL;
	mx_set_token(f->mx, "new");
	run(f, &after);
	assert_int_equal(after.code, OK);
	assert_int_equal(o.calls, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_answers_map_to_codes),
	        cmocka_unit_test(test_too_large_an_answer_may_be_asked_for_again),
	        cmocka_unit_test(test_header_goes_before_the_body),
	        cmocka_unit_test(test_network_failure_is_passed_on),
	        cmocka_unit_test(test_words_of_the_server_are_made_neutral_and_cut),
	        cmocka_unit_test(test_hostile_json_is_mended),
	        cmocka_unit_test(test_path_is_percent_encoded),
	        TEST(test_text_is_sent_byte_for_byte),
	        TEST(test_body_as_json_and_no_body),
	        TEST(test_a_token_in_the_complaint_is_not_shown),
	        TEST(test_refused_token_is_told_once_and_blocks_until_replaced),
	        TEST(test_late_refusal_of_a_replaced_token_harms_nobody),
	        TEST(test_call_without_a_token_loses_none),
	        TEST(test_what_is_no_token_is_not_taken),
	        TEST(test_canceled_call_ends_once),
	        TEST(test_the_refused_call_may_be_canceled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

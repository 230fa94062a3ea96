/*
 * test_discovery.c - from a server's name to its base URL, against a scripted server.
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
#include "bot/matrix/discovery.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	int well_known_status;
	char well_known[256];
	const char *well_known_headers;
	int versions_status;
	const char *versions;
	const char *base_path; /* where /_matrix is */
	int calls;
	bool done, http_closed, peer_closed;
	char url[128];
	struct fault fault;
};

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;
	char path[128];

	assert_string_equal(peer_header(request, "authorization"), "");
	snprintf(path, sizeof(path), "%s/_matrix/client/versions", f->base_path);
	if (peer_is(request, "GET", "/.well-known/matrix/client"))
		peer_answer(request, f->well_known_status, f->well_known_headers, f->well_known);
	else if (peer_is(request, "GET", "/moved"))
		peer_answer(request, 200, NULL, f->well_known);
	else if (peer_is(request, "GET", path))
		peer_answer(request, f->versions_status, NULL, f->versions);
	else
		peer_answer(request, 418, NULL, "");
}

static void on_done(const char *url, const struct fault *fault, void *arg)
{
	struct fixture *f = arg;

	f->calls++;
	f->done = true;
	f->fault = *fault;
	snprintf(f->url, sizeof(f->url), "%s", url ? url : "");
	assert_int_equal(url != NULL, fault->code == OK);
	assert_int_equal(fault->text[0] == '\0', fault->code == OK);
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};

	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->well_known_status = 200;
	snprintf(f->well_known, sizeof(f->well_known), "{\"m.homeserver\":{\"base_url\":\"%s\"}}",
	        peer_url(f->peer));
	f->versions_status = 200;
	f->versions = "{\"versions\":[\"v1.11\"]}";
	f->base_path = "";
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->http_closed) {
		http_close(f->http, turn_set, &f->http_closed);
		turn_until(&f->loop, &f->http_closed);
	}
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	free(f);
	return 0;
}

static enum err discover(struct fixture *f, const char *homeserver)
{
	f->done = false;
	f->calls = 0;
	discovery_start(f->http, homeserver, on_done, f);
	assert_false(f->done);
	turn_until(&f->loop, &f->done);
	assert_int_equal(f->calls, 1);
	return f->fault.code;
}

/* The server's name: "127.0.0.1:port". */
static const char *name(struct fixture *f)
{
	return peer_url(f->peer) + strlen("http://");
}

static void test_well_known_names_the_base_url(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(discover(f, name(f)), OK);
	assert_string_equal(f->url, peer_url(f->peer));
	assert_int_equal(peer_requests(f->peer), 2);
}

static void test_trailing_slashes_go_and_a_path_stays(void **state)
{
	struct fixture *f = *state;
	char url[128];

	f->base_path = "/sub";
	snprintf(f->well_known, sizeof(f->well_known),
	        "{\"m.homeserver\":{\"base_url\":\"%s/sub//\"}}", peer_url(f->peer));
	snprintf(url, sizeof(url), "%s/sub", peer_url(f->peer));
	assert_int_equal(discover(f, name(f)), OK);
	assert_string_equal(f->url, url);
}

static void test_redirects_of_well_known_are_followed(void **state)
{
	struct fixture *f = *state;

	f->well_known_status = 301;
	f->well_known_headers = "Location: /moved\r\n";
	assert_int_equal(discover(f, name(f)), OK);
	assert_string_equal(f->url, peer_url(f->peer));
}

static void test_without_well_known_the_name_is_the_base_url(void **state)
{
	struct fixture *f = *state;

	f->well_known_status = 404;
	strcpy(f->well_known, "not here");
	assert_int_equal(discover(f, name(f)), OK);
	assert_string_equal(f->url, peer_url(f->peer));
}

static void test_well_known_that_is_wrong_is_a_fault(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int status;
		const char *body;
		enum err code;
	} cases[] = {
	        {200, "<html>", ERR_PROTO},
	        {200, "{}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":7}}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":\"\"}}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":\"ftp://example.org\"}}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":\"http://example.org\"}}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":\"https://u:p@example.org\"}}", ERR_PROTO},
	        {200, "{\"m.homeserver\":{\"base_url\":\"https://example.org/?x\"}}", ERR_PROTO},
	        {500, "{}", ERR_SERVER},
	        {429, "{}", ERR_LIMITED},
	        {403, "{}", ERR_SERVER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->well_known_status = cases[i].status;
		strcpy(f->well_known, cases[i].body);
		assert_string_equal(err_name(discover(f, name(f))), err_name(cases[i].code));
		assert_non_null(strstr(f->fault.text, ".well-known"));
	}
}

static void test_url_skips_well_known(void **state)
{
	struct fixture *f = *state;
	char url[64];

	snprintf(url, sizeof(url), "%s/", peer_url(f->peer));
	assert_int_equal(discover(f, url), OK);
	assert_string_equal(f->url, peer_url(f->peer));
	assert_int_equal(peer_requests(f->peer), 1);
}

static void test_what_is_no_homeserver_is_a_fault(void **state)
{
	struct fixture *f = *state;
	static const struct {
		int status;
		const char *body;
		enum err code;
	} cases[] = {
	        {200, "hello", ERR_PROTO},
	        {200, "{}", ERR_PROTO},
	        {404, "{}", ERR_SERVER},
	        {502, "<html>", ERR_SERVER},
	        {302, "", ERR_SERVER},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		f->versions_status = cases[i].status;
		f->versions = cases[i].body;
		assert_string_equal(
		        err_name(discover(f, peer_url(f->peer))), err_name(cases[i].code));
		assert_non_null(strstr(f->fault.text, "/versions"));
	}
}

static void test_what_can_never_work_is_a_fault_of_the_config(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[] = {
	        "",
	        "http://example.org",
	        "ftp://127.0.0.1",
	        "https://",
	        "https://user:pass@example.org",
	        "https://example.org/?a=b",
	        "http://127.0.0.1.example.org",
	        "example.org/path",
	        "user@example.org",
	        "exa mple.org",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(discovery_url(bad[i]));
		assert_int_equal(discover(f, bad[i]), ERR_CONFIG);
	}
	assert_int_equal(peer_requests(f->peer), 0);
}

static void test_url_may_be_used_at_once(void **state)
{
	char *url = discovery_url("https://example.org/sub//");

	assert_string_equal(url, "https://example.org/sub");
	free(url);
	assert_null(discovery_url("example.org")); /* a name has to be looked up */
}

static void test_closing_ends_it(void **state)
{
	struct fixture *f = *state;

	discovery_start(f->http, name(f), on_done, f);
	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	assert_int_equal(f->calls, 1);
	assert_int_equal(f->fault.code, ERR_CANCELED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_well_known_names_the_base_url),
	        TEST(test_trailing_slashes_go_and_a_path_stays),
	        TEST(test_redirects_of_well_known_are_followed),
	        TEST(test_without_well_known_the_name_is_the_base_url),
	        TEST(test_well_known_that_is_wrong_is_a_fault),
	        TEST(test_url_skips_well_known),
	        TEST(test_what_is_no_homeserver_is_a_fault),
	        TEST(test_what_can_never_work_is_a_fault_of_the_config),
	        TEST(test_url_may_be_used_at_once),
	        TEST(test_closing_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

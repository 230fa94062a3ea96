/*
 * test_auth.c - the access token's life against a scripted homeserver; secrets are files in a
 * folder of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/matrix/auth.h"
#include "tests/unit/peer.h"
#include "tests/unit/turn.h"

#define V3 "/_matrix/client/v3"

struct fixture {
	uv_loop_t loop;
	struct http *http;
	struct peer *peer;
	struct mx *mx;
	struct auth *auth;
	struct config *config;
	char folder[64];
	/* what the homeserver knows */
	const char *good;    /* the token it takes */
	const char *login;   /* what /login answers; NULL = refused */
	const char *refresh; /* what /refresh answers; NULL = refused */
	const char *device;  /* what /whoami names; NULL = none */
	bool soft;           /* refusals say soft_logout */
	int busy;            /* 502s still to be given */
	unsigned whoamis, logins, refreshes;
	char login_body[512];
	bool hold, got_held;
	const char *known; /* the token that an earlier run has proven, or NULL */
	/* what was told */
	unsigned readies, losses;
	bool ready, lost, proven;
	char user[64], device_id[64], problem[256];
	bool auth_closed, http_closed, peer_closed, done;
	enum err code; /* of a call by the client */
};

static void write_secret(struct fixture *f, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void remove_secret(struct fixture *f, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	unlink(path);
}

static void answer_whoami(struct fixture *f, struct peer_request *request)
{
	const char *given = peer_header(request, "authorization");
	char wanted[64];

	f->whoamis++;
	snprintf(wanted, sizeof(wanted), "Bearer %s", f->good);
	if (f->busy > 0) {
		f->busy--;
		peer_answer(request, 502, NULL, "<html>");
	} else if (strcmp(given, wanted) != 0) {
		peer_answer_json(request, 401, "{s:s, s:b}", "errcode", "M_UNKNOWN_TOKEN",
		        "soft_logout", f->soft);
	} else {
		peer_answer_json(
		        request, 200, "{s:s, s:s*}", "user_id", "@bot:x", "device_id", f->device);
	}
}

static void answer_tokens(struct peer_request *request, const char *answer)
{
	assert_string_equal(peer_header(request, "authorization"), "");
	if (answer)
		peer_answer(request, 200, NULL, answer);
	else
		peer_answer_json(request, 403, "{s:s}", "errcode", "M_FORBIDDEN");
}

static void on_request(struct peer_request *request, void *arg)
{
	struct fixture *f = arg;

	if (f->hold) {
		f->got_held = true;
	} else if (peer_is(request, "GET", V3 "/account/whoami")) {
		answer_whoami(f, request);
	} else if (peer_is(request, "POST", V3 "/login")) {
		f->logins++;
		snprintf(f->login_body, sizeof(f->login_body), "%s", peer_body(request));
		answer_tokens(request, f->login);
	} else if (peer_is(request, "POST", V3 "/refresh")) {
		f->refreshes++;
		assert_string_equal(peer_body(request), "{\"refresh_token\":\"r1\"}");
		answer_tokens(request, f->refresh);
	} else {
		peer_answer_json(request, 401, "{s:s, s:b}", "errcode", "M_UNKNOWN_TOKEN",
		        "soft_logout", f->soft);
	}
}

static bool is_known(const char *token, const char **user_id, const char **device_id, void *arg)
{
	const struct fixture *f = arg;

	*user_id = "@bot:x";
	*device_id = "DEV";
	return f->known && strcmp(token, f->known) == 0;
}

static void on_ready(
        const char *user_id, const char *device_id, const char *token, bool proven, void *arg)
{
	struct fixture *f = arg;

	f->readies++;
	f->ready = true;
	f->lost = false;
	f->proven = proven;
	assert_int_equal(strncmp(token, "t0ken", 5), 0);
	assert_true(mx_has_token(f->mx));
	snprintf(f->user, sizeof(f->user), "%s", user_id);
	snprintf(f->device_id, sizeof(f->device_id), "%s", device_id);
}

static void on_lost(const char *problem, void *arg)
{
	struct fixture *f = arg;

	f->losses++;
	f->lost = true;
	f->ready = false;
	snprintf(f->problem, sizeof(f->problem), "%s", problem);
	assert_null(strstr(problem, "t0ken"));
	assert_null(strstr(problem, "s3cret"));
}

static void on_auth_lost(bool soft_logout, void *arg)
{
	struct fixture *f = arg;

	if (!f->auth_closed)
		auth_lost(f->auth, soft_logout);
}

static struct config *make_config(struct fixture *f)
{
	char text[512];
	struct config *config;
	struct buf report;

	snprintf(text, sizeof(text),
	        "[matrix]\nhomeserver = http://127.0.0.1\nuser = @bot:x\ntoken_file = %s/token\n"
	        "device_name = telemetry\n[encryption]\npassword_command = cat %s/password\n"
	        "[rooms]\nops = !a:x\n",
	        f->folder, f->folder);
	buf_init(&report, 4096);
	if (config_parse(text, "/bot.conf", &config, &report) != OK)
		fail_msg("%s", buf_str(&report));
	buf_finish(&report);
	return config;
}

static int set_up(void **state)
{
	struct fixture *f = x_calloc(1, sizeof(*f));
	static const struct http_options options = {.proxy = ""};
	struct mx_events events = {.on_auth_lost = on_auth_lost, .arg = f};

	strcpy(f->folder, "/tmp/test_auth.XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	uv_loop_init(&f->loop);
	f->peer = peer_create(&f->loop, on_request, f);
	assert_int_equal(http_create(&f->http, &f->loop, &options), OK);
	f->mx = mx_create(f->http, peer_url(f->peer), &events);
	f->config = make_config(f);
	f->good = "t0ken1";
	f->device = "DEV";
	write_secret(f, "token", "t0ken1\n");
	write_secret(f, "password", "s3cret\n");
	*state = f;
	return 0;
}

static void create(struct fixture *f)
{
	struct auth_events events = {is_known, on_ready, on_lost, f};

	f->auth = auth_create(&f->loop, f->mx, f->config, &events);
	assert_int_equal(f->readies + f->losses, 0);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->auth_closed) {
		auth_close(f->auth, turn_set, &f->auth_closed);
		turn_until(&f->loop, &f->auth_closed);
	}
	http_close(f->http, turn_set, &f->http_closed);
	turn_until(&f->loop, &f->http_closed);
	mx_destroy(f->mx);
	config_unref(f->config);
	peer_close(f->peer, turn_set, &f->peer_closed);
	turn_until(&f->loop, &f->peer_closed);
	assert_int_equal(turn_end(&f->loop), 0);
	remove_secret(f, "token");
	remove_secret(f, "password");
	rmdir(f->folder);
	free(f);
	return 0;
}

static void on_call(const struct mx_answer *answer, void *arg)
{
	struct fixture *f = arg;

	f->code = answer->code;
	f->done = true;
}

/* A call of the client that finds its token refused. */
static void find_refused(struct fixture *f)
{
	f->done = false;
	mx_start(f->mx, "GET", "/v3/x", NULL, 10000, on_call, f);
	turn_until(&f->loop, &f->done);
	assert_int_equal(f->code, ERR_AUTH);
	assert_true(f->lost);
}

static void be_ready(struct fixture *f)
{
	create(f);
	turn_until(&f->loop, &f->ready);
}

/* ---- the first token ---- */

static void test_token_is_read_and_proven(void **state)
{
	struct fixture *f = *state;

	be_ready(f);
	assert_string_equal(f->user, "@bot:x");
	assert_string_equal(f->device_id, "DEV");
	assert_int_equal(f->losses, 0);
	assert_int_equal(f->whoamis, 1);
}

static void test_token_that_cannot_be_read_is_waited_for(void **state)
{
	struct fixture *f = *state;

	remove_secret(f, "token");
	create(f);
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "cannot read the access token"));
	assert_false(mx_has_token(f->mx));
	write_secret(f, "token", "t0ken1\n");
	turn_until(&f->loop, &f->ready);
}

static void test_new_config_is_tried_at_once(void **state)
{
	struct fixture *f = *state;
	struct config *config;

	remove_secret(f, "token");
	create(f);
	turn_until(&f->loop, &f->lost);
	write_secret(f, "token", "t0ken1\n");
	config = make_config(f);
	auth_configure(f->auth, config);
	auth_configure(f->auth, config); /* while it is being read */
	config_unref(config);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->losses, 1);
}

static void test_what_is_no_token_is_said_and_not_sent(void **state)
{
	struct fixture *f = *state;

	write_secret(f, "token", "error: no such t0ken entry\n");
	create(f);
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "not an access token"));
	assert_int_equal(f->whoamis, 0);
}

static void test_token_without_a_device_is_refused(void **state)
{
	struct fixture *f = *state;

	f->device = NULL;
	create(f);
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "device"));
	assert_false(mx_has_token(f->mx));
}

static void test_homeserver_that_is_away_is_waited_for(void **state)
{
	struct fixture *f = *state;

	f->busy = 2;
	be_ready(f);
	assert_int_equal(f->losses, 2);
	assert_int_equal(f->whoamis, 3);
	assert_string_equal(f->problem, "whoami: HTTP 502");
}

static void test_first_token_refused_says_what_to_do(void **state)
{
	struct fixture *f = *state;

	f->good = "other";
	f->soft = true; /* but nobody knows of which device it was */
	create(f);
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "run matrix-telemetry-bot login"));
	assert_false(mx_has_token(f->mx));
	assert_int_equal(f->logins, 0);
}

/* ---- losing it ---- */

static void test_refused_token_is_read_anew(void **state)
{
	struct fixture *f = *state;

	be_ready(f);
	f->good = "t0ken2";
	write_secret(f, "token", "t0ken2\n");
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->readies, 2);
	assert_int_equal(f->logins, 0);
}

static void test_token_that_only_whoami_takes_is_tried_ever_less_often(void **state)
{
	struct fixture *f = *state;
	uint64_t started;

	be_ready(f);
	started = uv_hrtime();
	for (int i = 0; i < 5; i++) { /* at once, at once, then after 0.25, 0.5 and 1 s at least */
		find_refused(f);
		turn_until(&f->loop, &f->ready);
	}
	assert_true(uv_hrtime() - started >= UINT64_C(1700000000));
	assert_int_equal(f->whoamis, 6);
	assert_non_null(strstr(f->problem, "accepts the access token for whoami"));
}

static void test_hard_logout_is_not_undone_by_password(void **state)
{
	struct fixture *f = *state;

	be_ready(f);
	f->good = "t0ken2";
	find_refused(f);
	f->lost = false;
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "run matrix-telemetry-bot login"));
	assert_int_equal(f->logins, 0);
	write_secret(f, "token", "t0ken2\n"); /* the person does it */
	turn_until(&f->loop, &f->ready);
}

static void test_soft_logout_logs_in_with_the_same_device(void **state)
{
	struct fixture *f = *state;
	json_t *body;

	be_ready(f);
	f->soft = true;
	f->good = "t0ken2";
	f->login = "{\"access_token\":\"t0ken2\",\"device_id\":\"DEV\"}";
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->logins, 1);
	body = json_loads(f->login_body, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(body, "device_id")), "DEV");
	assert_string_equal(json_string_value(json_object_get(body, "password")), "s3cret");
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(body, "identifier"), "user")),
	        "@bot:x");
	json_decref(body);
}

static void test_soft_logout_without_a_password_says_what_to_do(void **state)
{
	struct fixture *f = *state;

	be_ready(f);
	f->soft = true;
	f->good = "t0ken2";
	remove_secret(f, "password");
	find_refused(f);
	f->lost = false;
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "run matrix-telemetry-bot login"));
	assert_non_null(strstr(f->problem, "password"));
}

static void test_refused_password_is_not_tried_again_soon(void **state)
{
	struct fixture *f = *state;

	be_ready(f);
	f->soft = true;
	f->good = "t0ken2";
	find_refused(f);
	f->lost = false;
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "login by password: HTTP 403"));
	assert_int_equal(f->logins, 1);
	write_secret(f, "token", "t0ken2\n");
	auth_configure(f->auth, f->config); /* a reload ends the wait */
	turn_until(&f->loop, &f->ready);
}

/* Ready by a login that gave a refresh token, and then refused again. */
static void lose_refreshable(struct fixture *f)
{
	be_ready(f);
	f->soft = true;
	f->good = "t0ken2";
	f->login = "{\"access_token\":\"t0ken2\",\"refresh_token\":\"r1\"}";
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	f->good = "t0ken3";
	f->login = NULL;
}

static void test_refresh_token_is_used_first(void **state)
{
	struct fixture *f = *state;

	lose_refreshable(f);
	f->refresh = "{\"access_token\":\"t0ken3\"}"; /* the refresh token stays good */
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->refreshes, 1);
	assert_int_equal(f->logins, 1);

	f->good = "t0ken4";
	f->refresh = "{\"access_token\":\"t0ken4\",\"refresh_token\":\"r2\"}";
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->refreshes, 2);
}

static void test_refused_refresh_token_falls_back_to_the_stored_token(void **state)
{
	struct fixture *f = *state;

	lose_refreshable(f);
	write_secret(f, "token", "t0ken3\n");
	find_refused(f);
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->refreshes, 1);
	assert_int_equal(f->logins, 1);
}

/* ---- closing ---- */

/* ---- a known token ---- */

/* Ready with the known token; /whoami is not asked yet. */
static void be_known(struct fixture *f)
{
	f->known = "t0ken1";
	be_ready(f);
	assert_false(f->proven);
	assert_int_equal(f->whoamis, 0);
	assert_string_equal(f->device_id, "DEV");
}

static void test_known_token_is_ready_at_once_and_confirmed_later(void **state)
{
	struct fixture *f = *state;

	be_known(f);
	turn_until(&f->loop, &f->proven);
	assert_int_equal(f->whoamis, 1);
	assert_int_equal(f->losses, 0);
	find_refused(f); /* from now on it is as any other */
	turn_until(&f->loop, &f->ready);
	assert_int_equal(f->whoamis, 2);
}

static void test_another_token_is_proven_first(void **state)
{
	struct fixture *f = *state;

	f->known = "t0ken0";
	be_ready(f);
	assert_true(f->proven);
	assert_int_equal(f->readies, 1);
}

/* Other requests say whether the homeserver works; the token stays ready meanwhile. */
static void test_known_token_is_confirmed_when_the_homeserver_is_back(void **state)
{
	struct fixture *f = *state;

	f->busy = 1;
	be_known(f);
	turn_until(&f->loop, &f->proven);
	assert_int_equal(f->whoamis, 2);
	assert_int_equal(f->losses, 0);
}

static void test_known_token_of_another_device_is_lost_first(void **state)
{
	struct fixture *f = *state;

	f->device = "DEV2";
	be_known(f);
	turn_until(&f->loop, &f->proven);
	assert_int_equal(f->losses, 1);
	assert_string_equal(f->device_id, "DEV2");
}

static void test_known_token_refused_by_whoami(void **state)
{
	struct fixture *f = *state;

	f->good = "t0ken2";
	be_known(f);
	turn_until(&f->loop, &f->lost);
	assert_non_null(strstr(f->problem, "M_UNKNOWN_TOKEN"));
	write_secret(f, "token", "t0ken2\n");
	auth_configure(f->auth, f->config);
	turn_until(&f->loop, &f->ready);
	assert_true(f->proven);
}

static void test_known_token_with_a_soft_logout(void **state)
{
	struct fixture *f = *state;

	f->good = "t0ken2";
	f->soft = true;
	f->login = "{\"access_token\":\"t0ken2\"}";
	be_known(f);
	turn_until(&f->loop, &f->lost);
	turn_until(&f->loop, &f->ready);
	assert_true(f->proven);
	assert_int_equal(f->logins, 1);
}

/* A known token that a request finds refused is not trusted a second time. */
static void test_known_token_refused_by_a_request(void **state)
{
	struct fixture *f = *state;

	f->good = "t0ken2";
	be_known(f);
	find_refused(f);
	assert_int_equal(f->losses, 1);
	f->lost = false;
	turn_until(&f->loop, &f->lost);
	assert_int_equal(f->readies, 1);
	assert_int_equal(f->whoamis, 1);
}

static void test_known_token_refused_while_it_is_confirmed(void **state)
{
	struct fixture *f = *state;

	be_known(f);
	f->hold = true;
	turn_until(&f->loop, &f->got_held);
	f->hold = false;
	find_refused(f);
	auth_close(f->auth, turn_set, &f->auth_closed);
	turn_until(&f->loop, &f->auth_closed);
	assert_int_equal(f->readies, 1);
	assert_int_equal(f->losses, 1);
}

/* ---- closing ---- */

static void test_close_while_reading(void **state)
{
	struct fixture *f = *state;

	create(f);
	auth_close(f->auth, turn_set, &f->auth_closed);
	assert_false(f->auth_closed);
	turn_until(&f->loop, &f->auth_closed);
	assert_int_equal(f->readies + f->losses, 0);
}

static void test_close_while_asking(void **state)
{
	struct fixture *f = *state;

	f->hold = true;
	create(f);
	turn_until(&f->loop, &f->got_held);
	auth_close(f->auth, turn_set, &f->auth_closed);
	turn_until(&f->loop, &f->auth_closed);
	assert_int_equal(f->readies + f->losses, 0);
}

static void test_close_while_waiting(void **state)
{
	struct fixture *f = *state;

	f->busy = 1000;
	create(f);
	turn_until(&f->loop, &f->lost);
	auth_close(f->auth, turn_set, &f->auth_closed);
	turn_until(&f->loop, &f->auth_closed);
	assert_int_equal(f->losses, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	        TEST(test_token_is_read_and_proven),
	        TEST(test_token_that_cannot_be_read_is_waited_for),
	        TEST(test_new_config_is_tried_at_once),
	        TEST(test_what_is_no_token_is_said_and_not_sent),
	        TEST(test_token_without_a_device_is_refused),
	        TEST(test_homeserver_that_is_away_is_waited_for),
	        TEST(test_first_token_refused_says_what_to_do),
	        TEST(test_refused_token_is_read_anew),
	        TEST(test_token_that_only_whoami_takes_is_tried_ever_less_often),
	        TEST(test_hard_logout_is_not_undone_by_password),
	        TEST(test_soft_logout_logs_in_with_the_same_device),
	        TEST(test_soft_logout_without_a_password_says_what_to_do),
	        TEST(test_refused_password_is_not_tried_again_soon),
	        TEST(test_refresh_token_is_used_first),
	        TEST(test_refused_refresh_token_falls_back_to_the_stored_token),
	        TEST(test_known_token_is_ready_at_once_and_confirmed_later),
	        TEST(test_another_token_is_proven_first),
	        TEST(test_known_token_is_confirmed_when_the_homeserver_is_back),
	        TEST(test_known_token_of_another_device_is_lost_first),
	        TEST(test_known_token_refused_by_whoami),
	        TEST(test_known_token_with_a_soft_logout),
	        TEST(test_known_token_refused_by_a_request),
	        TEST(test_known_token_refused_while_it_is_confirmed),
	        TEST(test_close_while_reading),
	        TEST(test_close_while_asking),
	        TEST(test_close_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

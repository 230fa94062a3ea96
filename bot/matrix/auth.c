/*
 * auth.c - see auth.h. The states, and where each may lead:
 *
 *   READ_TOKEN     on the pool                 → WHOAMI, KNOWN, WAIT
 *   KNOWN          timer, then /whoami         → READY, READ_PASSWORD, WAIT; auth_lost(): as READY
 *   WHOAMI         is the token good?          → READY, READ_PASSWORD, WAIT
 *   READY          until auth_lost()           → REFRESH, READ_TOKEN
 *   REFRESH        by the refresh token        → WHOAMI, READ_TOKEN, WAIT
 *   READ_PASSWORD  on the pool                 → LOGIN, WAIT
 *   LOGIN          by password, same device    → WHOAMI, WAIT
 *   WAIT           timer, or a new config      → REFRESH, READ_TOKEN
 *
 * A refresh token is known only when a login by password returned one. A secret is kept in memory
 * only until the request that uses it has ended.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/matrix/auth.h"
#include "bot/matrix/backoff.h"

#define REQUEST_TIMEOUT_MS 30000
#define GOOD_MS CLOCK_MINUTE_MS /* a token that worked this long was really valid */
/* After a known token's first requests, which are worth more. */
#define CONFIRM_MS CLOCK_SECOND_MS
/* Long, so that the account is not locked for guessing. */
#define PASSWORD_REFUSED_MS (5 * CLOCK_MINUTE_MS)

#define REFUSED "the homeserver refuses the access token"
#define LOG_IN_AGAIN "run matrix-telemetry-bot login and store the new token where the config says"

enum auth_state {
	AUTH_READ_TOKEN,
	AUTH_KNOWN,
	AUTH_WHOAMI,
	AUTH_READY,
	AUTH_REFRESH,
	AUTH_READ_PASSWORD,
	AUTH_LOGIN,
	AUTH_WAIT,
};

struct auth {
	uv_loop_t *loop;
	struct mx *mx;    /* shared client; gets the token once it is proven */
	struct mx *probe; /* private client that proves tokens */
	struct config *config;
	struct auth_events events;
	enum auth_state state;
	uv_timer_t timer;
	struct mx_call *call;      /* in flight, or NULL */
	char *token;               /* being proven or confirmed */
	char *refresh_token;       /* or NULL */
	char *user_id, *device_id; /* of the last good token, or NULL */
	bool soft_logout;          /* the homeserver reported it since the last valid token */
	unsigned tries;            /* failures in a row */
	unsigned losses;           /* in a row, each soon after the token was proven */
	int64_t ready_ms;          /* monotonic; when it was proven last */
	struct fault problem;      /* logged last */

	uv_work_t work;
	bool reading; /* a pool thread uses the members below */
	struct config *work_config;
	char *secret;
	struct fault fault;

	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void read_secret(struct auth *auth, enum auth_state state);
static void start_whoami(struct auth *auth);
static void start_refresh(struct auth *auth);

/* ---- closing ---- */

/* True when closing; then it may be freed. */
static bool auth_is_closing(struct auth *auth)
{
	void (*closed)(void *arg) = auth->closed;
	void *arg = auth->closed_arg;

	if (!auth->closing)
		return false;
	if (!auth->timer_closed || auth->call || auth->reading)
		return true;
	mx_destroy(auth->probe);
	config_unref(auth->config);
	x_wipe_free_str(auth->token);
	x_wipe_free_str(auth->refresh_token);
	x_wipe_free_str(auth->secret);
	free(auth->user_id);
	free(auth->device_id);
	free(auth);
	closed(arg);
	return true;
}

static void auth_on_timer_closed(uv_handle_t *handle)
{
	struct auth *auth = handle->data;

	auth->timer_closed = true;
	auth_is_closing(auth);
}

void auth_close(struct auth *auth, void (*closed)(void *arg), void *arg)
{
	assert(!auth->closing);
	auth->closing = true;
	auth->closed = closed;
	auth->closed_arg = arg;
	if (auth->call)
		mx_cancel(auth->call);
	if (auth->reading)
		uv_cancel((uv_req_t *)&auth->work); /* fails harmlessly once the work has begun */
	uv_close((uv_handle_t *)&auth->timer, auth_on_timer_closed);
}

/* ---- waiting ---- */

/* Starts over, with the refresh token if there is one. */
static void auth_begin(struct auth *auth)
{
	uv_timer_stop(&auth->timer);
	if (auth->refresh_token)
		start_refresh(auth);
	else
		read_secret(auth, AUTH_READ_TOKEN);
}

static void auth_on_timer(uv_timer_t *timer)
{
	struct auth *auth = timer->data;

	if (auth->state == AUTH_KNOWN)
		start_whoami(auth);
	else
		auth_begin(auth);
}

/* Tries again later; the same problem is logged once. */
static void auth_wait(struct auth *auth, const struct fault *problem, int64_t server_ms)
{
	auth->state = AUTH_WAIT;
	auth->tries++;
	x_wipe_free_str(auth->token);
	auth->token = NULL;
	uv_timer_start(&auth->timer, auth_on_timer,
	        (uint64_t)backoff_ms(auth->tries, server_ms, arc4random()), 0);
	if (strcmp(problem->text, auth->problem.text) != 0)
		log_error("auth", "%s", problem->text);
	auth->problem = *problem;
	auth->events.on_lost(auth->problem.text, auth->events.arg);
}

/* ---- proving a token ---- */

static void on_refused(struct auth *auth, const struct mx_answer *answer)
{
	struct fault problem;

	auth->soft_logout = auth->soft_logout || answer->soft_logout;
	if (auth->soft_logout && auth->device_id) {
		if (auth->state == AUTH_KNOWN)
			auth->events.on_lost(REFUSED, auth->events.arg);
		read_secret(auth, AUTH_READ_PASSWORD);
		return;
	}
	fault_set(&problem, ERR_AUTH, "the homeserver refuses the access token (%s): %s",
	        answer->errcode, LOG_IN_AGAIN);
	auth_wait(auth, &problem, -1);
}

/* Whether /whoami has confirmed a known token. */
static bool auth_is_confirmed(const struct auth *auth, const char *user_id, const char *device_id)
{
	return auth->state == AUTH_KNOWN && strcmp(user_id, auth->user_id) == 0 &&
	       strcmp(device_id, auth->device_id) == 0;
}

/* Whether a known token just needs another /whoami: other requests use it meanwhile. */
static bool auth_confirm_later(struct auth *auth, const struct mx_answer *answer)
{
	if (auth->state != AUTH_KNOWN)
		return false;
	auth->tries++;
	uv_timer_start(&auth->timer, auth_on_timer,
	        (uint64_t)backoff_ms(auth->tries, answer->retry_after_ms, arc4random()), 0);
	return true;
}

/* The token is that device's. */
static void auth_take_owner(struct auth *auth, const char *user_id, const char *device_id)
{
	char *token = auth->token;

	auth->token = NULL;
	free(auth->user_id);
	free(auth->device_id);
	auth->user_id = x_strdup(user_id);
	auth->device_id = x_strdup(device_id);
	auth->soft_logout = false;
	auth->tries = 0;
	if (auth->losses == 0)
		auth->problem.text[0] = '\0';
	auth->state = AUTH_READY;
	auth->events.on_ready(auth->user_id, auth->device_id, token, true, auth->events.arg);
	x_wipe_free_str(token);
}

static void on_whoami(const struct mx_answer *answer, void *arg)
{
	struct auth *auth = arg;
	const char *user = json_string_value(json_object_get(answer->body, "user_id"));
	const char *device = json_string_value(json_object_get(answer->body, "device_id"));
	struct fault problem = {.code = OK};

	auth->call = NULL;
	if (auth_is_closing(auth))
		return;
	if (answer->code == ERR_AUTH) {
		on_refused(auth, answer);
		return;
	}
	if (answer->code != OK)
		fault_set(&problem, answer->code, "whoami: %s", answer->error);
	else if (!user || !device)
		fault_set(&problem, ERR_PROTO,
		        "whoami names no user or no device; the token must come from a login: %s",
		        LOG_IN_AGAIN);
	if (answer->code != OK || !user || !device) {
		if (!auth_confirm_later(auth, answer))
			auth_wait(auth, &problem, answer->retry_after_ms);
		return;
	}
	if (!auth_is_confirmed(auth, user, device)) {
		if (auth->state == AUTH_KNOWN)
			auth->events.on_lost(
			        "the access token belongs to another device", auth->events.arg);
		mx_set_token(auth->mx, auth->token);
		auth->ready_ms = clock_monotonic_ms();
	}
	auth_take_owner(auth, user, device);
}

static void start_whoami(struct auth *auth)
{
	mx_set_token(auth->probe, auth->token); /* checked in ask_whoami() */
	auth->call = mx_start(auth->probe, "GET", "/v3/account/whoami", NULL, REQUEST_TIMEOUT_MS,
	        on_whoami, auth);
}

static void ask_whoami(struct auth *auth, const char *token)
{
	struct fault problem;

	x_wipe_free_str(auth->token);
	auth->token = x_strdup(token);
	if (mx_set_token(auth->probe, token) != OK) {
		fault_set(&problem, ERR_INVALID,
		        "what is stored is not an access token (it has spaces or odd characters): "
		        "%s",
		        LOG_IN_AGAIN);
		auth_wait(auth, &problem, -1);
		return;
	}
	auth->state = AUTH_WHOAMI;
	start_whoami(auth);
}

/* A token that an earlier run has proven is used at once. */
static bool auth_trust(struct auth *auth, const char *token)
{
	const char *user, *device;

	if (auth->device_id || !auth->events.is_known ||
	        !auth->events.is_known(token, &user, &device, auth->events.arg) ||
	        mx_set_token(auth->mx, token) != OK)
		return false;
	x_wipe_free_str(auth->token);
	auth->token = x_strdup(token);
	auth->user_id = x_strdup(user);
	auth->device_id = x_strdup(device);
	auth->ready_ms = clock_monotonic_ms() - GOOD_MS; /* it was proven before */
	auth->tries = 0;
	auth->state = AUTH_KNOWN;
	uv_timer_start(&auth->timer, auth_on_timer, CONFIRM_MS, 0);
	auth->events.on_ready(auth->user_id, auth->device_id, token, false, auth->events.arg);
	return true;
}

/* ---- getting another token ---- */

/* Takes the tokens out of an answer to /login or /refresh; NULL when the answer has none. */
static const char *take_tokens(struct auth *auth, const struct mx_answer *answer)
{
	const char *refresh = json_string_value(json_object_get(answer->body, "refresh_token"));

	if (answer->code != OK)
		return NULL;
	if (refresh) {
		x_wipe_free_str(auth->refresh_token);
		auth->refresh_token = x_strdup(refresh);
	}
	return json_string_value(json_object_get(answer->body, "access_token"));
}

static void on_refresh(const struct mx_answer *answer, void *arg)
{
	struct auth *auth = arg;
	struct fault problem;
	const char *token;

	auth->call = NULL;
	if (auth_is_closing(auth))
		return;
	token = take_tokens(auth, answer);
	if (token) {
		ask_whoami(auth, token);
	} else if (answer->status >= 400 && answer->status < 500 && answer->code != ERR_LIMITED) {
		x_wipe_free_str(auth->refresh_token);
		auth->refresh_token = NULL;
		read_secret(auth, AUTH_READ_TOKEN);
	} else {
		fault_set(&problem, answer->code, "refreshing the access token: %s", answer->error);
		auth_wait(auth, &problem, answer->retry_after_ms);
	}
}

static void start_refresh(struct auth *auth)
{
	json_t *body = json_pack("{s:s}", "refresh_token", auth->refresh_token);

	auth->state = AUTH_REFRESH;
	mx_set_token(auth->probe, NULL);
	auth->call = mx_start(
	        auth->probe, "POST", "/v3/refresh", body, REQUEST_TIMEOUT_MS, on_refresh, auth);
	json_decref(body);
}

static void on_login(const struct mx_answer *answer, void *arg)
{
	struct auth *auth = arg;
	struct fault problem;
	const char *token;

	auth->call = NULL;
	if (auth_is_closing(auth))
		return;
	token = take_tokens(auth, answer);
	if (token) {
		log_warning("auth",
		        "logged in by password, with the same device; the stored token is no "
		        "longer valid, store a new one before the next start: %s",
		        LOG_IN_AGAIN);
		ask_whoami(auth, token);
		return;
	}
	fault_set(&problem, answer->code, "login by password: %s",
	        answer->code == OK ? "the answer has no access token" : answer->error);
	auth_wait(auth, &problem,
	        answer->code == ERR_DENIED ? PASSWORD_REFUSED_MS : answer->retry_after_ms);
}

static void start_login(struct auth *auth, const char *password)
{
	json_t *body = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s, s:s, s:b}", "type",
	        "m.login.password", "identifier", "type", "m.id.user", "user",
	        auth->config->matrix.user, "password", password, "device_id", auth->device_id,
	        "initial_device_display_name", auth->config->matrix.device_name, "refresh_token",
	        1);
	struct fault problem;

	if (!body) { /* not UTF-8 */
		fault_set(&problem, ERR_INVALID, "the password is not UTF-8 text");
		auth_wait(auth, &problem, -1);
		return;
	}
	auth->state = AUTH_LOGIN;
	mx_set_token(auth->probe, NULL);
	auth->call = mx_start(
	        auth->probe, "POST", "/v3/login", body, REQUEST_TIMEOUT_MS, on_login, auth);
	json_decref(body);
}

/* ---- reading secrets ---- */

static void auth_on_pool(uv_work_t *work)
{
	struct auth *auth = work->data;
	const struct config *config = auth->work_config;

	if (auth->state == AUTH_READ_PASSWORD)
		secret_read(&config->encryption.password, "password", &auth->secret, &auth->fault);
	else
		secret_read(&config->matrix.token, "token", &auth->secret, &auth->fault);
}

static void auth_on_read(uv_work_t *work, int status)
{
	struct auth *auth = work->data;
	char *secret = auth->secret;

	auth->reading = false;
	auth->secret = NULL;
	config_unref(auth->work_config);
	auth->work_config = NULL;
	if (auth->closing) {
		x_wipe_free_str(secret);
		auth_is_closing(auth);
		return;
	}
	assert(status == 0); /* only closing cancels it */
	if (!secret) {
		fault_wrap(&auth->fault, "%s",
		        auth->state == AUTH_READ_TOKEN
		                ? "cannot read the access token"
		                : "the homeserver ended the session: " LOG_IN_AGAIN
		                  ", or set [encryption] password_command");
		auth_wait(auth, &auth->fault, -1);
	} else if (auth->state == AUTH_READ_TOKEN) {
		if (!auth_trust(auth, secret))
			ask_whoami(auth, secret);
	} else {
		start_login(auth, secret);
	}
	x_wipe_free_str(secret);
}

/* The pool thread reads auth->state, which does not change meanwhile. */
static void read_secret(struct auth *auth, enum auth_state state)
{
	assert(!auth->reading && !auth->call);
	auth->state = state;
	auth->reading = true;
	auth->work_config = config_ref(auth->config);
	uv_queue_work(auth->loop, &auth->work, auth_on_pool, auth_on_read);
}

/* ---- the interface ---- */

struct auth *auth_create(
        uv_loop_t *loop, struct mx *mx, struct config *config, const struct auth_events *events)
{
	struct auth *auth = x_calloc(1, sizeof(*auth));

	auth->loop = loop;
	auth->mx = mx;
	auth->probe = mx_create_beside(mx);
	auth->config = config_ref(config);
	auth->events = *events;
	auth->work.data = auth;
	uv_timer_init(loop, &auth->timer);
	auth->timer.data = auth;
	auth_begin(auth);
	return auth;
}

void auth_configure(struct auth *auth, struct config *config)
{
	config_replace(&auth->config, config);
	if (auth->state == AUTH_WAIT && !auth->closing)
		auth_begin(auth);
}

void auth_lost(struct auth *auth, bool soft_logout)
{
	struct fault problem;

	if (auth->closing || (auth->state != AUTH_READY && auth->state != AUTH_KNOWN))
		return;
	auth->soft_logout = soft_logout;
	auth->losses = clock_monotonic_ms() - auth->ready_ms < GOOD_MS ? auth->losses + 1 : 0;
	if (auth->losses > 1) {
		auth->tries = auth->losses - 2;
		fault_set(&problem, ERR_AUTH,
		        "the homeserver accepts the access token for whoami but refuses it for "
		        "other requests; retrying less and less often: ask its admin");
		auth_wait(auth, &problem, -1);
		return;
	}
	log_warning("auth", "the homeserver refuses the access token%s; getting another",
	        soft_logout ? " (soft logout)" : "");
	if (auth->call) /* the answer to /whoami decides */
		auth->state = AUTH_WHOAMI;
	else
		auth_begin(auth);
	auth->events.on_lost(REFUSED, auth->events.arg);
}

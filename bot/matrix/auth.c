/*
 * auth.c - see auth.h. States: reading (pool), asking (/whoami or /login), ready, waiting.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/matrix/auth.h"
#include "bot/matrix/backoff.h"

#define AUTH_CALL_MS 30000

struct auth {
	uv_loop_t *loop;
	struct mx *mx;
	struct config *config;
	struct auth_events events;
	uv_work_t work;
	uv_timer_t timer;
	struct mx_call *call;
	bool reading;
	bool password; /* what is read is the password, not the token */
	char *secret;
	struct fault fault;
	char *device_id; /* of the last good token */
	unsigned failures;
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void auth_read(struct auth *auth, bool password);

static void on_timer(uv_timer_t *timer)
{
	auth_read(timer->data, false);
}

static void auth_wait(struct auth *auth, const char *problem, int64_t server_ms)
{
	uint32_t random = 0;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)uv_hrtime();
	auth->failures++;
	if (auth->failures == 1)
		log_error("auth", "%s", problem);
	auth->events.on_lost(problem, auth->events.arg);
	uv_timer_start(
	        &auth->timer, on_timer, (uint64_t)backoff_ms(auth->failures, server_ms, random), 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct auth *auth = handle->data;
	void (*closed)(void *arg) = auth->closed;
	void *arg = auth->closed_arg;

	config_unref(auth->config);
	x_wipe_free_str(auth->secret);
	free(auth->device_id);
	free(auth);
	closed(arg);
}

static bool auth_closing(struct auth *auth)
{
	if (auth->closing && !auth->call && !auth->reading &&
	        !uv_is_closing((uv_handle_t *)&auth->timer))
		uv_close((uv_handle_t *)&auth->timer, on_timer_closed);
	return auth->closing;
}

static void on_whoami(const struct mx_answer *answer, void *arg)
{
	struct auth *auth = arg;
	const char *user = json_string_value(json_object_get(answer->body, "user_id"));
	const char *device = json_string_value(json_object_get(answer->body, "device_id"));
	char problem[400];

	auth->call = NULL;
	if (auth_closing(auth))
		return;
	if (answer->code == ERR_AUTH && auth->device_id &&
	        (auth->config->encryption.password.command ||
	                auth->config->encryption.password.file)) {
		auth_read(auth, true);
		return;
	}
	if (answer->code == ERR_AUTH) {
		auth_wait(auth,
		        "the homeserver refuses the access token: log in again "
		        "(matrix-telemetry-bot login) and store the new one",
		        -1);
		return;
	}
	if (answer->code != OK) {
		snprintf(problem, sizeof(problem), "whoami: %s", answer->error);
		auth_wait(auth, problem, answer->retry_after_ms);
		return;
	}
	if (!user || !device) {
		auth_wait(
		        auth, "whoami tells no user and device: the token is none of a device", -1);
		return;
	}
	auth->failures = 0;
	free(auth->device_id);
	auth->device_id = x_strdup(device);
	auth->events.on_ready(user, auth->device_id, auth->events.arg);
}

static void auth_whoami(struct auth *auth, const char *token)
{
	if (mx_set_token(auth->mx, token) != OK) {
		auth_wait(auth, "what was read is no access token: it has spaces or odd characters",
		        -1);
		return;
	}
	auth->call = mx_start(
	        auth->mx, "GET", "/v3/account/whoami", NULL, AUTH_CALL_MS, on_whoami, auth);
}

static void on_login(const struct mx_answer *answer, void *arg)
{
	struct auth *auth = arg;
	const char *token = json_string_value(json_object_get(answer->body, "access_token"));
	char problem[400];

	auth->call = NULL;
	if (auth_closing(auth))
		return;
	if (answer->code == OK && token) {
		log_info("auth", "logged in again by password, with the same device");
		auth_whoami(auth, token);
		return;
	}
	snprintf(problem, sizeof(problem), "login by password: %s", answer->error);
	auth_wait(auth, problem, answer->retry_after_ms);
}

static void auth_login(struct auth *auth)
{
	json_t *body = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s}", "type", "m.login.password",
	        "identifier", "type", "m.id.user", "user", auth->config->matrix.user, "password",
	        auth->secret, "device_id", auth->device_id);

	/* while a refused token is set, every call ends at once */
	(void)mx_set_token(auth->mx, NULL);
	auth->call = mx_start(auth->mx, "POST", "/v3/login", body, AUTH_CALL_MS, on_login, auth);
	json_decref(body);
}

static void read_work(uv_work_t *work)
{
	struct auth *auth = work->data;
	const struct config *config = auth->config;

	if (auth->password)
		secret_read(&config->encryption.password, "password", &auth->secret, &auth->fault);
	else
		secret_read(&config->matrix.token, "token", &auth->secret, &auth->fault);
}

static void read_done(uv_work_t *work, int status)
{
	struct auth *auth = work->data;
	char problem[400];

	auth->reading = false;
	config_unref(auth->config); /* the pool's reference */
	if (auth_closing(auth))
		return;
	if (!auth->secret) {
		snprintf(problem, sizeof(problem), "cannot read the %s: %s",
		        auth->password ? "password" : "access token", auth->fault.text);
		auth_wait(auth, problem, -1);
		return;
	}
	if (auth->password)
		auth_login(auth);
	else
		auth_whoami(auth, auth->secret);
	x_wipe_free_str(auth->secret);
	auth->secret = NULL;
}

static void auth_read(struct auth *auth, bool password)
{
	if (auth->reading || auth->call || auth->closing)
		return;
	auth->reading = true;
	auth->password = password;
	config_ref(auth->config);
	uv_queue_work(auth->loop, &auth->work, read_work, read_done);
}

struct auth *auth_create(
        uv_loop_t *loop, struct mx *mx, struct config *config, const struct auth_events *events)
{
	struct auth *auth = x_calloc(1, sizeof(*auth));

	auth->loop = loop;
	auth->mx = mx;
	auth->config = config_ref(config);
	auth->events = *events;
	auth->work.data = auth;
	uv_timer_init(loop, &auth->timer);
	auth->timer.data = auth;
	auth_read(auth, false);
	return auth;
}

void auth_configure(struct auth *auth, struct config *config)
{
	if (auth->reading) /* the pool reads the old one; the next reload or refusal brings it */
		return;
	config_ref(config);
	config_unref(auth->config);
	auth->config = config;
	if (!mx_has_token(auth->mx)) {
		uv_timer_stop(&auth->timer);
		auth_read(auth, false);
	}
}

void auth_lost(struct auth *auth, bool soft_logout)
{
	if (auth->closing || auth->call)
		return; /* /whoami itself was refused: its answer decides */
	log_warning("auth", "the homeserver refuses the access token%s; reading it again",
	        soft_logout ? " (soft logout)" : "");
	auth->events.on_lost("access token refused", auth->events.arg);
	auth_read(auth, false);
}

void auth_close(struct auth *auth, void (*closed)(void *arg), void *arg)
{
	assert(!auth->closing);
	auth->closing = true;
	auth->closed = closed;
	auth->closed_arg = arg;
	uv_timer_stop(&auth->timer);
	if (auth->call)
		mx_cancel(auth->call);
	auth_closing(auth);
}

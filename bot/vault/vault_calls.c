/*
 * vault_calls.c - sends the machine's requests and passes their results back to it; see
 * vault_internal.h.
 *
 * The machine keeps a request until its result was passed back in a transaction; one that is
 * dropped here (offline, restart) is returned again by the next look, byte for byte the same.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/config/secret.h"
#include "bot/matrix/backoff.h"
#include "bot/vault/vault_internal.h"

#define REQUEST_TIMEOUT_MS 60000

static void call_send(struct vault_call *call, const char *body);

static void call_free(struct vault_call *call)
{
	TAILQ_REMOVE(&call->vault->calls, call, link);
	free(call->request.method);
	free(call->request.path);
	if (call->request.body)
		explicit_bzero(call->request.body, strlen(call->request.body));
	free(call->request.body);
	free(call->request.room_id);
	free(call->request.type);
	free(call);
}

static void call_wait(struct vault_call *call, int64_t server_ms)
{
	call->busy = false;
	call->tries++;
	call->due_ms = clock_monotonic_ms() + backoff_ms(call->tries, server_ms, arc4random());
	vault_arm(call->vault);
}

/* ---- passing a result back ---- */

struct call_end {
	struct vault_call *call;
	json_t *answer;        /* NULL = refused, or put into a room's delivery queue */
	char *reason;          /* of a refusal */
	char *room;            /* name, for an event that goes into a room's delivery queue */
	struct config *config; /* referenced, with room */
	struct fault fault;
};

static enum err calls_post_event(struct vault_core *core, const struct call_end *end)
{
	struct deliver d = {.store = core->store, .config = end->config, .now_ms = clock_now_ms()};
	const struct crypto_request *request = &end->call->request;
	json_t *content = json_loads(request->body, 0, NULL);
	json_t *nothing = json_object();
	struct fault fault;
	enum err err =
	        content ? deliver_post(&d, end->room, OUTBOX_NOTE, 0, request->type, content, NULL)
	                : ERR_CORRUPT;

	if (err == OK)
		err = crypto_answer(core->machine, d.now_ms, request->id, nothing, &fault);
	json_decref(content);
	json_decref(nothing);
	return err;
}

static enum err end_work(struct store *store, void *arg)
{
	struct call_end *end = arg;
	struct vault_core *core = &end->call->vault->core;
	int64_t id = end->call->request.id;

	if (end->room)
		return calls_post_event(core, end);
	if (end->answer)
		return crypto_answer(core->machine, clock_now_ms(), id, end->answer, &end->fault);
	return crypto_refused(core->machine, clock_now_ms(), id, end->reason);
}

static void end_done(enum err result, const char *message, void *arg)
{
	struct call_end *end = arg;
	struct vault_call *call = end->call;
	struct vault *vault = call->vault;

	if (result == OK) {
		call_free(call);
		vault_pump(vault);
		if (!vault->closing)
			vault->events.on_change(vault->events.arg);
	} else {
		log_error("vault", "could not process an answer: %s",
		        end->fault.text[0] ? end->fault.text : message);
		if (vault->closing || !vault->mx)
			call_free(call);
		else
			call_wait(call, -1);
	}
	json_decref(end->answer);
	free(end->reason);
	free(end->room);
	config_unref(end->config);
	free(end);
	vault_job_ended(vault);
}

static void end_submit(struct call_end *end)
{
	end->call->vault->jobs++;
	writer_submit(end->call->vault->writer, end_work, end_done, end);
}

static void call_refused(struct vault_call *call, const char *reason)
{
	struct call_end *end = x_calloc(1, sizeof(*end));

	end->call = call;
	end->reason = x_strdup(reason);
	end_submit(end);
}

/* ---- interactive authentication (client-server API, "User-Interactive Authentication") ---- */

struct call_auth {
	uv_work_t work;
	struct vault_call *call;
	struct config *config; /* referenced */
	char *session, *password;
	struct fault fault;
	enum err err;
};

static void auth_work(uv_work_t *work)
{
	struct call_auth *auth = work->data;

	auth->err = secret_read(
	        &auth->config->encryption.password, "password", &auth->password, &auth->fault);
}

static void auth_send(struct call_auth *auth)
{
	struct vault_call *call = auth->call;
	json_t *body = json_loads(call->request.body, 0, NULL);
	json_t *with = json_pack("{s:s, s:{s:s, s:s}, s:s, s:s?}", "type", "m.login.password",
	        "identifier", "type", "m.id.user", "user", call->vault->user_id, "password",
	        auth->password, "session", auth->session);
	char *text;

	json_object_set_new(body, "auth", with);
	text = json_dumps(body, JSON_COMPACT);
	call->authed = true;
	call_send(call, text);
	x_wipe_free_str(text);
	json_decref(body);
}

static void auth_done(uv_work_t *work, int status)
{
	struct call_auth *auth = work->data;
	struct vault_call *call = auth->call;
	struct vault *vault = call->vault;

	if (vault->closing || !vault->mx) {
		call_free(call);
	} else if (auth->err == OK) {
		auth_send(auth);
	} else if (auth->err == ERR_NOT_FOUND) {
		call_refused(call, "the homeserver wants the account's password for this: set "
		                   "[encryption] password_command and restart");
	} else {
		log_warning("vault", "%s", auth->fault.text);
		call_wait(call, -1);
	}
	x_wipe_free_str(auth->password);
	free(auth->session);
	config_unref(auth->config);
	free(auth);
	vault_job_ended(vault);
}

static bool calls_offers_password(const json_t *flows)
{
	const json_t *flow;
	size_t i;

	json_array_foreach((json_t *)flows, i, flow)
	{
		const json_t *stages = json_object_get(flow, "stages");
		const char *stage = json_string_value(json_array_get(stages, 0));

		if (json_array_size(stages) == 1 && stage && strcmp(stage, "m.login.password") == 0)
			return true;
	}
	return false;
}

/* Continues with user-interactive authentication. False when the answer does not ask for it. */
static bool call_demands_auth(struct vault_call *call, const struct mx_answer *answer)
{
	const json_t *flows = json_object_get(answer->body, "flows");
	struct call_auth *auth;

	if (call->request.kind != CRYPTO_SIGNING_UPLOAD || answer->status != 401 ||
	        !json_is_array(flows))
		return false;
	if (call->authed) {
		call->authed = false;
		call_refused(call, "the homeserver refused the account's password: correct "
		                   "[encryption] password_command and restart");
		return true;
	}
	if (!calls_offers_password(flows)) {
		call_refused(call,
		        "the homeserver wants this confirmed on its own web page: log in to "
		        "the account there, allow the reset of its identity, and restart");
		return true;
	}
	auth = x_calloc(1, sizeof(*auth));
	auth->work.data = auth;
	auth->call = call;
	auth->config = config_ref(call->vault->config);
	auth->session = x_strdup_opt(json_string_value(json_object_get(answer->body, "session")));
	call->vault->jobs++;
	if (uv_queue_work(call->vault->loop, &auth->work, auth_work, auth_done) != 0)
		abort();
	return true;
}

/* ---- sending ---- */

static bool calls_is_refusal(enum err err)
{
	return err == ERR_DENIED || err == ERR_REJECTED || err == ERR_TOO_LARGE ||
	       err == ERR_NOT_FOUND;
}

static void calls_on_answer(const struct mx_answer *answer, void *arg)
{
	struct vault_call *call = arg;
	struct vault *vault = call->vault;
	struct call_end *end;

	call->call = NULL;
	if (vault->closing || answer->code == ERR_AUTH || answer->code == ERR_CANCELED) {
		call_free(call); /* the next look with a token returns it again */
		vault_maybe_closed(vault);
		return;
	}
	if (answer->code == OK) {
		end = x_calloc(1, sizeof(*end));
		end->call = call;
		end->answer = json_incref((json_t *)answer->body);
		end_submit(end);
	} else if (!calls_is_refusal(answer->code)) {
		log_seldom(LOG_WARNING, "vault", call->request.path, "%s failed, retrying: %s",
		        call->request.path, answer->error);
		call_wait(call, answer->retry_after_ms);
	} else if (!call_demands_auth(call, answer)) {
		log_error("vault", "%s: refused: %s", call->request.path, answer->error);
		call_refused(call, answer->error);
	}
}

static void call_send(struct vault_call *call, const char *body)
{
	call->call = mx_start_text(call->vault->mx, call->request.method, call->request.path, body,
	        REQUEST_TIMEOUT_MS, calls_on_answer, call);
}

/* Puts an event for a room into that room's delivery queue, like all others. */
static void call_post(struct vault_call *call)
{
	const struct rooms *rooms = call->vault->rooms;
	struct call_end *end;
	size_t i;

	for (i = 0; i < rooms_len(rooms); i++) {
		const struct room *room = rooms_at(rooms, i);

		if (room->room_id && strcmp(room->room_id, call->request.room_id) == 0)
			break;
	}
	if (i == rooms_len(rooms)) {
		call_refused(call, "the room is not in the config");
		return;
	}
	end = x_calloc(1, sizeof(*end));
	end->call = call;
	end->room = x_strdup(rooms_at(rooms, i)->name);
	end->config = config_ref(call->vault->config);
	end_submit(end);
}

static void call_start(struct vault_call *call)
{
	call->busy = true;
	call->due_ms = INT64_MAX;
	if (call->request.kind == CRYPTO_ROOM_EVENT && !call->request.path)
		call_post(call);
	else
		call_send(call, call->request.body);
}

static bool calls_is_known(const struct vault *vault, int64_t id)
{
	const struct vault_call *call;

	TAILQ_FOREACH(call, &vault->calls, link)
	{
		if (call->request.id == id)
			return true;
	}
	return false;
}

void calls_take(struct vault *vault, struct crypto_request *requests, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct vault_call *call;

		if (calls_is_known(vault, requests[i].id))
			continue;
		call = x_calloc(1, sizeof(*call));
		call->vault = vault;
		call->request = requests[i];
		memset(&requests[i], 0, sizeof(requests[i]));
		TAILQ_INSERT_TAIL(&vault->calls, call, link);
		call_start(call);
	}
}

void calls_due(struct vault *vault, int64_t now_ms)
{
	struct vault_call *call, *next;

	for (call = TAILQ_FIRST(&vault->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (!call->busy && call->due_ms <= now_ms)
			call_start(call);
	}
}

int64_t calls_next_ms(const struct vault *vault)
{
	const struct vault_call *call;
	int64_t next_ms = INT64_MAX;

	TAILQ_FOREACH(call, &vault->calls, link)
	{
		if (!call->busy && call->due_ms < next_ms)
			next_ms = call->due_ms;
	}
	return next_ms;
}

void calls_cancel(struct vault *vault)
{
	struct vault_call *call, *next;

	for (call = TAILQ_FIRST(&vault->calls); call; call = next) {
		next = TAILQ_NEXT(call, link);
		if (call->call)
			mx_cancel(call->call);
		else if (!call->busy)
			call_free(call);
	}
}

bool calls_busy(const struct vault *vault)
{
	return !TAILQ_EMPTY(&vault->calls);
}

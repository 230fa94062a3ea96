/*
 * verify.c - see verify.h, and the part of crypto.h about verification.
 *
 * Anybody may request a verification, since nothing happens before a person on the host accepts
 * it. Limits: one in progress per user (a new request cancels the previous one, because a client
 * that was closed half-way starts again), USER_MAX in ten minutes, and STRANGERS_MAX from users
 * with whom we share no room.
 */
#include "bot/crypto/verify.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/pending.h"

#define TIMEOUT_MS (10 * CLOCK_MINUTE_MS)
#define FUTURE_MS (5 * CLOCK_MINUTE_MS) /* allowed difference of another clock */
#define KEEP_MS (10 * CLOCK_MINUTE_MS)  /* how long an ended verification is listed */
#define START_AFTER_MS (3 * CLOCK_SECOND_MS)
#define VERIFY_MAX 32 /* in all, ended ones included */
#define USER_MAX 5    /* of one user, ended ones included */
#define STRANGERS_MAX 4
#define UNKNOWN_MAX 20 /* replies to unknown transactions in ten minutes */
#define ID_MAX 255

static bool verify_is_over(const struct verify *v)
{
	return v->state == VERIFY_DONE || v->state == VERIFY_CANCELLED;
}

static bool verify_is_id(const char *text)
{
	return text && text[0] != '\0' && strlen(text) <= ID_MAX && !strchr(text, KEY_SEPARATOR[0]);
}

/* ---- the list ---- */

static void verify_free(struct crypto *crypto, struct verify *v)
{
	TAILQ_REMOVE(&crypto->verifications, v, link);
	ol_sas_free(v->sas);
	ol_outbound_free(v->session);
	explicit_bzero(v->bytes, sizeof(v->bytes));
	free(v->id);
	free(v->user_id);
	free(v->device_id);
	free(v->room_id);
	free(v->code);
	free(v->reason);
	free(v->commitment);
	json_decref(v->out);
	json_decref(v->start);
	json_decref(v->mac);
	free(v);
}

void verify_finish(struct crypto *crypto)
{
	struct verify *v;

	while ((v = TAILQ_FIRST(&crypto->verifications)))
		verify_free(crypto, v);
}

/* A transaction id is unique per user in to-device events, and per room in a room. */
static struct verify *verify_find(
        struct crypto *crypto, const struct verify_event *event, const char *id)
{
	struct verify *v;

	TAILQ_FOREACH(v, &crypto->verifications, link)
	{
		bool here = !event->room_id ? !v->room_id
		                            : v->room_id && strcmp(v->room_id, event->room_id) == 0;

		if (here && strcmp(v->id, id) == 0 && strcmp(v->user_id, event->sender) == 0)
			return v;
	}
	return NULL;
}

/* ---- sending ---- */

static json_t *verify_event_of(const struct verify *v, const char *type, json_t *content)
{
	if (v->room_id) {
		json_object_set_new(content, "m.relates_to",
		        json_pack("{s:s, s:s}", "rel_type", "m.reference", "event_id", v->id));
	} else {
		json_object_set_new(content, "transaction_id", json_string(v->id));
	}
	return json_pack("{s:s, s:o}", "type", type, "content", content);
}

void verify_say(struct verify *v, const char *type, json_t *content)
{
	json_array_append_new(v->out, verify_event_of(v, type, content));
}

void verify_end(struct verify *v, int64_t now_ms, enum verify_state state)
{
	v->state = state;
	v->until_ms = now_ms + KEEP_MS;
	ol_sas_free(v->sas);
	v->sas = NULL;
}

static void verify_cancelled(
        struct verify *v, int64_t now_ms, const char *err, const char *reason, bool by_them)
{
	v->code = x_strdup(err);
	v->reason = x_strdup(reason);
	v->by_them = by_them;
	verify_end(v, now_ms, VERIFY_CANCELLED);
	log_write(strstr(err, "mismatch") ? LOG_WARNING : LOG_INFO, "crypto",
	        "the verification with %s was cancelled%s: %s (%s)", v->user_id,
	        by_them ? " by them" : "", reason, err);
}

void verify_cancel(struct verify *v, int64_t now_ms, const char *err, const char *reason)
{
	if (verify_is_over(v))
		return;
	verify_say(
	        v, VERIFY_PREFIX "cancel", json_pack("{s:s, s:s}", "code", err, "reason", reason));
	verify_cancelled(v, now_ms, err, reason, false);
}

/* Each verification has at most one event in flight: the first in its queue, until its request
 * ended. */
static enum err verify_send_next(struct crypto *crypto, struct verify *v, int64_t now_ms)
{
	const json_t *event = json_array_get(v->out, 0);
	AUTO_JSON context =
	        json_pack("{s:b, s:s, s:s}", v->id, 1, "verify", v->id, "user", v->user_id);
	bool waits = false, direct = false;
	json_t *content;
	enum err err;

	if (!event)
		return OK;
	err = request_waits(
	        crypto, v->room_id ? CRYPTO_ROOM_EVENT : CRYPTO_TO_DEVICE, v->id, &waits);
	if (err != OK || waits)
		return err;
	if (v->room_id) {
		err = request_waits(crypto, CRYPTO_TO_DEVICE, v->id, &waits);
		if (err == OK)
			err = verify_room_is_direct(crypto, v, &direct);
		if (err != OK || waits)
			return err;
	}
	if (direct)
		return verify_room_send(crypto, v, now_ms, event, context);
	content = json_deep_copy(json_object_get(event, "content"));
	if (v->room_id) {
		return request_room_event(
		        crypto, v->room_id, js_str(event, "type"), content, json_incref(context));
	}
	return request_to_device(crypto, js_str(event, "type"),
	        json_pack("{s:{s:o}}", v->user_id, v->device_id, content), json_incref(context));
}

void verify_sent(struct crypto *crypto, int64_t now_ms, const json_t *context, bool refused)
{
	const char *id = js_str(context, "verify"), *user_id = js_str(context, "user");
	struct verify *v;

	TAILQ_FOREACH(v, &crypto->verifications, link)
	{
		if (!id || !user_id || strcmp(v->id, id) != 0 || strcmp(v->user_id, user_id) != 0)
			continue;
		json_array_remove(v->out, 0);
		if (refused && !verify_is_over(v)) {
			json_array_clear(v->out);
			verify_cancelled(
			        v, now_ms, "m.user", "the homeserver refuses to send it", false);
		} else if (v->state == VERIFY_READY && json_array_size(v->out) == 0) {
			v->start_ms = now_ms + START_AFTER_MS;
		}
	}
}

enum err verify_step(struct crypto *crypto, int64_t now_ms)
{
	struct verify *v, *next;
	enum err err = OK;

	for (v = TAILQ_FIRST(&crypto->verifications); err == OK && v; v = next) {
		next = TAILQ_NEXT(v, link);
		if (verify_is_over(v) && now_ms >= v->until_ms) {
			verify_free(crypto, v);
			continue;
		}
		if (now_ms >= v->until_ms)
			verify_cancel(v, now_ms, "m.timeout", "it took too long");
		else if (v->state == VERIFY_READY && v->start_ms != 0 && now_ms >= v->start_ms)
			verify_sas_start(crypto, v);
		err = verify_send_next(crypto, v, now_ms);
	}
	return err;
}

/* ---- incoming requests ---- */

static enum err verify_is_stranger(struct crypto *crypto, const char *user_id, bool *stranger)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	*stranger = devices_is_stranger(row);
	return err;
}

/* Whether one more verification of this user may be added. */
static enum err verify_may_add(struct crypto *crypto, const char *user_id, bool *may)
{
	size_t all = 0, mine = 0, strangers = 0;
	bool stranger = false;
	struct verify *v;
	enum err err;

	TAILQ_FOREACH(v, &crypto->verifications, link)
	{
		all++;
		mine += strcmp(v->user_id, user_id) == 0;
		strangers += v->stranger;
	}
	err = verify_is_stranger(crypto, user_id, &stranger);
	*may = all < VERIFY_MAX && mine < USER_MAX && (!stranger || strangers < STRANGERS_MAX);
	return err;
}

static enum err verify_add(struct crypto *crypto, int64_t now_ms, const struct verify_event *event,
        const char *id, int64_t asked_ms, struct verify **out)
{
	const char *device_id = js_str(event->content, "from_device");
	struct verify *v, *before;
	bool may = false;
	enum err err = verify_may_add(crypto, event->sender, &may);

	*out = NULL;
	if (err != OK || !may)
		return err;
	TAILQ_FOREACH(before, &crypto->verifications, link)
	{
		if (strcmp(before->user_id, event->sender) == 0)
			verify_cancel(before, now_ms, "m.user", "another verification was started");
	}
	v = x_calloc(1, sizeof(*v));
	v->id = x_strdup(id);
	v->user_id = x_strdup(event->sender);
	v->device_id = x_strdup(device_id);
	v->room_id = x_strdup_opt(event->room_id);
	v->encrypted = event->encrypted;
	v->direct = event->direct;
	v->since_ms = now_ms;
	v->until_ms = (asked_ms < now_ms ? asked_ms : now_ms) + TIMEOUT_MS;
	v->out = json_array();
	TAILQ_INSERT_TAIL(&crypto->verifications, v, link);
	err = verify_is_stranger(crypto, event->sender, &v->stranger);
	log_info("crypto", "%s asks for verification (device %s): matrix-telemetry-bot verify",
	        v->user_id, v->device_id);
	*out = v;
	return err;
}

static enum err verify_take_request(
        struct crypto *crypto, int64_t now_ms, const struct verify_event *event, const char *id)
{
	const json_t *content = event->content, *methods = json_object_get(content, "methods");
	const char *device_id = js_str(content, "from_device");
	int64_t asked_ms = event->room_id ? event->sent_ms : js_int(content, "timestamp");
	struct verify *v;
	bool known = false;

	for (size_t i = 0; i < json_array_size(methods); i++) {
		const char *method = json_string_value(json_array_get(methods, i));

		known = known || (method && strcmp(method, VERIFY_METHOD) == 0);
	}
	/* another device of ours may be able to handle it, so do not cancel */
	if (!known || !verify_is_id(device_id) || asked_ms > now_ms + FUTURE_MS ||
	        asked_ms <= now_ms - TIMEOUT_MS ||
	        (event->room_id && !js_is(content, "to", crypto->user_id)) ||
	        (event->device_id && strcmp(event->device_id, device_id) != 0))
		return OK;
	if (strcmp(event->sender, crypto->user_id) == 0 &&
	        (event->room_id || strcmp(device_id, crypto->device_id) == 0))
		return OK;
	return verify_add(crypto, now_ms, event, id, asked_ms, &v);
}

/* ---- the other events ---- */

/* Replies that there is no such transaction; limited, so that a flood is not answered. */
static enum err verify_tell_unknown(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *id)
{
	if (now_ms - crypto->unknown_ms >= TIMEOUT_MS || now_ms < crypto->unknown_ms) {
		crypto->unknown_ms = now_ms;
		crypto->unknown = 0;
	}
	if (crypto->unknown++ >= UNKNOWN_MAX)
		return OK;
	return request_to_device(crypto, VERIFY_PREFIX "cancel",
	        json_pack("{s:{s:{s:s, s:s, s:s}}}", user_id, "*", "transaction_id", id, "code",
	                "m.unknown_transaction", "reason", "this verification is unknown"),
	        NULL);
}

static void verify_take_start(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content)
{
	if (v->start && json_equal(v->start, content))
		return; /* a duplicate */
	if (!js_is(content, "from_device", v->device_id)) {
		verify_cancel(
		        v, now_ms, "m.user_mismatch", "another device than the one that asked");
	} else if (v->state == VERIFY_READY || (v->state == VERIFY_STARTED && v->we_started)) {
		verify_sas_take_start(crypto, v, now_ms, content);
	} else {
		verify_cancel(v, now_ms, "m.unexpected_message", "an unexpected start");
	}
}

/* A start without a preceding request, as older clients send it. */
static enum err verify_take_lone_start(
        struct crypto *crypto, int64_t now_ms, const struct verify_event *event, const char *id)
{
	struct verify *v;
	enum err err;

	if (!verify_is_id(js_str(event->content, "from_device")) ||
	        !js_is(event->content, "method", VERIFY_METHOD))
		return OK;
	err = verify_add(crypto, now_ms, event, id, now_ms, &v);
	if (v)
		v->start = json_deep_copy(event->content);
	return err;
}

static void verify_take_cancel(struct verify *v, int64_t now_ms, const json_t *content)
{
	const char *err = js_str(content, "code"), *reason = js_str(content, "reason");

	if (!verify_is_over(v)) {
		json_array_clear(v->out);
		verify_cancelled(v, now_ms, err && strlen(err) <= ID_MAX ? err : "m.user",
		        reason && strlen(reason) <= ID_MAX ? reason : "no reason given", true);
	}
}

static enum err verify_take_known(struct crypto *crypto, struct verify *v, int64_t now_ms,
        const char *what, const json_t *content)
{
	if (strcmp(what, "cancel") == 0)
		verify_take_cancel(v, now_ms, content);
	else if (verify_is_over(v) || strcmp(what, "request") == 0)
		return OK; /* their done, an event that crossed our end, or a duplicate */
	else if (strcmp(what, "start") == 0)
		verify_take_start(crypto, v, now_ms, content);
	else if (strcmp(what, "accept") == 0)
		verify_sas_take_accept(v, now_ms, content);
	else if (strcmp(what, "key") == 0)
		verify_sas_take_key(crypto, v, now_ms, content);
	else if (strcmp(what, "mac") == 0)
		return verify_sas_take_mac(crypto, v, now_ms, content);
	else
		verify_cancel(v, now_ms, "m.unexpected_message", "not awaited");
	return OK;
}

/* The event's name in the framework: "request", "start", …; NULL when it is not one of its
 * events. */
static const char *verify_what_of(const struct verify_event *event)
{
	const char *type = event->type;

	if (event->room_id && strcmp(type, "m.room.message") == 0)
		return js_is(event->content, "msgtype", VERIFY_PREFIX "request") ? "request" : NULL;
	if (strncmp(type, VERIFY_PREFIX, strlen(VERIFY_PREFIX)) != 0)
		return NULL;
	return type + strlen(VERIFY_PREFIX);
}

static const char *verify_id_of(const struct verify_event *event, const char *what)
{
	const json_t *relation = js_obj(event->content, "m.relates_to");

	if (!event->room_id)
		return js_str(event->content, "transaction_id");
	if (strcmp(what, "request") == 0)
		return event->event_id;
	return js_is(relation, "rel_type", "m.reference") ? js_str(relation, "event_id") : NULL;
}

enum err verify_take(struct crypto *crypto, int64_t now_ms, const struct verify_event *event)
{
	const char *what = verify_what_of(event), *id = what ? verify_id_of(event, what) : NULL;
	struct verify *v;

	if (!verify_is_id(id) || !verify_is_id(event->sender))
		return OK;
	v = verify_find(crypto, event, id);
	if (v) {
		v->encrypted = v->encrypted || event->encrypted; /* never cleared again */
		if (event->device_id && strcmp(event->device_id, v->device_id) != 0)
			return OK; /* sent by another device of theirs */
		return verify_take_known(crypto, v, now_ms, what, event->content);
	}
	if (strcmp(what, "request") == 0)
		return verify_take_request(crypto, now_ms, event, id);
	if (event->room_id)
		return OK; /* other users verify each other in that room */
	if (strcmp(what, "start") == 0)
		return verify_take_lone_start(crypto, now_ms, event, id);
	if (strcmp(what, "accept") == 0 || strcmp(what, "key") == 0 || strcmp(what, "mac") == 0)
		return verify_tell_unknown(crypto, now_ms, event->sender, id);
	return OK;
}

bool crypto_is_verification(const char *type, const json_t *content)
{
	struct verify_event event = {.type = type, .room_id = "", .content = content};

	return verify_what_of(&event);
}

enum err crypto_take_verification(
        struct crypto *crypto, int64_t now_ms, const struct crypto_verification *in)
{
	struct verify_event event = {.sender = in->sender,
	        .type = in->type,
	        .room_id = in->room_id,
	        .event_id = in->event_id,
	        .device_id = in->device_id,
	        .sent_ms = in->sent_ms,
	        .encrypted = in->encrypted,
	        .direct = in->direct,
	        .content = in->content};

	return verify_take(crypto, now_ms, &event);
}

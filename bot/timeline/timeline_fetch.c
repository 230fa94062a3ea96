/*
 * timeline_fetch.c - see timeline_internal.h: one request after the other until a batch is whole.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/timeline/timeline_internal.h"

#define PAGE_EVENTS 100
#define PAGES_MAX 20 /* 2,000 events of a room between two syncs */
#define FETCH_TIMEOUT_MS 30000
#define FETCH_TRIES 6 /* of a request that the homeserver answers with errors */
#define ROOM_POWERS_MAX 256

/* --- power levels ------------------------------------------------------------------------- */

struct timeline_power *timeline_power(struct timeline *timeline, const char *room_id)
{
	struct timeline_power *power;

	TAILQ_FOREACH(power, &timeline->powers, link)
	{
		if (strcmp(power->room_id, room_id) == 0)
			return power;
	}
	return NULL;
}

static void power_destroy(struct timeline *timeline, struct timeline_power *power)
{
	TAILQ_REMOVE(&timeline->powers, power, link);
	json_decref(power->create);
	json_decref(power->levels);
	free(power->room_id);
	free(power);
}

void timeline_powers_finish(struct timeline *timeline)
{
	while (!TAILQ_EMPTY(&timeline->powers))
		power_destroy(timeline, TAILQ_FIRST(&timeline->powers));
}

static struct timeline_power *power_make(struct timeline *timeline, const char *room_id)
{
	struct timeline_power *power = timeline_power(timeline, room_id), *other;
	size_t len = 0;

	if (power)
		return power;
	TAILQ_FOREACH(other, &timeline->powers, link)
	len++;
	if (len >= ROOM_POWERS_MAX)
		power_destroy(timeline, TAILQ_FIRST(&timeline->powers));
	power = x_calloc(1, sizeof(*power));
	power->room_id = x_strdup(room_id);
	TAILQ_INSERT_TAIL(&timeline->powers, power, link);
	return power;
}

static void fetch_replace(json_t **at, const json_t *value)
{
	json_decref(*at);
	*at = json_is_object(value) ? json_deep_copy(value) : NULL;
}

void timeline_power_note(struct timeline *timeline, const char *room_id, const json_t *event)
{
	struct timeline_power *power = timeline_power(timeline, room_id);
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *key = json_string_value(json_object_get(event, "state_key"));

	if (!power || !type || !key || key[0] != '\0')
		return;
	if (strcmp(type, "m.room.power_levels") == 0)
		fetch_replace(&power->levels, json_object_get(event, "content"));
	else if (strcmp(type, "m.room.create") == 0)
		fetch_replace(&power->create, event);
}

/* True for an event that determines power levels. */
static bool timeline_is_power(const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));

	return type && json_object_get(event, "state_key") &&
	       strcmp(type, "m.room.power_levels") == 0;
}

void timeline_power_doubt(struct timeline *timeline, const char *room_id, const json_t *state)
{
	struct timeline_power *power = timeline_power(timeline, room_id);
	const json_t *event;
	size_t i;

	json_array_foreach(state, i, event)
	{
		if (power && timeline_is_power(event)) {
			power_destroy(timeline, power);
			return;
		}
	}
}

/* --- which events are needed -------------------------------------------------------------- */

bool timeline_wants(const json_t *event, const char *user_id)
{
	static const char *const types[] = {
	        "m.room.message", "m.reaction", "m.room.redaction", "m.room.encrypted"};
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *sender = json_string_value(json_object_get(event, "sender"));

	if (!type || !sender || strcmp(sender, user_id) == 0 || json_object_get(event, "state_key"))
		return false;
	if (strncmp(type, "m.key.verification.", 19) == 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static bool room_wants_power(const struct batch_room *room, const char *user_id)
{
	const json_t *event;
	size_t i;

	json_array_foreach(room->events, i, event)
	{
		if (timeline_wants(event, user_id))
			return true;
	}
	return json_array_size(room->filled) > 0;
}

/* --- requests ----------------------------------------------------------------------------- */

/* Whether to retry: always while the homeserver cannot be reached, otherwise a few times. */
static bool fetch_is_temporary(const struct timeline *timeline, enum err err)
{
	switch (err) {
	case ERR_NET:
	case ERR_LIMITED:
	case ERR_AUTH: /* another token will come */
		return true;
	case ERR_SERVER:
	case ERR_TIMEOUT:
	case ERR_PROTO:
		return timeline->tries < FETCH_TRIES;
	default:
		return false;
	}
}

static void fetch_on_timer(uv_timer_t *timer)
{
	timeline_fetch(timer->data);
}

/* Call first in each callback. True: do nothing more, the request was cancelled or will be
 * repeated. */
static bool fetch_ended(struct timeline *timeline, const struct mx_answer *answer)
{
	timeline->call = NULL;
	if (timeline->closing) {
		timeline_closing(timeline);
		return true;
	}
	if (answer->code != OK && fetch_is_temporary(timeline, answer->code)) {
		timeline->tries++;
		uv_timer_start(&timeline->timer, fetch_on_timer,
		        (uint64_t)backoff_ms(timeline->tries, answer->retry_after_ms, arc4random()),
		        0);
		return true;
	}
	timeline->tries = 0;
	return false;
}

static struct batch_room *room_at(const struct timeline *timeline)
{
	return &timeline->batch->rooms[timeline->batch->at];
}

static void fetch_on_messages(const struct mx_answer *answer, void *arg)
{
	struct timeline *timeline = arg;
	struct batch_room *room;
	json_t *chunk = json_object_get(answer->body, "chunk"), *event;
	const char *end = json_string_value(json_object_get(answer->body, "end"));
	const char *user_id = timeline->config->matrix.user;
	size_t i;

	if (fetch_ended(timeline, answer))
		return;
	room = room_at(timeline);
	free(room->from);
	room->from = NULL;
	if (answer->code != OK) {
		log_warning("timeline",
		        "room %s: cannot fetch what was written between two syncs: %s", room->name,
		        answer->error);
	} else {
		json_array_foreach(chunk, i, event)
		{
			if (timeline_wants(event, user_id) || timeline_is_power(event))
				json_array_append(room->filled, event);
		}
		room->from = json_array_size(chunk) > 0 ? x_strdup_opt(end) : NULL;
	}
	if (room->from && ++room->pages >= PAGES_MAX) {
		log_warning("timeline",
		        "room %s: over %d events between two syncs; the oldest are ignored",
		        room->name, PAGES_MAX * PAGE_EVENTS);
		free(room->from);
		room->from = NULL;
	}
	timeline_fetch(timeline);
}

static void fetch_messages(struct timeline *timeline, struct batch_room *room)
{
	char *path = mx_path("/v3/rooms/%s/messages?dir=b&limit=%d&from=%s&to=%s", room->room_id,
	        (int64_t)PAGE_EVENTS, room->from, timeline->batch->since);

	if (!room->filled)
		room->filled = json_array();
	timeline->call = mx_start(timeline->options.mx, "GET", path, NULL, FETCH_TIMEOUT_MS,
	        fetch_on_messages, timeline);
	free(path);
}

static void fetch_on_state(const struct mx_answer *answer, void *arg)
{
	struct timeline *timeline = arg;
	struct timeline_power *power;
	struct batch_room *room;

	if (fetch_ended(timeline, answer))
		return;
	room = room_at(timeline);
	power = power_make(timeline, room->room_id);
	if (answer->code != OK && answer->code != ERR_NOT_FOUND) {
		log_warning("timeline",
		        "room %s: cannot fetch its power levels, asking again with the next event: "
		        "%s",
		        room->name, answer->error);
		power_destroy(timeline, power);
		room->power_unknown = true;
		room->wants_create = room->wants_levels = false;
	} else if (room->wants_create) {
		room->wants_create = false;
		fetch_replace(&power->create, answer->code == OK ? answer->body : NULL);
	} else {
		room->wants_levels = false;
		fetch_replace(&power->levels, answer->code == OK ? answer->body : NULL);
	}
	timeline_fetch(timeline);
}

static void fetch_state(struct timeline *timeline, struct batch_room *room)
{
	char *path = mx_path(room->wants_create ? "/v3/rooms/%s/state/m.room.create/?format=event"
	                                        : "/v3/rooms/%s/state/m.room.power_levels/",
	        room->room_id);

	timeline->call = mx_start(timeline->options.mx, "GET", path, NULL, FETCH_TIMEOUT_MS,
	        fetch_on_state, timeline);
	free(path);
}

void timeline_fetch(struct timeline *timeline)
{
	struct timeline_batch *batch = timeline->batch;
	struct batch_room *room;

	for (; batch->at < batch->rooms_len; batch->at++) {
		room = room_at(timeline);
		if (room->from) {
			fetch_messages(timeline, room);
			return;
		}
		if (!timeline_power(timeline, room->room_id) &&
		        room_wants_power(room, timeline->config->matrix.user) &&
		        !room->power_unknown)
			room->wants_create = room->wants_levels = true;
		if (room->wants_create || room->wants_levels) {
			fetch_state(timeline, room);
			return;
		}
	}
	timeline_whole(timeline);
}

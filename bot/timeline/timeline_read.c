/*
 * timeline_read.c - the job of a batch, on the writer's thread inside one transaction; see
 * timeline_internal.h.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/timeline/timeline_internal.h"
#include "handlers/commands/unread.h"
#include "storage/known_rooms.h"
#include "storage/state.h"
#include "storage/undecrypted.h"

#define INTEGER_MOST ((INT64_C(1) << 53) - 1)

struct reading {
	struct timeline_batch *batch;
	struct command_env env;
	struct vault_core *core;
	timeline_event_fn on_event;
	bool answers; /* the room may be told of undecryptable events */
};

/* Where an event came from: the sync, or the stored undecrypted events. */
struct source {
	const char *room; /* "" = not in the config: only verifications are handled */
	const char *room_id;
	const json_t *raw;
	int64_t power;
	bool encrypted;           /* the room */
	int64_t at_ms;            /* when it was received from the homeserver */
	const struct echo *about; /* an event of the bot, or NULL */
};

static const char *read_string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* A time, bounded as integers of Matrix are, so that it can be added and subtracted. */
static int64_t read_ms_of(const json_t *object, const char *key)
{
	int64_t ms = json_integer_value(json_object_get(object, key));

	return ms < 0 ? 0 : ms > INTEGER_MOST ? INTEGER_MOST : ms;
}

/* How long ago the event was sent. Clocks differ, so unsigned.age is used if present. */
static int64_t event_late_ms(const struct source *source, int64_t now_ms)
{
	const json_t *more = json_object_get(source->raw, "unsigned");

	if (!json_is_integer(json_object_get(more, "age")))
		return now_ms - read_ms_of(source->raw, "origin_server_ts");
	return read_ms_of(more, "age") + now_ms - source->at_ms;
}

/* Converts an event for the handlers, without decrypting it. False when it is malformed. */
static bool event_read(const struct source *source, int64_t now_ms, struct room_event *event)
{
	const json_t *raw = source->raw;
	const json_t *content = json_object_get(raw, "content");
	const char *redacts = read_string_of(raw, "redacts");

	*event = (struct room_event){
	        .room = source->room,
	        .room_id = source->room_id,
	        .event_id = read_string_of(raw, "event_id"),
	        .sender = read_string_of(raw, "sender"),
	        .type = read_string_of(raw, "type"),
	        .content = content,
	        .power = source->power,
	        .encrypted = source->encrypted,
	        .clear = true,
	        .sent_ms = read_ms_of(raw, "origin_server_ts"),
	        .late_ms = event_late_ms(source, now_ms),
	};
	if (event->type && strcmp(event->type, "m.room.redaction") == 0)
		/* in the content from room version 11 on */
		event->redacts = redacts ? redacts : read_string_of(content, "redacts");
	return event->event_id && event->sender && event->type && json_is_object(content);
}

bool batch_concerns(
        const struct timeline_batch *batch, const struct batch_room *room, const json_t *raw)
{
	const struct source source = {.room = room->name,
	        .room_id = room->room_id,
	        .raw = raw,
	        .encrypted = room->encrypted};
	struct room_event event;

	if (batch->timeline->options.on_event)
		return true;
	return event_read(&source, 0, &event) &&
	       (crypto_is_verification(event.type, event.content) ||
	               commands_concern(batch->config, &event));
}

/* Passes a readable event on: a verification's to the machine, others to the handlers. A
 * verification's events need no encryption, since it proves itself, and Element sends them
 * unencrypted in encrypted rooms too. */
static enum err read_hand_on(struct reading *r, const struct room_event *event)
{
	struct crypto_verification verification = {
	        .room_id = event->room_id,
	        .event_id = event->event_id,
	        .sender = event->sender,
	        .type = event->type,
	        .device_id = event->device_id,
	        .sent_ms = event->sent_ms,
	        .content = event->content,
	        .encrypted = event->encrypted || event->device_id,
	        .direct = !event->room[0],
	};

	if (!crypto_is_verification(event->type, event->content))
		return event->room[0] ? r->on_event(&r->env, event) : OK;
	return core_machine(r->core) ? crypto_take_verification(
	                                       core_machine(r->core), r->env.now_ms, &verification)
	                             : OK;
}

/* Decrypts an event and passes it on. ERR_NOT_FOUND: its key has not arrived yet, or cannot be read
 * from the store, which must not hold up what is not encrypted. */
static enum err read_decrypt(
        struct reading *r, const struct source *source, struct room_event *event, bool ask)
{
	struct crypto_event clear;
	struct fault fault = {0};
	enum err err = !core_machine(r->core)
	                       ? ERR_NOT_FOUND
	                       : crypto_decrypt(core_machine(r->core), r->env.now_ms,
	                                 source->room_id, source->raw, ask, &clear, &fault);

	if (err == ERR_CORRUPT) {
		log_seldom(LOG_ERROR, "timeline", source->room_id,
		        "cannot decrypt an event of %s: its stored key is damaged",
		        source->room_id);
		return ERR_NOT_FOUND;
	}
	if (err == ERR_INVALID || err == ERR_DENIED) /* the machine has stored a notice */
		return OK;
	if (err != OK)
		return err;
	event->clear = false;
	event->type = clear.type;
	event->content = clear.content;
	event->device_id = clear.device_id;
	event->obey = clear.obey;
	err = read_hand_on(r, event);
	crypto_event_finish(&clear);
	return err;
}

/* ---- one event after the other ---- */

/* Whether to do what is next: not when the job failed there each time. place: an event's id, or
 * another text; NULL = none. */
static bool read_goes_to(struct reading *r, json_t *place)
{
	const json_t *left_out;
	size_t i;

	json_array_foreach(r->batch->left_out, i, left_out)
	{
		if (json_equal(left_out, place))
			return false;
	}
	json_decref(r->batch->place);
	r->batch->place = json_incref(place);
	return true;
}

static void read_leave(struct reading *r)
{
	json_decref(r->batch->place);
	r->batch->place = NULL;
}

/* Ends the savepoint of what was done there: damaged data, or what the event did to it, concern it
 * alone. */
static enum err read_settle(struct reading *r, enum err result)
{
	bool undone;

	if (err_is_lasting(result))
		log_seldom(LOG_ERROR, "timeline", "",
		        "skipping %s; if it was a command, send it again: %s",
		        json_string_value(r->batch->place),
		        store_message(r->env.store)[0] ? store_message(r->env.store)
		                                       : err_text(result));
	return store_settle(r->env.store, result, &undone);
}

static enum err read_whole(struct reading *r, const struct source *source, struct room_event *event)
{
	const struct deliver d = {
	        .store = r->env.store, .config = r->env.config, .now_ms = r->env.now_ms};
	enum err err = OK;

	if (source->about && source->about->txn_id)
		err = deliver_echoed(&d, source->room, source->room_id, source->about->txn_id,
		        source->about->event_id);
	if (err != OK)
		return err;
	if (strcmp(event->type, "m.room.encrypted") != 0)
		return read_hand_on(r, event);
	err = read_decrypt(r, source, event, source->room[0]);
	return err == ERR_NOT_FOUND ? unread_keep(&r->env, source->room, source->room_id,
	                                      source->power, source->raw)
	                            : err;
}

static enum err read_event(struct reading *r, const struct source *source)
{
	struct room_event event;
	enum err err;

	if (!event_read(source, r->env.now_ms, &event) ||
	        !read_goes_to(r, json_object_get(source->raw, "event_id")))
		return OK;
	err = store_savepoint(r->env.store);
	return err == OK ? read_settle(r, read_whole(r, source, &event)) : err;
}

static enum err read_item(struct reading *r, const struct batch_item *item)
{
	struct source source = {item->room->name, item->room->room_id, item->raw, item->power,
	        item->room->encrypted, r->env.now_ms, &item->about};

	return read_event(r, &source);
}

/* ---- rooms that are not in the config ---- */

static bool read_is_configured(const struct timeline_batch *batch, const char *room_id)
{
	for (size_t i = 0; i < batch->rooms_len; i++)
		if (strcmp(batch->rooms[i].room_id, room_id) == 0)
			return true;
	return false;
}

static enum err read_is_encrypted(struct store *store, const char *room_id, bool *encrypted)
{
	struct room_row row = {0};
	enum err err = rooms_by_room_id(store, room_id, &row);

	*encrypted = err == OK ? row.encrypted : err != ERR_NOT_FOUND;
	room_row_finish(&row);
	return err_is_lasting(err) ? OK : err;
}

/* Handles verifications in other rooms: clients begin them in a direct chat with the bot. */
static enum err read_other_rooms(struct reading *r)
{
	json_t *join = json_object_get(json_object_get(r->batch->answer, "rooms"), "join");
	const char *room_id;
	json_t *part;
	enum err err = OK;

	json_object_foreach(join, room_id, part)
	{
		const json_t *events = json_object_get(json_object_get(part, "timeline"), "events");
		struct source source = {.room = "", .room_id = room_id, .at_ms = r->env.now_ms};

		if (read_is_configured(r->batch, room_id))
			continue;
		err = read_is_encrypted(r->env.store, room_id, &source.encrypted);
		for (size_t i = 0; err == OK && i < json_array_size(events); i++) {
			source.raw = json_array_get(events, i);
			if (timeline_wants(source.raw, r->env.config->matrix.user))
				err = read_event(r, &source);
		}
		if (err != OK)
			break;
	}
	return err;
}

/* ---- stored undecrypted events ---- */

static enum err read_open_kept(const struct undecrypted_row *row, const json_t *raw, void *arg)
{
	struct reading *r = arg;
	struct source source = {row->room, row->room_id, raw, row->power, true, row->at_ms};
	struct room_event event;

	if (!event_read(&source, r->env.now_ms, &event) ||
	        !read_goes_to(r, json_object_get(raw, "event_id")))
		return OK;
	return read_decrypt(r, &source, &event, false);
}

static enum err read_kept(struct reading *r)
{
	json_t *place = json_string("the events that wait for their keys");
	bool go = read_goes_to(r, place);
	enum err err = go ? store_savepoint(r->env.store) : OK;

	json_decref(place);
	return go && err == OK
	               ? read_settle(r, unread_retry(&r->env, r->answers, read_open_kept, r))
	               : err;
}

static enum err read_count_kept(struct reading *r)
{
	enum err err = undecrypted_count(r->env.store, &r->batch->held);

	if (err_is_lasting(err))
		r->batch->held = 0;
	return err_is_lasting(err) ? OK : err;
}

/* The part for the encryption. When its own rows are damaged, rooms that are not encrypted go on.
 */
static enum err read_keys(struct reading *r)
{
	bool new_keys, undone;
	enum err err = store_savepoint(r->env.store);

	if (err != OK)
		return err;
	err = core_take_sync(r->core, r->env.store, r->env.now_ms, r->batch->answer,
	        !r->batch->since, &new_keys);
	if (err != OK)
		log_seldom(LOG_ERROR, "timeline", "keys",
		        "cannot store what the homeserver sent about devices and keys: %s",
		        store_message(r->env.store)[0] ? store_message(r->env.store)
		                                       : err_text(err));
	return store_settle(r->env.store, err, &undone);
}

enum err batch_read(struct store *store, void *arg)
{
	struct timeline_batch *batch = arg;
	struct reading r = {
	        .batch = batch,
	        .env =
	                {
	                        .store = store,
	                        .config = batch->config,
	                        .now_ms = clock_now_ms(),
	                        .status = &batch->status,
	                        .happened = batch->happened,
	                },
	        .core = batch->timeline->options.core,
	        .on_event = batch->timeline->options.on_event,
	        .answers = !batch->timeline->options.on_event,
	};
	enum err err = OK;

	if (r.answers)
		r.on_event = commands_event;
	json_array_clear(batch->happened);
	if (batch->answer)
		err = read_keys(&r);
	if (err == OK && core_machine(r.core))
		err = read_kept(&r);
	for (size_t i = 0; i < batch->items_len && err == OK; i++)
		err = read_item(&r, &batch->items[i]);
	if (err == OK && batch->since)
		err = read_other_rooms(&r);
	if (err != OK)
		return err;
	read_leave(&r);
	if (batch->next_batch)
		err = state_set(store, "sync.since", batch->next_batch);
	return err == OK ? read_count_kept(&r) : err;
}

/*
 * timeline.c - see timeline.h: batches, the writer job, creation and closing.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/power.h"
#include "bot/timeline/timeline_internal.h"
#include "storage/state.h"

#define ROOMS_WAIT_MS 50
#define ROOMS_WAITS 600 /* tries; they take half a minute */
#define JOB_TRIES 4     /* of a job that fails at the same event */
/* How often the position is stored at most after answers that change nothing, so that neither the
 * echo of a message nor talk costs a commit. After a crash such answers may come again, which is
 * harmless. */
#define POSITION_MS (10 * CLOCK_SECOND_MS)
/* How long such a position waits for something else to be stored: mostly the result of the message
 * whose echo it is, or the next alert. */
#define POSITION_WAIT_MS (2 * CLOCK_SECOND_MS)

/* --- batches ------------------------------------------------------------------------------ */

static void batch_destroy(struct timeline_batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < batch->rooms_len; i++) {
		free(batch->rooms[i].name);
		free(batch->rooms[i].room_id);
		free(batch->rooms[i].from);
		json_decref(batch->rooms[i].filled);
	}
	for (size_t i = 0; i < batch->items_len; i++)
		echo_finish(&batch->items[i].about);
	free(batch->rooms);
	free(batch->items);
	free(batch->since);
	free(batch->next_batch);
	report_status_finish(&batch->status);
	json_decref(batch->happened);
	json_decref(batch->place);
	json_decref(batch->left_out);
	json_decref(batch->answer);
	config_unref(batch->config);
	free(batch);
}

/* Adds the configured rooms that the answer contains. */
static void batch_add_rooms(struct timeline *timeline, struct timeline_batch *batch)
{
	const json_t *join = json_object_get(json_object_get(batch->answer, "rooms"), "join");
	size_t len = rooms_len(timeline->options.rooms), i;

	batch->rooms = x_calloc(len ? len : 1, sizeof(*batch->rooms));
	for (i = 0; i < len; i++) {
		const struct room *room = rooms_at(timeline->options.rooms, i);
		const json_t *part = room->room_id ? json_object_get(join, room->room_id) : NULL;
		const json_t *lines = json_object_get(part, "timeline");
		struct batch_room *mine = &batch->rooms[batch->rooms_len];

		if (batch->blind ? !room->room_id : !json_is_object(lines))
			continue;
		mine->name = x_strdup(room->name);
		mine->room_id = x_strdup(room->room_id);
		mine->encrypted = room->encrypted;
		mine->events = json_object_get(lines, "events");
		if (batch->blind)
			mine->from = x_strdup(batch->next_batch);
		if (json_is_true(json_object_get(lines, "limited"))) {
			free(mine->from);
			mine->from = x_strdup_opt(
			        json_string_value(json_object_get(lines, "prev_batch")));
		}
		batch->rooms_len++;
	}
}

/* State beside a timeline is how the homeserver saw the room at the timeline's start. Where events
 * were written at the same time, that may be older than what is valid and was told already (MSC4222
 * describes it), so power levels in it are no more than a reason to ask for them. */
static void batch_doubt_powers(struct timeline *timeline, const json_t *answer)
{
	json_t *join = json_object_get(json_object_get(answer, "rooms"), "join"), *room;
	const char *room_id;

	json_object_foreach(join, room_id, room)
	{
		timeline_power_doubt(timeline, room_id,
		        json_object_get(json_object_get(room, "state"), "events"));
	}
}

static void batch_add_item(
        struct timeline_batch *batch, const struct batch_room *room, const json_t *raw)
{
	const struct timeline_power *power = timeline_power(batch->timeline, room->room_id);
	const char *sender = json_string_value(json_object_get(raw, "sender"));

	timeline_power_note(batch->timeline, room->room_id, raw);
	if (sender && strcmp(sender, batch->config->matrix.user) == 0)
		echoes_note(&batch->timeline->echoes, raw);
	if (!timeline_wants(raw, batch->config->matrix.user) || !batch_concerns(batch, room, raw))
		return;
	batch->items[batch->items_len++] = (struct batch_item){
	        .room = room,
	        .raw = raw,
	        .power =
	                power ? power_of(power->create, power->levels, sender) : ROOM_POWER_UNKNOWN,
	        .about = echoes_find(&batch->timeline->echoes, raw),
	};
}

/* Adds all events of the rooms in order: first those that were left out, then the timeline's. */
static void batch_add_items(struct timeline_batch *batch)
{
	size_t most = 0;

	for (size_t i = 0; i < batch->rooms_len; i++)
		most += json_array_size(batch->rooms[i].events) +
		        json_array_size(batch->rooms[i].filled);
	batch->items = x_calloc(most ? most : 1, sizeof(*batch->items));
	for (size_t i = 0; i < batch->rooms_len; i++) {
		const struct batch_room *room = &batch->rooms[i];

		for (size_t j = json_array_size(room->filled); j > 0; j--)
			batch_add_item(batch, room, json_array_get(room->filled, j - 1));
		for (size_t j = 0; j < json_array_size(room->events); j++)
			batch_add_item(batch, room, json_array_get(room->events, j));
	}
}

/* How many one-time and fallback keys the homeserver has. */
static json_t *batch_key_counts(const struct timeline_batch *batch)
{
	return json_pack("[O?, O?]", json_object_get(batch->answer, "device_one_time_keys_count"),
	        json_object_get(batch->answer, "device_unused_fallback_key_types"));
}

static size_t answer_len(const json_t *answer, const char *part, const char *array)
{
	return json_array_size(json_object_get(json_object_get(answer, part), array));
}

/* Whether nothing in the answer concerns the handlers or the encryption. */
static bool batch_is_quiet(const struct timeline_batch *batch)
{
	const json_t *answer = batch->answer;
	json_t *key_counts;
	bool same;

	if (!batch->since || batch->blind || batch->items_len > 0 || batch->timeline->held > 0 ||
	        json_object_size(json_object_get(json_object_get(answer, "rooms"), "join")) !=
	                batch->rooms_len ||
	        answer_len(answer, "to_device", "events") > 0 ||
	        answer_len(answer, "device_lists", "changed") > 0 ||
	        answer_len(answer, "device_lists", "left") > 0)
		return false;
	key_counts = batch_key_counts(batch);
	same = json_equal(key_counts, batch->timeline->key_counts);
	json_decref(key_counts);
	return same;
}

/* --- after the job ------------------------------------------------------------------------ */

static void batch_submit(struct timeline *timeline);

static void timeline_on_timer(uv_timer_t *timer)
{
	batch_submit(timer->data);
}

/* A job that fails at the same event each time goes on without it. Where it failed as a whole (no
 * place), as with a full disk or a locked database, there is nothing to leave out. */
static void batch_failed(struct timeline *timeline, enum err result, const char *message)
{
	struct timeline_batch *batch = timeline->batch;

	batch->tries++;
	if (result != ERR_FULL && batch->place && batch->tries >= JOB_TRIES) {
		log_error("timeline",
		        "could not process %s, skipping it; if it was a command, send it again: "
		        "%s",
		        json_string_value(batch->place), message);
		json_array_append(batch->left_out, batch->place);
		batch->tries = 1;
	} else {
		log_seldom(LOG_WARNING, "timeline", "",
		        "could not store what was written in the rooms, retrying: %s", message);
	}
	uv_timer_start(&timeline->timer, timeline_on_timer,
	        (uint64_t)backoff_ms(batch->tries, -1, arc4random()), 0);
}

/* Takes the answer that came during a retry. */
static void timeline_take_next(struct timeline *timeline)
{
	struct timeline_batch *next = timeline->next;

	timeline->next = NULL;
	timeline_take(timeline, next->answer, next->since, next->next_batch, next->blind);
	json_decref(next->answer);
	free(next->since);
	free(next->next_batch);
	free(next);
}

/* The answer is done: its position is stored, or need not be stored yet. */
static void timeline_sync_ended(struct timeline *timeline, bool changed)
{
	batch_destroy(timeline->batch);
	timeline->batch = NULL;
	timeline->events.on_stored(changed, timeline->events.arg);
}

static void batch_done(enum err result, const char *message, void *arg)
{
	struct timeline_batch *batch = arg;
	struct timeline *timeline = batch->timeline;

	timeline->in_job = false;
	if (timeline->closing) {
		timeline_closing(timeline);
		return;
	}
	if (result != OK) {
		batch_failed(timeline, result, message);
		return;
	}
	happened_tell(batch->happened, timeline->events.on_happened, timeline->events.arg);
	timeline->held = batch->held;
	if (batch->next_batch) {
		timeline->stored_ms = clock_monotonic_ms();
		json_decref(timeline->key_counts);
		timeline->key_counts = batch_key_counts(batch);
		timeline_sync_ended(timeline, true);
		return;
	}
	timeline->batch = NULL;
	batch_destroy(batch);
	if (timeline->next)
		timeline_take_next(timeline);
	else if (timeline->retry)
		timeline_retry(timeline);
}

static void batch_submit(struct timeline *timeline)
{
	timeline->in_job = true;
	json_decref(timeline->batch->place);
	timeline->batch->place = NULL;
	writer_submit(timeline->options.writer, batch_read, batch_done, timeline->batch);
	if (timeline->batch->items_len > 0 ||
	        timeline->held > 0) /* replies are chosen in the same commit */
		courier_poke(timeline->options.courier);
}

static enum err position_work(struct store *store, void *arg)
{
	return state_set(store, "sync.since", arg);
}

/* After a failure a later position is stored. */
static void position_done(enum err result, const char *message, void *arg)
{
	free(arg);
}

/* Nobody waits for the position of a quiet answer. Each later one is stored after it, since lazy
 * jobs come first in any batch. */
static void timeline_store_position(struct timeline *timeline, const char *next_batch)
{
	if (clock_monotonic_ms() - timeline->stored_ms < POSITION_MS)
		return;
	timeline->stored_ms = clock_monotonic_ms();
	writer_submit_lazily(timeline->options.writer, POSITION_WAIT_MS, position_work,
	        position_done, x_strdup(next_batch));
}

void timeline_whole(struct timeline *timeline)
{
	struct timeline_batch *batch = timeline->batch;
	struct report_status status = {.now_ms = clock_now_ms(), .version = BOT_VERSION};

	batch_add_items(batch);
	if (batch_is_quiet(batch)) {
		timeline_store_position(timeline, batch->next_batch);
		timeline_sync_ended(timeline, false);
		return;
	}
	if (batch->items_len > 0 || timeline->held > 0) {
		timeline->events.on_status(&status, timeline->events.arg);
		report_status_take(&status, &batch->status);
	}
	batch_submit(timeline);
}

/* After a start the first /sync answer may arrive before the rooms' addresses are resolved. */
static bool timeline_rooms_are_known(const struct rooms *rooms)
{
	for (size_t i = 0; i < rooms_len(rooms); i++)
		if (!rooms_at(rooms, i)->looked)
			return false;
	return true;
}

static void timeline_on_rooms_timer(uv_timer_t *timer);

/* Adds the configured rooms to the batch once all of them have been checked, and fetches what is
 * missing. */
static void timeline_begin(struct timeline *timeline)
{
	if (timeline->batch->since) {
		if (!timeline_rooms_are_known(timeline->options.rooms) &&
		        timeline->waits++ < ROOMS_WAITS) {
			uv_timer_start(&timeline->timer, timeline_on_rooms_timer, ROOMS_WAIT_MS, 0);
			return;
		}
		batch_add_rooms(timeline, timeline->batch);
	}
	timeline_fetch(timeline);
}

static void timeline_on_rooms_timer(uv_timer_t *timer)
{
	timeline_begin(timer->data);
}

static struct timeline_batch *batch_begin(struct timeline *timeline)
{
	struct timeline_batch *batch = x_calloc(1, sizeof(*batch));

	assert(!timeline->batch && !timeline->closing);
	batch->timeline = timeline;
	batch->config = config_ref(timeline->config);
	batch->happened = json_array();
	batch->left_out = json_array();
	timeline->batch = batch;
	timeline->tries = 0;
	timeline->waits = 0;
	return batch;
}

void timeline_retry(struct timeline *timeline)
{
	timeline->retry = timeline->batch;
	if (timeline->batch || timeline->closing || timeline->held == 0)
		return;
	batch_begin(timeline);
	timeline_whole(timeline);
}

void timeline_take(struct timeline *timeline, json_t *answer, const char *since,
        const char *next_batch, bool blind)
{
	struct timeline_batch *batch;

	if (timeline->batch) { /* a retry is in progress: this answer follows it */
		timeline->next = x_calloc(1, sizeof(*timeline->next));
		timeline->next->answer = json_incref(answer);
		timeline->next->since = x_strdup_opt(since);
		timeline->next->next_batch = x_strdup(next_batch);
		timeline->next->blind = blind;
		return;
	}
	own_list_settle(
	        &timeline->own_list, answer, timeline->config->matrix.user, clock_monotonic_ms());
	batch = batch_begin(timeline);
	batch->answer = json_incref(answer);
	batch->since = x_strdup_opt(since);
	batch->next_batch = x_strdup(next_batch);
	batch->blind = blind;
	if (blind) /* power levels may have changed unseen */
		timeline_powers_finish(timeline);
	batch_doubt_powers(timeline, answer);
	timeline_begin(timeline);
}

/* --- creation and closing ----------------------------------------------------------------- */

struct timeline *timeline_create(const struct timeline_options *options, struct config *config,
        const struct timeline_events *events)
{
	struct timeline *timeline = x_calloc(1, sizeof(*timeline));

	timeline->options = *options;
	timeline->config = config_ref(config);
	timeline->events = *events;
	TAILQ_INIT(&timeline->powers);
	uv_timer_init(options->loop, &timeline->timer);
	timeline->timer.data = timeline;
	return timeline;
}

void timeline_configure(struct timeline *timeline, struct config *config)
{
	config_replace(&timeline->config, config);
}

static void timeline_free(struct timeline *timeline)
{
	void (*closed)(void *arg) = timeline->closed;
	void *arg = timeline->closed_arg;

	batch_destroy(timeline->batch);
	batch_destroy(timeline->next);
	json_decref(timeline->key_counts);
	echoes_finish(&timeline->echoes);
	timeline_powers_finish(timeline);
	config_unref(timeline->config);
	free(timeline);
	closed(arg);
}

static void timeline_on_timer_closed(uv_handle_t *handle)
{
	struct timeline *timeline = handle->data;

	timeline->timer_closed = true;
	timeline_closing(timeline);
}

void timeline_closing(struct timeline *timeline)
{
	if (timeline->timer_closed && !timeline->call && !timeline->in_job)
		timeline_free(timeline);
}

void timeline_close(struct timeline *timeline, void (*closed)(void *arg), void *arg)
{
	assert(!timeline->closing);
	timeline->closing = true;
	timeline->closed = closed;
	timeline->closed_arg = arg;
	if (timeline->call)
		mx_cancel(timeline->call);
	writer_hurry(timeline->options.writer);
	uv_close((uv_handle_t *)&timeline->timer, timeline_on_timer_closed);
}

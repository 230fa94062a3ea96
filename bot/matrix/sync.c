/*
 * sync.c - see sync.h.
 *
 * Happy path: POLL → BATCH (the owner stores the results) → FILTER (the filter is stored on the
 * server, which returns its id) → POLL → BATCH → POLL … A failure goes to WAIT and from there back
 * to where it failed; a refused token goes to AUTH. The first poll after a start or a failure has
 * timeout=0, so that it is known at once whether the server answers. After a start its filter is in
 * the request itself, so that the answer comes one request sooner.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/sync.h"

#define POLL_MS 30000
#define POLL_MARGIN_MS 30000    /* time for the answer to arrive, after the poll's timeout */
#define FIRST_TIMEOUT_MS 120000 /* the server needs long for a first /sync of many rooms */
#define FILTER_TIMEOUT_MS 30000
#define TIMELINE_LIMIT 100
#define EARLY_MS 1000 /* an empty answer in less time means that the server did not wait */
/* An answer with nothing but our own messages or talk in less time than this: more will follow. The
 * wait grows with each such answer. */
#define ECHO_MS 300
#define ECHO_MAX_MS 900

enum sync_state {
	SYNC_IDLE,   /* not started */
	SYNC_FILTER, /* request for the filter in flight */
	SYNC_POLL,   /* /sync in flight */
	SYNC_BATCH,  /* with the owner, until sync_next() */
	SYNC_WAIT,   /* timer runs */
	SYNC_AUTH,   /* until sync_wake() */
};

/* How much of an answer is requested after one was too large. */
enum sync_narrow { SYNC_WHOLE, SYNC_FEW_EVENTS, SYNC_NO_ROOMS };

struct sync {
	struct mx *mx;
	char *user_id;
	struct sync_events events;
	enum sync_state state;
	uv_timer_t timer;
	struct mx_call *call; /* in flight, or NULL */
	char *since;          /* NULL = first */
	char *filter;         /* id on the server, NULL = not stored yet */
	bool filter_is_fresh; /* stored on the server since the last refusal */
	enum sync_narrow narrow;
	bool quick;      /* the next poll does not wait at the server */
	bool early;      /* the last answer came too soon: pause before the next poll */
	bool prompt;     /* it came in less than ECHO_MS */
	int64_t echo_ms; /* the last wait for more of such messages; 0 after any other answer */
	bool starts;     /* it was the first after a start or a failure */
	unsigned tries;  /* failures in a row */
	bool told, up;   /* on_state() was called; its last value */
	int64_t last_ms;
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void sync_proceed(struct sync *sync);

/* ---- filters ---- */

/* The state events that matter to the bot; members are sent with the timeline events they wrote. */
static json_t *sync_state_types(void)
{
	return json_pack("[s, s, s, s, s, s]", "m.room.encryption", "m.room.tombstone",
	        "m.room.canonical_alias", "m.room.power_levels", "m.room.create", "m.room.member");
}

static json_t *sync_filter_json(enum sync_narrow narrow, int limit)
{
	json_t *filter = json_pack("{s:{s:[s]}, s:{s:[s]}, s:{s:{s:[s]}, s:{s:[s]},"
	                           " s:{s:b}, s:{s:i, s:b}}}",
	        "presence", "not_types", "*", "account_data", "not_types", "*", "room", "ephemeral",
	        "not_types", "*", "account_data", "not_types", "*", "state", "lazy_load_members", 1,
	        "timeline", "limit", narrow ? 1 : limit, "lazy_load_members", 1);
	json_t *room = json_object_get(filter, "room");
	json_t *state = json_object_get(room, "state");

	if (narrow == SYNC_FEW_EVENTS) {
		json_object_set_new(state, "types", sync_state_types());
	} else if (narrow == SYNC_NO_ROOMS) {
		json_object_set_new(room, "rooms", json_array());
		json_object_set_new(state, "not_types", json_pack("[s]", "*"));
		json_object_set_new(
		        json_object_get(room, "timeline"), "not_types", json_pack("[s]", "*"));
	}
	return filter;
}

/* An inline filter for one poll. That of a first /sync has a nonce and is unlike any used
 * before. */
static char *sync_filter_text(const struct sync *sync)
{
	json_t *filter = sync_filter_json(sync->narrow, sync->since ? TIMELINE_LIMIT : 1);
	json_t *timeline = json_object_get(json_object_get(filter, "room"), "timeline");
	char *nonce = x_asprintf("nonce.%08x%08x", arc4random(), arc4random());
	char *text;

	if (!sync->since && sync->narrow)
		json_object_set_new(timeline, "not_types", json_pack("[s, s]", "*", nonce));
	else if (!sync->since)
		json_object_set_new(timeline, "not_types", json_pack("[s]", nonce));
	text = json_dumps(filter, JSON_COMPACT);
	json_decref(filter);
	free(nonce);
	return text;
}

/* ---- failures ---- */

static void sync_tell_state(struct sync *sync, bool up, const char *error)
{
	if (sync->told && sync->up == up)
		return;
	sync->told = true;
	sync->up = up;
	if (sync->events.on_state)
		sync->events.on_state(up, error, sync->events.arg);
}

static void sync_on_timer(uv_timer_t *timer)
{
	sync_proceed(timer->data);
}

static void sync_wait_ms(struct sync *sync, int64_t ms)
{
	sync->state = SYNC_WAIT;
	uv_timer_start(&sync->timer, sync_on_timer, (uint64_t)ms, 0);
}

/* The homeserver rejected the request: first a new filter is stored, then the `since` is
 * dropped. */
static bool sync_start_over(struct sync *sync, const struct mx_answer *answer)
{
	bool refused = answer->code == ERR_REJECTED || answer->code == ERR_NOT_FOUND;

	if (sync->state != SYNC_POLL || !sync->since || !refused || !answer->errcode[0])
		return false;
	if (strcmp(answer->errcode, "M_UNKNOWN_POS") != 0 && !sync->filter_is_fresh) {
		log_info("sync", "storing the filter again: %s", answer->error);
		free(sync->filter);
		sync->filter = NULL;
		return true;
	}
	log_warning("sync", "the homeserver no longer knows the sync position; starting over: %s",
	        answer->error);
	free(sync->since);
	sync->since = NULL;
	return true;
}

/* The whole answer cannot be had: requests less of it. */
static void sync_ask_for_less(struct sync *sync, const struct mx_answer *answer)
{
	bool late = !sync->since && (answer->code == ERR_TIMEOUT || answer->status == 504);

	if (sync->state != SYNC_POLL || sync->narrow == SYNC_NO_ROOMS ||
	        (!answer->too_large && !late))
		return;
	sync->narrow++;
	log_warning("sync", "%s: now asking for %s", answer->error,
	        sync->narrow == SYNC_NO_ROOMS
	                ? "/sync without rooms, and the configured rooms one by one"
	                : "one event per room");
}

static void sync_failed(struct sync *sync, const struct mx_answer *answer)
{
	int64_t ms;

	sync->quick = true;
	if (answer->code == ERR_AUTH) {
		sync->state = SYNC_AUTH;
		sync_tell_state(sync, false, answer->error);
		return;
	}
	if (!sync_start_over(sync, answer))
		sync_ask_for_less(sync, answer);
	sync->tries++;
	ms = backoff_ms(sync->tries, answer->retry_after_ms, arc4random());
	log_debug("sync", "attempt %u failed, retrying in %lld ms: %s", sync->tries, (long long)ms,
	        answer->error);
	sync_wait_ms(sync, ms);
	sync_tell_state(sync, false, answer->error);
}

/* ---- closing ---- */

static void sync_maybe_closed(struct sync *sync)
{
	void (*closed)(void *arg) = sync->closed;
	void *arg = sync->closed_arg;

	if (!sync->closing || !sync->timer_closed || sync->call)
		return;
	free(sync->user_id);
	free(sync->since);
	free(sync->filter);
	free(sync);
	closed(arg);
}

static void sync_on_timer_closed(uv_handle_t *handle)
{
	struct sync *sync = handle->data;

	sync->timer_closed = true;
	sync_maybe_closed(sync);
}

void sync_close(struct sync *sync, void (*closed)(void *arg), void *arg)
{
	assert(!sync->closing);
	sync->closing = true;
	sync->closed = closed;
	sync->closed_arg = arg;
	if (sync->call)
		mx_cancel(sync->call);
	uv_close((uv_handle_t *)&sync->timer, sync_on_timer_closed);
}

/* ---- requests ---- */

static void sync_on_filter(const struct mx_answer *answer, void *arg)
{
	struct sync *sync = arg;
	struct mx_answer broken = *answer;
	const char *filter = json_string_value(json_object_get(answer->body, "filter_id"));

	sync->call = NULL;
	if (sync->closing) {
		sync_maybe_closed(sync);
		return;
	}
	if (answer->code == OK && !filter) {
		broken.code = ERR_PROTO;
		strcpy(broken.error, "the answer has no filter_id");
	}
	if (broken.code != OK) {
		sync_failed(sync, &broken);
		return;
	}
	sync->filter = x_strdup(filter);
	sync->filter_is_fresh = true;
	sync_proceed(sync);
}

static void sync_start_filter(struct sync *sync)
{
	char *path = mx_path("/v3/user/%s/filter", sync->user_id);
	json_t *filter = sync_filter_json(SYNC_WHOLE, TIMELINE_LIMIT);

	sync->state = SYNC_FILTER;
	sync->call =
	        mx_start(sync->mx, "POST", path, filter, FILTER_TIMEOUT_MS, sync_on_filter, sync);
	json_decref(filter);
	free(path);
}

static void sync_take_batch(
        struct sync *sync, const struct mx_answer *answer, const char *next_batch)
{
	bool first = !sync->since;
	bool same = !first && strcmp(sync->since, next_batch) == 0;
	bool blind = sync->narrow == SYNC_NO_ROOMS;

	sync->early = same && !sync->quick && answer->duration_ms < EARLY_MS;
	sync->prompt = !first && answer->duration_ms < ECHO_MS;
	sync->starts = sync->quick;
	sync->quick = false;
	sync->filter_is_fresh = false;
	sync->tries = 0;
	sync->narrow = SYNC_WHOLE;
	sync->last_ms = clock_now_ms();
	free(sync->since);
	sync->since = x_strdup(next_batch);
	sync->state = SYNC_BATCH;
	sync_tell_state(sync, true, "");
	if (!sync->closing)
		sync->events.on_batch(answer->body, next_batch, first, blind, sync->events.arg);
}

static void sync_on_poll(const struct mx_answer *answer, void *arg)
{
	struct sync *sync = arg;
	struct mx_answer broken = *answer;
	const char *next_batch = json_string_value(json_object_get(answer->body, "next_batch"));

	sync->call = NULL;
	if (sync->closing) {
		sync_maybe_closed(sync);
		return;
	}
	if (answer->code == OK && next_batch) {
		sync_take_batch(sync, answer, next_batch);
		return;
	}
	if (answer->code == OK) {
		broken.code = ERR_PROTO;
		strcpy(broken.error, "the answer has no next_batch");
	}
	sync_failed(sync, &broken);
}

static void sync_start_poll(struct sync *sync)
{
	int64_t wait = sync->since && !sync->quick ? POLL_MS : 0;
	int64_t timeout = sync->since ? wait + POLL_MARGIN_MS : FIRST_TIMEOUT_MS;
	char *path, *filter;

	filter = sync->since && sync->filter && !sync->narrow ? x_strdup(sync->filter)
	                                                      : sync_filter_text(sync);
	path = sync->since ? mx_path("/v3/sync?set_presence=offline&timeout=%d&filter=%s&since=%s",
	                             wait, filter, sync->since)
	                   : mx_path("/v3/sync?set_presence=offline&timeout=%d&filter=%s", wait,
	                             filter);
	free(filter);
	sync->state = SYNC_POLL;
	sync->call = mx_start(sync->mx, "GET", path, NULL, timeout, sync_on_poll, sync);
	free(path);
}

static void sync_proceed(struct sync *sync)
{
	bool starts = sync->quick && sync->tries == 0;

	if (sync->since && !sync->filter && !sync->narrow && !starts)
		sync_start_filter(sync);
	else
		sync_start_poll(sync);
}

/* ---- the interface ---- */

struct sync *sync_create(
        uv_loop_t *loop, struct mx *mx, const char *user_id, const struct sync_events *events)
{
	struct sync *sync = x_calloc(1, sizeof(*sync));

	sync->mx = mx;
	sync->user_id = x_strdup(user_id);
	sync->events = *events;
	uv_timer_init(loop, &sync->timer);
	sync->timer.data = sync;
	return sync;
}

void sync_start(struct sync *sync, const char *since)
{
	assert(sync->state == SYNC_IDLE && !sync->closing);
	sync->since = x_strdup_opt(since);
	sync->quick = true;
	sync_proceed(sync);
}

void sync_next(struct sync *sync, bool changed)
{
	if (sync->closing)
		return;
	assert(sync->state == SYNC_BATCH);
	if (changed || !sync->prompt)
		sync->echo_ms = 0;
	else if (sync->echo_ms < ECHO_MAX_MS)
		sync->echo_ms += ECHO_MS;
	if (sync->early)
		sync_wait_ms(sync, EARLY_MS);
	else if (sync->echo_ms > 0)
		sync_wait_ms(sync, sync->echo_ms);
	else if (sync->starts)
		sync_wait_ms(sync, ECHO_MS);
	else
		sync_proceed(sync);
}

void sync_wake(struct sync *sync)
{
	if (sync->closing || (sync->state != SYNC_AUTH && sync->state != SYNC_WAIT))
		return;
	uv_timer_stop(&sync->timer);
	sync->quick = true;
	sync_proceed(sync);
}

int64_t sync_last_ms(const struct sync *sync)
{
	return sync->last_ms;
}

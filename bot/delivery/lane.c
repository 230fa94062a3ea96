/*
 * lane.c - see courier_internal.h. Happy path: lane_start() sends the event, lane_on_sent() passes
 * the answer to the writer and makes the lane idle, outcome_done() reports it. After a temporary
 * failure the lane waits instead; an event that may have been accepted already is looked for in the
 * room before it is sent.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/delivery/courier_internal.h"
#include "bot/matrix/backoff.h"
#include "handlers/alerts/render.h"
#include "storage/state.h"

#define SEND_TIMEOUT_MS 60000
/* What comes later than that during a send is not prepared: until then it may join others or be
 * silenced, and the homeserver is slow anyway. */
#define AHEAD_MS CLOCK_SECOND_MS
#define HELD_FAILURES_MAX 6 /* short backoff, since a hold of the account may end at any time */

/* One deliver_finish() job in the writer. */
struct outcome {
	struct courier *courier;
	struct lane *lane;
	bool frees;            /* the lane becomes idle once the result is stored */
	struct config *config; /* referenced */
	enum deliver_outcome outcome;
	int64_t outbox_id;
	char what[16], room[64];
	char *room_id, *device_id, *event_id, *error;
	int64_t started_ms, duration_ms;
	enum err code;
	int http_status;
	char pace[80]; /* to be stored, or "" */
	bool pace_lifted;
	bool untried;
	int64_t latency_ms; /* filled in by the job; -1 = it carries no alert */
	int64_t due_ms;     /* filled in by the job; when its message is due next */
};

static void lane_send(struct lane *lane);
static void lane_follow(struct lane *lane);

/* --- lanes ------------------------------------------------------------------------------- */

struct lane *lane_get(struct courier *courier, const char *name)
{
	struct lane *lane;

	for (lane = courier->lanes; lane; lane = lane->next)
		if (strcmp(lane->name, name) == 0)
			return lane;
	lane = x_calloc(1, sizeof(*lane));
	lane->courier = courier;
	snprintf(lane->name, sizeof(lane->name), "%s", name);
	lane->next = courier->lanes;
	courier->lanes = lane;
	return lane;
}

static void lane_idle(struct lane *lane)
{
	deliver_event_finish(&lane->event);
	memset(&lane->event, 0, sizeof(lane->event));
	lane->state = LANE_IDLE;
}

static void lane_wait_ms(struct lane *lane, int64_t wait_ms, bool server_fault, const char *error)
{
	bool others = lane->event.more || lane->courier->wanted;

	lane_idle(lane);
	lane->state = LANE_WAITING;
	lane->server_fault = server_fault;
	snprintf(lane->error, sizeof(lane->error), "%s", error);
	lane->held = false;
	lane->retry_at_ms = clock_monotonic_ms() + wait_ms;
	courier_arm(lane->courier);
	if (others) /* other rooms may have waited for the end of this send */
		courier_poke(lane->courier);
}

static void lane_wait(struct lane *lane, int64_t server_ms, bool server_fault, const char *error)
{
	lane->failures++;
	if (server_ms > PACE_WAIT_MAX_MS)
		server_ms = PACE_WAIT_MAX_MS;
	lane_wait_ms(
	        lane, backoff_ms(lane->failures, server_ms, arc4random()), server_fault, error);
}

static void lane_ended(struct lane *lane)
{
	lane_idle(lane);
	if (lane->courier->closing)
		courier_closing(lane->courier);
	else
		courier_poke(lane->courier);
}

/* --- storing the result of a try ---------------------------------------------------------- */

static enum err outcome_work(struct store *store, void *arg)
{
	struct outcome *o = arg;
	struct deliver d = {.store = store, .config = o->config, .now_ms = clock_now_ms()};
	struct deliver_result result = {
	        .outbox_id = o->outbox_id,
	        .room = o->room,
	        .room_id = o->room_id,
	        .device_id = o->device_id,
	        .outcome = o->outcome,
	        .what = o->what,
	        .event_id = o->event_id,
	        .started_ms = o->started_ms,
	        .duration_ms = o->duration_ms,
	        .code = o->code,
	        .http_status = o->http_status,
	        .error = o->error,
	        .latency_ms = &o->latency_ms,
	        .due_ms = &o->due_ms,
	};

	enum err err = deliver_finish(&d, &result);

	if (err == OK && o->pace_lifted)
		err = state_delete(store, COURIER_PACE);
	else if (err == OK && o->pace[0])
		err = state_set(store, COURIER_PACE, o->pace);
	return err;
}

static void outcome_mirror(const struct outcome *o)
{
	struct call_row row = {
	        .at_ms = o->started_ms,
	        .what = o->what,
	        .room = o->room,
	        .room_id = o->room_id,
	        .outbox_id = o->outbox_id,
	        .duration_ms = o->duration_ms,
	        .latency_ms = -1,
	        .result = o->code == OK ? "ok" : err_name(o->code),
	        .http_status = o->http_status,
	        .event_id = o->event_id,
	        .error = o->error,
	};

	if (o->courier->mirror)
		mirror_add(o->courier->mirror, &row);
}

/* What the lane does next; it may be sending another event already. */
static void outcome_ended(const struct outcome *o, bool stored)
{
	struct lane *lane = o->lane;
	bool here = o->frees && lane->event.outbox_id == o->outbox_id;

	if (!stored && !lane->courier->closing && (here || lane->state == LANE_IDLE))
		lane_wait(lane, -1, false, "its result could not be stored"); /* the event is chosen
		                                                                 again after that */
	else if (here)
		lane_ended(lane);
	else if (lane->courier->closing)
		courier_closing(lane->courier);
	else if (o->untried) /* it is in the queue again, and the lane may be idle */
		courier_poke(lane->courier);
	else
		courier_arm(lane->courier);
}

static void outcome_done(enum err result, const char *message, void *arg)
{
	struct outcome *o = arg;
	struct courier *courier = o->courier;

	courier->jobs--;
	if (result != OK)
		/* The event stays frozen and is sent again under its transaction id, which the
		 * homeserver answers with the same event. */
		log_seldom(LOG_ERROR, "courier", o->room, "could not record a send to %s: %s",
		        o->room, message);
	else if (o->outcome != DELIVER_ABSENT && !o->untried) {
		if (o->latency_ms >= 0)
			histogram_add(&courier->counters.delivery, o->latency_ms);
		outcome_mirror(o);
		if (courier->events.on_result)
			courier->events.on_result(o->what, o->room, o->outbox_id, o->event_id,
			        o->code, o->error, courier->events.arg);
	}
	if (result == OK && o->due_ms < courier->due_ms)
		courier->due_ms = o->due_ms;
	outcome_ended(o, result == OK);
	config_unref(o->config);
	free(o->room_id);
	free(o->device_id);
	free(o->event_id);
	free(o->error);
	free(o);
}

static struct outcome *outcome_create(
        struct lane *lane, const struct deliver_event *event, enum deliver_outcome outcome)
{
	struct courier *courier = lane->courier;
	struct outcome *o = x_calloc(1, sizeof(*o));

	o->courier = courier;
	o->lane = lane;
	o->latency_ms = -1;
	o->due_ms = INT64_MAX;
	o->config = config_ref(courier->config);
	o->outcome = outcome;
	o->outbox_id = event->outbox_id;
	memcpy(o->what, event->what, sizeof(o->what));
	memcpy(o->room, lane->name, sizeof(o->room));
	o->room_id = x_strdup_opt(event->room_id);
	o->device_id = x_strdup(courier->device_id);
	return o;
}

/* An accepted event's result may be stored later: nothing else is stored, and nothing chosen,
 * before it, and without it the event is sent again under its transaction id. */
static void outcome_start(struct outcome *o)
{
	const struct courier *courier = o->courier;
	bool awaited =
	        courier->events.is_awaited && courier->events.is_awaited(courier->events.arg);
	bool late = o->outcome == DELIVER_SENT && !o->frees && !courier->closing && !awaited;

	o->courier->jobs++;
	if (late)
		writer_submit_lazily(
		        courier->writer, COURIER_RESULT_MS, outcome_work, outcome_done, o);
	else
		writer_submit(courier->writer, outcome_work, outcome_done, o);
}

/* frees: the lane becomes idle once the result is stored; otherwise it continues
 * independently. */
static void outcome_submit(struct lane *lane, enum deliver_outcome outcome,
        const struct mx_answer *answer, const char *event_id, bool frees)
{
	struct courier *courier = lane->courier;
	struct outcome *o = outcome_create(lane, &lane->event, outcome);

	o->frees = frees;
	o->event_id = x_strdup_opt(event_id);
	o->started_ms = lane->started_ms;
	o->duration_ms = clock_monotonic_ms() - lane->started_mono_ms;
	if (answer) {
		o->code = answer->code;
		o->http_status = (int)answer->status;
		o->error = answer->error[0] ? x_strdup(answer->error) : NULL;
	}
	if (outcome == DELIVER_LIMITED)
		pace_print(&courier->pace, o->pace);
	if (outcome == DELIVER_SENT && pace_sent(&courier->pace, clock_now_ms())) {
		log_info("courier", "the homeserver's rate limit seems to be lifted");
		o->pace_lifted = true;
	}
	outcome_start(o);
}

/* --- one event ahead ---------------------------------------------------------------------- */

int64_t lane_wants_ahead(const struct lane *lane)
{
	bool wants = lane->state == LANE_SENDING && !lane->ahead.outbox_id && !lane->find &&
	             !lane->refused && clock_monotonic_ms() - lane->started_mono_ms < AHEAD_MS;

	return wants ? lane->event.outbox_id : 0;
}

/* Returns the prepared event to the outbox: it was not sent, and may still be changed. */
static void lane_put_back(struct lane *lane)
{
	struct outcome *o;

	if (!lane->ahead.outbox_id)
		return;
	o = outcome_create(lane, &lane->ahead, DELIVER_LIMITED);
	o->untried = true;
	outcome_start(o);
	deliver_event_finish(&lane->ahead);
}

void lane_none_ahead(struct lane *lane, int64_t before)
{
	if (lane->state == LANE_SENDING && lane->event.outbox_id == before)
		lane->missed = true;
	else if (lane->state == LANE_IDLE)
		lane->courier->wanted = true;
}

void lane_ahead(struct lane *lane, int64_t before, struct deliver_event *event)
{
	bool accepted = lane->state == LANE_IDLE && lane->accepted == before;
	bool sending = lane->state == LANE_SENDING && lane->event.outbox_id == before;

	deliver_event_finish(&lane->ahead);
	lane->ahead = *event;
	memset(event, 0, sizeof(*event));
	/* after a refusal the lane may have to send the same event again first */
	if ((!accepted && !sending) || lane->refused || lane->courier->closing ||
	        lane->ahead.look_first || courier_is_late(lane->courier, &lane->ahead))
		lane_put_back(lane);
	else if (accepted)
		lane_follow(lane);
}

/* Sends the prepared event. */
static void lane_follow(struct lane *lane)
{
	struct deliver_event event = lane->ahead;
	bool more = event.more || lane->missed || lane->courier->wanted;

	memset(&lane->ahead, 0, sizeof(lane->ahead));
	lane_idle(lane);
	lane_start(lane, &event);
	if (more) /* the next one is prepared */
		courier_poke(lane->courier);
}

/* --- sending ------------------------------------------------------------------------------ */

static bool courier_is_refusal(enum err err)
{
	return err == ERR_DENIED || err == ERR_REJECTED || err == ERR_TOO_LARGE ||
	       err == ERR_NOT_FOUND;
}

static void lane_tell_limit(const struct lane *lane, const char *error, int64_t wait_ms)
{
	struct courier *courier = lane->courier;
	int64_t mono_ms = clock_monotonic_ms();

	if (courier->pace_told_ms && mono_ms - courier->pace_told_ms < CLOCK_MINUTE_MS)
		return;
	courier->pace_told_ms = mono_ms;
	log_warning("courier",
	        "%s: send refused (%s), collecting what waits into one message and "
	        "retrying in %lld ms: %s",
	        lane->name, error, (long long)wait_ms, courier_limit(courier));
}

/* A rate limit concerns the account, as a rule, and not the room: see pace.h. But that is certain
 * only once another room was refused, too, so until then the others need not wait. A room that is
 * refused again and again while others are not waits alone. */
static void lane_limited(struct lane *lane, const struct mx_answer *answer)
{
	struct courier *courier = lane->courier;
	int64_t now_ms = clock_now_ms(), mono_ms = clock_monotonic_ms();
	int64_t wait_ms = answer->retry_after_ms < PACE_WAIT_MAX_MS ? answer->retry_after_ms
	                                                            : PACE_WAIT_MAX_MS;
	bool first = !courier->limited || courier->limited == lane;
	bool alone = courier->limited == lane && courier->pace.sent_ms > lane->limited_ms;

	lane->failures++;
	if (wait_ms < 0)
		wait_ms = backoff_ms(lane->failures, -1, arc4random());
	if (!alone) {
		pace_limited(&courier->pace, now_ms - (mono_ms - lane->started_mono_ms), now_ms,
		        wait_ms);
		wait_ms = pace_wait_ms(&courier->pace, now_ms);
	}
	courier->counters.limited_ms += (uint64_t)wait_ms;
	lane_tell_limit(lane, answer->error, wait_ms);
	if (first)
		pace_ask(&courier->pace);
	courier->limited = lane;
	lane->limited_ms = now_ms;
	courier->wanted = true;
	outcome_submit(lane, DELIVER_LIMITED, answer, NULL, false);
	lane_wait_ms(lane, wait_ms, false, alone ? answer->error : "");
}

/* The account or the homeserver accepts nothing for now, which is not the event's fault. It stays
 * in the queue and is retried until it is accepted. */
static void lane_held(struct lane *lane, const struct mx_answer *answer)
{
	struct courier *courier = lane->courier;
	int64_t mono_ms = clock_monotonic_ms();

	snprintf(courier->held, sizeof(courier->held), "%s", answer->error);
	outcome_submit(lane, DELIVER_LIMITED, answer, NULL, false);
	if (lane->failures >= HELD_FAILURES_MAX)
		lane->failures = HELD_FAILURES_MAX - 1;
	lane_wait(lane, answer->retry_after_ms, false, answer->error);
	lane->held = true;
	if (courier->held_told_ms && mono_ms - courier->held_told_ms < CLOCK_MINUTE_MS)
		return;
	courier->held_told_ms = mono_ms;
	log_error("courier",
	        "%s: send refused (%s), alerts stay in the queue until that ends, "
	        "retrying in %lld ms",
	        lane->name, answer->error, (long long)(lane->retry_at_ms - mono_ms));
}

/* An event was accepted, so the other rooms need not wait any longer. */
static void courier_release(struct courier *courier)
{
	if (!courier->held[0])
		return;
	log_info("courier", "the homeserver accepts messages again");
	courier->held[0] = '\0';
	courier->held_told_ms = 0;
	courier->wanted = true;
	for (struct lane *lane = courier->lanes; lane; lane = lane->next)
		if (lane->state == LANE_WAITING && lane->held)
			lane->state = LANE_IDLE;
	if (courier->events.on_released)
		courier->events.on_released(courier->events.arg);
}

/* The event was accepted. The prepared one is sent at once; else the next one is chosen, if there
 * may be one. */
static void lane_accepted(struct lane *lane, const struct mx_answer *answer, const char *event_id)
{
	struct courier *courier = lane->courier;
	bool next = lane->event.more || lane->missed || courier->wanted ||
	            pace_is_short(&courier->pace, clock_now_ms(), 0);

	lane->accepted = lane->event.outbox_id;
	if (courier->limited == lane) { /* after the wait: other rooms need not ask any longer */
		courier->limited = NULL;
		courier->pace.limited_ms = lane->limited_ms;
	}
	outcome_submit(lane, DELIVER_SENT, answer, event_id, false);
	if (lane->ahead.outbox_id)
		lane_follow(lane);
	else if (next || courier->closing)
		lane_ended(lane);
	else
		lane_idle(lane);
}

static void lane_on_sent(const struct mx_answer *answer, void *arg)
{
	struct lane *lane = arg;
	struct courier *courier = lane->courier;
	const char *event_id = json_string_value(json_object_get(answer->body, "event_id"));
	struct mx_answer odd;

	lane->call = NULL;
	lane->refused = answer->code != OK;
	courier->counters.results[answer->code]++;
	if (answer->code != OK || courier->closing || !courier->mx)
		lane_put_back(lane);
	if (answer->code == OK && event_id && event_id[0] == '$' && strlen(event_id) <= 255) {
		courier->counters.sent++;
		courier->counters.encrypted += strcmp(lane->event.type, "m.room.encrypted") == 0;
		lane->failures = 0;
		courier_release(courier);
		lane_accepted(lane, answer, event_id);
		return;
	}
	if (answer->code == OK) { /* a 2xx without an event id: it is safe to send again */
		odd = *answer;
		odd.code = ERR_PROTO;
		snprintf(odd.error, sizeof(odd.error), "the answer has no event id");
		answer = &odd;
	}
	/* every version can send: a homeserver that does not recognize it is not working
	 * properly */
	if (!courier->closing &&
	        (answer->code == ERR_HELD || strcmp(answer->errcode, "M_UNRECOGNIZED") == 0)) {
		courier->counters.retried++;
		lane_held(lane, answer);
		return;
	}
	if (courier_is_refusal(answer->code)) {
		log_seldom(LOG_ERROR, "courier", lane->name, "%s: undeliverable (%ld %s): %s",
		        lane->name, answer->status, answer->errcode, answer->error);
		courier->counters.undeliverable++;
		lane->failures = 0;
		if (courier->rooms && (answer->code == ERR_DENIED || answer->code == ERR_NOT_FOUND))
			rooms_recheck(courier->rooms, lane->name);
		outcome_submit(lane, DELIVER_UNDELIVERABLE, answer, NULL, true);
		return;
	}
	courier->counters.retried++;
	if (answer->code == ERR_LIMITED && !courier->closing) {
		lane_limited(lane, answer);
		return;
	}
	if (answer->code != ERR_CANCELED)
		outcome_submit(lane, DELIVER_RETRY, answer, NULL, false);
	if (courier->closing || answer->code == ERR_CANCELED) {
		lane_idle(lane);
		if (courier->closing)
			courier_closing(courier);
		return;
	}
	if (answer->code != ERR_AUTH) /* auth.c logs that */
		log_seldom(LOG_WARNING, "courier", lane->name,
		        "%s: send failed (attempt %u), retrying: %s", lane->name,
		        lane->failures + 1, answer->error);
	lane_wait(lane, answer->retry_after_ms, answer->code != ERR_AUTH, answer->error);
}

/* Whether the event's room has another id by now. It is sent there if it is not in the old one. */
static bool lane_is_elsewhere(const struct lane *lane)
{
	const struct room *room =
	        lane->courier->rooms ? rooms_get(lane->courier->rooms, lane->name) : NULL;

	return room && room->room_id && strcmp(room->room_id, lane->event.room_id) != 0;
}

static void on_found(enum err err, const char *event_id, const char *error, void *arg)
{
	struct lane *lane = arg;
	struct courier *courier = lane->courier;

	lane->find = NULL;
	if (err == OK && event_id) {
		log_info("courier",
		        "%s: an event of unknown fate is in the room, so it is not sent again",
		        lane->name);
		courier->counters.sent++;
		lane->failures = 0;
		outcome_submit(lane, DELIVER_SENT, NULL, event_id, true);
		return;
	}
	if (err == OK && !courier->closing && courier->mx) {
		/* choose it again: an event encrypted by another device is encrypted again */
		outcome_submit(lane, DELIVER_ABSENT, NULL, NULL, true);
		return;
	}
	if (err == OK || err == ERR_CANCELED || err == ERR_AUTH || courier->closing) {
		lane_idle(lane);
		if (courier->closing)
			courier_closing(courier);
		return;
	}
	log_seldom(LOG_WARNING, "courier", lane->name,
	        "%s: cannot look in the room for an event of unknown fate: %s", lane->name,
	        error ? error : err_text(err));
	if (courier_is_refusal(err) && lane_is_elsewhere(lane)) {
		/* the bot has left that room and cannot search it */
		outcome_submit(lane, DELIVER_ABSENT, NULL, NULL, true);
		return;
	}
	if (courier_is_refusal(err)) {
		struct mx_answer answer = {.code = err};

		snprintf(answer.error, sizeof(answer.error),
		        "it may be in the room already, and looking for it failed: %s",
		        error ? error : err_text(err));
		courier->counters.undeliverable++;
		outcome_submit(lane, DELIVER_UNDELIVERABLE, &answer, NULL, true);
		return;
	}
	lane_wait(lane, -1, true, error ? error : err_text(err));
}

static void lane_send(struct lane *lane)
{
	const struct deliver_event *event = &lane->event;
	char *path = mx_path("/v3/rooms/%s/send/%s/%s", event->room_id, event->type, event->txn_id);

	lane->started_ms = clock_now_ms();
	lane->started_mono_ms = lane->served_ms = clock_monotonic_ms();
	lane->refused = lane->missed = false;
	lane->noted = strcmp(event->what, "send") != 0 && strcmp(event->what, "edit") != 0;
	lane->call = mx_start_text(lane->courier->mx, "PUT", path, event->content, SEND_TIMEOUT_MS,
	        lane_on_sent, lane);
	free(path);
}

void lane_start(struct lane *lane, struct deliver_event *event)
{
	struct courier *courier = lane->courier;
	struct find_what what;
	json_t *wire;

	lane->event = *event;
	memset(event, 0, sizeof(*event));
	lane->state = LANE_SENDING;
	if (!lane->event.look_first) {
		lane_send(lane);
		return;
	}
	lane->started_ms = clock_now_ms();
	lane->started_mono_ms = clock_monotonic_ms();
	wire = json_loads(lane->event.content, 0, NULL); /* has the ciphertext, if encrypted */
	what = (struct find_what){
	        .room_id = lane->event.room_id,
	        .sender = courier->user_id,
	        .txn_id = lane->event.txn_id,
	        .content_key = RENDER_KEY,
	        .ciphertext = json_string_value(json_object_get(wire, "ciphertext")),
	        .since_ms = lane->event.frozen_ms,
	};
	lane->find = find_start(courier->mx, &what, on_found, lane);
	json_decref(wire);
}

/*
 * courier.c - see courier.h.
 *
 * A lane is one configured room's way to the homeserver. Its states:
 *   idle     - may be given to deliver_next()
 *   sending  - an event is being looked for or sent, or its result is being written down
 *   waiting  - backoff; the timer makes it idle
 * A choice (deliver_next) may return an event for a lane that has left `idle` meanwhile: the
 * event stays frozen in the outbox and is simply chosen again later.
 */
#include <assert.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/courier.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/find.h"
#include "handlers/deliver.h"
#include "handlers/render.h"

#define SEND_TIMEOUT_MS 60000
/* One choice may be running in a batch while the next is queued for the batch after it. */
#define CHOICES_MAX 2
/* A timer that libuv is asked to keep: not further away than this, so that clock jumps heal. */
#define DUE_MAX_MS CLOCK_MINUTE_MS

enum lane_state { LANE_IDLE, LANE_SENDING, LANE_WAITING };

struct lane {
	struct courier *courier;
	char name[64];
	enum lane_state state;
	unsigned failures;          /* in a row */
	bool server_fault;          /* the backoff is due to an unreachable homeserver */
	int64_t retry_at_ms;        /* monotonic; while waiting */
	struct deliver_event event; /* while sending */
	struct mx_call *call;
	struct find *find;
	int64_t started_ms, started_mono_ms;
	struct lane *next;
};

struct courier {
	uv_loop_t *loop;
	struct writer *writer;
	struct config *config;
	struct courier_events events;
	struct courier_counters counters;
	struct mirror *mirror;
	struct courier_cipher cipher; /* zero = none */
	struct mx *mx;
	struct rooms *rooms;
	char *user_id, *device_id;
	struct lane *lanes;
	uv_timer_t timer; /* the next due time or the end of a backoff */
	int64_t due_ms;   /* by deliver_next(), realtime; INT64_MAX = never */
	unsigned choices; /* next jobs submitted and not done */
	unsigned jobs;    /* all jobs submitted and not done */
	bool wanted;      /* poked while no choice could be made */
	bool troubled;    /* choosing fails, which was told */
	bool closing, canceled, timer_closed;
	uv_timer_t grace; /* while closing: when to stop waiting */
	bool grace_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* One deliver_next() on its way through the writer. */
struct choice {
	struct courier *courier;
	struct config *config; /* referenced */
	struct deliver_room *rooms;
	struct member_list **lists; /* of the rooms, referenced; NULL = not known */
	struct deliver_event *events;
	size_t len;
	int64_t due_ms;
};

/* One deliver_finish() on its way through the writer. */
struct outcome {
	struct courier *courier;
	struct lane *lane;
	struct config *config; /* referenced */
	enum deliver_outcome outcome;
	int64_t outbox_id;
	char what[16], room[64];
	char *room_id, *device_id, *event_id, *error;
	int64_t started_ms, duration_ms;
	enum err code;
	int http_status;
};

static void courier_arm(struct courier *courier);
static void courier_closing(struct courier *courier);
static void lane_send(struct lane *lane);

/* --- lanes ------------------------------------------------------------------------------- */

static struct lane *lane_get(struct courier *courier, const char *name)
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

static void lane_wait(struct lane *lane, int64_t server_ms, bool server_fault)
{
	uint32_t random = 0;
	int64_t wait_ms;

	if (getrandom(&random, sizeof(random), 0) < 0)
		random = (uint32_t)uv_hrtime();
	lane->failures++;
	lane_idle(lane);
	lane->state = LANE_WAITING;
	lane->server_fault = server_fault;
	wait_ms = backoff_ms(lane->failures, server_ms, random);
	lane->retry_at_ms = clock_monotonic_ms() + wait_ms;
	courier_arm(lane->courier);
}

static void lane_ended(struct lane *lane)
{
	lane_idle(lane);
	if (lane->courier->closing)
		courier_closing(lane->courier);
	else
		courier_poke(lane->courier);
}

/* --- writing down what became of a try ---------------------------------------------------- */

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
	};

	return deliver_finish(&d, &result);
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

static void outcome_done(enum err result, const char *message, void *arg)
{
	struct outcome *o = arg;
	struct courier *courier = o->courier;

	courier->jobs--;
	if (result != OK)
		/* The event stays frozen and is sent again under its transaction id, which the
		 * homeserver answers with the same event. */
		log_error("courier", "could not write down a send to %s: %s", o->room, message);
	else if (o->outcome != DELIVER_ABSENT) {
		outcome_mirror(o);
		if (courier->events.on_result)
			courier->events.on_result(o->what, o->room, o->outbox_id, o->event_id,
			        o->code, o->error, courier->events.arg);
	}
	if (o->lane) {
		if (result != OK && !courier->closing)
			lane_wait(o->lane, -1, false);
		else
			lane_ended(o->lane);
	} else if (courier->closing) {
		courier_closing(courier);
	}
	config_unref(o->config);
	free(o->room_id);
	free(o->device_id);
	free(o->event_id);
	free(o->error);
	free(o);
}

/* lane_free: the lane becomes idle when it is written down; else it goes on by itself. */
static void outcome_submit(struct lane *lane, enum deliver_outcome outcome,
        const struct mx_answer *answer, const char *event_id, bool lane_free)
{
	struct courier *courier = lane->courier;
	struct outcome *o = x_calloc(1, sizeof(*o));

	o->courier = courier;
	o->lane = lane_free ? lane : NULL;
	o->config = config_ref(courier->config);
	o->outcome = outcome;
	o->outbox_id = lane->event.outbox_id;
	memcpy(o->what, lane->event.what, sizeof(o->what));
	memcpy(o->room, lane->name, sizeof(o->room));
	o->room_id = x_strdup_opt(lane->event.room_id);
	o->device_id = x_strdup(courier->device_id);
	o->event_id = x_strdup_opt(event_id);
	o->started_ms = lane->started_ms;
	o->duration_ms = clock_monotonic_ms() - lane->started_mono_ms;
	if (answer) {
		o->code = answer->code;
		o->http_status = (int)answer->status;
		o->error = answer->error[0] ? x_strdup(answer->error) : NULL;
	}
	courier->jobs++;
	writer_submit(courier->writer, outcome_work, outcome_done, o);
}

/* --- sending ------------------------------------------------------------------------------ */

static bool courier_is_refusal(enum err code)
{
	return code == ERR_DENIED || code == ERR_REJECTED || code == ERR_TOO_LARGE ||
	       code == ERR_NOT_FOUND;
}

static void on_sent(const struct mx_answer *answer, void *arg)
{
	struct lane *lane = arg;
	struct courier *courier = lane->courier;
	const char *event_id = json_string_value(json_object_get(answer->body, "event_id"));
	struct mx_answer odd;

	lane->call = NULL;
	if (answer->code == OK && event_id && strlen(event_id) <= 255) {
		courier->counters.sent++;
		lane->failures = 0;
		outcome_submit(lane, DELIVER_SENT, answer, event_id, true);
		return;
	}
	if (answer->code == OK) { /* a 2xx that says nothing: the same event may be asked again */
		odd = *answer;
		odd.code = ERR_PROTO;
		snprintf(odd.error, sizeof(odd.error), "answer without an event id");
		answer = &odd;
	}
	if (courier_is_refusal(answer->code)) {
		log_error("courier", "%s: set aside, the homeserver says %ld %s: %s", lane->name,
		        answer->status, answer->errcode, answer->error);
		courier->counters.aside++;
		lane->failures = 0;
		if (courier->rooms && (answer->code == ERR_DENIED || answer->code == ERR_NOT_FOUND))
			rooms_recheck(courier->rooms, lane->name);
		outcome_submit(lane, DELIVER_ASIDE, answer, NULL, true);
		return;
	}
	courier->counters.retried++;
	if (answer->code != ERR_CANCELED)
		outcome_submit(lane, DELIVER_RETRY, answer, NULL, false);
	if (courier->closing || answer->code == ERR_AUTH || answer->code == ERR_CANCELED) {
		lane_idle(lane); /* chosen again once there is a token */
		if (courier->closing)
			courier_closing(courier);
		return;
	}
	log_warning("courier", "%s: try %u failed, will go on: %s", lane->name, lane->failures + 1,
	        answer->error);
	lane_wait(lane, answer->retry_after_ms, answer->code != ERR_LIMITED);
}

static void on_found(enum err code, const char *event_id, const char *error, void *arg)
{
	struct lane *lane = arg;
	struct courier *courier = lane->courier;

	lane->find = NULL;
	if (code == OK && event_id) {
		log_info("courier", "%s: an event of unknown fate was in the room", lane->name);
		courier->counters.sent++;
		lane->failures = 0;
		outcome_submit(lane, DELIVER_SENT, NULL, event_id, true);
		return;
	}
	if (code == OK && !courier->closing && courier->mx) {
		/* chosen again: what another device encrypted is encrypted anew first */
		outcome_submit(lane, DELIVER_ABSENT, NULL, NULL, true);
		return;
	}
	if (code == OK || code == ERR_CANCELED || code == ERR_AUTH || courier->closing) {
		lane_idle(lane);
		if (courier->closing)
			courier_closing(courier);
		return;
	}
	log_warning("courier", "%s: cannot look for an event of unknown fate: %s", lane->name,
	        error ? error : err_text(code));
	if (courier_is_refusal(code)) {
		struct mx_answer answer = {.code = code};

		snprintf(answer.error, sizeof(answer.error),
		        "may be in the room already; looking failed: %s",
		        error ? error : err_text(code));
		courier->counters.aside++;
		outcome_submit(lane, DELIVER_ASIDE, &answer, NULL, true);
		return;
	}
	lane_wait(lane, -1, true);
}

static void lane_send(struct lane *lane)
{
	const struct deliver_event *event = &lane->event;
	char *path = mx_path("/v3/rooms/%s/send/%s/%s", event->room_id, event->type, event->txn_id);

	lane->started_ms = clock_now_ms();
	lane->started_mono_ms = clock_monotonic_ms();
	lane->call = mx_start_text(
	        lane->courier->mx, "PUT", path, event->content, SEND_TIMEOUT_MS, on_sent, lane);
	free(path);
}

/* The room became encrypted while its event was chosen. */
static bool is_late(const struct courier *courier, const struct deliver_event *event)
{
	const struct room *room = rooms_get(courier->rooms, event->room);

	return room && room->encrypted && strcmp(room->room_id, event->room_id) == 0 &&
	       strcmp(event->type, "m.room.encrypted") != 0;
}

/* Takes over *event. */
static void lane_start(struct lane *lane, struct deliver_event *event)
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
	wire = json_loads(lane->event.content, 0, NULL); /* names the ciphertext if it is one */
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

/* --- choosing ----------------------------------------------------------------------------- */

static enum err choice_work(struct store *store, void *arg)
{
	struct choice *c = arg;
	struct deliver d = {
	        .store = store,
	        .config = c->config,
	        .now_ms = clock_now_ms(),
	        .cipher = c->courier->cipher.cipher,
	};

	return deliver_next(&d, c->rooms, c->len, c->events, &c->due_ms);
}

static void choice_destroy(struct choice *c)
{
	size_t i;

	for (i = 0; i < c->len; i++) {
		deliver_event_finish(&c->events[i]);
		free((char *)c->rooms[i].name);
		free((char *)c->rooms[i].room_id);
		free((char *)c->rooms[i].device_id);
		member_list_unref(c->lists[i]);
	}
	free(c->rooms);
	free(c->lists);
	free(c->events);
	config_unref(c->config);
	free(c);
}

static void choice_done(enum err result, const char *message, void *arg)
{
	struct choice *c = arg;
	struct courier *courier = c->courier;
	bool waits = false, leaves = false;
	size_t i;

	courier->jobs--;
	courier->choices--;
	if (result != OK) {
		/* once, or the log would help to fill a disk that is full */
		if (!courier->troubled)
			log_error("courier", "could not choose what to send: %s", message);
		courier->troubled = true;
		courier->due_ms = clock_now_ms() + CLOCK_SECOND_MS;
		goto out;
	}
	courier->troubled = false;
	courier->due_ms = c->due_ms;
	for (i = 0; i < c->len; i++) {
		struct lane *lane;

		waits = waits || c->events[i].waits;
		leaves = leaves || (c->events[i].outbox_id && c->rooms[i].encrypted);
		if (!c->events[i].outbox_id || courier->closing || !courier->mx)
			continue;
		lane = lane_get(courier, c->rooms[i].name);
		if (lane->state != LANE_IDLE)
			continue;
		if (is_late(courier, &c->events[i]))
			courier->wanted = true;
		else
			lane_start(lane, &c->events[i]);
	}
	if (waits && courier->cipher.on_waits)
		courier->cipher.on_waits(courier->cipher.arg);
	else if (leaves && courier->cipher.on_leaves)
		courier->cipher.on_leaves(courier->cipher.arg);
out:
	choice_destroy(c);
	if (courier->closing) {
		courier_closing(courier);
		return;
	}
	if (courier->wanted)
		courier_poke(courier);
	courier_arm(courier);
}

void courier_poke(struct courier *courier)
{
	struct choice *c;
	size_t i, len;

	if (courier->closing || !courier->mx)
		return;
	if (courier->choices >= CHOICES_MAX) {
		courier->wanted = true;
		return;
	}
	courier->wanted = false;
	len = rooms_len(courier->rooms);
	c = x_calloc(1, sizeof(*c));
	c->courier = courier;
	c->config = config_ref(courier->config);
	c->rooms = x_calloc(len ? len : 1, sizeof(*c->rooms));
	c->lists = x_calloc(len ? len : 1, sizeof(struct member_list *));
	c->events = x_calloc(len ? len : 1, sizeof(*c->events));
	for (i = 0; i < len; i++) {
		const struct room *room = rooms_at(courier->rooms, i);
		struct member_list *list;

		if (!room->ready || lane_get(courier, room->name)->state != LANE_IDLE)
			continue;
		list = room->encrypted && courier->cipher.members
		               ? courier->cipher.members(room->room_id, courier->cipher.arg)
		               : NULL;
		c->lists[c->len] = list ? member_list_ref(list) : NULL;
		c->rooms[c->len++] = (struct deliver_room){
		        .name = x_strdup(room->name),
		        .room_id = x_strdup(room->room_id),
		        .device_id = x_strdup(courier->device_id),
		        .encrypted = room->encrypted,
		        .users = list ? (const char *const *)list->users : NULL,
		        .users_len = list ? list->len : 0,
		};
	}
	courier->choices++;
	courier->jobs++;
	writer_submit_tail(courier->writer, choice_work, choice_done, c);
}

/* --- time --------------------------------------------------------------------------------- */

static void on_timer(uv_timer_t *timer)
{
	struct courier *courier = timer->data;
	int64_t mono_ms = clock_monotonic_ms();
	struct lane *lane;

	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->state == LANE_WAITING && lane->retry_at_ms <= mono_ms)
			lane->state = LANE_IDLE;
	courier_poke(courier);
	courier_arm(courier);
}

static void courier_arm(struct courier *courier)
{
	int64_t mono_ms = clock_monotonic_ms();
	int64_t wait_ms = DUE_MAX_MS;
	struct lane *lane;

	if (courier->closing || !courier->mx)
		return;
	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->state == LANE_WAITING && lane->retry_at_ms - mono_ms < wait_ms)
			wait_ms = lane->retry_at_ms - mono_ms;
	/* What is due stays due while a choice is under way; its end arms the timer again. */
	if (courier->due_ms != INT64_MAX && courier->choices == 0 &&
	        courier->due_ms - clock_now_ms() < wait_ms)
		wait_ms = courier->due_ms - clock_now_ms();
	uv_timer_start(&courier->timer, on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
}

/* --- life --------------------------------------------------------------------------------- */

struct courier *courier_create(uv_loop_t *loop, struct writer *writer, struct config *config,
        const struct courier_events *events)
{
	struct courier *courier = x_calloc(1, sizeof(*courier));

	courier->loop = loop;
	courier->writer = writer;
	courier->config = config_ref(config);
	courier->events = *events;
	courier->due_ms = INT64_MAX;
	uv_timer_init(loop, &courier->timer);
	uv_timer_init(loop, &courier->grace);
	courier->timer.data = courier;
	courier->grace.data = courier;
	return courier;
}

void courier_configure(struct courier *courier, struct config *config)
{
	config_ref(config);
	config_unref(courier->config);
	courier->config = config;
	courier_poke(courier);
}

void courier_set_cipher(struct courier *courier, const struct courier_cipher *cipher)
{
	courier->cipher = *cipher;
}

void courier_set_mirror(struct courier *courier, struct mirror *mirror)
{
	courier->mirror = mirror;
}

void courier_set_online(struct courier *courier, struct mx *mx, struct rooms *rooms,
        const char *user_id, const char *device_id)
{
	courier->mx = mx;
	courier->rooms = rooms;
	free(courier->user_id);
	free(courier->device_id);
	courier->user_id = x_strdup(user_id);
	courier->device_id = x_strdup(device_id);
	courier_poke(courier);
	courier_arm(courier);
}

static void courier_cancel(struct courier *courier)
{
	struct lane *lane;

	courier->canceled = true;
	for (lane = courier->lanes; lane; lane = lane->next) {
		if (lane->call)
			mx_cancel(lane->call);
		if (lane->find)
			find_cancel(lane->find);
	}
}

void courier_set_offline(struct courier *courier)
{
	uv_timer_stop(&courier->timer);
	courier->mx = NULL;
	courier->rooms = NULL;
}

void courier_server_up(struct courier *courier)
{
	struct lane *lane;
	bool any = false;

	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->state == LANE_WAITING && lane->server_fault) {
			lane->state = LANE_IDLE;
			any = true;
		}
	if (any)
		courier_poke(courier);
}

struct courier_counters courier_counters(const struct courier *courier)
{
	struct courier_counters counters = courier->counters;
	const struct lane *lane;

	counters.in_flight = 0;
	for (lane = courier->lanes; lane; lane = lane->next)
		counters.in_flight += lane->state == LANE_SENDING;
	return counters;
}

void courier_destroy(struct courier *courier)
{
	struct lane *lane, *next;

	for (lane = courier->lanes; lane; lane = next) {
		next = lane->next;
		deliver_event_finish(&lane->event);
		free(lane);
	}
	config_unref(courier->config);
	free(courier->user_id);
	free(courier->device_id);
	free(courier);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct courier *courier = handle->data;

	if (handle == (uv_handle_t *)&courier->timer)
		courier->timer_closed = true;
	else
		courier->grace_closed = true;
	if (courier->timer_closed && courier->grace_closed)
		courier->closed(courier->closed_arg);
}

/* Called after each thing that ends while closing; goes on when nothing is left. */
static void courier_closing(struct courier *courier)
{
	const struct lane *lane;

	if (courier->jobs > 0 || uv_is_closing((uv_handle_t *)&courier->timer))
		return;
	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->call || lane->find)
			return;
	uv_close((uv_handle_t *)&courier->timer, on_handle_closed);
	uv_close((uv_handle_t *)&courier->grace, on_handle_closed);
}

static void on_grace(uv_timer_t *timer)
{
	courier_cancel(timer->data);
}

void courier_close(struct courier *courier, int64_t grace_ms, void (*closed)(void *arg), void *arg)
{
	assert(!courier->closing);
	courier->closing = true;
	courier->closed = closed;
	courier->closed_arg = arg;
	uv_timer_stop(&courier->timer);
	uv_timer_start(&courier->grace, on_grace, (uint64_t)grace_ms, 0);
	courier_closing(courier);
}

/*
 * courier.c - see courier.h.
 *
 * A lane is one configured room's way to the homeserver. Its states:
 *   idle     - deliver_next() may choose an event for it
 *   sending  - an event is being looked for or sent, or its failure is being stored; meanwhile the
 *              next event of the queue is prepared, which is sent once the answer is here
 *   waiting  - backoff; the timer makes it idle
 * A choice (deliver_next) may return an event for a lane that has left `idle` meanwhile: the
 * event stays frozen in the outbox and is simply chosen again later.
 */
#include <assert.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/delivery/courier_internal.h"
#include "storage/state.h"

/* Longest timer, so that a jump of the wall clock is noticed. */
#define DUE_MAX_MS CLOCK_MINUTE_MS

/* One deliver_next() job in the writer. */
struct choice {
	struct courier *courier;
	struct config *config; /* referenced */
	struct deliver_room *rooms;
	struct member_list **lists; /* members of the rooms, referenced; NULL = not known */
	struct deliver_event *events;
	size_t len;
	int64_t due_ms;
	struct pace pace; /* a copy; read from the store the first time */
	bool pace_known;
	bool rehomed;
};

/* --- choosing ----------------------------------------------------------------------------- */

bool courier_is_late(const struct courier *courier, const struct deliver_event *event)
{
	const struct room *room = rooms_get(courier->rooms, event->room);

	return room && room->encrypted && strcmp(room->room_id, event->room_id) == 0 &&
	       strcmp(event->type, "m.room.encrypted") != 0 &&
	       strcmp(event->type, "m.reaction") != 0; /* always sent unencrypted, see send.c */
}

/* Loads the pace that an earlier run stored. */
static enum err choice_load_pace(struct store *store, struct choice *c)
{
	char *text;
	enum err err = state_get(store, COURIER_PACE, &text);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	pace_parse(&c->pace, text);
	free(text);
	return OK;
}

static enum err choice_work(struct store *store, void *arg)
{
	struct choice *c = arg;
	struct deliver d = {
	        .store = store,
	        .config = c->config,
	        .now_ms = clock_now_ms(),
	        .cipher = c->courier->cipher.cipher,
	};
	enum err err = c->pace_known ? OK : choice_load_pace(store, c);
	int64_t moved;

	if (err == OK && !c->rehomed)
		err = deliver_rehome(&d, &moved);
	if (err != OK)
		return err;
	if (pace_wait_ms(&c->pace, d.now_ms) > 0) {
		c->due_ms = d.now_ms + pace_wait_ms(&c->pace, d.now_ms);
		return OK;
	}
	d.is_short = pace_is_short(&c->pace, d.now_ms, 0);
	return deliver_next(&d, c->rooms, c->len, c->events, &c->due_ms);
}

static void choice_destroy(struct choice *c)
{
	for (size_t i = 0; i < c->len; i++) {
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

	courier->jobs--;
	courier->choosing = false;
	if (result != OK) {
		/* once, so that the log does not fill a full disk further */
		if (!courier->troubled)
			log_error(
			        "courier", "could not choose what to send, retrying: %s", message);
		courier->troubled = true;
		courier->due_ms = clock_now_ms() + CLOCK_SECOND_MS;
		goto out;
	}
	courier->troubled = false;
	courier->due_ms = c->due_ms;
	if (!courier->pace_known)
		courier->pace = c->pace;
	courier->pace_known = true;
	courier->rehomed = courier->config == c->config;
	for (size_t i = 0; i < c->len; i++) {
		struct lane *lane;

		waits = waits || c->events[i].waits;
		leaves = leaves || (c->events[i].outbox_id && c->rooms[i].encrypted);
		if (courier->closing || !courier->mx)
			continue;
		lane = lane_get(courier, c->rooms[i].name);
		if (c->rooms[i].busy && c->events[i].outbox_id)
			lane_ahead(lane, c->rooms[i].busy, &c->events[i]);
		else if (c->rooms[i].busy && c->events[i].more)
			lane_none_ahead(lane, c->rooms[i].busy);
		else if (!c->events[i].outbox_id || lane->state != LANE_IDLE)
			continue;
		else if (courier_is_late(courier, &c->events[i]))
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

/* How long due events must wait: the homeserver accepts nothing for now, or one event at a time. 0:
 * they need not. */
static int64_t courier_held_ms(const struct courier *courier)
{
	int64_t now_ms = clock_now_ms(), mono_ms = clock_monotonic_ms();
	int64_t wait_ms = pace_wait_ms(&courier->pace, now_ms);

	if (wait_ms > 0 || !pace_is_short(&courier->pace, now_ms, 0))
		return wait_ms;
	for (const struct lane *lane = courier->lanes; lane; lane = lane->next) {
		int64_t turn_ms = lane->started_mono_ms + COURIER_TURN_MS - mono_ms;

		if (lane->state == LANE_SENDING && turn_ms > wait_ms)
			wait_ms = turn_ms;
	}
	return wait_ms;
}

void courier_poke(struct courier *courier)
{
	struct choice *c;
	size_t len;
	bool ahead;

	if (courier->closing || !courier->mx)
		return;
	if (courier->choosing || courier_held_ms(courier) > 0) {
		courier->wanted = true;
		courier_arm(courier);
		return;
	}
	courier->wanted = false;
	len = rooms_len(courier->rooms);
	ahead = !pace_is_short(
	        &courier->pace, clock_now_ms(), 2 + courier_counters(courier).in_flight);
	c = x_calloc(1, sizeof(*c));
	c->courier = courier;
	c->config = config_ref(courier->config);
	c->pace = courier->pace;
	c->pace_known = courier->pace_known;
	c->rehomed = courier->rehomed;
	c->rooms = x_calloc(len ? len : 1, sizeof(*c->rooms));
	c->lists = x_calloc(len ? len : 1, sizeof(struct member_list *));
	c->events = x_calloc(len ? len : 1, sizeof(*c->events));
	for (size_t i = 0; i < len; i++) {
		const struct room *room = rooms_at(courier->rooms, i);
		struct lane *lane = lane_get(courier, room->name);
		struct member_list *list;

		int64_t busy = ahead ? lane_wants_ahead(lane) : 0;

		lane->missed = lane->state == LANE_SENDING && !busy;
		if (!room->ready || (lane->state != LANE_IDLE && !busy))
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
		        .served_ms = lane->served_ms,
		        .noted = lane->noted,
		        .busy = busy,
		        .users = list ? (const char *const *)list->users : NULL,
		        .users_len = list ? list->len : 0,
		};
	}
	courier->choosing = true;
	courier->jobs++;
	writer_submit_tail(courier->writer, choice_work, choice_done, c);
}

/* --- time --------------------------------------------------------------------------------- */

static void courier_on_timer(uv_timer_t *timer)
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

void courier_arm(struct courier *courier)
{
	int64_t mono_ms = clock_monotonic_ms();
	int64_t wait_ms = DUE_MAX_MS, held_ms = courier_held_ms(courier);
	struct lane *lane;

	if (courier->closing || !courier->mx)
		return;
	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->state == LANE_WAITING && lane->retry_at_ms - mono_ms < wait_ms)
			wait_ms = lane->retry_at_ms - mono_ms;
	/* no timer for due events while a choice is in progress, since its end sets the timer
	 * again */
	if (courier->due_ms != INT64_MAX && !courier->choosing &&
	        courier->due_ms - clock_now_ms() < wait_ms)
		wait_ms = courier->due_ms - clock_now_ms();
	if (held_ms > 0)
		wait_ms = held_ms;
	uv_timer_start(&courier->timer, courier_on_timer, wait_ms > 0 ? (uint64_t)wait_ms : 1, 0);
}

/* --- creation and closing ----------------------------------------------------------------- */

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
	config_replace(&courier->config, config);
	courier->rehomed = false;
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

const char *courier_held(const struct courier *courier)
{
	return courier->held;
}

const char *courier_retrying(const struct courier *courier)
{
	for (const struct lane *lane = courier->lanes; lane; lane = lane->next)
		if (lane->failures > 0)
			return lane->error;
	return "";
}

const char *courier_limit(struct courier *courier)
{
	const struct pace *pace = &courier->pace;
	char every[24];

	courier->limit[0] = '\0';
	if (pace_holds(pace, clock_now_ms())) {
		clock_format_duration(pace->interval_ms, every, sizeof(every));
		snprintf(courier->limit, sizeof(courier->limit),
		        "the homeserver limits this account to about one event in %s after %lld at "
		        "once; "
		        "its admin can lift the limit: POST "
		        "/_synapse/admin/v1/users/%s/override_ratelimit",
		        every, (long long)pace->burst, courier->user_id);
	}
	return courier->limit;
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

/* Continues closing once nothing is in progress. */
void courier_closing(struct courier *courier)
{
	void (*stopped)(void *arg) = courier->stopped;
	const struct lane *lane;

	if (courier->jobs > 0 || !stopped)
		return;
	for (lane = courier->lanes; lane; lane = lane->next)
		if (lane->call || lane->find)
			return;
	courier->stopped = NULL;
	uv_timer_stop(&courier->grace);
	stopped(courier->stopped_arg);
}

static void on_grace(uv_timer_t *timer)
{
	courier_cancel(timer->data);
}

void courier_stop(struct courier *courier, int64_t grace_ms, void (*stopped)(void *arg), void *arg)
{
	assert(!courier->closing);
	courier->closing = true;
	writer_hurry(courier->writer);
	courier->stopped = stopped;
	courier->stopped_arg = arg;
	uv_timer_stop(&courier->timer);
	uv_timer_start(&courier->grace, on_grace, (uint64_t)grace_ms, 0);
	courier_closing(courier);
}

static void courier_on_handle_closed(uv_handle_t *handle)
{
	struct courier *courier = handle->data;
	void (*closed)(void *arg) = courier->closed;
	void *arg = courier->closed_arg;
	struct lane *lane, *next;

	if (--courier->handles > 0)
		return;
	for (lane = courier->lanes; lane; lane = next) {
		next = lane->next;
		deliver_event_finish(&lane->event);
		deliver_event_finish(&lane->ahead);
		free(lane);
	}
	config_unref(courier->config);
	free(courier->user_id);
	free(courier->device_id);
	free(courier);
	closed(arg);
}

void courier_close(struct courier *courier, void (*closed)(void *arg), void *arg)
{
	assert(!courier->stopped && courier->jobs == 0);
	courier->closing = true;
	courier->closed = closed;
	courier->closed_arg = arg;
	courier->handles = 2;
	uv_close((uv_handle_t *)&courier->timer, courier_on_handle_closed);
	uv_close((uv_handle_t *)&courier->grace, courier_on_handle_closed);
}

/*
 * op_wait.c - op "wait": answers once an alert has been delivered to its room.
 *
 * A writer job checks the waiters when one arrives, after each command and after each result of the
 * courier; one timer serves all their deadlines.
 */
#include <inttypes.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"

#define WAIT_DEFAULT_MS 30000

struct op_waiter {
	struct ops *ops;
	int64_t alert;
	int64_t deadline_ms; /* monotonic */
	struct reply *reply;
	struct op_waiter *next;
};

/* One check of all waiters' alerts. */
struct check {
	struct ops *ops;
	size_t len;
	struct check_item {
		int64_t alert;
		enum err err;
		char *event_id;
		int64_t sent_ms, received_ms;
		bool undeliverable, discarded;
		char *held; /* why the alert gets no message, or NULL */
	} items[];
};

static void op_wait_on_deadline(uv_timer_t *timer);

static void waiters_arm(struct ops *ops)
{
	const struct op_waiter *waiter;
	int64_t first_ms = INT64_MAX, now_ms = clock_monotonic_ms();

	for (waiter = ops->waiters; waiter; waiter = waiter->next)
		if (waiter->deadline_ms < first_ms)
			first_ms = waiter->deadline_ms;
	if (first_ms == INT64_MAX) {
		uv_timer_stop(&ops->timer);
		return;
	}
	uv_timer_start(&ops->timer, op_wait_on_deadline,
	        first_ms > now_ms ? (uint64_t)(first_ms - now_ms) : 0, 0);
}

/* Removes and frees the waiter; returns its reply. */
static struct reply *waiter_take(struct op_waiter **at)
{
	struct op_waiter *waiter = *at;
	struct reply *reply = waiter->reply;

	*at = waiter->next;
	waiter->ops->waiters_len--;
	reply_on_gone(reply, NULL, NULL);
	free(waiter);
	return reply;
}

static void op_wait_on_gone(void *arg)
{
	struct op_waiter *waiter = arg, **at;

	for (at = &waiter->ops->waiters; *at != waiter; at = &(*at)->next)
		;
	reply_error(waiter_take(at), "gone", NULL, "the client closed the connection", false);
}

static void op_wait_on_deadline(uv_timer_t *timer)
{
	struct ops *ops = timer->data;
	struct op_waiter **at = &ops->waiters;
	int64_t now_ms = clock_monotonic_ms();

	while (*at) {
		if ((*at)->deadline_ms > now_ms)
			at = &(*at)->next;
		else
			reply_error(waiter_take(at), "timeout", NULL,
			        "not in the room yet; it stays in the delivery queue", true);
	}
	waiters_arm(ops);
}

/* Whether the alert will never be in the room: it is silenced, in a quiet time, resolves nothing,
 * or its message was discarded. */
static enum err check_held(struct store *store, struct check_item *item)
{
	struct alert_row row;
	enum err err = alerts_by_id(store, item->alert, &row);

	if (err == OK && (row.state == ALERT_SILENCED || row.state == ALERT_IGNORED) &&
	        !row.message_id) {
		item->held = row.reason;
		row.reason = NULL;
	}
	alert_row_finish(&row);
	return err == OK && !item->held ? alerts_discarded(store, item->alert, &item->discarded)
	                                : err;
}

static enum err check_work(struct store *store, void *arg)
{
	struct check *check = arg;

	for (size_t i = 0; i < check->len; i++) {
		struct check_item *item = &check->items[i];

		item->err = alerts_where(store, item->alert, &item->event_id, &item->sent_ms,
		        &item->received_ms, &item->undeliverable);
		if (item->err == OK && !item->event_id)
			item->err = check_held(store, item);
	}
	return OK;
}

/* Answers the waiters for this alert if its result is known. */
static void op_wait_check_answer(struct ops *ops, const struct check_item *item)
{
	struct op_waiter **at = &ops->waiters;
	int64_t latency_ms = item->sent_ms - item->received_ms;
	char text[400];

	if (item->err == OK && !item->event_id && !item->undeliverable && !item->discarded &&
	        !item->held)
		return;
	while (*at) {
		if ((*at)->alert != item->alert) {
			at = &(*at)->next;
			continue;
		}
		if (item->err != OK) {
			reply_error(waiter_take(at), err_name(item->err), "alert",
			        item->err == ERR_NOT_FOUND ? "there is no alert with that number"
			                                   : err_text(item->err),
			        item->err != ERR_NOT_FOUND);
			continue;
		}
		if (item->held) {
			reply_error(waiter_take(at), "held_back", NULL, item->held, false);
			continue;
		}
		if (item->undeliverable) {
			reply_error(waiter_take(at), "undeliverable", NULL,
			        "undeliverable: the homeserver refused it; status says why", false);
			continue;
		}
		if (item->discarded) {
			reply_error(waiter_take(at), "discarded", NULL,
			        "somebody discarded the message", false);
			continue;
		}
		snprintf(text, sizeof(text), "in the room after %" PRId64 " ms, event %s\n",
		        latency_ms, item->event_id);
		reply_ok(waiter_take(at),
		        json_pack("{s:I, s:s, s:I, s:s}", "alert", (json_int_t)item->alert,
		                "event_id", item->event_id, "latency_ms", (json_int_t)latency_ms,
		                "text", text));
	}
}

static void check_done(enum err result, const char *message, void *arg)
{
	struct check *check = arg;
	struct ops *ops = check->ops;

	ops->check_running = false;
	for (size_t i = 0; i < check->len; i++) {
		if (result == OK)
			op_wait_check_answer(ops, &check->items[i]);
		free(check->items[i].event_id);
		free(check->items[i].held);
	}
	free(check);
	waiters_arm(ops);
	if (ops->check_again && !ops->closing)
		ops_waiters_check(ops);
	ops_job_done(ops);
}

void ops_waiters_check(struct ops *ops)
{
	const struct op_waiter *waiter;
	struct check *check;

	ops->check_again = ops->check_running;
	if (ops->check_running || !ops->waiters)
		return;
	check = x_calloc(1, sizeof(*check) + ops->waiters_len * sizeof(check->items[0]));
	check->ops = ops;
	for (waiter = ops->waiters; waiter; waiter = waiter->next)
		check->items[check->len++].alert = waiter->alert;
	ops->check_running = true;
	ops_submit(ops, check_work, check_done, check);
}

void ops_waiters_end(struct ops *ops)
{
	while (ops->waiters)
		reply_error(waiter_take(&ops->waiters), "stopping", NULL, "the daemon is stopping",
		        true);
	uv_timer_stop(&ops->timer);
}

void op_wait(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	const struct command *command;
	json_t *args = ops_arguments(request, &command, reply);
	int64_t alert = json_integer_value(json_object_get(args, "alert"));
	const json_t *timeout = json_object_get(args, "timeout_ms");
	int64_t timeout_ms = timeout ? json_integer_value(timeout) : WAIT_DEFAULT_MS;
	struct op_waiter *waiter;

	if (!args)
		return;
	json_decref(args);
	if (ops->waiters_len >= OPS_WAITERS_MAX) {
		reply_error(reply, "busy", NULL, "too many clients are waiting", true);
		return;
	}
	waiter = x_calloc(1, sizeof(*waiter));
	waiter->ops = ops;
	waiter->alert = alert;
	waiter->deadline_ms = clock_monotonic_ms() + timeout_ms;
	waiter->reply = reply;
	waiter->next = ops->waiters;
	ops->waiters = waiter;
	ops->waiters_len++;
	reply_on_gone(reply, op_wait_on_gone, waiter);
	waiters_arm(ops);
	ops_waiters_check(ops);
}

/*
 * op_heartbeat.c - op "heartbeat": stores an app's heartbeat and answers once it is durable;
 * without `app`, or with `action`, it is the rooms' command.
 */
#include <stdio.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/heartbeats/app_heartbeat.h"

struct op_heartbeat {
	struct app_heartbeat beat;
	struct app_heartbeat_receipt receipt;
	struct reply *reply; /* for a request from the socket, otherwise: */
	ops_taken_fn taken;
	void *taken_arg;
};

static enum err heartbeat_work(const struct deliver *d, void *arg)
{
	struct op_heartbeat *op = arg;

	return app_heartbeat_accept(d, &op->beat, &op->receipt, d->happened);
}

static json_t *receipt_json(const struct app_heartbeat_receipt *receipt)
{
	char due[40], text[80];

	clock_format_short(receipt->due_ms, 0, due, sizeof(due));
	snprintf(text, sizeof(text), "%s%s%s", receipt->state,
	        receipt->due_ms ? ", the next one is due " : "", receipt->due_ms ? due : "");
	return json_pack("{s:s, s:I, s:s}", "state", receipt->state, "due_ms",
	        (json_int_t)receipt->due_ms, "text", text);
}

static void heartbeat_answer(struct op_heartbeat *op, enum err result, const char *message)
{
	const struct alert_fault *fault = &op->receipt.fault;

	if (op->taken)
		/* an invalid heartbeat must not block the spool */
		op->taken(fault->field[0] ? ERR_INVALID : result,
		        fault->field[0] ? fault->message : message, op->taken_arg);
	else if (result != OK && fault->field[0])
		reply_error(op->reply, result == ERR_FULL ? "full" : "invalid", fault->field,
		        fault->message, false);
	else if (result != OK)
		ops_reply_failure(op->reply, result, message);
	else
		reply_ok(op->reply, receipt_json(&op->receipt));
}

static void heartbeat_done(enum err result, const char *message, void *arg)
{
	struct op_heartbeat *op = arg;

	heartbeat_answer(op, result, message);
	app_heartbeat_finish(&op->beat);
	free(op);
}

/* Submits a heartbeat, which is copied. */
static struct op_heartbeat *heartbeat_submit(
        struct ops *ops, const struct app_heartbeat *beat, uint64_t way)
{
	struct op_heartbeat *op = x_calloc(1, sizeof(*op));

	op->beat = *beat;
	ops_intake(ops, beat->app, way, heartbeat_work, heartbeat_done, op);
	return op;
}

void op_heartbeat(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct app_heartbeat beat;
	struct alert_fault fault;

	if (!json_object_get(request, "app") || json_object_get(request, "action")) {
		op_command(ops, request, peer, reply);
		return;
	}
	if (app_heartbeat_parse(request, clock_now_ms(), &beat, &fault) != OK) {
		app_heartbeat_finish(&beat);
		reply_error(reply, "invalid", fault.field, fault.message, false);
		return;
	}
	if (ops_intake_is_full(ops, beat.app, reply)) {
		app_heartbeat_finish(&beat);
		reply_error(reply, "busy", NULL, "too many requests are being stored", true);
		return;
	}
	heartbeat_submit(ops, &beat, reply_way(reply))->reply = reply;
}

void ops_take_heartbeat(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg)
{
	struct app_heartbeat beat;
	struct alert_fault fault;
	struct op_heartbeat *op;

	if (app_heartbeat_parse(request, clock_now_ms(), &beat, &fault) != OK) {
		app_heartbeat_finish(&beat);
		ops_take_refusal(ops, &fault, done, arg);
		return;
	}
	op = heartbeat_submit(ops, &beat, 0);
	op->taken = done;
	op->taken_arg = arg;
}

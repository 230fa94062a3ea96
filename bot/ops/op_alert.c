/*
 * op_alert.c - op "alert": checks an alert, stores it, and answers once it is durable.
 */
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/alerts/deliver.h"

struct op_alert {
	struct ops *ops;
	struct alert *alert; /* owned */
	struct deliver_receipt receipt;
	int64_t handed_in_ms; /* monotonic */
	int64_t now_ms;
	struct reply *reply; /* for a request from the socket, otherwise: */
	ops_taken_fn taken;
	void *taken_arg;
};

static enum err alert_work(const struct deliver *batch, void *arg)
{
	struct op_alert *op = arg;
	struct deliver d = *batch;
	enum err err;

	d.now_ms = op->now_ms;
	err = deliver_accept(&d, op->alert, &op->receipt);
	/* it was valid when checked, so a rejection by the database is our own error and may be
	 * temporary */
	return err == OK || err_is_own(err) ? err : ERR_CORRUPT;
}

static void alert_done(enum err result, const char *message, void *arg)
{
	struct op_alert *op = arg;
	struct ops *ops = op->ops;
	json_t *answer;

	if (op->taken)
		op->taken(result, message, op->taken_arg);
	else if (result != OK)
		ops_reply_failure(op->reply, result, message);
	else if (!op->receipt.reason && !op->alert->warnings)
		reply_alert(op->reply, op->receipt.alert, op->receipt.state);
	else {
		answer = json_pack("{s:I, s:s, s:s*, s:O*}", "alert", (json_int_t)op->receipt.alert,
		        "state", op->receipt.state, "reason", op->receipt.reason, "warnings",
		        op->alert->warnings);
		reply_ok(op->reply, answer);
	}
	if (result == OK)
		op_counts_add(&ops->counts, op->alert, op->receipt.state,
		        clock_monotonic_ms() - op->handed_in_ms);
	if (result == OK && !ops->closing && ops->env.on_published)
		ops->env.on_published(ops->env.arg);
	if (result == OK && !ops->closing && ops->subscribers)
		ops_publish(ops, report_taken(op->alert, op->receipt.alert, op->receipt.state));
	alert_destroy(op->alert);
	free(op);
}

/* Takes over alert. */
static struct op_alert *alert_submit(
        struct ops *ops, struct alert *alert, uint64_t way, int64_t now_ms)
{
	struct op_alert *op = x_calloc(1, sizeof(*op));

	op->ops = ops;
	op->alert = alert;
	op->now_ms = now_ms;
	op->handed_in_ms = clock_monotonic_ms();
	ops_intake(ops, alert->app, way, alert_work, alert_done, op);
	return op;
}

void op_alert(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct alert_fault fault;
	struct alert *alert;
	int64_t now_ms = clock_now_ms();

	if (alert_parse(request, ops->config, now_ms, &alert, &fault) != OK) {
		reply_error(reply, "invalid", fault.field, fault.message, false);
		return;
	}
	if (ops_intake_is_full(ops, alert->app, reply)) {
		alert_destroy(alert);
		reply_error(reply, "busy", NULL, "too many alerts are being stored", true);
		return;
	}
	alert->peer = *peer;
	alert_submit(ops, alert, reply_way(reply), now_ms)->reply = reply;
}

void ops_take_alert(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg)
{
	int64_t now_ms = clock_now_ms();
	struct alert_fault fault;
	struct op_alert *op;
	struct alert *alert;

	if (alert_parse(request, ops->config, now_ms, &alert, &fault) != OK) {
		ops_take_refusal(ops, &fault, done, arg);
		return;
	}
	alert->peer = (struct alert_peer){-1, -1, -1};
	op = alert_submit(ops, alert, 0, now_ms);
	op->taken = done;
	op->taken_arg = arg;
}

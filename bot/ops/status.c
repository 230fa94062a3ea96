/*
 * status.c - ops "status" and "metrics": how the bot is.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/internal.h"
#include "handlers/heartbeat.h"
#include "storage/calls.h"

#define STATUS_ASIDE_MAX 5
#define STATUS_TEXT_MAX (64 * 1024)

struct op_status {
	struct ops *ops;
	struct reply *reply;
	bool metrics;
	int64_t waiting, aside, oldest_ms, counts[3], p95_ms;
	char *heartbeat;
	struct outbox_row *rows;
	size_t len;
};

static enum err status_work(struct store *store, void *arg)
{
	struct op_status *op = arg;
	int64_t since_ms = clock_now_ms() - CLOCK_DAY_MS;
	enum err err;

	err = outbox_counts(store, &op->waiting, &op->aside, &op->oldest_ms);
	if (err == OK)
		err = alerts_count_since(store, since_ms, op->counts);
	if (err == OK)
		err = calls_latency_p95(store, since_ms, &op->p95_ms);
	if (err == OK)
		err = outbox_aside(store, STATUS_ASIDE_MAX, &op->rows, &op->len);
	if (err == OK)
		err = heartbeat_last_text(store, clock_now_ms(), &op->heartbeat);
	return err;
}

static json_t *status_metrics(const struct report_status *status)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "uptime_ms",
	        (json_int_t)(status->now_ms - status->started_ms), "events_sent",
	        (json_int_t)status->sent, "sends_retried", (json_int_t)status->retried,
	        "outbox_waiting", (json_int_t)status->waiting, "outbox_set_aside",
	        (json_int_t)status->aside, "alerts_24h",
	        (json_int_t)(status->counts[0] + status->counts[1] + status->counts[2]),
	        "latency_p95_ms", (json_int_t)status->p95_ms, "clients",
	        (json_int_t)status->clients, "online", !status->problem[0]);
}

static void status_answer(struct op_status *op)
{
	struct report_status status = {
	        .now_ms = clock_now_ms(),
	        .version = BOT_VERSION,
	        .problem = "",
	        .waiting = op->waiting,
	        .aside = op->aside,
	        .oldest_ms = op->oldest_ms,
	        .p95_ms = op->p95_ms,
	        .heartbeat = op->heartbeat,
	        .aside_rows = op->rows,
	        .aside_len = op->len,
	};
	struct buf text;
	json_t *answer;

	memcpy(status.counts, op->counts, sizeof(status.counts));
	op->ops->env.on_status(&status, op->ops->env.arg);
	if (op->metrics) {
		answer = status_metrics(&status);
	} else {
		buf_init(&text, STATUS_TEXT_MAX);
		report_status_text(&status, &text);
		answer = report_status_json(&status);
		json_object_set_new(answer, "text", json_string(buf_str(&text)));
		buf_finish(&text);
	}
	free((void *)status.rooms);
	reply_ok(op->reply, answer);
}

static void status_done(enum err result, const char *message, void *arg)
{
	struct op_status *op = arg;
	struct ops *ops = op->ops;
	size_t i;

	if (result != OK)
		ops_reply_failure(op->reply, result, message);
	else
		status_answer(op);
	for (i = 0; i < op->len; i++)
		outbox_row_finish(&op->rows[i]);
	free(op->rows);
	free(op->heartbeat);
	free(op);
	ops_job_done(ops);
}

static void status_submit(struct ops *ops, bool metrics, struct reply *reply)
{
	struct op_status *op = x_calloc(1, sizeof(*op));

	op->ops = ops;
	op->reply = reply;
	op->metrics = metrics;
	ops_submit(ops, status_work, status_done, op);
}

void op_status(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	status_submit(ops, false, reply);
}

void op_metrics(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	status_submit(ops, true, reply);
}

/*
 * alerts.c - op "alerts": the newest alerts, of one app or all.
 */
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/internal.h"

#define ALERTS_DEFAULT 10
#define ALERTS_MAX 500
#define ALERTS_TEXT_MAX (256 * 1024)

struct op_alerts {
	struct ops *ops;
	struct reply *reply;
	char *app;
	int limit;
	struct alert_row *rows;
	size_t len;
};

static enum err alerts_work(struct store *store, void *arg)
{
	struct op_alerts *op = arg;

	return alerts_list(store, op->app, op->limit, &op->rows, &op->len);
}

static void alerts_done(enum err result, const char *message, void *arg)
{
	struct op_alerts *op = arg;
	struct ops *ops = op->ops;
	struct buf text;
	size_t i;

	if (result != OK) {
		ops_reply_failure(op->reply, result, message);
	} else {
		buf_init(&text, ALERTS_TEXT_MAX);
		report_alerts_text(op->rows, op->len, clock_now_ms(), &text);
		reply_ok(op->reply, json_pack("{s:s, s:o}", "text", buf_str(&text), "alerts",
		                            report_alerts_json(op->rows, op->len)));
		buf_finish(&text);
	}
	for (i = 0; i < op->len; i++)
		alert_row_finish(&op->rows[i]);
	free(op->rows);
	free(op->app);
	free(op);
	ops_job_done(ops);
}

void op_alerts(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	const json_t *app = json_object_get(request, "app");
	struct op_alerts *op;
	int64_t limit;

	if (app && !json_is_string(app)) {
		reply_error(reply, "invalid", "app", "app must be a string", false);
		return;
	}
	if (!ops_integer(request, "limit", 1, ALERTS_MAX, ALERTS_DEFAULT, &limit, reply))
		return;
	op = x_calloc(1, sizeof(*op));
	op->ops = ops;
	op->reply = reply;
	op->app = x_strdup_opt(json_string_value(app));
	op->limit = (int)limit;
	ops_submit(ops, alerts_work, alerts_done, op);
}

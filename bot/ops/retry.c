/*
 * retry.c - op "retry": set-aside events go back into the queue.
 */
#include <inttypes.h>
#include "bot/base/alloc.h"
#include "bot/ops/internal.h"

struct op_retry {
	struct ops *ops;
	struct reply *reply;
	int64_t id, count;
};

static enum err retry_work(struct store *store, void *arg)
{
	struct op_retry *op = arg;

	return outbox_retry(store, op->id, &op->count);
}

static void retry_done(enum err result, const char *message, void *arg)
{
	struct op_retry *op = arg;
	struct ops *ops = op->ops;
	char text[64];

	if (result != OK) {
		ops_reply_failure(op->reply, result, message);
	} else if (op->id && op->count == 0) {
		reply_error(op->reply, "not_found", "id", "nothing with that number is set aside",
		        false);
	} else {
		snprintf(text, sizeof(text), "%" PRId64 " back in the queue\n", op->count);
		reply_ok(op->reply,
		        json_pack("{s:I, s:s}", "count", (json_int_t)op->count, "text", text));
		courier_poke(ops->env.courier);
	}
	free(op);
	ops_job_done(ops);
}

void op_retry(
        struct ops *ops, const json_t *request, const struct alert_peer *peer, struct reply *reply)
{
	struct op_retry *op;
	int64_t id;

	if (!ops_integer(request, "id", 1, INT64_MAX, 0, &id, reply))
		return;
	op = x_calloc(1, sizeof(*op));
	op->ops = ops;
	op->reply = reply;
	op->id = id;
	ops_submit(ops, retry_work, retry_done, op);
}

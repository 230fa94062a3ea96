/*
 * op_take.c - requests that came without a connection: what the spool holds.
 *
 * When the store rejects one, it may be the request's fault or the database's. So another alert is
 * stored and undone: where that succeeds, the request is invalid; otherwise it is the database, and
 * the request can be accepted later.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/synthetic.h"
#include "bot/ops/ops_internal.h"

struct op_take {
	struct ops *ops;
	struct config *config; /* referenced, for the probe */
	ops_taken_fn done;
	void *arg;
	enum err result;
	char message[256];
};

static void take_end(struct op_take *take, enum err result, const char *message)
{
	take->done(result, message, take->arg);
	free(take);
}

static enum err probe_work(struct store *store, void *arg)
{
	const struct op_take *take = arg;
	struct deliver d = {.store = store,
	        .config = take->config,
	        .now_ms = clock_now_ms(),
	        .happened = json_array()};
	json_t *request = synthetic_alert(synthetic_name(0));
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert = NULL;
	enum err err = alert_parse(request, d.config, d.now_ms, &alert, &fault), end;

	if (err == OK)
		err = store_savepoint(store);
	if (err == OK) {
		err = deliver_accept(&d, alert, &receipt);
		end = store_undo(store);
		err = err == OK ? end : err;
	}
	alert_destroy(alert);
	json_decref(request);
	json_decref(d.happened);
	return err;
}

static void probe_done(enum err result, const char *message, void *arg)
{
	struct op_take *take = arg;
	struct ops *ops = take->ops;

	config_unref(take->config);
	take_end(take, result == OK ? ERR_INVALID : take->result, take->message);
	ops_job_done(ops);
}

static void take_on_stored(enum err result, const char *message, void *arg)
{
	struct op_take *take = arg;

	if (!err_is_lasting(result) || result == ERR_INVALID || take->ops->closing) {
		take_end(take, result, message);
		return;
	}
	take->result = result;
	snprintf(take->message, sizeof(take->message), "%s", message);
	take->config = config_ref(take->ops->config);
	ops_submit(take->ops, probe_work, probe_done, take);
}

/* A refusal is reported from the loop, never before ops_take() returns; so it goes through the
 * writer. */
struct op_refusal {
	struct ops *ops;
	struct alert_fault fault;
	ops_taken_fn taken;
	void *arg;
};

static enum err refusal_work(struct store *store, void *arg)
{
	return OK;
}

static void refusal_done(enum err result, const char *message, void *arg)
{
	struct op_refusal *op = arg;
	struct ops *ops = op->ops;
	char text[sizeof(op->fault.field) + sizeof(op->fault.message) + 2];

	snprintf(text, sizeof(text), "%s: %s", op->fault.field, op->fault.message);
	op->taken(ERR_INVALID, text, op->arg);
	free(op);
	ops_job_done(ops);
}

void ops_take_refusal(
        struct ops *ops, const struct alert_fault *fault, ops_taken_fn done, void *arg)
{
	struct op_refusal *refusal = x_calloc(1, sizeof(*refusal));

	refusal->ops = ops;
	refusal->fault = *fault;
	refusal->taken = done;
	refusal->arg = arg;
	ops_submit(ops, refusal_work, refusal_done, refusal);
}

void ops_take(struct ops *ops, const json_t *request, ops_taken_fn done, void *arg)
{
	const char *name = json_string_value(json_object_get(request, "op"));
	struct op_take *take = x_calloc(1, sizeof(*take));

	take->ops = ops;
	take->done = done;
	take->arg = arg;
	if (name && strcmp(name, "heartbeat") == 0)
		ops_take_heartbeat(ops, request, take_on_stored, take);
	else
		ops_take_alert(ops, request, take_on_stored, take);
}

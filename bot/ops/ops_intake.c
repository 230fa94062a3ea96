/*
 * ops_intake.c - stores what apps send, in fair turns (see bot/intake/turns.h): one writer job at
 * a time takes up to OPS_INTAKE_MAX waiting requests, chosen when its batch begins.
 *
 * Happy path: all requests of a job are stored in one savepoint and one batch
 * (handlers/alerts/batch.h). If one fails, everything is rolled back, and each is stored again in
 * its own savepoint, so that a failure does not affect the others.
 */
#include <stdio.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/ops/ops_internal.h"
#include "handlers/alerts/batch.h"

struct ops_item {
	struct turn turn; /* must be first: turns_next() returns a pointer to it */
	ops_intake_fn work;
	writer_done_fn done;
	void *arg;
	enum err result;
	char message[256];
};

/* One writer job with the requests it stores. */
struct ops_intake {
	struct ops *ops;
	struct config *config; /* referenced; NULL before it begins */
	struct ops_item *items[OPS_INTAKE_MAX];
	size_t len;
	json_t *happened; /* array of events for subscribers */
};

static void intake_submit(struct ops *ops);

static void intake_begin(void *arg)
{
	struct ops_intake *intake = arg;
	struct turn *turn;

	intake->config = config_ref(intake->ops->config);
	while (intake->len < OPS_INTAKE_MAX && (turn = turns_next(intake->ops->turns)))
		intake->items[intake->len++] = (struct ops_item *)turn;
}

static enum err intake_together(struct ops_intake *intake, struct deliver *d)
{
	enum err err = store_savepoint(d->store), end;

	if (err != OK)
		return err;
	d->batch = batch_create();
	for (size_t i = 0; i < intake->len && err == OK; i++)
		err = intake->items[i]->work(d, intake->items[i]->arg);
	if (err == OK)
		err = batch_store(d);
	batch_destroy(d->batch);
	d->batch = NULL;
	end = err == OK ? store_release(d->store) : store_undo(d->store);
	return end == OK ? err : end;
}

static enum err intake_apart(struct ops_intake *intake, const struct deliver *d)
{
	enum err err = OK;

	for (size_t i = 0; i < intake->len && err == OK; i++) {
		struct ops_item *item = intake->items[i];
		size_t told = json_array_size(d->happened);

		err = store_savepoint(d->store);
		if (err != OK)
			break;
		item->result = item->work(d, item->arg);
		if (item->result == OK) {
			err = store_release(d->store);
			continue;
		}
		snprintf(item->message, sizeof(item->message), "%s", store_message(d->store));
		while (json_array_size(d->happened) > told)
			json_array_remove(d->happened, told);
		err = store_undo(d->store);
	}
	return err;
}

static enum err intake_work(struct store *store, void *arg)
{
	struct ops_intake *intake = arg;
	struct deliver d = {.store = store,
	        .config = intake->config,
	        .now_ms = clock_now_ms(),
	        .happened = intake->happened};

	if (intake_together(intake, &d) == OK)
		return OK;
	json_array_clear(intake->happened);
	return intake_apart(intake, &d);
}

static void intake_done(enum err result, const char *message, void *arg)
{
	struct ops_intake *intake = arg;
	struct ops *ops = intake->ops;

	for (size_t i = 0; i < intake->len; i++) {
		struct ops_item *item = intake->items[i];

		ops->alerts--;
		item->done(result != OK ? result : item->result,
		        result != OK ? message : item->message, item->arg);
		free(item);
	}
	if (result == OK && !ops->closing)
		ops_happened_all(ops, intake->happened);
	json_decref(intake->happened);
	config_unref(intake->config);
	free(intake);
	ops->taking = false;
	if (turns_len(ops->turns) > 0)
		intake_submit(ops);
	ops_job_done(ops);
}

static void intake_submit(struct ops *ops)
{
	struct ops_intake *intake = x_calloc(1, sizeof(*intake));

	intake->ops = ops;
	intake->happened = json_array();
	ops->taking = true;
	ops->jobs++;
	writer_submit_late(ops->env.writer, intake_begin, intake_work, intake_done, intake);
	/* the choice of what to send joins the same transaction */
	courier_poke(ops->env.courier);
}

bool ops_intake_is_full(const struct ops *ops, const char *app, const struct reply *reply)
{
	if (ops->alerts < OPS_ALERTS_MAX)
		return false;
	return ops->alerts >= 2 * OPS_ALERTS_MAX ||
	       turns_before(ops->turns, app, reply_way(reply)) >= OPS_ALERTS_FEW;
}

void ops_intake(struct ops *ops, const char *app, uint64_t way, ops_intake_fn work,
        writer_done_fn done, void *arg)
{
	struct ops_item *item = x_calloc(1, sizeof(*item));

	item->work = work;
	item->done = done;
	item->arg = arg;
	ops->alerts++;
	turns_add(ops->turns, &item->turn, app, way);
	if (!ops->taking)
		intake_submit(ops);
}

/*
 * pruner.c - see pruner.h.
 */
#include "bot/schedule/pruner.h"

#include <assert.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"

#define FIRST_MS (2 * CLOCK_SECOND_MS)
#define EVERY_MS (5 * CLOCK_MINUTE_MS)
/* While there is more to delete, the pause is this many times as long as the last batch took, so
 * that most of the writer's time is left for alerts. */
#define PAUSE_TIMES 4
#define PAUSE_MIN_MS 20

struct pruner {
	struct writer *writer;
	struct config *config;
	uv_timer_t timer;
	int64_t before_ms; /* the job's input: delete what is older */
	int64_t took_ms;   /* the job's result: how long it took */
	bool more;         /* the job's result: there is more to delete */
	bool working;      /* the job is in progress */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void pruner_maybe_closed(struct pruner *prune)
{
	void (*closed)(void *arg) = prune->closed;
	void *arg = prune->closed_arg;

	if (!prune->timer_closed || prune->working)
		return;
	config_unref(prune->config);
	free(prune);
	closed(arg);
}

static enum err prune_work(struct store *store, void *arg)
{
	struct pruner *prune = arg;
	int64_t start_ms = clock_monotonic_ms();
	enum err err = store_prune(store, prune->before_ms, &prune->more);

	prune->took_ms = clock_monotonic_ms() - start_ms;
	return err;
}

static void pruner_on_timer(uv_timer_t *timer);

static void prune_done(enum err result, const char *message, void *arg)
{
	struct pruner *prune = arg;

	if (result != OK)
		log_seldom(LOG_WARNING, "prune", "",
		        "could not delete what is older than [storage] retention, retrying: %s",
		        message);
	prune->working = false;
	if (prune->closing)
		pruner_maybe_closed(prune);
	else if (result == OK && prune->more)
		uv_timer_start(&prune->timer, pruner_on_timer,
		        (uint64_t)(prune->took_ms * PAUSE_TIMES + PAUSE_MIN_MS), EVERY_MS);
}

static void pruner_on_timer(uv_timer_t *timer)
{
	struct pruner *prune = timer->data;

	if (prune->working || prune->config->storage.retention_ms == 0)
		return;
	prune->before_ms = clock_now_ms() - prune->config->storage.retention_ms;
	prune->working = true;
	writer_submit(prune->writer, prune_work, prune_done, prune);
}

struct pruner *pruner_create(uv_loop_t *loop, struct writer *writer, struct config *config)
{
	struct pruner *prune = x_calloc(1, sizeof(*prune));

	prune->writer = writer;
	prune->config = config_ref(config);
	uv_timer_init(loop, &prune->timer);
	prune->timer.data = prune;
	uv_timer_start(&prune->timer, pruner_on_timer, FIRST_MS, EVERY_MS);
	return prune;
}

void pruner_configure(struct pruner *prune, struct config *config)
{
	config_replace(&prune->config, config);
}

static void pruner_on_timer_closed(uv_handle_t *handle)
{
	struct pruner *prune = handle->data;

	prune->timer_closed = true;
	pruner_maybe_closed(prune);
}

void pruner_close(struct pruner *prune, void (*closed)(void *arg), void *arg)
{
	assert(!prune->closing);
	prune->closing = true;
	prune->closed = closed;
	prune->closed_arg = arg;
	uv_close((uv_handle_t *)&prune->timer, pruner_on_timer_closed);
}

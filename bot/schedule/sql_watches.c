/*
 * sql_watches.c - see sql_watches.h.
 *
 * A run belongs to the pool thread from uv_queue_work() to after_query(), then to the writer's from
 * writer_submit() to run_done(); everything else belongs to the loop. While a query runs on the
 * pool, the only timer is its time limit; otherwise the timer waits for the next watch.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/schedule/sql_watches.h"
#include "handlers/watches/sql_watch.h"

#define LOOK_MS (30 * CLOCK_SECOND_MS) /* longest wait, since the wall clock may be changed */
#define GRACE_MS CLOCK_SECOND_MS       /* for a query to end at SQLite's own limit */

/* The state of a watch. */
struct item {
	struct sql_watch_times times;
	size_t firing;
	char problem[256];
};

struct run {
	struct sql_watches *watches;
	struct config *config;  /* referenced; the watch borrows from it */
	struct sql_watch watch; /* its name is owned */
	unsigned generation;    /* of the list that it belongs to */
	size_t place;           /* index in the list */
	uv_work_t work;
	struct query *query;
	bool on_pool;
	struct query_rows rows;
	struct fault fault;
	enum err code;
	struct sql_watch_report report;
};

struct forget {
	struct sql_watches *watches;
	struct config *config; /* referenced */
	struct sql_watch *list;
	size_t len;
	struct sql_watch_report report;
};

struct sql_watches {
	struct sql_watches_env env;
	struct config *config;
	struct sql_watch *list;
	struct item *items; /* one for each watch in the list */
	size_t len;
	unsigned generation; /* of the list */
	uv_timer_t timer;
	struct run *run;  /* or NULL */
	unsigned forgets; /* jobs in progress */
	bool closing, timer_closed;
	void (*closed)(void *arg);
	void *closed_arg;
};

static void sql_watches_schedule(struct sql_watches *watches);

static void sql_watches_maybe_closed(struct sql_watches *watches)
{
	void (*closed)(void *arg) = watches->closed;
	void *arg = watches->closed_arg;

	if (!watches->timer_closed || watches->run || watches->forgets > 0)
		return;
	sql_watch_list_free(watches->list, watches->len);
	free(watches->items);
	config_unref(watches->config);
	free(watches);
	closed(arg);
}

static void sql_watches_publish(
        struct sql_watches *watches, struct sql_watch_report *report, enum err result)
{
	if (!watches->closing && result == OK) {
		happened_tell(report->events, watches->env.on_happened, watches->env.arg);
		if (json_array_size(report->events) > 0 || report->edited)
			courier_poke(watches->env.courier);
	}
	sql_watch_report_finish(report);
}

/* --- a run ---------------------------------------------------------------------------------- */

static void run_end(struct run *run)
{
	struct sql_watches *watches = run->watches;

	watches->run = NULL;
	query_destroy(run->query);
	query_rows_finish(&run->rows);
	sql_watch_report_finish(&run->report);
	free(run->watch.name);
	config_unref(run->config);
	free(run);
	if (watches->closing)
		sql_watches_maybe_closed(watches);
	else
		sql_watches_schedule(watches);
}

/* True when the list was replaced meanwhile, so that the result belongs to no current watch. */
static bool is_stale(const struct run *run)
{
	return run->watches->closing || run->generation != run->watches->generation;
}

static void log_problem(const struct sql_watch *watch, const struct item *item)
{
	if (item->problem[0])
		log_seldom(LOG_WARNING, "watch", watch->name, "%s: %s", watch->name, item->problem);
	else
		log_seldom(LOG_INFO, "watch", watch->name, "%s: recovered", watch->name);
}

static void run_done(enum err result, const char *message, void *arg)
{
	struct run *run = arg;
	struct item *item;

	if (result != OK)
		log_seldom(LOG_ERROR, "watch", run->watch.name,
		        "%s: could not store its result, retrying: %s", run->watch.name, message);
	if (!is_stale(run)) {
		item = &run->watches->items[run->place];
		item->times.failed = result != OK || run->code != OK;
		if (result == OK) {
			bool news = strcmp(item->problem, run->report.problem) != 0;

			item->firing = run->report.firing;
			snprintf(item->problem, sizeof(item->problem), "%s", run->report.problem);
			if (news)
				log_problem(&run->watch, item);
		}
	}
	sql_watches_publish(run->watches, &run->report, result);
	run_end(run);
}

/* Runs in a writer job's transaction. */
static enum err run_apply(struct store *store, void *arg)
{
	struct run *run = arg;
	struct deliver d = {.store = store, .config = run->config, .now_ms = clock_now_ms()};
	struct sql_watch_result result = {run->code, run->fault.text, &run->rows};

	return sql_watch_apply(&d, &run->watch, &result, &run->report);
}

/* Runs on libuv's pool. */
static void run_query(uv_work_t *work)
{
	struct run *run = work->data;

	run->code = query_run(run->query, &run->rows, &run->fault);
}

static void after_query(uv_work_t *work, int status)
{
	struct run *run = work->data;

	run->on_pool = false;
	if (is_stale(run))
		run_end(run);
	else
		writer_submit(run->watches->env.writer, run_apply, run_done, run);
}

static void sql_watches_on_timer(uv_timer_t *timer)
{
	struct sql_watches *watches = timer->data;

	if (watches->run && watches->run->on_pool)
		query_interrupt(watches->run->query);
	else if (!watches->run)
		sql_watches_schedule(watches);
}

static void sql_watches_start(struct sql_watches *watches, size_t place, int64_t now_ms)
{
	struct run *run = x_calloc(1, sizeof(*run));
	struct query_ask ask;

	run->watches = watches;
	run->config = config_ref(watches->config);
	run->watch = watches->list[place];
	run->watch.name = x_strdup(watches->list[place].name);
	run->generation = watches->generation;
	run->place = place;
	run->work.data = run;
	ask = sql_watch_ask(&run->watch, now_ms);
	run->query = query_create(&ask);
	run->on_pool = true;
	watches->run = run;
	watches->items[place].times.last_ms = now_ms;
	uv_queue_work(watches->env.loop, &run->work, run_query, after_query);
	/* SQLite checks its limit only between steps, and some steps are long */
	uv_timer_start(&watches->timer, sql_watches_on_timer, QUERY_LIMIT_MS + GRACE_MS, 0);
}

/* --- when ----------------------------------------------------------------------------------- */

/* Starts the watch that is due, or sets the timer for the next one. */
static void sql_watches_schedule(struct sql_watches *watches)
{
	int64_t now_ms = clock_now_ms(), due_ms = INT64_MAX;
	size_t place = 0;

	if (watches->closing || watches->run || watches->len == 0)
		return;
	for (size_t i = 0; i < watches->len; i++) {
		int64_t ms = sql_watch_due_ms(
		        &watches->items[i].times, watches->list[i].every_ms, now_ms);

		if (ms < due_ms) {
			due_ms = ms;
			place = i;
		}
	}
	if (due_ms <= now_ms)
		sql_watches_start(watches, place, now_ms);
	else
		uv_timer_start(&watches->timer, sql_watches_on_timer,
		        (uint64_t)(due_ms - now_ms < LOOK_MS ? due_ms - now_ms : LOOK_MS), 0);
}

/* --- the list ------------------------------------------------------------------------------- */

static enum err forget_work(struct store *store, void *arg)
{
	struct forget *forget = arg;
	struct deliver d = {.store = store, .config = forget->config, .now_ms = clock_now_ms()};

	return sql_watch_forget(&d, forget->list, forget->len, &forget->report);
}

static void forget_done(enum err result, const char *message, void *arg)
{
	struct forget *forget = arg;
	struct sql_watches *watches = forget->watches;

	if (result != OK)
		log_error("watch", "could not resolve the alerts of removed watches: %s", message);
	sql_watches_publish(watches, &forget->report, result);
	sql_watch_list_free(forget->list, forget->len);
	config_unref(forget->config);
	free(forget);
	watches->forgets--;
	if (watches->closing)
		sql_watches_maybe_closed(watches);
}

/* Resolves the alerts of removed watches. */
static void forget_others(struct sql_watches *watches)
{
	struct forget *forget = x_calloc(1, sizeof(*forget));

	forget->watches = watches;
	forget->config = config_ref(watches->config);
	sql_watch_list(forget->config, &forget->list, &forget->len);
	watches->forgets++;
	writer_submit(watches->env.writer, forget_work, forget_done, forget);
}

/* The state of the watch that is unchanged from before, or NULL. */
static const struct item *find_same(const struct sql_watch *list, const struct item *items,
        size_t len, const struct sql_watch *watch)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(list[i].name, watch->name) == 0 &&
		        list[i].threshold == watch->threshold &&
		        strcmp(list[i].database, watch->database) == 0 &&
		        strcmp(list[i].sql, watch->sql) == 0)
			return &items[i];
	return NULL;
}

void sql_watches_configure(struct sql_watches *watches, struct config *config)
{
	struct sql_watch *old_list = watches->list;
	struct item *old_items = watches->items;
	struct config *old_config = watches->config;
	size_t old_len = watches->len;
	int64_t now_ms = clock_now_ms();

	watches->config = config_ref(config);
	sql_watch_list(config, &watches->list, &watches->len);
	watches->items = x_calloc(watches->len + 1, sizeof(*watches->items));
	for (size_t i = 0; i < watches->len; i++) {
		const struct item *same =
		        find_same(old_list, old_items, old_len, &watches->list[i]);

		if (same)
			watches->items[i] = *same;
		else
			watches->items[i].times.first_ms =
			        sql_watch_first_ms(i, watches->len, now_ms);
	}
	watches->generation++;
	if (watches->run) {
		query_interrupt(watches->run->query); /* its result would be discarded */
		for (size_t i = 0; i < watches->len; i++)
			if (strcmp(watches->list[i].name, watches->run->watch.name) == 0)
				watches->items[i].times.last_ms = 0; /* run it again at once */
	}
	sql_watch_list_free(old_list, old_len);
	free(old_items);
	config_unref(old_config);
	forget_others(watches);
	sql_watches_schedule(watches);
}

struct sql_watches *sql_watches_create(const struct sql_watches_env *env, struct config *config)
{
	struct sql_watches *watches = x_calloc(1, sizeof(*watches));

	watches->env = *env;
	uv_timer_init(env->loop, &watches->timer);
	watches->timer.data = watches;
	sql_watches_configure(watches, config);
	return watches;
}

struct report_watch *sql_watches_report(const struct sql_watches *watches, size_t *len)
{
	struct report_watch *report = x_calloc(watches->len + 1, sizeof(*report));

	for (size_t i = 0; i < watches->len; i++) {
		report[i].name = watches->list[i].name;
		report[i].problem = watches->items[i].problem;
		report[i].last_ms = watches->items[i].times.last_ms;
		report[i].firing = watches->items[i].firing;
	}
	*len = watches->len;
	return report;
}

static void sql_watches_on_timer_closed(uv_handle_t *handle)
{
	struct sql_watches *watches = handle->data;

	watches->timer_closed = true;
	sql_watches_maybe_closed(watches);
}

void sql_watches_close(struct sql_watches *watches, void (*closed)(void *arg), void *arg)
{
	assert(!watches->closing);
	watches->closing = true;
	watches->closed = closed;
	watches->closed_arg = arg;
	if (watches->run && watches->run->on_pool)
		query_interrupt(watches->run->query);
	uv_close((uv_handle_t *)&watches->timer, sql_watches_on_timer_closed);
}

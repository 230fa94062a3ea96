/*
 * calls_mirror.c - see calls_mirror.h.
 *
 * One job at a time runs on libuv's pool: it writes a row, or closes a database, which may wait
 * for the disk. The other rows wait in a list.
 */
#include <assert.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/delivery/calls_mirror.h"

#define MIRROR_MAX 1000 /* queued rows */
#define MIRROR_CLOSE_MS CLOCK_SECOND_MS

struct mirror_row {
	struct call_row row; /* its strings are owned here */
	struct mirror_row *next;
};

struct mirror {
	uv_loop_t *loop;
	uv_work_t work;
	struct calls_mirror *calls; /* NULL: rows are dropped */
	struct calls_mirror *old; /* of an earlier config; closed before the next row is written */
	struct mirror_row *first, *last;
	unsigned len;
	bool working; /* the pool uses the members below */
	struct calls_mirror *job_calls;
	struct mirror_row *job_row; /* NULL: the job closes the database */
	enum err result, last_result;
	struct fault fault;
	bool closing;
	int64_t close_ms; /* monotonic; while closing, the time limit */
	void (*closed)(void *arg);
	void *closed_arg;
};

static void mirror_row_destroy(struct mirror_row *item)
{
	free((char *)item->row.what);
	free((char *)item->row.room);
	free((char *)item->row.room_id);
	free((char *)item->row.result);
	free((char *)item->row.event_id);
	free((char *)item->row.error);
	free(item);
}

static struct mirror_row *mirror_shift(struct mirror *mirror)
{
	struct mirror_row *item = mirror->first;

	mirror->first = item->next;
	if (!mirror->first)
		mirror->last = NULL;
	mirror->len--;
	return item;
}

static void mirror_drop_rows(struct mirror *mirror)
{
	while (mirror->first)
		mirror_row_destroy(mirror_shift(mirror));
}

static void mirror_free(struct mirror *mirror)
{
	void (*closed)(void *arg) = mirror->closed;
	void *arg = mirror->closed_arg;

	free(mirror);
	closed(arg);
}

static void mirror_go_on(struct mirror *mirror);

static void on_work(uv_work_t *work)
{
	struct mirror *mirror = work->data;

	if (mirror->job_row)
		mirror->result = calls_mirror_insert(
		        mirror->job_calls, &mirror->job_row->row, &mirror->fault);
	else
		calls_mirror_destroy(mirror->job_calls);
}

static void mirror_note_result(struct mirror *mirror)
{
	if (mirror->result != mirror->last_result) {
		if (mirror->result != OK)
			log_seldom(LOG_WARNING, "mirror", "",
			        "cannot write to call_monitor's table, skipping the row: %s",
			        mirror->fault.text);
		else
			log_seldom(
			        LOG_INFO, "mirror", "", "call_monitor's table is writable again");
	}
	mirror->last_result = mirror->result;
}

static void on_done(uv_work_t *work, int status)
{
	struct mirror *mirror = work->data;

	mirror->working = false;
	if (mirror->job_row) {
		mirror_note_result(mirror);
		mirror_row_destroy(mirror->job_row);
		mirror->job_row = NULL;
	}
	mirror_go_on(mirror);
}

static void mirror_begin(struct mirror *mirror, struct calls_mirror *calls, struct mirror_row *row)
{
	mirror->working = true;
	mirror->job_calls = calls;
	mirror->job_row = row;
	uv_queue_work(mirror->loop, &mirror->work, on_work, on_done);
}

/* A locked or slow database must not delay a stop, so its rows are dropped. */
static void mirror_lose_patience(struct mirror *mirror)
{
	if (!mirror->first ||
	        (mirror->last_result == OK && clock_monotonic_ms() < mirror->close_ms))
		return;
	log_warning("mirror", "%u calls were not copied to call_monitor's table", mirror->len);
	mirror_drop_rows(mirror);
}

static void mirror_go_on(struct mirror *mirror)
{
	struct calls_mirror *old = mirror->old;

	if (mirror->working)
		return;
	if (mirror->closing)
		mirror_lose_patience(mirror);
	mirror->old = NULL;
	if (old) {
		mirror_begin(mirror, old, NULL);
	} else if (mirror->first) {
		mirror_begin(mirror, mirror->calls, mirror_shift(mirror));
	} else if (mirror->closing && mirror->calls) {
		mirror_begin(mirror, mirror->calls, NULL);
		mirror->calls = NULL;
	} else if (mirror->closing) {
		mirror_free(mirror);
	}
}

void mirror_configure(struct mirror *mirror, struct config *config)
{
	struct fault fault = {0};

	if (mirror->old) /* then `calls` has not been used yet and is not open */
		calls_mirror_destroy(mirror->calls);
	else
		mirror->old = mirror->calls;
	mirror->calls = NULL;
	mirror->last_result = OK;
	if (config->call_monitor.calls_table && config->call_monitor.database &&
	        calls_mirror_create(&mirror->calls, config->call_monitor.database,
	                config->call_monitor.calls_table, config->call_monitor.calls_columns,
	                &fault) != OK)
		log_error("mirror", "call_monitor: %s", fault.text);
	if (!mirror->calls)
		mirror_drop_rows(mirror);
	mirror_go_on(mirror);
}

struct mirror *mirror_create(uv_loop_t *loop, struct config *config)
{
	struct mirror *mirror = x_calloc(1, sizeof(*mirror));

	mirror->loop = loop;
	mirror->work.data = mirror;
	mirror_configure(mirror, config);
	return mirror;
}

void mirror_add(struct mirror *mirror, const struct call_row *row)
{
	struct mirror_row *item;

	assert(!mirror->closing);
	if (!mirror->calls)
		return;
	if (mirror->len >= MIRROR_MAX)
		mirror_row_destroy(mirror_shift(mirror));
	item = x_calloc(1, sizeof(*item));
	item->row = *row;
	item->row.what = x_strdup_opt(row->what);
	item->row.room = x_strdup_opt(row->room);
	item->row.room_id = x_strdup_opt(row->room_id);
	item->row.result = x_strdup_opt(row->result);
	item->row.event_id = x_strdup_opt(row->event_id);
	item->row.error = x_strdup_opt(row->error);
	if (mirror->last)
		mirror->last->next = item;
	else
		mirror->first = item;
	mirror->last = item;
	mirror->len++;
	mirror_go_on(mirror);
}

void mirror_close(struct mirror *mirror, void (*closed)(void *arg), void *arg)
{
	mirror->closing = true;
	mirror->close_ms = clock_monotonic_ms() + MIRROR_CLOSE_MS;
	mirror->closed = closed;
	mirror->closed_arg = arg;
	mirror_go_on(mirror);
}

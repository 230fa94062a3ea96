/*
 * calls_mirror.c - see calls_mirror.h. One row at a time is on the pool; the others wait in a list.
 */
#include <assert.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/delivery/calls_mirror.h"

#define MIRROR_MAX 1000 /* rows that wait */

struct mirror_row {
	struct call_row row; /* its strings are owned here */
	struct mirror_row *next;
};

struct mirror {
	uv_loop_t *loop;
	uv_work_t work;
	struct calls_mirror *calls;
	struct mirror_row *first, *last;
	struct mirror_row *current; /* on the pool */
	unsigned len;
	enum err result, last_result;
	struct fault fault;
	bool closing;
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

static void mirror_free(struct mirror *mirror)
{
	void (*closed)(void *arg) = mirror->closed;
	void *arg = mirror->closed_arg;

	calls_mirror_destroy(mirror->calls);
	free(mirror);
	closed(arg);
}

static void mirror_go_on(struct mirror *mirror);

static void on_work(uv_work_t *work)
{
	struct mirror *mirror = work->data;

	mirror->result = calls_mirror_insert(mirror->calls, &mirror->current->row, &mirror->fault);
}

static void on_done(uv_work_t *work, int status)
{
	struct mirror *mirror = work->data;

	mirror_row_destroy(mirror->current);
	mirror->current = NULL;
	if (mirror->result != mirror->last_result) {
		if (mirror->result != OK)
			log_warning("mirror", "call_monitor's table is not written: %s",
			        mirror->fault.text);
		else
			log_info("mirror", "call_monitor's table is written again");
	}
	mirror->last_result = mirror->result;
	mirror_go_on(mirror);
}

static void mirror_go_on(struct mirror *mirror)
{
	if (mirror->current)
		return;
	if (mirror->first) {
		mirror->current = mirror_shift(mirror);
		uv_queue_work(mirror->loop, &mirror->work, on_work, on_done);
	} else if (mirror->closing) {
		mirror_free(mirror);
	}
}

enum err mirror_create(
        struct mirror **out, uv_loop_t *loop, const struct config *config, struct fault *fault)
{
	struct mirror *mirror;
	enum err err;

	*out = NULL;
	if (!config->call_monitor.calls_table || !config->call_monitor.database)
		return OK;
	mirror = x_calloc(1, sizeof(*mirror));
	err = calls_mirror_create(&mirror->calls, config->call_monitor.database,
	        config->call_monitor.calls_table, config->call_monitor.calls_columns, fault);
	if (err != OK) {
		free(mirror);
		return err;
	}
	mirror->loop = loop;
	mirror->work.data = mirror;
	*out = mirror;
	return OK;
}

void mirror_add(struct mirror *mirror, const struct call_row *row)
{
	struct mirror_row *item = x_calloc(1, sizeof(*item));

	assert(!mirror->closing);
	if (mirror->len >= MIRROR_MAX)
		mirror_row_destroy(mirror_shift(mirror));
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
	mirror->closed = closed;
	mirror->closed_arg = arg;
	mirror_go_on(mirror);
}

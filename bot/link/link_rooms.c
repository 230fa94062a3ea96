/*
 * link_rooms.c - see link_internal.h: stores what became known of a room. Jobs run in the order of
 * submission, so what a /sync answer said of a room is stored before the position after it.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/link/link_internal.h"
#include "storage/outbox.h"

#define STORE_AGAIN_MS CLOCK_SECOND_MS

struct room_job {
	uv_timer_t timer; /* next try */
	bool failed;      /* the last try failed; logged once */
	struct link *link;
	struct room_row row;
	char *name;    /* in the config, or NULL */
	int64_t count; /* messages that move here from the room's former id */
};

static void room_submit(struct room_job *job);

static enum err room_work(struct store *store, void *arg)
{
	struct room_job *job = arg;
	enum err err = rooms_put(store, &job->row);

	return err == OK && job->name
	               ? outbox_follow(store, job->name, job->row.room_id, &job->count)
	               : err;
}

static void room_job_free(uv_handle_t *timer)
{
	struct room_job *job = timer->data;
	struct link *link = job->link;

	room_row_finish(&job->row);
	free(job->name);
	free(job);
	link_job_ended(link);
}

static void link_on_room_timer(uv_timer_t *timer)
{
	room_submit(timer->data);
}

/* That a room is encrypted must never be lost, so storing it is retried. */
static void room_done(enum err result, const char *message, void *arg)
{
	struct room_job *job = arg;
	struct link *link = job->link;

	if (result != OK && !link->closing) {
		if (!job->failed)
			log_error(
			        "link", "cannot store the state of a room, retrying: %s", message);
		job->failed = true;
		uv_timer_start(&job->timer, link_on_room_timer, STORE_AGAIN_MS, 0);
		return;
	}
	if (result == OK && job->count > 0 && link->online && !link->closing) {
		log_info("link",
		        "%s: %lld messages that were undeliverable in the old room go to %s",
		        job->name, (long long)job->count, job->row.room_id);
		courier_poke(link->options.courier);
	}
	uv_close((uv_handle_t *)&job->timer, room_job_free);
}

static void room_submit(struct room_job *job)
{
	writer_submit(job->link->options.writer, room_work, room_done, job);
}

void link_store_room(struct link *link, const char *name, const char *room_id, const char *address,
        const json_t *encryption)
{
	struct room_job *job = x_calloc(1, sizeof(*job));

	job->link = link;
	job->name = x_strdup_opt(name);
	job->row.room_id = x_strdup(room_id);
	job->row.address = x_strdup_opt(address);
	job->row.encrypted = encryption != NULL;
	job->row.encryption = encryption ? json_dumps(encryption, JSON_COMPACT) : NULL;
	link->jobs++;
	uv_timer_init(link->options.loop, &job->timer);
	job->timer.data = job;
	room_submit(job);
}

/* ---- which rooms are settled ---- */

struct settled_job {
	struct link *link;
	char *text;
};

static enum err settled_work(struct store *store, void *arg)
{
	const struct settled_job *job = arg;

	return state_set(store, LINK_SETTLED, job->text);
}

static void settled_done(enum err result, const char *message, void *arg)
{
	struct settled_job *job = arg;
	struct link *link = job->link;

	if (result != OK) { /* stored with the next answer */
		free(link->settled);
		link->settled = NULL;
	}
	free(job->text);
	free(job);
	link_job_ended(link);
}

void link_store_settled(struct link *link)
{
	json_t *settled = rooms_settled(link->rooms);
	char *text = json_dumps(settled, JSON_COMPACT);
	struct settled_job *job;

	json_decref(settled);
	if (link->settled && strcmp(link->settled, text) == 0) {
		free(text);
		return;
	}
	job = x_calloc(1, sizeof(*job));
	job->link = link;
	job->text = text;
	free(link->settled);
	link->settled = x_strdup(text);
	link->jobs++;
	writer_submit(link->options.writer, settled_work, settled_done, job);
}

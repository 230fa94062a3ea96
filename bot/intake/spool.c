/*
 * spool.c - reads the spool, on the loop's thread; spool_folder.c does the blocking file access.
 *
 * Happy path: the timer fires, and a job on libuv's pool lists the folder and reads the first file,
 * which is passed to on_request(); after spool_done(OK) the next job deletes it and reads the one
 * after; at the end of the list, or when it is old, the folder is listed again, so that new files
 * get their turn; when it is empty the spool waits for inotify or for SPOOL_RESCAN_MS. A failure
 * that may concern only that file (the store rejects it, it cannot be read or deleted) does not
 * delay others: it is tried again with the next listing, and if others are accepted meanwhile, or
 * there are none, it is renamed to *.bad. Any other failure concerns all files, so all wait, in
 * order. Failures of the folder (missing, unreadable) are logged once and
 * retried with the next listing; a folder that was replaced is watched again.
 *
 * Two owners: the members below `working` belong to the pool while it is set.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/intake/spool.h"
#include "bot/intake/spool_folder.h"

#define SPOOL_ODD_MAX 16    /* files with failures remembered at a time */
#define SPOOL_TRIES 3       /* attempts before such a file is renamed to *.bad */
#define SPOOL_REST_TIMES 10 /* a list is old after this many times what the listing took */

/* A file that failed for a reason that may concern it alone. */
struct spool_odd {
	char name[64]; /* "" = none */
	unsigned tries;
	bool proved; /* another file was accepted since */
};

/* What to do with the current file. */
enum spool_away { AWAY_KEEP, AWAY_DELETE, AWAY_BAD };

struct spool {
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_fs_event_t watch;
	unsigned handles; /* not yet closed */
	struct spool_events events;
	char *folder;
	dev_t dev; /* of the watched folder; ino 0 = none */
	ino_t ino;
	bool in_hand;  /* the list's next file was passed on, and spool_done() is awaited */
	bool troubled; /* the folder's failure was logged */
	bool changed;  /* since the last listing began, which may have missed it */
	unsigned bad;  /* number of *.bad files in the last listing */
	struct spool_odd odd[SPOOL_ODD_MAX];
	unsigned odd_next;   /* the slot to be reused next */
	unsigned odd_in_row; /* consecutive failures since a file was accepted, or since the last
	                        wait */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
	uv_work_t work;

	bool working;
	struct spool_list list;
	uint64_t list_rest_ms; /* pause between listings, so that they take little of the time */
	int64_t list_old_ms;   /* monotonic; when the list is to be made anew */
	enum spool_away away;  /* done first, with the list's next file */
	bool look;             /* then list or read the next */
	enum err away_result, list_result, read_result;
	struct fault away_fault, list_fault, read_fault;
	json_t *request; /* the request that was read, or NULL */
};

static void on_tick(uv_timer_t *timer);
static void close_handles(struct spool *spool);

static void wake_in(struct spool *spool, uint64_t delay_ms)
{
	if (!spool->closing)
		uv_timer_start(&spool->timer, on_tick, delay_ms, 0);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct spool *spool = watch->data;

	spool->changed = true;
	/* a batch in progress lists the folder again at its end anyway; others may change a large
	 * folder all the time */
	if (!spool->working && !spool->in_hand && spool->list.next == spool->list.len &&
	        uv_timer_get_due_in(&spool->timer) > spool->list_rest_ms)
		wake_in(spool, spool->list_rest_ms);
}

/* ---- on the pool ---- */

static void run_list(struct spool *spool)
{
	int64_t since_ms = clock_monotonic_ms(), took_ms;

	spool->list_result = spool_list_make(&spool->list, spool->folder, &spool->list_fault);
	took_ms = clock_monotonic_ms() - since_ms;
	spool->list_old_ms = since_ms + SPOOL_OLD_MS + took_ms * SPOOL_REST_TIMES;
	spool->list_rest_ms = (uint64_t)(took_ms * SPOOL_REST_TIMES);
	if (spool->list_rest_ms > SPOOL_RESCAN_MS)
		spool->list_rest_ms = SPOOL_RESCAN_MS;
}

static void run_work(uv_work_t *work)
{
	struct spool *spool = work->data;

	spool->away_result = spool->list_result = OK;
	spool->read_result = ERR_NOT_FOUND;
	if (spool->away != AWAY_KEEP)
		spool->away_result = spool_list_away(&spool->list, spool->folder,
		        spool->away == AWAY_BAD ? ".bad" : NULL, &spool->away_fault);
	if (spool->away_result != OK || !spool->look)
		return;
	if (spool->list.next == spool->list.len || clock_monotonic_ms() >= spool->list_old_ms)
		run_list(spool);
	if (spool->list.next < spool->list.len)
		spool->read_result = spool_list_read(
		        &spool->list, spool->folder, &spool->request, &spool->read_fault);
}

static void after_work(uv_work_t *work, int status);

static void start_work(struct spool *spool)
{
	spool->working = true;
	spool->changed = false;
	spool->look = !spool->closing;
	if (uv_queue_work(spool->loop, &spool->work, run_work, after_work) != 0)
		abort(); /* fails only without a work function */
}

/* ---- on the loop ---- */

static struct spool_odd *spool_odd_of(struct spool *spool, const char *name)
{
	struct spool_odd *odd;

	for (size_t i = 0; i < SPOOL_ODD_MAX; i++)
		if (strcmp(spool->odd[i].name, name) == 0)
			return &spool->odd[i];
	odd = &spool->odd[spool->odd_next++ % SPOOL_ODD_MAX];
	*odd = (struct spool_odd){.name = ""};
	snprintf(odd->name, sizeof(odd->name), "%s", name);
	return odd;
}

/* A file was accepted, so failures of others are their own. */
static void spool_odd_prove(struct spool *spool)
{
	spool->odd_in_row = 0;
	for (size_t i = 0; i < SPOOL_ODD_MAX; i++)
		spool->odd[i].proved = true;
}

/* True when the file has failed for good; otherwise it is tried again with the next listing. */
static bool spool_odd_failed(struct spool *spool, const char *name)
{
	struct spool_odd *odd = spool_odd_of(spool, name);
	bool alone = spool->read_result != OK && spool->list.len == 1; /* nothing can prove it */
	bool gone;

	spool->odd_in_row++;
	gone = ++odd->tries >= SPOOL_TRIES && (odd->proved || alone);
	if (gone)
		odd->name[0] = '\0';
	return gone;
}

/* Whether the failure may concern this file alone: rejected by the store, or unreadable on disk. */
static bool spool_is_odd(enum err result)
{
	return result == ERR_CORRUPT || result == ERR_DAMAGED;
}

static void spool_settle(struct spool *spool, enum err result, const char *message)
{
	const char *name = spool->list.files[spool->list.next].name;

	if (spool_is_odd(result) && spool_odd_failed(spool, name))
		result = ERR_INVALID;
	if (result == OK) {
		spool_odd_prove(spool);
		spool->away = AWAY_DELETE;
	} else if (result == ERR_INVALID) {
		log_seldom(
		        LOG_WARNING, "spool", "", "renamed %s to %s.bad: %s", name, name, message);
		spool->away = AWAY_BAD;
	} else if (spool_is_odd(result) && spool->odd_in_row < SPOOL_ODD_MAX) {
		log_seldom(LOG_WARNING, "spool", "",
		        "%s stays in the spool for now, the files after it go on: %s", name,
		        message);
		spool_list_skip(&spool->list);
	} else {
		log_seldom(LOG_WARNING, "spool", "", "%s stays in the spool, retrying: %s", name,
		        message);
		spool->odd_in_row = 0;
		wake_in(spool, SPOOL_RESCAN_MS);
		return;
	}
	start_work(spool);
}

/* Watches the folder; true when it is not the one watched before. */
static bool watch_folder(struct spool *spool)
{
	int rc;

	if (spool->list.ino == spool->ino && spool->list.dev == spool->dev)
		return false;
	spool->ino = spool->list.ino;
	spool->dev = spool->list.dev;
	uv_fs_event_stop(&spool->watch);
	rc = uv_fs_event_start(&spool->watch, on_change, spool->folder, 0);
	if (rc != 0)
		log_warning("spool", "cannot watch %s, looking every %d s instead: %s",
		        spool->folder, SPOOL_RESCAN_MS / 1000, uv_strerror(rc));
	return true;
}

static void tell_trouble(struct spool *spool)
{
	if (spool->list_result != OK && !spool->troubled)
		log_error("spool", "%s", spool->list_fault.text);
	spool->troubled = spool->list_result != OK;
}

static void hand_on(struct spool *spool)
{
	json_t *request = spool->request;

	spool->request = NULL;
	spool->in_hand = true;
	spool->events.on_request(request, spool->events.arg);
	json_decref(request);
}

static void after_work(uv_work_t *work, int status)
{
	struct spool *spool = work->data;
	bool fresh;

	spool->working = false;
	if (spool->away_result == OK)
		spool->away = AWAY_KEEP;
	else
		log_seldom(LOG_ERROR, "spool", "", "%s", spool->away_fault.text);
	if (spool->closing) {
		close_handles(spool);
		return;
	}
	if (spool->away_result != OK) { /* if it still exists, the next listing has it again */
		spool->away = AWAY_KEEP;
		spool_list_skip(&spool->list);
		if (spool->list.next < spool->list.len)
			start_work(spool);
		else
			wake_in(spool, SPOOL_RESCAN_MS);
		return;
	}
	spool->bad = spool->list.bad;
	tell_trouble(spool);
	fresh = watch_folder(
	        spool); /* files created before the watch began are found by another listing */
	if (spool->list.next == spool->list.len)
		wake_in(spool, fresh || spool->changed ? spool->list_rest_ms : SPOOL_RESCAN_MS);
	else if (spool->read_result == OK)
		hand_on(spool);
	else /* somebody removed it meanwhile */
		spool_settle(spool, spool->read_result == ERR_NOT_FOUND ? OK : spool->read_result,
		        spool->read_fault.text);
}

static void on_tick(uv_timer_t *timer)
{
	struct spool *spool = timer->data;

	if (!spool->working && !spool->in_hand)
		start_work(spool);
}

/* ---- creating and closing ---- */

enum err spool_create(struct spool **out, uv_loop_t *loop, const char *folder,
        const struct spool_events *events, struct fault *fault)
{
	struct spool_list list = {0};
	enum err err = spool_list_make(&list, folder, fault);

	*out = NULL;
	spool_list_finish(&list);
	if (err != OK)
		return err;

	struct spool *spool = x_calloc(1, sizeof(*spool));
	spool->loop = loop;
	spool->events = *events;
	spool->folder = x_strdup(folder);
	spool->handles = 2;
	uv_timer_init(loop, &spool->timer);
	uv_fs_event_init(loop, &spool->watch);
	spool->timer.data = spool->watch.data = spool->work.data = spool;
	wake_in(spool, 0);
	*out = spool;
	return OK;
}

static void spool_on_handle_closed(uv_handle_t *handle)
{
	struct spool *spool = handle->data;

	if (--spool->handles > 0)
		return;
	void (*closed)(void *arg) = spool->closed;
	void *arg = spool->closed_arg;
	spool_list_finish(&spool->list);
	json_decref(spool->request);
	free(spool->folder);
	free(spool);
	closed(arg);
}

static void close_handles(struct spool *spool)
{
	uv_close((uv_handle_t *)&spool->timer, spool_on_handle_closed);
	uv_close((uv_handle_t *)&spool->watch, spool_on_handle_closed);
}

void spool_done(struct spool *spool, enum err result, const char *message)
{
	spool->in_hand = false;
	spool_settle(spool, result, message ? message : err_text(result));
	if (spool->closing && !spool->working)
		close_handles(spool);
}

unsigned spool_bad(const struct spool *spool)
{
	return spool->bad;
}

void spool_close(struct spool *spool, void (*closed)(void *arg), void *arg)
{
	spool->closing = true;
	spool->closed = closed;
	spool->closed_arg = arg;
	if (!spool->in_hand && !spool->working)
		close_handles(spool);
}

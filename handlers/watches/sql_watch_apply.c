/*
 * sql_watch_apply.c - see sql_watch.h: applies the result of a run, in one transaction with the
 * alerts it raises.
 *
 * Each finding is stored with the request that raised its alert, so that it can be resolved after a
 * restart, or with a changed config.
 */
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/commands/report.h"
#include "handlers/watches/sql_watch.h"
#include "storage/messages.h"

struct apply {
	const struct deliver *d;
	const struct sql_watch *watch;
	struct sql_watch_report *report;
	struct sql_watch_row *known; /* what was firing before, and what this run adds */
	bool *seen;                  /* one for each of known */
	size_t len;
};

void sql_watch_report_finish(struct sql_watch_report *report)
{
	json_decref(report->events);
	report->events = NULL;
}

static void problem_set(struct apply *apply, const char *text)
{
	struct buf neutral;

	if (apply->report->problem[0])
		return;
	buf_init(&neutral, 4096);
	text_add_plain(&neutral, text, 240, TEXT_FOLD_NEWLINES);
	snprintf(apply->report->problem, sizeof(apply->report->problem), "%s", buf_str(&neutral));
	/* a cut code point would be invalid in JSON */
	apply->report->problem[text_whole(apply->report->problem, strlen(apply->report->problem))] =
	        '\0';
	buf_finish(&neutral);
}

static enum err hand_in(const struct deliver *d, const struct alert *alert,
        struct sql_watch_report *report, bool *held)
{
	struct deliver with = *d;
	struct deliver_receipt receipt;
	enum err err;

	with.happened = report->events; /* resolving may end a silence, which adds an event */
	err = deliver_accept(&with, alert, &receipt);

	*held = err == OK && strcmp(receipt.state, "silenced") == 0;
	if (err == OK)
		json_array_append_new(
		        report->events, report_taken(alert, receipt.alert, receipt.state));
	return err;
}

/* Resolves the alert that was raised last. */
static enum err say_over(
        const struct deliver *d, const struct sql_watch_row *row, struct sql_watch_report *report)
{
	json_t *request = json_loads(row->request, 0, NULL);
	struct alert_fault fault;
	struct alert *alert = NULL;
	enum err err = OK;
	bool held = false;

	json_object_set_new(request, "status", json_string("resolved"));
	if (alert_parse(request, d->config, d->now_ms, &alert, &fault) == OK) {
		/* the config may have other identifying fields now */
		free(alert->subject);
		alert->subject = x_strdup(row->subject);
		err = hand_in(d, alert, report, &held);
	}
	alert_destroy(alert);
	json_decref(request);
	return err;
}

static enum err sql_watch_apply_resolve(
        const struct deliver *d, const struct sql_watch_row *row, struct sql_watch_report *report)
{
	enum err err = say_over(d, row, report);

	return err == OK ? sql_watches_delete(d->store, row->id) : err;
}

static struct sql_watch_row *sql_watch_apply_find(
        struct apply *apply, const char *subject, size_t *at)
{
	for (*at = 0; *at < apply->len; ++*at)
		if (strcmp(apply->known[*at].subject, subject) == 0)
			return &apply->known[*at];
	return NULL;
}

static enum err sql_watch_apply_is_acked(const struct deliver *d, const char *subject, bool *acked)
{
	struct entry_row *entries;
	size_t len;
	enum err err = entries_firing(d->store, subject, 1, &entries, &len);

	*acked = false;
	for (size_t i = 0; i < len; i++)
		*acked = entries[i].acked_ms > 0;
	entry_rows_free(entries, len);
	return err;
}

static enum err sql_watch_apply_fire(
        struct apply *apply, const struct alert *alert, struct sql_watch_row *row)
{
	const struct deliver *d = apply->d;
	bool held = false, told = false;
	bool again = row->id && row->severity == (int)alert->severity;
	enum err err = OK;

	row->tried_ms = d->now_ms;
	if (again && row->told_ms == 0)
		err = deliver_would_hold(d, alert, &held);
	if (held || err != OK) /* still held: it was counted when that began */
		return err;
	if (again && row->told_ms == 0) /* held.c may have delivered it already */
		err = deliver_refresh(d, alert, true, &told);
	if (told) {
		apply->report->edited = true;
		row->told_ms = row->shown_ms = d->now_ms;
		return err;
	}
	if (row->id && row->severity > (int)alert->severity) /* or its reminders would continue */
		err = say_over(d, row, apply->report);
	if (err == OK)
		err = hand_in(d, alert, apply->report, &held);
	row->severity = (int)alert->severity;
	row->shown_ms = d->now_ms;
	row->told_ms = held ? 0 : d->now_ms;
	return err;
}

/* Handles one subject of the result. */
static enum err sql_watch_apply_act(
        struct apply *apply, const struct alert *alert, json_t *request, struct sql_watch_row *row)
{
	const struct deliver *d = apply->d;
	char *text = json_dumps(request, JSON_COMPACT | JSON_SORT_KEYS);
	struct sql_watch_seen seen = {
	        .severity = alert->severity,
	        .changed = row->id && strcmp(row->request, text) != 0,
	        .now_ms = d->now_ms,
	        .repeat_ms = apply->watch->repeat_ms,
	        .reminded = d->config->commands.remind_ms > 0,
	};
	enum sql_watch_action action;
	bool found = true;
	enum err err = row->id ? sql_watch_apply_is_acked(d, row->subject, &seen.acked) : OK;

	action = sql_watch_decide(row->id ? row : NULL, &seen);
	if (err == OK && (action == SQL_WATCH_REFRESH || action == SQL_WATCH_TOUCH)) {
		err = deliver_refresh(d, alert, action == SQL_WATCH_TOUCH, &found);
		apply->report->edited = apply->report->edited || found;
		row->shown_ms = d->now_ms;
		if (action == SQL_WATCH_TOUCH)
			row->told_ms = d->now_ms;
	}
	if (err == OK && (action == SQL_WATCH_FIRE || !found)) /* somebody resolved it by hand */
		err = sql_watch_apply_fire(apply, alert, row);
	if (action == SQL_WATCH_NOTHING || err != OK) {
		free(text); /* compare the next run with what was last shown */
		return err;
	}
	free(row->request);
	row->request = text;
	return row->id ? sql_watches_update(d->store, row) : sql_watches_insert(d->store, row);
}

static enum err sql_watch_apply_take(
        struct apply *apply, const struct alert *alert, json_t *request, bool fault)
{
	struct sql_watch_row *row;
	size_t at;

	row = sql_watch_apply_find(apply, alert->subject, &at);
	if (row && apply->seen[at])
		return OK; /* the first row about a subject counts */
	if (!row && apply->len >= SQL_WATCH_FIRING_MAX && !fault) {
		problem_set(apply, "too many different alerts at a time");
		return OK;
	}
	if (!row) {
		apply->known = x_realloc(apply->known, (apply->len + 1) * sizeof(*apply->known));
		apply->seen = x_realloc(apply->seen, (apply->len + 1) * sizeof(*apply->seen));
		row = &apply->known[apply->len++];
		*row = (struct sql_watch_row){
		        .watch = x_strdup(apply->watch->name),
		        .subject = x_strdup(alert->subject),
		        .request = x_strdup(""),
		        .fault = fault,
		};
	}
	apply->seen[at] = true;
	return sql_watch_apply_act(apply, alert, request, row);
}

/* Handles one row of the result; the request always gets an app. */
static enum err sql_watch_apply_take_row(
        struct apply *apply, const struct query_rows *rows, size_t i)
{
	const struct deliver *d = apply->d;
	json_t *request = sql_watch_request(d->config, apply->watch, rows, i);
	struct alert_fault fault;
	struct alert *alert;
	enum err err = alert_parse(request, d->config, d->now_ms, &alert, &fault);

	if (err == OK)
		err = sql_watch_apply_take(apply, alert, request, false);
	alert_destroy(alert);
	json_decref(request);
	return err;
}

/* Raises an alert about the watch itself. */
static enum err take_problem(struct apply *apply, enum err code)
{
	const struct deliver *d = apply->d;
	json_t *request = sql_watch_fault_request(apply->watch, code, apply->report->problem);
	struct alert_fault fault;
	struct alert *alert;
	enum err err = alert_parse(request, d->config, d->now_ms, &alert, &fault);

	if (err == OK)
		err = sql_watch_apply_take(apply, alert, request, true);
	alert_destroy(alert);
	json_decref(request);
	return err;
}

static enum err resolve_unseen(struct apply *apply, bool complete)
{
	enum err err = OK;

	for (size_t i = 0; i < apply->len && err == OK; i++) {
		bool over = !apply->seen[i] && (complete || apply->known[i].fault);

		if (over)
			err = sql_watch_apply_resolve(apply->d, &apply->known[i], apply->report);
		else
			apply->report->firing += !apply->known[i].fault;
	}
	return err;
}

enum err sql_watch_apply(const struct deliver *d, const struct sql_watch *watch,
        const struct sql_watch_result *result, struct sql_watch_report *report)
{
	struct apply apply = {.d = d, .watch = watch, .report = report};
	enum err err = sql_watches_of(d->store, watch->name, &apply.known, &apply.len);

	report->events = json_array();
	apply.seen = x_calloc(apply.len + 1, sizeof(*apply.seen));
	if (err == OK && result->code != OK)
		problem_set(&apply, result->fault);
	for (size_t i = 0; err == OK && result->code == OK && i < result->rows->rows; i++)
		err = sql_watch_apply_take_row(&apply, result->rows, i);
	if (result->code == OK && result->rows->more)
		problem_set(&apply, "over 100 rows: the others are ignored");
	if (err == OK && report->problem[0])
		err = take_problem(&apply, result->code != OK ? result->code : ERR_TOO_LARGE);
	/* findings are resolved only if the result is complete */
	if (err == OK)
		err = resolve_unseen(&apply, result->code == OK && !result->rows->more);
	sql_watch_rows_free(apply.known, apply.len);
	free(apply.seen);
	return err;
}

static bool sql_watch_apply_is_listed(const struct sql_watch *list, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

static enum err forget_one(
        const struct deliver *d, const char *name, struct sql_watch_report *report)
{
	struct sql_watch_row *rows;
	size_t len;
	enum err err = sql_watches_of(d->store, name, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (err == OK)
			err = sql_watch_apply_resolve(d, &rows[i], report);
	sql_watch_rows_free(rows, len);
	return err;
}

enum err sql_watch_forget(const struct deliver *d, const struct sql_watch *list, size_t len,
        struct sql_watch_report *report)
{
	char **names;
	size_t names_len;
	enum err err = sql_watches_names(d->store, &names, &names_len);

	report->events = json_array();
	for (size_t i = 0; i < names_len; i++) {
		if (err == OK && !sql_watch_apply_is_listed(list, len, names[i]))
			err = forget_one(d, names[i], report);
		free(names[i]);
	}
	free(names);
	return err;
}

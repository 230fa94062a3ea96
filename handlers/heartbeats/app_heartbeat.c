/*
 * app_heartbeat.c - see app_heartbeat.h. Requests are parsed in app_heartbeat_parse.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/commands/report.h"
#include "handlers/heartbeats/schedule.h"
#include "storage/heartbeats.h"

#define GRACE_MS (10 * CLOCK_MINUTE_MS)
#define SPOOLED_MS CLOCK_MINUTE_MS
#define OVERDUE_MAX 100 /* in one call */

/* --- when --------------------------------------------------------------------------------- */

/* Sets the next due time after ms. */
static void expect_after(struct app_heartbeat_row *row, int64_t ms)
{
	int64_t grace_ms = row->grace_ms > 0 ? row->grace_ms : 0;
	struct schedule schedule;
	char why[160];

	if (!row->schedule)
		schedule_every(&schedule, row->every_ms > 0 ? row->every_ms : CLOCK_DAY_MS);
	else if (schedule_cron(&schedule, row->schedule, why) != OK)
		schedule_every(&schedule, CLOCK_DAY_MS); /* cannot happen: the line was checked when
		                                            it was registered */
	row->due_ms = schedule_next(&schedule, ms);
	/* avoids an overflow if the cron line is due very late */
	row->deadline_ms = row->due_ms > INT64_MAX - grace_ms ? INT64_MAX : row->due_ms + grace_ms;
}

static void app_heartbeat_put_interval(const struct app_heartbeat_row *row, struct buf *out)
{
	char text[32];

	if (row->schedule) {
		buf_printf(out, "schedule %s", row->schedule);
		return;
	}
	clock_format_duration(row->every_ms, text, sizeof(text));
	buf_printf(out, "every %s", text);
}

static void app_heartbeat_note_event(
        json_t *happened, const struct app_heartbeat_row *row, const char *state)
{
	json_array_append_new(happened,
	        json_pack("{s:s, s:s, s:s, s:s, s:I}", "event", "heartbeat", "app", row->app,
	                "name", row->name, "state", state, "seen_ms", (json_int_t)row->seen_ms));
}

/* --- the alert ---------------------------------------------------------------------------- */

/* The last heartbeat said that the app's work failed: it came before its deadline. */
static bool app_heartbeat_has_failed(const struct app_heartbeat_row *row)
{
	return row->missed_ms && row->missed_ms < row->deadline_ms;
}

/* failed: what a heartbeat says, NULL = none came. Owned by the caller; NULL: the config of its
 * [kind] makes the alert invalid. */
static struct alert *make_alert(const struct deliver *d, const struct app_heartbeat_row *row,
        const char *failed, bool resolved)
{
	char seen[32], what[APP_HEARTBEAT_NAME_MAX + 16];
	struct alert *alert = NULL;
	struct alert_fault fault;
	struct buf every;
	json_t *request;

	buf_init(&every, 1024);
	app_heartbeat_put_interval(row, &every);
	clock_format_short(row->seen_ms, 0, seen, sizeof(seen));
	snprintf(what, sizeof(what), "heartbeat%s%s", row->name[0] ? " " : "", row->name);
	request = json_pack("{s:s, s:s, s:s, s:s*, s:{s:s, s:s, s:s}}", "app", row->app, "kind",
	        failed ? APP_HEARTBEAT_FAILED : APP_HEARTBEAT_MISSED, "status",
	        resolved ? "resolved" : "firing", "text", failed && *failed ? failed : NULL,
	        "fields", "heartbeat", what, "last_seen", seen, "every", buf_str(&every));
	if (alert_parse(request, d->config, d->now_ms, &alert, &fault) == OK) {
		alert->peer = (struct alert_peer){-1, -1, -1};
		/* it may have been held for a while */
		if (!failed && !resolved)
			alert->at_ms = row->missed_ms;
	} else {
		log_error("heartbeat", "%s: %s", fault.field, fault.message);
		alert_destroy(alert);
		alert = NULL;
	}
	json_decref(request);
	buf_finish(&every);
	return alert;
}

/* Raises or resolves the alert. An invalid alert must not stop the other heartbeats: it is
 * skipped. */
static enum err raise_alert(const struct deliver *d, struct app_heartbeat_row *row,
        const char *failed, bool resolved, json_t *happened)
{
	struct deliver with = *d;
	struct deliver_receipt receipt;
	struct alert *alert = make_alert(d, row, failed, resolved);
	enum err err = OK;

	row->held = 0;
	if (!alert)
		return OK;
	with.happened = happened;
	err = deliver_accept(&with, alert, &receipt);
	if (err == OK) {
		/* a failure is held as any other alert, but nobody else knows what is missing */
		row->held = !resolved && !failed && strcmp(receipt.state, "silenced") == 0;
		json_array_append_new(happened, report_taken(alert, receipt.alert, receipt.state));
	}
	alert_destroy(alert);
	return err;
}

/* Resolves the alert that the row's last state has raised. */
static enum err app_heartbeat_clear(
        const struct deliver *d, struct app_heartbeat_row *row, bool had_failed, json_t *happened)
{
	row->missed_ms = 0;
	return raise_alert(d, row, had_failed ? "" : NULL, true, happened);
}

/* --- accepting a heartbeat ---------------------------------------------------------------- */

static enum err app_heartbeat_refuse(
        struct app_heartbeat_receipt *receipt, enum err err, const char *field, const char *message)
{
	snprintf(receipt->fault.field, sizeof(receipt->fault.field), "%s", field);
	snprintf(receipt->fault.message, sizeof(receipt->fault.message), "%s", message);
	return err;
}

static enum err app_heartbeat_stop(const struct deliver *d, struct app_heartbeat_row *row,
        struct app_heartbeat_receipt *receipt, json_t *happened)
{
	enum err err = app_heartbeats_delete(d->store, row->id);

	if (err == OK && row->missed_ms)
		err = app_heartbeat_clear(d, row, app_heartbeat_has_failed(row), happened);
	if (err == OK)
		app_heartbeat_note_event(happened, row, "stopped");
	receipt->state = "stopped";
	receipt->due_ms = 0;
	return err;
}

static enum err app_heartbeat_insert(const struct deliver *d, struct app_heartbeat_row *row,
        struct app_heartbeat_receipt *receipt)
{
	int64_t count;
	enum err err;

	if (!row->every_ms && !row->schedule)
		return app_heartbeat_refuse(receipt, ERR_INVALID, "every",
		        "the first heartbeat must say every (such as \"1h\") or schedule");
	err = app_heartbeats_count(d->store, &count);
	if (err == OK && count >= APP_HEARTBEATS_MAX)
		return app_heartbeat_refuse(
		        receipt, ERR_FULL, "name", "there are 1000 heartbeats already");
	receipt->state = "new";
	return err == OK ? app_heartbeats_insert(d->store, row) : err;
}

/* Applies the request to the row. */
static void app_heartbeat_update(struct app_heartbeat_row *row, const struct app_heartbeat *beat)
{
	if (beat->every_ms || beat->schedule) {
		free(row->schedule);
		row->schedule = x_strdup_opt(beat->schedule);
		row->every_ms = beat->every_ms;
	}
	if (beat->grace_ms >= 0)
		row->grace_ms = beat->grace_ms;
	/* a heartbeat from the spool may arrive after a later one */
	if (beat->at_ms > row->seen_ms)
		row->seen_ms = beat->at_ms;
}

/* Sets the deadline. A heartbeat that waited in the spool may be followed by newer ones from
 * there, so it never shortens a deadline that was extended in the meantime. */
static void app_heartbeat_expect(
        struct app_heartbeat_row *row, int64_t now_ms, int64_t at_ms, bool fresh)
{
	int64_t granted_ms = row->deadline_ms;

	if (fresh && at_ms < now_ms - SPOOLED_MS) {
		expect_after(row, now_ms);
		granted_ms = row->deadline_ms;
	}
	expect_after(row, row->seen_ms);
	if (at_ms < now_ms - SPOOLED_MS && granted_ms > row->deadline_ms)
		row->deadline_ms = granted_ms;
}

/* What the heartbeat says: the app's work failed, or it is well. */
static enum err app_heartbeat_judge(const struct deliver *d, const struct app_heartbeat *beat,
        struct app_heartbeat_row *row, bool had_failed, struct app_heartbeat_receipt *receipt,
        json_t *happened)
{
	bool was_missing = row->missed_ms && !had_failed;
	enum err err = OK;

	receipt->state = "seen";
	if (beat->failed) {
		if (beat->at_ms < row->seen_ms) /* from the spool, after a later one */
			return OK;
		if (was_missing)
			err = app_heartbeat_clear(d, row, false, happened);
		if (err == OK)
			err = raise_alert(d, row, beat->failed, false, happened);
		row->missed_ms = beat->at_ms;
		receipt->state = "failed";
	} else if (row->missed_ms && row->deadline_ms > d->now_ms) {
		receipt->state = "back";
		err = app_heartbeat_clear(d, row, had_failed, happened);
	}
	return err;
}

enum err app_heartbeat_accept(const struct deliver *d, const struct app_heartbeat *beat,
        struct app_heartbeat_receipt *receipt, json_t *happened)
{
	struct app_heartbeat_row row = {0};
	enum err err = app_heartbeats_by_name(d->store, beat->app, beat->name, &row);
	bool fresh = err == ERR_NOT_FOUND, had_failed = app_heartbeat_has_failed(&row);

	if (err != OK && !fresh)
		return err;
	if (beat->stop) {
		err = fresh ? app_heartbeat_refuse(receipt, ERR_INVALID, "name",
		                      "No heartbeat of that name is registered")
		            : app_heartbeat_stop(d, &row, receipt, happened);
		app_heartbeat_row_finish(&row);
		return err;
	}
	if (fresh) {
		row.app = x_strdup(beat->app);
		row.name = x_strdup(beat->name);
		row.first_ms = beat->at_ms;
		row.grace_ms = GRACE_MS;
	}
	app_heartbeat_update(&row, beat);
	if (row.every_ms || row.schedule)
		app_heartbeat_expect(&row, d->now_ms, beat->at_ms, fresh);
	err = fresh ? app_heartbeat_insert(d, &row, receipt) : OK;
	if (err == OK && (!fresh || beat->failed)) {
		err = app_heartbeat_judge(d, beat, &row, had_failed, receipt, happened);
		if (err == OK)
			err = app_heartbeats_update(d->store, &row);
	}
	receipt->due_ms = row.due_ms;
	if (err == OK)
		app_heartbeat_note_event(happened, &row, receipt->state);
	app_heartbeat_row_finish(&row);
	return err;
}

/* --- checking ----------------------------------------------------------------------------- */

/* Nothing could arrive for a while until now, so heartbeats that were due in that time do not
 * count as missed. Those of a cron line are due at its next time; those of an interval count as
 * if seen now. */
static enum err app_heartbeat_forgive_outage(const struct deliver *d)
{
	struct app_heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = app_heartbeats_list(d->store, APP_HEARTBEATS_MAX, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++) {
		struct app_heartbeat_row *row = &rows[i];
		int64_t deadline_ms = row->deadline_ms;

		if (row->missed_ms)
			continue;
		/* seen in the future: the clock was set back */
		if (row->seen_ms > d->now_ms) {
			row->seen_ms = d->now_ms;
			deadline_ms = 0;
		}
		expect_after(row, d->now_ms);
		if (row->deadline_ms > deadline_ms)
			err = app_heartbeats_update(d->store, row);
	}
	app_heartbeat_rows_free(rows, len);
	return err;
}

static enum err app_heartbeat_miss(
        const struct deliver *d, struct app_heartbeat_row *row, json_t *happened)
{
	enum err err;

	row->missed_ms = d->now_ms;
	err = raise_alert(d, row, NULL, false, happened);
	if (err == OK)
		err = app_heartbeats_update(d->store, row);
	if (err == OK)
		app_heartbeat_note_event(happened, row, "missed");
	return err;
}

/* A heartbeat that is still missing: delivers its alert when nothing holds it any more. */
static enum err tell_held(const struct deliver *d, struct app_heartbeat_row *row, json_t *happened)
{
	struct alert *alert = make_alert(d, row, NULL, false);
	bool held = false, told = false;
	enum err err = alert ? deliver_would_hold(d, alert, &held) : OK;

	if (alert && err == OK && !held) /* held.c may have delivered it already */
		err = deliver_refresh(d, alert, true, &told);
	alert_destroy(alert);
	if (err != OK || held)
		return err;
	row->held = 0;
	if (!told)
		err = raise_alert(d, row, NULL, false, happened);
	return err == OK ? app_heartbeats_update(d->store, row) : err;
}

static enum err look_at_held(const struct deliver *d, json_t *happened)
{
	struct app_heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = app_heartbeats_held(d->store, OVERDUE_MAX, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		err = tell_held(d, &rows[i], happened);
	app_heartbeat_rows_free(rows, len);
	return err;
}

enum err app_heartbeat_look(const struct deliver *d, bool leapt, json_t *happened)
{
	struct app_heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = leapt ? app_heartbeat_forgive_outage(d) : OK;

	if (err == OK)
		err = look_at_held(d, happened);
	if (err == OK)
		err = app_heartbeats_overdue(d->store, d->now_ms, OVERDUE_MAX, &rows, &len);
	for (size_t i = 0; i < len && err == OK; i++)
		err = app_heartbeat_miss(d, &rows[i], happened);
	app_heartbeat_rows_free(rows, len);
	return err;
}

/* --- the list ----------------------------------------------------------------------------- */

static void list_text(const struct app_heartbeat_row *row, int64_t now_ms, struct words *out)
{
	struct buf text;

	buf_init(&text, 200);
	app_heartbeat_put_interval(row, &text);
	words_item(out);
	words_say(out, row->missed_ms ? "🚨 " : "✅ ");
	words_name(out, row->app, WORDS_NAME_POINTS);
	words_say(out, row->name[0] ? " · " : "");
	words_name(out, row->name, WORDS_NAME_POINTS);
	words_say(out, " · %s, received ", buf_str(&text));
	words_when(out, row->seen_ms, now_ms);
	words_say(out, app_heartbeat_has_failed(row) ? ", failed "
	               : row->missed_ms              ? ", missed since "
	                                             : ", due ");
	words_when(out, row->missed_ms ? row->missed_ms : row->due_ms, now_ms);
	buf_finish(&text);
}

static json_t *list_json(const struct app_heartbeat_row *row)
{
	return json_pack("{s:s, s:s, s:I, s:s?, s:I, s:I, s:I, s:I, s:b}", "app", row->app, "name",
	        row->name, "every_ms", (json_int_t)row->every_ms, "schedule", row->schedule,
	        "grace_ms", (json_int_t)row->grace_ms, "seen_ms", (json_int_t)row->seen_ms,
	        "due_ms", (json_int_t)row->due_ms, "missed_ms", (json_int_t)row->missed_ms,
	        "missed", row->missed_ms != 0);
}

enum err app_heartbeat_list(
        struct store *store, int64_t now_ms, size_t most, struct words *out, json_t *data)
{
	struct app_heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = app_heartbeats_list(store, APP_HEARTBEATS_MAX, &rows, &len);

	if (out && len > 0)
		words_list(out, most, NULL);
	for (size_t i = 0; i < len; i++) {
		if (out)
			list_text(&rows[i], now_ms, out);
		if (data)
			json_array_append_new(data, list_json(&rows[i]));
	}
	if (out && len > 0)
		words_list_end(out);
	app_heartbeat_rows_free(rows, len);
	return err;
}

/*
 * heartbeat.c - see heartbeat.h.
 *
 * Actions outside of the database (channels, ping) are marked in the date's row, and the mark is
 * removed in the call after they were done: after a crash in between they are done twice rather
 * than not at all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "bot/base/zone.h"
#include "handlers/alerts/content.h"
#include "handlers/charts/chart_post.h"
#include "handlers/heartbeats/digest.h"
#include "handlers/heartbeats/heartbeat.h"
#include "handlers/alerts/render.h"
#include "handlers/heartbeats/schedule.h"
#include "handlers/oncall/tell.h"
#include "storage/calls.h"
#include "storage/state.h"

#define MARK_MS CLOCK_MINUTE_MS
#define OPEN_MAX 20
#define GOT_THROUGH_SINCE_MS (90 * CLOCK_DAY_MS)

static bool heartbeat_has_text(const char *text)
{
	return text && text[0];
}

static struct schedule heartbeat_plan(const struct config *config)
{
	struct schedule schedule;

	/* cannot fail: the config was checked */
	schedule_daily(&schedule, config->heartbeat.at);
	return schedule;
}

int64_t heartbeat_next_ms(const struct config *config, int64_t now_ms)
{
	struct schedule schedule = heartbeat_plan(config);

	return schedule_next(&schedule, now_ms);
}

static enum err get_ms(const struct deliver *d, const char *name, int64_t *ms)
{
	char *text;
	enum err err = state_get(d->store, name, &text);

	*ms = err == OK ? strtoll(text, NULL, 10) : 0;
	free(text);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err set_ms(const struct deliver *d, const char *name, int64_t ms)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, ms);
	return state_set(d->store, name, text);
}

/* --- its content -------------------------------------------------------------------------- */

/* True when the gap is the reason why nothing was done at due_ms. */
static bool heartbeat_explains(const struct heartbeat_gap *gap, int64_t due_ms)
{
	return gap->to_ms && gap->from_ms <= due_ms && due_ms <= gap->to_ms;
}

/* "16:11–16:15 CET", or with days if they differ. */
static void say_span(struct words *out, int64_t from_ms, int64_t to_ms)
{
	struct zone_time from, to;

	zone_local(from_ms, &from);
	zone_local(to_ms, &to);
	if (from.day == to.day && to_ms - from_ms < CLOCK_DAY_MS)
		words_say(out, "%02d:%02d–", from.hour, from.minute);
	else {
		words_when(out, from_ms, 0);
		words_say(out, " – ");
	}
	words_when(out, to_ms, from.day == to.day ? to_ms : 0);
}

/* "I was down 3m 47s (16:11–16:15 CET)"; ends the bold part that the caller began after its
 * first part. */
static void say_gap(const struct heartbeat_gap *gap, const char *who, struct words *out)
{
	words_say(out, gap->stopped ? "%s was down " : "%s stood still ", who);
	words_duration(out, gap->to_ms - gap->from_ms);
	words_bold(out, false);
	words_say(out, " (");
	say_span(out, gap->from_ms, gap->to_ms);
	words_say(out, "%s)",
	        gap->stopped ? "" : "; machine asleep, clock changed, or database not writable");
}

static void say_late(
        const struct deliver *d, const struct heartbeat_gap *gap, int64_t due_ms, struct words *out)
{
	struct zone_time due;

	zone_local(due_ms, &due);
	words_say(out, "⚠️ ");
	words_bold(out, true);
	if (heartbeat_explains(gap, due_ms)) {
		say_gap(gap, "I", out);
		words_say(out, "; the %02d:%02d heartbeat is late", due.hour, due.minute);
	} else {
		words_say(out, "The %02d:%02d heartbeat is late by ", due.hour, due.minute);
		words_duration(out, d->now_ms - due_ms);
		words_bold(out, false);
	}
	words_break(out);
}

/* lead: text that comes before the digest. key: member of RENDER_KEY; only the daily heartbeat
 * has the one that watchers look for. */
static enum err heartbeat_post(const struct deliver *d, const struct report_status *status,
        struct words *lead, int64_t at_ms, const char *key, json_t *when, int64_t *outbox_id)
{
	struct digest digest;
	enum err err = digest_collect(d, status, &digest);

	if (err == OK) {
		json_t *data = digest_json(&digest), *content;

		digest_say(&digest, at_ms, lead);
		content = words_content(lead, "m.notice");
		json_object_update(data, when);
		json_object_set_new(content, RENDER_KEY, json_pack("{s:o}", key, data));
		err = deliver_post(d, d->config->heartbeat.room, OUTBOX_HEARTBEAT, 0,
		        "m.room.message", content, outbox_id);
		json_decref(content);
	}
	digest_finish(&digest);
	return err;
}

static void heartbeat_note_event(
        struct heartbeat_result *result, const char *date, const char *state)
{
	json_array_append_new(
	        result->happened, json_pack("{s:s, s:b, s:s, s:s}", "event", "heartbeat", "own", 1,
	                                  "date", date, "state", state));
}

static enum err post_due(const struct deliver *d, const struct report_status *status,
        int64_t due_ms, const char *date, struct heartbeat_result *result)
{
	struct heartbeat_row row = {
	        .due_ms = due_ms,
	        .posted_ms = d->now_ms,
	        .late = d->now_ms - due_ms > HEARTBEAT_LATE_MS,
	        .date = (char *)date,
	};
	const struct heartbeat_gap *gap = &result->memory.gap;
	struct words lead;
	json_t *when;
	enum err err;

	words_init(&lead);
	if (row.late)
		say_late(d, gap, due_ms, &lead);
	when = json_pack("{s:s, s:I, s:I, s:b}", "date", date, "due_ms", (json_int_t)due_ms,
	        "at_ms", (json_int_t)d->now_ms, "late", row.late);
	err = heartbeat_post(d, status, &lead, due_ms, "heartbeat", when, &row.outbox_id);
	json_decref(when);
	words_finish(&lead);
	if (err == OK)
		err = heartbeats_insert(d->store, &row);
	if (err == OK)
		err = chart_of_week(d, due_ms, result->happened);
	if (err == OK)
		heartbeat_note_event(result, date, row.late ? "late" : "queued");
	return err;
}

enum err heartbeat_extra(const struct deliver *d, const struct report_status *status)
{
	struct words lead;
	json_t *when;
	char date[11];
	enum err err;

	schedule_date(d->now_ms, date);
	when = json_pack(
	        "{s:s, s:I, s:b}", "date", date, "at_ms", (json_int_t)d->now_ms, "extra", 1);
	words_init(&lead);
	err = heartbeat_post(d, status, &lead, d->now_ms, "extra_heartbeat", when, NULL);
	words_finish(&lead);
	json_decref(when);
	return err;
}

/* --- the alarm ---------------------------------------------------------------------------- */

static void say_problem(struct words *out, const char *what, const char *problem)
{
	if (!heartbeat_has_text(problem))
		return;
	words_item(out);
	words_say(out, "%s: ", what);
	words_error(out, problem, WORDS_ERROR_POINTS);
}

static void heartbeat_say_room(
        struct words *out, const struct report_status *status, const struct report_room *room)
{
	say_problem(out, "room", room->problem);
	if (room->encrypted)
		say_problem(out, "encryption", status->encryption_problem);
}

/* Why the heartbeat is not confirmed, as far as known. */
static enum err say_unconfirmed(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_row *row, struct words *out)
{
	struct outbox_row event = {0};
	int64_t last_ms = 0;
	enum err err = outbox_by_id(d->store, row->outbox_id, &event);

	if (err == OK || err == ERR_NOT_FOUND)
		err = calls_last_ok(d->store, d->now_ms - GOT_THROUGH_SINCE_MS, &last_ms);
	words_say(out, row->confirmed_ms ? "The homeserver confirmed it only "
	                                 : "The homeserver has not confirmed it ");
	words_duration(out, (row->confirmed_ms ? row->confirmed_ms : d->now_ms) - row->due_ms);
	words_say(out, " after it was due.");
	words_list(out, WORDS_LIST_MAX, NULL);
	say_problem(out, "homeserver", status->problem);
	for (size_t i = 0; i < status->rooms_len; i++)
		if (strcmp(status->rooms[i].name, d->config->heartbeat.room) == 0)
			heartbeat_say_room(out, status, &status->rooms[i]);
	say_problem(out, "last error", event.error);
	words_item(out);
	words_say(out, last_ms ? "last successful send: " : "nothing was ever sent successfully");
	if (last_ms)
		words_when(out, last_ms, d->now_ms);
	words_list_end(out);
	words_say(out, "`matrix-telemetry-bot check` on its host says more.");
	outbox_row_finish(&event);
	return err;
}

static enum err alarm_raise(const struct deliver *d, const struct report_status *status,
        struct heartbeat_row *row, struct heartbeat_result *result)
{
	const struct heartbeat_gap *gap = &result->memory.gap;
	struct words words;
	enum err err = OK;

	words_init(&words);
	words_say(&words, "🚨 ");
	words_bold(&words, true);
	words_say(&words, "No heartbeat from ");
	words_name(&words, d->config->matrix.user, WORDS_WHAT_POINTS);
	words_bold(&words, false);
	words_say(&words, " · due ");
	words_when(&words, row->due_ms, 0);
	words_break(&words);
	if (row->late && heartbeat_explains(gap, row->due_ms)) {
		words_bold(&words, true);
		say_gap(gap, "The bot", &words);
	} else {
		err = say_unconfirmed(d, status, row, &words);
	}
	if (err == OK && d->config->meta.room)
		err = tell_mention_critical(d, &words);
	if (err == OK && d->config->meta.room)
		err = tell_words(d, d->config->meta.room, "m.text", &words);
	free(row->alarm);
	row->alarm = words_body(&words);
	words_finish(&words);
	log_warning("heartbeat", "%s", row->alarm);
	row->alarmed_ms = d->now_ms;
	row->tell = 1;
	if (err == OK)
		heartbeat_note_event(result, row->date, "missing");
	return err;
}

static bool heartbeat_missing(
        const struct deliver *d, const struct heartbeat_row *row, const struct heartbeat_gap *gap)
{
	int64_t grace_ms = d->config->heartbeat.grace_ms, end_ms;

	if (row->alarmed_ms)
		return false;
	if (row->late && gap->stopped && heartbeat_explains(gap, row->due_ms))
		return true;
	end_ms = row->due_ms +
	         (grace_ms > HEARTBEAT_GRACE_MIN_MS ? grace_ms : HEARTBEAT_GRACE_MIN_MS);
	return (row->confirmed_ms ? row->confirmed_ms : d->now_ms) >= end_ms;
}

/* --- checking ----------------------------------------------------------------------------- */

static enum err heartbeat_confirm(
        const struct deliver *d, struct heartbeat_row *row, struct heartbeat_result *result)
{
	struct outbox_row event = {0};
	enum err err = outbox_by_id(d->store, row->outbox_id, &event);

	/* only sent events are ever deleted from the queue */
	if (err == ERR_NOT_FOUND || (err == OK && event.state == OUTBOX_SENT)) {
		row->confirmed_ms = event.sent_ms ? event.sent_ms : d->now_ms;
		row->ping = d->config->meta.ping_url != NULL;
		heartbeat_note_event(result, row->date, "confirmed");
		err = OK;
	}
	outbox_row_finish(&event);
	return err;
}

static enum err look_at(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_row *row,
        struct heartbeat_result *result)
{
	enum err err = row->confirmed_ms ? OK : heartbeat_confirm(d, row, result);

	if (row->id == memory->told_id)
		row->tell = 0;
	if (row->id == memory->pinged_id)
		row->ping = 0;
	if (err == OK && heartbeat_missing(d, row, &result->memory.gap))
		err = alarm_raise(d, status, row, result);
	/* one of each kind in a call; further ones follow in the next calls */
	if (row->tell && !result->tell && row->alarm) {
		result->tell = x_strdup(row->alarm);
		result->memory.told_id = row->id;
	}
	if (row->ping && !result->ping) {
		result->ping = true;
		result->memory.pinged_id = row->id;
	}
	return err == OK ? heartbeats_update(d->store, row) : err;
}

static enum err look_at_open(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_result *result)
{
	struct heartbeat_row *rows = NULL;
	size_t len = 0;
	enum err err = heartbeats_open(d->store, OPEN_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (err == OK)
			err = look_at(d, status, memory, &rows[i], result);
	heartbeat_rows_free(rows, len);
	return err;
}

/* Since when heartbeats have been expected with the current config. */
static enum err expected_since(const struct deliver *d, int64_t *since_ms)
{
	char *now = x_asprintf("%s %s", d->config->heartbeat.at, d->config->heartbeat.timezone);
	char *stored = NULL;
	enum err err = state_get(d->store, "heartbeat.plan", &stored);

	*since_ms = 0;
	if (err == OK)
		err = get_ms(d, "heartbeat.since_ms", since_ms);
	else if (err == ERR_NOT_FOUND)
		err = OK;
	if (err == OK && (!stored || strcmp(stored, now) != 0 || *since_ms > d->now_ms)) {
		*since_ms = d->now_ms;
		err = state_set(d->store, "heartbeat.plan", now);
		if (err == OK)
			err = set_ms(d, "heartbeat.since_ms", d->now_ms);
	}
	free(now);
	free(stored);
	return err;
}

/* Detects times in which nothing was checked, and stores the current time for the next start. */
static enum err keep_time(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_result *result)
{
	struct heartbeat_memory *after = &result->memory;
	int64_t last_ms = memory->looked_ms;
	enum err err = OK;

	*after = *memory;
	after->told_id = after->pinged_id = 0;
	if (!last_ms) {
		err = get_ms(d, "alive_ms", &last_ms);
		if (last_ms && last_ms < status->started_ms)
			after->gap = (struct heartbeat_gap){last_ms, status->started_ms, true};
		result->leapt = last_ms != 0;
	} else if (d->now_ms - last_ms > HEARTBEAT_GAP_MS) {
		after->gap = (struct heartbeat_gap){last_ms, d->now_ms, false};
		result->leapt = true;
	} else if (d->now_ms < last_ms - HEARTBEAT_LATE_MS) {
		result->leapt = true;
	}
	after->looked_ms = d->now_ms;
	if (err == OK &&
	        (!memory->marked_ms || result->leapt || d->now_ms - memory->marked_ms >= MARK_MS)) {
		err = set_ms(d, "alive_ms", d->now_ms);
		after->marked_ms = d->now_ms;
	}
	return err;
}

enum err heartbeat_look(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_result *result)
{
	struct schedule schedule = heartbeat_plan(d->config);
	int64_t due_ms = schedule_last(&schedule, d->now_ms), since_ms;
	struct heartbeat_row row = {0};
	char date[11];
	enum err err = keep_time(d, status, memory, result);

	if (err == OK)
		err = expected_since(d, &since_ms);
	schedule_date(due_ms, date);
	if (err == OK && due_ms > since_ms) {
		err = heartbeats_by_date(d->store, date, &row);
		if (err == ERR_NOT_FOUND)
			err = post_due(d, status, due_ms, date, result);
		heartbeat_row_finish(&row);
	}
	return err == OK ? look_at_open(d, status, memory, result) : err;
}

void heartbeat_result_finish(struct heartbeat_result *result)
{
	free(result->tell);
	result->tell = NULL;
}

static void row_text(const struct heartbeat_row *row, int64_t now_ms, struct buf *out)
{
	char when[32];

	clock_format_short(row->due_ms, now_ms, when, sizeof(when));
	buf_printf(out, "%s, ", when);
	if (!row->confirmed_ms) {
		buf_add_str(out, "not confirmed yet");
	} else if (row->late || row->alarmed_ms) {
		clock_format_short(row->confirmed_ms, now_ms, when, sizeof(when));
		buf_printf(out, "confirmed late at %s", when);
	} else {
		buf_add_str(out, "confirmed");
	}
	if (row->alarmed_ms)
		buf_add_str(out, ", was reported as missing");
}

enum err heartbeat_last_text(struct store *store, int64_t now_ms, char **text)
{
	struct heartbeat_row row;
	struct buf out;
	enum err err = heartbeats_last(store, &row);

	*text = NULL;
	if (err == OK) {
		buf_init(&out, 1024);
		row_text(&row, now_ms, &out);
		*text = buf_take(&out);
		heartbeat_row_finish(&row);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

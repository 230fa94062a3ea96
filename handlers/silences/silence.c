/*
 * silence.c - see silence.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/matcher.h"
#include "bot/base/text.h"
#include "handlers/alerts/facts.h"
#include "handlers/alerts/route.h"
#include "handlers/oncall/tell.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/quiets.h"

#define OPEN_MAX 500               /* firing entries that are compared */
#define OPEN_MS (7 * CLOCK_DAY_MS) /* older failures are ignored */

/* An alert that is being resolved: facts is the resolved alert, entries are those firing in
 * messages, held are the held alerts. */
struct resolved {
	const char *subject;
	struct facts *facts;
	struct entry_row *entries;
	size_t entries_len;
	struct alert_row *held;
	size_t held_len;
};

/* *holds: the active silence matches the alert. If matching fails, the silence is disabled and
 * *holds is false. */
static enum err silence_compare(const struct deliver *d, const struct silence_matchers *one,
        struct facts *facts, bool *holds)
{
	const char *problem = SILENCE_LIMIT;
	enum match match = MATCH_LIMIT;

	if (one->matchers)
		match = matchers_match(one->matchers, facts_text, facts);
	else
		problem = one->why;
	*holds = match == MATCH_YES;
	if (match != MATCH_LIMIT)
		return OK;
	log_error("silence",
	        "silence %" PRId64 " no longer has any effect: %s; end it and set a simpler one",
	        one->id, problem);
	return silences_set_problem(d->store, one->id, problem);
}

bool silence_holds(const struct silence_row *row, int64_t now_ms)
{
	return row->start_ms <= now_ms && row->end_ms > now_ms && !row->problem;
}

/* ---- ending ---- */

enum err silence_say_sum(const struct deliver *d, const struct silence_row *row, struct words *out)
{
	struct alert_row *held = NULL;
	size_t len = 0;
	enum err err = alerts_held(d->store, row->id, HELD_MAX, &held, &len);

	words_code(out, row->matchers, WORDS_WHAT_POINTS);
	words_say(out, " · %" PRId64 " silenced", row->held);
	held_say(held, len, NULL, out);
	alert_rows_free(held, len);
	return err;
}

/* Sends the notice of a silence's end to the room where it was set, else to the rooms whose
 * alerts it held, else to the room of critical alerts; never to the room that gets it as an
 * answer. */
static enum err tell_end(const struct deliver *d, const struct silence_row *row,
        struct words *words, const char *answered)
{
	const char *fallback = row->room ? row->room : d->config->route[SEVERITY_CRITICAL];
	char *room = NULL;
	enum err err = OK;
	int told = 0;

	for (; err == OK && !row->room; told++) {
		err = alerts_held_rooms(d->store, row->id, told, &room);
		if (err == OK && config_room(d->config, room) &&
		        (!answered || strcmp(room, answered) != 0))
			err = tell_words(d, room, "m.notice", words);
		free(room);
		room = NULL;
		if (err == ERR_NOT_FOUND)
			break;
	}
	if (err == ERR_NOT_FOUND)
		err = OK;
	if (told == 0 && err == OK && config_room(d->config, fallback) &&
	        (!answered || strcmp(fallback, answered) != 0))
		err = tell_words(d, fallback, "m.notice", words);
	return err;
}

enum err silence_end(
        const struct deliver *d, struct silence_row *row, const char *why, const char *answered)
{
	struct words words;
	enum err err;

	row->ended_ms = d->now_ms;
	err = silences_update(d->store, row);
	if (err == OK && d->happened)
		json_array_append_new(
		        d->happened, json_pack("{s:s, s:I, s:s, s:I}", "event", "unsilenced", "id",
		                             (json_int_t)row->id, "matchers", row->matchers, "held",
		                             (json_int_t)row->held));
	words_init(&words);
	words_say(&words, "🔔 ");
	words_bold(&words, true);
	words_say(&words, "Silence %" PRId64 " %s", row->id, why);
	words_bold(&words, false);
	words_say(&words, ": ");
	if (err == OK)
		err = silence_say_sum(d, row, &words);
	if (err == OK)
		err = tell_end(d, row, &words, answered);
	words_finish(&words);
	return err;
}

enum err silence_end_due(const struct deliver *d)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_due(d->store, d->now_ms, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		err = silence_end(d, &rows[i], "expired", NULL);
	silence_rows_free(rows, len);
	return err;
}

/* *more: something else that the silence matches is still firing, in a message or held. */
static enum err means_more(const struct deliver *d, const struct silence_matchers *one,
        const char *subject, bool *more)
{
	struct entry_row *entries = NULL;
	struct alert_row *held = NULL;
	size_t len = 0, held_len = 0;
	enum err err = entries_open(d->store, d->now_ms - OPEN_MS, OPEN_MAX, &entries, &len);

	*more = false;
	for (size_t i = 0; i < len; i++) {
		struct facts facts;

		facts_of_entry(&facts, &entries[i]);
		if (err == OK && !*more && strcmp(entries[i].subject, subject) != 0)
			err = silence_compare(d, one, &facts, more);
		facts_finish(&facts);
	}
	entry_rows_free(entries, len);
	if (err == OK)
		err = alerts_held(d->store, one->id, 1, &held, &held_len);
	*more = *more || held_len > 0;
	alert_rows_free(held, held_len);
	return err;
}

/* *meant: the silence covers what is being resolved: it holds the alert, or matches it as shown
 * in a message or as it is now. */
static enum err is_meant(const struct deliver *d, const struct silence_matchers *one,
        const struct resolved *resolved, bool *meant)
{
	enum err err = OK;

	*meant = false;
	for (size_t i = 0; i < resolved->held_len; i++)
		if (resolved->held[i].silence_id == one->id)
			*meant = true;
	for (size_t i = 0; i < resolved->entries_len && err == OK && !*meant; i++) {
		struct facts facts;

		facts_of_entry(&facts, &resolved->entries[i]);
		err = silence_compare(d, one, &facts, meant);
		facts_finish(&facts);
	}
	if (err == OK && !*meant)
		err = silence_compare(d, one, resolved->facts, meant);
	return err;
}

static enum err end_by_resolved(const struct deliver *d, const struct silence_matchers *one,
        const struct resolved *resolved)
{
	struct silence_row row = {0};
	bool meant, more = true;
	enum err err = is_meant(d, one, resolved, &meant);

	if (err == OK && meant)
		err = means_more(d, one, resolved->subject, &more);
	if (err != OK || more)
		return err;
	err = silences_by_id(d->store, one->id, &row);
	if (err == OK && !row.ended_ms)
		err = silence_end(d, &row, "ended, its alerts are resolved", NULL);
	silence_row_finish(&row);
	return err;
}

/* The list is not changed while silences end: it is read again with the next alert. */
static enum err end_all_by_resolved(const struct deliver *d, const struct resolved *resolved)
{
	const struct silence_matchers *list;
	size_t len = 0;
	enum err err = silences_compiled(d->store, &list, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		if (list[i].until_resolved && list[i].start_ms <= d->now_ms &&
		        list[i].end_ms > d->now_ms)
			err = end_by_resolved(d, &list[i], resolved);
	return err;
}

enum err silence_resolved(
        const struct deliver *d, const struct alert *alert, const char *url, bool *was_held)
{
	struct resolved resolved = {.subject = alert->subject};
	struct facts facts;
	enum err err;

	facts_of_alert(&facts, alert, url);
	resolved.facts = &facts;
	err = alerts_held_of(
	        d->store, alert->subject, OPEN_MAX, &resolved.held, &resolved.held_len);
	if (err == OK)
		err = entries_firing(d->store, alert->subject, OPEN_MAX, &resolved.entries,
		        &resolved.entries_len);
	if (err == OK)
		err = alerts_unhold(d->store, alert->subject, NULL);
	if (err == OK)
		err = end_all_by_resolved(d, &resolved);
	*was_held = resolved.held_len > 0;
	alert_rows_free(resolved.held, resolved.held_len);
	entry_rows_free(resolved.entries, resolved.entries_len);
	facts_finish(&facts);
	return err;
}

/* ---- what is held ---- */

/* The first silence that holds the alert now; 0 = none. */
static enum err silences_for(const struct deliver *d, struct facts *facts, int64_t *first)
{
	const struct silence_matchers *list;
	size_t len = 0;
	enum err err = silences_compiled(d->store, &list, &len);

	*first = 0;
	for (size_t i = 0; i < len && err == OK && !*first; i++) {
		bool holds;

		if (list[i].start_ms > d->now_ms || list[i].end_ms <= d->now_ms)
			continue;
		err = silence_compare(d, &list[i], facts, &holds);
		if (holds)
			*first = list[i].id;
	}
	return err;
}

static enum err look_for_hold(
        const struct deliver *d, struct facts *facts, const char *room, struct silence_hold *hold)
{
	enum err err = silences_for(d, facts, &hold->silence);

	hold->quiet = NULL;
	return err == OK && !hold->silence ? quiet_for(d, facts, room, &hold->quiet) : err;
}

enum err silence_find(const struct deliver *d, const struct alert *alert, const char *room,
        const char *url, struct silence_hold *hold)
{
	struct facts facts;
	enum err err;

	facts_of_alert(&facts, alert, url);
	err = look_for_hold(d, &facts, room, hold);
	facts_finish(&facts);
	return err;
}

enum err silence_count(const struct deliver *d, const struct silence_hold *hold, const char *room)
{
	if (hold->silence)
		return silences_count(d->store, hold->silence);
	return hold->quiet ? quiets_count(d->store, hold->quiet->name, room) : OK;
}

void silence_mark(struct alert_row *row, const struct silence_hold *hold)
{
	free(row->quiet);
	free(row->reason);
	row->state = ALERT_SILENCED;
	row->cause = hold->silence ? ALERT_SILENCE : ALERT_QUIET;
	row->silence_id = hold->silence;
	row->quiet = hold->quiet ? x_strdup(hold->quiet->name) : NULL;
	row->held = 1;
	row->reason = hold->quiet ? x_asprintf("quiet time %s", hold->quiet->name)
	                          : x_asprintf("silence %" PRId64, hold->silence);
}

enum err silence_find_entry(
        const struct deliver *d, const struct entry_row *entry, struct silence_hold *hold)
{
	struct facts facts;
	enum err err;

	facts_of_entry(&facts, entry);
	err = look_for_hold(d, &facts, route_room(d->config, entry->app, facts.severity), hold);
	facts_finish(&facts);
	return err;
}

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
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/quiets.h"

#define OPEN_MAX 500               /* firing entries that are compared */
#define OPEN_MS (7 * CLOCK_DAY_MS) /* older ones are forgotten */
#define NAMED_MAX 3                /* of what is not resolved */

/* Whether an active silence means an alert. One that cannot say is given up: *holds is false. */
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
	        "silence %" PRId64 " silences nothing any more: %s; end it and set a simpler one",
	        one->id, problem);
	return silences_set_problem(d->store, one->id, problem);
}

bool silence_holds(const struct silence_row *row, int64_t now_ms)
{
	return row->start_ms <= now_ms && row->end_ms > now_ms && !row->problem;
}

/* ---- ends ---- */

enum err silence_sum(const struct deliver *d, const struct silence_row *row, char **text)
{
	struct alert_row *held = NULL;
	struct buf out;
	size_t len = 0;
	enum err err = alerts_held(d->store, row->id, NAMED_MAX + 1, &held, &len);

	buf_init(&out, 4096);
	buf_printf(&out, "it held back %" PRId64 " alert%s", row->held, row->held == 1 ? "" : "s");
	for (size_t i = 0; i < len; i++) {
		if (i == NAMED_MAX) {
			buf_add_str(&out, ", …");
		} else {
			buf_add_str(&out, i ? ", " : "\nNot resolved since: ");
			text_add_plain(&out, held[i].app, 64, TEXT_FOLD_NEWLINES);
			buf_add_str(&out, " · ");
			text_add_plain(&out, held[i].identity, 80, TEXT_FOLD_NEWLINES);
		}
	}
	alert_rows_free(held, len);
	*text = buf_take(&out);
	return err;
}

enum err silence_end(const struct deliver *d, struct silence_row *row, const char *why)
{
	char *text, *sum = NULL;
	enum err err;

	row->ended_ms = d->now_ms;
	err = silences_update(d->store, row);
	if (err == OK && d->happened)
		json_array_append_new(
		        d->happened, json_pack("{s:s, s:I, s:s, s:I}", "event", "unsilenced", "id",
		                             (json_int_t)row->id, "matchers", row->matchers, "held",
		                             (json_int_t)row->held));
	if (err != OK || !row->room || !config_room(d->config, row->room))
		return err;
	err = silence_sum(d, row, &sum);
	text = x_asprintf("🔔 Silence %" PRId64 " (%s) is over, %s: %s", row->id, row->matchers, why,
	        sum ? sum : "");
	if (err == OK)
		err = tell_room(d, row->room, text, NULL, NULL);
	free(text);
	free(sum);
	return err;
}

enum err silence_end_due(const struct deliver *d)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(d->store, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		if (rows[i].end_ms <= d->now_ms)
			err = silence_end(d, &rows[i], "its time is up");
	silence_rows_free(rows, len);
	return err;
}

/* True when something else that the silence means is firing still: in a room, or held back. */
static enum err means_more(const struct deliver *d, const struct silence_matchers *one,
        const struct alert *resolved, bool *more)
{
	struct entry_row *entries = NULL;
	struct alert_row *held = NULL;
	size_t len = 0, held_len = 0;
	enum err err = entries_open(d->store, d->now_ms - OPEN_MS, OPEN_MAX, &entries, &len);

	*more = false;
	for (size_t i = 0; i < len; i++) {
		struct facts facts;

		facts_of_entry(&facts, &entries[i]);
		if (err == OK && !*more && strcmp(entries[i].subject, resolved->subject) != 0)
			err = silence_compare(d, one, &facts, more);
		facts_finish(&facts);
	}
	entry_rows_free(entries, len);
	if (err == OK)
		err = alerts_held(d->store, one->id, 2, &held, &held_len);
	for (size_t i = 0; i < held_len; i++)
		if (strcmp(held[i].subject, resolved->subject) != 0)
			*more = true;
	alert_rows_free(held, held_len);
	return err;
}

/* ---- what is held back ---- */

static enum err end_by_resolved(
        const struct deliver *d, const struct silence_matchers *one, const struct alert *alert)
{
	struct silence_row row = {0};
	bool more = true;
	enum err err = OK;

	if (one->until_resolved)
		err = means_more(d, one, alert, &more);
	if (err != OK || more)
		return err;
	err = silences_by_id(d->store, one->id, &row);
	if (err == OK)
		err = silence_end(d, &row, "what it was for is resolved");
	silence_row_finish(&row);
	return err;
}

/* The first silence that holds an alert back now; 0 = none does. */
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

/* What holds an alert back. */
static enum err look_for_hold(
        const struct deliver *d, struct facts *facts, const char *room, struct silence_hold *hold)
{
	enum err err = silences_for(d, facts, &hold->silence);

	hold->quiet = NULL;
	return err == OK && !hold->silence ? quiet_for(d, facts, room, &hold->quiet) : err;
}

/* A resolved alert may end silences that lasted until then. */
static enum err end_all_by_resolved(
        const struct deliver *d, const struct alert *alert, struct facts *facts)
{
	const struct silence_matchers *list;
	size_t len = 0;
	enum err err = silences_compiled(d->store, &list, &len);

	for (size_t i = 0; i < len && err == OK; i++) {
		bool holds = false;

		if (list[i].start_ms <= d->now_ms && list[i].end_ms > d->now_ms)
			err = silence_compare(d, &list[i], facts, &holds);
		if (holds)
			err = end_by_resolved(d, &list[i], alert);
	}
	return err;
}

enum err silence_check(const struct deliver *d, const struct alert *alert, const char *room,
        const char *url, struct silence_hold *hold)
{
	struct facts facts;
	enum err err;

	*hold = (struct silence_hold){0};
	facts_of_alert(&facts, alert, url);
	if (alert->resolved)
		err = end_all_by_resolved(d, alert, &facts);
	else
		err = look_for_hold(d, &facts, room, hold);
	facts_finish(&facts);
	if (err == OK && hold->silence)
		err = silences_count(d->store, hold->silence);
	else if (err == OK && hold->quiet)
		err = quiets_count(d->store, hold->quiet->name, room);
	return err;
}

enum err silence_would_hold(
        const struct deliver *d, const struct alert *alert, const char *url, bool *yes)
{
	struct silence_hold hold;
	struct facts facts;
	enum err err;

	facts_of_alert(&facts, alert, url);
	err = look_for_hold(d, &facts, route_room(d->config, alert->app, alert->severity), &hold);
	facts_finish(&facts);
	*yes = hold.silence || hold.quiet;
	return err;
}

enum err silence_covers(const struct deliver *d, const struct entry_row *entry, bool *yes)
{
	struct silence_hold hold;
	struct facts facts;
	enum err err;

	facts_of_entry(&facts, entry);
	err = look_for_hold(d, &facts, route_room(d->config, entry->app, facts.severity), &hold);
	facts_finish(&facts);
	*yes = hold.silence || hold.quiet;
	return err;
}

/*
 * silence.c - see silence.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/matcher.h"
#include "bot/base/text.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "handlers/oncall/tell.h"
#include "storage/quiets.h"

#define OPEN_MAX 500               /* firing entries that are compared */
#define OPEN_MS (7 * CLOCK_DAY_MS) /* older ones are forgotten */
#define NAMED_MAX 3                /* of what is not resolved */

/* ---- values ---- */

void silence_values_of_alert(const struct alert_row *row, struct silence_values *out)
{
	*out = (struct silence_values){row->app, row->kind, row->run_id, row->severity,
	        json_loads(row->fields, 0, NULL), NULL};
}

void silence_values_of_entry(const struct entry_row *row, struct silence_values *out)
{
	json_t *runs = json_loads(row->run_ids, 0, NULL);

	/* its newest run */
	*out = (struct silence_values){row->app, row->kind,
	        json_string_value(json_array_get(runs, json_array_size(runs) - 1)), row->severity,
	        json_loads(row->fields, 0, NULL), runs};
}

void silence_values_finish(struct silence_values *values)
{
	json_decref(values->fields);
	json_decref(values->runs);
}

char *silence_value(const char *name, const void *arg)
{
	const struct silence_values *values = arg;
	const json_t *field;

	if (strcmp(name, "app") == 0)
		return x_strdup(values->app);
	if (strcmp(name, "kind") == 0)
		return x_strdup(values->kind);
	if (strcmp(name, "severity") == 0)
		return x_strdup(severity_name((enum severity)values->severity));
	if (strcmp(name, "run_id") == 0)
		return x_strdup_opt(values->run_id);
	field = json_object_get(values->fields, name);
	return field ? alert_scalar_text(field) : NULL;
}

static char *value_of_alert(const char *name, const void *arg)
{
	return alert_value(arg, name);
}

static bool covers(const struct silence_row *row, matcher_value_fn value, const void *arg)
{
	struct matchers *matchers;
	char why[160];
	bool match;

	if (matchers_parse(row->matchers, &matchers, why) != OK)
		return false; /* what was stored was understood once */
	match = matchers_match(matchers, value, arg);
	matchers_free(matchers);
	return match;
}

bool silence_holds(const struct silence_row *row, int64_t now_ms)
{
	return row->start_ms <= now_ms && row->end_ms > now_ms;
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
static enum err means_more(const struct deliver *d, const struct silence_row *row,
        const struct alert *resolved, bool *more)
{
	struct entry_row *entries = NULL;
	struct alert_row *held = NULL;
	size_t len = 0, held_len = 0;
	enum err err = entries_open(d->store, d->now_ms - OPEN_MS, OPEN_MAX, &entries, &len);

	*more = false;
	for (size_t i = 0; i < len; i++) {
		struct silence_values values;

		silence_values_of_entry(&entries[i], &values);
		if (strcmp(entries[i].subject, resolved->subject) != 0 &&
		        covers(row, silence_value, &values))
			*more = true;
		silence_values_finish(&values);
	}
	entry_rows_free(entries, len);
	if (err == OK)
		err = alerts_held(d->store, row->id, 2, &held, &held_len);
	for (size_t i = 0; i < held_len; i++)
		if (strcmp(held[i].subject, resolved->subject) != 0)
			*more = true;
	alert_rows_free(held, held_len);
	return err;
}

/* ---- what is held back ---- */

static enum err end_by_resolved(
        const struct deliver *d, struct silence_row *row, const struct alert *alert)
{
	bool more;
	enum err err;

	if (!row->until_resolved)
		return OK;
	err = means_more(d, row, alert, &more);
	return err == OK && !more ? silence_end(d, row, "what it was for is resolved") : err;
}

static enum err check_silences(
        const struct deliver *d, const struct alert *alert, struct silence_hold *hold)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(d->store, &rows, &len);

	for (size_t i = 0; i < len && err == OK && !hold->silence; i++) {
		if (!silence_holds(&rows[i], d->now_ms) || !covers(&rows[i], value_of_alert, alert))
			continue;
		if (alert->resolved) {
			err = end_by_resolved(d, &rows[i], alert);
		} else {
			hold->silence = rows[i].id;
			rows[i].held++;
			err = silences_update(d->store, &rows[i]);
		}
	}
	silence_rows_free(rows, len);
	return err;
}

enum err silence_check(const struct deliver *d, const struct alert *alert, const char *room,
        struct silence_hold *hold)
{
	enum err err;

	*hold = (struct silence_hold){0};
	err = check_silences(d, alert, hold);
	if (err != OK || hold->silence || alert->resolved)
		return err;
	hold->quiet = quiet_for(d->config, d->now_ms, alert->severity, value_of_alert, alert);
	return hold->quiet ? quiets_count(d->store, hold->quiet->name, room) : OK;
}

/* Whether something holds back what has these values. */
static enum err is_held(const struct deliver *d, enum severity severity, matcher_value_fn value,
        const void *arg, bool *yes)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(d->store, &rows, &len);

	*yes = quiet_for(d->config, d->now_ms, severity, value, arg);
	for (size_t i = 0; i < len && !*yes; i++)
		*yes = silence_holds(&rows[i], d->now_ms) && covers(&rows[i], value, arg);
	silence_rows_free(rows, len);
	return err;
}

enum err silence_would_hold(const struct deliver *d, const struct alert *alert, bool *yes)
{
	return is_held(d, alert->severity, value_of_alert, alert, yes);
}

enum err silence_covers(const struct deliver *d, const struct entry_row *entry, bool *yes)
{
	struct silence_values values;
	enum err err;

	silence_values_of_entry(entry, &values);
	err = is_held(d, (enum severity)entry->severity, silence_value, &values, yes);
	silence_values_finish(&values);
	return err;
}

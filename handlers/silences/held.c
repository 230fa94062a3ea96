/*
 * held.c - see held.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/facts.h"
#include "handlers/alerts/route.h"
#include "handlers/commands/report.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/messages.h"

#define RELEASE_MAX 200  /* in one call, and for each quiet time */
#define RECHECK_MAX 2000 /* of each quiet time, after a change of the config */
#define NAMES_MAX 3      /* failures listed, each on a line of its own */
#define FIRING_MAX 64    /* messages of one failure that are firing */

/* *in_room: the failure is firing in a message, from before it was held; *acked: it is
 * acknowledged there. */
static enum err held_is_firing(
        const struct deliver *d, const struct alert_row *row, bool *in_room, bool *acked)
{
	struct entry_row *entries = NULL;
	size_t len = 0;
	enum err err = entries_firing(d->store, row->subject, FIRING_MAX, &entries, &len);

	*acked = *in_room = false;
	for (size_t i = 0; i < len; i++) {
		if (strcmp(entries[i].fingerprint, row->fingerprint) != 0)
			continue;
		*in_room = true;
		*acked = *acked || entries[i].acked_ms;
	}
	entry_rows_free(entries, len);
	return err;
}

/* Another silence or quiet time holds the alert from now on. */
static enum err held_move(
        const struct deliver *d, struct alert_row *row, const struct silence_hold *hold)
{
	enum err err = silence_count(d, hold, row->room);

	silence_mark(row, hold);
	return err == OK ? alerts_update(d->store, row) : err;
}

/* Delivered are critical alerts that are not acknowledged, even if a message shows them, and
 * inhibited ones that no message shows. Other warnings were silenced on purpose. */
static enum err release_one(const struct deliver *d, struct alert_row *row)
{
	struct alert *alert = deliver_stored_alert(row);
	struct silence_hold hold = {0};
	bool acked = false, in_room = false, told;
	enum err err = silence_find(d, alert, row->room, row->url, &hold);

	if (err == OK && (hold.silence || hold.quiet)) {
		err = held_move(d, row, &hold);
		goto out;
	}
	row->held = 0;
	if (err == OK)
		err = held_is_firing(d, row, &in_room, &acked);
	told = row->cause == ALERT_INHIBITED ? !in_room
	                                     : row->severity == SEVERITY_CRITICAL && !acked;
	if (err == OK && told)
		err = deliver_release(d, alert, row);
	if (err == OK)
		err = alerts_update(d->store, row);
	if (err == OK && told && d->happened)
		json_array_append_new(
		        d->happened, report_taken(alert, row->id, alert_state_names[row->state]));
out:
	alert_destroy(alert);
	return err;
}

static int held_by_id(const void *a, const void *b)
{
	const struct alert_row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static enum err release_all(const struct deliver *d, struct alert_row *rows, size_t len)
{
	enum err err = OK;

	/* oldest first, as they came */
	if (len > 0)
		qsort(rows, len, sizeof(*rows), held_by_id);
	for (size_t i = 0; i < len && err == OK; i++)
		err = release_one(d, &rows[i]);
	alert_rows_free(rows, len);
	return err;
}

/* Releases the alerts of quiet times that have ended or were disabled because of an error. */
static enum err release_quiets(const struct deliver *d)
{
	struct alert_row *rows;
	size_t len;
	char *name;
	enum err err = OK;

	for (int i = 0; err == OK && alerts_held_quiets(d->store, i, &name) == OK; i++) {
		bool holds;

		err = quiet_still_holds(d, name, &holds);
		if (err == OK && !holds)
			err = alerts_held_quiet(d->store, name, RELEASE_MAX, &rows, &len);
		if (err == OK && !holds)
			err = release_all(d, rows, len);
		free(name);
	}
	return err;
}

/* *means: the quiet time is still meant to hold the alert. */
static enum err quiet_still_means(const struct deliver *d, const struct config_quiet *quiet,
        const struct alert_row *row, bool *means)
{
	const struct config_quiet *found;
	struct facts facts;
	enum err err;

	facts_of_row(&facts, row);
	err = quiet_for(d, &facts, row->room, &found);
	facts_finish(&facts);
	*means = found == quiet;
	return err;
}

/* Releases the critical alerts that a quiet time held and holds no longer since the config was
 * changed. The others are listed at its end. */
static enum err release_changed(const struct deliver *d)
{
	bool changed;
	enum err err = quiet_follow_config(d, &changed);

	for (size_t i = 0; changed && i < d->config->quiets_len && err == OK; i++) {
		const struct config_quiet *quiet = &d->config->quiets[i];
		struct alert_row *rows = NULL;
		size_t len = 0;

		err = alerts_held_quiet(d->store, quiet->name, RECHECK_MAX, &rows, &len);
		for (size_t k = len; k-- > 0 && err == OK;) { /* the oldest first */
			bool means = true;

			if (rows[k].severity == SEVERITY_CRITICAL)
				err = quiet_still_means(d, quiet, &rows[k], &means);
			if (err == OK && !means)
				err = release_one(d, &rows[k]);
		}
		alert_rows_free(rows, len);
	}
	return err;
}

enum err held_release(const struct deliver *d)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = release_changed(d);

	if (err == OK)
		err = alerts_held_over(d->store, RELEASE_MAX, &rows, &len);
	if (err == OK)
		err = release_all(d, rows, len);
	if (err == OK)
		err = alerts_held_inhibited(
		        d->store, d->config->delivery.inhibit, RELEASE_MAX, &rows, &len);
	if (err == OK)
		err = release_all(d, rows, len);
	return err == OK ? release_quiets(d) : err;
}

enum err held_resolve(const struct deliver *d, const char *subject, bool *was_held)
{
	struct alert_row *rows = NULL;
	struct alert *alert;
	size_t len = 0;
	enum err err = alerts_held_of(d->store, subject, 1, &rows, &len);

	*was_held = len > 0;
	if (*was_held) {
		alert = deliver_stored_alert(&rows[0]);
		err = silence_resolved(d, alert, rows[0].url, was_held);
		alert_destroy(alert);
	}
	alert_rows_free(rows, len);
	return err;
}

void held_say(const struct alert_row *rows, size_t len, const char *room, struct words *out)
{
	bool begun = false;

	for (size_t i = 0; i < len; i++) {
		if (room && (!rows[i].room || strcmp(rows[i].room, room) != 0))
			continue;
		if (!begun) {
			words_break(out);
			words_say(out, "Still firing:");
			words_list(out, NAMES_MAX, NULL);
			begun = true;
		}
		words_item(out);
		words_name(out, rows[i].app, WORDS_NAME_POINTS);
		words_say(out, " · ");
		words_what(out, rows[i].identity);
	}
	if (begun)
		words_list_end(out);
}

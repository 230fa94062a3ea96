/*
 * silence.c - see silence.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "handlers/matcher.h"
#include "handlers/silence.h"
#include "handlers/tell.h"

static char *value_of(const char *name, const void *arg)
{
	return alert_value(arg, name);
}

static bool covers(const struct silence_row *row, const struct alert *alert)
{
	struct matchers *matchers;
	char why[160];
	bool match;

	if (matchers_parse(row->matchers, &matchers, why) != OK)
		return false; /* what was stored was understood once */
	match = matchers_match(matchers, value_of, alert);
	matchers_free(matchers);
	return match;
}

enum err silence_end(const struct deliver *d, struct silence_row *row, const char *why)
{
	char *text;
	enum err err;

	row->ended_ms = d->now_ms;
	err = silences_update(d->store, row);
	if (err != OK || !row->room || !config_room(d->config, row->room))
		return err;
	text = x_asprintf("🔔 silence %" PRId64 " (%s) is over, %s: it held back %" PRId64
	                  " alert%s",
	        row->id, row->matchers, why, row->held, row->held == 1 ? "" : "s");
	err = tell_room(d, row->room, text, NULL);
	free(text);
	return err;
}

enum err silence_check(const struct deliver *d, const struct alert *alert, int64_t *id)
{
	struct silence_row *rows = NULL;
	size_t len = 0, i;
	enum err err = silences_active(d->store, &rows, &len);

	*id = 0;
	for (i = 0; i < len; i++) {
		struct silence_row *row = &rows[i];

		if (err == OK && *id == 0 && (row->end_ms == 0 || row->end_ms > d->now_ms) &&
		        covers(row, alert)) {
			if (!alert->resolved) {
				*id = row->id;
				row->held++;
				err = silences_update(d->store, row);
			} else if (row->end_ms == 0) {
				err = silence_end(d, row, "what it was for is resolved");
			}
		}
		silence_row_finish(row);
	}
	free(rows);
	return err;
}

enum err silence_end_due(const struct deliver *d)
{
	struct silence_row *rows = NULL;
	size_t len = 0, i;
	enum err err = silences_active(d->store, &rows, &len);

	for (i = 0; i < len; i++) {
		if (err == OK && rows[i].end_ms && rows[i].end_ms <= d->now_ms)
			err = silence_end(d, &rows[i], "its time is up");
		silence_row_finish(&rows[i]);
	}
	free(rows);
	return err;
}

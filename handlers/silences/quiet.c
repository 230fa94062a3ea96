/*
 * quiet.c - see quiet.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/silences/quiet.h"
#include "handlers/oncall/tell.h"
#include "storage/quiets.h"

#define DAYS_AHEAD 8 /* a weekday comes again within these */

/* When "HH:MM" is on the date of `day`, so many days later. */
static int64_t time_of(const struct zone_time *day, int later, const char *time)
{
	struct zone_time at;

	zone_civil(day->year, day->month, day->day + later, (time[0] - '0') * 10 + time[1] - '0',
	        (time[3] - '0') * 10 + time[4] - '0', &at);
	return zone_first_ms(&at);
}

bool quiet_holds(const struct config_quiet *quiet, int64_t now_ms, int64_t *until_ms)
{
	bool over_midnight = strcmp(quiet->to, quiet->from) < 0;
	struct zone_time today;

	zone_local(now_ms, &today);
	*until_ms = INT64_MAX;
	/* from yesterday on: it may have begun then */
	for (int later = -1; later <= DAYS_AHEAD; later++) {
		int64_t start_ms, end_ms;

		if (!(quiet->weekdays & 1u << (today.weekday + later + 7) % 7))
			continue;
		start_ms = time_of(&today, later, quiet->from);
		end_ms = time_of(&today, later + over_midnight, quiet->to);
		if (end_ms <= now_ms || end_ms <= start_ms)
			continue;
		*until_ms = start_ms <= now_ms ? end_ms : start_ms;
		return start_ms <= now_ms;
	}
	return false;
}

static bool covers(const struct config_quiet *quiet, matcher_value_fn value, const void *arg)
{
	struct matchers *matchers;
	char why[160];
	bool match;

	if (!quiet->what)
		return true;
	if (matchers_parse(quiet->what, &matchers, why) != OK)
		return false; /* the config was checked */
	match = matchers_match(matchers, value, arg);
	matchers_free(matchers);
	return match;
}

const struct config_quiet *quiet_for(const struct config *config, int64_t now_ms,
        enum severity severity, matcher_value_fn value, const void *arg)
{
	int64_t until_ms;

	for (size_t i = 0; i < config->quiets_len; i++) {
		const struct config_quiet *quiet = &config->quiets[i];

		if ((severity != SEVERITY_CRITICAL || quiet->critical) &&
		        quiet_holds(quiet, now_ms, &until_ms) && covers(quiet, value, arg))
			return quiet;
	}
	return NULL;
}

static bool still_holds(const struct deliver *d, const char *name)
{
	int64_t until_ms;

	for (size_t i = 0; i < d->config->quiets_len; i++)
		if (strcmp(d->config->quiets[i].name, name) == 0)
			return quiet_holds(&d->config->quiets[i], d->now_ms, &until_ms);
	return false;
}

static enum err end_one(const struct deliver *d, const struct quiet_row *row)
{
	char *text;
	enum err err = quiets_delete(d->store, row->id);

	if (err != OK || !config_room(d->config, row->room))
		return err;
	text = x_asprintf("🔔 The quiet time %s is over: it held back %" PRId64
	                  " alert%s here. %salerts lists them.",
	        row->name, row->held, row->held == 1 ? "" : "s", d->config->commands.prefix);
	err = tell_room(d, row->room, text, NULL, NULL);
	free(text);
	return err;
}

enum err quiet_end_due(const struct deliver *d)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(d->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		if (err == OK && !still_holds(d, rows[i].name))
			err = end_one(d, &rows[i]);
	quiet_rows_free(rows, len);
	return err;
}

void quiet_text(const struct config_quiet *quiet, int64_t now_ms, struct buf *out)
{
	int64_t until_ms;
	bool holds = quiet_holds(quiet, now_ms, &until_ms);
	char when[40];

	for (size_t i = 0; quiet->days[i]; i++)
		buf_printf(out, "%s%s", i ? "," : "", quiet->days[i]);
	buf_printf(out, " %s to %s", quiet->from, quiet->to);
	if (holds) {
		clock_format_short(until_ms, now_ms, when, sizeof(when));
		buf_printf(out, ", now until %s", when);
	}
	buf_printf(out, ": %s%s", quiet->what ? quiet->what : "everything",
	        quiet->critical ? "" : " that is not critical");
}

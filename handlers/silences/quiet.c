/*
 * quiet.c - see quiet.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/zone.h"
#include "handlers/oncall/tell.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/quiets.h"
#include "storage/state.h"

#define PLAN_MAX (1024 * 1024) /* bytes; more than any config has */
#define DAYS_AHEAD 8           /* every weekday recurs within these */

/* "HH:MM" on the day that is `later` days after `day`. */
static int64_t quiet_time_of(const struct zone_time *day, int later, const char *time)
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
	/* yesterday's may still be active */
	for (int later = -1; later <= DAYS_AHEAD; later++) {
		int64_t start_ms, end_ms;

		if (!(quiet->weekdays & 1u << (today.weekday + later + 7) % 7))
			continue;
		start_ms = quiet_time_of(&today, later, quiet->from);
		end_ms = quiet_time_of(&today, later + over_midnight, quiet->to);
		if (end_ms <= now_ms || end_ms <= start_ms)
			continue;
		*until_ms = start_ms <= now_ms ? end_ms : start_ms;
		return start_ms <= now_ms;
	}
	return false;
}

/* The next active quiet time that could hold alerts of this severity, from *index on; advances
 * *index. */
static const struct config_quiet *next_that_holds(
        const struct config *config, int64_t now_ms, enum severity severity, size_t *index)
{
	int64_t until_ms;

	while (*index < config->quiets_len) {
		const struct config_quiet *quiet = &config->quiets[(*index)++];

		if ((severity != SEVERITY_CRITICAL || quiet->critical) &&
		        quiet_holds(quiet, now_ms, &until_ms))
			return quiet;
	}
	return NULL;
}

/* Whether it was disabled since it began, because of an error. */
static bool is_given_up(const struct quiet_row *rows, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (rows[i].problem && strcmp(rows[i].name, name) == 0)
			return true;
	return false;
}

static enum err give_up(const struct deliver *d, const struct config_quiet *quiet, const char *room)
{
	log_error("quiet", "quiet time %s has no effect until its end: %s; simplify what = %s",
	        quiet->name, SILENCE_LIMIT, quiet->what);
	return quiets_set_problem(d->store, quiet->name, room, SILENCE_LIMIT);
}

enum err quiet_for(const struct deliver *d, struct facts *facts, const char *room,
        const struct config_quiet **found)
{
	const struct config_quiet *quiet;
	struct quiet_row *rows = NULL;
	size_t index = 0, len = 0;
	enum err err = OK;

	*found = NULL;
	if (!next_that_holds(d->config, d->now_ms, facts->severity, &index))
		return OK;
	index = 0;
	err = quiets_all(d->store, &rows, &len);
	while (err == OK && !*found &&
	        (quiet = next_that_holds(d->config, d->now_ms, facts->severity, &index))) {
		enum match match = MATCH_YES;

		if (is_given_up(rows, len, quiet->name))
			continue;
		if (quiet->matchers)
			match = matchers_match(quiet->matchers, facts_text, facts);
		if (match == MATCH_YES)
			*found = quiet;
		else if (match == MATCH_LIMIT)
			err = give_up(d, quiet, room);
	}
	quiet_rows_free(rows, len);
	return err;
}

static bool still_holds(const struct deliver *d, const char *name)
{
	int64_t until_ms;

	for (size_t i = 0; i < d->config->quiets_len; i++)
		if (strcmp(d->config->quiets[i].name, name) == 0)
			return quiet_holds(&d->config->quiets[i], d->now_ms, &until_ms);
	return false;
}

enum err quiet_still_holds(const struct deliver *d, const char *name, bool *holds)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(d->store, &rows, &len);

	*holds = still_holds(d, name) && !is_given_up(rows, len, name);
	quiet_rows_free(rows, len);
	return err;
}

enum err quiet_follow_config(const struct deliver *d, bool *changed)
{
	char *known = NULL;
	struct buf plan;
	enum err err = state_get(d->store, "quiet.plan", &known);

	if (err == ERR_NOT_FOUND)
		err = OK;
	buf_init(&plan, PLAN_MAX);
	for (size_t i = 0; i < d->config->quiets_len; i++)
		buf_printf(&plan, "%s %d %s\n", d->config->quiets[i].name,
		        d->config->quiets[i].critical,
		        d->config->quiets[i].what ? d->config->quiets[i].what : "");
	*changed = err == OK && strcmp(known ? known : "", buf_str(&plan)) != 0;
	if (*changed)
		err = state_set(d->store, "quiet.plan", buf_str(&plan));
	buf_finish(&plan);
	free(known);
	return err;
}

static enum err end_one(const struct deliver *d, const struct quiet_row *row)
{
	struct alert_row *held = NULL;
	struct words words;
	size_t len = 0;
	enum err err = quiets_delete(d->store, row->id);

	if (err != OK || !config_room(d->config, row->room))
		return err;
	err = alerts_held_quiet(d->store, row->name, HELD_MAX, &held, &len);
	words_init(&words);
	words_say(&words, "🔔 ");
	words_bold(&words, true);
	words_say(&words, "Quiet time %s is over", row->name);
	words_bold(&words, false);
	words_say(&words, " · %" PRId64 " silenced, ", row->held);
	words_command(&words, "%salerts", d->config->commands.prefix);
	words_say(&words, row->held == 1 ? " shows it" : " lists them");
	held_say(held, len, row->room, &words);
	if (err == OK)
		err = tell_words(d, row->room, "m.notice", &words);
	alert_rows_free(held, len);
	words_finish(&words);
	return err;
}

enum err quiet_end_due(const struct deliver *d)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(d->store, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		if (!still_holds(d, rows[i].name))
			err = end_one(d, &rows[i]);
	quiet_rows_free(rows, len);
	return err;
}

void quiet_text(const struct config_quiet *quiet, int64_t now_ms, struct words *out)
{
	int64_t until_ms;
	bool holds = quiet_holds(quiet, now_ms, &until_ms);

	for (size_t i = 0; quiet->days[i]; i++)
		words_say(out, "%s%s", i ? "," : "", quiet->days[i]);
	words_say(out, " %s–%s", quiet->from, quiet->to);
	if (holds) {
		words_say(out, ", now until ");
		words_when(out, until_ms, now_ms);
	}
	words_say(out, ": ");
	words_name(out, quiet->what ? quiet->what : "everything", WORDS_WHAT_POINTS);
	words_say(out, "%s", quiet->critical ? "" : ", except critical alerts");
}

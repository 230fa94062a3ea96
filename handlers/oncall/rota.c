/*
 * rota.c - see rota.h.
 */
#include <assert.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/oncall/rota.h"

#define DAY_S (CLOCK_DAY_MS / 1000)

/* Turns are counted in calendar days, since days may have 23 or 25 hours. */
static int64_t day_of(const struct zone_time *time)
{
	return time->shown_s / DAY_S - (time->shown_s % DAY_S < 0);
}

/* The day on which the first turn begins: `from`, or the next matching weekday. */
static int64_t first_day(const struct config_oncall *oncall)
{
	struct zone_time from;

	zone_civil(oncall->year, oncall->month, oncall->day, 0, 0, &from);
	return day_of(&from) + (oncall->weekly ? (oncall->weekday - from.weekday + 7) % 7 : 0);
}

/* When a turn begins; turns are counted from the first one. */
static int64_t turn_ms(const struct config_oncall *oncall, int64_t turn)
{
	int64_t days = first_day(oncall) + turn * (oncall->weekly ? 7 : 1);
	struct zone_time start;

	zone_civil(1970, 1, 1 + (int)days, oncall->hour, oncall->minute, &start);
	return zone_first_ms(&start);
}

/* The current turn; before the first one, the first one. */
static int64_t turn_at(const struct config_oncall *oncall, int64_t now_ms)
{
	struct zone_time today;
	int64_t turn;

	zone_local(now_ms, &today);
	turn = (day_of(&today) - first_day(oncall)) / (oncall->weekly ? 7 : 1) + 1;
	while (turn > 0 && turn_ms(oncall, turn) > now_ms)
		turn--;
	return turn > 0 ? turn : 0;
}

static size_t users_len(const struct config_oncall *oncall)
{
	size_t len = 0;

	while (oncall->users[len])
		len++;
	return len;
}

/* The override that applies at a moment, or NULL. */
static const struct oncall_override_row *override_at(const struct config_oncall *oncall,
        const struct oncall_override_row *overrides, size_t len, int64_t now_ms)
{
	for (size_t i = len; i-- > 0;)
		if (strcmp(overrides[i].name, oncall->name) == 0 &&
		        overrides[i].start_ms <= now_ms && overrides[i].end_ms > now_ms)
			return &overrides[i];
	return NULL;
}

static const char *user_at(const struct config_oncall *oncall,
        const struct oncall_override_row *overrides, size_t len, int64_t now_ms)
{
	const struct oncall_override_row *row = override_at(oncall, overrides, len, now_ms);
	int64_t turn = oncall->rotates ? turn_at(oncall, now_ms) : 0;
	size_t users = users_len(oncall);

	assert(users > 0); /* ensured by the validation of the config */
	return row ? row->user : oncall->users[(size_t)turn % users];
}

static int64_t rota_earlier(int64_t ms, int64_t after_ms, int64_t best_ms)
{
	return ms > after_ms && ms < best_ms ? ms : best_ms;
}

/* The next moment at which somebody else may be on call. */
static int64_t change_after(const struct config_oncall *oncall,
        const struct oncall_override_row *overrides, size_t len, int64_t ms)
{
	int64_t best_ms = INT64_MAX;

	if (oncall->rotates && users_len(oncall) > 1)
		best_ms = turn_ms(oncall, turn_at(oncall, ms) + 1);
	for (size_t i = 0; i < len; i++) {
		if (strcmp(overrides[i].name, oncall->name) != 0)
			continue;
		best_ms = rota_earlier(overrides[i].start_ms, ms, best_ms);
		best_ms = rota_earlier(overrides[i].end_ms, ms, best_ms);
	}
	return best_ms;
}

void rota_at(const struct config_oncall *oncall, const struct oncall_override_row *overrides,
        size_t len, int64_t now_ms, struct rota_turn *out)
{
	/* by then everybody has had a turn and all overrides have ended */
	size_t most = users_len(oncall) + 2 * len + 1;
	const struct oncall_override_row *row = override_at(oncall, overrides, len, now_ms);
	int64_t ms = now_ms;

	*out = (struct rota_turn){.user = user_at(oncall, overrides, len, now_ms),
	        .author = row ? row->author : NULL,
	        .until_ms = INT64_MAX};
	for (size_t i = 0; i < most && !out->next; i++) {
		const char *user;

		ms = change_after(oncall, overrides, len, ms);
		if (ms == INT64_MAX)
			return;
		user = user_at(oncall, overrides, len, ms);
		if (strcmp(user, out->user) != 0) {
			out->until_ms = ms;
			out->next = user;
		}
	}
}

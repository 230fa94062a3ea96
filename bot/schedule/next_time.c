/*
 * next_time.c - see next_time.h.
 */
#include "bot/schedule/next_time.h"

#include "handlers/heartbeats/heartbeat.h"
#include "handlers/oncall/oncall.h"
#include "handlers/silences/quiet.h"
#include "storage/silences.h"

struct next_time {
	int64_t now_ms, until_ms, best_ms;
};

static void next_time_add(struct next_time *next, int64_t ms)
{
	if (ms > next->now_ms && ms <= next->until_ms && ms < next->best_ms)
		next->best_ms = ms;
}

static enum err add_silences(const struct deliver *d, struct next_time *next)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_due(d->store, next->until_ms, &rows, &len);

	for (size_t i = 0; i < len; i++)
		next_time_add(next, rows[i].end_ms);
	silence_rows_free(rows, len);
	return err;
}

static enum err add_turns(const struct deliver *d, struct next_time *next)
{
	enum err err = OK;

	for (size_t i = 0; i < d->config->oncalls_len && err == OK; i++) {
		struct oncall_turn turn = {0};

		err = oncall_turn(d, &d->config->oncalls[i], &turn);
		if (err == OK)
			next_time_add(next, turn.until_ms);
		oncall_turn_finish(&turn);
	}
	return err;
}

enum err next_time(const struct deliver *d, int64_t until_ms, int64_t *next_ms)
{
	struct next_time next = {d->now_ms, until_ms, INT64_MAX};
	int64_t end_ms;
	enum err err;

	next_time_add(&next, heartbeat_next_ms(d->config, d->now_ms));
	for (size_t i = 0; i < d->config->quiets_len; i++)
		if (quiet_holds(&d->config->quiets[i], d->now_ms, &end_ms))
			next_time_add(&next, end_ms);
	err = add_silences(d, &next);
	if (err == OK)
		err = add_turns(d, &next);
	*next_ms = next.best_ms;
	return err;
}

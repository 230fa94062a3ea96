/*
 * status.c - see status.h.
 */
#include "handlers/commands/status.h"

#include <stdlib.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/heartbeats/heartbeat.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/calls.h"
#include "storage/heartbeats.h"
#include "storage/quiets.h"

#define UNDELIVERABLE_MAX 3
#define OPEN_MAX 200
#define OPEN_MS (7 * CLOCK_DAY_MS) /* older alerts are not counted as open */

static enum err load_silences(struct store *store, struct report_status *status)
{
	struct silence_row *rows = NULL;
	size_t len = 0;
	enum err err = silences_active(store, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		if (silence_holds(&rows[i], status->now_ms))
			status->silences++;
		else if (rows[i].start_ms > status->now_ms)
			status->silences_later++;
		status->silences_failed += rows[i].problem != NULL;
	}
	silence_rows_free(rows, len);
	return err;
}

/* Counts quiet times that were disabled since they began. */
static enum err load_quiets_failed(struct store *store, struct report_status *status)
{
	struct quiet_row *rows = NULL;
	size_t len = 0;
	enum err err = quiets_all(store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		status->silences_failed += rows[i].problem != NULL;
	quiet_rows_free(rows, len);
	return err;
}

static enum err load_rooms_waiting(struct store *store, struct report_status *status)
{
	enum err err = OK;

	status->rooms_waiting = x_calloc(status->rooms_len + 1, sizeof(*status->rooms_waiting));
	for (size_t i = 0; i < status->rooms_len && err == OK; i++)
		err = outbox_waiting_in(store, status->rooms[i].name, &status->rooms_waiting[i]);
	return err;
}

/* Finds the first active quiet time. */
static void load_quiet(const struct config *config, struct report_status *status)
{
	for (size_t i = 0; i < config->quiets_len && !status->quiet; i++)
		if (quiet_holds(&config->quiets[i], status->now_ms, &status->quiet_until_ms))
			status->quiet = config->quiets[i].name;
}

enum err status_load(struct store *store, const struct config *config, struct report_status *status)
{
	int64_t since_ms = status->now_ms - CLOCK_DAY_MS;
	enum err err =
	        outbox_counts(store, &status->waiting, &status->undeliverable, &status->oldest_ms);

	if (err == OK)
		err = load_rooms_waiting(store, status);
	if (err == OK)
		err = alerts_count_since(store, since_ms, status->counts);
	if (err == OK)
		err = calls_latency_p95(store, since_ms, &status->p95_ms);
	if (err == OK)
		err = outbox_undeliverable(store, UNDELIVERABLE_MAX, &status->undeliverable_rows,
		        &status->undeliverable_len);
	if (err == OK)
		err = entries_unacked(store, status->now_ms - OPEN_MS, OPEN_MAX, &status->open_rows,
		        &status->open_len);
	if (err == OK)
		err = load_silences(store, status);
	if (err == OK)
		err = load_quiets_failed(store, status);
	if (err == OK)
		err = alerts_count_inhibited(store, since_ms, &status->muted);
	if (err == OK)
		err = app_heartbeats_count(store, &status->beats);
	if (err == OK)
		err = app_heartbeats_count_missed(store, &status->beats_missed);
	if (err == OK)
		err = mended_since(store, since_ms, MENDED_APPS_MAX, &status->mended_rows,
		        &status->mended_len);
	if (err == OK)
		err = heartbeat_last_text(store, status->now_ms, &status->heartbeat);
	load_quiet(config, status);
	status->damage = store_damage(store);
	status->unwritten = store_unwritten(store);
	return err;
}

void status_unload(struct report_status *status)
{
	free(status->rooms_waiting);
	status->rooms_waiting = NULL;
	free(status->heartbeat);
	status->heartbeat = NULL;
	outbox_rows_free(status->undeliverable_rows, status->undeliverable_len);
	entry_rows_free(status->open_rows, status->open_len);
	mended_rows_free(status->mended_rows, status->mended_len);
	status->mended_rows = NULL;
	status->mended_len = 0;
	status->undeliverable_rows = NULL;
	status->open_rows = NULL;
	status->undeliverable_len = status->open_len = 0;
}

/*
 * heartbeat.h - the bot's own sign of life: one for each date, and the alarm when it is missing.
 * Inside writer jobs; looked at every few seconds.
 *
 * The rules:
 * - At the time of [heartbeat] at, by the wall clock and the zone, it goes into the queue, with
 *   its date in the same transaction: each date has one, however often the process dies or the
 *   clock is set back. Over a minute after its time it is late, and says so.
 * - It is confirmed when the homeserver has taken the event.
 * - Missing: not confirmed at its time + grace (of at least HEARTBEAT_GRACE_MIN_MS), or the daemon
 *   was down at its time and for long enough to make it late. Then the alarm is raised, once for
 *   each date. When the daemon was down over several dates, the newest one's heartbeat and alarm
 *   stand for all of them.
 * - What was due before the database was new, or before at or timezone were changed, is not
 *   expected.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"
#include "storage/heartbeats.h"

#define HEARTBEAT_GRACE_MIN_MS 10000
#define HEARTBEAT_LATE_MS 60000
/* Longer between two looks: the machine was suspended, or its clock was changed. */
#define HEARTBEAT_GAP_MS 120000

/* A time in which nothing was looked at. */
struct heartbeat_gap {
	int64_t from_ms, to_ms; /* to_ms 0 = there was none */
	bool stopped;           /* the daemon was not running; else it, or the clock, leapt */
};

/* What the process remembers from look to look; zeroed at its start. */
struct heartbeat_memory {
	int64_t looked_ms; /* 0 = never */
	int64_t marked_ms; /* when "alive_ms" was stored last */
	struct heartbeat_gap gap;
	int64_t told_id, pinged_id; /* heartbeats whose channels were called since the last look */
};

/* What is to be done outside of the database. */
struct heartbeat_result {
	struct heartbeat_memory memory; /* as it is after the look, once that is committed */
	bool leapt; /* nothing could be seen for a while until this look, or the clock was set
	               back */
	char *tell; /* for [meta] but its room; owned, or NULL */
	bool ping;
	json_t *happened; /* array: what subscribers are told is added; borrowed */
};

/* Looks at everything once. status: what the loop knows. */
enum err heartbeat_look(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_result *result);
void heartbeat_result_finish(struct heartbeat_result *result);

/* One more than is due, for whoever asked. */
enum err heartbeat_extra(const struct deliver *d, const struct report_status *status);

/* "2026-11-24, confirmed 09:00 CET" of the newest; *text is owned by the caller, NULL when there
 * was none yet. */
enum err heartbeat_last_text(struct store *store, int64_t now_ms, char **text);
/* When the next one is due. */
int64_t heartbeat_next_ms(const struct config *config, int64_t now_ms);

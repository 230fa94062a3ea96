/*
 * heartbeat.h - the bot's own heartbeat: one for each date, and the alarm when it is missing.
 * Inside writer jobs; called every few seconds.
 *
 * The rules:
 * - At the time of [heartbeat] at (wall clock, in the zone) the heartbeat is queued, and its date
 * is stored in the same transaction: one for each date, however often the process ends or the clock
 * is set back. If it is over a minute late, it says so.
 * - It is confirmed when the homeserver has accepted the event.
 * - It is missing if it is not confirmed at its time + grace (at least HEARTBEAT_GRACE_MIN_MS), or
 * if the daemon was down at its time and for long enough to make it late. Then the alarm is raised,
 * once for each date. If the daemon was down over several dates, only the newest one has a
 * heartbeat and an alarm.
 * - Heartbeats that were due before the database was created, or before at or timezone were
 * changed, are not expected.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"
#include "storage/heartbeats.h"

#define HEARTBEAT_GRACE_MIN_MS 10000
#define HEARTBEAT_LATE_MS 60000
/* After a longer pause between two calls, the machine was suspended or its clock was changed. */
#define HEARTBEAT_GAP_MS 120000

/* A time in which nothing was checked. */
struct heartbeat_gap {
	int64_t from_ms, to_ms; /* to_ms 0 = there was none */
	bool stopped; /* the daemon was not running; false: it was suspended, the clock jumped, or
	                 the database was not writable */
};

/* What the process remembers between calls; zeroed at its start. */
struct heartbeat_memory {
	int64_t looked_ms; /* 0 = never */
	int64_t marked_ms; /* when "alive_ms" was last stored */
	struct heartbeat_gap gap;
	int64_t told_id, pinged_id; /* heartbeats whose channels were called since the last call */
};

/* What must be done outside of the database. */
struct heartbeat_result {
	struct heartbeat_memory memory; /* for the next call, after this one is committed */
	bool leapt; /* nothing could be received for a while before this call, or the clock was set
	               back */
	char *tell; /* text for the channels of [meta] except its room; owned, or NULL */
	bool ping;
	json_t *happened; /* array of events for subscribers, added to; borrowed */
};

/* Checks everything once; of the heartbeats it reads the newest and those that are open. status:
 * what the event loop knows. */
enum err heartbeat_look(const struct deliver *d, const struct report_status *status,
        const struct heartbeat_memory *memory, struct heartbeat_result *result);
void heartbeat_result_finish(struct heartbeat_result *result);

/* Queues an additional heartbeat on request. */
enum err heartbeat_extra(const struct deliver *d, const struct report_status *status);

/* "2026-11-24, confirmed 09:00 CET" for the newest one; *text is owned by the caller, NULL when
 * there was none yet. */
enum err heartbeat_last_text(struct store *store, int64_t now_ms, char **text);
/* When the next one is due. */
int64_t heartbeat_next_ms(const struct config *config, int64_t now_ms);

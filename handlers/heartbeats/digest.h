/*
 * digest.h - the last 24 hours in numbers, the content of a heartbeat: for people and as JSON.
 * Older alerts cost nothing.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"
#include "handlers/message/words.h"
#include "handlers/oncall/oncall.h"
#include "storage/alerts.h"

#define DIGEST_HOURS 24
#define DIGEST_APPS_MAX 8
#define DIGEST_NAMES_MAX 5 /* names of unacknowledged alerts, and of missed heartbeats */

struct digest {
	int64_t uptime_ms;
	const char *version;
	unsigned spool_bad;          /* files that were not accepted */
	int64_t counts[3];           /* alerts by severity */
	int64_t hours[DIGEST_HOURS]; /* the oldest first */
	struct alert_count apps[DIGEST_APPS_MAX];
	size_t apps_len;
	int64_t apps_total;
	int64_t unacked, silences, waiting, undeliverable, p95_ms, faults, missed;
	const char *own_user;
	struct oncall_turn *oncalls; /* one for each schedule */
	size_t oncalls_len;
	char *unacked_names[DIGEST_NAMES_MAX], *missed_names[DIGEST_NAMES_MAX]; /* NULL: no more */
	char *unacked_runs[DIGEST_NAMES_MAX]; /* newest run id of each, or NULL */
};

/* Inside a writer job. Call digest_finish() whatever the result. */
enum err digest_collect(
        const struct deliver *d, const struct report_status *status, struct digest *out);
void digest_finish(struct digest *digest);

/* Short lines for a phone. at_ms: the time at which the heartbeat was due. */
void digest_say(const struct digest *digest, int64_t at_ms, struct words *out);
/* A new object. */
json_t *digest_json(const struct digest *digest);

/* One bar for each number, "▁" for none; the highest is "█". */
void digest_sparkline(const int64_t *numbers, size_t len, struct buf *out);

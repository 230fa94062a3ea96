/*
 * digest.h - the last day in numbers, as a heartbeat tells it: for people and as data.
 */
#pragma once

#include "handlers/alerts/deliver.h"
#include "handlers/commands/report.h"
#include "handlers/message/words.h"
#include "handlers/oncall/oncall.h"
#include "storage/alerts.h"

#define DIGEST_HOURS 24
#define DIGEST_APPS_MAX 8
#define DIGEST_NAMES_MAX 5 /* of what nobody acked, and of missed heartbeats */

struct digest {
	int64_t uptime_ms;
	const char *version;
	unsigned spool_bad;          /* files that were no alerts */
	int64_t counts[3];           /* alerts by severity */
	int64_t hours[DIGEST_HOURS]; /* the oldest first */
	struct alert_count apps[DIGEST_APPS_MAX];
	size_t apps_len;
	int64_t unacked, silences, waiting, undeliverable, p95_ms, faults, missed;
	const char *own_user;
	struct oncall_turn *oncalls; /* of each schedule */
	size_t oncalls_len;
	char *unacked_names[DIGEST_NAMES_MAX], *missed_names[DIGEST_NAMES_MAX]; /* NULL: no more */
	char *unacked_runs[DIGEST_NAMES_MAX]; /* the newest of each, or NULL */
};

/* Inside a writer job. digest_finish() follows on any result. */
enum err digest_collect(
        const struct deliver *d, const struct report_status *status, struct digest *out);
void digest_finish(struct digest *digest);

/* Short lines for a phone. at_ms: the time that it stands for. */
void digest_say(const struct digest *digest, int64_t at_ms, struct words *out);
/* A new object. */
json_t *digest_json(const struct digest *digest);

/* One bar for each number, "▁" for none; the highest is "█". */
void digest_sparkline(const int64_t *numbers, size_t len, struct buf *out);

/*
 * health.c - see health.h. One function for each kind of problem, in the order of the list.
 */
#include "handlers/commands/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/commands/report_readers.h"

#define TEXT_POINTS 250
#define QUEUE_OLD_MS CLOCK_MINUTE_MS /* waiting longer than retries explain */
#define SYNC_OLD_MS (5 * CLOCK_MINUTE_MS)

struct health {
	const struct report_status *status;
	const char *prefix;
	json_t *list;
};

static void __attribute__((format(printf, 4, 5)))
health_add(struct health *health, const char *cause, const char *fix, const char *format, ...)
{
	struct buf neutral;
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	buf_init(&neutral, 4096);
	text_add_plain(&neutral, text, TEXT_POINTS, TEXT_FOLD_NEWLINES);
	json_array_append_new(health->list, json_pack("{s:s, s:s, s:s}", "cause", cause, "text",
	                                            buf_str(&neutral), "fix", fix));
	buf_finish(&neutral);
	free(text);
}

static bool health_is_said(const char *text)
{
	return text && text[0];
}

static void health_of_link(struct health *health)
{
	const struct report_status *status = health->status;
	char age[32];

	if (health_is_said(status->problem)) {
		health_add(health, "homeserver",
		        "run `matrix-telemetry-bot check` on the host; waiting alerts are kept",
		        "homeserver: %s", status->problem);
	} else if (status->last_sync_ms && status->now_ms - status->last_sync_ms > SYNC_OLD_MS) {
		clock_format_duration(status->now_ms - status->last_sync_ms, age, sizeof(age));
		health_add(health, "homeserver", "check whether the homeserver is overloaded",
		        "the last sync was %s ago: commands are not received", age);
	}
	if (health_is_said(status->held))
		health_add(health, "account",
		        "an admin of the homeserver ends that; alerts wait and then arrive by "
		        "themselves",
		        "the homeserver accepts nothing from this account for now: %s",
		        status->held);
	if (health_is_said(status->limit))
		health_add(health, "rate_limit",
		        "an admin of the homeserver lifts the limit for this account "
		        "(override_ratelimit)",
		        "rate limit: %s", status->limit);
}

/* Reports a room that accepts no events, with the number of those that wait for it. */
static void health_of_closed_room(
        struct health *health, const struct report_room *room, const struct outbox_waiting *waiting)
{
	static const char fix[] =
	        "invite the bot or correct [rooms]; `matrix-telemetry-bot check` says more";
	char with_discard[192];

	if (!waiting || waiting->count == 0) {
		health_add(health, "room", fix, "room %s: %s", room->name, room->problem);
		return;
	}
	snprintf(with_discard, sizeof(with_discard), "%s; %sdiscard %" PRId64 " gives up the first",
	        fix, health->prefix, waiting->first_id);
	health_add(health, "room", with_discard, "room %s: %s; %" PRId64 " waiting for it",
	        room->name, room->problem, waiting->count);
}

static void health_of_room(
        struct health *health, const struct report_room *room, const struct outbox_waiting *waiting)
{
	struct buf text;

	if (health_is_said(room->problem)) {
		health_of_closed_room(health, room, waiting);
	} else if (room->denied) {
		health_add(health, "room", "check the room's settings: it was encrypted before",
		        "room %s: refused: the homeserver says that it is not encrypted",
		        room->name);
	}
	if (!report_readers_nobody(room->readers))
		return;
	buf_init(&text, 4096);
	report_readers_room(room->readers, &text);
	health_add(health, "readers",
	        "each of them verifies their own session in their client (Settings, Sessions)",
	        "room %s: nobody can read it: %s", room->name, buf_str(&text));
	buf_finish(&text);
}

static void health_of_encryption(struct health *health)
{
	bool encrypted = false;

	for (size_t i = 0; i < health->status->rooms_len; i++)
		encrypted = encrypted || health->status->rooms[i].encrypted;
	if (encrypted && health_is_said(health->status->encryption_problem))
		health_add(health, "encryption", "run `matrix-telemetry-bot check` on the host",
		        "encryption: %s", health->status->encryption_problem);
}

static void health_of_queue(struct health *health)
{
	const struct report_status *status = health->status;
	int64_t age_ms = status->now_ms - status->oldest_ms;
	char age[32], fix[128];

	if (status->undeliverable) {
		snprintf(fix, sizeof(fix),
		        "`%sretry` sends them again, `%sdiscard NUMBER` discards one",
		        health->prefix, health->prefix);
		health_add(health, "undeliverable", fix, "%" PRId64 " undeliverable",
		        status->undeliverable);
	}
	/* Any problem already listed explains a waiting queue too. */
	if (json_array_size(health->list) > 0 || !status->waiting || !status->oldest_ms ||
	        age_ms < QUEUE_OLD_MS)
		return;
	clock_format_duration(age_ms, age, sizeof(age));
	health_add(health, "queue", "run `matrix-telemetry-bot check` on the host",
	        "%" PRId64 " waiting, the oldest for %s", status->waiting, age);
}

/* Inputs without effect: files of the spool, silences and quiet times. */
static void health_of_input(struct health *health)
{
	const struct report_status *status = health->status;
	char fix[128];

	if (status->spool_bad)
		health_add(health, "spool",
		        "look at the files *.bad in the spool: correct and rename them, or delete "
		        "them",
		        "spool: %u file%s rejected (*.bad): not an alert, not readable, or "
		        "refused by the database",
		        status->spool_bad, status->spool_bad == 1 ? "" : "s");
	if (status->silences_failed) {
		snprintf(fix, sizeof(fix), "`%ssilences` shows which and why", health->prefix);
		health_add(health, "silence", fix, "silences without effect: %zu",
		        status->silences_failed);
	}
}

static void health_of_database(struct health *health)
{
	if (health_is_said(health->status->damage))
		health_add(health, "database",
		        "stop the bot, and restore operations.db from a backup or let `sqlite3 "
		        "operations.db .recover` write a new one; what is damaged is left out "
		        "meanwhile",
		        "%s", health->status->damage);
}

static void health_of_watches(struct health *health)
{
	for (size_t i = 0; i < health->status->watches_len; i++) {
		const struct report_watch *watch = &health->status->watches[i];

		if (health_is_said(watch->problem))
			health_add(health, "watch",
			        "correct its query or its database in the config", "watch %s: %s",
			        watch->name, watch->problem);
	}
}

json_t *health_problems(const struct report_status *status, const char *prefix)
{
	struct health health = {status, prefix, json_array()};

	health_of_link(&health);
	for (size_t i = 0; i < status->rooms_len; i++)
		health_of_room(&health, &status->rooms[i],
		        status->rooms_waiting ? &status->rooms_waiting[i] : NULL);
	health_of_encryption(&health);
	health_of_queue(&health);
	health_of_input(&health);
	health_of_database(&health);
	health_of_watches(&health);
	return health.list;
}

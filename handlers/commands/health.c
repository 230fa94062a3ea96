/*
 * health.c - see health.h. One function for each kind of problem, in the order of the list.
 */
#include "handlers/commands/health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Adds a problem, and finishes text, which says what it is. */
static void health_add_words(
        struct health *health, const char *cause, const char *fix, struct words *text)
{
	char *body = words_body(text), *html = words_html(text);

	json_array_append_new(health->list, json_pack("{s:s, s:s, s:s, s:s}", "cause", cause,
	                                            "text", body, "html", html, "fix", fix));
	free(body);
	free(html);
	words_finish(text);
}

/* value: what others say about it, such as the homeserver; or NULL. */
static void __attribute__((format(printf, 5, 6))) health_add(struct health *health,
        const char *cause, const char *fix, const char *value, const char *format, ...)
{
	struct words text;
	va_list args;

	words_init(&text);
	va_start(args, format);
	words_vlines(&text, format, args);
	va_end(args);
	words_say(&text, "%s", value ? ": " : "");
	words_name(&text, value, TEXT_POINTS);
	health_add_words(health, cause, fix, &text);
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
		        status->problem, "homeserver");
	} else if (status->last_sync_ms && status->now_ms - status->last_sync_ms > SYNC_OLD_MS) {
		clock_format_duration(status->now_ms - status->last_sync_ms, age, sizeof(age));
		health_add(health, "homeserver", "check whether the homeserver is overloaded", NULL,
		        "the last sync was %s ago: commands are not received", age);
	}
	if (llabs(status->skew_ms) > HEALTH_SKEW_MS) {
		clock_format_duration(llabs(status->skew_ms), age, sizeof(age));
		health_add(health, "clock",
		        "set the clock of this machine, for example: `timedatectl set-ntp true`",
		        NULL, "clock: %s %s the homeserver's", age,
		        status->skew_ms > 0 ? "ahead of" : "behind");
	}
	if (health_is_said(status->held))
		health_add(health, "account",
		        "ask an admin of the homeserver; alerts wait in the queue and are sent "
		        "when it "
		        "ends",
		        status->held, "the homeserver accepts nothing from this account for now");
	if (health_is_said(status->limit))
		health_add(health, "rate_limit",
		        "an admin of the homeserver can lift the limit for this account "
		        "(override_ratelimit)",
		        status->limit, "rate limit");
}

/* Reports a room that accepts no events, with the number of those that wait for it. */
static void health_of_closed_room(
        struct health *health, const struct report_room *room, const struct outbox_waiting *waiting)
{
	static const char fix[] =
	        "invite the bot or correct [rooms]; see `matrix-telemetry-bot check`";
	char with_discard[192];

	if (!waiting || waiting->count == 0) {
		health_add(health, "room", fix, room->problem, "room %s", room->name);
		return;
	}
	snprintf(with_discard, sizeof(with_discard),
	        "%s; `%sdiscard %" PRId64 "` discards the first", fix, health->prefix,
	        waiting->first_id);
	health_add(health, "room", with_discard, room->problem, "room %s, %" PRId64 " waiting",
	        room->name, waiting->count);
}

static void health_of_room(
        struct health *health, const struct report_room *room, const struct outbox_waiting *waiting)
{
	struct words text;
	char fix[128];

	if (room->pending)
		return; /* a moment after the start */
	if (health_is_said(room->problem)) {
		health_of_closed_room(health, room, waiting);
	} else if (health_is_said(room->mute)) {
		snprintf(fix, sizeof(fix),
		        "give it that power level in the room's settings, then `%sretry`",
		        health->prefix);
		health_add(health, "room", fix, room->mute, "room %s", room->name);
	} else if (room->denied) {
		health_add(health, "room", "check the room's settings: it was encrypted before",
		        NULL, "room %s: refused: the homeserver says that it is not encrypted",
		        room->name);
	}
	if (!report_readers_nobody(room->readers))
		return;
	words_init(&text);
	words_say(&text, "room %s: nobody can read it: ", room->name);
	report_readers_room(room->readers, &text);
	health_add_words(health, "readers",
	        report_readers_alone(room->readers) ? "invite the operators"
	                                            : "ask them to verify their own session in "
	                                              "their client (Settings, Sessions)",
	        &text);
}

static void health_of_encryption(struct health *health)
{
	bool encrypted = false;

	for (size_t i = 0; i < health->status->rooms_len; i++)
		encrypted = encrypted || health->status->rooms[i].encrypted;
	if (encrypted && health_is_said(health->status->encryption_problem))
		health_add(health, "encryption", "run `matrix-telemetry-bot check` on the host",
		        health->status->encryption_problem, "encryption");
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
		health_add(health, "undeliverable", fix, NULL, "%" PRId64 " undeliverable",
		        status->undeliverable);
	}
	/* Any problem already listed explains a waiting queue too. */
	if (json_array_size(health->list) > 0 || !status->waiting || !status->oldest_ms ||
	        age_ms < QUEUE_OLD_MS)
		return;
	clock_format_duration(age_ms, age, sizeof(age));
	health_add(health, "queue", "run `matrix-telemetry-bot check` on the host",
	        health_is_said(status->retrying) ? status->retrying : NULL,
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
		        NULL,
		        "spool: %u file%s rejected (*.bad): not an alert, not readable, or "
		        "refused by the database",
		        status->spool_bad, status->spool_bad == 1 ? "" : "s");
	if (status->silences_failed) {
		snprintf(fix, sizeof(fix), "`%ssilences` shows which and why", health->prefix);
		health_add(health, "silence", fix, NULL, "silences without effect: %zu",
		        status->silences_failed);
	}
}

static void health_of_database(struct health *health)
{
	if (health_is_said(health->status->unwritten))
		health_add(health, "storage",
		        "make room on its disk, or see what the system says of the disk; alerts "
		        "are refused meanwhile, and apps spool them or try again",
		        health->status->unwritten, "the database cannot be written");
	if (health_is_said(health->status->damage))
		health_add(health, "database",
		        "stop the bot, and restore operations.db from a backup or let `sqlite3 "
		        "operations.db .recover` write a new one; what is damaged is left out "
		        "meanwhile",
		        health->status->damage, "database");
}

static void health_of_watches(struct health *health)
{
	for (size_t i = 0; i < health->status->watches_len; i++) {
		const struct report_watch *watch = &health->status->watches[i];

		if (health_is_said(watch->problem))
			health_add(health, "watch",
			        "correct its query or its database in the config", watch->problem,
			        "watch %s", watch->name);
	}
}

json_t *health_problems(const struct report_status *status, const char *prefix)
{
	struct health health = {status, prefix, json_array()};

	health_of_database(&health);
	health_of_link(&health);
	for (size_t i = 0; i < status->rooms_len; i++)
		health_of_room(&health, &status->rooms[i],
		        status->rooms_waiting ? &status->rooms_waiting[i] : NULL);
	health_of_encryption(&health);
	health_of_queue(&health);
	health_of_input(&health);
	health_of_watches(&health);
	return health.list;
}

/*
 * report_text.c - the texts of report.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/commands/health.h"
#include "handlers/commands/report.h"
#include "handlers/commands/report_readers.h"

#define PROBLEMS_MAX 5
#define NOTICES_MAX 3 /* errors of encryption that are shown */
#define APPS_MAX 4    /* apps with unacknowledged alerts that are shown */
#define JUST_NOW_MS CLOCK_MINUTE_MS

static bool report_text_is_said(const char *text)
{
	return text && text[0];
}

/* Separates the parts of a line: before every part but the first. */
static void report_text_separate(struct words *out, bool *first)
{
	words_lines(out, *first ? "" : " · ");
	*first = false;
}

static void say_rest(size_t count, struct words *out)
{
	words_lines(out, "+%zu more: ", count);
	words_marked(out, "`matrix-telemetry-bot status` on the host lists them");
	words_break(out);
}

/* Says what is wrong and what to do about it. Comes first, so that the worst problem is the
 * headline. */
static bool say_problems(const struct report_status *status, const char *prefix, struct words *out)
{
	json_t *problems = health_problems(status, prefix), *problem;
	size_t i, len = json_array_size(problems);

	json_array_foreach(problems, i, problem)
	{
		if (i == PROBLEMS_MAX && *prefix) { /* a terminal has room for all */
			say_rest(len - i, out);
			break;
		}
		words_lines(out, "⚠️ ");
		words_bold(out, true);
		words_raw(out, json_string_value(json_object_get(problem, "text")),
		        json_string_value(json_object_get(problem, "html")));
		words_bold(out, false);
		words_lines(out, "\n→ ");
		words_marked(out, json_string_value(json_object_get(problem, "fix")));
		words_break(out);
	}
	json_decref(problems);
	return len > 0;
}

static void report_text_say_headline(
        const struct report_status *status, const char *prefix, struct words *out)
{
	if (!say_problems(status, prefix, out))
		words_lines(out, "✅ ");
	words_bold(out, true);
	words_lines(out, "Running");
	words_bold(out, false);
	words_lines(out, " · up ");
	words_duration(out, status->now_ms - status->started_ms);
	if (status->open_len > 0) {
		words_lines(out, " · 🚨 ");
		words_bold(out, true);
		words_lines(out, "%zu unacknowledged", status->open_len);
		words_bold(out, false);
	}
}

/* The newest run of an entry, or what failed if it has none. */
static void say_run(const struct entry_row *entry, struct words *out)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));

	words_code(out, run ? run : entry->identity, 40);
	json_decref(runs);
}

/* "etl: r-83 r-82 r-81 +3", newest first. */
static void say_runs_of(const struct report_status *status, const char *app, struct words *out)
{
	size_t runs = 0;

	words_item(out);
	words_name(out, app, WORDS_NAME_POINTS);
	words_lines(out, ":");
	for (size_t i = status->open_len; i > 0; i--)
		if (strcmp(status->open_rows[i - 1].app, app) == 0 && ++runs <= WORDS_RUNS_MAX) {
			words_lines(out, " ");
			say_run(&status->open_rows[i - 1], out);
		}
	if (runs > WORDS_RUNS_MAX)
		words_lines(out, " +%zu", runs - WORDS_RUNS_MAX);
}

static void report_text_say_open(
        const struct report_status *status, const char *prefix, struct words *out)
{
	const struct entry_row *rows = status->open_rows;
	char all[64];

	if (status->open_len == 0) {
		words_break(out);
		return;
	}
	snprintf(all, sizeof(all), "%sunacked", prefix);
	words_list(out, APPS_MAX, all);
	for (size_t i = status->open_len, j; i > 0; i--) {
		for (j = status->open_len; j > i && strcmp(rows[j - 1].app, rows[i - 1].app) != 0;
		        j--)
			;
		if (j == i)
			say_runs_of(status, rows[i - 1].app, out);
	}
	words_list_end(out);
}

static void say_queue(const struct report_status *status, struct words *out)
{
	int64_t ago_ms = status->now_ms - status->last_sync_ms;

	if (status->waiting) {
		words_lines(out, "Queue: %" PRId64 " waiting", status->waiting);
		if (status->oldest_ms) {
			words_lines(out, ", oldest from ");
			words_duration(out, status->now_ms - status->oldest_ms);
			words_lines(out, " ago");
		}
	} else {
		words_lines(out, "Queue empty");
	}
	if (status->undeliverable)
		words_lines(out, " · %" PRId64 " undeliverable", status->undeliverable);
	words_lines(out, " · last sync ");
	if (!status->last_sync_ms) {
		words_lines(out, "not yet");
	} else if (ago_ms < JUST_NOW_MS) {
		words_lines(out, "now");
	} else {
		words_duration(out, ago_ms);
		words_lines(out, " ago");
	}
	if (status->p95_ms > 0) {
		words_lines(out, " · p95 ");
		words_duration(out, status->p95_ms);
	}
	words_break(out);
}

static void say_rooms(const struct report_status *status, struct words *out)
{
	bool first = true;

	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct report_room *room = &status->rooms[i];

		if (report_text_is_said(room->problem) || report_text_is_said(room->mute))
			continue; /* listed above, or not checked yet */
		report_text_separate(out, &first);
		words_name(out, room->name, WORDS_NAME_POINTS);
		words_lines(out, room->encrypted ? " 🔒" : "");
	}
	report_text_separate(out, &first);
	words_lines(out, "version %s\n", status->version);
}

/* Lists members of encrypted rooms who have no device that can read. */
static void say_readers(const struct report_status *status, struct words *out)
{
	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct report_room *room = &status->rooms[i];

		if (report_readers_nobody(room->readers) ||
		        json_array_size(json_object_get(room->readers, "held")) == 0)
			continue;
		words_lines(out, "room %s: ", room->name);
		report_readers_room(room->readers, out);
		words_break(out);
	}
}

static void report_text_say_silences(
        const struct report_status *status, const char *prefix, struct words *out)
{
	if (status->silences || status->silences_later) {
		words_lines(
		        out, "🔕 %zu silence%s", status->silences, status->silences == 1 ? "" : "s");
		if (status->silences_later)
			words_lines(out, ", %zu later", status->silences_later);
		words_lines(out, ": ");
		words_command(out, "%ssilences", prefix);
		words_break(out);
	}
	if (status->quiet) {
		words_lines(out, "🔕 Quiet time %s until ", status->quiet);
		words_when(out, status->quiet_until_ms, status->now_ms);
		words_break(out);
	}
	if (status->muted)
		words_lines(out, "🔕 %" PRId64 " inhibited in the last 24 h\n", status->muted);
}

static void say_heartbeats(const struct report_status *status, struct words *out)
{
	if (status->heartbeat)
		words_lines(out, "Last heartbeat: %s\n", status->heartbeat);
	if (status->beats) {
		words_lines(out, "App heartbeats: %" PRId64, status->beats);
		if (status->beats_missed)
			words_lines(out, ", %" PRId64 " missed", status->beats_missed);
		words_break(out);
	}
}

static void say_watches(const struct report_status *status, struct words *out)
{
	size_t firing = 0;

	for (size_t i = 0; i < status->watches_len; i++)
		firing += status->watches[i].firing;
	if (status->watches_len > 0)
		words_lines(out, "Watches: %zu", status->watches_len);
	if (firing > 0)
		words_lines(out, ", %zu firing", firing);
	if (status->watches_len > 0)
		words_break(out);
}

static void say_mended(const struct report_status *status, const char *prefix, struct words *out)
{
	for (size_t i = 0; i < status->mended_len; i++) {
		if (i == APPS_MAX && *prefix) { /* a terminal has room for all */
			say_rest(status->mended_len - i, out);
			break;
		}
		words_lines(out, "Corrected alerts: ");
		words_name(out, status->mended_rows[i].app, WORDS_NAME_POINTS);
		words_lines(out, " %" PRId64 " (", status->mended_rows[i].count);
		words_name(out, status->mended_rows[i].note, 160);
		words_lines(out, ")\n");
	}
}

/* Lists verifications in progress. */
static void say_verifications(const struct report_status *status, struct words *out)
{
	const json_t *verification;
	size_t i;

	json_array_foreach((json_t *)status->verifications, i, verification)
	{
		const char *state = json_string_value(json_object_get(verification, "state"));
		bool asks = strcmp(state, "requested") == 0;

		if (strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0)
			continue;
		words_lines(out, "Verification: ");
		words_name(out, json_string_value(json_object_get(verification, "user_id")), 255);
		words_lines(out, asks ? " requested it " : ": in progress for ");
		words_duration(out, status->now_ms - json_integer_value(json_object_get(
		                                             verification, "since_ms")));
		words_marked(
		        out, asks ? " ago: run `matrix-telemetry-bot verify` on the host" : "");
		words_break(out);
	}
}

static void say_encryption(const struct report_status *status, struct words *out)
{
	size_t len = json_array_size(status->notices);
	bool encrypted = false;

	for (size_t i = 0; i < status->rooms_len; i++)
		encrypted = encrypted || status->rooms[i].encrypted;
	if (encrypted && !report_text_is_said(status->encryption_problem) &&
	        report_text_is_said(status->fingerprint))
		words_lines(out, "Device: %s\n", status->identity);
	say_verifications(status, out);
	for (size_t i = len > NOTICES_MAX ? len - NOTICES_MAX : 0; i < len; i++) {
		words_lines(out, "Security: ");
		words_name(out, json_string_value(json_array_get(status->notices, i)), 250);
		words_break(out);
	}
}

static void say_undeliverable(const struct report_status *status, struct words *out)
{
	for (size_t i = 0; i < status->undeliverable_len; i++) {
		const struct outbox_row *row = &status->undeliverable_rows[i];

		words_lines(out, "Undeliverable %" PRId64 " (%s): ", row->id, row->room);
		words_name(out, row->error ? row->error : "no reason kept", 160);
		words_break(out);
	}
}

void report_status_text(const struct report_status *status, const char *prefix, struct words *out)
{
	report_text_say_headline(status, prefix, out);
	report_text_say_open(status, prefix, out);
	words_say(out, "Last 24 h: ");
	words_counts(out, status->counts);
	words_break(out);
	say_queue(status, out);
	say_rooms(status, out);
	say_undeliverable(status, out);
	say_readers(status, out);
	report_text_say_silences(status, prefix, out);
	say_heartbeats(status, out);
	say_watches(status, out);
	say_mended(status, prefix, out);
	say_encryption(status, out);
}

/* Says the state of an alert. entry: its entry in a message, or NULL. */
static void report_text_say_state(const struct config *config, const struct alert_row *row,
        const struct entry_row *entry, struct words *out)
{
	if (row->state == ALERT_SILENCED) {
		words_lines(out, "silenced: %s", row->reason);
	} else if (row->state == ALERT_IGNORED) {
		words_lines(out, "ignored: %s", row->reason);
	} else if (row->resolved || (entry && entry->resolved_ms)) {
		words_lines(out, "resolved");
	} else if (entry && entry->acked_ms) {
		words_lines(out, "acknowledged by ");
		words_user(out, entry->acked_by, config->matrix.user);
	} else {
		words_lines(out, "firing");
	}
}

static const char *report_text_emoji(
        const struct config *config, const struct alert_row *row, const struct entry_row *entry)
{
	if (row->state == ALERT_SILENCED)
		return "🔕";
	if (row->resolved)
		return "✅";
	return entry ? entry_emoji(config, entry) : config->severity[row->severity].emoji;
}

void report_alert_text(const struct config *config, const struct alert_row *row,
        const struct entry_row *entry, int64_t now_ms, struct words *out)
{
	words_lines(out, "%s ", report_text_emoji(config, row, entry));
	words_bold(out, true);
	words_name(out, row->app, WORDS_NAME_POINTS);
	words_lines(out, " · ");
	words_what(out, row->identity);
	words_bold(out, false);
	if (entry && entry->count > 1)
		words_lines(out, " ×%" PRId64, entry->count);
	words_lines(out, " · ");
	words_when(out, row->at_ms, now_ms);
	if (row->run_id)
		words_lines(out, " · ");
	words_code(out, row->run_id, 128);
	words_lines(out, " · ");
	report_text_say_state(config, row, entry, out);
}

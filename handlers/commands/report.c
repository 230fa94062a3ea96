/*
 * report.c - see report.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/config/config.h"
#include "handlers/commands/report.h"
#include "handlers/commands/health.h"
#include "handlers/commands/report_readers.h"

#define REPORT_NOTICES_MAX 3 /* of what encryption refused */
#define REPORT_APPS_MAX 4    /* with something that nobody has */
#define REPORT_RUNS_MAX 3    /* of each */
#define REPORT_PROBLEMS_MAX 5

static const char *const state_names[] = {"queued", "grouped", "silenced"};

static void report_ago(struct buf *out, int64_t ms, int64_t now_ms)
{
	char text[32];

	clock_format_duration(now_ms > ms ? now_ms - ms : 0, text, sizeof(text));
	buf_printf(out, "%s ago", text);
}

static bool report_has(const char *text)
{
	return text && text[0];
}

static void copy_watches(const struct report_status *from, struct report_status *to)
{
	struct report_watch *watches = x_calloc(from->watches_len + 1, sizeof(*watches));

	for (size_t i = 0; i < from->watches_len; i++) {
		watches[i] = from->watches[i];
		watches[i].name = x_strdup(from->watches[i].name);
		watches[i].problem = x_strdup(from->watches[i].problem);
	}
	to->watches = watches;
}

void report_status_take(struct report_status *from, struct report_status *to)
{
	struct report_room *rooms = x_calloc(from->rooms_len + 1, sizeof(*rooms));

	*to = *from;
	to->homeserver = x_strdup_opt(from->homeserver);
	to->problem = x_strdup_opt(from->problem);
	to->limit = x_strdup_opt(from->limit);
	to->held = x_strdup_opt(from->held);
	to->identity = x_strdup_opt(from->identity);
	to->encryption_problem = x_strdup_opt(from->encryption_problem);
	to->fingerprint = x_strdup_opt(from->fingerprint);
	to->notices = json_deep_copy(from->notices);
	to->verified = json_deep_copy(from->verified);
	to->verifications = json_deep_copy(from->verifications);
	to->heartbeat = NULL;
	to->undeliverable_rows = NULL;
	to->undeliverable_len = 0;
	to->open_rows = NULL;
	to->mended_rows = NULL;
	to->mended_len = 0;
	to->open_len = 0;
	for (size_t i = 0; i < from->rooms_len; i++) {
		rooms[i] = from->rooms[i];
		rooms[i].name = x_strdup(from->rooms[i].name);
		rooms[i].address = x_strdup_opt(from->rooms[i].address);
		rooms[i].room_id = x_strdup_opt(from->rooms[i].room_id);
		rooms[i].problem = x_strdup_opt(from->rooms[i].problem);
		rooms[i].readers = json_deep_copy(from->rooms[i].readers);
		rooms[i].members = json_deep_copy(from->rooms[i].members);
	}
	to->rooms = rooms;
	copy_watches(from, to);
	free((void *)from->rooms);
	free((void *)from->watches);
	from->rooms = NULL;
	from->watches = NULL;
	from->rooms_len = from->watches_len = 0;
}

void report_status_finish(struct report_status *copy)
{
	for (size_t i = 0; i < copy->rooms_len; i++) {
		free((char *)copy->rooms[i].name);
		free((char *)copy->rooms[i].address);
		free((char *)copy->rooms[i].room_id);
		free((char *)copy->rooms[i].problem);
		json_decref((json_t *)copy->rooms[i].readers);
		json_decref((json_t *)copy->rooms[i].members);
	}
	free((void *)copy->rooms);
	for (size_t i = 0; i < copy->watches_len; i++) {
		free((char *)copy->watches[i].name);
		free((char *)copy->watches[i].problem);
	}
	free((void *)copy->watches);
	free((char *)copy->homeserver);
	free((char *)copy->problem);
	free((char *)copy->limit);
	free((char *)copy->held);
	free((char *)copy->identity);
	free((char *)copy->encryption_problem);
	free((char *)copy->fingerprint);
	json_decref((json_t *)copy->notices);
	json_decref((json_t *)copy->verified);
	json_decref((json_t *)copy->verifications);
	*copy = (struct report_status){0};
}

static bool any_encrypted(const struct report_status *status)
{
	for (size_t i = 0; i < status->rooms_len; i++)
		if (status->rooms[i].encrypted)
			return true;
	return false;
}

/* Who asks to be verified, and how far it is. */
static void report_verifications(const struct report_status *status, struct buf *out)
{
	const json_t *verification;
	size_t i;

	json_array_foreach((json_t *)status->verifications, i, verification)
	{
		const char *state = json_string_value(json_object_get(verification, "state"));
		bool asks = strcmp(state, "requested") == 0;

		if (strcmp(state, "done") == 0 || strcmp(state, "cancelled") == 0)
			continue;
		buf_add_str(out, "verification: ");
		text_add_plain(out, json_string_value(json_object_get(verification, "user_id")),
		        255, TEXT_FOLD_NEWLINES);
		buf_add_str(out, asks ? " asks for it since " : " is under way since ");
		report_ago(out, json_integer_value(json_object_get(verification, "since_ms")),
		        status->now_ms);
		buf_add_str(out, asks ? ": run matrix-telemetry-bot verify on the host\n" : "\n");
	}
}

/* What stands in the way of encrypted rooms, and the newest refusals. */
static void report_encryption(const struct report_status *status, struct buf *out)
{
	size_t len = json_array_size(status->notices), i;

	if (any_encrypted(status) && !report_has(status->encryption_problem) &&
	        report_has(status->fingerprint))
		buf_printf(out, "device: %s\n", status->identity);
	report_verifications(status, out);
	for (i = len > REPORT_NOTICES_MAX ? len - REPORT_NOTICES_MAX : 0; i < len; i++) {
		buf_add_str(out, "security: ");
		text_add_plain(out, json_string_value(json_array_get(status->notices, i)), 250,
		        TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	}
}

static void report_watches(const struct report_status *status, struct buf *out)
{
	size_t firing = 0;

	for (size_t i = 0; i < status->watches_len; i++)
		firing += status->watches[i].firing;
	if (status->watches_len > 0)
		buf_printf(out, "watches: %zu, %zu firing\n", status->watches_len, firing);
}

static json_t *report_watches_json(const struct report_status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->watches_len; i++) {
		const struct report_watch *watch = &status->watches[i];

		json_array_append_new(
		        list, json_pack("{s:s, s:s, s:I, s:I}", "name", watch->name, "problem",
		                      watch->problem, "last_ms", (json_int_t)watch->last_ms,
		                      "firing", (json_int_t)watch->firing));
	}
	return list;
}

static void report_link(const struct report_status *status, struct buf *out)
{
	if (report_has(status->problem))
		return;
	buf_add_str(out, "last sync: ");
	if (status->last_sync_ms)
		report_ago(out, status->last_sync_ms, status->now_ms);
	else
		buf_add_str(out, "not yet");
	buf_add_char(out, '\n');
}

static void report_queue(const struct report_status *status, struct buf *out)
{
	if (status->waiting)
		buf_printf(out, "queue: %" PRId64 " waiting", status->waiting);
	else
		buf_add_str(out, "queue: empty");
	if (status->waiting && status->oldest_ms) {
		buf_add_str(out, ", oldest from ");
		report_ago(out, status->oldest_ms, status->now_ms);
	}
	if (status->undeliverable)
		buf_printf(out, ", %" PRId64 " undeliverable", status->undeliverable);
	buf_add_char(out, '\n');
}

/* What came in other than it should. */
static void report_intake(const struct report_status *status, struct buf *out)
{
	for (size_t i = 0; i < status->mended_len; i++) {
		buf_printf(out, "mended alerts: %s %" PRId64 " (", status->mended_rows[i].app,
		        status->mended_rows[i].count);
		text_add_plain(out, status->mended_rows[i].note, 160, TEXT_FOLD_NEWLINES);
		buf_add_str(out, ")\n");
	}
}

/* Those that are well in one line, then each that is not. */
static void report_rooms(const struct report_status *status, struct buf *out)
{
	size_t well = 0;

	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct report_room *room = &status->rooms[i];

		if (report_has(room->problem))
			continue;
		buf_printf(out, "%s%s%s", well++ ? ", " : "rooms: ", room->name,
		        room->encrypted ? " (encrypted)" : "");
	}
	if (well)
		buf_add_char(out, '\n');
	for (size_t i = 0; i < status->rooms_len; i++) {
		const struct report_room *room = &status->rooms[i];

		if (report_readers_nobody(room->readers) ||
		        json_array_size(json_object_get(room->readers, "held")) == 0)
			continue;
		buf_printf(out, "room %s: ", room->name);
		report_readers_room(room->readers, out);
		buf_add_char(out, '\n');
	}
}

/* The newest run of an entry, or what failed. */
static void report_run(const struct entry_row *entry, struct buf *out)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));

	text_add_plain(out, run ? run : entry->identity, 40, TEXT_FOLD_NEWLINES);
	json_decref(runs);
}

/* "etl: r-81, r-82 +3", an app a line. */
static void report_open(const struct report_status *status, struct buf *out)
{
	const struct entry_row *rows = status->open_rows;
	size_t apps = 0, j;

	if (status->open_len == 0)
		return;
	buf_printf(out, "🚨 nobody has: %zu\n", status->open_len);
	for (size_t i = 0; i < status->open_len; i++) {
		size_t runs = 0;

		for (j = 0; j < i && strcmp(rows[j].app, rows[i].app) != 0; j++)
			;
		if (j < i)
			continue;
		if (++apps > REPORT_APPS_MAX) {
			buf_add_str(out, "  …\n");
			return;
		}
		buf_add_str(out, "  ");
		text_add_plain(out, rows[i].app, 64, TEXT_FOLD_NEWLINES);
		for (j = i; j < status->open_len; j++) {
			if (strcmp(rows[j].app, rows[i].app) != 0 || ++runs > REPORT_RUNS_MAX)
				continue;
			buf_add_str(out, runs == 1 ? ": " : ", ");
			report_run(&rows[j], out);
		}
		if (runs > REPORT_RUNS_MAX)
			buf_printf(out, " +%zu", runs - REPORT_RUNS_MAX);
		buf_add_char(out, '\n');
	}
}

static void report_silences(const struct report_status *status, const char *prefix, struct buf *out)
{
	char when[40];

	if (status->silences || status->silences_later)
		buf_printf(out, "🔕 silences: %zu", status->silences);
	if (status->silences_later)
		buf_printf(out, ", %zu later", status->silences_later);
	if (status->silences || status->silences_later)
		buf_printf(out, " (%ssilences)\n", prefix);
	if (status->quiet) {
		clock_format_short(status->quiet_until_ms, status->now_ms, when, sizeof(when));
		buf_printf(out, "🔕 quiet time %s until %s\n", status->quiet, when);
	}
	if (status->muted)
		buf_printf(out, "🔕 muted by a critical of the same: %" PRId64 " in 24 h\n",
		        status->muted);
}

static void report_undeliverable(
        const struct report_status *status, const char *prefix, struct buf *out)
{
	for (size_t i = 0; i < status->undeliverable_len; i++) {
		const struct outbox_row *row = &status->undeliverable_rows[i];

		buf_printf(out, "undeliverable %" PRId64 " (%s): ", row->id, row->room);
		text_add_plain(
		        out, row->error ? row->error : "no reason kept", 160, TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	}
	if (status->undeliverable_len)
		buf_printf(out, "%sretry sends these again\n", prefix);
}

/* What is wrong and what to do about it, first of all; false when all is well. */
static bool report_problems(const struct report_status *status, const char *prefix, struct buf *out)
{
	json_t *problems = health_problems(status, prefix), *problem;
	size_t i, len = json_array_size(problems);

	json_array_foreach(problems, i, problem)
	{
		if (i >= REPORT_PROBLEMS_MAX)
			break;
		buf_printf(out, "⚠️ %s\n  → %s\n",
		        json_string_value(json_object_get(problem, "text")),
		        json_string_value(json_object_get(problem, "fix")));
	}
	json_decref(problems);
	return len > 0;
}

void report_status_text(const struct report_status *status, const char *prefix, struct buf *out)
{
	char text[32];

	clock_format_duration(status->now_ms - status->started_ms, text, sizeof(text));
	if (!report_problems(status, prefix, out))
		buf_add_str(out, "✅ ");
	buf_printf(out, "alive, up %s, version %s\n", text, status->version);
	report_link(status, out);
	report_queue(status, out);
	buf_printf(out, "24 h: %" PRId64 " critical, %" PRId64 " warning, %" PRId64 " info",
	        status->counts[SEVERITY_CRITICAL], status->counts[SEVERITY_WARNING],
	        status->counts[SEVERITY_INFO]);
	if (status->p95_ms >= 0)
		buf_printf(out, "; p95 %" PRId64 " ms", status->p95_ms);
	buf_add_char(out, '\n');
	if (status->heartbeat)
		buf_printf(out, "last heartbeat: %s\n", status->heartbeat);
	if (status->beats)
		buf_printf(out, "app heartbeats: %" PRId64 ", %" PRId64 " missed\n", status->beats,
		        status->beats_missed);
	report_intake(status, out);
	report_rooms(status, out);
	report_open(status, out);
	report_silences(status, prefix, out);
	report_watches(status, out);
	report_encryption(status, out);
	report_undeliverable(status, prefix, out);
}

static json_t *report_room_json(const struct report_room *room)
{
	return json_pack("{s:s, s:s, s:s?, s:b, s:s, s:b, s:O?}", "name", room->name, "address",
	        room->address, "room_id", room->room_id, "ready", !report_has(room->problem),
	        "problem", room->problem, "encrypted", room->encrypted, "readers", room->readers);
}

static json_t *report_mended_json(const struct report_status *status)
{
	json_t *apps = json_array();

	for (size_t i = 0; i < status->mended_len; i++)
		json_array_append_new(
		        apps, json_pack("{s:s, s:I, s:s}", "app", status->mended_rows[i].app,
		                      "alerts", (json_int_t)status->mended_rows[i].count, "newest",
		                      status->mended_rows[i].note));
	return apps;
}

json_t *report_status_json(const struct report_status *status)
{
	json_t *rooms = json_array(), *undeliverable = json_array(), *open = json_array(), *json;

	for (size_t i = 0; i < status->rooms_len; i++)
		json_array_append_new(rooms, report_room_json(&status->rooms[i]));
	for (size_t i = 0; i < status->undeliverable_len; i++)
		json_array_append_new(undeliverable,
		        json_pack("{s:I, s:s, s:s?, s:I}", "id",
		                (json_int_t)status->undeliverable_rows[i].id, "room",
		                status->undeliverable_rows[i].room, "error",
		                status->undeliverable_rows[i].error, "created_ms",
		                (json_int_t)status->undeliverable_rows[i].created_ms));
	for (size_t i = 0; i < status->open_len; i++)
		json_array_append_new(
		        open, json_pack("{s:s, s:s, s:o*}", "app", status->open_rows[i].app,
		                      "identity", status->open_rows[i].identity, "run_ids",
		                      json_loads(status->open_rows[i].run_ids, 0, NULL)));
	json = json_pack("{s:s, s:I, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i,"
	                 " s:{s:I, s:I, s:I}, s:I, s:s?, s:o, s:o,"
	                 " s:{s:s?, s:s?, s:s?, s:O?, s:O?, s:O?}}",
	        "version", status->version, "uptime_ms",
	        (json_int_t)(status->now_ms - status->started_ms), "homeserver",
	        status->homeserver ? status->homeserver : "", "online",
	        !report_has(status->problem), "problem", status->problem ? status->problem : "",
	        "last_sync_ms", (json_int_t)status->last_sync_ms, "waiting",
	        (json_int_t)status->waiting, "undeliverable", (json_int_t)status->undeliverable,
	        "oldest_ms", (json_int_t)status->oldest_ms, "sent", (json_int_t)status->sent,
	        "retried", (json_int_t)status->retried, "in_flight", (int)status->in_flight,
	        "clients", (int)status->clients, "alerts_24h", "critical",
	        (json_int_t)status->counts[SEVERITY_CRITICAL], "warning",
	        (json_int_t)status->counts[SEVERITY_WARNING], "info",
	        (json_int_t)status->counts[SEVERITY_INFO], "p95_ms", (json_int_t)status->p95_ms,
	        "last_heartbeat", status->heartbeat, "rooms", rooms, "undeliverable_messages",
	        undeliverable, "encryption", "identity", status->identity, "problem",
	        status->encryption_problem, "fingerprint", status->fingerprint, "notices",
	        status->notices, "verified", status->verified, "verifications",
	        status->verifications);
	json_object_set_new(json, "rate_limit",
	        report_has(status->limit) ? json_string(status->limit) : json_null());
	json_object_set_new(
	        json, "held", report_has(status->held) ? json_string(status->held) : json_null());
	json_object_set_new(json, "problems", health_problems(status, ""));
	json_object_set_new(json, "unacked", open);
	json_object_set_new(json, "watches", report_watches_json(status));
	json_object_set_new(json, "silences", json_integer((json_int_t)status->silences));
	json_object_set_new(
	        json, "silences_later", json_integer((json_int_t)status->silences_later));
	json_object_set_new(
	        json, "silences_failed", json_integer((json_int_t)status->silences_failed));
	json_object_set_new(json, "spool_bad", json_integer(status->spool_bad));
	json_object_set_new(json, "mended_24h", report_mended_json(status));
	json_object_set_new(json, "muted_24h", json_integer(status->muted));
	json_object_set_new(json, "app_heartbeats",
	        json_pack("{s:I, s:I}", "expected", (json_int_t)status->beats, "missed",
	                (json_int_t)status->beats_missed));
	json_object_set_new(
	        json, "quiet", status->quiet ? json_string(status->quiet) : json_null());
	return json;
}

json_t *report_taken(const struct alert *alert, int64_t id, const char *state)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:s?}", "event",
	        alert->resolved ? "resolved" : "alert", "alert", (json_int_t)id, "app", alert->app,
	        "kind", alert->kind, "severity", severity_name(alert->severity), "state", state,
	        "run_id", alert->run_id);
}

/* How an alert stands: "open", "acked by @op:example.org", "resolved", "held back: silence 2".
 * entry: what it became in a message, or NULL. */
static void report_state(
        const struct alert_row *row, const struct entry_row *entry, struct buf *out)
{
	if (row->state == ALERT_SILENCED) {
		buf_printf(out, "held back: %s", row->reason);
	} else if (row->resolved || (entry && entry->resolved_ms)) {
		buf_add_str(out, "resolved");
	} else if (entry && entry->acked_ms) {
		buf_add_str(out, "acked by ");
		text_add_plain(out, entry->acked_by, 128, TEXT_FOLD_NEWLINES);
	} else {
		buf_add_str(out, "open");
	}
}

void report_alert_text(
        const struct alert_row *row, const struct entry_row *entry, int64_t now_ms, struct buf *out)
{
	char when[40];

	clock_format_short(row->at_ms, now_ms, when, sizeof(when));
	text_add_plain(out, row->title, 200, TEXT_FOLD_NEWLINES);
	if (entry && entry->count > 1)
		buf_printf(out, " ×%" PRId64, entry->count);
	buf_printf(out, "\n  %s", when);
	if (row->run_id) {
		buf_add_str(out, " · ");
		text_add_plain(out, row->run_id, 128, TEXT_FOLD_NEWLINES);
	}
	buf_add_str(out, " · ");
	report_state(row, entry, out);
	buf_add_char(out, '\n');
}

json_t *report_alert_json(const struct alert_row *row, const struct entry_row *entry)
{
	json_t *json = json_pack(
	        "{s:I, s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:s?, s:s?, s:I, s:s?, s:s}", "alert",
	        (json_int_t)row->id, "app", row->app, "kind", row->kind, "severity",
	        severity_name((enum severity)row->severity), "status",
	        row->resolved ? "resolved" : "firing", "run_id", row->run_id, "identity",
	        row->identity, "title", row->title, "url", row->url, "room", row->room, "at_ms",
	        (json_int_t)row->at_ms, "reason", row->reason, "state", state_names[row->state]);

	if (entry)
		json_object_set_new(json, "message",
		        json_pack("{s:I, s:I, s:I, s:s?, s:s?}", "count", (json_int_t)entry->count,
		                "resolved_ms", (json_int_t)entry->resolved_ms, "acked_ms",
		                (json_int_t)entry->acked_ms, "acked_by", entry->acked_by, "note",
		                entry->ack_note));
	return json;
}

/*
 * report.c - see report.h.
 */
#include <inttypes.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/config/config.h"
#include "handlers/report.h"

#define REPORT_NOTICES_MAX 3 /* of what encryption refused */

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

void report_status_copy(const struct report_status *from, struct report_status *to)
{
	struct report_room *rooms = x_calloc(from->rooms_len + 1, sizeof(*rooms));
	size_t i;

	*to = *from;
	to->homeserver = x_strdup_opt(from->homeserver);
	to->problem = x_strdup_opt(from->problem);
	to->identity = x_strdup_opt(from->identity);
	to->encryption_problem = x_strdup_opt(from->encryption_problem);
	to->fingerprint = x_strdup_opt(from->fingerprint);
	to->notices = json_deep_copy(from->notices);
	to->aside_rows = NULL;
	to->aside_len = 0;
	for (i = 0; i < from->rooms_len; i++) {
		rooms[i] = from->rooms[i];
		rooms[i].name = x_strdup(from->rooms[i].name);
		rooms[i].address = x_strdup_opt(from->rooms[i].address);
		rooms[i].room_id = x_strdup_opt(from->rooms[i].room_id);
		rooms[i].problem = x_strdup_opt(from->rooms[i].problem);
	}
	to->rooms = rooms;
}

void report_status_finish(struct report_status *copy)
{
	size_t i;

	for (i = 0; i < copy->rooms_len; i++) {
		free((char *)copy->rooms[i].name);
		free((char *)copy->rooms[i].address);
		free((char *)copy->rooms[i].room_id);
		free((char *)copy->rooms[i].problem);
	}
	free((void *)copy->rooms);
	free((char *)copy->homeserver);
	free((char *)copy->problem);
	free((char *)copy->identity);
	free((char *)copy->encryption_problem);
	free((char *)copy->fingerprint);
	json_decref((json_t *)copy->notices);
	*copy = (struct report_status){0};
}

static bool any_encrypted(const struct report_status *status)
{
	for (size_t i = 0; i < status->rooms_len; i++)
		if (status->rooms[i].encrypted)
			return true;
	return false;
}

/* What stands in the way of encrypted rooms, and the newest refusals. */
static void report_encryption(const struct report_status *status, struct buf *out)
{
	size_t len = json_array_size(status->notices), i;

	if (any_encrypted(status) && report_has(status->encryption_problem)) {
		buf_add_str(out, "encryption: ");
		text_add_plain(out, status->encryption_problem, 250, TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	} else if (report_has(status->fingerprint)) {
		buf_printf(out, "device: %s\n", status->identity);
	}
	for (i = len > REPORT_NOTICES_MAX ? len - REPORT_NOTICES_MAX : 0; i < len; i++) {
		buf_add_str(out, "security: ");
		text_add_plain(out, json_string_value(json_array_get(status->notices, i)), 250,
		        TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	}
}

void report_status_text(const struct report_status *status, struct buf *out)
{
	char text[32];
	size_t i;

	clock_format_duration(status->now_ms - status->started_ms, text, sizeof(text));
	buf_printf(out, "%s alive, up %s, version %s\n",
	        report_has(status->problem) || status->aside ? "⚠️" : "✅", text,
	        status->version);
	if (report_has(status->problem)) {
		buf_add_str(out, "homeserver: ");
		text_add_plain(out, status->problem, 200, TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	} else if (status->last_sync_ms) {
		buf_add_str(out, "last sync: ");
		report_ago(out, status->last_sync_ms, status->now_ms);
		buf_add_char(out, '\n');
	} else {
		buf_add_str(out, "last sync: not yet\n");
	}
	buf_printf(out, "queue: %" PRId64 " waiting", status->waiting);
	if (status->waiting && status->oldest_ms) {
		buf_add_str(out, ", oldest from ");
		report_ago(out, status->oldest_ms, status->now_ms);
	}
	if (status->aside)
		buf_printf(out, ", %" PRId64 " set aside", status->aside);
	buf_printf(out, "\n24 h: %" PRId64 " critical, %" PRId64 " warning, %" PRId64 " info",
	        status->counts[SEVERITY_CRITICAL], status->counts[SEVERITY_WARNING],
	        status->counts[SEVERITY_INFO]);
	if (status->p95_ms >= 0)
		buf_printf(out, "; p95 to the room %" PRId64 " ms", status->p95_ms);
	buf_add_char(out, '\n');
	for (i = 0; i < status->rooms_len; i++) {
		const struct report_room *room = &status->rooms[i];

		buf_printf(out, "room %s: ", room->name);
		if (report_has(room->problem))
			text_add_plain(out, room->problem, 200, TEXT_FOLD_NEWLINES);
		else
			buf_printf(out, "ready%s%s", room->encrypted ? ", encrypted" : "",
			        room->denied ? " (refused: the homeserver says that it is not)"
			                     : "");
		buf_add_char(out, '\n');
	}
	report_encryption(status, out);
	for (i = 0; i < status->aside_len; i++) {
		const struct outbox_row *row = &status->aside_rows[i];

		buf_printf(out, "set aside %" PRId64 " (%s): ", row->id, row->room);
		text_add_plain(
		        out, row->error ? row->error : "no reason kept", 160, TEXT_FOLD_NEWLINES);
		buf_add_char(out, '\n');
	}
}

static json_t *report_room_json(const struct report_room *room)
{
	return json_pack("{s:s, s:s, s:s?, s:b, s:s, s:b}", "name", room->name, "address",
	        room->address, "room_id", room->room_id, "ready", !report_has(room->problem),
	        "problem", room->problem, "encrypted", room->encrypted);
}

json_t *report_status_json(const struct report_status *status)
{
	json_t *rooms = json_array(), *aside = json_array();
	size_t i;

	for (i = 0; i < status->rooms_len; i++)
		json_array_append_new(rooms, report_room_json(&status->rooms[i]));
	for (i = 0; i < status->aside_len; i++)
		json_array_append_new(aside,
		        json_pack("{s:I, s:s, s:s?, s:I}", "id",
		                (json_int_t)status->aside_rows[i].id, "room",
		                status->aside_rows[i].room, "error", status->aside_rows[i].error,
		                "created_ms", (json_int_t)status->aside_rows[i].created_ms));
	return json_pack("{s:s, s:I, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:i,"
	                 " s:{s:I, s:I, s:I}, s:I, s:o, s:o, s:{s:s?, s:s?, s:s?, s:O?}}",
	        "version", status->version, "uptime_ms",
	        (json_int_t)(status->now_ms - status->started_ms), "homeserver",
	        status->homeserver ? status->homeserver : "", "online",
	        !report_has(status->problem), "problem", status->problem ? status->problem : "",
	        "last_sync_ms", (json_int_t)status->last_sync_ms, "waiting",
	        (json_int_t)status->waiting, "aside", (json_int_t)status->aside, "oldest_ms",
	        (json_int_t)status->oldest_ms, "sent", (json_int_t)status->sent, "retried",
	        (json_int_t)status->retried, "in_flight", (int)status->in_flight, "clients",
	        (int)status->clients, "alerts_24h", "critical",
	        (json_int_t)status->counts[SEVERITY_CRITICAL], "warning",
	        (json_int_t)status->counts[SEVERITY_WARNING], "info",
	        (json_int_t)status->counts[SEVERITY_INFO], "p95_ms", (json_int_t)status->p95_ms,
	        "rooms", rooms, "set_aside", aside, "encryption", "identity", status->identity,
	        "problem", status->encryption_problem, "fingerprint", status->fingerprint,
	        "notices", status->notices);
}

void report_alerts_text(const struct alert_row *rows, size_t len, int64_t now_ms, struct buf *out)
{
	size_t i;

	if (len == 0)
		buf_add_str(out, "no alerts\n");
	for (i = 0; i < len; i++) {
		char when[32];

		clock_format_short(rows[i].at_ms, now_ms, when, sizeof(when));
		text_add_plain(out, rows[i].title, 200, TEXT_FOLD_NEWLINES);
		buf_printf(out, "\n  %s · %s", when,
		        rows[i].resolved ? "resolved" : state_names[rows[i].state]);
		if (rows[i].run_id) {
			buf_add_str(out, " · run ");
			text_add_plain(out, rows[i].run_id, 128, TEXT_FOLD_NEWLINES);
		}
		if (rows[i].reason)
			buf_printf(out, " · %s", rows[i].reason);
		buf_add_char(out, '\n');
	}
}

json_t *report_alerts_json(const struct alert_row *rows, size_t len)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < len; i++)
		json_array_append_new(
		        list, json_pack("{s:I, s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:s?, s:s?, "
		                        "s:I, s:s?, s:s}",
		                      "alert", (json_int_t)rows[i].id, "app", rows[i].app, "kind",
		                      rows[i].kind, "severity",
		                      severity_name((enum severity)rows[i].severity), "status",
		                      rows[i].resolved ? "resolved" : "firing", "run_id",
		                      rows[i].run_id, "identity", rows[i].identity, "title",
		                      rows[i].title, "url", rows[i].url, "room", rows[i].room,
		                      "at_ms", (json_int_t)rows[i].at_ms, "reason", rows[i].reason,
		                      "state", state_names[rows[i].state]));
	return list;
}

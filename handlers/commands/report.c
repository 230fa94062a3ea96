/*
 * report.c - see report.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/config/config.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/commands/report.h"
#include "handlers/commands/health.h"

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
	to->retrying = x_strdup_opt(from->retrying);
	to->identity = x_strdup_opt(from->identity);
	to->encryption_problem = x_strdup_opt(from->encryption_problem);
	to->fingerprint = x_strdup_opt(from->fingerprint);
	to->notices = json_deep_copy(from->notices);
	to->verified = json_deep_copy(from->verified);
	to->verifications = json_deep_copy(from->verifications);
	to->heartbeat = NULL;
	to->rooms_waiting = NULL;
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
		rooms[i].mute = x_strdup_opt(from->rooms[i].mute);
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
		free((char *)copy->rooms[i].mute);
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
	free((char *)copy->retrying);
	free((char *)copy->identity);
	free((char *)copy->encryption_problem);
	free((char *)copy->fingerprint);
	json_decref((json_t *)copy->notices);
	json_decref((json_t *)copy->verified);
	json_decref((json_t *)copy->verifications);
	*copy = (struct report_status){0};
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

json_t *report_alert_json(
        const struct config *config, const struct alert_row *row, const struct entry_row *entry)
{
	char *title = entry_title_of_alert(config, row);
	json_t *json =
	        json_pack("{s:I, s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:s?, s:s?, s:I, s:s?, s:s}",
	                "alert", (json_int_t)row->id, "app", row->app, "kind", row->kind,
	                "severity", severity_name((enum severity)row->severity), "status",
	                row->resolved ? "resolved" : "firing", "run_id", row->run_id, "identity",
	                row->identity, "title", title, "url", row->url, "room", row->room, "at_ms",
	                (json_int_t)row->at_ms, "reason", row->reason, "state",
	                alert_state_names[row->state]);

	free(title);
	if (entry)
		json_object_set_new(json, "message",
		        json_pack("{s:I, s:I, s:I, s:s?, s:s?}", "count", (json_int_t)entry->count,
		                "resolved_ms", (json_int_t)entry->resolved_ms, "acked_ms",
		                (json_int_t)entry->acked_ms, "acked_by", entry->acked_by, "note",
		                entry->ack_note));
	return json;
}

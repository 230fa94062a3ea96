/*
 * ack.c - see ack.h. An acknowledgement is stored in the entry, and its message shows it by an
 * edit.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/oncall/about.h"
#include "handlers/oncall/ack.h"
#include "storage/alerts.h"
#include "storage/history.h"

#define OLD_MAX 20    /* acknowledgements ended in one call */
#define RUN_MAX 200   /* alerts of a run */
#define FIRING_MAX 64 /* messages of one failure that are firing */

static void ack_set_text(char **to, const char *text)
{
	free(*to);
	*to = x_strdup_opt(text);
}

/* Changes an entry and makes its message due for an edit. */
static enum err ack_mark(const struct deliver *d, struct entry_row *entry, const struct ack *ack)
{
	struct message_row message = {0};
	enum err err = messages_find(d->store, entry->message_id, &message);

	if (err == OK && ack)
		err = deliver_message_unring(d, &message, entry);
	if (err != OK)
		goto out;
	entry->acked_ms = ack ? d->now_ms : 0;
	entry->reminded_ms = d->now_ms;
	entry->open_ms = message.sent_ms ? d->now_ms : 0;
	ack_set_text(&entry->acked_by, ack ? ack->who : NULL);
	ack_set_text(&entry->ack_note, ack ? ack->note : NULL);
	err = entries_update(d->store, entry);
	if (err == OK)
		err = deliver_message_edit(d, &message);
out:
	message_row_finish(&message);
	return err;
}

/* Records it for !alert, and for subscribers. */
static enum err ack_note_event(const struct deliver *d, const struct entry_row *entry,
        const struct ack *ack, const char *by)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	struct history_row row = {.at_ms = d->now_ms,
	        .fingerprint = entry->fingerprint,
	        .what = (char *)(ack ? "acknowledged" : "acknowledgement removed"),
	        .author = (char *)by,
	        .note = ack ? (char *)ack->note : NULL};
	enum err err = history_add(d->store, &row);

	if (d->happened)
		json_array_append_new(d->happened,
		        json_pack("{s:s, s:s, s:s, s:s, s:s*, s:O*, s:s*}", "event",
		                ack ? "acked" : "unacked", "by", by, "app", entry->app, "identity",
		                entry->identity, "run_id",
		                json_string_value(json_array_get(runs, json_array_size(runs) - 1)),
		                "run_ids", runs, "note", ack ? ack->note : NULL));
	json_decref(runs);
	return err;
}

static void name_it(const struct entry_row *entry, struct ack_result *result)
{
	if (!result->what)
		result->what = x_asprintf("%s · %s", entry->app, entry->identity);
}

/* Changes one failure in all messages where it is firing, so that an older message does not
 * cause reminders. Counted only if something changes. */
static enum err mark_failure(const struct deliver *d, const char *subject, const char *fingerprint,
        const struct ack *ack, const char *only_of, struct ack_result *result)
{
	struct entry_row *entries = NULL;
	size_t len = 0;
	bool first = true;
	enum err err = entries_firing(d->store, subject, FIRING_MAX, &entries, &len);

	for (size_t i = 0; i < len && err == OK; i++) {
		struct entry_row *entry = &entries[i];

		if (strcmp(entry->fingerprint, fingerprint) != 0 ||
		        (!ack && (!entry->acked_ms ||
		                         (only_of && strcmp(entry->acked_by, only_of) != 0))))
			continue;
		if (first) {
			name_it(entry, result);
			result->changed++;
			if (ack && entry->acked_ms && !result->before &&
			        strcmp(entry->acked_by, ack->who) != 0)
				result->before = x_strdup(entry->acked_by);
			err = ack_note_event(d, entry, ack, ack ? ack->who : result->by);
			first = false;
		}
		if (err == OK)
			err = ack_mark(d, entry, ack);
	}
	entry_rows_free(entries, len);
	return err;
}

/* Changes the failure of one entry. */
static enum err mark_entry(const struct deliver *d, const struct entry_row *entry,
        const struct ack *ack, const char *only_of, struct ack_result *result)
{
	int changed = result->changed;
	enum err err = mark_failure(d, entry->subject, entry->fingerprint, ack, only_of, result);

	result->found++;
	if (err == OK && changed == result->changed) {
		name_it(entry, result);
		if (!result->resolved_ms)
			result->resolved_ms = entry->resolved_ms;
	}
	return err;
}

static bool seen_before(const struct alert_row *rows, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(rows[i].fingerprint, rows[index].fingerprint) == 0)
			return true;
	return false;
}

enum err ack_run(const struct deliver *d, const char *run_id, const struct ack *ack,
        struct ack_result *result)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = alerts_of_run(d->store, run_id, RUN_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		struct entry_row entry = {0};

		if (err == OK && rows[i].message_id && !seen_before(rows, i)) {
			err = entries_by_fingerprint(
			        d->store, rows[i].message_id, rows[i].fingerprint, &entry);
			if (err == OK)
				err = mark_entry(d, &entry, ack, NULL, result);
			else if (err == ERR_NOT_FOUND)
				err = OK;
		} else if (err == OK && !rows[i].message_id && !result->held) {
			result->held = x_strdup(rows[i].reason);
		}
		entry_row_finish(&entry);
	}
	alert_rows_free(rows, len);
	return err == OK && len == 0 ? ERR_NOT_FOUND : err;
}

enum err ack_event(const struct deliver *d, const char *event_id, const struct ack *ack,
        const char *only_of, struct ack_result *result)
{
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = about_event(d->store, event_id, &rows, &len);

	for (size_t i = 0; i < len && err == OK; i++)
		err = mark_entry(d, &rows[i], ack, only_of, result);
	entry_rows_free(rows, len);
	return err;
}

enum err ack_entry(const struct deliver *d, const struct entry_row *entry, const struct ack *ack,
        struct ack_result *result)
{
	return mark_entry(d, entry, ack, NULL, result);
}

void ack_result_finish(struct ack_result *result)
{
	free(result->what);
	free(result->before);
	free(result->held);
	*result = (struct ack_result){0};
}

/* ---- acknowledgements that expire ---- */

enum err ack_end_due(const struct deliver *d)
{
	struct entry_row *entries = NULL;
	size_t len = 0;
	int64_t timeout_ms = d->config->commands.ack_timeout_ms;
	enum err err = OK;

	if (timeout_ms > 0)
		err = entries_acked_before(
		        d->store, d->now_ms - timeout_ms, OLD_MAX, &entries, &len);
	for (size_t i = 0; i < len && err == OK; i++) {
		err = ack_note_event(d, &entries[i], NULL, "ack_timeout");
		if (err == OK)
			err = ack_mark(d, &entries[i], NULL);
	}
	entry_rows_free(entries, len);
	return err;
}

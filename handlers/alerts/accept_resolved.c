/*
 * accept_resolved.c - what a resolved alert changes (deliver_message.h).
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "handlers/alerts/batch.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/silences/held.h"
#include "handlers/silences/silence.h"
#include "storage/alerts.h"
#include "storage/history.h"

#define DELIVER_FIRING_MAX 64 /* messages with the same failure */
#define DELIVER_NOTHING_FIRES "no matching alert is firing"
#define DELIVER_RUN_MAX 200 /* alerts of a run */

struct alert *deliver_stored_alert(const struct alert_row *row)
{
	struct alert *alert = x_calloc(1, sizeof(*alert));
	const char *text;

	alert->app = x_strdup(row->app);
	alert->kind = x_strdup(row->kind);
	alert->severity = (enum severity)row->severity;
	alert->run_id = x_strdup_opt(row->run_id);
	alert->id = x_strdup_opt(row->ext_id);
	alert->key = x_strdup_opt(row->key);
	alert->url = x_strdup_opt(row->url);
	alert->at_ms = row->at_ms;
	alert->identity = x_strdup(row->identity);
	alert->subject = x_strdup(row->subject);
	alert->fingerprint = x_strdup(row->fingerprint);
	alert->peer = (struct alert_peer){row->uid, row->gid, row->pid};
	alert->fields = json_loads(row->fields, 0, NULL);
	if (!alert->fields)
		alert->fields = json_object();
	text = json_string_value(json_object_get(alert->fields, "title"));
	alert->title = x_strdup_opt(text);
	text = json_string_value(json_object_get(alert->fields, "text"));
	alert->text = x_strdup_opt(text);
	json_object_del(alert->fields, "title");
	json_object_del(alert->fields, "text");
	return alert;
}

/* Marks one firing entry as resolved: by an edit of its message and, if that is in the room, by
 * a line in its thread. */
static enum err resolve_entry(
        const struct deliver *d, const struct alert *alert, struct entry_row *entry, bool answer)
{
	struct message_row message = {0};
	enum err err = messages_find(d->store, entry->message_id, &message);

	if (err == OK)
		err = deliver_message_unring(d, &message, entry);
	if (err != OK)
		goto out;
	entry->resolved_ms = alert->at_ms > entry->first_ms ? alert->at_ms : entry->first_ms;
	free(entry->resolved_by);
	free(entry->resolve_note);
	entry->resolved_by = x_strdup_opt(alert->resolved_by);
	entry->resolve_note = x_strdup_opt(alert->resolve_note);
	err = entries_update(d->store, entry);
	if (err == OK)
		err = deliver_message_edit(d, &message);
	if (err == OK && answer)
		err = deliver_message_answer(d, &message, entry);
out:
	message_row_finish(&message);
	return err;
}

/* The row describes the failure that it resolves, whatever severity came with the resolved
 * alert. */
static enum err resolve_name(
        const struct deliver *d, const struct entry_row *entry, struct alert_row *row)
{
	struct message_row message = {0};
	enum err err = messages_find(d->store, entry->message_id, &message);

	row->message_id = message.id; /* not one that is missing or damaged */
	row->severity = entry->severity;
	free(row->fingerprint);
	row->fingerprint = x_strdup(entry->fingerprint);
	if (message.room) {
		free(row->room);
		row->room = x_strdup(message.room);
	}
	message_row_finish(&message);
	return err;
}

/* False: the same fingerprint was resolved in a newer message, so its history has that already. */
static bool resolve_is_first(const struct entry_row *entries, size_t index)
{
	size_t i = 0;

	while (strcmp(entries[i].fingerprint, entries[index].fingerprint) != 0)
		i++;
	return i == index && index > 0;
}

static enum err resolve_note_end(
        const struct deliver *d, const struct alert *alert, const struct entry_row *entry)
{
	struct history_row row = {.at_ms = d->now_ms,
	        .fingerprint = entry->fingerprint,
	        .what = (char *)"resolved",
	        .author = (char *)alert->resolved_by,
	        .note = (char *)alert->resolve_note,
	        .ended = 1};

	return history_add(d->store, &row);
}

static enum err resolve_subject(const struct deliver *d, const struct alert *alert,
        const char *subject, struct alert_row *row)
{
	size_t len = DELIVER_FIRING_MAX;
	bool newest = true;
	enum err err = OK;

	while (err == OK && len == DELIVER_FIRING_MAX) {
		struct entry_row *entries = NULL;

		err = entries_firing(d->store, subject, DELIVER_FIRING_MAX, &entries, &len);
		for (size_t i = 0; i < len && err == OK; i++) {
			if (newest)
				err = resolve_name(d, &entries[i], row);
			if (err == OK)
				err = resolve_entry(
				        d, alert, &entries[i], newest && !alert->is_one_of_many);
			if (err == OK && (newest || resolve_is_first(entries, i)))
				err = resolve_note_end(d, alert, &entries[i]);
			newest = false;
		}
		entry_rows_free(entries, len);
	}
	return err;
}

/* Only a run id was given: resolves everything that failed in the run, held failures included. */
static enum err resolve_run(
        const struct deliver *d, const struct alert *alert, struct alert_row *row, bool *was_held)
{
	struct alert_row *rows = NULL;
	size_t len = 0;
	enum err err = alerts_of_run(d->store, alert->run_id, DELIVER_RUN_MAX, &rows, &len);

	/* A subject that occurs twice does no harm: the second time nothing of it is firing. */
	for (size_t i = 0; i < len && err == OK; i++) {
		bool held = false;

		if (strcmp(rows[i].app, alert->app) != 0)
			continue;
		err = held_resolve(d, rows[i].subject, &held);
		if (err == OK)
			err = resolve_subject(d, alert, rows[i].subject, row);
		*was_held = *was_held || held;
	}
	alert_rows_free(rows, len);
	return err;
}

/* The sender named the alert that ends by the id of its firing: that may have come from another
 * app, if what [labels] or an endpoint makes of its labels has changed since. */
static enum err resolve_reopened(
        const struct deliver *d, const struct alert *alert, struct alert_row *row, bool *was_held)
{
	struct alert_row fired = {0};
	enum err err = alerts_by_ext_id(d->store, alert->reopens, NULL, &fired);

	if (err == ERR_NOT_FOUND || err == ERR_DAMAGED)
		return OK;
	if (err == OK)
		err = held_resolve(d, fired.subject, was_held);
	if (err == OK)
		err = resolve_subject(d, alert, fired.subject, row);
	alert_row_finish(&fired);
	return err;
}

enum err deliver_resolve(const struct deliver *d, const struct alert *alert, struct alert_row *row)
{
	bool was_held = false;
	enum err err = batch_store(d);

	if (err == OK)
		err = silence_resolved(d, alert, row->url, &was_held);
	if (err == OK)
		err = resolve_subject(d, alert, alert->subject, row);
	if (err == OK && !row->message_id && !was_held && alert->unnamed && alert->run_id)
		err = resolve_run(d, alert, row, &was_held);
	if (err == OK && !row->message_id && !was_held && alert->reopens)
		err = resolve_reopened(d, alert, row, &was_held);
	row->state = row->message_id ? ALERT_GROUPED : was_held ? ALERT_SILENCED : ALERT_IGNORED;
	row->cause = row->message_id || was_held ? ALERT_RESOLVED : ALERT_UNMATCHED;
	row->reason = x_strdup(row->message_id ? "resolved: the message says so"
	                       : was_held      ? "resolved: the alert was silenced"
	                                       : DELIVER_NOTHING_FIRES);
	return err;
}

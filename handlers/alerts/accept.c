/*
 * accept.c - accepting an alert (deliver.h). Choosing the next event is in send.c, recording the
 * result of a try in finish.c.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/alerts/batch.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/alerts/expire.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/render.h"
#include "handlers/alerts/route.h"
#include "handlers/silences/silence.h"
#include "storage/alerts.h"
#include "storage/mended.h"
#include "storage/known_rooms.h"

#define DELIVER_NOTHING_FIRES "no matching alert is firing"

/* Reminders and escalations skip tests. */
static bool entry_is_test(const struct alert *alert)
{
	return json_is_true(json_object_get(alert->fields, "test"));
}

/* The alert as a new entry of a message. */
static void entry_make(const struct deliver *d, const struct alert *alert, struct entry_row *entry)
{
	int64_t limit_ms = config_resolve_after_ms(d->config, alert->app, alert->kind);
	json_t *runs = json_array();

	if (alert->run_id)
		json_array_append_new(runs, json_string(alert->run_id));
	memset(entry, 0, sizeof(*entry));
	entry->fingerprint = x_strdup(alert->fingerprint);
	entry->subject = x_strdup(alert->subject);
	entry->app = x_strdup(alert->app);
	entry->kind = x_strdup(alert->kind);
	entry->identity = x_strdup(alert->identity);
	entry->severity = (int)alert->severity;
	entry->count = 1;
	entry->first_ms = entry->last_ms = alert->at_ms;
	entry->reminded_ms = d->now_ms;
	entry->resolved_ms = alert->resolved ? alert->at_ms : 0;
	entry->test = entry_is_test(alert);
	entry->due_ms = limit_ms > 0 && !entry->test ? entry->last_ms + limit_ms : 0;
	entry->url = render_url(d->config, alert);
	entry->key = x_strdup_opt(alert->key);
	entry->ext_id = x_strdup_opt(alert->id);
	entry->run_ids = json_dumps(runs, JSON_COMPACT);
	entry->runs = alert->run_id != NULL;
	entry->fields = alert_fields_json(alert);
	json_decref(runs);
}

/* Updates an entry's details in its message. A detail that would exceed the size limit keeps its
 * old value. */
static enum err refresh_entry(const struct deliver *d, const struct alert *alert,
        struct entry_row *entry, struct message_row *message, bool again)
{
	struct entry_row fresh;
	int64_t bytes = message->bytes - render_entry_size(entry, message->alerts);
	enum err err;

	entry_make(d, alert, &fresh);
	bytes += render_entry_size(&fresh, message->alerts);
	if (bytes <= DELIVER_BUDGET) {
		deliver_take(&entry->url, &fresh.url);
		deliver_take(&entry->fields, &fresh.fields);
		message->bytes = bytes;
		if (message->frozen_ms && !message->dirty_ms)
			message->dirty_ms = d->now_ms;
	}
	if (again)
		entry->last_ms = d->now_ms;
	entry_row_finish(&fresh);
	err = entries_update(d->store, entry);
	return err == OK ? deliver_message_store(d, message) : err;
}

enum err deliver_refresh(
        const struct deliver *d, const struct alert *alert, bool again, bool *found)
{
	struct entry_row *entries = NULL;
	struct message_row message = {0};
	size_t len = 0;
	enum err err = batch_store(d);

	if (err == OK)
		err = entries_firing(d->store, alert->subject, 1, &entries, &len);
	*found = len > 0;
	if (*found)
		err = messages_find(d->store, entries[0].message_id, &message);
	*found = message.room;
	if (*found && err == OK)
		err = refresh_entry(d, alert, &entries[0], &message, again);
	entry_rows_free(entries, len);
	message_row_finish(&message);
	return err;
}

static void row_make(const struct deliver *d, const struct alert *alert,
        const struct entry_row *entry, struct alert_row *row)
{
	*row = (struct alert_row){
	        .ext_id = x_strdup_opt(alert->id),
	        .key = x_strdup_opt(alert->key),
	        .app = x_strdup(alert->app),
	        .kind = x_strdup(alert->kind),
	        .severity = (int)alert->severity,
	        .resolved = alert->resolved,
	        .run_id = x_strdup_opt(alert->run_id),
	        .subject = x_strdup(alert->subject),
	        .fingerprint = x_strdup(alert->fingerprint),
	        .identity = x_strdup(alert->identity),
	        .test = entry->test,
	        .fields = x_strdup(entry->fields),
	        .url = x_strdup_opt(entry->url),
	        .at_ms = alert->at_ms,
	        .received_ms = d->now_ms,
	        .uid = alert->peer.uid,
	        .gid = alert->peer.gid,
	        .pid = alert->peer.pid,
	        .room = x_strdup(route_room(d->config, alert->app, alert->severity)),
	};
}

/* [delivery] inhibit: a critical failure that fires mutes warnings of the same app about the same
 * thing, whatever their kinds. */
static bool is_inhibited(const struct deliver *d, const struct alert *alert, enum err *err)
{
	struct entry_row *rows = NULL;
	size_t len = 0;

	if (!d->config->delivery.inhibit || alert->severity != SEVERITY_WARNING || alert->resolved)
		return false;
	*err = entries_critical(d->store, alert->app, alert->identity, &rows, &len);
	entry_rows_free(rows, len);
	return len > 0;
}

enum err deliver_would_hold(const struct deliver *d, const struct alert *alert, bool *yes)
{
	const char *room = route_room(d->config, alert->app, alert->severity);
	char *url = render_url(d->config, alert);
	struct silence_hold hold = {0};
	enum err err = silence_find(d, alert, room, url, &hold);

	free(url);
	*yes = hold.silence || hold.quiet || (err == OK && is_inhibited(d, alert, &err));
	return err;
}

/* Marks the row of a firing alert as held when a silence, a quiet time or an inhibition applies. */
static enum err accept_hold(
        const struct deliver *d, const struct alert *alert, struct alert_row *row)
{
	struct silence_hold hold = {0};
	bool any;
	enum err err = batch_holds(d, &any);

	if (err == OK && any)
		err = alerts_unhold(d->store, alert->subject, alert->fingerprint);
	if (err == OK)
		err = silence_find(d, alert, row->room, row->url, &hold);
	if (err == OK && (hold.silence || hold.quiet)) {
		silence_mark(row, &hold);
		row->held = row->held && !entry_is_test(alert);
		err = silence_count(d, &hold, row->room);
	} else if (err == OK && is_inhibited(d, alert, &err)) {
		row->state = ALERT_SILENCED;
		row->cause = ALERT_INHIBITED;
		row->held = !entry_is_test(alert);
		row->reason =
		        x_strdup("inhibited: a critical alert about the same thing is firing");
	}
	if (row->held)
		batch_note_held(d);
	return err;
}

/* Delivers an alert that is no longer held, in a batch of its own. */
static enum err accept_released(const struct deliver *d, const struct alert *alert,
        struct alert_row *row, struct entry_row *entry)
{
	struct deliver with = *d;
	enum err err;

	with.batch = batch_create();
	err = deliver_join(&with, alert, row, entry);
	if (err == OK)
		err = batch_store(&with);
	batch_destroy(with.batch);
	return err;
}

enum err deliver_release(const struct deliver *d, const struct alert *alert, struct alert_row *row)
{
	const char *room = route_room(d->config, alert->app, alert->severity);
	char *held_by = row->reason, *decided;
	struct entry_row entry = {0};
	enum err err;

	row->reason = NULL;
	deliver_take(&row->room, &(char *){x_strdup(room)});
	entry_make(d, alert, &entry);
	err = accept_released(d, alert, row, &entry);
	decided = row->reason;
	row->reason = x_asprintf("%s; before: %s", decided ? decided : "", held_by);
	entry_row_finish(&entry);
	free(decided);
	free(held_by);
	return err;
}

/* Counts the correction, so that `!status` shows the authors of an app what they send wrong. */
static enum err count_mended(const struct deliver *d, const struct alert *alert)
{
	const char *field = "", *message = "";
	char *note;
	enum err err;

	json_unpack(alert->warnings, "[{s:s, s:s}]", "field", &field, "message", &message);
	note = x_asprintf("%s: %s", field, message);
	err = mended_count(d->store, alert->app, note, d->now_ms, d->now_ms - CLOCK_DAY_MS);
	free(note);
	return err;
}

static enum err accept_in_batch(
        const struct deliver *d, const struct alert *alert, struct deliver_receipt *receipt)
{
	struct entry_row entry = {0};
	struct alert_row row = {0};
	enum err err;

	receipt->state = "duplicate";
	receipt->reason = NULL;
	if (alert->id) {
		/* one that reopens others has an id that was made of all its labels: it is the same
		 * alert also if what makes an app of them has changed since */
		err = alerts_by_ext_id(
		        d->store, alert->id, alert->reopens ? NULL : alert->app, &row);
		receipt->alert = row.id;
		alert_row_finish(&row);
		if (err != ERR_NOT_FOUND)
			return err == ERR_DAMAGED ? OK : err; /* a duplicate too */
	}
	err = expire_look(d, alert, &receipt->alert);
	if (err || receipt->alert)
		return err;
	entry_make(d, alert, &entry);
	row_make(d, alert, &entry, &row);
	err = alert->resolved ? OK : accept_hold(d, alert, &row);
	if (err == OK && !row.reason) {
		err = alert->resolved ? deliver_resolve(d, alert, &row)
		                      : deliver_join(d, alert, &row, &entry);
	}
	if (err == OK)
		err = alerts_insert(d->store, &row);
	if (err == OK)
		err = expire_note(d, alert, row.id);
	if (err == OK && alert->reopens)
		err = alerts_forget_ext_id(d->store, alert->reopens);
	if (err == OK && alert->warnings)
		err = count_mended(d, alert);
	receipt->alert = row.id;
	receipt->state = alert_state_names[row.state];
	receipt->reason = row.state == ALERT_IGNORED ? DELIVER_NOTHING_FIRES : NULL;
	entry_row_finish(&entry);
	alert_row_finish(&row);
	return err;
}

enum err deliver_accept(
        const struct deliver *d, const struct alert *alert, struct deliver_receipt *receipt)
{
	struct deliver alone = *d;
	enum err err;

	if (d->batch)
		return accept_in_batch(d, alert, receipt);
	alone.batch = batch_create();
	err = accept_in_batch(&alone, alert, receipt);
	if (err == OK)
		err = batch_store(&alone);
	batch_destroy(alone.batch);
	return err;
}

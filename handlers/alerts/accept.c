/*
 * accept.c - see deliver.h: taking in. Choosing and noting results are in send.c.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
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

#define DELIVER_FIRING_MAX 64
#define DELIVER_NOTHING_FIRES "no matching alert is firing"
#define STORM_APP_MAX 10 /* texts of one app in a storm message: the others' must fit too */

/* Nobody waits for a test. */
static bool entry_is_test(const struct alert *alert)
{
	return json_is_true(json_object_get(alert->fields, "test"));
}

/* What an alert looks like as an entry. */
static void entry_make(const struct deliver *d, const struct alert *alert, struct entry_row *entry)
{
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
	entry->url = render_url(d->config, alert);
	entry->key = x_strdup_opt(alert->key);
	entry->ext_id = x_strdup_opt(alert->id);
	entry->run_ids = json_dumps(runs, JSON_COMPACT);
	entry->runs = alert->run_id != NULL;
	entry->fields = alert_fields_json(alert);
	json_decref(runs);
}

static void accept_take(char **to, char **from)
{
	free(*to);
	*to = *from;
	*from = NULL;
}

/* One more run at the end of those that are shown. */
static void entry_show_run(struct entry_row *entry, const char *run_id)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);

	json_array_append_new(runs, json_string(run_id));
	if (json_array_size(runs) > ENTRY_RUNS_MAX)
		json_array_remove(runs, 0);
	free(entry->run_ids);
	entry->run_ids = json_dumps(runs, JSON_COMPACT);
	json_decref(runs);
}

/* The newest alert into an entry that is there: ×N and its details. */
static void entry_merge(struct entry_row *entry, struct entry_row *fresh)
{
	bool again = entry->resolved_ms != 0;

	entry->count++;
	entry->last_ms = fresh->last_ms;
	if (fresh->first_ms < entry->first_ms)
		entry->first_ms = fresh->first_ms;
	entry->resolved_ms = 0;
	if (again) { /* what was done about it was about the time before */
		entry->acked_ms = 0;
		accept_take(&entry->acked_by, &fresh->acked_by);
		accept_take(&entry->ack_note, &fresh->ack_note);
		entry->open_ms = fresh->open_ms;
		entry->reminded_ms = fresh->reminded_ms;
		entry->escalated_ms = fresh->escalated_ms;
		entry->first_ms = fresh->first_ms;
		entry->told_ms = 0;
	}
	accept_take(&entry->url, &fresh->url);
	accept_take(&entry->fields, &fresh->fields);
	accept_take(&entry->ext_id, &fresh->ext_id);
}

enum err deliver_message_store(const struct deliver *d, struct message_row *message)
{
	struct group_policy policy = group_policy(d->config, message->origin);

	group_schedule(&policy, message);
	return messages_update(d->store, message);
}

/* A new message with its place in the queue. */
enum err deliver_message_open(const struct deliver *d, struct message_row *message)
{
	struct outbox_row row = {
	        .purpose = OUTBOX_NEW,
	        .room = message->room,
	        .type = (char *)"m.room.message",
	        .created_ms = d->now_ms,
	};
	enum err err;

	message->opened_ms = d->now_ms;
	err = messages_insert(d->store, message);
	row.message_id = message->id;
	if (err == OK)
		err = outbox_insert(d->store, &row);
	free(row.txn_id);
	return err;
}

/* A failure that is in an older message too, and fires there still, keeps who has it and which
 * steps it went through. */
static enum err entry_inherit(const struct deliver *d, struct entry_row *fresh)
{
	struct entry_row *olds = NULL;
	size_t len = 0;
	bool found = false;
	enum err err = entries_firing(d->store, fresh->subject, DELIVER_FIRING_MAX, &olds, &len);

	for (size_t i = 0; i < len; i++) {
		if (!found && strcmp(olds[i].fingerprint, fresh->fingerprint) == 0) {
			found = true;
			fresh->acked_ms = olds[i].acked_ms;
			accept_take(&fresh->acked_by, &olds[i].acked_by);
			accept_take(&fresh->ack_note, &olds[i].ack_note);
			if (olds[i].open_ms)
				fresh->open_ms = olds[i].open_ms;
			fresh->escalated_ms = olds[i].escalated_ms;
		}
	}
	entry_rows_free(olds, len);
	return err;
}

/* A line in the message's thread, about an entry that is over or fires again. */
enum err deliver_message_answer(
        const struct deliver *d, const struct message_row *message, const struct entry_row *entry)
{
	struct outbox_row reply = {
	        .purpose = OUTBOX_REPLY,
	        .room = message->room,
	        .message_id = message->id,
	        .type = (char *)"m.room.message",
	        .created_ms = d->now_ms,
	};
	enum err err;

	if (!message->event_id)
		return OK;
	err = outbox_name(d->store, &reply);
	if (err == OK) {
		reply.content = render_answer(d->config, message, entry, reply.txn_id);
		err = outbox_insert(d->store, &reply);
	}
	free(reply.content);
	free(reply.txn_id);
	return err;
}

/* An edit tells it, which rings nowhere. */
static void message_join_silently(
        const struct deliver *d, struct message_row *message, struct entry_row *entry)
{
	if (entry->severity != SEVERITY_CRITICAL)
		return;
	entry->silent_ms = d->now_ms;
	message->silent++;
}

/* Puts an entry into a message, which is written back. Takes what it wants of *fresh. */
static enum err message_join(const struct deliver *d, struct message_row *message,
        struct entry_row *fresh, const char *run_id)
{
	struct entry_row entry = {0};
	bool again, added = false;
	enum err err = entries_by_fingerprint(d->store, message->id, fresh->fingerprint, &entry);

	fresh->open_ms = message->sent_ms ? d->now_ms : 0;
	if (err == OK) {
		again = entry.resolved_ms != 0;
		message->bytes -= render_entry_size(&entry, message->alerts);
		entry_merge(&entry, fresh);
		if (run_id)
			err = entries_add_run(d->store, entry.id, run_id, &added);
		if (added)
			entry_show_run(&entry, run_id);
		message->bytes += render_entry_size(&entry, message->alerts);
		if (again && message->frozen_ms) {
			message_join_silently(d, message, &entry);
			message->urgent = 1;
		}
		if (err == OK)
			err = entries_update(d->store, &entry);
		if (again && err == OK)
			err = deliver_message_answer(d, message, &entry);
	} else if (err == ERR_NOT_FOUND) {
		err = entry_inherit(d, fresh);
		fresh->message_id = message->id;
		message->bytes += render_entry_size(fresh, message->alerts);
		if (message->frozen_ms)
			message_join_silently(d, message, fresh);
		if (err == OK)
			err = entries_insert(d->store, fresh);
		if (err == OK && run_id)
			err = entries_add_run(d->store, fresh->id, run_id, &added);
	}
	entry_row_finish(&entry);
	message->alerts++;
	if (message->frozen_ms && !message->dirty_ms)
		message->dirty_ms = d->now_ms;
	if (!message->frozen_ms && fresh->severity > message->severity)
		message->severity = fresh->severity;
	return err == OK ? deliver_message_store(d, message) : err;
}

/* A message that is full takes no more texts, or one app's flood would be a message after the
 * other: what it has already is counted there, the rest as a number. */
static enum err message_count(const struct deliver *d, struct message_row *message,
        const struct entry_row *fresh, const char *run_id)
{
	struct entry_row entry = {0};
	bool added;
	enum err err = entries_by_fingerprint(d->store, message->id, fresh->fingerprint, &entry);

	if (err == OK) {
		entry.count++;
		entry.last_ms = fresh->last_ms;
		entry.resolved_ms = 0;
		if (run_id)
			err = entries_add_run(d->store, entry.id, run_id, &added);
		if (err == OK)
			err = entries_update(d->store, &entry);
	} else if (err == ERR_NOT_FOUND) {
		err = OK;
		if (message->frozen_ms && fresh->severity == SEVERITY_CRITICAL)
			message->silent++;
	}
	entry_row_finish(&entry);
	message->alerts++;
	if (message->frozen_ms && !message->dirty_ms)
		message->dirty_ms = d->now_ms;
	return err == OK ? deliver_message_store(d, message) : err;
}

static enum err message_close(const struct deliver *d, struct message_row *message)
{
	message->closed_ms = d->now_ms;
	return deliver_message_store(d, message);
}

static enum err open_or_none(const struct deliver *d, const char *room, const char *origin,
        struct message_row *row, bool *found)
{
	enum err err = messages_open(d->store, room, origin, row);

	*found = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* The message that an app's alerts join: its own, or one that collected others with its. */
static enum err open_of_app(const struct deliver *d, const char *room, const char *app,
        struct message_row *row, bool *found)
{
	enum err err = open_or_none(d, room, app, row, found);

	if (err != OK || *found)
		return err;
	err = messages_open_with(d->store, room, DELIVER_COLLECTED, app, row);
	*found = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Into the storm message of the room, or a new one. */
static enum err accept_storm(const struct deliver *d, struct message_row *storm, bool *is_new,
        const char *room, struct entry_row *entry, const char *run_id)
{
	int64_t of_app = 0;
	enum err err = OK;

	*is_new = storm->id == 0 ||
	          group_storm_starts_anew(storm, (enum severity)entry->severity,
	                  render_entry_size(entry, storm->alerts), DELIVER_BUDGET, d->now_ms);
	if (storm->id && *is_new) {
		err = message_close(d, storm);
		message_row_finish(storm);
	}
	if (*is_new && err == OK) {
		storm->kind = MESSAGE_STORM;
		storm->room = x_strdup(room);
		storm->origin = x_strdup("*");
		storm->severity = entry->severity;
		err = deliver_message_open(d, storm);
	}
	if (err == OK)
		err = entries_count_app(d->store, storm->id, entry->app, &of_app);
	if (err != OK)
		return err;
	return of_app >= STORM_APP_MAX || storm->bytes + render_entry_size(entry, storm->alerts) >
	                                          DELIVER_BUDGET
	               ? message_count(d, storm, entry, run_id)
	               : message_join(d, storm, entry, run_id);
}

/* How much of an event the message may take; asked of the store only when it matters. */
static enum err message_budget(
        const struct deliver *d, const struct message_row *message, int64_t size, int64_t *budget)
{
	struct room_row room = {0};
	enum err err;

	*budget = DELIVER_BUDGET;
	if (message->bytes + size <= DELIVER_BUDGET || !message->room_id)
		return OK;
	err = rooms_by_room_id(d->store, message->room_id, &room);
	if (err == ERR_NOT_FOUND || (err == OK && !room.encrypted))
		*budget = DELIVER_PLAIN_BUDGET;
	room_row_finish(&room);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Decides and does it; fills in message, state and reason of the alert's row. */
static enum err accept_firing(const struct deliver *d, const struct alert *alert,
        struct alert_row *row, struct entry_row *entry)
{
	/* a test shares no message with what really failed */
	char *origin = x_asprintf("%s%s", entry->test ? GROUP_TEST : "", alert->app);
	struct group_policy policy = group_policy(d->config, origin);
	struct message_row open = {0}, storm = {0}, fresh = {0};
	struct group_decision decision;
	bool has_open, has_storm = false, is_new = true;
	int64_t opened = 0, budget = DELIVER_BUDGET, size;
	enum err err = entry->test ? open_or_none(d, row->room, origin, &open, &has_open)
	                           : open_of_app(d, row->room, alert->app, &open, &has_open);

	if (err == OK && !entry->test)
		err = open_or_none(d, row->room, "*", &storm, &has_storm);
	size = render_entry_size(entry, open.alerts);
	if (err == OK && has_open)
		err = message_budget(d, &open, size, &budget);
	if (err == OK && !entry->test && policy.storm > 0)
		err = messages_count_opened(
		        d->store, d->now_ms - CLOCK_MINUTE_MS, d->now_ms + GROUP_SKEW_MS, &opened);
	if (err != OK)
		goto out;
	decision = group_decide(&policy, has_open ? &open : NULL, alert->severity, size, budget,
	        opened, has_storm, d->now_ms);
	if (decision.close_open) {
		if (group_rings(&policy, &open) && decision.action == GROUP_NEW) {
			fresh.rings_for = open.id;
			fresh.rings = open.silent;
		}
		err = message_close(d, &open);
	}
	if (err == OK && (decision.action == GROUP_JOIN || decision.action == GROUP_COUNT)) {
		err = decision.action == GROUP_JOIN ? message_join(d, &open, entry, alert->run_id)
		                                    : message_count(d, &open, entry, alert->run_id);
		row->message_id = open.id;
		is_new = false;
	} else if (err == OK && decision.action == GROUP_STORM) {
		err = accept_storm(d, &storm, &is_new, row->room, entry, alert->run_id);
		row->message_id = storm.id;
	} else if (err == OK) {
		fresh.kind = MESSAGE_ALERTS;
		fresh.room = x_strdup(row->room);
		fresh.origin = x_strdup(origin);
		fresh.severity = (int)alert->severity;
		err = deliver_message_open(d, &fresh);
		if (err == OK)
			err = message_join(d, &fresh, entry, alert->run_id);
		row->message_id = fresh.id;
	}
	row->state = is_new ? ALERT_QUEUED : ALERT_GROUPED;
	row->cause = decision.action == GROUP_STORM ? ALERT_STORM
	             : decision.action == GROUP_NEW ? ALERT_NEW
	                                            : ALERT_JOINED;
	row->reason = x_strdup(decision.reason);
out:
	free(origin);
	message_row_finish(&open);
	message_row_finish(&storm);
	message_row_finish(&fresh);
	return err;
}

/* New details of an entry, in its message. What would not fit stays as it was. */
static enum err refresh_entry(const struct deliver *d, const struct alert *alert,
        struct entry_row *entry, struct message_row *message, bool again)
{
	struct entry_row fresh;
	int64_t bytes = message->bytes - render_entry_size(entry, message->alerts);
	enum err err;

	entry_make(d, alert, &fresh);
	bytes += render_entry_size(&fresh, message->alerts);
	if (bytes <= DELIVER_BUDGET) {
		accept_take(&entry->url, &fresh.url);
		accept_take(&entry->fields, &fresh.fields);
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
	enum err err = entries_firing(d->store, alert->subject, 1, &entries, &len);

	*found = len > 0;
	if (*found)
		err = deliver_message_read(d, entries[0].message_id, &message);
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
	        .title = entry_title(d->config, entry),
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

/* What fires is held back by a silence, a quiet time or an inhibition: the row says so. */
static enum err accept_hold(
        const struct deliver *d, const struct alert *alert, struct alert_row *row)
{
	struct silence_hold hold = {0};
	enum err err = alerts_unhold(d->store, alert->subject, alert->fingerprint);

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
	return err;
}

enum err deliver_release(const struct deliver *d, const struct alert *alert, struct alert_row *row)
{
	const char *room = route_room(d->config, alert->app, alert->severity);
	char *held_by = row->reason, *decided;
	struct entry_row entry = {0};
	enum err err;

	row->reason = NULL;
	accept_take(&row->room, &(char *){x_strdup(room)});
	entry_make(d, alert, &entry);
	err = accept_firing(d, alert, row, &entry);
	decided = row->reason;
	row->reason = x_asprintf("%s; before: %s", decided ? decided : "", held_by);
	entry_row_finish(&entry);
	free(decided);
	free(held_by);
	return err;
}

/* So that the authors of an app hear of what they send. */
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

enum err deliver_accept(
        const struct deliver *d, const struct alert *alert, struct deliver_receipt *receipt)
{
	struct entry_row entry = {0};
	struct alert_row row = {0};
	enum err err;

	receipt->state = "duplicate";
	receipt->reason = NULL;
	if (alert->id) {
		err = alerts_by_ext_id(d->store, alert->id, &row);
		receipt->alert = row.id;
		alert_row_finish(&row);
		if (err != ERR_NOT_FOUND)
			return err == ERR_DAMAGED ? OK : err; /* it is there all the same */
	}
	err = expire_look(d, alert, &receipt->alert);
	if (err || receipt->alert)
		return err;
	entry_make(d, alert, &entry);
	row_make(d, alert, &entry, &row);
	err = alert->resolved ? OK : accept_hold(d, alert, &row);
	if (err == OK && !row.reason) {
		err = alert->resolved ? deliver_resolve(d, alert, &row)
		                      : accept_firing(d, alert, &row, &entry);
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

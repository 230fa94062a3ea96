/*
 * join.c - decides which message a firing alert joins, and adds it there (deliver_message.h).
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "handlers/alerts/batch.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/render.h"
#include "storage/known_rooms.h"

#define DELIVER_FIRING_MAX 64
#define STORM_APP_MAX 10 /* entries of one app in a storm message, to leave room for other apps */

void deliver_take(char **to, char **from)
{
	free(*to);
	*to = *from;
	*from = NULL;
}

/* The end of the string that begins at quote, in a JSON array of strings. */
static const char *run_end(const char *quote)
{
	const char *c = quote + 1;

	while (*c && *c != '"')
		c += *c == '\\' && c[1] ? 2 : 1;
	return *c ? c + 1 : c;
}

/* Whether a string, written as JSON, is in a compact JSON array of strings. */
static bool runs_have(const char *runs, const char *run)
{
	const char *at = runs;

	while ((at = strstr(at, run)) && (at == runs || (at[-1] != '[' && at[-1] != ',')))
		at++;
	return at;
}

/* Anything but an array of strings comes from a damaged database and is replaced by an empty
 * one. */
static void entry_mend_runs(struct entry_row *entry)
{
	size_t len = strlen(entry->run_ids);

	if (len >= 4 && memcmp(entry->run_ids, "[\"", 2) == 0 &&
	        memcmp(entry->run_ids + len - 2, "\"]", 2) == 0)
		return;
	free(entry->run_ids);
	entry->run_ids = x_strdup("[]");
	entry->runs = 0;
}

/* Moves the first of the runs that the entry shows to the runs that are only stored. */
static enum err entry_shift_run(const struct deliver *d, struct entry_row *entry)
{
	char *first = entry->run_ids + 1;
	const char *end = run_end(first), *rest = *end == ',' ? end + 1 : end;
	json_t *run = json_loadb(first, (size_t)(end - first), JSON_DECODE_ANY, NULL);
	enum err err = run ? entries_keep_run(d->store, entry->id, json_string_value(run)) : OK;

	json_decref(run);
	memmove(first, rest, strlen(rest) + 1);
	return err;
}

/* Adds a run to those that the entry shows; once there are too many, the first of them is moved
 * out. Works on the JSON text without parsing it, since every alert of a flood with new run ids
 * comes here. */
static enum err entry_add_run(const struct deliver *d, struct entry_row *entry, const char *run_id)
{
	json_t *string = json_string(run_id);
	char *run = json_dumps(string, JSON_ENCODE_ANY), *all;
	enum err err = OK;
	bool known;

	entry_mend_runs(entry);
	known = runs_have(entry->run_ids, run);
	if (!known && entry->runs > ENTRY_RUNS_MAX)
		err = entries_knows_run(d->store, entry->id, run_id, &known);
	if (known || err != OK)
		goto out;
	if (entry->runs >= ENTRY_RUNS_MAX)
		err = entry_shift_run(d, entry);
	all = x_asprintf("%.*s%s%s]", (int)strlen(entry->run_ids) - 1, entry->run_ids,
	        entry->run_ids[1] == '"' ? "," : "", run);
	free(entry->run_ids);
	entry->run_ids = all;
	entry->runs++;
out:
	json_decref(string);
	free(run);
	return err;
}

/* Merges a new alert into an existing entry: ×N and, unless the message is full, the details. */
static void entry_merge(struct entry_row *entry, struct entry_row *fresh, bool details)
{
	bool again = entry->resolved_ms != 0;

	entry->count++;
	entry->last_ms = fresh->last_ms;
	if (fresh->first_ms < entry->first_ms)
		entry->first_ms = fresh->first_ms;
	entry->resolved_ms = 0;
	if (again) { /* the old acknowledgement was about the previous failure */
		entry->acked_ms = 0;
		deliver_take(&entry->acked_by, &fresh->acked_by);
		deliver_take(&entry->ack_note, &fresh->ack_note);
		entry->open_ms = fresh->open_ms;
		entry->reminded_ms = fresh->reminded_ms;
		entry->escalated_ms = fresh->escalated_ms;
		entry->first_ms = fresh->first_ms;
		entry->told_ms = 0;
		entry->due_ms = fresh->due_ms;
	}
	if (!details)
		return;
	deliver_take(&entry->url, &fresh->url);
	deliver_take(&entry->fields, &fresh->fields);
	deliver_take(&entry->ext_id, &fresh->ext_id);
}

enum err deliver_message_store(const struct deliver *d, struct message_row *message)
{
	struct group_policy policy = group_policy(d->config, message->origin);

	group_schedule(&policy, message);
	return messages_update(d->store, message);
}

enum err deliver_message_edit(const struct deliver *d, struct message_row *message)
{
	if (message->frozen_ms) {
		message->dirty_ms = message->dirty_ms ? message->dirty_ms : d->now_ms;
		message->urgent = 1;
	}
	return message->room ? deliver_message_store(d, message) : OK;
}

enum err deliver_message_open(const struct deliver *d, struct message_row *message)
{
	struct group_policy policy = group_policy(d->config, message->origin);
	struct outbox_row row = {
	        .purpose = OUTBOX_NEW,
	        .room = message->room,
	        .type = (char *)"m.room.message",
	        .created_ms = d->now_ms,
	};
	enum err err;

	message->opened_ms = d->now_ms;
	group_schedule(&policy, message);
	err = messages_insert(d->store, message);
	row.message_id = message->id;
	if (err == OK)
		err = outbox_insert(d->store, &row);
	free(row.txn_id);
	return err;
}

/* A failure that is still firing in an older message keeps its acknowledgement and the
 * escalation steps that were done. */
static enum err entry_inherit(const struct deliver *d, struct entry_row *fresh)
{
	struct entry_row *olds = NULL;
	size_t len = 0;
	bool found = false;
	enum err err = entries_firing(d->store, fresh->subject, DELIVER_FIRING_MAX, &olds, &len);

	for (size_t i = 0; i < len; i++) {
		if (!found && olds[i].test == fresh->test &&
		        strcmp(olds[i].fingerprint, fresh->fingerprint) == 0) {
			found = true;
			fresh->acked_ms = olds[i].acked_ms;
			deliver_take(&fresh->acked_by, &olds[i].acked_by);
			deliver_take(&fresh->ack_note, &olds[i].ack_note);
			if (olds[i].open_ms)
				fresh->open_ms = olds[i].open_ms;
			fresh->escalated_ms = olds[i].escalated_ms;
		}
	}
	entry_rows_free(olds, len);
	return err;
}

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

/* Counts a critical failure that will be shown by an edit, which notifies nobody, unless somebody
 * acknowledged it in an older message. */
static void message_join_silently(
        const struct deliver *d, struct message_row *message, struct entry_row *entry)
{
	if (entry->severity != SEVERITY_CRITICAL || entry->acked_ms)
		return;
	entry->silent_ms = d->now_ms;
	message->silent++;
}

/* Merges an alert into an entry that the message has already. */
static enum err message_merge(const struct deliver *d, struct batch_message *to,
        struct batch_entry *entry, struct entry_row *fresh, const char *run_id, bool details)
{
	struct message_row *message = &to->row;
	bool again = entry->row.resolved_ms != 0;
	enum err err = OK;

	message->bytes -= render_entry_size(&entry->row, message->alerts);
	entry_merge(&entry->row, fresh, details);
	if (run_id)
		err = entry_add_run(d, &entry->row, run_id);
	message->bytes += render_entry_size(&entry->row, message->alerts);
	entry->changed = true;
	if (!again || err != OK)
		return err;
	if (message->frozen_ms) {
		message_join_silently(d, message, &entry->row);
		message->urgent = 1;
	}
	entry->changed = false; /* the store must always be current in what is firing */
	err = entries_update(d->store, &entry->row);
	return err == OK ? deliver_message_answer(d, message, &entry->row) : err;
}

/* Adds a new entry to the message, whose size counts it already. */
static enum err message_add(
        const struct deliver *d, struct message_row *message, struct entry_row *fresh)
{
	enum err err = entry_inherit(d, fresh);

	fresh->message_id = message->id;
	if (message->frozen_ms)
		message_join_silently(d, message, fresh);
	return err == OK ? entries_insert(d->store, fresh) : err;
}

static void message_note_alert(
        const struct deliver *d, struct batch_message *message, const struct entry_row *fresh)
{
	message->row.alerts++;
	if (message->row.frozen_ms && !message->row.dirty_ms)
		message->row.dirty_ms = d->now_ms;
	if (!message->row.frozen_ms && fresh->severity > message->row.severity)
		message->row.severity = fresh->severity;
	message->changed = true;
}

/* Adds the alert to a message. May take members of *fresh. */
static enum err message_join(const struct deliver *d, struct batch_message *message,
        struct entry_row *fresh, const char *run_id)
{
	struct batch_entry *entry;
	enum err err = batch_entry(d, message, fresh->fingerprint, &entry);

	fresh->open_ms = message->row.sent_ms ? d->now_ms : 0;
	if (err == OK && entry) {
		err = message_merge(d, message, entry, fresh, run_id, true);
	} else if (err == OK) {
		message->row.bytes += render_entry_size(fresh, message->row.alerts);
		err = message_add(d, &message->row, fresh);
	}
	message_note_alert(d, message, fresh);
	return err;
}

/* Counts an alert in a full message, which takes no more texts: otherwise a flood of one app
 * would open one message after the other. Known entries are counted themselves, everything else
 * as a number. */
static enum err message_count(const struct deliver *d, struct batch_message *message,
        struct entry_row *fresh, const char *run_id)
{
	struct batch_entry *entry;
	enum err err = batch_entry(d, message, fresh->fingerprint, &entry);

	if (err == OK && entry)
		err = message_merge(d, message, entry, fresh, run_id, false);
	else if (err == OK && message->row.frozen_ms && fresh->severity == SEVERITY_CRITICAL)
		message->row.silent++;
	message_note_alert(d, message, fresh);
	return err;
}

/* Closes a message that gives way to another one, which announces what joined it by edits. */
static enum err message_close(const struct deliver *d, const struct group_policy *policy,
        struct message_row *message, struct message_row *fresh)
{
	if (group_rings(policy, message)) {
		fresh->rings_for = message->id;
		fresh->rings += message->silent;
	}
	message->closed_ms = d->now_ms;
	return deliver_message_store(d, message);
}

/* The open message for alerts of an app: its own, or a collected one that has an entry of the app.
 * Tests never share a message with real alerts: their origin is no app's name. */
static enum err open_of_origin(const struct deliver *d, const char *room, const char *origin,
        struct batch_message **message)
{
	enum err err = batch_open(d, room, origin, message);

	return err == OK && !*message ? batch_open_with(d, room, origin, message) : err;
}

/* Adds the alert to the room's storm message. */
static enum err storm_join(const struct deliver *d, struct batch_message *storm,
        struct entry_row *entry, const char *run_id)
{
	bool full = storm->row.bytes + render_entry_size(entry, storm->row.alerts) > DELIVER_BUDGET;
	int64_t of_app = 0;
	enum err err = full ? OK : entries_count_app(d->store, storm->row.id, entry->app, &of_app);

	if (err != OK)
		return err;
	return full || of_app >= STORM_APP_MAX ? message_count(d, storm, entry, run_id)
	                                       : message_join(d, storm, entry, run_id);
}

/* The size limit of the message. The store is asked only if the smaller limit of encrypted rooms
 * is exceeded. */
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

/* Opens a new message with its first entry. Results of earlier batch lookups are invalid
 * afterwards. */
static enum err message_begin(
        const struct deliver *d, struct message_row *message, struct entry_row *entry)
{
	enum err err = batch_store(d);

	message->alerts = 1;
	message->bytes = render_entry_size(entry, 0);
	if (err == OK)
		err = deliver_message_open(d, message);
	return err == OK ? message_add(d, message, entry) : err;
}

/* The storm message that the alert joins; *storm NULL: a new one must be opened. */
static enum err storm_choose(const struct deliver *d, const struct group_policy *policy,
        struct batch_message **storm, const struct entry_row *entry, struct message_row *fresh)
{
	struct batch_message *open = *storm;
	enum err err;

	if (!open || !group_storm_starts_anew(&open->row, (enum severity)entry->severity,
	                     render_entry_size(entry, open->row.alerts), DELIVER_BUDGET, d->now_ms))
		return OK;
	err = message_close(d, policy, &open->row, fresh);
	open->changed = false;
	*storm = NULL;
	return err;
}

/* Carries out the decision; fills in message in the alert's row. */
static enum err accept_as(const struct deliver *d, enum group_action action,
        struct batch_message *open, struct message_row *fresh, struct entry_row *entry,
        const char *run_id, struct alert_row *row)
{
	enum err err;

	if (action == GROUP_NEW || !open) {
		fresh->kind = action == GROUP_NEW ? MESSAGE_ALERTS : MESSAGE_STORM;
		fresh->room = x_strdup(row->room);
		fresh->severity = entry->severity;
		err = message_begin(d, fresh, entry);
		row->message_id = fresh->id;
		row->state = ALERT_QUEUED;
		return err;
	}
	row->message_id = open->row.id;
	row->state = ALERT_GROUPED;
	return action == GROUP_STORM  ? storm_join(d, open, entry, run_id)
	       : action == GROUP_JOIN ? message_join(d, open, entry, run_id)
	                              : message_count(d, open, entry, run_id);
}

enum err deliver_join(const struct deliver *d, const struct alert *alert, struct alert_row *row,
        struct entry_row *entry)
{
	char *origin = x_asprintf("%s%s", entry->test ? GROUP_TEST : "", alert->app);
	struct group_policy policy = group_policy(d->config, origin);
	struct batch_message *open = NULL, *storm = NULL;
	struct message_row fresh = {0};
	struct group_decision decision;
	int64_t opened = 0, budget = DELIVER_BUDGET, size;
	enum err err = open_of_origin(d, row->room, origin, &open);

	if (err == OK && !entry->test)
		err = batch_open(d, row->room, "*", &storm);
	size = render_entry_size(entry, open ? open->row.alerts : 0);
	if (err == OK && open)
		err = message_budget(d, &open->row, size, &budget);
	if (err == OK && !entry->test && policy.storm > 0)
		err = batch_count_opened(d, &opened);
	if (err != OK)
		goto out;
	decision = group_decide(&policy, open ? &open->row : NULL, alert->severity, size, budget,
	        opened, storm, d->now_ms);
	if (open && decision.close_open) {
		err = message_close(d, &policy, &open->row, &fresh);
		open->changed = false;
	}
	if (err == OK && decision.action == GROUP_STORM) {
		open = storm;
		err = storm_choose(d, &policy, &open, entry, &fresh);
		if (open) /* the storm's ring counts what the closed message would have announced */
			open->row.silent += fresh.rings;
	}
	fresh.origin = x_strdup(decision.action == GROUP_STORM ? "*" : origin);
	if (err == OK)
		err = accept_as(d, decision.action, open, &fresh, entry, alert->run_id, row);
	if (err == OK && decision.close_open)
		err = batch_store(d);
	row->cause = decision.action == GROUP_STORM ? ALERT_STORM
	             : decision.action == GROUP_NEW ? ALERT_NEW
	                                            : ALERT_JOINED;
	row->reason = x_strdup(decision.reason);
out:
	free(origin);
	message_row_finish(&fresh);
	return err;
}

/*
 * ack.c - see ack.h. An ack belongs to an entry; its message shows it by an edit.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/ack.h"
#include "handlers/render.h"
#include "handlers/tell.h"
#include "storage/alerts.h"

#define REMIND_MAX 20                /* entries in one reminder */
#define REMIND_TEXT_MAX (16 * 1024)  /* bytes */
#define FORGET_MS (7 * CLOCK_DAY_MS) /* older ones are not brought up any more */

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = x_strdup_opt(text);
}

/* Changes an entry and has its message say so. *changed: it was not so before. */
static enum err mark(const struct deliver *d, struct message_row *message, struct entry_row *entry,
        const struct ack *ack, bool *changed)
{
	enum err err;

	*changed = ack ? !entry->resolved_ms : entry->acked_ms != 0;
	if (!*changed)
		return OK;
	entry->acked_ms = ack ? d->now_ms : 0;
	entry->reminded_ms = d->now_ms;
	set_text(&entry->acked_by, ack ? ack->who : NULL);
	set_text(&entry->ack_note, ack ? ack->note : NULL);
	err = entries_update(d->store, entry);
	if (message->frozen_ms) {
		message->dirty_ms = message->dirty_ms ? message->dirty_ms : d->now_ms;
		message->urgent = 1;
	}
	return err == OK ? messages_update(d->store, message) : err;
}

static enum err mark_counted(const struct deliver *d, struct message_row *message,
        struct entry_row *entry, const struct ack *ack, int *count, char **what)
{
	bool changed;
	enum err err = mark(d, message, entry, ack, &changed);

	if (!*what)
		*what = x_asprintf("%s · %s", entry->app, entry->identity);
	*count += changed;
	return err;
}

enum err ack_run(
        const struct deliver *d, const char *run_id, const struct ack *ack, int *count, char **what)
{
	struct alert_row alert = {0};
	struct message_row message = {0};
	struct entry_row entry = {0};
	enum err err = alerts_by_run_id(d->store, run_id, &alert);

	*count = 0;
	*what = NULL;
	if (err == OK)
		err = alert.message_id ? messages_by_id(d->store, alert.message_id, &message)
		                       : ERR_NOT_FOUND;
	if (err == OK)
		err = entries_by_fingerprint(d->store, message.id, alert.fingerprint, &entry);
	if (err == OK)
		err = mark_counted(d, &message, &entry, ack, count, what);
	alert_row_finish(&alert);
	message_row_finish(&message);
	entry_row_finish(&entry);
	return err;
}

enum err ack_event(const struct deliver *d, const char *event_id, const struct ack *ack, int *count,
        char **what)
{
	struct message_row message = {0};
	struct entry_row *entries = NULL;
	size_t len = 0, i;
	enum err err = messages_by_event(d->store, event_id, &message);

	*count = 0;
	*what = NULL;
	if (err == OK)
		err = entries_of(d->store, message.id, &entries, &len);
	for (i = 0; i < len; i++) {
		if (err == OK)
			err = mark_counted(d, &message, &entries[i], ack, count, what);
		entry_row_finish(&entries[i]);
	}
	free(entries);
	message_row_finish(&message);
	return err;
}

/* ---- duty ---- */

static enum err end_old(const struct deliver *d)
{
	struct entry_row *entries = NULL;
	size_t len = 0, i;
	int64_t timeout_ms = d->config->commands.ack_timeout_ms;
	enum err err = OK;

	if (timeout_ms > 0)
		err = entries_acked_before(
		        d->store, d->now_ms - timeout_ms, REMIND_MAX, &entries, &len);
	for (i = 0; i < len; i++) {
		struct message_row message = {0};
		bool changed;

		if (err == OK)
			err = messages_by_id(d->store, entries[i].message_id, &message);
		if (err == OK)
			err = mark(d, &message, &entries[i], NULL, &changed);
		message_row_finish(&message);
		entry_row_finish(&entries[i]);
	}
	free(entries);
	return err;
}

/* One reminder under construction, for one room. */
struct reminder {
	char room[64];
	struct buf text;
	int len;
};

static enum err reminder_send(const struct deliver *d, struct reminder *reminder)
{
	char *const *mention = d->config->severity[SEVERITY_CRITICAL].mention;
	char *text;
	enum err err;

	if (reminder->len == 0)
		return OK;
	text = x_asprintf("⏰ %d critical alert%s nobody took on:%s\nTake on with %sack <run>, or "
	                  "✅ on the message.",
	        reminder->len, reminder->len == 1 ? "" : "s", buf_str(&reminder->text),
	        d->config->commands.prefix);
	err = tell_room(d, reminder->room, text, mention);
	free(text);
	buf_reset(&reminder->text);
	reminder->len = 0;
	return err;
}

static enum err remind_of(const struct deliver *d, struct entry_row *entry,
        const struct message_row *message, struct reminder *reminder)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));
	char age[24];
	enum err err = OK;

	if (strcmp(reminder->room, message->room) != 0)
		err = reminder_send(d, reminder);
	snprintf(reminder->room, sizeof(reminder->room), "%s", message->room);
	clock_format_duration(d->now_ms - entry->first_ms, age, sizeof(age));
	buf_add_char(&reminder->text, '\n');
	text_add_plain(&reminder->text, entry->app, 64, TEXT_FOLD_NEWLINES);
	buf_add_str(&reminder->text, " · ");
	text_add_plain(&reminder->text, entry->identity, 100, TEXT_FOLD_NEWLINES);
	buf_printf(&reminder->text, ", for %s", age);
	if (run) {
		buf_add_str(&reminder->text, ", run ");
		text_add_plain(&reminder->text, run, 64, TEXT_FOLD_NEWLINES);
	}
	reminder->len++;
	json_decref(runs);
	entry->reminded_ms = d->now_ms;
	return err == OK ? entries_update(d->store, entry) : err;
}

static enum err remind(const struct deliver *d)
{
	int64_t remind_ms = d->config->commands.remind_ms;
	struct entry_row *entries = NULL;
	struct reminder reminder = {.len = 0};
	size_t len = 0, i;
	enum err err = OK;

	if (remind_ms <= 0)
		return OK;
	buf_init(&reminder.text, REMIND_TEXT_MAX);
	err = entries_unacked(
	        d->store, d->now_ms - FORGET_MS, d->now_ms - remind_ms, REMIND_MAX, &entries, &len);
	for (i = 0; i < len; i++) {
		struct message_row message = {0};

		if (err == OK)
			err = messages_by_id(d->store, entries[i].message_id, &message);
		if (err == OK && message.sent_ms)
			err = remind_of(d, &entries[i], &message, &reminder);
		message_row_finish(&message);
		entry_row_finish(&entries[i]);
	}
	if (err == OK)
		err = reminder_send(d, &reminder);
	buf_finish(&reminder.text);
	free(entries);
	return err;
}

enum err ack_duty(const struct deliver *d)
{
	enum err err = end_old(d);

	return err == OK ? remind(d) : err;
}

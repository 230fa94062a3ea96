/*
 * command_status.c - !status, !alerts, !alert, !retry.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/command.h"
#include "handlers/command_text.h"
#include "handlers/heartbeat.h"
#include "handlers/render.h"
#include "storage/alerts.h"
#include "storage/calls.h"
#include "storage/commands.h"
#include "storage/messages.h"
#include "storage/silences.h"

#define ASIDE_MAX 3
#define ALERTS_DEFAULT 5
#define ALERTS_MAX 20
#define UNACKED_MAX 5
#define WEEK_MS (7 * CLOCK_DAY_MS)

static enum err say_unacked(struct command_call *call)
{
	struct entry_row *entries = NULL;
	size_t len = 0, i;
	enum err err = entries_unacked(call->env->store, call->env->now_ms - WEEK_MS,
	        call->env->now_ms, UNACKED_MAX, &entries, &len);

	if (err == OK && len > 0)
		command_say(call, "not acked%s:\n", len == UNACKED_MAX ? ", the first" : "");
	for (i = 0; i < len; i++) {
		command_say(call, "  ");
		text_add_plain(&call->text, entries[i].app, 64, TEXT_FOLD_NEWLINES);
		command_say(call, " · ");
		text_add_plain(&call->text, entries[i].identity, 80, TEXT_FOLD_NEWLINES);
		command_say(call, "\n");
		entry_row_finish(&entries[i]);
	}
	free(entries);
	return err;
}

static enum err say_silences(struct command_call *call)
{
	struct silence_row *rows = NULL;
	size_t len = 0, i;
	enum err err = silences_active(call->env->store, &rows, &len);

	if (err == OK && len > 0)
		command_say(call, "silences: %zu (%ssilences)\n", len, command_prefix(call));
	for (i = 0; i < len; i++)
		silence_row_finish(&rows[i]);
	free(rows);
	return err;
}

enum err command_status(struct command_call *call)
{
	struct store *store = call->env->store;
	struct report_status status = *call->env->status;
	int64_t since_ms = call->env->now_ms - CLOCK_DAY_MS;
	struct outbox_row *rows = NULL;
	char *heartbeat = NULL;
	size_t len = 0, i;
	enum err err = outbox_counts(store, &status.waiting, &status.aside, &status.oldest_ms);

	if (err == OK)
		err = alerts_count_since(store, since_ms, status.counts);
	if (err == OK)
		err = calls_latency_p95(store, since_ms, &status.p95_ms);
	if (err == OK)
		err = outbox_aside(store, ASIDE_MAX, &rows, &len);
	if (err == OK)
		err = heartbeat_last_text(store, call->env->now_ms, &heartbeat);
	status.heartbeat = heartbeat;
	status.aside_rows = rows;
	status.aside_len = len;
	if (err == OK)
		report_status_text(&status, &call->text);
	for (i = 0; i < len; i++)
		outbox_row_finish(&rows[i]);
	free(rows);
	free(heartbeat);
	if (err == OK)
		err = say_unacked(call);
	return err == OK ? say_silences(call) : err;
}

enum err command_alerts(struct command_call *call)
{
	const char *text = call->args;
	char *app = command_word_bare(&text), *number = command_word_bare(&text);
	const char *count = app[0] && strspn(app, "0123456789") == strlen(app) ? app : number;
	bool named = app[0] && count != app;
	long limit = count[0] ? strtol(count, NULL, 10) : ALERTS_DEFAULT;
	struct alert_row *rows = NULL;
	size_t len = 0, i;
	enum err err;

	limit = limit < 1 ? ALERTS_DEFAULT : limit > ALERTS_MAX ? ALERTS_MAX : limit;
	err = alerts_list(call->env->store, named ? app : NULL, (int)limit, &rows, &len);
	if (err == OK)
		report_alerts_text(rows, len, call->env->now_ms, &call->text);
	for (i = 0; i < len; i++)
		alert_row_finish(&rows[i]);
	free(rows);
	free(app);
	free(number);
	return err;
}

static void say_when(struct command_call *call, const char *what, int64_t at_ms)
{
	char when[40];

	if (at_ms == 0)
		return;
	clock_format_short(at_ms, call->env->now_ms, when, sizeof(when));
	command_say(call, "%s %s\n", what, when);
}

static enum err say_history(struct command_call *call, const struct alert_row *row)
{
	struct message_row message = {0};
	struct entry_row entry = {0};
	enum err err = messages_by_id(call->env->store, row->message_id, &message);

	if (err == OK)
		err = entries_by_fingerprint(
		        call->env->store, message.id, row->fingerprint, &entry);
	if (err == OK) {
		command_say(call, "count: ×%" PRId64 "\n", entry.count);
		say_when(call, "sent", message.sent_ms);
		if (message.edited_ms && message.sent_ms)
			say_when(call, "edited last", message.edited_ms);
		if (entry.acked_ms) {
			command_say(call, "acked by ");
			text_add_plain(&call->text, entry.acked_by, 128, TEXT_FOLD_NEWLINES);
			command_say(call, "\n");
		}
		say_when(call, "acked", entry.acked_ms);
		say_when(call, "resolved", entry.resolved_ms);
	}
	message_row_finish(&message);
	entry_row_finish(&entry);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err command_alert(struct command_call *call)
{
	const char *text = call->args;
	char *run = command_word_bare(&text);
	struct alert_row row = {0};
	enum err err = run[0] ? alerts_by_run_id(call->env->store, run, &row) : ERR_NOT_FOUND;

	if (err == ERR_NOT_FOUND) {
		command_fail(call, run[0] ? "there is no run by that id; " : "which run? ");
		command_say(call, "%salerts lists the newest.", command_prefix(call));
		err = OK;
	} else if (err == OK) {
		report_alerts_text(&row, 1, call->env->now_ms, &call->text);
		say_when(call, "taken in", row.received_ms);
		command_say(call, "why: %s\n", row.reason);
		if (row.room)
			command_say(call, "room: %s\n", row.room);
		if (row.message_id)
			err = say_history(call, &row);
		if (row.url) {
			text_add_plain(&call->text, row.url, 500, TEXT_FOLD_NEWLINES);
			command_say(call, "\n");
		}
	}
	alert_row_finish(&row);
	free(run);
	return err;
}

enum err command_retry(struct command_call *call)
{
	int64_t count;
	enum err err = outbox_retry(call->env->store, 0, &count);

	command_say(call, "%" PRId64 " back in the queue\n", count);
	command_effect(call, "retried %" PRId64, count);
	return err;
}

/*
 * command_status.c - !status, !alerts, !alert, !retry.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/alerts/route.h"
#include "handlers/commands/command.h"
#include "handlers/commands/status.h"
#include "storage/alerts.h"
#include "storage/history.h"
#include "storage/messages.h"

#define ALERTS_DEFAULT 5
#define ALERTS_MAX 20 /* in a room */
#define LIMIT_MAX 500
#define ALERTS_PAGE 20
#define ALERTS_BYTES_MAX (256 * 1024) /* of an answer's data */
#define HISTORY_MAX 8

static enum err run_status(struct command_call *call)
{
	struct report_status status = *call->env->status;
	enum err err = status_load(call->env->store, call->env->config, &status);

	if (err == OK) {
		report_status_text(&status, command_prefix(call), &call->text);
		json_decref(call->data);
		call->data = report_status_json(&status);
	}
	status_unload(&status);
	return err;
}

/* The alert's entry in its message; zeroed when it has none. If the failure was resolved and
 * fired again in the same message, this alert counts as resolved. */
static enum err entry_of(
        struct command_call *call, const struct alert_row *row, struct entry_row *entry)
{
	enum err err = row->message_id ? entries_by_fingerprint(call->env->store, row->message_id,
	                                         row->fingerprint, entry)
	                               : ERR_NOT_FOUND;

	if (err == OK && row->at_ms < entry->first_ms) {
		entry->count = 1;
		entry->resolved_ms = entry->first_ms;
		entry->acked_ms = 0;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

/* Adds an alert to the answer, and its JSON to list (an array). */
static enum err say_alert(struct command_call *call, const struct alert_row *row, json_t *list)
{
	struct entry_row entry = {0};
	enum err err = entry_of(call, row, &entry);

	report_alert_text(
	        call->env->config, row, entry.id ? &entry : NULL, call->env->now_ms, &call->text);
	json_array_append_new(
	        list, report_alert_json(call->env->config, row, entry.id ? &entry : NULL));
	entry_row_finish(&entry);
	return err;
}

enum err command_say_no_app(struct command_call *call, const char *app)
{
	char *near = NULL;
	enum err err = command_nearest_app(call, app, &near);

	command_say(call, "No alerts from ");
	words_name(&call->text, app, 64);
	if (near && strcmp(near, app) != 0)
		command_say(call, ". Did you mean `%s`?", near);
	free(near);
	return err;
}

static enum err say_whole_run(struct command_call *call, const char *run);

static void say_heading(struct command_call *call, const char *heading)
{
	words_bold(&call->text, true);
	command_say(call, "%s", heading);
	words_bold(&call->text, false);
	words_list(&call->text, SIZE_MAX, NULL);
}

/* Lists the newest alerts, a page at a time, until the answer reaches its maximum size. */
static enum err say_alerts(struct command_call *call, const char *app, int64_t limit, json_t *list)
{
	int64_t before = INT64_MAX;
	size_t len = ALERTS_PAGE, bytes = 0;
	enum err err = OK;

	for (; err == OK && limit > 0 && len == ALERTS_PAGE; limit -= ALERTS_PAGE) {
		struct alert_row *rows = NULL;

		err = alerts_before(call->env->store, app, before,
		        (int)(limit < ALERTS_PAGE ? limit : ALERTS_PAGE), &rows, &len);
		for (size_t i = 0; i < len && err == OK && bytes < ALERTS_BYTES_MAX; i++) {
			if (json_array_size(list) == 0)
				say_heading(call, "Recent alerts");
			words_item(&call->text);
			err = say_alert(call, &rows[i], list);
			bytes += json_dumpb(json_array_get(list, json_array_size(list) - 1), NULL,
			        0, JSON_COMPACT);
			before = rows[i].id;
		}
		alert_rows_free(rows, len);
		if (bytes >= ALERTS_BYTES_MAX) {
			json_object_set_new(command_data(call), "more", json_true());
			break;
		}
	}
	return err;
}

static enum err run_alerts(struct command_call *call)
{
	const char *app = command_arg(call, "app");
	int64_t limit = command_number(call, "limit"), most = call->room ? ALERTS_MAX : LIMIT_MAX;
	json_t *list;
	enum err err;

	if (command_arg(call, "run_id")) {
		call->field = "run_id";
		return say_whole_run(call, command_arg(call, "run_id"));
	}
	limit = limit == 0 ? ALERTS_DEFAULT : limit > most ? most : limit;
	list = json_array();
	err = say_alerts(call, app, limit, list);
	if (err == OK && json_array_size(list) == 0 && app)
		err = command_say_no_app(call, app);
	else if (err == OK && json_array_size(list) == 0)
		command_say(call, "No alerts.");
	else
		words_list_end(&call->text);
	json_object_set_new(command_data(call), "alerts", list);
	return err;
}

/* "10:31 CET", at the beginning of an entry of the list. */
static void say_at(struct command_call *call, int64_t at_ms)
{
	words_item(&call->text);
	words_when(&call->text, at_ms, call->env->now_ms);
	command_say(call, " ");
}

/* When the alert's message was sent and last edited; 0 = never, or the answer says so already. */
struct shown {
	int64_t sent_ms, updated_ms;
};

static void say_when(struct command_call *call, const char *what, int64_t *at_ms)
{
	say_at(call, *at_ms);
	command_say(call, "%s", what);
	*at_ms = 0;
}

/* What was done at until_ms comes after the message, and before the edit that shows it. */
static void say_shown(struct command_call *call, struct shown *shown, int64_t until_ms)
{
	if (shown->sent_ms && shown->sent_ms <= until_ms)
		say_when(call, "sent", &shown->sent_ms);
	if (shown->updated_ms && shown->updated_ms < until_ms)
		say_when(call, "updated", &shown->updated_ms);
}

/* What became of the alert, oldest first: in the room, and what people and the bot did. */
static enum err say_history(struct command_call *call, const char *fingerprint,
        const struct history_episode *episode, struct shown *shown)
{
	struct history_row *rows = NULL;
	size_t len = 0;
	json_t *list = json_array();
	enum err err = history_of(call->env->store, fingerprint, episode, HISTORY_MAX, &rows, &len);

	for (size_t i = len; i > 0; i--) {
		const struct history_row *row = &rows[i - 1];

		say_shown(call, shown, row->at_ms);
		say_at(call, row->at_ms);
		words_name(&call->text, row->what, 200);
		if (row->author) {
			command_say(call, " by ");
			words_user(&call->text, row->author, call->env->config->matrix.user);
		}
		command_say(call, row->note ? ": " : "");
		words_code(&call->text, row->note, 200);
		json_array_append_new(
		        list, json_pack("{s:I, s:s, s:s*, s:s*}", "at_ms", (json_int_t)row->at_ms,
		                      "what", row->what, "by", row->author, "note", row->note));
	}
	history_rows_free(rows, len);
	say_shown(call, shown, INT64_MAX);
	json_object_set_new(command_data(call), "history", list);
	return err;
}

/* Finds the first event that had the alert, which may be an edit of an older message, and the last
 * edit; says so if there is none. */
static enum err say_message(struct command_call *call, const struct alert_row *row,
        const struct history_episode *episode, struct shown *shown)
{
	struct message_row message = {0};
	int64_t received_ms;
	char *event_id = NULL;
	bool undeliverable = false, discarded = false;
	enum err err = OK;

	if (row->message_id)
		err = messages_find(call->env->store, row->message_id, &message);
	if (err == OK && message.room)
		err = alerts_where(call->env->store, row->id, &event_id, &shown->sent_ms,
		        &received_ms, &undeliverable);
	if (err == OK && message.room && !event_id)
		err = alerts_discarded(call->env->store, row->id, &discarded);
	if (err == OK && message.room && !event_id) {
		words_item(&call->text);
		command_say(call, discarded       ? "discarded"
		                  : undeliverable ? "undeliverable"
		                                  : "not in the room yet");
	}
	if (err == OK && event_id && message.edited_ms > shown->sent_ms &&
	        message.edited_ms <= episode->to_ms)
		shown->updated_ms = message.edited_ms;
	free(event_id);
	message_row_finish(&message);
	return err;
}

/* What waited for a room that is no longer in the config was moved to where its app's alerts go. */
static const char *room_now(const struct command_call *call, const struct alert_row *row)
{
	const struct config *config = call->env->config;

	return config_room(config, row->room)
	               ? row->room
	               : route_room(config, row->app, (enum severity)row->severity);
}

static enum err say_whole(struct command_call *call, const struct alert_row *row)
{
	json_t *list = json_array();
	struct history_episode episode = {0};
	struct shown shown = {0};
	int64_t received_ms = row->received_ms;
	enum err err = say_alert(call, row, list);

	words_list(&call->text, SIZE_MAX, NULL);
	say_when(call, "received", &received_ms);
	if (err == OK)
		err = history_find_episode(
		        call->env->store, row->fingerprint, row->received_ms, &episode);
	if (err == OK)
		err = say_message(call, row, &episode, &shown);
	if (err == OK)
		err = say_history(call, row->fingerprint, &episode, &shown);
	words_list_end(&call->text);
	command_say(call, "Why: %s", row->reason);
	if (row->room && !row->resolved)
		command_say(call, " · %s alerts go to room %s",
		        severity_name((enum severity)row->severity), room_now(call, row));
	words_break(&call->text);
	if (row->url) {
		words_link(&call->text, row->url);
		command_say(call, "dashboard");
		words_link_end(&call->text);
	}
	json_object_set_new(command_data(call), "alerts", list);
	return err;
}

static enum err say_whole_run(struct command_call *call, const char *run)
{
	struct alert_row row = {0};
	enum err err = alerts_by_run_id(call->env->store, run, &row);

	if (err == ERR_NOT_FOUND)
		err = command_fail_run(call, run);
	else if (err == OK)
		err = say_whole(call, &row);
	alert_row_finish(&row);
	return err;
}

/* Several failures of one message, each in short. */
static enum err say_each(struct command_call *call, const struct entry_row *rows, size_t len)
{
	json_t *list = json_array();
	enum err err = OK;

	say_heading(call, "Alerts of this message");
	for (size_t i = 0; i < len && json_array_size(list) < ALERTS_MAX && err == OK; i++) {
		struct alert_row row = {0};

		err = alerts_newest_in(
		        call->env->store, rows[i].message_id, rows[i].fingerprint, &row);
		words_item(&call->text);
		if (err == OK)
			err = say_alert(call, &row, list);
		else if (err == ERR_NOT_FOUND)
			err = OK;
		alert_row_finish(&row);
	}
	words_list_end(&call->text);
	command_say(call, "`%salert <run_id>` shows one with its history", command_prefix(call));
	json_object_set_new(command_data(call), "alerts", list);
	return err;
}

/* What the command replies to. */
static enum err say_target(struct command_call *call)
{
	struct alert_row row = {0};
	struct entry_row *rows = NULL;
	size_t len = 0;
	enum err err = command_target(call, &rows, &len);

	if (err == OK && len == 1)
		err = alerts_newest_in(
		        call->env->store, rows[0].message_id, rows[0].fingerprint, &row);
	if (err == OK && len == 1)
		err = say_whole(call, &row);
	else if (err == OK && len > 1)
		err = say_each(call, rows, len);
	else if (err == OK || err == ERR_NOT_FOUND)
		err = command_fail(call, "That message is not an alert. Example: `%s%s`",
		        command_prefix(call), call->command->example);
	alert_row_finish(&row);
	entry_rows_free(rows, len);
	return err;
}

static enum err run_alert(struct command_call *call)
{
	return command_arg(call, "run_id") ? say_whole_run(call, command_arg(call, "run_id"))
	                                   : say_target(call);
}

static enum err run_retry(struct command_call *call)
{
	int64_t id = command_number(call, "id"), count = 0;
	enum err err = outbox_retry(call->env->store, id, &count);

	if (err != OK)
		return err;
	if (id && count == 0)
		return command_fail(call, "There is no undeliverable message %" PRId64 ".", id);
	if (count == 0)
		command_say(call, "Nothing is undeliverable.");
	else
		words_count(&call->text, count, "message is in the delivery queue again.",
		        "messages are in the delivery queue again.");
	command_effect(call, "retried %" PRId64, count);
	json_object_set_new(command_data(call), "count", json_integer(count));
	return OK;
}

static enum err run_discard(struct command_call *call)
{
	const struct deliver d = command_deliver(call);
	int64_t id = command_number(call, "id");
	enum err err = deliver_discard(&d, id);

	if (err == ERR_NOT_FOUND)
		return command_fail(call,
		        "No message %" PRId64
		        " is waiting or undeliverable. `%sstatus` lists them.",
		        id, command_prefix(call));
	if (err != OK)
		return err;
	command_say(call, "Message %" PRId64 " discarded", id);
	command_effect(call, "discarded %" PRId64, id);
	return OK;
}

const struct command command_alert = {
        .name = "alert",
        .help = "details and history of an alert\n"
                "No run id is needed in a reply to an alert, or in its thread.",
        .example = "alert r-81",
        .where = COMMAND_ROOM | COMMAND_LINE,
        .reply = true,
        .op = "alerts",
        .run = run_alert,
        .members = {{"run_id", MEMBER_TEXT, .required = true}},
};

const struct command command_alerts = {
        .name = "alerts",
        .help = "list recent alerts",
        .example = "alerts etl 10",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_alerts,
        .members = {{"app", MEMBER_WORD}, {"limit", MEMBER_NUMBER, .most = LIMIT_MAX},
                {"run_id", MEMBER_TEXT, .request = true}},
};

const struct command command_discard = {
        .name = "discard",
        .help = "discard a message that is waiting or undeliverable",
        .example = "discard 12",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .run = run_discard,
        .members = {{"id", MEMBER_NUMBER, .required = true}},
};

const struct command command_retry = {
        .name = "retry",
        .help = "send undeliverable messages again",
        .example = "retry",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .right = COMMAND_CHANGES,
        .run = run_retry,
        .members = {{"id", MEMBER_NUMBER}},
};

const struct command command_status = {
        .name = "status",
        .help = "bot status: problems, unacknowledged alerts, queue, rooms",
        .example = "status",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_status,
};

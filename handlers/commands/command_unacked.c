/*
 * command_unacked.c - !unacked: all unacknowledged alerts, with a link to each.
 */
#include "handlers/commands/command.h"
#include "storage/messages.h"

#define OPEN_MAX 500
#define OPEN_MS (7 * CLOCK_DAY_MS)
#define SHOWN_MAX 10 /* the oldest half and the newest half */

static json_t *entry_json(const struct entry_row *row, const struct message_row *message)
{
	return json_pack("{s:s, s:s, s:s, s:o*, s:I, s:I, s:s?, s:s?}", "app", row->app, "kind",
	        row->kind, "identity", row->identity, "run_ids", json_loads(row->run_ids, 0, NULL),
	        "first_ms", (json_int_t)row->first_ms, "count", (json_int_t)row->count, "room",
	        message->room, "event_id", message->event_id);
}

/* shown false: added to the JSON list only. */
static enum err command_unacked_say_entry(
        struct command_call *call, const struct entry_row *row, bool shown, json_t *list)
{
	struct message_row message = {0};
	json_t *runs = json_loads(row->run_ids, 0, NULL);
	enum err err = messages_find(call->env->store, row->message_id, &message);

	if (err == OK && shown) {
		words_item(&call->text);
		words_failure(&call->text, row->app, row->identity,
		        call->room ? message.room_id : NULL, message.event_id);
		command_say(call, " · ");
		words_duration(&call->text, call->env->now_ms - row->first_ms);
		if (json_array_size(runs) > 0) {
			command_say(call, " · ");
			words_runs(&call->text, runs, json_array_size(runs), 1);
		}
	}
	if (err == OK)
		json_array_append_new(list, entry_json(row, &message));
	json_decref(runs);
	message_row_finish(&message);
	return err;
}

static enum err run_unacked(struct command_call *call)
{
	struct entry_row *rows = NULL;
	json_t *list = json_array();
	size_t len = 0, half = call->room ? SHOWN_MAX / 2 : OPEN_MAX;
	enum err err = entries_unacked(
	        call->env->store, call->env->now_ms - OPEN_MS, OPEN_MAX, &rows, &len);
	bool cut = len > 2 * half;

	if (err == OK && len == 0)
		command_say(call, "✅ Nothing is unacknowledged.");
	if (len > 0) {
		command_say(call, "🚨 ");
		words_bold(&call->text, true);
		words_count(&call->text, (int64_t)len, "unacknowledged critical alert",
		        "unacknowledged critical alerts");
		words_bold(&call->text, false);
		command_say(call, cut ? ": oldest and newest" : "");
		words_list(&call->text, 2 * half + 1, NULL);
	}
	for (size_t i = 0; i < len && err == OK; i++) {
		if (cut && i == half) {
			words_item(&call->text);
			command_say(call, "… %zu more …", len - 2 * half);
		}
		err = command_unacked_say_entry(
		        call, &rows[i], !cut || i < half || i >= len - half, list);
	}
	if (len > 0)
		words_list_end(&call->text);
	json_object_set_new(command_data(call), "unacked", list);
	entry_rows_free(rows, len);
	return err;
}

const struct command command_unacked = {
        .name = "unacked",
        .help = "list unacknowledged alerts",
        .example = "unacked",
        .where = COMMAND_ROOM | COMMAND_SOCKET | COMMAND_LINE,
        .run = run_unacked,
};

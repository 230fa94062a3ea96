/*
 * undelivered_look.c - see undelivered_look.h.
 */
#include <inttypes.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "handlers/alerts/undelivered_look.h"
#include "handlers/oncall/tell.h"
#include "storage/state.h"
#include "storage/undelivered.h"

#define TELL_MAX 500                 /* alerts in one message */
#define TOLD_ROOM "undelivered.room" /* in `state`: the room that is to hear of the recovery */

static bool undelivered_look_is_said(const char *text)
{
	return text && text[0];
}

static const struct report_room *room_of(const struct report_status *status, const char *name)
{
	for (size_t i = 0; name && i < status->rooms_len; i++)
		if (strcmp(status->rooms[i].name, name) == 0)
			return &status->rooms[i];
	return NULL;
}

/* Why an alert is not delivered; the most specific cause first. */
static const char *cause_of(const struct report_status *status, const struct undelivered_row *row)
{
	const struct report_room *room = room_of(status, row->room);

	if (undelivered_look_is_said(row->error))
		return row->error;
	if (undelivered_look_is_said(status->problem))
		return status->problem;
	if (!room)
		return "the room is not in the config";
	if (undelivered_look_is_said(room->problem))
		return room->problem;
	if (room->encrypted && undelivered_look_is_said(status->encryption_problem))
		return status->encryption_problem;
	if (undelivered_look_is_said(status->limit))
		return status->limit;
	return status->retrying ? status->retrying : "";
}

static void undelivered_say_cause(const char *cause, struct words *out)
{
	if (*cause)
		words_error(out, cause, WORDS_ERROR_POINTS);
	else
		words_say(out, "the homeserver has not confirmed it");
}

static bool is_of_room(const struct undelivered_row *row, const struct undelivered_row *other)
{
	return strcmp(row->room ? row->room : "", other->room ? other->room : "") == 0;
}

/* Lists the alerts of one room from index on; returns the index of the next room's first alert. */
static size_t undelivered_say_room(const struct deliver *d, const struct report_status *status,
        const struct undelivered_row *rows, size_t len, size_t index, struct words *out)
{
	const char *name = rows[index].room;
	size_t end = index;

	words_break(out);
	words_name(out, name ? name : "no room", WORDS_NAME_POINTS);
	words_say(out, ": ");
	undelivered_say_cause(cause_of(status, &rows[index]), out);
	words_list(out, WORDS_LIST_MAX, "matrix-telemetry-bot unacked");
	for (; end < len && is_of_room(&rows[end], &rows[index]); end++) {
		words_item(out);
		words_name(out, rows[end].app, WORDS_NAME_POINTS);
		words_say(out, " · ");
		words_what(out, rows[end].identity);
		words_say(out, " · ");
		words_duration(out, d->now_ms - rows[end].received_ms);
		if (rows[end].run_id)
			words_say(out, " · ");
		words_code(out, rows[end].run_id, WORDS_NAME_POINTS);
	}
	words_list_end(out);
	return end;
}

/* Also reports it in the [meta] room, unless that room cannot be reached itself. */
static enum err tell_own_room(const struct deliver *d, const struct report_status *status,
        const struct undelivered_row *rows, size_t len, struct words *words)
{
	const char *name = d->config->meta.room;
	const struct report_room *room = room_of(status, name);
	enum err err;

	if (!room || undelivered_look_is_said(status->problem) ||
	        undelivered_look_is_said(room->problem) ||
	        (room->encrypted && undelivered_look_is_said(status->encryption_problem)))
		return OK;
	for (size_t i = 0; i < len; i++)
		if (rows[i].room && strcmp(rows[i].room, name) == 0)
			return OK;
	err = tell_mention_critical(d, words);
	if (err == OK)
		err = tell_words(d, name, "m.text", words);
	return err == OK ? state_set(d->store, TOLD_ROOM, name) : err;
}

/* The bot's name comes last: channels of [meta] may receive reports of several bots. */
static void undelivered_say_headline(const struct deliver *d, const char *emoji, struct words *out,
        int64_t len, const char *what)
{
	words_say(out, "%s ", emoji);
	words_bold(out, true);
	words_count(out, len, "critical alert", "critical alerts");
	words_say(out, " %s", what);
	words_bold(out, false);
	words_say(out, " · ");
	words_name(out, d->config->matrix.user, WORDS_WHAT_POINTS);
}

static bool is_all_tests(const struct undelivered_row *rows, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!rows[i].test)
			return false;
	return true;
}

static enum err say_untold(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, struct words *out)
{
	struct undelivered_row *rows = NULL;
	size_t len = 0;
	enum err err = undelivered_untold(d->store, TELL_MAX, &rows, &len);

	if (len > 0)
		undelivered_say_headline(d, is_all_tests(rows, len) ? "🧪" : "🚨", out,
		        (int64_t)len,
		        len == 1 ? "is not in its room yet" : "are not in their room yet");
	for (size_t i = 0; i < len;)
		i = undelivered_say_room(d, status, rows, len, i, out);
	for (size_t i = 0; i < len; i++)
		if (rows[i].id > memory->told_id)
			memory->told_id = rows[i].id;
	if (len > 0 && err == OK)
		err = tell_own_room(d, status, rows, len, out);
	undelivered_rows_free(rows, len);
	return err;
}

static void undelivered_say_recovered(const struct deliver *d, struct words *out, int64_t len)
{
	undelivered_say_headline(d, "✅", out, len,
	        len == 1 ? "that was late is in its room now"
	                 : "that were late are in their room now");
}

/* Whichever room heard of the alerts hears of the recovery, without a sound. */
static enum err tell_own_room_recovered(const struct deliver *d, int64_t len)
{
	struct words words;
	char *name = NULL;
	enum err err = state_get(d->store, TOLD_ROOM, &name);

	if (err == ERR_NOT_FOUND)
		return OK;
	words_init(&words);
	undelivered_say_recovered(d, &words, len);
	if (err == OK && config_room(d->config, name))
		err = tell_words(d, name, "m.notice", &words);
	if (err == OK)
		err = state_delete(d->store, TOLD_ROOM);
	words_finish(&words);
	free(name);
	return err;
}

/* Reports the recovery once, when no reported alert is waiting any more. */
static enum err say_recovered(
        const struct deliver *d, struct undelivered_memory *memory, struct words *out)
{
	int64_t recovered = 0, waiting = 0;
	enum err err = undelivered_note_recovered(d->store, d->now_ms);

	if (err == OK)
		err = undelivered_count(d->store, &recovered, &waiting);
	if (err != OK || recovered == 0 || waiting > 0)
		return err;
	memory->recovered = true;
	words_break(out);
	undelivered_say_recovered(d, out, recovered);
	return tell_own_room_recovered(d, recovered);
}

enum err undelivered_look(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, char **text)
{
	int64_t after_ms = d->config->meta.undelivered_ms;
	struct words words;
	char *made;
	enum err err = OK;

	*text = NULL;
	if (memory->told_id)
		err = undelivered_set_told(d->store, memory->told_id, d->now_ms);
	if (err == OK && memory->recovered)
		err = undelivered_forget_recovered(d->store);
	*memory = (struct undelivered_memory){0};
	if (err == OK && after_ms > 0)
		err = undelivered_note(d->store, d->now_ms - after_ms);
	words_init(&words);
	if (err == OK)
		err = say_untold(d, status, memory, &words);
	if (err == OK)
		err = say_recovered(d, memory, &words);
	made = words_body(&words);
	words_finish(&words);
	if (*made)
		log_warning("meta", "%s", made);
	if (*made && err == OK)
		*text = made;
	else
		free(made);
	return err;
}

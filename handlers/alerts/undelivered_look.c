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
#include "storage/undelivered.h"

#define TELL_MAX 500 /* alerts in one text */
#define NAMED_MAX 10 /* of each room */
#define TEXT_MAX (16 * 1024)

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

/* What is wrong with an alert's way, the nearest cause first. */
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
	return "the homeserver has not confirmed it";
}

static bool is_of_room(const struct undelivered_row *row, const struct undelivered_row *other)
{
	return strcmp(row->room ? row->room : "", other->room ? other->room : "") == 0;
}

/* The alerts of one room from index on; returns where the next room's begin. */
static size_t say_room(const struct deliver *d, const struct report_status *status,
        const struct undelivered_row *rows, size_t len, size_t index, struct buf *out)
{
	size_t end = index;
	char age[24];

	while (end < len && is_of_room(&rows[end], &rows[index]))
		end++;
	buf_printf(out, "\n%s: ", rows[index].room ? rows[index].room : "no room");
	text_add_plain(out, cause_of(status, &rows[index]), 200, TEXT_FOLD_NEWLINES);
	for (size_t i = index; i < end && i < index + NAMED_MAX; i++) {
		clock_format_duration(d->now_ms - rows[i].received_ms, age, sizeof(age));
		buf_add_str(out, "\n- ");
		text_add_plain(out, rows[i].app, 64, TEXT_FOLD_NEWLINES);
		buf_add_str(out, " · ");
		text_add_plain(out, rows[i].identity, 120, TEXT_FOLD_NEWLINES);
		buf_printf(out, ", for %s", age);
		if (rows[i].run_id) {
			buf_add_str(out, ", run ");
			text_add_plain(out, rows[i].run_id, 64, TEXT_FOLD_NEWLINES);
		}
	}
	if (end - index > NAMED_MAX)
		buf_printf(out, "\n- +%zu more", end - index - NAMED_MAX);
	return end;
}

/* [meta] room hears of it too, where it is not one of those that cannot be reached. */
static enum err tell_own_room(const struct deliver *d, const struct report_status *status,
        const struct undelivered_row *rows, size_t len, const char *text)
{
	const char *name = d->config->meta.room;
	const struct report_room *room = room_of(status, name);

	if (!room || undelivered_look_is_said(status->problem) ||
	        undelivered_look_is_said(room->problem))
		return OK;
	for (size_t i = 0; i < len; i++)
		if (rows[i].room && strcmp(rows[i].room, name) == 0)
			return OK;
	return tell_room(d, name, text, d->config->severity[SEVERITY_CRITICAL].mention, NULL);
}

static enum err say_untold(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, struct buf *out)
{
	struct undelivered_row *rows = NULL;
	size_t len = 0;
	enum err err = undelivered_untold(d->store, TELL_MAX, &rows, &len);

	if (len > 0)
		buf_printf(out, "🚨 %s: %zu critical alert%s not in %s room yet",
		        d->config->matrix.user, len, len == 1 ? " is" : "s are",
		        len == 1 ? "its" : "their");
	for (size_t i = 0; i < len;)
		i = say_room(d, status, rows, len, i, out);
	for (size_t i = 0; i < len; i++)
		if (rows[i].id > memory->told_id)
			memory->told_id = rows[i].id;
	if (len > 0 && err == OK)
		err = tell_own_room(d, status, rows, len, buf_str(out));
	undelivered_rows_free(rows, len);
	return err;
}

/* Once, when nothing of it waits any more. */
static enum err say_recovered(
        const struct deliver *d, struct undelivered_memory *memory, struct buf *out)
{
	int64_t recovered = 0, waiting = 0;
	enum err err = undelivered_note_recovered(d->store, d->now_ms);

	if (err == OK)
		err = undelivered_count(d->store, &recovered, &waiting);
	if (err != OK || recovered == 0 || waiting > 0)
		return err;
	memory->recovered = true;
	buf_printf(out,
	        "%s✅ %s: recovered, %" PRId64 " critical alert%s that came late %s in the room now",
	        out->len ? "\n" : "", d->config->matrix.user, recovered, recovered == 1 ? "" : "s",
	        recovered == 1 ? "is" : "are");
	return OK;
}

enum err undelivered_look(const struct deliver *d, const struct report_status *status,
        struct undelivered_memory *memory, char **text)
{
	int64_t after_ms = d->config->meta.undelivered_ms;
	struct buf out;
	enum err err = OK;

	*text = NULL;
	if (memory->told_id)
		err = undelivered_set_told(d->store, memory->told_id, d->now_ms);
	if (err == OK && memory->recovered)
		err = undelivered_forget_recovered(d->store);
	*memory = (struct undelivered_memory){0};
	if (err == OK && after_ms > 0)
		err = undelivered_note(d->store, d->now_ms - after_ms);
	buf_init(&out, TEXT_MAX);
	if (err == OK)
		err = say_untold(d, status, memory, &out);
	if (err == OK)
		err = say_recovered(d, memory, &out);
	if (out.len > 0)
		log_warning("meta", "%s", buf_str(&out));
	if (out.len > 0 && err == OK)
		*text = x_strdup(buf_str(&out));
	buf_finish(&out);
	return err;
}

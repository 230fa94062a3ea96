/*
 * escalate.c - see escalate.h. One message for a step (or a reminder) and room, however many
 * failures it is about.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/oncall/escalate.h"
#include "handlers/silences/silence.h"
#include "handlers/oncall/tell.h"
#include "storage/history.h"

#define DUE_MAX 50                   /* entries in one go */
#define TEXT_MAX (16 * 1024)         /* bytes */
#define FORGET_MS (7 * CLOCK_DAY_MS) /* older ones are not brought up any more */

size_t escalate_due(const struct config *config, int64_t since_ms, int64_t done_ms, int64_t now_ms,
        size_t *first)
{
	const struct config_escalate *steps = config->escalates;
	size_t len = 0;

	/* they are in the order of after_ms */
	for (size_t i = 0; i < config->escalates_len; i++) {
		if (steps[i].after_ms <= done_ms || steps[i].after_ms > now_ms - since_ms)
			continue;
		if (len++ == 0)
			*first = i;
	}
	return len;
}

/* What is said in one room about some failures. */
struct line {
	const struct deliver *d;
	const struct config_escalate *step; /* NULL: a reminder */
	char room[64];
	struct buf text;
	json_t *about; /* ids of the entries */
};

static void line_init(
        struct line *line, const struct deliver *d, const struct config_escalate *step)
{
	*line = (struct line){.d = d, .step = step, .about = json_array()};
	buf_init(&line->text, TEXT_MAX);
}

static void line_finish(struct line *line)
{
	buf_finish(&line->text);
	json_decref(line->about);
}

/* Says what was gathered. */
static enum err line_send(struct line *line)
{
	const struct config *config = line->d->config;
	char *const *mention =
	        line->step ? line->step->mention : config->severity[SEVERITY_CRITICAL].mention;
	size_t len = json_array_size(line->about);
	char after[24] = "", *text;
	enum err err;

	if (len == 0)
		return OK;
	if (line->step)
		clock_format_duration(line->step->after_ms, after, sizeof(after));
	text = x_asprintf("%s %zu critical alert%s nobody took on%s%s:%s\n✅ this message, or %sack "
	                  "<run>.",
	        line->step ? "⏫" : "⏰", len, len == 1 ? "" : "s", line->step ? " for " : "", after,
	        buf_str(&line->text), config->commands.prefix);
	err = tell_room(line->d, line->room, text, mention, line->about);
	free(text);
	buf_reset(&line->text);
	json_array_clear(line->about);
	return err;
}

static enum err line_add(struct line *line, const char *room, const struct entry_row *entry)
{
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	const char *run = json_string_value(json_array_get(runs, json_array_size(runs) - 1));
	char age[24];
	enum err err = strcmp(line->room, room) != 0 ? line_send(line) : OK;

	snprintf(line->room, sizeof(line->room), "%s", room);
	clock_format_duration(line->d->now_ms - entry->first_ms, age, sizeof(age));
	buf_add_char(&line->text, '\n');
	text_add_plain(&line->text, entry->app, 64, TEXT_FOLD_NEWLINES);
	buf_add_str(&line->text, " · ");
	text_add_plain(&line->text, entry->identity, 100, TEXT_FOLD_NEWLINES);
	buf_printf(&line->text, ", for %s", age);
	if (run) {
		buf_add_str(&line->text, ", run ");
		text_add_plain(&line->text, run, 64, TEXT_FOLD_NEWLINES);
	}
	json_array_append_new(line->about, json_integer(entry->id));
	json_decref(runs);
	return err;
}

static void tell_subscribers(
        const struct deliver *d, const struct entry_row *entry, const char *step)
{
	if (d->happened)
		json_array_append_new(
		        d->happened, json_pack("{s:s, s:s, s:s, s:s*, s:o*}", "event",
		                             step ? "escalated" : "reminded", "app", entry->app,
		                             "identity", entry->identity, "step", step, "run_ids",
		                             json_loads(entry->run_ids, 0, NULL)));
}

/* Brings one failure up in its line, unless it is silenced: then its clocks begin anew. */
static enum err bring_up(struct line *line, struct entry_row *entry)
{
	const struct deliver *d = line->d;
	struct message_row message = {0};
	char *what = NULL;
	bool silenced;
	enum err err = silence_covers(d, entry, &silenced);

	if (err != OK)
		return err;
	if (silenced) {
		entry->reminded_ms = entry->open_ms = d->now_ms;
		return entries_update(d->store, entry);
	}
	err = deliver_message_read(d, entry->message_id, &message);
	if (err == OK && (message.room || (line->step && line->step->room)))
		err = line_add(line,
		        line->step && line->step->room ? line->step->room : message.room, entry);
	message_row_finish(&message);
	if (line->step)
		entry->escalated_ms = line->step->after_ms;
	entry->reminded_ms = d->now_ms;
	what = line->step ? x_asprintf("nobody took it on: escalated (%s)", line->step->name)
	                  : x_strdup("brought up again");
	if (err == OK)
		err = entries_update(d->store, entry);
	if (err == OK)
		err = history_add(d->store, entry->fingerprint, what, d->now_ms);
	tell_subscribers(d, entry, line->step ? line->step->name : NULL);
	free(what);
	return err;
}

static enum err escalate_step(const struct deliver *d, size_t index)
{
	const struct config_escalate *step = &d->config->escalates[index];
	struct entry_row *entries = NULL;
	struct line line;
	size_t len = 0;
	enum err err = entries_escalate(d->store, d->now_ms - FORGET_MS, d->now_ms - step->after_ms,
	        step->after_ms, DUE_MAX, &entries, &len);

	line_init(&line, d, step);
	for (size_t i = 0; i < len; i++) {
		size_t first;

		if (err == OK &&
		        escalate_due(d->config, entries[i].open_ms, entries[i].escalated_ms,
		                d->now_ms, &first) &&
		        first <= index)
			err = bring_up(&line, &entries[i]);
	}
	if (err == OK)
		err = line_send(&line);
	line_finish(&line);
	entry_rows_free(entries, len);
	return err;
}

static enum err remind(const struct deliver *d)
{
	int64_t remind_ms = d->config->commands.remind_ms;
	struct entry_row *entries = NULL;
	struct line line;
	size_t len = 0;
	enum err err;

	if (remind_ms <= 0)
		return OK;
	err = entries_remind(
	        d->store, d->now_ms - FORGET_MS, d->now_ms - remind_ms, DUE_MAX, &entries, &len);
	line_init(&line, d, NULL);
	for (size_t i = 0; i < len; i++)
		if (err == OK)
			err = bring_up(&line, &entries[i]);
	if (err == OK)
		err = line_send(&line);
	line_finish(&line);
	entry_rows_free(entries, len);
	return err;
}

enum err escalate_duty(const struct deliver *d)
{
	enum err err = OK;

	for (size_t i = 0; i < d->config->escalates_len && err == OK; i++)
		err = escalate_step(d, i);
	return err == OK ? remind(d) : err;
}

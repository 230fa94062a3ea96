/*
 * escalate.c - see escalate.h. Each step (or reminder) sends one message to each room, however many
 * failures it is about.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/alerts/deliver_message.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/oncall.h"
#include "handlers/silences/silence.h"
#include "handlers/oncall/tell.h"
#include "storage/history.h"
#include "storage/outbox.h"
#include "storage/state.h"

#define DUE_MAX 500 /* entries in one call */
#define SOON_MS (5 * CLOCK_MINUTE_MS)
#define STEP_SOON_MS CLOCK_MINUTE_MS
#define STEP_SOON_PART 10            /* of its time, if that is less */
#define FORGET_MS (7 * CLOCK_DAY_MS) /* older failures cause no reminders */

size_t escalate_due(const struct config *config, int64_t since_ms, int64_t done_ms, int64_t now_ms,
        size_t *first)
{
	const struct config_escalate *steps = config->escalates;
	size_t len = 0;

	/* sorted by after_ms */
	for (size_t i = 0; i < config->escalates_len; i++) {
		if (steps[i].after_ms <= done_ms || steps[i].after_ms > now_ms - since_ms)
			continue;
		if (len++ == 0)
			*first = i;
	}
	return len;
}

/* A failure that is due, and the newest message that shows it. */
struct due {
	struct entry_row *entry;
	struct message_row message;
	const char *room; /* where the reminder is sent */
	bool told;
};

/* A step, or a reminder (step NULL), with everything that is due for it. */
struct bell {
	const struct deliver *d;
	const struct config_escalate *step;
	struct due *dues; /* room for all that may be added */
	size_t len;
};

/* ---- reminders that wait ---- */

/* The last reminder of a room, by its outbox row. */
static char *reminder_key(const char *room)
{
	return x_asprintf("reminder.%s", room);
}

static enum err reminder_note(const struct deliver *d, const char *room, int64_t outbox_id)
{
	char *key = reminder_key(room), *value = x_asprintf("%" PRId64, outbox_id);
	enum err err = state_set(d->store, key, value);

	free(key);
	free(value);
	return err;
}

/* *waits: the room's last reminder is still to be delivered. Further ones would be read together
 * with it and be out of date by then. */
static enum err reminder_waits(const struct deliver *d, const char *room, bool *waits)
{
	char *key = reminder_key(room), *value = NULL;
	struct outbox_row row = {0};
	enum err err = state_get(d->store, key, &value);

	*waits = false;
	if (err == OK)
		err = outbox_by_id(d->store, strtoll(value, NULL, 10), &row);
	if (err == OK)
		*waits = row.state == OUTBOX_QUEUED || row.state == OUTBOX_FROZEN;
	outbox_row_finish(&row);
	free(value);
	free(key);
	return err == ERR_NOT_FOUND || err == ERR_DAMAGED ? OK : err;
}

/* ---- the message ---- */

static const char *newest_run(const json_t *runs)
{
	return json_string_value(json_array_get(runs, json_array_size(runs) - 1));
}

static void bell_say_headline(
        const struct bell *bell, size_t count, char *const *mention, struct words *out)
{
	words_say(out, bell->step ? "⏫ " : "⏰ ");
	words_bold(out, true);
	if (bell->step) {
		words_say(out, "Escalation “");
		words_name(out, bell->step->name, WORDS_NAME_POINTS);
		words_say(out, "”: ");
	}
	words_count(out, (int64_t)count, "unacknowledged critical alert",
	        "unacknowledged critical alerts");
	if (bell->step) {
		words_say(out, " for ");
		words_duration(out, bell->step->after_ms);
	}
	words_bold(out, false);
	if (mention[0])
		words_say(out, " · ");
	words_mention(out, mention);
}

static void bell_say_entry(const struct bell *bell, const struct due *due, struct words *out)
{
	const struct entry_row *entry = due->entry;
	json_t *runs = json_loads(entry->run_ids, 0, NULL);

	words_item(out);
	words_failure(
	        out, entry->app, entry->identity, due->message.room_id, due->message.event_id);
	words_say(out, " · ");
	words_duration(out, bell->d->now_ms - entry->first_ms);
	if (json_array_size(runs) > 0) {
		words_say(out, " · ");
		words_runs(out, runs, (size_t)entry->runs, 1);
	}
	json_decref(runs);
}

/* Sends one message for everything that is due in the room of the first failure. */
static enum err bell_ring(const struct bell *bell, struct due *first)
{
	const char *prefix = bell->d->config->commands.prefix;
	char *all = x_asprintf("%sunacked", prefix), *run = NULL;
	json_t *about = json_array();
	struct words words;
	char *const *mention = bell->step ? bell->step->mention
	                                  : bell->d->config->severity[SEVERITY_CRITICAL].mention;
	char **whom = NULL;
	size_t count = 0;
	int64_t outbox_id;
	enum err err = oncall_mention(bell->d, mention, &whom);

	for (size_t i = 0; i < bell->len; i++)
		count += strcmp(bell->dues[i].room, first->room) == 0;
	words_init(&words);
	if (err == OK)
		bell_say_headline(bell, count, whom, &words);
	oncall_mention_free(whom);
	words_list(&words, WORDS_LIST_MAX, all);
	for (struct due *due = first; due < bell->dues + bell->len; due++) {
		json_t *runs;

		if (strcmp(due->room, first->room) != 0)
			continue;
		due->told = true;
		bell_say_entry(bell, due, &words);
		json_array_append_new(about, json_integer(due->entry->id));
		runs = json_loads(due->entry->run_ids, 0, NULL);
		if (!run)
			run = x_strdup_opt(newest_run(runs));
		json_decref(runs);
	}
	words_list_end(&words);
	words_say(&words, "React with ✅ to acknowledge %s", count == 1 ? "it" : "all");
	if (run) {
		words_say(&words, ", or send ");
		words_command(&words, "%sack %s", prefix, run);
	}
	if (err == OK)
		err = tell_about(bell->d, first->room, &words, about, &outbox_id);
	if (err == OK && !bell->step)
		err = reminder_note(bell->d, first->room, outbox_id);
	words_finish(&words);
	json_decref(about);
	free(all);
	free(run);
	return err;
}

static void escalate_tell_subscribers(
        const struct deliver *d, const struct entry_row *entry, const char *step)
{
	if (d->happened)
		json_array_append_new(
		        d->happened, json_pack("{s:s, s:s, s:s, s:s*, s:o*}", "event",
		                             step ? "escalated" : "reminded", "app", entry->app,
		                             "identity", entry->identity, "step", step, "run_ids",
		                             json_loads(entry->run_ids, 0, NULL)));
}

/* ---- who is due ---- */

/* Adds one failure, unless it is silenced: then its reminders and steps count from now on. One
 * whose reminder would have to wait stays due. */
static enum err bell_add(struct bell *bell, struct entry_row *entry)
{
	const struct deliver *d = bell->d;
	const struct config_escalate *step = bell->step;
	struct due *due = &bell->dues[bell->len];
	struct history_row row;
	struct silence_hold hold = {0};
	bool waits = false;
	enum err err = messages_find(d->store, entry->message_id, &due->message);

	due->room = step && step->room ? step->room : due->message.room;
	due->entry = entry;
	if (err == OK && !step && due->room)
		err = reminder_waits(d, due->room, &waits);
	if (err == OK && !waits)
		err = silence_find_entry(d, entry, &hold);
	if (err != OK || waits)
		goto out;
	entry->reminded_ms = d->now_ms;
	if (hold.silence || hold.quiet)
		entry->open_ms = d->now_ms;
	else if (step)
		entry->escalated_ms = step->after_ms;
	err = entries_update(d->store, entry);
	if (err != OK || hold.silence || hold.quiet || !due->room)
		goto out;
	bell->len++;
	row = (struct history_row){.at_ms = d->now_ms,
	        .fingerprint = entry->fingerprint,
	        .what = (char *)(step ? "escalation sent" : "reminder sent"),
	        .note = step ? step->name : NULL};
	err = history_add(d->store, &row);
	escalate_tell_subscribers(d, entry, step ? step->name : NULL);
	return err;
out:
	message_row_finish(&due->message);
	*due = (struct due){0};
	return err;
}

/* Sends a message to each room, for those of the entries that are not held. */
static enum err bell_all(const struct deliver *d, const struct config_escalate *step,
        struct entry_row *entries, size_t len)
{
	struct bell bell = {.d = d, .step = step};
	enum err err = OK;

	bell.dues = x_calloc(len + 1, sizeof(*bell.dues));
	for (size_t i = 0; i < len && err == OK; i++)
		err = bell_add(&bell, &entries[i]);
	for (size_t i = 0; i < bell.len && err == OK; i++)
		if (!bell.dues[i].told)
			err = bell_ring(&bell, &bell.dues[i]);
	for (size_t i = 0; i < bell.len; i++)
		message_row_finish(&bell.dues[i].message);
	free(bell.dues);
	return err;
}

/* Leaves the entries for which no earlier step is due by then. */
static size_t keep_due(
        const struct deliver *d, struct entry_row *entries, size_t len, size_t index, int64_t by_ms)
{
	size_t kept = 0, first;

	for (size_t i = 0; i < len; i++) {
		struct entry_row entry = entries[i];

		if (!escalate_due(d->config, entry.open_ms, entry.escalated_ms, by_ms, &first) ||
		        first > index)
			continue;
		entries[i] = entries[kept];
		entries[kept++] = entry;
	}
	return kept;
}

/* Takes the steps from `index` to `end`, which have the same `after`, if they are due for an entry;
 * then also for those for which they are due soon, so that nobody is called again and again as the
 * failures of one incident become due. */
static enum err escalate_steps(const struct deliver *d, size_t index, size_t end)
{
	const struct config_escalate *steps = d->config->escalates;
	int64_t after_ms = steps[index].after_ms, soon_ms = after_ms / STEP_SOON_PART;
	struct entry_row *entries = NULL;
	size_t len = 0, kept;
	int64_t since_ms = d->now_ms - FORGET_MS, before_ms = d->now_ms - after_ms;
	enum err err = entries_pass_step(d->store, since_ms, before_ms, after_ms);

	if (soon_ms > STEP_SOON_MS)
		soon_ms = STEP_SOON_MS;
	if (err == OK)
		err = entries_escalate(
		        d->store, since_ms, before_ms, after_ms, DUE_MAX, &entries, &len);
	kept = keep_due(d, entries, len, index, d->now_ms);
	if (err == OK && kept > 0) {
		entry_rows_free(entries, len);
		err = entries_escalate(
		        d->store, since_ms, before_ms + soon_ms, after_ms, DUE_MAX, &entries, &len);
		kept = keep_due(d, entries, len, index, d->now_ms + soon_ms);
	}
	for (size_t i = index; i < end && err == OK && kept > 0; i++)
		err = bell_all(d, &steps[i], entries, kept);
	entry_rows_free(entries, len);
	return err;
}

/* A reminder that is due now includes what is due soon, so that reminders do not come one after
 * the other. */
static enum err escalate_remind(const struct deliver *d)
{
	int64_t remind_ms = d->config->commands.remind_ms, soon_ms = remind_ms / 4;
	struct entry_row *entries = NULL;
	size_t len = 0;
	enum err err;

	if (remind_ms <= 0)
		return OK;
	if (soon_ms > SOON_MS)
		soon_ms = SOON_MS;
	err = entries_pass_reminder(
	        d->store, d->now_ms - FORGET_MS, d->now_ms - remind_ms, d->now_ms);
	if (err == OK)
		err = entries_remind(
		        d->store, d->now_ms - FORGET_MS, d->now_ms - remind_ms, 1, &entries, &len);
	entry_rows_free(entries, len);
	if (err != OK || len == 0)
		return err;
	err = entries_remind(d->store, d->now_ms - FORGET_MS, d->now_ms - remind_ms + soon_ms,
	        DUE_MAX, &entries, &len);
	if (err == OK)
		err = bell_all(d, NULL, entries, len);
	entry_rows_free(entries, len);
	return err;
}

enum err escalate_duty(const struct deliver *d)
{
	const struct config_escalate *steps = d->config->escalates;
	size_t len = d->config->escalates_len, end;
	enum err err = OK;

	for (size_t i = 0; i < len && err == OK; i = end) {
		for (end = i + 1; end < len && steps[end].after_ms == steps[i].after_ms;)
			end++;
		err = escalate_steps(d, i, end);
	}
	return err == OK ? escalate_remind(d) : err;
}

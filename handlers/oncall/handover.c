/*
 * handover.c - see handover.h. The on-call user last announced is stored in `state` as
 * "oncall.NAME": the time of the change, and the user.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "handlers/message/words.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/oncall.h"
#include "handlers/silences/silence.h"
#include "storage/alerts.h"
#include "storage/messages.h"
#include "storage/state.h"

#define OPEN_MAX 200
#define OPEN_MS (7 * CLOCK_DAY_MS) /* older failures are not listed */
#define NOTICE_MAX (16 * 1024)     /* bytes */

/* ---- the notice ---- */

static const char *emoji_of(const struct entry_row *row)
{
	return row->acked_ms ? "👀 " : row->severity == SEVERITY_CRITICAL ? "🚨 " : "⚠️ ";
}

static enum err handover_say_entry(
        const struct deliver *d, const struct entry_row *row, struct words *words)
{
	json_t *runs = json_loads(row->run_ids, 0, NULL);
	struct message_row message = {0};
	enum err err = messages_find(d->store, row->message_id, &message);

	words_item(words);
	words_say(words, "%s", emoji_of(row));
	words_failure(words, row->app, row->identity, message.room_id, message.event_id);
	words_say(words, " · ");
	words_duration(words, d->now_ms - row->first_ms);
	if (json_array_size(runs) > 0) {
		words_say(words, " · ");
		words_runs(words, runs, (size_t)row->runs, 1);
	}
	if (row->acked_ms) {
		words_say(words, " · acknowledged by ");
		words_user(words, row->acked_by, d->config->matrix.user);
	}
	message_row_finish(&message);
	json_decref(runs);
	return err;
}

static bool is_told_of(const struct entry_row *row)
{
	return row->severity != SEVERITY_INFO && !row->test;
}

/* Critical ones first, and of these the unacknowledged ones. */
static int handover_rank(const struct entry_row *row)
{
	return 2 * (row->severity == SEVERITY_CRITICAL) + !row->acked_ms;
}

/* Lists what is firing, and who acknowledged it. */
static enum err handover_say_open(const struct deliver *d, struct words *words)
{
	struct entry_row *rows = NULL;
	size_t len = 0, open = 0, acked = 0;
	char all[80];
	enum err err = entries_open(d->store, d->now_ms - OPEN_MS, OPEN_MAX, &rows, &len);

	for (size_t i = 0; i < len; i++) {
		open += is_told_of(&rows[i]);
		acked += is_told_of(&rows[i]) && rows[i].acked_ms;
	}
	words_break(words);
	if (open == 0) {
		words_say(words, "Nothing is firing");
	} else {
		words_say(words, "Firing: ");
		words_bold(words, true);
		words_say(words, "%zu", open);
		words_bold(words, false);
		if (acked)
			words_say(words, " · %zu acknowledged", acked);
		snprintf(all, sizeof(all), "%salerts", d->config->commands.prefix);
		words_list(words, WORDS_LIST_MAX, all);
		for (int rank = 3; rank >= 0; rank--)
			for (size_t i = 0; i < len && err == OK; i++)
				if (is_told_of(&rows[i]) && handover_rank(&rows[i]) == rank)
					err = handover_say_entry(d, &rows[i], words);
		words_list_end(words);
	}
	entry_rows_free(rows, len);
	return err;
}

static enum err handover_say_silences(const struct deliver *d, struct words *words)
{
	struct silence_row *rows = NULL;
	size_t len = 0, holding = 0;
	char all[80];
	enum err err = silences_active(d->store, &rows, &len);

	for (size_t i = 0; i < len; i++)
		holding += silence_holds(&rows[i], d->now_ms);
	if (holding) {
		words_break(words);
		words_say(words, "🔕 Silences: %zu", holding);
		snprintf(all, sizeof(all), "%ssilences", d->config->commands.prefix);
		words_list(words, WORDS_LIST_MAX, all);
	}
	for (size_t i = 0; i < len; i++) {
		if (!silence_holds(&rows[i], d->now_ms))
			continue;
		words_item(words);
		words_code(words, rows[i].matchers, WORDS_WHAT_POINTS);
		words_say(words, rows[i].until_resolved ? " until resolved, at most " : " until ");
		words_when(words, rows[i].end_ms, d->now_ms);
	}
	if (holding)
		words_list_end(words);
	silence_rows_free(rows, len);
	return err;
}

/* Summarizes what happened since the last change. */
static enum err say_shift(const struct deliver *d, int64_t since_ms, struct words *words)
{
	int64_t counts[3] = {0};
	enum err err = alerts_count_since(d->store, since_ms, counts);

	words_break(words);
	words_say(words, "Since ");
	words_when(words, since_ms, d->now_ms);
	words_say(words, ": ");
	words_counts(words, counts);
	return err;
}

static void handover_say_headline(const struct deliver *d, const struct config_oncall *oncall,
        const struct oncall_turn *turn, const char *before, struct words *words)
{
	char *mention[] = {turn->user, NULL};

	words_say(words, "📟 ");
	words_bold(words, true);
	words_say(words, "On call");
	if (d->config->oncalls_len > 1) {
		words_say(words, " (");
		words_name(words, oncall->name, WORDS_NAME_POINTS);
		words_say(words, ")");
	}
	words_say(words, ": ");
	words_bold(words, false);
	words_mention(words, mention);
	if (turn->next) {
		words_say(words, " until ");
		words_when(words, turn->until_ms, d->now_ms);
		words_say(words, ", then ");
		words_user(words, turn->next, d->config->matrix.user);
	}
	words_say(words, " · before: ");
	words_user(words, before, d->config->matrix.user);
	if (turn->author) {
		words_say(words, " · set by ");
		words_user(words, turn->author, d->config->matrix.user);
	}
}

static enum err tell_change(const struct deliver *d, const struct config_oncall *oncall,
        const struct oncall_turn *turn, const char *before, int64_t since_ms)
{
	struct words words;
	json_t *content;
	enum err err;

	words_init(&words);
	handover_say_headline(d, oncall, turn, before, &words);
	err = handover_say_open(d, &words);
	if (err == OK)
		err = handover_say_silences(d, &words);
	if (err == OK)
		err = say_shift(d, since_ms, &words);
	words_fit(&words, NOTICE_MAX, false);
	content = words_content(&words, "m.text");
	if (err == OK)
		err = deliver_post(
		        d, oncall->room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	words_finish(&words);
	return err;
}

/* ---- announcing ---- */

static enum err state_read(const struct deliver *d, const char *name, char **value)
{
	enum err err = state_get(d->store, name, value);

	if (err == ERR_NOT_FOUND)
		*value = NULL;
	return err == ERR_NOT_FOUND ? OK : err;
}

static void handover_tell_subscribers(
        const struct deliver *d, const struct config_oncall *oncall, const struct oncall_turn *turn)
{
	if (d->happened)
		json_array_append_new(
		        d->happened, json_pack("{s:s, s:s, s:s, s:s*, s:s*}", "event", "oncall",
		                             "name", oncall->name, "user", turn->user, "next",
		                             turn->next, "by", turn->author));
}

/* The first call only stores the user: there is no change to announce. */
static enum err look_at_turn(const struct deliver *d, const struct config_oncall *oncall)
{
	char *key = x_asprintf("oncall.%s", oncall->name), *told = NULL, *now = NULL;
	struct oncall_turn turn = {0};
	enum err err = state_read(d, key, &told);
	char *before = told ? strchr(told, ' ') : NULL;

	if (err == OK)
		err = oncall_turn(d, oncall, &turn);
	if (err == OK && (!before || strcmp(before + 1, turn.user) != 0)) {
		now = x_asprintf("%" PRId64 " %s", d->now_ms, turn.user);
		err = state_set(d->store, key, now);
		if (err == OK && before && config_room(d->config, oncall->room))
			err = tell_change(d, oncall, &turn, before + 1, strtoll(told, NULL, 10));
		handover_tell_subscribers(d, oncall, &turn);
	}
	oncall_turn_finish(&turn);
	free(told);
	free(now);
	free(key);
	return err;
}

/* ---- who is not in the room ---- */

bool handover_may_have(const struct report_status *status, const char *room, const char *user)
{
	const json_t *members = NULL, *member;
	size_t i;

	for (size_t k = 0; status && k < status->rooms_len; k++)
		if (strcmp(status->rooms[k].name, room) == 0)
			members = status->rooms[k].members;
	json_array_foreach(
	        members, i, member) if (strcmp(json_string_value(member), user) == 0) return true;
	return !members;
}

static enum err handover_tell_absent(
        const struct deliver *d, const struct config_oncall *oncall, char *const *absent)
{
	struct words words;
	json_t *content;
	enum err err;

	words_init(&words);
	words_say(&words, "⚠️ ");
	words_bold(&words, true);
	words_say(&words, "On call, but not in this room: ");
	words_bold(&words, false);
	for (size_t i = 0; absent[i]; i++) {
		words_say(&words, "%s", i ? ", " : "");
		words_code(&words, absent[i], 255);
	}
	words_break(&words);
	words_say(&words, "No alert reaches them: invite them, or correct ");
	words_code(&words, "[oncall] users", 64);
	content = words_content(&words, "m.text");
	err = deliver_post(d, oncall->room, OUTBOX_NOTE, 0, "m.room.message", content, NULL);
	json_decref(content);
	words_finish(&words);
	return err;
}

/* Reported at once, rather than when their turn begins, and once for each list of absent users. */
static enum err look_at_absent(const struct deliver *d, const struct config_oncall *oncall,
        const struct report_status *status)
{
	char *key = x_asprintf("oncall.%s.absent", oncall->name), *told = NULL;
	char **absent;
	struct buf list;
	size_t len = 0;
	enum err err = state_read(d, key, &told);

	while (oncall->users[len])
		len++;
	absent = x_calloc(len + 1, sizeof(*absent));
	buf_init(&list, NOTICE_MAX);
	len = 0;
	for (size_t i = 0; oncall->users[i]; i++) {
		if (handover_may_have(status, oncall->room, oncall->users[i]))
			continue;
		buf_printf(&list, "%s%s", len ? " " : "", oncall->users[i]);
		absent[len++] = oncall->users[i];
	}
	if (err == OK && strcmp(told ? told : "", buf_str(&list)) != 0) {
		err = state_set(d->store, key, buf_str(&list));
		if (err == OK && len > 0)
			err = handover_tell_absent(d, oncall, absent);
		if (len > 0)
			log_error("oncall",
			        "on call, but not in room %s: %s; invite them, or correct "
			        "[oncall %s] users",
			        oncall->room, buf_str(&list), oncall->name);
	}
	buf_finish(&list);
	free(absent);
	free(told);
	free(key);
	return err;
}

static bool is_known(const struct report_status *status, const char *room)
{
	for (size_t i = 0; status && i < status->rooms_len; i++)
		if (strcmp(status->rooms[i].name, room) == 0)
			return status->rooms[i].members != NULL;
	return false;
}

enum err handover_look(const struct deliver *d, const struct report_status *status)
{
	enum err err = OK;

	for (size_t i = 0; i < d->config->oncalls_len && err == OK; i++) {
		const struct config_oncall *oncall = &d->config->oncalls[i];

		err = look_at_turn(d, oncall);
		if (err == OK && is_known(status, oncall->room))
			err = look_at_absent(d, oncall, status);
	}
	return err;
}

/*
 * absence_room.c - see absence_room.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "handlers/alerts/render.h"
#include "handlers/oncall/tell.h"
#include "handlers/heartbeats/absence_room.h"
#include "storage/state.h"
#include "storage/undecrypted.h"

#define STATE "vigil"         /* struct absence */
#define UNTOLD "vigil.untold" /* array of strings */
#define TEXT_MAX 4096
#define MARK_MS CLOCK_MINUTE_MS /* how often a sign of life is stored */
#define STEPS_MAX 8             /* of deciding, in one go */

void absence_rule(struct absence_rule *rule, const struct config *config)
{
	schedule_daily(&rule->daily, config->heartbeat.at); /* checked with the config */
	rule->grace_ms = config->heartbeat.grace_ms;
}

/* --- stored ------------------------------------------------------------------------------- */

enum err absence_stored(struct store *store, struct absence *absence)
{
	char *text = NULL;
	enum err err = state_get(store, STATE, &text);

	absence_load(absence, text);
	free(text);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err absence_room_save(struct store *store, const struct absence *absence)
{
	char *text = absence_dump(absence);
	enum err err = state_set(store, STATE, text);

	free(text);
	return err;
}

static enum err untold_read(struct store *store, json_t **texts)
{
	char *text = NULL;
	enum err err = state_get(store, UNTOLD, &text);

	*texts = text ? json_loads(text, 0, NULL) : NULL;
	if (!json_is_array(*texts)) {
		json_decref(*texts);
		*texts = json_array();
	}
	free(text);
	return err == ERR_NOT_FOUND ? OK : err;
}

static enum err untold_write(struct store *store, const json_t *texts)
{
	char *text = json_dumps(texts, JSON_COMPACT);
	enum err err = state_set(store, UNTOLD, text);

	free(text);
	return err;
}

enum err absence_told(struct store *store)
{
	return state_delete(store, UNTOLD);
}

/* --- heartbeats --------------------------------------------------------------------------- */

/* The heartbeat in an event, or NULL. An edit is none: what it edits was one, or was not. */
static const json_t *heartbeat_of(const struct config *config, const struct room_event *event)
{
	const json_t *relates = json_object_get(event->content, "m.relates_to");
	const char *rel_type = json_string_value(json_object_get(relates, "rel_type"));

	if (strcmp(event->room, config->heartbeat.room) != 0 ||
	        strcmp(event->sender, config->heartbeat.sender) != 0 ||
	        strcmp(event->type, "m.room.message") != 0 ||
	        (rel_type && strcmp(rel_type, "m.replace") == 0))
		return NULL;
	return json_object_get(json_object_get(event->content, RENDER_KEY), "heartbeat");
}

/* The bot says when it was due: its day should be ours. */
static void compare_due(const struct absence_rule *rule, const json_t *heartbeat, const char *date)
{
	const json_t *due = json_object_get(heartbeat, "due_ms");
	int64_t due_ms = json_integer_value(due);
	char ours[ABSENCE_DATE];

	/* beyond the year 9999 no zone is asked */
	if (!json_is_integer(due) || due_ms <= 0 || due_ms > INT64_C(253402300799000))
		return;
	schedule_date(due_ms, ours);
	if (schedule_last(&rule->daily, due_ms) != due_ms || strcmp(ours, date) != 0)
		log_warning("watch",
		        "the bot's heartbeat of %s was not due when it is due here: give "
		        "the watcher the bot's [heartbeat] at and timezone",
		        date);
}

enum err absence_event(const struct command_env *env, const struct room_event *event)
{
	const json_t *heartbeat = heartbeat_of(env->config, event);
	const char *date = json_string_value(json_object_get(heartbeat, "date"));
	struct absence_rule rule;
	struct absence absence;
	char before[ABSENCE_DATE];
	enum err err;

	if (!absence_is_date(date))
		return OK;
	if (event->encrypted && !event->obey) {
		log_warning("watch",
		        "the heartbeat of %s is not taken: it was not encrypted by a "
		        "device that [encryption] trust allows",
		        date);
		return OK;
	}
	absence_rule(&rule, env->config);
	err = absence_stored(env->store, &absence);
	if (err != OK)
		return err;
	memcpy(before, absence.seen, sizeof(before));
	if (!absence_heartbeat(&absence, &rule, date, env->now_ms)) {
		log_warning("watch", "a heartbeat of %s is not taken: that day has not come", date);
		return OK;
	}
	if (strcmp(before, absence.seen) == 0)
		return OK;
	compare_due(&rule, heartbeat, date);
	log_info("watch", "the heartbeat of %s is there", date);
	json_array_append_new(
	        env->happened, json_pack("{s:s, s:s}", "event", "heartbeat", "date", date));
	return absence_room_save(env->store, &absence);
}

/* --- alarms ------------------------------------------------------------------------------- */

static void add_time(struct buf *out, const char *before, int64_t ms, int64_t now_ms)
{
	char time[32], age[24];

	clock_format_short(ms, now_ms, time, sizeof(time));
	clock_format_duration(now_ms > ms ? now_ms - ms : 0, age, sizeof(age));
	buf_printf(out, "%s%s (%s ago)", before, time, age);
}

/* What cannot be read could be it. */
static void add_unread(struct buf *out, struct store *store)
{
	int64_t count;

	if (undecrypted_count(store, &count) == OK && count > 0)
		buf_printf(out,
		        "\n%lld encrypted messages of the last day cannot be read by this watcher: "
		        "it may be among them.",
		        (long long)count);
}

static void write_text(struct buf *out, const struct config *config, enum absence_action action,
        const struct absence *old, const struct absence *now, const struct absence_look *look,
        int64_t now_ms)
{
	const char *sender = config->heartbeat.sender;
	const struct config_room *room = config_room(config, config->heartbeat.room);
	char grace[24];

	switch (action) {
	case ABSENCE_MISSING:
		clock_format_duration(config->heartbeat.grace_ms, grace, sizeof(grace));
		buf_printf(out,
		        "🚨 no heartbeat of %s for %s\nIt was due at %s (%s), and %s later it "
		        "is not in %s.",
		        sender, now->alarm, config->heartbeat.at, config->heartbeat.timezone, grace,
		        room->address);
		if (old->seen[0]) {
			buf_printf(out, "\nThe last one was of %s, ", old->seen);
			add_time(out, "seen at ", old->seen_ms, now_ms);
		} else {
			buf_add_str(out, "\nNone was ever seen by this watcher");
		}
		buf_add_str(out,
		        ".\nThe bot, its machine or its homeserver may be down: alerts may "
		        "not come through.");
		break;
	case ABSENCE_BACK:
		buf_printf(out,
		        "✅ %s is back: its heartbeat of %s is there\nThat of %s was missing; ",
		        sender, now->seen, old->alarm);
		add_time(out, "told at ", old->alarm_ms, now_ms);
		buf_add_char(out, '.');
		break;
	case ABSENCE_BLIND:
		buf_printf(out,
		        "⚠️ %s cannot be seen, so nobody knows about the heartbeat of %s\n",
		        room->address, sender);
		if (now->ok_ms)
			add_time(out, "Last seen at ", now->ok_ms, now_ms);
		else
			buf_add_str(out, "It was never seen");
		buf_add_str(out, ": ");
		text_add_plain(out,
		        *look->problem ? look->problem : "the homeserver does not answer", 200,
		        TEXT_FOLD_NEWLINES);
		break;
	case ABSENCE_SIGHT:
		buf_printf(out, "✅ %s can be seen again\n", room->address);
		add_time(out, "That it could not was told at ", old->blind_ms, now_ms);
		buf_add_str(out, "; the heartbeat is watched again.");
		break;
	case ABSENCE_NOTHING:
		break;
	}
}

/* Into the room that is watched, and that of [meta] where it is another. */
static enum err tell_rooms(const struct deliver *d, const char *text, enum absence_action action)
{
	const struct config *config = d->config;
	char *const *mention =
	        action == ABSENCE_MISSING ? config->severity[SEVERITY_CRITICAL].mention : NULL;
	const char *other = config->meta.room;
	enum err err = tell_room(d, config->heartbeat.room, text, mention, NULL);

	if (err == OK && other && strcmp(other, config->heartbeat.room) != 0)
		err = tell_room(d, other, text, mention, NULL);
	return err;
}

/* Tells one thing. *done: there was nothing more. */
static enum err absence_room_step(const struct deliver *d, const struct absence_rule *rule,
        const struct absence_look *look, struct absence *absence, json_t *texts, bool *done)
{
	struct absence old;
	enum absence_action action = absence_decide(absence, rule, d->now_ms, &old);
	struct buf text;
	enum err err = OK;

	*done = action == ABSENCE_NOTHING;
	if (*done)
		return OK;
	buf_init(&text, TEXT_MAX);
	write_text(&text, d->config, action, &old, absence, look, d->now_ms);
	if (action == ABSENCE_MISSING)
		add_unread(&text, d->store);
	log_write(action == ABSENCE_BACK || action == ABSENCE_SIGHT ? LOG_INFO : LOG_ERROR, "watch",
	        "%s", buf_str(&text));
	if (action == ABSENCE_MISSING || action == ABSENCE_BACK)
		err = tell_rooms(d, buf_str(&text), action);
	json_array_append_new(texts, json_string(buf_str(&text)));
	buf_finish(&text);
	return err;
}

static void note_problem(struct absence *absence, const char *problem)
{
	struct buf text;

	buf_init(&text, sizeof(absence->problem));
	text_add_plain(&text, problem, sizeof(absence->problem) / 4 - 1, TEXT_FOLD_NEWLINES);
	snprintf(absence->problem, sizeof(absence->problem), "%s", buf_str(&text));
	buf_finish(&text);
}

enum err absence_tick(const struct deliver *d, const struct absence_look *look, json_t **texts)
{
	struct absence absence, stored;
	struct absence_rule rule;
	size_t before;
	bool done = false;
	enum err err = absence_stored(d->store, &absence);

	*texts = NULL;
	if (err == OK)
		err = untold_read(d->store, texts);
	if (err != OK)
		return err;
	before = json_array_size(*texts);
	stored = absence;
	absence_rule(&rule, d->config);
	note_problem(&absence, look->problem);
	if (look->saw)
		absence_saw(&absence, look->first, d->now_ms);
	for (int i = 0; i < STEPS_MAX && err == OK && !done; i++)
		err = absence_room_step(d, &rule, look, &absence, *texts, &done);
	if (err == OK && json_array_size(*texts) > before)
		err = untold_write(d->store, *texts);
	/* the mark alone is no reason to write every few seconds */
	if (err == OK &&
	        (look->saw || json_array_size(*texts) > before || absence.ok_ms != stored.ok_ms ||
	                strcmp(absence.problem, stored.problem) != 0 ||
	                absence.awake_ms != stored.awake_ms ||
	                absence.mark_ms - stored.mark_ms >= MARK_MS))
		err = absence_room_save(d->store, &absence);
	return err;
}

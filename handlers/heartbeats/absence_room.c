/*
 * absence_room.c - see absence_room.h.
 */
#include <inttypes.h>
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

#define STATE "vigil"           /* struct absence */
#define UNTOLD "vigil.untold"   /* array of strings */
#define MARK_MS CLOCK_MINUTE_MS /* how often the time of the last run is stored */
#define STEPS_MAX 8             /* absence_decide() calls in one tick */
#define DUE_DAYS 14             /* due times searched for that of a date */

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

/* The heartbeat in an event, or NULL. Edits are ignored: what matters is the original event. */
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

/* Warns if the watcher's schedule differs from the bot's: the event has the time at which it was
 * due. */
static void compare_due(const struct absence_rule *rule, const json_t *heartbeat, const char *date)
{
	const json_t *due = json_object_get(heartbeat, "due_ms");
	int64_t due_ms = json_integer_value(due);
	char ours[ABSENCE_DATE];

	/* time zones are not defined beyond the year 9999 */
	if (!json_is_integer(due) || due_ms <= 0 || due_ms > INT64_C(253402300799000))
		return;
	schedule_date(due_ms, ours);
	if (schedule_last(&rule->daily, due_ms) != due_ms || strcmp(ours, date) != 0)
		log_warning("watch",
		        "the bot's heartbeat of %s was due at another time than the watcher "
		        "expects: set [heartbeat] at and timezone as in the bot's config",
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
		        "the heartbeat of %s is ignored: it was not encrypted by a "
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
		log_warning(
		        "watch", "the heartbeat of %s is ignored: that day has not begun", date);
		return OK;
	}
	if (strcmp(before, absence.seen) == 0)
		return OK;
	compare_due(&rule, heartbeat, date);
	log_info("watch", "received the heartbeat of %s", date);
	json_array_append_new(
	        env->happened, json_pack("{s:s, s:s}", "event", "heartbeat", "date", date));
	return absence_room_save(env->store, &absence);
}

/* --- alarms ------------------------------------------------------------------------------- */

/* "Wed 25 Nov 09:00 CET (1d 2h ago)" */
static void say_time(struct words *out, int64_t ms, int64_t now_ms)
{
	words_when(out, ms, now_ms);
	words_say(out, " (");
	words_duration(out, now_ms > ms ? now_ms - ms : 0);
	words_say(out, " ago)");
}

/* "due Wed 25 Nov 09:00 CET"; the date alone for one that the config no longer has. */
static void say_due(
        struct words *out, const struct config *config, const char *date, int64_t now_ms)
{
	struct absence_rule rule;
	char day[ABSENCE_DATE];
	int64_t due_ms;

	absence_rule(&rule, config);
	due_ms = schedule_last(&rule.daily, now_ms + CLOCK_HOUR_MS);
	for (int i = 0; i < DUE_DAYS && due_ms != INT64_MIN; i++) {
		schedule_date(due_ms, day);
		if (strcmp(day, date) == 0) {
			words_say(out, "due ");
			words_when(out, due_ms, 0);
			return;
		}
		due_ms = schedule_last(&rule.daily, due_ms - 1);
	}
	words_say(out, "of %s", date);
}

static void absence_say_headline(
        struct words *out, const char *before, const char *name, const char *after)
{
	words_say(out, "%s", before);
	words_name(out, name, WORDS_WHAT_POINTS);
	words_say(out, "%s", after);
	words_bold(out, false);
}

/* An undecryptable event could be the heartbeat. */
static void say_unread(struct words *out, struct store *store)
{
	int64_t count;

	if (undecrypted_count(store, &count) != OK || count == 0)
		return;
	words_break(out);
	words_say(out,
	        "This watcher cannot decrypt %" PRId64
	        " message%s of the last day: the heartbeat may be among them.",
	        count, count == 1 ? "" : "s");
}

static void say_missing(struct words *out, const struct deliver *d, const struct absence *old,
        const struct absence *now, const char *room)
{
	const struct config *config = d->config;

	absence_say_headline(out, "No heartbeat from ", config->heartbeat.sender, "");
	words_say(out, " · ");
	say_due(out, config, now->alarm, d->now_ms);
	words_break(out);
	words_say(out, "It is not in ");
	words_name(out, room, WORDS_WHAT_POINTS);
	words_say(out, ", more than ");
	words_duration(out, config->heartbeat.grace_ms);
	words_say(out, " later.");
	words_break(out);
	if (old->seen[0]) {
		words_say(out, "Last heartbeat seen ");
		say_time(out, old->seen_ms, d->now_ms);
	} else {
		words_say(out, "This watcher has never seen a heartbeat");
	}
	words_say(out, ".");
	words_break(out);
	words_say(out, "The bot, its machine or its homeserver may be down: alerts may not be "
	               "delivered.");
	say_unread(out, d->store);
}

static void say_action(struct words *out, const struct deliver *d, enum absence_action action,
        const struct absence *old, const struct absence *now, const struct absence_look *look)
{
	static const char *const emoji[] = {[ABSENCE_MISSING] = "🚨 ",
	        [ABSENCE_BACK] = "✅ ",
	        [ABSENCE_BLIND] = "⚠️ ",
	        [ABSENCE_SIGHT] = "✅ ",
	        [ABSENCE_NOTHING] = ""};
	const char *sender = d->config->heartbeat.sender;
	const char *room = config_room(d->config, d->config->heartbeat.room)->address;

	words_say(out, "%s", emoji[action]);
	words_bold(out, true);
	switch (action) {
	case ABSENCE_MISSING:
		say_missing(out, d, old, now, room);
		break;
	case ABSENCE_BACK:
		absence_say_headline(out, "", sender, " is back");
		words_say(out, ": its heartbeat ");
		say_due(out, d->config, now->seen, d->now_ms);
		words_say(out, " has arrived");
		words_break(out);
		if (strcmp(now->seen, old->alarm) == 0) {
			words_say(out, "It");
		} else {
			words_say(out, "The heartbeat ");
			say_due(out, d->config, old->alarm, d->now_ms);
		}
		words_say(out, " was reported as missing ");
		say_time(out, old->alarm_ms, d->now_ms);
		break;
	case ABSENCE_BLIND:
		absence_say_headline(out, "The watcher cannot read ", room, "");
		words_say(out, ": it does not know whether heartbeats from ");
		words_name(out, sender, WORDS_WHAT_POINTS);
		words_say(out, " arrive");
		words_break(out);
		words_say(out, now->ok_ms ? "Last read " : "It has never been read");
		if (now->ok_ms)
			say_time(out, now->ok_ms, d->now_ms);
		words_say(out, ": ");
		words_error(out, *look->problem ? look->problem : "the homeserver does not answer",
		        WORDS_ERROR_POINTS);
		break;
	case ABSENCE_SIGHT:
		absence_say_headline(out, "The watcher can read ", room, " again");
		words_break(out);
		words_say(out, "The failure was reported ");
		say_time(out, old->blind_ms, d->now_ms);
		break;
	case ABSENCE_NOTHING:
		break;
	}
}

/* To the watched room, and to the [meta] room if that is another. */
static enum err tell_rooms(const struct deliver *d, struct words *words, enum absence_action action)
{
	const char *watched = d->config->heartbeat.room, *other = d->config->meta.room;
	bool rings = action == ABSENCE_MISSING;
	enum err err = rings ? tell_mention_critical(d, words) : OK;

	if (err == OK)
		err = tell_words(d, watched, rings ? "m.text" : "m.notice", words);
	if (err == OK && other && strcmp(other, watched) != 0)
		err = tell_words(d, other, rings ? "m.text" : "m.notice", words);
	return err;
}

/* Reports one thing. *done: there was nothing to report. */
static enum err absence_room_step(const struct deliver *d, const struct absence_rule *rule,
        const struct absence_look *look, struct absence *absence, json_t *texts, bool *done)
{
	struct absence old;
	enum absence_action action = absence_decide(absence, rule, d->now_ms, &old);
	struct words words;
	char *text;
	enum err err = OK;

	*done = action == ABSENCE_NOTHING;
	if (*done)
		return OK;
	words_init(&words);
	say_action(&words, d, action, &old, absence, look);
	if (action == ABSENCE_MISSING || action == ABSENCE_BACK)
		err = tell_rooms(d, &words, action);
	text = words_body(&words);
	log_write(action == ABSENCE_BACK || action == ABSENCE_SIGHT ? LOG_INFO : LOG_ERROR, "watch",
	        "%s", text);
	json_array_append_new(texts, json_string(text));
	free(text);
	words_finish(&words);
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
	/* mark_ms alone is not stored every few seconds */
	if (err == OK &&
	        (look->saw || json_array_size(*texts) > before || absence.ok_ms != stored.ok_ms ||
	                strcmp(absence.problem, stored.problem) != 0 ||
	                absence.awake_ms != stored.awake_ms ||
	                absence.mark_ms - stored.mark_ms >= MARK_MS))
		err = absence_room_save(d->store, &absence);
	return err;
}

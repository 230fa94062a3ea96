/*
 * absence.c - see absence.h.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/clock.h"
#include "handlers/heartbeats/absence.h"

#define EARLY_MS (15 * CLOCK_MINUTE_MS) /* the bot's clock may be ahead of ours */
#define SLACK_MS (5 * CLOCK_SECOND_MS)  /* smaller corrections of the clock are ignored */

/* The date of the last due time. False: there is none. */
static bool last_date(const struct absence_rule *rule, int64_t now_ms, char date[ABSENCE_DATE])
{
	int64_t due_ms = schedule_last(&rule->daily, now_ms);

	date[0] = '\0';
	if (due_ms == INT64_MIN)
		return false;
	schedule_date(due_ms, date);
	return true;
}

/* If the clock was set back, times ahead of it are wrong: replaces them. */
static void absence_reset_future(
        struct absence *absence, const struct absence_rule *rule, int64_t now_ms)
{
	char newest[ABSENCE_DATE], last[ABSENCE_DATE];

	if (absence->ok_ms > now_ms + SLACK_MS)
		absence->ok_ms = absence->back_ms = now_ms;
	if (absence->mark_ms > now_ms + SLACK_MS)
		absence->mark_ms = absence->awake_ms = now_ms;
	if (absence->from_ms > now_ms + SLACK_MS)
		absence->from_ms = now_ms;
	if (absence->blind_ms > now_ms + SLACK_MS)
		absence->blind_ms = now_ms;
	if (absence->start_ms > now_ms + SLACK_MS)
		absence->start_ms = now_ms;
	if (!last_date(rule, now_ms + EARLY_MS, newest) || !last_date(rule, now_ms, last))
		return;
	if (strcmp(absence->seen, newest) > 0)
		memcpy(absence->seen, last, sizeof(last));
	if (strcmp(absence->alarm, newest) > 0)
		memcpy(absence->alarm, last, sizeof(last));
}

void absence_saw(struct absence *absence, bool first, int64_t now_ms)
{
	int64_t pause_ms = now_ms - absence->ok_ms;

	if (first || absence->from_ms == 0)
		absence->from_ms = now_ms;
	if (pause_ms >= ABSENCE_GAP_MS || pause_ms < -SLACK_MS)
		absence->back_ms = now_ms;
	absence->ok_ms = now_ms;
}

bool absence_heartbeat(
        struct absence *absence, const struct absence_rule *rule, const char *date, int64_t now_ms)
{
	char newest[ABSENCE_DATE];

	if (!absence_is_date(date) || !last_date(rule, now_ms + EARLY_MS, newest) ||
	        strcmp(date, newest) > 0)
		return false;
	if (strcmp(date, absence->seen) > 0) {
		memcpy(absence->seen, date, ABSENCE_DATE);
		absence->seen_ms = now_ms;
	}
	return true;
}

/* The room was never seen: reported once, after the watcher has had enough time. */
static enum absence_action judge_first_look(
        struct absence *absence, const struct absence_rule *rule, int64_t now_ms)
{
	int64_t since_ms =
	        absence->awake_ms > absence->start_ms ? absence->awake_ms : absence->start_ms;
	int64_t grace_ms = rule->grace_ms > ABSENCE_GAP_MS ? rule->grace_ms : ABSENCE_GAP_MS;

	if (absence->blind_ms != 0 || now_ms - since_ms < grace_ms)
		return ABSENCE_NOTHING;
	absence->blind_ms = now_ms;
	return ABSENCE_BLIND;
}

/* Judges the heartbeat of the last due time whose grace is over. */
static enum absence_action absence_judge(
        struct absence *absence, const struct absence_rule *rule, int64_t now_ms)
{
	int64_t due_ms = schedule_last(&rule->daily, now_ms - rule->grace_ms);
	int64_t deadline_ms, looking_ms;
	char date[ABSENCE_DATE];

	if (absence->from_ms == 0)
		return judge_first_look(absence, rule, now_ms);
	if (due_ms <= absence->from_ms) /* also if due_ms is INT64_MIN (never due) */
		return ABSENCE_NOTHING;
	schedule_date(due_ms, date);
	if (strcmp(absence->seen, date) >= 0 || strcmp(absence->alarm, date) >= 0)
		return ABSENCE_NOTHING;
	deadline_ms = (absence->back_ms > due_ms ? absence->back_ms : due_ms) + rule->grace_ms;
	if (absence->ok_ms >= deadline_ms) {
		memcpy(absence->alarm, date, sizeof(date));
		absence->alarm_ms = now_ms;
		return ABSENCE_MISSING;
	}
	looking_ms = absence->awake_ms > absence->ok_ms ? absence->awake_ms : absence->ok_ms;
	if (absence->blind_ms == 0 && now_ms - looking_ms >= ABSENCE_GAP_MS) {
		absence->blind_ms = now_ms;
		return ABSENCE_BLIND;
	}
	return ABSENCE_NOTHING;
}

enum absence_action absence_decide(struct absence *absence, const struct absence_rule *rule,
        int64_t now_ms, struct absence *old)
{
	absence_reset_future(absence, rule, now_ms);
	if (absence->start_ms == 0)
		absence->start_ms = now_ms;
	if (absence->awake_ms == 0 || now_ms - absence->mark_ms >= ABSENCE_GAP_MS)
		absence->awake_ms = now_ms;
	absence->mark_ms = now_ms;
	if (old)
		*old = *absence;
	if (absence->blind_ms != 0 && absence->ok_ms > absence->blind_ms) {
		absence->blind_ms = 0;
		return ABSENCE_SIGHT;
	}
	if (absence->alarm[0] && strcmp(absence->seen, absence->alarm) >= 0) {
		absence->alarm[0] = '\0';
		return ABSENCE_BACK;
	}
	return absence_judge(absence, rule, now_ms);
}

bool absence_is_date(const char *text)
{
	static const char shape[] = "0000-00-00";

	if (!text || strlen(text) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; shape[i]; i++)
		if (shape[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != '-')
			return false;
	return true;
}

/* --- stored ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
        {"from_ms", offsetof(struct absence, from_ms)},
        {"start_ms", offsetof(struct absence, start_ms)},
        {"ok_ms", offsetof(struct absence, ok_ms)},
        {"back_ms", offsetof(struct absence, back_ms)},
        {"mark_ms", offsetof(struct absence, mark_ms)},
        {"awake_ms", offsetof(struct absence, awake_ms)},
        {"seen_ms", offsetof(struct absence, seen_ms)},
        {"alarm_ms", offsetof(struct absence, alarm_ms)},
        {"blind_ms", offsetof(struct absence, blind_ms)},
};

static void load_date(const json_t *object, const char *name, char date[ABSENCE_DATE])
{
	const char *text = json_string_value(json_object_get(object, name));

	if (absence_is_date(text))
		memcpy(date, text, ABSENCE_DATE);
}

void absence_load(struct absence *absence, const char *text)
{
	json_t *object = text ? json_loads(text, 0, NULL) : NULL;

	*absence = (struct absence){0};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value = json_integer_value(json_object_get(object, numbers[i].name));

		memcpy((char *)absence + numbers[i].offset, &value, sizeof(value));
	}
	load_date(object, "seen", absence->seen);
	load_date(object, "alarm", absence->alarm);
	text = json_string_value(json_object_get(object, "problem"));
	snprintf(absence->problem, sizeof(absence->problem), "%s", text ? text : "");
	json_decref(object);
}

char *absence_dump(const struct absence *absence)
{
	json_t *object = json_pack("{s:s, s:s, s:s*}", "seen", absence->seen, "alarm",
	        absence->alarm, "problem", absence->problem);
	char *text;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value;

		memcpy(&value, (const char *)absence + numbers[i].offset, sizeof(value));
		json_object_set_new(object, numbers[i].name, json_integer(value));
	}
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

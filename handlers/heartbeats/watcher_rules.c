/*
 * watcher_rules.c - see watcher_rules.h.
 */
#include <jansson.h>
#include <stddef.h>
#include <string.h>
#include "bot/base/clock.h"
#include "handlers/heartbeats/watcher_rules.h"

#define EARLY_MS (15 * CLOCK_MINUTE_MS) /* the bot's clock may be ahead of ours */
#define SLACK_MS (5 * CLOCK_SECOND_MS)  /* a clock that is put right by less was not set back */

/* The date of what was due last. False: nothing was. */
static bool last_date(const struct vigil_rule *rule, int64_t now_ms, char date[VIGIL_DATE])
{
	int64_t due_ms = schedule_last(&rule->daily, now_ms);

	date[0] = '\0';
	if (due_ms == INT64_MIN)
		return false;
	schedule_date(due_ms, date);
	return true;
}

/* After the clock was set back, what lies ahead of it is not true any more. */
static void mend(struct vigil *vigil, const struct vigil_rule *rule, int64_t now_ms)
{
	char newest[VIGIL_DATE], last[VIGIL_DATE];

	if (vigil->ok_ms > now_ms + SLACK_MS)
		vigil->ok_ms = vigil->back_ms = now_ms;
	if (vigil->mark_ms > now_ms + SLACK_MS)
		vigil->mark_ms = vigil->awake_ms = now_ms;
	if (vigil->from_ms > now_ms + SLACK_MS)
		vigil->from_ms = now_ms;
	if (vigil->blind_ms > now_ms + SLACK_MS)
		vigil->blind_ms = now_ms;
	if (!last_date(rule, now_ms + EARLY_MS, newest) || !last_date(rule, now_ms, last))
		return;
	if (strcmp(vigil->seen, newest) > 0)
		memcpy(vigil->seen, last, sizeof(last));
	if (strcmp(vigil->alarm, newest) > 0)
		memcpy(vigil->alarm, last, sizeof(last));
}

void vigil_saw(struct vigil *vigil, bool first, int64_t now_ms)
{
	int64_t pause_ms = now_ms - vigil->ok_ms;

	if (first || vigil->from_ms == 0)
		vigil->from_ms = now_ms;
	if (pause_ms >= VIGIL_GAP_MS || pause_ms < -SLACK_MS)
		vigil->back_ms = now_ms;
	vigil->ok_ms = now_ms;
}

bool vigil_heartbeat(
        struct vigil *vigil, const struct vigil_rule *rule, const char *date, int64_t now_ms)
{
	char newest[VIGIL_DATE];

	if (!vigil_is_date(date) || !last_date(rule, now_ms + EARLY_MS, newest) ||
	        strcmp(date, newest) > 0)
		return false;
	if (strcmp(date, vigil->seen) > 0) {
		memcpy(vigil->seen, date, VIGIL_DATE);
		vigil->seen_ms = now_ms;
	}
	return true;
}

/* The newest due time whose grace is over, when its heartbeat is to be judged. */
static enum vigil_action judge(struct vigil *vigil, const struct vigil_rule *rule, int64_t now_ms)
{
	int64_t due_ms = schedule_last(&rule->daily, now_ms - rule->grace_ms);
	int64_t deadline_ms, looking_ms;
	char date[VIGIL_DATE];

	if (vigil->from_ms == 0 || due_ms <= vigil->from_ms) /* INT64_MIN too */
		return VIGIL_NOTHING;
	schedule_date(due_ms, date);
	if (strcmp(vigil->seen, date) >= 0 || strcmp(vigil->alarm, date) >= 0)
		return VIGIL_NOTHING;
	deadline_ms = (vigil->back_ms > due_ms ? vigil->back_ms : due_ms) + rule->grace_ms;
	if (vigil->ok_ms >= deadline_ms) {
		memcpy(vigil->alarm, date, sizeof(date));
		vigil->alarm_ms = now_ms;
		return VIGIL_MISSING;
	}
	looking_ms = vigil->awake_ms > vigil->ok_ms ? vigil->awake_ms : vigil->ok_ms;
	if (vigil->blind_ms == 0 && now_ms - looking_ms >= VIGIL_GAP_MS) {
		vigil->blind_ms = now_ms;
		return VIGIL_BLIND;
	}
	return VIGIL_NOTHING;
}

enum vigil_action vigil_decide(
        struct vigil *vigil, const struct vigil_rule *rule, int64_t now_ms, struct vigil *old)
{
	mend(vigil, rule, now_ms);
	if (vigil->awake_ms == 0 || now_ms - vigil->mark_ms >= VIGIL_GAP_MS)
		vigil->awake_ms = now_ms;
	vigil->mark_ms = now_ms;
	if (old)
		*old = *vigil;
	if (vigil->blind_ms != 0 && vigil->ok_ms > vigil->blind_ms) {
		vigil->blind_ms = 0;
		return VIGIL_SIGHT;
	}
	if (vigil->alarm[0] && strcmp(vigil->seen, vigil->alarm) >= 0) {
		vigil->alarm[0] = '\0';
		return VIGIL_BACK;
	}
	return judge(vigil, rule, now_ms);
}

bool vigil_is_date(const char *text)
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
        {"from_ms", offsetof(struct vigil, from_ms)},
        {"ok_ms", offsetof(struct vigil, ok_ms)},
        {"back_ms", offsetof(struct vigil, back_ms)},
        {"mark_ms", offsetof(struct vigil, mark_ms)},
        {"awake_ms", offsetof(struct vigil, awake_ms)},
        {"seen_ms", offsetof(struct vigil, seen_ms)},
        {"alarm_ms", offsetof(struct vigil, alarm_ms)},
        {"blind_ms", offsetof(struct vigil, blind_ms)},
};

static void load_date(const json_t *object, const char *name, char date[VIGIL_DATE])
{
	const char *text = json_string_value(json_object_get(object, name));

	if (vigil_is_date(text))
		memcpy(date, text, VIGIL_DATE);
}

void vigil_load(struct vigil *vigil, const char *text)
{
	json_t *object = text ? json_loads(text, 0, NULL) : NULL;

	*vigil = (struct vigil){0};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value = json_integer_value(json_object_get(object, numbers[i].name));

		memcpy((char *)vigil + numbers[i].offset, &value, sizeof(value));
	}
	load_date(object, "seen", vigil->seen);
	load_date(object, "alarm", vigil->alarm);
	json_decref(object);
}

char *vigil_dump(const struct vigil *vigil)
{
	json_t *object = json_pack("{s:s, s:s}", "seen", vigil->seen, "alarm", vigil->alarm);
	char *text;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t value;

		memcpy(&value, (const char *)vigil + numbers[i].offset, sizeof(value));
		json_object_set_new(object, numbers[i].name, json_integer(value));
	}
	text = json_dumps(object, JSON_COMPACT);
	json_decref(object);
	return text;
}

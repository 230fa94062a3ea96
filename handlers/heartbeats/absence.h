/*
 * absence.h - does the bot's daily heartbeat stay away? What the watcher knows, and what follows
 * from it at a given time. Pure but for the process's time zone (handlers/heartbeats/schedule.h).
 *
 * A heartbeat is missing when the room was seen, whole and up to date, at its deadline or later,
 * and it was not there. The deadline is due + grace; when the view was broken since it was due
 * (the homeserver was away, or this machine), the bot gets the grace anew from the moment the room
 * could be seen again, since it may have been cut off by the same thing.
 * When the room cannot be seen past a heartbeat's deadline, nothing is known: that is told instead,
 * once, and that it can be seen again. A room that was never seen since the watcher was set up is
 * told after the grace: nobody would miss a watcher that has never worked.
 * The first due time that is judged is the first one after the watcher's first look into the room.
 */
#pragma once

#include <stdbool.h>
#include "handlers/heartbeats/schedule.h"

/* A pause between two looks at the room that is no pause: a poll of /sync takes half a minute. */
#define ABSENCE_GAP_MS INT64_C(120000)

#define ABSENCE_DATE 11 /* "2026-11-24" with its end */
#define ABSENCE_PROBLEM 200

struct absence {
	int64_t from_ms;          /* only what is due later is judged; 0 = never saw the room */
	int64_t start_ms;         /* the first look at the clock */
	int64_t ok_ms;            /* the room was last seen whole, 0 = never */
	int64_t back_ms;          /* since when it has been seen without a gap */
	int64_t mark_ms;          /* the watcher last looked at the clock */
	int64_t awake_ms;         /* since when it has done so without a gap */
	char seen[ABSENCE_DATE];  /* the newest heartbeat's date, "" = none */
	int64_t seen_ms;          /* when it was seen */
	char alarm[ABSENCE_DATE]; /* the date that is missing and was told, "" = all is well */
	int64_t alarm_ms;         /* when it was told */
	char problem[ABSENCE_PROBLEM]; /* why the room cannot be seen just now, "" = it can */
	int64_t blind_ms; /* told that the room cannot be seen, 0 = it can, or nobody was told */
};

struct absence_rule {
	struct schedule daily;
	int64_t grace_ms;
};

enum absence_action {
	ABSENCE_NOTHING,
	ABSENCE_MISSING, /* no heartbeat of absence.alarm */
	ABSENCE_BACK,    /* one of that date or a later one came */
	ABSENCE_BLIND,   /* the room cannot be seen */
	ABSENCE_SIGHT,   /* it can again */
};

/* All that was in the room is known now. first: the position in the room was lost (or there was
 * none), what was before is not known. */
void absence_saw(struct absence *absence, bool first, int64_t now_ms);

/* A heartbeat of a date came. False: it is not taken, that day has not come yet. */
bool absence_heartbeat(
        struct absence *absence, const struct absence_rule *rule, const char *date, int64_t now_ms);

/* What is to be told now, taken note of as told; to be called until there is nothing more, after
 * each look at the room and every few seconds. *old (may be NULL) is what was known before. */
enum absence_action absence_decide(struct absence *absence, const struct absence_rule *rule,
        int64_t now_ms, struct absence *old);

/* "2026-11-24", and nothing else. */
bool absence_is_date(const char *text);

/* As it is stored; text is NULL at first. The result of absence_dump() is owned by the caller. */
void absence_load(struct absence *absence, const char *text);
char *absence_dump(const struct absence *absence);

/*
 * absence.h - detects that the bot's daily heartbeat is missing: what the watcher knows, and what
 * follows from it at a given time. Pure except for the process's time zone
 * (handlers/heartbeats/schedule.h).
 *
 * A heartbeat is missing if the watcher could read the complete, current room at the deadline or
 * later and the heartbeat was not there. The deadline is due + grace. If the watcher could not read
 * the room at some time since the heartbeat was due (homeserver or this machine down), the grace
 * starts again when it can, since the bot may have been cut off by the same fault. While the room
 * cannot be read past a deadline, the heartbeat's state is unknown: that is reported instead, once,
 * and also that the room can be read again. A room that was never read since the watcher was set up
 * is reported after the grace, since nobody would notice a watcher that never worked. The first due
 * time that is judged is the first one after the watcher first read the room.
 */
#pragma once

#include <stdbool.h>
#include "handlers/heartbeats/schedule.h"

/* Longer pauses between two reads of the room count as a gap: one /sync poll takes half a
 * minute. */
#define ABSENCE_GAP_MS INT64_C(120000)

#define ABSENCE_DATE 11 /* bytes of "2026-11-24" with its NUL */
#define ABSENCE_PROBLEM 200

struct absence {
	int64_t from_ms;          /* only later due times are judged; 0 = never read the room */
	int64_t start_ms;         /* when the watcher first ran */
	int64_t ok_ms;            /* when the room was last completely read, 0 = never */
	int64_t back_ms;          /* since when it has been readable without a gap */
	int64_t mark_ms;          /* when the watcher last ran */
	int64_t awake_ms;         /* since when it has run without a gap */
	char seen[ABSENCE_DATE];  /* date of the newest heartbeat, "" = none */
	int64_t seen_ms;          /* when it was seen */
	char alarm[ABSENCE_DATE]; /* date of the missing heartbeat that was reported, "" = none */
	int64_t alarm_ms;         /* when it was reported */
	char problem[ABSENCE_PROBLEM]; /* why the room cannot be read now, "" = it can */
	int64_t blind_ms; /* when it was reported that the room cannot be read, 0 = not reported */
};

struct absence_rule {
	struct schedule daily;
	int64_t grace_ms;
};

enum absence_action {
	ABSENCE_NOTHING,
	ABSENCE_MISSING, /* no heartbeat of the date in absence.alarm */
	ABSENCE_BACK,    /* a heartbeat of that date or a later one arrived */
	ABSENCE_BLIND,   /* the room cannot be read */
	ABSENCE_SIGHT,   /* the room can be read again */
};

/* Records that everything in the room was read. first: the position in the room was lost (or
 * there was none), so earlier events are unknown. */
void absence_saw(struct absence *absence, bool first, int64_t now_ms);

/* Records a heartbeat of a date. False: ignored, since that date has not come yet. */
bool absence_heartbeat(
        struct absence *absence, const struct absence_rule *rule, const char *date, int64_t now_ms);

/* What to report now; also records it as reported. Call it until it returns ABSENCE_NOTHING,
 * after each read of the room and every few seconds. *old (may be NULL) is the state before. */
enum absence_action absence_decide(struct absence *absence, const struct absence_rule *rule,
        int64_t now_ms, struct absence *old);

/* True for exactly the form "2026-11-24". */
bool absence_is_date(const char *text);

/* The stored form and back; text may be NULL (nothing stored). The result of absence_dump() is
 * owned by the caller. */
void absence_load(struct absence *absence, const char *text);
char *absence_dump(const struct absence *absence);

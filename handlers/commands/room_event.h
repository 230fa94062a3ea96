/*
 * room_event.h - one event of a room's timeline as handlers see it: decrypted, and its sender's
 * device judged.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOM_POWER_UNKNOWN INT64_MIN /* below all levels: the homeserver does not tell it now */

/* All pointers are borrowed. */
struct room_event {
	const char *room; /* name in the config */
	const char *room_id, *event_id, *sender;
	const char *type;      /* of the clear event: "m.room.message", "m.reaction", … */
	const json_t *content; /* of the clear event */
	const char *redacts;   /* m.room.redaction: the event id, else NULL */
	int64_t power;   /* of the sender in the room; INT64_MAX = creator, above all levels */
	int64_t sent_ms; /* origin_server_ts: the sender's server's word, not ours */
	int64_t late_ms; /* since when it was written: the homeserver's word where it gave it */
	bool encrypted;  /* the room is: what came in the clear has obey false */
	bool clear;      /* it came in the clear */
	bool obey;       /* in an encrypted room: the trust rule allows to act on it */
	const char *device_id; /* of the sender when it is proven, else NULL */
};

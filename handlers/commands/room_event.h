/*
 * room_event.h - one event of a room's timeline as handlers see it: decrypted, and with the result
 * of the trust check of its sender's device.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define ROOM_POWER_UNKNOWN INT64_MIN /* below all levels: the homeserver does not report it */

/* All pointers are borrowed. */
struct room_event {
	const char *room; /* name in the config */
	const char *room_id, *event_id, *sender;
	const char *type;      /* of the decrypted event: "m.room.message", "m.reaction", … */
	const json_t *content; /* of the decrypted event */
	const char *redacts;   /* m.room.redaction: the event id, else NULL */
	int64_t power;         /* the sender's power level in the room; INT64_MAX = creator */
	int64_t sent_ms; /* origin_server_ts: set by the sender's homeserver, so not reliable */
	int64_t late_ms; /* time since it was sent, as reported by our homeserver if available */
	bool encrypted;  /* the room is encrypted: an event that came unencrypted has obey false */
	bool clear;      /* it came unencrypted */
	bool obey; /* in an encrypted room: the trust rule allows this sender to give commands */
	const char *device_id; /* the sender's device if it is proven, else NULL */
};

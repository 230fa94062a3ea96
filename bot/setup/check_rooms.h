/*
 * check_rooms.h - evaluates a room's state: may the bot send, and is the room in use? Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct room_facts {
	bool joined;
	bool invited;
	bool banned;
	bool encrypted;
	bool may_send;
	int64_t level;        /* the bot's power level; meaningless for a creator of the room */
	int64_t needed;       /* power level required to send messages */
	const char *replaced; /* room id of its replacement, or NULL; belongs to the tombstone */
};

/* State events from the homeserver; NULL where there is none. */
struct room_state {
	const json_t *member, *power_levels, *encryption, *tombstone; /* contents */
	const json_t *create; /* the event, or only its content if the server returns no more */
};

void room_judge(const struct room_state *state, const char *user_id, struct room_facts *facts);

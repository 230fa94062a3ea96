/*
 * check_rooms.h - what a room's state says about the bot's place in it. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct room_facts {
	bool joined;
	bool invited;
	bool encrypted;
	bool creator;         /* of a room whose version puts creators above all levels */
	int64_t level;        /* the bot's; says nothing for a creator */
	int64_t needed;       /* to send messages */
	const char *replaced; /* room id of its successor, or NULL; belongs to the tombstone */
};

/* What the homeserver tells of a room's state; NULL where there is no such event. */
struct room_state {
	const json_t *member, *power_levels, *encryption, *tombstone; /* contents */
	const json_t *create; /* the event, or its content from a server that tells no more */
};

void room_judge(const struct room_state *state, const char *user_id, struct room_facts *facts);

/*
 * power.h - power levels as a room's state gives them, for all room versions. Pure.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define POWER_CREATOR INT64_MAX /* above all levels: creators from room version 12 on */
#define POWER_MOST (INT64_C(1) << 53)
#define POWER_LEAST (-POWER_MOST) /* also of what is no level, so that it gives no rights */

/* A level in the content of m.room.power_levels, `missing` when there is none. Homeservers take
 * levels as strings in rooms below version 10, and below version 6 with a fraction, which they cut
 * off. create: as for power_is_creator(). */
int64_t power_level(const json_t *create, const json_t *object, const char *key, int64_t missing);

/* True for the creator of a room of version 12 or above, and for its additional_creators. create:
 * the m.room.create event, or only its content from servers that do not return the event; NULL =
 * unknown. */
bool power_is_creator(const json_t *create, const char *user_id);

/* Whether the user may send events of that type, and the user's level and the one that is needed.
 * levels and create: as for power_of(). */
bool power_may_send(const json_t *create, const json_t *levels, const char *user_id,
        const char *type, int64_t *level, int64_t *needed);

/* The power level of a user. levels: content of m.room.power_levels, NULL = the room has none:
 * then, as the specification says, the creator has 100 and everybody else 0. */
int64_t power_of(const json_t *create, const json_t *levels, const char *user_id);

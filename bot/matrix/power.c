/*
 * power.c - see power.h.
 */
#include "bot/matrix/power.h"

#include <stdlib.h>
#include <string.h>

#define CREATORS_VERSION 12 /* from this room version on creators rank above all power levels */

int64_t power_level(const json_t *object, const char *key, int64_t missing)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		return json_integer_value(value);
	if (json_is_string(value))
		return strtoll(json_string_value(value), NULL, 10);
	return missing;
}

static bool power_is_string(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

bool power_is_creator(const json_t *create, const char *user_id)
{
	const json_t *content = json_object_get(create, "content");
	const char *version;
	const json_t *other;
	size_t i;

	if (!content)
		content = create;
	version = json_string_value(json_object_get(content, "room_version"));
	/* unstable versions have names; this one became version 12 */
	if (!version || (strtol(version, NULL, 10) < CREATORS_VERSION &&
	                        strcmp(version, "org.matrix.hydra.11") != 0))
		return false;
	json_array_foreach(json_object_get(content, "additional_creators"), i, other)
	{
		if (power_is_string(other, user_id))
			return true;
	}
	return power_is_string(json_object_get(create, "sender"), user_id);
}

int64_t power_of(const json_t *create, const json_t *levels, const char *user_id)
{
	int64_t level;

	if (power_is_creator(create, user_id))
		return POWER_CREATOR;
	if (!levels)
		return power_is_string(json_object_get(create, "sender"), user_id) ? 100 : 0;
	level = power_level(
	        json_object_get(levels, "users"), user_id, power_level(levels, "users_default", 0));
	return level < POWER_CREATOR ? level : POWER_CREATOR - 1;
}

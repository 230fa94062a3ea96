/*
 * power.c - see power.h.
 */
#include "bot/matrix/power.h"

#include <stdlib.h>
#include <string.h>

#define FIXED_VERSION 6       /* from this room version on, numbers are integers */
#define STRINGLESS_VERSION 10 /* from this one on, levels are not written as strings */
#define SENDER_VERSION 11     /* from this one on, who sent the create event is the creator */
#define CREATORS_VERSION 12   /* from this one on, creators rank above all power levels */

/* The content of a create event, of which some servers return nothing else. */
static const json_t *power_content(const json_t *create)
{
	const json_t *content = json_object_get(create, "content");

	return content ? content : create;
}

/* The number of the room's version. Unstable versions have names: one of them became version 12,
 * and others, like an unknown version, are read as strictly as the newest, without creators. */
static long power_version(const json_t *create)
{
	const json_t *version = json_object_get(power_content(create), "room_version");
	const char *text = json_string_value(version);
	char *end;
	long number;

	if (!version && create)
		return 1;
	if (text && strcmp(text, "org.matrix.hydra.11") == 0)
		return CREATORS_VERSION;
	number = text ? strtol(text, &end, 10) : 0;
	return number > 0 && !*end ? number : CREATORS_VERSION - 1;
}

/* A level written as a string: digits, with a sign and blanks around them at most. */
static double power_of_string(const char *text)
{
	static const char blanks[] = " \t\n\v\f\r";
	const char *digits = text + strspn(text, blanks), *end;

	digits += *digits == '-' || *digits == '+';
	end = digits + strspn(digits, "0123456789");
	return end > digits && !end[strspn(end, blanks)] ? strtod(text, NULL) : (double)POWER_LEAST;
}

int64_t power_level(const json_t *create, const json_t *object, const char *key, int64_t missing)
{
	const json_t *value = json_object_get(object, key);
	long version = power_version(create);
	double level = (double)POWER_LEAST;

	if (!value || json_is_null(value))
		return missing;
	if (json_is_integer(value) || (json_is_real(value) && version < FIXED_VERSION))
		level = json_number_value(value);
	else if (json_is_string(value) && version < STRINGLESS_VERSION)
		level = power_of_string(json_string_value(value));
	return level > (double)POWER_MOST    ? POWER_MOST
	       : level < (double)POWER_LEAST ? POWER_LEAST
	                                     : (int64_t)level;
}

static bool power_is_string(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

bool power_is_creator(const json_t *create, const char *user_id)
{
	const json_t *other;
	size_t i;

	if (!create || power_version(create) < CREATORS_VERSION)
		return false;
	json_array_foreach(json_object_get(power_content(create), "additional_creators"), i, other)
	{
		if (power_is_string(other, user_id))
			return true;
	}
	return power_is_string(json_object_get(create, "sender"), user_id);
}

static bool power_made_room(const json_t *create, const char *user_id)
{
	const json_t *creator = json_object_get(power_content(create), "creator");

	return power_is_string(creator && power_version(create) < SENDER_VERSION
	                               ? creator
	                               : json_object_get(create, "sender"),
	        user_id);
}

/* As the levels say; a creator may have more. */
static int64_t power_of_user(const json_t *create, const json_t *levels, const char *user_id)
{
	return power_level(create, json_object_get(levels, "users"), user_id,
	        power_level(create, levels, "users_default", 0));
}

int64_t power_of(const json_t *create, const json_t *levels, const char *user_id)
{
	if (power_is_creator(create, user_id))
		return POWER_CREATOR;
	if (!levels)
		return power_made_room(create, user_id) ? 100 : 0;
	return power_of_user(create, levels, user_id);
}

bool power_may_send(const json_t *create, const json_t *levels, const char *user_id,
        const char *type, int64_t *level, int64_t *needed)
{
	*needed = power_level(create, json_object_get(levels, "events"), type,
	        power_level(create, levels, "events_default", 0));
	*level = power_of_user(create, levels, user_id);
	return power_is_creator(create, user_id) || *level >= *needed;
}

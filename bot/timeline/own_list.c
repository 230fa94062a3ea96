/*
 * own_list.c - see own_list.h.
 */
#include "bot/timeline/own_list.h"

#include <string.h>

/* Where the user stands in the list; its length if nowhere. */
static size_t own_list_index(const json_t *changed, const char *user_id)
{
	size_t len = json_array_size(changed), i = 0;
	const char *name;

	for (; i < len; i++) {
		name = json_string_value(json_array_get(changed, i));
		if (name && strcmp(name, user_id) == 0)
			break;
	}
	return i;
}

/* Whether the state of a room in the answer has the user's membership. */
static bool own_list_has_member(json_t *answer, const char *user_id)
{
	json_t *join = json_object_get(json_object_get(answer, "rooms"), "join"), *room, *event;
	const char *room_id, *type, *key;
	size_t i;

	json_object_foreach(join, room_id, room)
	{
		json_array_foreach(
		        json_object_get(json_object_get(room, "state"), "events"), i, event)
		{
			type = json_string_value(json_object_get(event, "type"));
			key = json_string_value(json_object_get(event, "state_key"));
			if (type && key && strcmp(type, "m.room.member") == 0 &&
			        strcmp(key, user_id) == 0)
				return true;
		}
	}
	return false;
}

/* The list of an answer, made where there is none. */
static json_t *own_list_changed(json_t *answer)
{
	json_t *lists = json_object_get(answer, "device_lists");
	json_t *changed = json_object_get(lists, "changed");

	if (!json_is_object(lists)) {
		lists = json_object();
		json_object_set_new(answer, "device_lists", lists);
	}
	if (!json_is_array(changed)) {
		changed = json_array();
		json_object_set_new(lists, "changed", changed);
	}
	return changed;
}

void own_list_settle(struct own_list *own, json_t *answer, const char *user_id, int64_t now_ms)
{
	json_t *changed = json_object_get(json_object_get(answer, "device_lists"), "changed");
	size_t index = own_list_index(changed, user_id);
	bool named = index < json_array_size(changed);
	bool soon = own->told_ms && now_ms - own->told_ms < OWN_LIST_MS;

	if (named && soon && own_list_has_member(answer, user_id)) {
		json_array_remove(changed, index);
		own->owed = true;
		return;
	}
	if (!named && (!own->owed || soon))
		return;
	if (!named)
		json_array_append_new(own_list_changed(answer), json_string(user_id));
	own->told_ms = now_ms;
	own->owed = false;
}

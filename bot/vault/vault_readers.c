/*
 * vault_readers.c - who can read the encrypted rooms of the config, as of the last look; see
 * vault_internal.h. Changes are logged once.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"
#include "bot/vault/vault_internal.h"
#include "handlers/commands/report_readers.h"

void readers_begin(struct vault *vault, struct core_look *look)
{
	size_t len = vault->rooms ? rooms_len(vault->rooms) : 0;

	look->readers_due = vault->readers_due;
	vault->readers_due = false;
	look->rooms = x_calloc(len + 1, sizeof(*look->rooms));
	for (size_t i = 0; i < len; i++) {
		const struct room *room = rooms_at(vault->rooms, i);
		struct member_list *list =
		        room->room_id && room->encrypted
		                ? vault->events.members(room->room_id, vault->events.arg)
		                : NULL;

		if (list)
			look->rooms[look->rooms_len++] = (struct core_room){
			        .name = x_strdup(room->name),
			        .room_id = x_strdup(room->room_id),
			        .list = member_list_ref(list),
			};
	}
}

void readers_end(struct core_look *look)
{
	for (size_t i = 0; i < look->rooms_len; i++) {
		free(look->rooms[i].name);
		free(look->rooms[i].room_id);
		member_list_unref(look->rooms[i].list);
	}
	free(look->rooms);
}

static const json_t *readers_held_of(const json_t *readers, const char *user_id)
{
	const json_t *held;
	size_t i;

	json_array_foreach(json_object_get(readers, "held"), i, held)
	{
		if (strcmp(json_string_value(json_object_get(held, "user_id")), user_id) == 0)
			return held;
	}
	return NULL;
}

static void readers_log_changes(const char *room, const json_t *before, const json_t *now)
{
	const json_t *held;
	size_t i;

	json_array_foreach(json_object_get(now, "held"), i, held)
	{
		const char *user_id = json_string_value(json_object_get(held, "user_id"));
		const json_t *was = readers_held_of(before, user_id);
		struct words words;
		char *line;

		if (was && json_equal((json_t *)was, (json_t *)held))
			continue;
		words_init(&words);
		report_readers_member(held, &words);
		line = words_body(&words);
		log_warning("vault", "%s: %s", room, line);
		free(line);
		words_finish(&words);
	}
	json_array_foreach(json_object_get(before, "held"), i, held)
	{
		const char *user_id = json_string_value(json_object_get(held, "user_id"));

		if (!readers_held_of(now, user_id))
			log_info(
			        "vault", "%s: sharing keys with every device of %s", room, user_id);
	}
}

void readers_take(struct vault *vault, struct core_look *look)
{
	if (!look->readers)
		return;
	for (size_t i = 0; i < look->rooms_len; i++)
		readers_log_changes(look->rooms[i].name,
		        json_object_get(vault->readers, look->rooms[i].room_id),
		        json_object_get(look->readers, look->rooms[i].room_id));
	/* rooms whose members are unknown now keep their last result */
	json_object_update(vault->readers, look->readers);
}

/*
 * room_late.c - messages that were sent before every member's devices were known: a user who turns
 * out to have had a device all along gets the key from the first such message on; see room_out.h.
 *
 * Users who leave the room are removed from the list before the next message, so that nobody gets
 * keys for messages sent after leaving. The list is cleared when the room gets a new session.
 */
#include <string.h>
#include "bot/crypto/devices.h"
#include "bot/crypto/room_out.h"

static bool late_is_of_session(const json_t *late, const json_t *session)
{
	const char *id = js_str(session, "id"), *of = js_str(late, "session");

	return id && of && strcmp(id, of) == 0;
}

const char *late_pickle(const json_t *late, const char *user_id)
{
	const json_t *index = json_object_get(js_obj(late, "users"), user_id);

	return index ? json_string_value(json_array_get(
	                       json_object_get(late, "pickles"), (size_t)json_integer_value(index)))
	             : NULL;
}

/* Stores the row, or removes it when it has no users left. */
static enum err late_put(struct crypto *crypto, const char *room_id, const json_t *late)
{
	return json_object_size(js_obj(late, "users")) > 0 ? keep_put(crypto, "late", room_id, late)
	                                                   : keep_remove(crypto, "late", room_id);
}

enum err late_note(struct crypto *crypto, const struct crypto_room *room, const json_t *session)
{
	AUTO_JSON late = NULL;
	json_t *users, *pickles;
	size_t before;
	enum err err = keep_get_or_new(crypto, "late", room->room_id, &late);

	if (err != OK)
		return err;
	if (!late_is_of_session(late, session)) {
		json_object_clear(late);
		json_object_set(late, "session", json_object_get(session, "id"));
		json_object_set_new(late, "pickles", json_array());
	}
	users = js_make(late, "users");
	pickles = json_object_get(late, "pickles");
	before = json_object_size(users);
	for (size_t i = 0; i < room->users_len; i++)
		if (!json_object_get(users, room->users[i]))
			json_object_set_new(users, room->users[i],
			        json_integer((json_int_t)json_array_size(pickles)));
	if (json_object_size(users) == before)
		return OK;
	json_array_append(pickles, json_object_get(session, "pickle"));
	return late_put(crypto, room->room_id, late);
}

enum err late_of_room(
        struct crypto *crypto, const struct crypto_room *room, const json_t *session, json_t **late)
{
	json_t *staying, *users;
	enum err err = keep_get(crypto, "late", room->room_id, late);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	users = js_make(*late, "users");
	staying = json_object();
	for (size_t i = 0; i < room->users_len && late_is_of_session(*late, session); i++)
		json_object_set(staying, room->users[i], json_object_get(users, room->users[i]));
	if (json_object_size(staying) == json_object_size(users)) {
		json_decref(staying);
		return OK;
	}
	json_object_set_new(*late, "users", staying);
	return late_put(crypto, room->room_id, *late);
}

/* The late users whose device lists are known by now; the names are borrowed from the row. */
static enum err late_known(
        struct crypto *crypto, const json_t *late, const char **users, size_t *len)
{
	const char *user_id;
	json_t *index;

	json_object_foreach((json_t *)js_obj(late, "users"), user_id, index)
	{
		bool current = false;
		enum err err = devices_are_current(crypto, user_id, &current);

		if (err != OK)
			return err;
		if (current)
			users[(*len)++] = user_id;
	}
	return OK;
}

/* Sends the keys that can be sent now. A user leaves the list once no device of theirs lacks an
 * Olm session. */
static enum err late_give_known(struct share *share, const json_t *session)
{
	AUTO_JSON users = json_copy((json_t *)js_obj(share->late, "users"));
	enum err err = share_look(share);

	if (err == OK)
		err = share_claim(share);
	if (err == OK)
		err = share_send(share, session);
	if (err == OK)
		err = keep_put(share->crypto, "shared", share->room->room_id, share->shared);
	for (size_t i = 0; i < share->room->users_len; i++)
		if (!json_object_get(share->claim, share->room->users[i]))
			json_object_del(users, share->room->users[i]);
	json_object_set(share->late, "users", users);
	share_finish(share);
	return err == OK ? late_put(share->crypto, share->room->room_id, share->late) : err;
}

static enum err late_give_room(
        struct crypto *crypto, int64_t now_ms, const char *room_id, json_t *late)
{
	const char **users = x_calloc(json_object_size(js_obj(late, "users")) + 1, sizeof(*users));
	AUTO_JSON session = NULL;
	AUTO_JSON shared = NULL;
	struct crypto_room room = {.room_id = room_id, .users = users};
	enum err err = keep_get_or_new(crypto, "outbound", room_id, &session);

	if (err == OK && !late_is_of_session(late, session))
		err = keep_remove(crypto, "late", room_id);
	else if (err == OK)
		err = late_known(crypto, late, users, &room.users_len);
	if (err == OK && room.users_len > 0)
		err = keep_get_or_new(crypto, "shared", room_id, &shared);
	if (err == OK && room.users_len > 0) {
		struct share share = {.crypto = crypto,
		        .room = &room,
		        .now_ms = now_ms,
		        .shared = shared,
		        .late = late};

		err = late_give_known(&share, session);
	}
	free(users);
	return err;
}

enum err late_give(struct crypto *crypto, int64_t now_ms)
{
	struct crypto_item *items;
	size_t len;
	bool caught_up = false;
	enum err err = keep_list(crypto, "late", "", &items, &len);

	if (err == OK && len > 0)
		err = caught_up_get(crypto, &caught_up);
	for (size_t i = 0; err == OK && caught_up && i < len; i++) {
		AUTO_JSON late = json_loads(items[i].value, 0, NULL);

		err = late ? late_give_room(crypto, now_ms, items[i].key, late) : ERR_CORRUPT;
	}
	crypto_items_free(items, len);
	return err;
}

/*
 * room_sync.c - see rooms_internal.h: handles the rooms and invitations in a /sync answer.
 */
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/matrix/backoff.h"
#include "bot/matrix/rooms_internal.h"

#define JOIN_TIMEOUT_MS 120000
#define INVITES_MAX 32 /* in progress; further ones wait for the next invitation */

/* ---- rooms the bot is in ---- */

/* Checks the configured rooms again that wait for that room or followed a tombstone in it. Returns
 * whether there are any. */
static bool room_sync_look_again(struct rooms *rooms, const char *room_id)
{
	struct room_entry *entry;
	bool any = false;

	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if ((entry->hops > 0 || !entry->room.ready) && room_is_on_trail(entry, room_id)) {
			room_follow_soon(entry);
			any = true;
		}
	}
	return any;
}

static bool room_sync_tombstone_leads_on(const struct room_entry *entry, const json_t *content)
{
	const char *successor = json_string_value(json_object_get(content, "replacement_room"));

	return rooms_is_id(successor) && strcmp(successor, entry->room_id) != 0 &&
	       !room_is_on_trail(entry, successor);
}

static void room_sync_look_at_event(struct rooms *rooms, const char *room_id, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	const char *key = json_string_value(json_object_get(event, "state_key"));
	const json_t *content = json_object_get(event, "content");
	struct room_entry *entry;
	bool is_tombstone, is_own, is_power;

	if (type && !key && strcmp(type, "m.room.redaction") == 0)
		room_sync_look_again(rooms, room_id); /* it may have removed a tombstone */
	if (!type || !key)
		return;
	if (strcmp(type, "m.room.encryption") == 0 && key[0] == '\0') {
		rooms_note_encrypted(rooms, room_id, content);
		return;
	}
	is_tombstone = strcmp(type, "m.room.tombstone") == 0 && key[0] == '\0';
	is_own = strcmp(type, "m.room.member") == 0 && strcmp(key, rooms->user_id) == 0;
	is_power = strcmp(type, "m.room.power_levels") == 0 && key[0] == '\0';
	if (!is_tombstone && !is_own && !is_power && strcmp(type, "m.room.canonical_alias") != 0)
		return;
	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		bool same = entry->room_id && strcmp(entry->room_id, room_id) == 0;

		if (same && is_tombstone && room_sync_tombstone_leads_on(entry, content))
			room_lose(entry, "it was upgraded; looking for its successor");
		else if (is_own ? !entry->room.ready
		                : same && (is_power || entry->address[0] == '#'))
			room_follow_soon(entry);
	}
}

static void room_sync_look_at_events(
        struct rooms *rooms, const char *room_id, const json_t *room, const char *block)
{
	const json_t *events = json_object_get(json_object_get(room, block), "events"), *event;
	size_t i;

	json_array_foreach((json_t *)events, i, event)
	{
		room_sync_look_at_event(rooms, room_id, event);
	}
}

/* Whether the newest of the bot's own memberships in the answer is a ban. */
static bool room_sync_is_banned(const struct rooms *rooms, const json_t *room)
{
	const json_t *events = json_object_get(json_object_get(room, "timeline"), "events"), *event;
	bool banned = false;
	size_t i;

	json_array_foreach((json_t *)events, i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));
		const char *key = json_string_value(json_object_get(event, "state_key"));
		const char *membership = json_string_value(
		        json_object_get(json_object_get(event, "content"), "membership"));

		if (type && key && membership && strcmp(type, "m.room.member") == 0 &&
		        strcmp(key, rooms->user_id) == 0)
			banned = strcmp(membership, "ban") == 0;
	}
	return banned;
}

static void room_sync_look_at_left(struct rooms *rooms, const char *room_id, const json_t *room)
{
	struct room_entry *entry;

	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		if (!entry->room_id || strcmp(entry->room_id, room_id) != 0)
			continue;
		entry->joined = false;
		room_lose(entry, room_sync_is_banned(rooms, room)
		                         ? "the bot was banned; lift the ban and invite it again"
		                         : "the bot is no longer in the room; invite it again");
	}
}

/* ---- invitations ---- */

void room_invite_destroy(struct room_invite *invite)
{
	TAILQ_REMOVE(&invite->rooms->invites, invite, link);
	invite->rooms->invites_len--;
	free(invite->room_id);
	free(invite->via);
	free(invite);
}

static void room_sync_on_joined(const struct mx_answer *answer, void *arg)
{
	struct room_invite *invite = arg;
	struct rooms *rooms = invite->rooms;
	struct room_entry *entry;

	invite->call = NULL;
	if (rooms_call_ended(rooms, NULL))
		return;
	switch (answer->code) {
	case OK:
		log_info("rooms", "joined %s, as invited", invite->room_id);
		room_invite_destroy(invite);
		TAILQ_FOREACH(entry, &rooms->entries, link)
		{
			if (!entry->room.ready)
				room_follow(entry);
		}
		return;
	case ERR_DENIED:
	case ERR_NOT_FOUND:
	case ERR_REJECTED:
		log_warning(
		        "rooms", "cannot join %s, as invited: %s", invite->room_id, answer->error);
		room_invite_destroy(invite);
		return;
	default:
		invite->tries++;
		rooms_due_in(rooms, &invite->due_ms,
		        backoff_ms(invite->tries, answer->retry_after_ms, arc4random()));
	}
}

void room_invite_start(struct room_invite *invite)
{
	char *path = rooms_join_path(invite->room_id, &invite->via, 1);

	invite->due_ms = INT64_MAX;
	invite->rooms->calls++;
	invite->call = mx_start(invite->rooms->mx, "POST", path, NULL, JOIN_TIMEOUT_MS,
	        room_sync_on_joined, invite);
	free(path);
}

static bool room_sync_may_invite(const struct rooms *rooms, const char *user_id)
{
	for (size_t i = 0; rooms->invite_from && rooms->invite_from[i]; i++)
		if (strcmp(rooms->invite_from[i], user_id) == 0)
			return true;
	return false;
}

/* The user who invited the bot; NULL when the answer does not name it. */
static const char *room_sync_inviter(const struct rooms *rooms, const json_t *room)
{
	const json_t *events = json_object_get(json_object_get(room, "invite_state"), "events");
	const json_t *event;
	size_t i;

	json_array_foreach((json_t *)events, i, event)
	{
		const json_t *content = json_object_get(event, "content");
		const char *type = json_string_value(json_object_get(event, "type"));
		const char *key = json_string_value(json_object_get(event, "state_key"));
		const char *membership = json_string_value(json_object_get(content, "membership"));

		if (type && strcmp(type, "m.room.member") == 0 && key &&
		        strcmp(key, rooms->user_id) == 0 && membership &&
		        strcmp(membership, "invite") == 0)
			return json_string_value(json_object_get(event, "sender"));
	}
	return NULL;
}

static void room_sync_look_at_invite(struct rooms *rooms, const char *room_id, const json_t *room)
{
	const char *user_id = room_sync_inviter(rooms, room);
	struct room_invite *invite;

	if (!user_id || !rooms_is_id(room_id))
		return;
	if (!room_sync_may_invite(rooms, user_id)) {
		/* [rooms] names that room, so the bot joins it whoever lets it in */
		if (room_sync_look_again(rooms, room_id))
			return;
		log_seldom(LOG_INFO, "rooms", "",
		        "ignored an invitation to %s by %s, who is not in [matrix] invite_from",
		        room_id, user_id);
		return;
	}
	TAILQ_FOREACH(invite, &rooms->invites, link)
	{
		if (strcmp(invite->room_id, room_id) == 0)
			return;
	}
	if (rooms->invites_len >= INVITES_MAX)
		return;
	invite = x_calloc(1, sizeof(*invite));
	invite->rooms = rooms;
	invite->room_id = x_strdup(room_id);
	invite->via = x_strdup_opt(rooms_server_of(user_id));
	TAILQ_INSERT_TAIL(&rooms->invites, invite, link);
	rooms->invites_len++;
	room_invite_start(invite);
}

/* ---- the interface ---- */

void rooms_take_sync(struct rooms *rooms, const json_t *sync, bool whole)
{
	json_t *all = json_object_get(sync, "rooms"), *room;
	struct room_entry *entry;
	const char *room_id;

	if (rooms->closing)
		return;
	json_object_foreach(json_object_get(all, "join"), room_id, room)
	{
		room_sync_look_at_events(rooms, room_id, room, "state");
		room_sync_look_at_events(rooms, room_id, room, "timeline");
		if (json_is_true(json_object_get(json_object_get(room, "timeline"), "limited")))
			/* a tombstone or its redaction may be among the missing events */
			room_sync_look_again(rooms, room_id);
	}
	json_object_foreach(json_object_get(all, "leave"), room_id, room)
	{
		room_sync_look_at_left(rooms, room_id, room);
	}
	json_object_foreach(json_object_get(all, "invite"), room_id, room)
	{
		room_sync_look_at_invite(rooms, room_id, room);
	}
	if (!whole)
		return;
	rooms->caught_up = true;
	TAILQ_FOREACH(entry, &rooms->entries, link)
	{
		room_recall(entry);
	}
}

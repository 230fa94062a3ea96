/*
 * check_rooms.c - part of `check`: each room's address, membership, power levels, encryption.
 */
#include "bot/setup/check_rooms.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/setup/check.h"
#include "bot/base/exit_code.h"
#include "bot/matrix/client.h"
#include "bot/matrix/power.h"

static bool is_string(const json_t *value, const char *text)
{
	return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

void room_judge(const struct room_state *state, const char *user_id, struct room_facts *facts)
{
	const json_t *membership = json_object_get(state->member, "membership");
	const char *type = state->encryption ? "m.room.encrypted" : "m.room.message";

	*facts = (struct room_facts){0};
	facts->joined = is_string(membership, "join");
	facts->invited = is_string(membership, "invite");
	facts->banned = is_string(membership, "ban");
	facts->encrypted = state->encryption;
	facts->may_send = power_may_send(
	        state->create, state->power_levels, user_id, type, &facts->level, &facts->needed);
	facts->replaced = json_string_value(json_object_get(state->tombstone, "replacement_room"));
}

/* --- asking --------------------------------------------------------------------------------- */

static void check_rooms_tell_absent(struct check *check, const char *what,
        const struct config_room *room, const struct room_facts *facts)
{
	if (facts->banned) {
		check_fault(check, EX_UNAVAILABLE, what, "%s: the bot is banned from the room",
		        room->address);
		check_fix(check, "lift the ban in the room's settings, then invite %s",
		        check->user_id);
		return;
	}
	if (facts->invited) {
		check_warning(check, what, "%s: invited, not joined yet", room->address);
		check_fix(check, "start the daemon: it joins");
		return;
	}
	check_fault(check, EX_UNAVAILABLE, what, "%s: the bot is not in the room", room->address);
	check_fix(check,
	        "invite %s: the daemon joins within 5 minutes, at once where [matrix] invite_from "
	        "names who invites; it joins a public room by itself",
	        check->user_id);
}

static void tell_facts(struct check *check, const char *what, const struct config_room *room,
        const struct room_facts *facts)
{
	check->encrypted = check->encrypted || facts->encrypted;

	if (!facts->joined) {
		check_rooms_tell_absent(check, what, room, facts);
	} else if (facts->replaced) {
		check_warning(check, what, "%s: was replaced by %s, which the daemon follows",
		        room->address, facts->replaced);
		check_fix(check, "put the new room's address into [rooms]");
	} else if (!facts->may_send) {
		check_fault(check, EX_UNAVAILABLE, what,
		        "%s: the bot may not write: its power level is %" PRId64 ", %" PRId64
		        " is needed",
		        room->address, facts->level, facts->needed);
		check_fix(check, "give %s the power level %" PRId64 " in the room's settings",
		        check->user_id, facts->needed);
	} else {
		check_good(check, what, "%s: joined, may write, %s", room->address,
		        facts->encrypted ? "encrypted" : "not encrypted");
	}
}

/* The room id of an address, owned by the caller; NULL when that failed and was reported. */
static char *check_rooms_resolve(
        struct check *check, const char *what, const struct config_room *room)
{
	struct ask_answer answer;
	char *path, *id;

	if (room->address[0] == '!')
		return x_strdup(room->address);
	path = mx_path("/v3/directory/room/%s", room->address);
	ask_call(check->ask, "GET", path, NULL, &answer);
	free(path);
	id = x_strdup_opt(json_string_value(json_object_get(answer.body, "room_id")));
	if (answer.code == ERR_NOT_FOUND) {
		check_fault(
		        check, EX_UNAVAILABLE, what, "%s: there is no such alias", room->address);
		check_fix(check, "give the room this alias, or correct [rooms] %s", room->name);
	} else if (answer.code != OK || !id) {
		check_fault(check, answer.code == OK ? EX_TEMPFAIL : exit_of(answer.code), what,
		        "%s: %s", room->address,
		        answer.code == OK ? "the homeserver gave no room id" : answer.error);
		check_fix_later(check);
	}
	ask_answer_finish(&answer);
	return id;
}

/* One event of a room's state; OK with *content NULL when there is none. */
static enum err get_state(struct check *check, const char *room_id, const char *rest,
        json_t **content, struct ask_answer *answer)
{
	char *path = mx_path("/v3/rooms/%s/state/", room_id);
	char *full = x_asprintf("%s%s", path, rest);

	ask_call(check->ask, "GET", full, NULL, answer);
	free(full);
	free(path);
	*content = answer->body;
	if (answer->code == OK)
		return OK;
	ask_answer_finish(answer);
	*content = NULL;
	return answer->code == ERR_NOT_FOUND ? OK : answer->code;
}

/* Requests all events needed; stops at the first failure. */
static enum err get_all_state(
        struct check *check, const char *room_id, json_t *pieces[5], struct ask_answer *answer)
{
	static const char *const rest[] = {"m.room.power_levels/", "m.room.encryption/",
	        "m.room.tombstone/", "m.room.create/?format=event"};
	char *member = mx_path("m.room.member/%s", check->user_id);
	enum err err = get_state(check, room_id, member, &pieces[0], answer);

	free(member);
	for (size_t i = 0; i < 4 && err == OK; i++)
		err = get_state(check, room_id, rest[i], &pieces[i + 1], answer);
	return err;
}

static void check_rooms_check_room(struct check *check, const struct config_room *room)
{
	char *what = x_asprintf("room %s", room->name);
	char *id = check_rooms_resolve(check, what, room);
	json_t *pieces[5] = {NULL};
	struct ask_answer answer;
	struct room_facts facts;
	enum err err;

	if (id) {
		err = get_all_state(check, id, pieces, &answer);
		const struct room_state state = {
		        pieces[0], pieces[1], pieces[2], pieces[3], pieces[4]};

		room_judge(&state, check->user_id, &facts);
		if (err == OK || err == ERR_DENIED) {
			tell_facts(check, what, room, &facts);
		} else {
			check_fault(
			        check, exit_of(err), what, "%s: %s", room->address, answer.error);
			check_fix_later(check);
		}
		if (err == OK && facts.joined && facts.encrypted)
			check_readers(check, what, room, id);
	}
	for (size_t i = 0; i < 5; i++)
		json_decref(pieces[i]);
	free(id);
	free(what);
}

/* Whether an earlier room has the same address, so that they are one room. */
static bool is_repeated(const struct config *config, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(config->rooms[i].address, config->rooms[index].address) == 0)
			return true;
	return false;
}

void check_rooms(struct check *check)
{
	const struct config *config = check->config;

	if (!check->logged_in) {
		check_warning(check, "rooms",
		        "not checked: that needs a homeserver that answers and a valid token");
		return;
	}
	for (size_t i = 0; i < config->rooms_len; i++)
		if (!is_repeated(config, i))
			check_rooms_check_room(check, &config->rooms[i]);
}

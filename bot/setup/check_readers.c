/*
 * check_readers.c - part of `check`: which members of an encrypted room have a device that other
 * clients and the bot accept as theirs, according to the public keys on the homeserver.
 */
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/crypto/signed_keys.h"
#include "bot/base/exit_code.h"
#include "bot/matrix/client.h"
#include "bot/setup/check.h"
#include "handlers/commands/report_readers.h"

#define LINE_MAX_BYTES 2048
#define MEMBERS_MAX 1000 /* members queried; the daemon handles more */

static const json_t *of_user(const json_t *body, const char *part, const char *user_id)
{
	return json_object_get(json_object_get(body, part), user_id);
}

/* The user's self-signing key, if the user's master key has signed it. */
static const char *self_signing(const json_t *body, const char *user_id)
{
	const json_t *self = of_user(body, "self_signing_keys", user_id);
	const char *master =
	        signed_keys_cross(of_user(body, "master_keys", user_id), user_id, "master");
	const char *key = signed_keys_cross(self, user_id, "self_signing");

	return master && key && signed_keys_by(self, user_id, master) ? key : NULL;
}

/* A member in the form of `held` in report_readers.h; NULL when all its devices can read. */
static json_t *judge_member(
        const struct check *check, const json_t *body, const char *user_id, bool *reads)
{
	bool all = strcmp(check->config->encryption.trust, "all") == 0;
	const char *self = self_signing(body, user_id), *device_id;
	json_t *held = json_array(), *keys;
	size_t len;

	*reads = false;
	json_object_foreach((json_t *)of_user(body, "device_keys", user_id), device_id, keys)
	{
		bool trusted = signed_keys_of_device(keys, user_id, device_id) &&
		               (all || (self && signed_keys_by(keys, user_id, self)));

		*reads = *reads || trusted;
		if (!trusted)
			json_array_append_new(held, json_pack("{s:s, s:s}", "device_id", device_id,
			                                    "cause", "not_cross_signed"));
	}
	len = json_array_size(held);
	if (*reads && len == 0) {
		json_decref(held);
		return NULL;
	}
	return json_pack("{s:s, s:b, s:s?, s:o}", "user_id", user_id, "reads", *reads, "cause",
	        *reads ? NULL
	        : len  ? "not_cross_signed"
	               : "no_devices",
	        "devices", held);
}

static void tell_readers(struct check *check, const char *what, const struct config_room *room,
        const json_t *readers)
{
	struct words words;
	char *line;

	words_init(&words);
	report_readers_room(readers, &words);
	line = words_body(&words);
	words_finish(&words);
	if (report_readers_nobody(readers)) {
		check_fault(check, EX_UNAVAILABLE, what, "%s: nobody can read it: %s",
		        room->address, line);
	} else if (*line) {
		check_warning(check, what, "%s: %s", room->address, line);
	} else {
		free(line);
		return;
	}
	free(line);
	check_fix(check, report_readers_alone(readers)
	                         ? "invite the operators"
	                         : "ask them to verify that session in their client, with another "
	                           "session of "
	                           "theirs or their recovery key: that cross-signs it");
}

/* joined: {user id: …} of the room's members. */
static void judge_members(struct check *check, const char *what, const struct config_room *room,
        const json_t *joined, const json_t *body)
{
	json_t *held = json_array(), *readers, *any;
	const char *user_id;
	int members = 0, can_read = 0;

	json_object_foreach((json_t *)joined, user_id, any)
	{
		bool reads;
		json_t *member;

		if (strcmp(user_id, check->user_id) == 0)
			continue;
		member = judge_member(check, body, user_id, &reads);
		members++;
		can_read += reads;
		if (member)
			json_array_append_new(held, member);
	}
	readers = json_pack("{s:i, s:i, s:i, s:o}", "members", members, "readers", can_read,
	        "unknown", 0, "held", held);
	tell_readers(check, what, room, readers);
	json_decref(readers);
}

static json_t *joined_members(struct check *check, const char *room_id, struct ask_answer *answer)
{
	char *path = mx_path("/v3/rooms/%s/members?membership=join", room_id);
	json_t *joined = json_object();
	const json_t *event;
	size_t i;

	ask_call(check->ask, "GET", path, NULL, answer);
	json_array_foreach(json_object_get(answer->body, "chunk"), i, event)
	{
		const char *user_id = json_string_value(json_object_get(event, "state_key"));
		const char *membership = json_string_value(
		        json_object_get(json_object_get(event, "content"), "membership"));

		if (user_id && membership && strcmp(membership, "join") == 0)
			json_object_set_new(joined, user_id, json_array());
	}
	free(path);
	return joined;
}

void check_readers(
        struct check *check, const char *what, const struct config_room *room, const char *room_id)
{
	struct ask_answer answer;
	json_t *joined = joined_members(check, room_id, &answer), *body;
	enum err err = answer.code;

	if (err == OK && json_object_size(joined) <= MEMBERS_MAX) {
		ask_answer_finish(&answer);
		body = json_pack("{s:O}", "device_keys", joined);
		ask_call(check->ask, "POST", "/v3/keys/query", body, &answer);
		json_decref(body);
		err = answer.code;
		if (err == OK)
			judge_members(check, what, room, joined, answer.body);
	}
	if (err != OK)
		check_warning(check, what, "%s: cannot find out who can read: %s", room->address,
		        answer.error);
	ask_answer_finish(&answer);
	json_decref(joined);
}

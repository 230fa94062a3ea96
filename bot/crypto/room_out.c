/*
 * room_out.c - see room_out.h: the outbound session of a room, from its creation to its rotation.
 *
 * A session is replaced when its time or its number of messages is used up, when somebody who has
 * it must not read any further, or when the process restarts: after a restored backup a message
 * index would otherwise be used twice.
 */
#include "bot/crypto/room_out.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/account.h"
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/sessions.h"

/* Defaults of m.room.encryption, and the limits to which clients clamp its settings. */
#define ROTATION_MS (7 * 24 * CLOCK_HOUR_MS)
#define ROTATION_MS_MIN CLOCK_HOUR_MS
#define ROTATION_MSGS 100
#define ROTATION_MSGS_MAX 10000

/* How long a message waits at most for all members to be able to read it. */
#define ROOM_WAIT_MS (5 * CLOCK_SECOND_MS)

static bool outbound_is_worn_out(const struct crypto *crypto, const json_t *row,
        const struct crypto_room *room, int64_t now_ms)
{
	int64_t most_ms = room->rotation_ms > 0 ? room->rotation_ms : ROTATION_MS;
	int64_t most = room->rotation_msgs > 0 ? room->rotation_msgs : ROTATION_MSGS;
	int64_t age_ms = now_ms - js_int(row, "created_ms");
	const char *run = js_str(row, "run");

	most_ms = most_ms < ROTATION_MS_MIN ? ROTATION_MS_MIN : most_ms;
	most = most > ROTATION_MSGS_MAX ? ROTATION_MSGS_MAX : most;
	return !run || strcmp(run, crypto->run) != 0 || age_ms < 0 || age_ms >= most_ms ||
	       js_int(row, "messages") >= most;
}

static char *room_out_users_hash(const struct crypto_room *room)
{
	const char **users = x_calloc(room->users_len + 1, sizeof(*users));
	AUTO_JSON list = json_array();
	AUTO_TEXT text = NULL;
	uint8_t hash[PRIM_HASH];

	memcpy(users, room->users, room->users_len * sizeof(*users));
	qsort(users, room->users_len, sizeof(*users), js_by_text);
	for (size_t i = 0; i < room->users_len; i++)
		json_array_append_new(list, json_string(users[i]));
	text = js_dump(list);
	free(users);
	prim_sha256(text, strlen(text), hash);
	return prim_base64(hash, sizeof(hash), false);
}

/* Whether nothing changed since the last check: same members, same device lists, same session. What
 * was reported since and not asked about yet is left to devices_have_news(). */
static bool room_out_is_settled(const json_t *shared, const json_t *session, const char *users,
        int64_t epoch, int64_t now_ms)
{
	const char *hash = js_str(shared, "users");
	int64_t again_ms = js_int(shared, "again_ms");

	return json_equal(json_object_get(shared, "session"), json_object_get(session, "id")) &&
	       hash && strcmp(hash, users) == 0 && js_int(shared, "epoch") == epoch &&
	       (again_ms == 0 || now_ms < again_ms);
}

/* A damaged row counts as none: the room gets a new session, which costs nothing but its sharing.
 */
static enum err room_out_row(
        struct crypto *crypto, const char *kind, const char *room_id, json_t **row)
{
	enum err err = keep_get_or_new(crypto, kind, room_id, row);

	if (err == ERR_CORRUPT) {
		*row = json_object();
		err = OK;
	}
	return err;
}

static enum err room_out_lists_wait(
        struct crypto *crypto, int64_t now_ms, const struct crypto_room *room, bool *wait)
{
	enum err err = OK;

	*wait = false;
	for (size_t i = 0; err == OK && i < room->users_len; i++) {
		bool one = false;

		err = devices_track(crypto, room->users[i]);
		if (err == OK)
			err = devices_must_wait(crypto, now_ms, room->users[i], &one);
		*wait = *wait || one;
	}
	return err;
}

/* Replaces the room's session by a new one, which nobody has yet. */
static enum err outbound_begin(struct crypto *crypto, int64_t now_ms, const char *room_id,
        json_t **session, json_t *shared)
{
	struct OlmOutboundGroupSession *fresh = ol_outbound_create();
	AUTO_SECRET pickle = ol_outbound_save(fresh, &crypto->key);
	AUTO_TEXT id = ol_outbound_id(fresh);
	AUTO_JSON wait = json_incref(json_object_get(shared, "wait"));

	ol_outbound_free(fresh);
	json_decref(*session);
	*session = json_pack("{s:s, s:s, s:I, s:I, s:s}", "pickle", pickle, "id", id, "created_ms",
	        (json_int_t)now_ms, "messages", (json_int_t)0, "run", crypto->run);
	json_object_clear(shared);
	if (wait)
		json_object_set(shared, "wait", wait);
	json_object_set_new(shared, "session", json_string(id));
	return keep_put(crypto, "outbound", room_id, *session);
}

static enum err outbound_load(
        struct crypto *crypto, const json_t *row, struct OlmOutboundGroupSession **out)
{
	const char *pickle = js_str(row, "pickle");

	*out = NULL;
	return pickle ? ol_outbound_load(out, &crypto->key, pickle) : ERR_CORRUPT;
}

/* Shares the session with every device that must have it, once the device lists are as current as
 * they will be. *ready: everything needed has been queued, though it may not have been sent yet.
 * wait: not all lists are known, so check again; hurry: share now with whom it is possible. */
static enum err room_out_settle(struct crypto *crypto, int64_t now_ms,
        const struct crypto_room *room, json_t **session, json_t *shared, const char *users,
        bool wait, bool hurry, bool *ready)
{
	struct share share = {.crypto = crypto, .room = room, .now_ms = now_ms, .shared = shared};
	AUTO_JSON late = NULL;
	int64_t epoch = 0;
	enum err err = share_look(&share);

	if (err == OK && (share.stale || outbound_is_worn_out(crypto, *session, room, now_ms))) {
		err = outbound_begin(crypto, now_ms, room->room_id, session, shared);
		share_finish(&share);
		if (err == OK)
			err = share_look(&share);
	}
	if (err == OK)
		err = late_of_room(crypto, room, *session, &late);
	share.late = late;
	*ready = json_object_size(share.claim) == 0;
	if (err == OK)
		err = share_claim(&share);
	if (err == OK && (*ready || hurry))
		err = share_send(&share, *session);
	if (err == OK && *ready)
		err = epoch_get(crypto, &epoch);
	if (*ready && !wait) {
		json_object_set_new(shared, "users", json_string(users));
		json_object_set_new(shared, "epoch", json_integer(epoch));
		json_object_set_new(shared, "again_ms", json_integer(share.again_ms));
	}
	share_finish(&share);
	return err == OK ? keep_put(crypto, "shared", room->room_id, shared) : err;
}

enum err caught_up_get(struct crypto *crypto, bool *caught_up)
{
	AUTO_JSON row = NULL;
	enum err err = keep_get_or_new(crypto, "machine", "caught_up", &row);
	const char *run = js_str(row, "run");

	*caught_up = run && strcmp(run, crypto->run) == 0;
	return err;
}

enum err caught_up_set(struct crypto *crypto)
{
	AUTO_JSON row = NULL;
	bool already;
	enum err err = caught_up_get(crypto, &already);

	if (err != OK || already)
		return err;
	row = json_pack("{s:s}", "run", crypto->run);
	return keep_put(crypto, "machine", "caught_up", row);
}

/* Whether the room has waited long enough in this run; the first call starts the time. */
static enum err room_out_has_waited(
        struct crypto *crypto, int64_t now_ms, const char *room_id, json_t *shared, bool *enough)
{
	const json_t *wait = js_obj(shared, "wait");
	const char *run = js_str(wait, "run");
	int64_t waited_ms = now_ms - js_int(wait, "since_ms");

	*enough = false;
	if (run && strcmp(run, crypto->run) == 0 && waited_ms >= 0) {
		*enough = waited_ms >= ROOM_WAIT_MS;
		return OK;
	}
	json_object_set_new(shared, "wait",
	        json_pack("{s:s, s:I}", "run", crypto->run, "since_ms", (json_int_t)now_ms));
	return keep_put(crypto, "shared", room_id, shared);
}

static enum err room_out_wait_is_over(struct crypto *crypto, const char *room_id, json_t *shared)
{
	return json_object_del(shared, "wait") == 0 ? keep_put(crypto, "shared", room_id, shared)
	                                            : OK;
}

enum err crypto_room_ready(struct crypto *crypto, int64_t now_ms, const struct crypto_room *room,
        enum crypto_ready *ready)
{
	AUTO_JSON session = NULL;
	AUTO_JSON shared = NULL;
	AUTO_TEXT users = room_out_users_hash(room);
	int64_t epoch = 0;
	bool caught_up = false, settled, wait = false, enough = false, done = true;
	bool under_way = false;
	enum err err = room_out_row(crypto, "shared", room->room_id, &shared);

	*ready = CRYPTO_WAIT;
	if (err == OK)
		err = room_out_row(crypto, "outbound", room->room_id, &session);
	if (err == OK)
		err = epoch_get(crypto, &epoch);
	if (err == OK)
		err = caught_up_get(crypto, &caught_up);
	settled = caught_up && !outbound_is_worn_out(crypto, session, room, now_ms) &&
	          room_out_is_settled(shared, session, users, epoch, now_ms);
	if (err == OK && settled) {
		bool news = false;

		err = devices_have_news(crypto, room->users, room->users_len, &news);
		settled = !news;
	}
	if (err == OK && !settled)
		err = room_out_lists_wait(crypto, now_ms, room, &wait);
	wait = wait || !caught_up;
	if (err == OK && wait)
		err = room_out_has_waited(crypto, now_ms, room->room_id, shared, &enough);
	if (err != OK || (wait && !enough))
		return err;
	if (!settled)
		err = room_out_settle(
		        crypto, now_ms, room, &session, shared, users, wait, enough, &done);
	if (err == OK)
		err = request_waits(crypto, CRYPTO_TO_DEVICE, room->room_id, &under_way);
	if (err == OK && (!done || under_way) && !enough)
		err = room_out_has_waited(crypto, now_ms, room->room_id, shared, &enough);
	if (err != OK || ((!done || under_way) && !enough))
		return err;
	*ready = CRYPTO_READY;
	return wait || !done || under_way ? late_note(crypto, room, session)
	                                  : room_out_wait_is_over(crypto, room->room_id, shared);
}

enum err crypto_room_encrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const char *type, const json_t *content, char **wire)
{
	AUTO_JSON row = NULL;
	struct OlmOutboundGroupSession *session = NULL;
	enum err err = keep_get(crypto, "outbound", room_id, &row);

	*wire = NULL;
	if (err == OK)
		err = outbound_load(crypto, row, &session);
	if (err != OK)
		return err == ERR_NOT_FOUND ? ERR_INVALID : err;
	{
		AUTO_JSON clear = json_pack(
		        "{s:s, s:O, s:s}", "type", type, "content", content, "room_id", room_id);
		AUTO_TEXT text = js_dump(clear);
		AUTO_TEXT ciphertext = ol_outbound_encrypt(session, text);
		AUTO_SECRET pickle = ol_outbound_save(session, &crypto->key);
		AUTO_JSON event =
		        json_pack("{s:s, s:s, s:s, s:s, s:s}", "algorithm", ALGORITHM_MEGOLM,
		                "sender_key", crypto->curve25519, "device_id", crypto->device_id,
		                "session_id", js_str(row, "id"), "ciphertext", ciphertext);
		json_t *relation = json_object_get(content, "m.relates_to");

		if (relation) /* servers and clients look for it unencrypted only */
			json_object_set(event, "m.relates_to", relation);
		*wire = js_dump(event);
		json_object_set_new(row, "pickle", json_string(pickle));
		json_object_set_new(row, "messages", json_integer(js_int(row, "messages") + 1));
	}
	ol_outbound_free(session);
	err = keep_put(crypto, "outbound", room_id, row);
	if (err != OK) {
		free(*wire);
		*wire = NULL;
	}
	return err;
}

enum err crypto_went_back(struct crypto *crypto)
{
	static const char *const kinds[] = {"outbound", "shared", "late", "nokey"};
	enum err err = sessions_went_back(crypto);

	if (err == OK)
		err = account_went_back(crypto);

	for (size_t i = 0; err == OK && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct crypto_item *items;
		size_t len;

		err = keep_list(crypto, kinds[i], "", &items, &len);
		for (size_t j = 0; err == OK && j < len; j++)
			err = keep_remove(crypto, kinds[i], items[j].key);
		crypto_items_free(items, len);
	}
	return err == OK ? crypto_lists_missed(crypto) : err;
}

enum err room_out_undelivered(struct crypto *crypto, int64_t now_ms, const json_t *context)
{
	const char *user_id, *device_id;
	json_t *list, *any;

	json_object_foreach((json_t *)js_obj(context, "devices"), user_id, list)
	{
		json_object_foreach(list, device_id, any)
		{
			enum err err = claim_put_off(crypto, now_ms, user_id, device_id);

			if (err == OK)
				err = room_out_forget_device(crypto, user_id, device_id);
			if (err != OK)
				return err;
		}
	}
	return OK;
}

enum err room_out_forget_device(struct crypto *crypto, const char *user_id, const char *device_id)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "shared", "", &items, &len);

	for (size_t i = 0; err == OK && i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);
		json_t *devices = json_object_get(json_object_get(row, "devices"), user_id);

		if (json_is_string(json_object_get(devices, device_id))) {
			/* not deleted: it may have the session nevertheless, and when it leaves the
			 * room gets a new one */
			json_object_set_new(devices, device_id, json_null());
			json_object_del(row, "epoch");
			err = keep_put(crypto, "shared", items[i].key, row);
		}
	}
	crypto_items_free(items, len);
	return err;
}

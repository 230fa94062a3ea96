/*
 * room_in.c - see room_in.h, and crypto_decrypt().
 */
#include "bot/crypto/room_in.h"

#include <inttypes.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"

#define ID_MAX 255 /* bytes of an id that becomes part of a key in the store */
/* Per day, from all users with whom we share no room. */
#define STRANGERS_KEYS_MAX 500

static bool room_in_is_id(const char *text)
{
	return text && text[0] != '\0' && strlen(text) <= ID_MAX && !strchr(text, KEY_SEPARATOR[0]);
}

/* ---- received keys ---- */

/* before: the row that it replaces, or NULL. */
static enum err inbound_put(struct crypto *crypto, int64_t now_ms, const char *key,
        struct OlmInboundGroupSession *session, const struct olm_peer *owner, bool forwarded,
        const json_t *before)
{
	AUTO_SECRET pickle = ol_inbound_save(session, &crypto->key);
	AUTO_JSON row = json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I}", "pickle", pickle,
	        "user", owner->user_id, "curve25519", owner->curve25519, "ed25519", owner->ed25519,
	        "forwarded", forwarded, "first", (json_int_t)ol_inbound_first_index(session),
	        "at_ms", (json_int_t)now_ms, "used_ms", (json_int_t)js_int(before, "used_ms"),
	        "floor", (json_int_t)js_int(before, "floor"));

	return keep_put(crypto, "inbound", key, row);
}

/* Whether to keep the stored session: a key of another sender, or one that begins at a later
 * index, never replaces it. */
static bool inbound_is_better(const json_t *row, struct OlmInboundGroupSession *session,
        const struct olm_peer *owner, bool forwarded)
{
	if (json_is_true(json_object_get(row, "forwarded")) && !forwarded)
		return true;
	return js_is(row, "curve25519", owner->curve25519) && js_is(row, "user", owner->user_id) &&
	       !forwarded && (int64_t)ol_inbound_first_index(session) < js_int(row, "first");
}

/* Cancels the request for a key that has arrived. */
static enum err room_in_cancel_ask(struct crypto *crypto, const char *key)
{
	AUTO_JSON row = NULL;
	enum err err = keep_get(crypto, "ask", key, &row);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	err = keep_remove(crypto, "ask", key);
	if (err != OK || !js_str(row, "user") || !js_str(row, "request"))
		return err;
	return request_to_device(crypto, "m.room_key_request",
	        json_pack("{s:{s:{s:s, s:s, s:s}}}", js_str(row, "user"), "*", "action",
	                "request_cancellation", "request_id", js_str(row, "request"),
	                "requesting_device_id", crypto->device_id),
	        NULL);
}

static enum err inbound_take(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const char *session_id, struct OlmInboundGroupSession *session,
        const struct olm_peer *owner, bool forwarded, bool *taken)
{
	AUTO_TEXT id = ol_inbound_id(session);
	AUTO_TEXT asked = keep_key(room_id, session_id);
	AUTO_TEXT key = keep_key(asked, owner->user_id);
	AUTO_JSON row = NULL;
	enum err err;

	if (strcmp(id, session_id) != 0)
		return OK;
	err = keep_get(crypto, "inbound", key, &row);
	if (err == OK && !inbound_is_better(row, session, owner, forwarded))
		return OK;
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	*taken = true;
	err = inbound_put(crypto, now_ms, key, session, owner, forwarded, row);
	return err == OK ? room_in_cancel_ask(crypto, asked) : err;
}

char *room_in_withheld(const char *user_id)
{
	return x_asprintf(CRYPTO_NOTICE_WITHHELD "%s", user_id);
}

/* Whether a key exceeds the daily limit for users with whom we share no room. */
static enum err room_in_is_too_much(
        struct crypto *crypto, const struct olm_peer *peer, bool *too_much)
{
	AUTO_JSON user = NULL;
	AUTO_JSON state = NULL;
	int64_t count;
	enum err err = devices_row(crypto, peer->user_id, &user);

	*too_much = false;
	if (err != OK || !devices_is_stranger(user))
		return err;
	err = keep_get_or_new(crypto, "machine", "strangers", &state);
	count = js_int(state, "n") + 1;
	*too_much = count > STRANGERS_KEYS_MAX;
	if (err != OK || *too_much)
		return err;
	json_object_set_new(state, "n", json_integer(count));
	return keep_put(crypto, "machine", "strangers", state);
}

enum err room_in_take_key(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken)
{
	const char *room_id = js_str(content, "room_id");
	const char *session_id = js_str(content, "session_id");
	const char *text = js_str(content, "session_key");
	AUTO_TEXT withheld = room_in_withheld(peer->user_id);
	struct OlmInboundGroupSession *session;
	bool too_much = false;
	enum err err = room_in_is_too_much(crypto, peer, &too_much);

	if (err == OK && !too_much)
		err = devices_track_guest(crypto, now_ms, peer->user_id);
	if (err != OK || too_much)
		return err;
	if (!js_is(content, "algorithm", ALGORITHM_MEGOLM) || !room_in_is_id(room_id) ||
	        !room_in_is_id(session_id) || !text || ol_inbound_create(&session, text) != OK)
		return OK;
	err = inbound_take(crypto, now_ms, room_id, session_id, session, peer, false, taken);
	ol_inbound_free(session);
	return err == OK ? notice_remove(crypto, withheld) : err;
}

enum err room_in_take_forwarded(struct crypto *crypto, int64_t now_ms, const struct olm_peer *peer,
        const json_t *content, bool *taken)
{
	const char *room_id = js_str(content, "room_id");
	const char *session_id = js_str(content, "session_id");
	const char *text = js_str(content, "session_key");
	struct olm_peer owner = {peer->user_id, js_str(content, "sender_key"),
	        js_str(content, "sender_claimed_ed25519_key")};
	struct OlmInboundGroupSession *session;
	AUTO_JSON asked = NULL;
	AUTO_TEXT key = NULL;
	enum err err;

	if (!js_is(content, "algorithm", ALGORITHM_MEGOLM) || !room_in_is_id(room_id) ||
	        !room_in_is_id(session_id) || !room_in_is_id(owner.curve25519) ||
	        !room_in_is_id(owner.ed25519) || !text)
		return OK;
	key = keep_key(room_id, session_id);
	err = keep_get(crypto, "ask", key, &asked);
	if (err != OK || !js_is(asked, "user", peer->user_id)) /* not requested from this user */
		return err == ERR_NOT_FOUND ? OK : err;
	if (ol_inbound_import(&session, text) != OK)
		return OK;
	err = inbound_take(crypto, now_ms, room_id, session_id, session, &owner, true, taken);
	ol_inbound_free(session);
	return err;
}

/* ---- requesting keys ---- */

static enum err room_in_ask_for(struct crypto *crypto, int64_t now_ms, const char *key,
        const char *room_id, const char *sender, const json_t *content)
{
	AUTO_JSON row = NULL;
	AUTO_JSON body = NULL;
	AUTO_TEXT request = NULL;
	uint8_t bytes[12];
	enum err err = keep_get(crypto, "ask", key, &row);

	if (err != ERR_NOT_FOUND)
		return err;
	prim_random(bytes, sizeof(bytes));
	request = prim_base64(bytes, sizeof(bytes), false);
	row = json_pack(
	        "{s:s, s:s, s:I}", "request", request, "user", sender, "at_ms", (json_int_t)now_ms);
	err = keep_put(crypto, "ask", key, row);
	if (err != OK)
		return err;
	body = json_pack("{s:s, s:s, s:s, s:O*}", "algorithm", ALGORITHM_MEGOLM, "room_id", room_id,
	        "session_id", js_str(content, "session_id"), "sender_key",
	        json_object_get(content, "sender_key"));
	return request_to_device(crypto, "m.room_key_request",
	        json_pack("{s:{s:{s:s, s:s, s:s, s:O}}}", sender, "*", "action", "request",
	                "request_id", request, "requesting_device_id", crypto->device_id, "body",
	                body),
	        NULL);
}

/* ---- decrypting ---- */

void crypto_event_finish(struct crypto_event *event)
{
	free(event->type);
	json_decref(event->content);
	free(event->device_id);
	memset(event, 0, sizeof(*event));
}

/* A message index belongs to one event: the same ciphertext in another event is a replay. */
static enum err room_in_check_index(struct crypto *crypto, const char *session_id,
        const char *sender, uint32_t index, const char *event_id, struct fault *fault)
{
	AUTO_TEXT number = x_asprintf("%" PRIu32, index);
	AUTO_TEXT whose = keep_key(session_id, sender);
	AUTO_TEXT key = keep_key(whose, number);
	AUTO_JSON row = NULL;
	enum err err = keep_get(crypto, "index", key, &row);

	if (err == ERR_NOT_FOUND) {
		row = json_pack("{s:s}", "event", event_id);
		return keep_put(crypto, "index", key, row);
	}
	if (err == OK && !js_is(row, "event", event_id))
		err = fault_set(fault, ERR_DENIED, "a message that was sent before, replayed");
	return err;
}

/* Who encrypted it: the device the key came from, if it is still in its owner's list. */
static enum err room_in_judge_sender(struct crypto *crypto, int64_t now_ms, const json_t *session,
        const char *sender, struct crypto_event *out, struct fault *fault)
{
	AUTO_JSON row = NULL;
	const char *device_id = NULL;
	const json_t *device;
	bool wait = false;
	enum err err = devices_track(crypto, sender);

	if (err == OK)
		err = devices_must_wait(crypto, now_ms, sender, &wait);
	if (err == OK && wait)
		return fault_set(fault, ERR_NOT_FOUND, "the sender's devices are being asked for");
	if (err == OK)
		err = devices_row(crypto, sender, &row);
	if (err != OK)
		return err;
	device = devices_by_keys(
	        row, js_str(session, "curve25519"), js_str(session, "ed25519"), &device_id);
	if (!device || !js_str(session, "ed25519")) {
		out->sender = CRYPTO_SENDER_UNKNOWN;
	} else {
		out->device_id = x_strdup(device_id);
		out->sender = json_is_true(json_object_get(session, "forwarded"))
		                      ? CRYPTO_SENDER_FORWARDED
		                      : devices_judge(row, device);
	}
	out->obey = devices_allowed(crypto, out->sender);
	return OK;
}

static enum err room_in_take_clear(const char *text, const char *room_id, const json_t *wire,
        struct crypto_event *out, struct fault *fault)
{
	AUTO_JSON clear = json_loads(text, 0, NULL);
	json_t *content = json_object_get(clear, "content");
	json_t *relation = json_object_get(wire, "m.relates_to");
	const char *type = js_str(clear, "type");

	if (!js_is(clear, "room_id", room_id))
		return fault_set(fault, ERR_DENIED, "encrypted for another room");
	if (!type || !json_is_object(content))
		return fault_set(fault, ERR_INVALID, "no event inside");
	out->type = x_strdup(type);
	out->content = json_deep_copy(content);
	if (relation) /* the unencrypted relation counts, as it does for clients */
		json_object_set(out->content, "m.relates_to", relation);
	else
		json_object_del(out->content, "m.relates_to");
	return OK;
}

static enum err room_in_open_message(struct crypto *crypto, const char *key, const json_t *row,
        const char *ciphertext, char **text, uint32_t *index, struct fault *fault)
{
	struct OlmInboundGroupSession *session = NULL;
	const char *pickle = js_str(row, "pickle");
	enum err err = pickle ? ol_inbound_load(&session, &crypto->key, pickle) : ERR_CORRUPT;

	if (err != OK)
		return err;
	err = ol_inbound_decrypt(session, ciphertext, text, index);
	ol_inbound_free(session);
	if (err == ERR_NOT_FOUND)
		return fault_set(fault, err, "the stored key does not reach back to it");
	return err == OK ? OK : fault_set(fault, ERR_INVALID, "it does not decrypt");
}

/* Whether the session's key came from another user. */
static bool inbound_is_anothers(struct crypto *crypto, const char *asked)
{
	AUTO_TEXT prefix = keep_key(asked, "");
	struct crypto_item *items;
	size_t len;

	(void)keep_list(crypto, "inbound", prefix, &items, &len);
	crypto_items_free(items, len);
	return len > 0;
}

/* Updated once a day at most, to save writes. */
static enum err inbound_note_used(
        struct crypto *crypto, int64_t now_ms, const char *key, json_t *row)
{
	int64_t used_ms = js_int(row, "used_ms");

	if (used_ms != 0 && now_ms - used_ms < CLOCK_DAY_MS)
		return OK;
	json_object_set_new(row, "used_ms", json_integer(now_ms));
	return keep_put(crypto, "inbound", key, row);
}

static enum err room_in_decrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const json_t *event, bool ask, struct crypto_event *out, struct fault *fault)
{
	const json_t *content = js_obj(event, "content");
	const char *sender = js_str(event, "sender"), *event_id = js_str(event, "event_id");
	const char *session_id = js_str(content, "session_id");
	const char *ciphertext = js_str(content, "ciphertext");
	AUTO_JSON row = NULL;
	AUTO_SECRET text = NULL;
	AUTO_TEXT asked = NULL;
	AUTO_TEXT key = NULL;
	uint32_t index;
	enum err err;

	memset(out, 0, sizeof(*out));
	if (!js_is(content, "algorithm", ALGORITHM_MEGOLM) || !room_in_is_id(sender) || !event_id ||
	        !room_in_is_id(session_id) || !room_in_is_id(room_id) || !ciphertext)
		return fault_set(fault, ERR_INVALID, "not an encrypted event of this room");
	asked = keep_key(room_id, session_id);
	key = keep_key(asked, sender);
	err = keep_get(crypto, "inbound", key, &row);
	if (err == ERR_NOT_FOUND && inbound_is_anothers(crypto, asked))
		return fault_set(fault, ERR_DENIED, "its key belongs to another user");
	if (err == ERR_NOT_FOUND) {
		if (ask)
			err = room_in_ask_for(crypto, now_ms, asked, room_id, sender, content);
		return err == OK || err == ERR_NOT_FOUND
		               ? fault_set(fault, ERR_NOT_FOUND, "its key is missing")
		               : err;
	}
	if (err != OK)
		return err;
	err = room_in_open_message(crypto, key, row, ciphertext, &text, &index, fault);
	if (err == OK)
		err = room_in_judge_sender(crypto, now_ms, row, sender, out, fault);
	if (err == OK && (int64_t)index < js_int(row, "floor")) {
		err = fault_set(fault, ERR_DENIED,
		        "too old: messages from before that time are no longer decrypted");
	}
	if (err == OK)
		err = room_in_check_index(crypto, session_id, sender, index, event_id, fault);
	if (err == OK)
		err = room_in_take_clear(text, room_id, content, out, fault);
	if (err == OK)
		err = inbound_note_used(crypto, now_ms, key, row);
	if (err != OK)
		crypto_event_finish(out);
	return err;
}

enum err crypto_decrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const json_t *event, bool ask, struct crypto_event *out, struct fault *fault)
{
	enum err err = room_in_decrypt(crypto, now_ms, room_id, event, ask, out, fault);

	if (err == ERR_DENIED || err == ERR_INVALID) {
		const char *sender = js_str(event, "sender") ? js_str(event, "sender") : "nobody";
		AUTO_TEXT what = x_asprintf("event %s %s", sender, fault->text);
		enum err noticed =
		        notice_add(crypto, what, "refused: an encrypted event of %s in %s: %s",
		                sender, room_id, fault->text);

		return noticed == OK ? err : noticed;
	}
	return err;
}

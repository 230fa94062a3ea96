/*
 * to_device.c - handles to-device events; see crypto_take_sync().
 *
 * An Olm message names its sender three times: the homeserver's `sender`, the session's Curve25519
 * key, and the payload's sender, recipient and Ed25519 keys. All must agree (client-server API,
 * "m.olm.v1.curve25519-aes-sha2").
 */
#include <string.h>
#include "bot/crypto/account.h"
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/room_in.h"
#include "bot/crypto/room_out.h"
#include "bot/crypto/sessions.h"
#include "bot/crypto/signed_keys.h"
#include "bot/crypto/sweep.h"
#include "bot/crypto/verify.h"

#define EVENTS_MAX 10000 /* per /sync answer */

static bool to_device_payload_is_good(
        const struct crypto *crypto, const json_t *payload, const char *sender)
{
	return js_is(payload, "sender", sender) && js_is(payload, "recipient", crypto->user_id) &&
	       js_is(js_obj(payload, "recipient_keys"), "ed25519", crypto->ed25519) &&
	       js_str(js_obj(payload, "keys"), "ed25519") && js_str(payload, "type") &&
	       js_obj(payload, "content");
}

/* MSC4147: when the sender names its device keys, they must be those that the session proves. */
static bool to_device_device_keys_agree(const json_t *payload, const struct olm_peer *peer)
{
	const json_t *keys = js_obj(payload, "sender_device_keys");
	const char *device_id = js_str(keys, "device_id");
	AUTO_TEXT ed_id = NULL;
	AUTO_TEXT curve_id = NULL;

	if (!keys)
		return true;
	if (!device_id || !signed_keys_of_device(keys, peer->user_id, device_id))
		return false;
	ed_id = x_asprintf("ed25519:%s", device_id);
	curve_id = x_asprintf("curve25519:%s", device_id);
	return js_is(js_obj(keys, "keys"), ed_id, peer->ed25519) &&
	       js_is(js_obj(keys, "keys"), curve_id, peer->curve25519);
}

static enum err to_device_dispatch(struct crypto *crypto, int64_t now_ms,
        const struct olm_peer *peer, const json_t *payload, bool *new_keys)
{
	const json_t *content = js_obj(payload, "content");
	struct verify_event event = {
	        .sender = peer->user_id, .type = js_str(payload, "type"), .content = content};

	if (js_is(payload, "type", "m.room_key"))
		return room_in_take_key(crypto, now_ms, peer, content, new_keys);
	if (js_is(payload, "type", "m.forwarded_room_key"))
		return room_in_take_forwarded(crypto, now_ms, peer, content, new_keys);
	return verify_take(crypto, now_ms, &event);
}

/* A message of a known device cannot be decrypted: its session with us is broken. */
static enum err to_device_mend(
        struct crypto *crypto, int64_t now_ms, const char *sender, const char *curve25519)
{
	AUTO_JSON row = NULL;
	const char *device_id;
	enum err err = devices_row(crypto, sender, &row);

	if (err != OK || !devices_by_curve25519(row, curve25519, &device_id))
		return err;
	return claim_mend(crypto, now_ms, sender, device_id, curve25519);
}

/* What a message in an Olm session tells of its device, if that is known. anew: the device began a
 * new session, so it may have lost our room keys. */
static enum err to_device_met(struct crypto *crypto, const struct olm_peer *peer, bool anew)
{
	AUTO_JSON row = NULL;
	const char *device_id;
	enum err err = devices_row(crypto, peer->user_id, &row);

	if (err != OK || !devices_by_curve25519(row, peer->curve25519, &device_id))
		return err;
	err = claim_met(crypto, peer->user_id, device_id);
	return err == OK && anew ? room_out_forget_device(crypto, peer->user_id, device_id) : err;
}

static enum err to_device_take_olm(struct crypto *crypto, int64_t now_ms, const char *sender,
        const json_t *content, bool *new_keys)
{
	const char *curve25519 = js_str(content, "sender_key");
	const json_t *message = js_obj(js_obj(content, "ciphertext"), crypto->curve25519);
	const char *body = js_str(message, "body");
	const json_t *type = json_object_get(message, "type");
	AUTO_JSON payload = NULL;
	AUTO_SECRET text = NULL;
	struct olm_peer peer;
	enum err err;

	if (!js_is(content, "algorithm", ALGORITHM_OLM) || !curve25519 || !body ||
	        strlen(curve25519) != OL_KEY_SIZE - 1 || !json_is_integer(type) ||
	        strcmp(curve25519, crypto->curve25519) == 0)
		return OK;
	err = sessions_decrypt(
	        crypto, now_ms, curve25519, json_integer_value(type) == 0 ? 0 : 1, body, &text);
	if (err == ERR_INVALID)
		return to_device_mend(crypto, now_ms, sender, curve25519);
	if (err != OK)
		return err;
	payload = json_loads(text, 0, NULL);
	peer = (struct olm_peer){sender, curve25519, js_str(js_obj(payload, "keys"), "ed25519")};
	if (!to_device_payload_is_good(crypto, payload, sender) ||
	        !to_device_device_keys_agree(payload, &peer)) {
		AUTO_TEXT what = x_asprintf("olm %s", sender);

		return notice_add(crypto, what,
		        "refused: a message that came as %s's was not written by that user for "
		        "this device",
		        sender);
	}
	err = to_device_met(crypto, &peer, js_is(payload, "type", "m.dummy"));
	if (err != OK || js_is(payload, "type", "m.dummy"))
		return err;
	return to_device_dispatch(crypto, now_ms, &peer, payload, new_keys);
}

/* Handles m.room_key.withheld; only from users with whom we share a room. */
static enum err to_device_take_withheld(
        struct crypto *crypto, int64_t now_ms, const char *sender, const json_t *content)
{
	const char *curve25519 = js_str(content, "sender_key");
	AUTO_TEXT what = NULL;
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, sender, &row);

	if (err != OK || devices_is_stranger(row))
		return err;
	if (js_is(content, "code", "m.no_olm") && curve25519) {
		/* m.no_olm: it could not begin an Olm session, so begin one from here */
		return to_device_mend(crypto, now_ms, sender, curve25519);
	}
	if (!js_is(content, "code", "m.unverified") && !js_is(content, "code", "m.blacklisted"))
		return OK;
	what = room_in_withheld(sender);
	return notice_add(crypto, what,
	        "%s's client gives this device no keys (%s): its commands cannot be read", sender,
	        js_str(content, "code"));
}

/* Handles a key request of a device that lost our session: it gets the session again, from the
 * current index on, if it may have it. */
static enum err to_device_take_key_request(
        struct crypto *crypto, const char *sender, const json_t *content)
{
	const char *device_id = js_str(content, "requesting_device_id");

	if (!js_is(content, "action", "request") || !device_id)
		return OK;
	return room_out_forget_device(crypto, sender, device_id);
}

static enum err to_device_take_event(
        struct crypto *crypto, int64_t now_ms, const json_t *event, bool *new_keys)
{
	const char *sender = js_str(event, "sender");
	const json_t *content = js_obj(event, "content");
	struct verify_event verification;

	if (!sender || !content || strlen(sender) > 255 || strchr(sender, KEY_SEPARATOR[0]))
		return OK;
	if (js_is(event, "type", "m.room.encrypted"))
		return to_device_take_olm(crypto, now_ms, sender, content, new_keys);
	if (js_is(event, "type", "m.room_key.withheld"))
		return to_device_take_withheld(crypto, now_ms, sender, content);
	if (js_is(event, "type", "m.room_key_request"))
		return to_device_take_key_request(crypto, sender, content);
	verification = (struct verify_event){
	        .sender = sender, .type = js_str(event, "type"), .content = content};
	return verification.type ? verify_take(crypto, now_ms, &verification) : OK;
}

enum err crypto_take_sync(struct crypto *crypto, int64_t now_ms, const json_t *sync, bool *new_keys)
{
	const json_t *events = json_object_get(js_obj(sync, "to_device"), "events");
	enum err err = devices_take_sync(crypto, sync);

	*new_keys = false;
	for (size_t i = 0; err == OK && i < json_array_size(events) && i < EVENTS_MAX; i++)
		err = to_device_take_event(crypto, now_ms, json_array_get(events, i), new_keys);
	if (err == OK)
		err = caught_up_set(crypto);
	if (err == OK)
		err = sweep(crypto, now_ms);
	return err == OK ? account_take_sync(crypto, now_ms, sync) : err;
}

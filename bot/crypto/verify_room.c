/*
 * verify_room.c - sends a verification's events to a room without the delivery queue. That is
 * needed where the room is not in the config (Element verifies in a direct chat), or where the
 * other side gets none of our keys before it is verified. In an encrypted room they are encrypted
 * in a separate session that only the other side's device gets, and that is used for nothing else.
 */
#include <string.h>
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/sessions.h"
#include "bot/crypto/verify.h"

enum err verify_room_is_direct(struct crypto *crypto, const struct verify *v, bool *direct)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, v->user_id, &row);
	const json_t *device = js_obj(js_obj(row, "devices"), v->device_id);

	*direct = v->direct || !devices_allowed(crypto, devices_judge(row, device));
	return err;
}

/* *have: there is an Olm session with the device. Otherwise one is being established, or the
 * verification is cancelled because that is impossible. */
static enum err verify_room_olm_session(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *device, bool *have)
{
	const char *curve25519 = devices_key(device, v->device_id, "curve25519");
	AUTO_JSON wanted = json_pack("{s:{s:b}}", v->user_id, v->device_id, 1);
	int64_t until_ms = 0;
	bool waits = false;
	enum err err = sessions_have(crypto, curve25519, have);

	if (err == OK && !*have)
		err = claim_put_off_until(crypto, now_ms, v->user_id, v->device_id, &until_ms);
	if (err == OK && until_ms != 0) {
		json_array_clear(v->out);
		verify_cancel(v, now_ms, "m.user", "their device gives us no key to answer with");
		json_array_clear(v->out);
	} else if (err == OK && !*have) {
		err = request_waits(crypto, CRYPTO_KEYS_CLAIM, NULL, &waits);
		if (err == OK && !waits)
			err = claim_add(crypto, wanted, false);
	}
	return err;
}

static enum err verify_room_share(struct crypto *crypto, struct verify *v, int64_t now_ms)
{
	AUTO_TEXT id = ol_outbound_id(v->session);
	AUTO_SECRET key = ol_outbound_key(v->session);
	AUTO_JSON content = json_pack("{s:s, s:s, s:s, s:s}", "algorithm", ALGORITHM_MEGOLM,
	        "room_id", v->room_id, "session_id", id, "session_key", key);
	AUTO_JSON row = NULL;
	const json_t *device;
	json_t *sealed = NULL;
	bool have = false;
	enum err err = devices_row(crypto, v->user_id, &row);

	device = js_obj(js_obj(row, "devices"), v->device_id);
	if (err != OK || !device) /* the device was removed: the time-out ends it */
		return err;
	err = verify_room_olm_session(crypto, v, now_ms, device, &have);
	if (err != OK || !have)
		return err;
	err = sessions_encrypt(
	        crypto, v->user_id, v->device_id, device, "m.room_key", content, &sealed);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	v->shared = true;
	return request_to_device(crypto, "m.room.encrypted",
	        json_pack("{s:{s:o}}", v->user_id, v->device_id, sealed),
	        json_pack("{s:b}", v->id, 1));
}

static json_t *verify_room_encrypt(struct crypto *crypto, struct verify *v, const json_t *event)
{
	AUTO_JSON clear = json_pack("{s:O, s:O, s:s}", "type", json_object_get(event, "type"),
	        "content", json_object_get(event, "content"), "room_id", v->room_id);
	AUTO_TEXT text = js_dump(clear);
	AUTO_TEXT ciphertext = ol_outbound_encrypt(v->session, text);
	AUTO_TEXT id = ol_outbound_id(v->session);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:O}", "algorithm", ALGORITHM_MEGOLM,
	        "sender_key", crypto->curve25519, "device_id", crypto->device_id, "session_id", id,
	        "ciphertext", ciphertext, "m.relates_to",
	        json_object_get(json_object_get(event, "content"), "m.relates_to"));
}

enum err verify_room_send(struct crypto *crypto, struct verify *v, int64_t now_ms,
        const json_t *event, const json_t *context)
{
	const char *type = v->encrypted ? "m.room.encrypted" : js_str(event, "type");
	AUTO_TEXT txn = NULL;
	json_t *content;
	uint8_t bytes[12];

	if (v->encrypted && !v->session)
		v->session = ol_outbound_create();
	if (v->encrypted && !v->shared)
		return verify_room_share(
		        crypto, v, now_ms); /* the event follows once the key has been sent */
	content = v->encrypted ? verify_room_encrypt(crypto, v, event)
	                       : json_deep_copy(json_object_get(event, "content"));
	prim_random(bytes, sizeof(bytes));
	txn = prim_base64(bytes, sizeof(bytes), false);
	return request_add(crypto, CRYPTO_ROOM_EVENT, content, json_deep_copy(context), "PUT",
	        "/v3/rooms/%s/send/%s/%s", v->room_id, type, txn);
}

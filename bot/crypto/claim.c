/*
 * claim.c - see claim.h.
 *
 * Happy path: a claimed key has its device's signature and becomes a session. Where it replaces a
 * broken session, an m.dummy is sent in it so that the other device uses the new session too. A
 * device without keys, or with an invalid signature, is not asked again for a while; rooms do not
 * wait for it.
 */
#include "bot/crypto/claim.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/sessions.h"

#define CLAIM_TIMEOUT_MS 10000 /* for the homeserver to query other servers */
#define WAIT_FIRST_MS (5 * CLOCK_MINUTE_MS)
#define WAIT_MOST_MS (6 * CLOCK_HOUR_MS)
#define MEND_PAUSE_MS CLOCK_HOUR_MS

enum err claim_add(struct crypto *crypto, const json_t *devices, bool dummy)
{
	json_t *keys = json_object();
	const char *user_id, *device_id;
	json_t *list, *any;

	json_object_foreach((json_t *)devices, user_id, list)
	{
		json_t *wanted = js_make(keys, user_id);

		json_object_foreach(list, device_id, any)
		{
			json_object_set_new(wanted, device_id, json_string("signed_curve25519"));
		}
	}
	return request_add(crypto, CRYPTO_KEYS_CLAIM,
	        json_pack("{s:o, s:i}", "one_time_keys", keys, "timeout", CLAIM_TIMEOUT_MS),
	        json_pack("{s:O, s:b}", "devices", devices, "dummy", dummy), "POST",
	        "/v3/keys/claim");
}

enum err claim_put_off(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *device_id)
{
	AUTO_TEXT key = keep_key(user_id, device_id);
	AUTO_JSON row = NULL;
	int64_t wait_ms;
	enum err err = keep_get_or_new(crypto, "nokey", key, &row);

	if (err != OK)
		return err;
	wait_ms = js_int(row, "wait_ms") * 2;
	wait_ms = wait_ms < WAIT_FIRST_MS ? WAIT_FIRST_MS : wait_ms;
	wait_ms = wait_ms > WAIT_MOST_MS ? WAIT_MOST_MS : wait_ms;
	json_object_set_new(row, "wait_ms", json_integer(wait_ms));
	json_object_set_new(row, "until_ms", json_integer(now_ms + wait_ms));
	err = keep_put(crypto, "nokey", key, row);
	return err == OK ? epoch_bump(crypto) : err;
}

enum err claim_put_off_until(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, int64_t *until_ms)
{
	AUTO_TEXT key = keep_key(user_id, device_id);
	AUTO_JSON row = NULL;
	enum err err = keep_get_or_new(crypto, "nokey", key, &row);

	*until_ms = js_int(row, "until_ms") > now_ms ? js_int(row, "until_ms") : 0;
	return err;
}

enum err claim_met(struct crypto *crypto, const char *user_id, const char *device_id)
{
	AUTO_TEXT key = keep_key(user_id, device_id);
	AUTO_JSON row = NULL;
	enum err err = keep_get(crypto, "nokey", key, &row);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	err = keep_remove(crypto, "nokey", key);
	return err == OK ? epoch_bump(crypto) : err;
}

/* The claimed key if the device's signature on it is valid, else NULL. */
static const char *claim_good_key(
        const json_t *keys, const char *user_id, const char *device_id, const json_t *device)
{
	AUTO_TEXT signing_id = x_asprintf("ed25519:%s", device_id);
	const char *ed25519 = devices_key(device, device_id, "ed25519");
	const char *name;
	json_t *object;

	json_object_foreach((json_t *)keys, name, object)
	{
		if (strncmp(name, "signed_curve25519:", 18) == 0 && ed25519 &&
		        canonical_verify(object, user_id, signing_id, ed25519))
			return js_str(object, "key");
	}
	return NULL;
}

static enum err claim_send_dummy(
        struct crypto *crypto, const char *user_id, const char *device_id, const json_t *device)
{
	AUTO_JSON nothing = json_object();
	json_t *content = NULL;
	enum err err =
	        sessions_encrypt(crypto, user_id, device_id, device, "m.dummy", nothing, &content);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	return request_to_device(crypto, "m.room.encrypted",
	        json_pack("{s:{s:o}}", user_id, device_id, content), NULL);
}

static enum err claim_take_key(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, const json_t *keys, bool dummy)
{
	AUTO_TEXT nokey = keep_key(user_id, device_id);
	AUTO_JSON row = NULL;
	const json_t *device;
	const char *key, *curve25519;
	enum err err = devices_row(crypto, user_id, &row);

	if (err != OK)
		return err;
	device = js_obj(js_obj(row, "devices"), device_id);
	if (!device) /* the device was removed meanwhile */
		return OK;
	key = claim_good_key(keys, user_id, device_id, device);
	curve25519 = devices_key(device, device_id, "curve25519");
	if (!key && json_object_size(keys) > 0) {
		AUTO_TEXT what = x_asprintf("one-time key %s %s", user_id, device_id);

		err = notice_add(crypto, what,
		        "refused: a one-time key of %s's device %s is not signed by it", user_id,
		        device_id);
	}
	if (err == OK)
		err = key ? sessions_begin(crypto, now_ms, curve25519, key) : ERR_INVALID;
	if (err == ERR_INVALID)
		return claim_put_off(crypto, now_ms, user_id, device_id);
	if (err == OK)
		err = keep_remove(crypto, "nokey", nokey);
	return err == OK && dummy ? claim_send_dummy(crypto, user_id, device_id, device) : err;
}

enum err claim_answered(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault)
{
	const json_t *keys = js_obj(body, "one_time_keys");
	bool dummy = json_is_true(json_object_get(context, "dummy"));
	const char *user_id, *device_id;
	json_t *list, *any;
	enum err err = OK;

	if (!keys)
		return fault_set(fault, ERR_PROTO, "keys/claim: no one_time_keys");
	json_object_foreach((json_t *)js_obj(context, "devices"), user_id, list)
	{
		json_object_foreach(list, device_id, any)
		{
			err = claim_take_key(crypto, now_ms, user_id, device_id,
			        js_obj(js_obj(keys, user_id), device_id), dummy);
			if (err != OK)
				return err;
		}
	}
	return err;
}

enum err claim_refused(struct crypto *crypto, int64_t now_ms, const json_t *context)
{
	const char *user_id, *device_id;
	json_t *list, *any;

	json_object_foreach((json_t *)js_obj(context, "devices"), user_id, list)
	{
		json_object_foreach(list, device_id, any)
		{
			enum err err = claim_put_off(crypto, now_ms, user_id, device_id);

			if (err != OK)
				return err;
		}
	}
	return OK;
}

enum err claim_mend(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, const char *curve25519)
{
	AUTO_JSON row = NULL;
	enum err err = keep_get(crypto, "wedged", curve25519, &row);

	if (err == OK && now_ms - js_int(row, "at_ms") < MEND_PAUSE_MS)
		return OK;
	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	json_decref(row);
	row = json_pack("{s:s, s:s, s:I, s:b}", "user", user_id, "device", device_id, "at_ms",
	        (json_int_t)now_ms, "due", 1);
	return keep_put(crypto, "wedged", curve25519, row);
}

enum err claim_wedged(struct crypto *crypto, int64_t now_ms)
{
	AUTO_JSON devices = json_object();
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "wedged", "", &items, &len);

	for (size_t i = 0; err == OK && i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);

		if (json_is_true(json_object_get(row, "due"))) {
			json_object_set_new(js_make(devices, js_str(row, "user")),
			        js_str(row, "device"), json_true());
			json_object_del(row, "due");
			err = keep_put(crypto, "wedged", items[i].key, row);
		} else if (now_ms - js_int(row, "at_ms") >= MEND_PAUSE_MS) {
			err = keep_remove(crypto, "wedged", items[i].key);
		}
	}
	crypto_items_free(items, len);
	return err == OK && json_object_size(devices) > 0 ? claim_add(crypto, devices, true) : err;
}

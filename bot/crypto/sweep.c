/*
 * sweep.c - deletes once a day what other users made us store and nobody needs any more; see
 * sweep.h.
 */
#include "bot/crypto/sweep.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/devices.h"

#define IDLE_MS (30 * CLOCK_DAY_MS)
#define STRANGER_MS CLOCK_DAY_MS

/* Deletes a session's used message indexes. Without them replays could not be detected, so nothing
 * below `floor`, the lowest index that is still accepted, is decrypted any more. */
static enum err sweep_close_below(struct crypto *crypto, const char *key, json_t *row)
{
	AUTO_TEXT prefix = keep_key(strchr(key, KEY_SEPARATOR[0]) + 1, "");
	int64_t floor = js_int(row, "floor");
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "index", prefix, &items, &len);

	for (size_t i = 0; err == OK && i < len; i++) {
		int64_t index = strtoll(items[i].key + strlen(prefix), NULL, 10);

		floor = index + 1 > floor ? index + 1 : floor;
		err = keep_remove(crypto, "index", items[i].key);
	}
	crypto_items_free(items, len);
	json_object_set_new(row, "floor", json_integer(floor));
	return err;
}

static enum err sweep_session(
        struct crypto *crypto, int64_t now_ms, const char *key, const char *value)
{
	const char *user_id = strrchr(key, KEY_SEPARATOR[0]);
	AUTO_JSON row = json_loads(value, 0, NULL);
	AUTO_JSON user = NULL;
	int64_t used_ms = js_int(row, "used_ms"), age_ms = now_ms - js_int(row, "at_ms");
	enum err err;

	if (!row || !user_id || user_id == strchr(key, KEY_SEPARATOR[0]))
		return OK;
	if (js_int(row, "at_ms") == 0) { /* written by an earlier version: it may have been used */
		json_object_set_new(row, "at_ms", json_integer(now_ms));
		json_object_set_new(row, "used_ms", json_integer(now_ms));
		return keep_put(crypto, "inbound", key, row);
	}
	if (used_ms == 0) {
		err = devices_row(crypto, user_id + 1, &user);
		if (err != OK || age_ms < (devices_is_stranger(user) ? STRANGER_MS : IDLE_MS))
			return err;
		return keep_remove(crypto, "inbound", key);
	}
	if (now_ms - used_ms < IDLE_MS)
		return OK;
	err = sweep_close_below(crypto, key, row);
	json_object_set_new(row, "used_ms", json_integer(now_ms)); /* not again tomorrow */
	return err == OK ? keep_put(crypto, "inbound", key, row) : err;
}

/* A request for a key that never came; the key is requested again when a message needs it. */
static enum err sweep_ask(struct crypto *crypto, int64_t now_ms, const char *key, const char *value)
{
	AUTO_JSON row = json_loads(value, 0, NULL);

	return now_ms - js_int(row, "at_ms") < IDLE_MS ? OK : keep_remove(crypto, "ask", key);
}

/* A user tracked only for a room key, with no shared room since. */
static enum err sweep_user(
        struct crypto *crypto, int64_t now_ms, const char *key, const char *value)
{
	AUTO_JSON row = json_loads(value, 0, NULL);
	enum err err;

	if (js_int(row, "guest_ms") == 0 || now_ms - js_int(row, "guest_ms") < STRANGER_MS)
		return OK;
	err = keep_remove(crypto, "user", key);
	return err == OK ? keep_remove(crypto, "dirty", key) : err;
}

/* Adds the Curve25519 keys of all known devices. */
static enum err sweep_known_keys(struct crypto *crypto, json_t *known)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "user", "", &items, &len);

	for (size_t i = 0; i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);
		const char *device_id, *key;
		json_t *device;

		json_object_foreach((json_t *)js_obj(row, "devices"), device_id, device)
		{
			key = devices_key(device, device_id, "curve25519");
			if (key)
				json_object_set_new(known, key, json_true());
		}
	}
	crypto_items_free(items, len);
	return err;
}

/* Deletes sessions begun by devices of users whose device list we do not track. */
static enum err sweep_olm(struct crypto *crypto, int64_t now_ms)
{
	AUTO_JSON known = json_object();
	struct crypto_item *items = NULL;
	size_t len = 0;
	enum err err = sweep_known_keys(crypto, known);

	if (err == OK)
		err = keep_list(crypto, "olm", "", &items, &len);
	for (size_t i = 0; err == OK && i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);
		AUTO_TEXT key = x_strndup(items[i].key, strcspn(items[i].key, KEY_SEPARATOR));

		if (!json_object_get(known, key) && now_ms - js_int(row, "used_ms") >= STRANGER_MS)
			err = keep_remove(crypto, "olm", items[i].key);
	}
	crypto_items_free(items, len);
	return err;
}

enum err sweep(struct crypto *crypto, int64_t now_ms)
{
	static const struct {
		const char *kind;
		enum err (*look)(
		        struct crypto *crypto, int64_t now_ms, const char *key, const char *value);
	} all[] = {{"inbound", sweep_session}, {"ask", sweep_ask}, {"user", sweep_user}};
	AUTO_JSON row = NULL;
	int64_t age_ms;
	enum err err = keep_get_or_new(crypto, "machine", "swept", &row);

	age_ms = now_ms - js_int(row, "at_ms");
	if (err != OK || (age_ms >= 0 && age_ms < CLOCK_DAY_MS))
		return err;
	json_object_set_new(row, "at_ms", json_integer(now_ms));
	err = keep_put(crypto, "machine", "swept", row);
	if (err == OK)
		err = keep_remove(crypto, "machine", "strangers");
	for (size_t i = 0; err == OK && i < sizeof(all) / sizeof(all[0]); i++) {
		struct crypto_item *items;
		size_t len;

		err = keep_list(crypto, all[i].kind, "", &items, &len);
		for (size_t j = 0; err == OK && j < len; j++)
			err = all[i].look(crypto, now_ms, items[j].key, items[j].value);
		crypto_items_free(items, len);
	}
	return err == OK ? sweep_olm(crypto, now_ms) : err;
}

/*
 * signed_keys.c - see signed_keys.h.
 */
#include "bot/crypto/signed_keys.h"

#include <string.h>
#include "bot/crypto/canonical.h"
#include "bot/crypto/machine.h"

#define ID_MAX 255 /* bytes of a device id */

const char *signed_keys_only(const json_t *object)
{
	const json_t *keys = js_obj(object, "keys");
	void *first = json_object_iter((json_t *)keys);
	const char *id, *key;

	if (json_object_size(keys) != 1)
		return NULL;
	id = json_object_iter_key(first);
	key = json_string_value(json_object_iter_value(first));
	return key && strlen(key) == OL_KEY_SIZE - 1 && strncmp(id, "ed25519:", 8) == 0 &&
	                       strcmp(id + 8, key) == 0
	               ? key
	               : NULL;
}

const char *signed_keys_cross(const json_t *object, const char *user_id, const char *usage)
{
	const json_t *usages = json_object_get(object, "usage");
	const char *owner = js_str(object, "user_id");

	if (!owner || strcmp(owner, user_id) != 0)
		return NULL;
	for (size_t i = 0; i < json_array_size(usages); i++) {
		const char *text = json_string_value(json_array_get(usages, i));

		if (text && strcmp(text, usage) == 0)
			return signed_keys_only(object);
	}
	return NULL;
}

bool signed_keys_by(const json_t *object, const char *user_id, const char *key)
{
	AUTO_TEXT key_id = x_asprintf("ed25519:%s", key);

	return canonical_verify(object, user_id, key_id, key);
}

bool signed_keys_of_device(const json_t *keys, const char *user_id, const char *device_id)
{
	AUTO_TEXT ed_id = x_asprintf("ed25519:%s", device_id);
	AUTO_TEXT curve_id = x_asprintf("curve25519:%s", device_id);
	const char *ed25519 = js_str(js_obj(keys, "keys"), ed_id);
	const char *curve25519 = js_str(js_obj(keys, "keys"), curve_id);
	const char *user = js_str(keys, "user_id"), *device = js_str(keys, "device_id");

	return user && strcmp(user, user_id) == 0 && device && strcmp(device, device_id) == 0 &&
	       ed25519 && curve25519 && strlen(curve25519) == OL_KEY_SIZE - 1 &&
	       strlen(device_id) <= ID_MAX && !strchr(device_id, KEY_SEPARATOR[0]) &&
	       canonical_verify(keys, user_id, ed_id, ed25519);
}

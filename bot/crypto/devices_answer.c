/*
 * devices_answer.c - reads one user's part of a keys/query answer, checking every signature; see
 * devices.h.
 *
 * Refused, with a notice: device keys that are not signed by their own device; a known device with
 * other keys (the known keys are kept); a self-signing key that the master key has not signed. A
 * master key other than the pinned one is not accepted: it is stored as `changed`, and the user's
 * devices count as changed until crypto_identity_accept().
 */
#include <string.h>
#include "bot/crypto/account.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/identity.h"
#include "bot/crypto/signed_keys.h"

#define DEVICES_MAX 1000 /* per user */

static bool answer_same_keys(const json_t *a, const json_t *b, const char *device_id)
{
	static const char *const algorithms[] = {"ed25519", "curve25519"};

	for (size_t i = 0; i < 2; i++) {
		const char *key_a = devices_key(a, device_id, algorithms[i]);
		const char *key_b = devices_key(b, device_id, algorithms[i]);

		if (!key_a || !key_b || strcmp(key_a, key_b) != 0)
			return false;
	}
	return true;
}

/* Stores the list of devices; self is the checked self-signing key or NULL. */
static enum err answer_take_devices(struct crypto *crypto, const char *user_id, const json_t *list,
        const char *self, json_t *row)
{
	const json_t *known = js_obj(row, "devices");
	json_t *devices = json_object();
	const char *device_id;
	json_t *keys;
	enum err err = OK;

	json_object_foreach((json_t *)list, device_id, keys)
	{
		json_t *before = json_object_get(known, device_id);
		AUTO_JSON device = NULL;
		AUTO_TEXT what = x_asprintf("device %s %s", user_id, device_id);

		if (err != OK || json_object_size(devices) >= DEVICES_MAX)
			break;
		if (!signed_keys_of_device(keys, user_id, device_id)) {
			err = notice_add(crypto, what,
			        "refused: %s's device %s is not signed by its own key", user_id,
			        device_id);
			continue;
		}
		device = json_pack("{s:O, s:b}", "keys", keys, "signed",
		        self && signed_keys_by(keys, user_id, self));
		json_object_del(json_object_get(device, "keys"), "unsigned");
		if (before && !answer_same_keys(before, device, device_id)) {
			err = notice_add(crypto, what,
			        "refused: other keys were given for %s's device %s, which is known",
			        user_id, device_id);
			json_object_set(devices, device_id, before);
			continue;
		}
		json_object_set(devices, device_id, device);
	}
	json_object_set_new(row, "devices", devices);
	return err;
}

/* Key of the notice that the user's identity is gone, which is removed when the identity is
 * back. */
static char *answer_gone_notice(const char *user_id)
{
	return x_asprintf("gone %s", user_id);
}

/* Compares the master key with the pinned one; *taken is false when it must not be accepted. */
static enum err answer_take_master(struct crypto *crypto, const char *user_id, const json_t *master,
        const char *key, json_t *row, bool *taken)
{
	const char *pin = js_str(row, "pin");
	AUTO_TEXT gone = answer_gone_notice(user_id);

	*taken = !pin || strcmp(pin, key) == 0;
	if (*taken) {
		json_object_set_new(row, "pin", json_string(key));
		json_object_set(row, "master", (json_t *)master);
		json_object_del(row, "changed");
		return notice_remove(crypto, gone);
	}
	json_object_set_new(row, "changed", json_string(key));
	return notice_add(crypto, key,
	        "the cross-signing identity of %s changed: it is not trusted until it is accepted "
	        "on the host (accept %s %s)",
	        user_id, user_id, key);
}

/* Reads the user's identity; *self is the self-signing key that may sign devices, NULL when there
 * is none. */
static enum err answer_take_identity(struct crypto *crypto, const char *user_id, const json_t *body,
        json_t *row, const char **self)
{
	const json_t *master = js_obj(js_obj(body, "master_keys"), user_id);
	const json_t *signing = js_obj(js_obj(body, "self_signing_keys"), user_id);
	const char *master_key = signed_keys_cross(master, user_id, "master");
	const char *self_key = signed_keys_cross(signing, user_id, "self_signing");
	bool taken = false;
	enum err err;

	*self = NULL;
	json_object_del(row, "self");
	if (!master_key) {
		AUTO_TEXT what = answer_gone_notice(user_id);
		bool own = strcmp(user_id, crypto->user_id) ==
		           0; /* our own identity may not be published yet */

		json_object_del(row, "master");
		return !js_str(row, "pin") || own
		               ? OK
		               : notice_add(crypto, what,
		                         "the cross-signing identity of %s is gone: its devices "
		                         "are not trusted until it is back",
		                         user_id);
	}
	err = answer_take_master(crypto, user_id, master, master_key, row, &taken);
	if (err != OK || !taken || !self_key)
		return err;
	if (!signed_keys_by(signing, user_id, master_key)) {
		AUTO_TEXT what = x_asprintf("self-signing %s", user_id);

		return notice_add(crypto, what,
		        "refused: the self-signing key of %s is not signed by the master key",
		        user_id);
	}
	json_object_set(row, "self", (json_t *)signing);
	*self = self_key;
	return OK;
}

/* Looks for our signature on the user's master key, made by this or an earlier device of ours. */
static enum err answer_take_verified(struct crypto *crypto, const char *user_id, json_t *row)
{
	char user_signing[OL_KEY_SIZE];
	const char *key = signed_keys_only(js_obj(row, "master"));
	enum err err = identity_public(crypto, IDENTITY_USER, user_signing);

	if (err == OK && key && user_signing[0] != '\0') {
		AUTO_TEXT key_id = x_asprintf("ed25519:%s", user_signing);

		if (canonical_verify(
		            js_obj(row, "master"), crypto->user_id, key_id, user_signing)) {
			AUTO_JSON verified = json_pack("{s:s}", "master", key);

			json_object_set_new(row, "verified", json_string(key));
			err = keep_put(crypto, "verified", user_id, verified);
		}
	}
	return err;
}

/* Checks how other users see this device. */
static enum err answer_take_own(
        struct crypto *crypto, int64_t now_ms, const json_t *row, bool current)
{
	const json_t *mine = js_obj(js_obj(row, "devices"), crypto->device_id);
	const char *shown = mine ? devices_key(mine, crypto->device_id, "curve25519") : NULL;
	enum err err = OK;

	if (shown && strcmp(shown, crypto->curve25519) != 0) {
		err = notice_add(crypto, "own device",
		        "the homeserver shows other keys for this device: if the database is new, "
		        "log in anew, since a device's keys never change");
	}
	if (err == OK && !mine && current)
		err = account_gone(crypto, now_ms);
	if (err != OK || !current)
		return err;
	return identity_seen(crypto, now_ms, json_is_true(json_object_get(mine, "signed")));
}

enum err devices_take_answer(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const json_t *body, bool current)
{
	AUTO_JSON row = NULL;
	AUTO_JSON before = NULL;
	const char *self = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err != OK)
		return err;
	before = json_deep_copy(row);
	err = answer_take_identity(crypto, user_id, body, row, &self);
	if (err == OK) {
		err = answer_take_devices(
		        crypto, user_id, js_obj(js_obj(body, "device_keys"), user_id), self, row);
	}
	if (err == OK)
		err = answer_take_verified(crypto, user_id, row);
	json_object_set_new(row, "queried", json_true());
	if (err == OK && !json_equal(before, row)) {
		err = keep_put(crypto, "user", user_id, row);
		if (err == OK)
			err = epoch_bump(crypto);
	}
	return err == OK && strcmp(user_id, crypto->user_id) == 0
	               ? answer_take_own(crypto, now_ms, row, current)
	               : err;
}

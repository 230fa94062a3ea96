/*
 * readers.c - crypto_readers(): which members of a room can read what is sent there; see crypto.h.
 */
#include <string.h>
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"

/* *cause: why a device gets no keys, NULL = it gets them. */
static enum err readers_device_cause(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, enum crypto_sender judged, const char **cause)
{
	int64_t until_ms = 0;
	enum err err = OK;

	*cause = NULL;
	if (!devices_allowed(crypto, judged)) {
		*cause = judged == CRYPTO_SENDER_CHANGED    ? "identity_changed"
		         : judged == CRYPTO_SENDER_UNSIGNED ? "not_cross_signed"
		                                            : "not_verified";
		return OK;
	}
	err = claim_put_off_until(crypto, now_ms, user_id, device_id, &until_ms);
	if (until_ms != 0)
		*cause = "no_one_time_key";
	return err;
}

/* Counts the member, and adds it to `held` when a device of it gets no keys. */
static enum err readers_look_at_member(
        struct crypto *crypto, int64_t now_ms, const char *user_id, json_t *out, json_t *held)
{
	AUTO_JSON row = NULL;
	AUTO_JSON devices = json_array();
	const char *device_id, *cause = "no_devices";
	json_t *device;
	bool reads = false;
	enum err err = devices_row(crypto, user_id, &row);

	if (err == OK && !json_is_true(json_object_get(row, "queried")))
		json_object_set_new(out, "unknown", json_integer(js_int(out, "unknown") + 1));
	if (err != OK || !json_is_true(json_object_get(row, "queried")))
		return err;
	json_object_foreach((json_t *)js_obj(row, "devices"), device_id, device)
	{
		const char *why;

		err = readers_device_cause(
		        crypto, now_ms, user_id, device_id, devices_judge(row, device), &why);
		if (err != OK)
			return err;
		reads = reads || !why;
		if (why) {
			cause = why;
			json_array_append_new(devices,
			        json_pack("{s:s, s:s}", "device_id", device_id, "cause", why));
		}
	}
	json_object_set_new(out, "members", json_integer(js_int(out, "members") + 1));
	json_object_set_new(out, "readers", json_integer(js_int(out, "readers") + reads));
	if (!reads || json_array_size(devices) > 0)
		json_array_append_new(
		        held, json_pack("{s:s, s:b, s:s?, s:O}", "user_id", user_id, "reads", reads,
		                      "cause", reads ? NULL : cause, "devices", devices));
	return OK;
}

enum err crypto_readers(
        struct crypto *crypto, int64_t now_ms, const char *const *users, size_t len, json_t **out)
{
	json_t *held = json_array();
	enum err err = OK;

	*out = json_pack(
	        "{s:i, s:i, s:i, s:o}", "members", 0, "readers", 0, "unknown", 0, "held", held);
	for (size_t i = 0; err == OK && i < len; i++)
		if (strcmp(users[i], crypto->user_id) != 0)
			err = readers_look_at_member(crypto, now_ms, users[i], *out, held);
	if (err != OK) {
		json_decref(*out);
		*out = NULL;
	}
	return err;
}

enum err crypto_epoch(struct crypto *crypto, int64_t *epoch)
{
	return epoch_get(crypto, epoch);
}

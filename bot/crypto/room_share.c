/*
 * room_share.c - which devices get a room's session and which get a refusal; see room_out.h.
 *
 * Codes of m.room_key.withheld: client-server API, "Reporting that decryption keys are withheld".
 */
#include <string.h>
#include "bot/crypto/claim.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/room_out.h"
#include "bot/crypto/sessions.h"

#define DEVICES_PER_REQUEST 50

static const char *share_text_in(const json_t *map, const char *user_id, const char *device_id)
{
	return js_str(js_obj(map, user_id), device_id);
}

static void share_put_in(json_t *map, const char *user_id, const char *device_id, json_t *value)
{
	json_object_set_new(js_make(map, user_id), device_id, value);
}

/* Sorts a device that may read: it has the session, can get it now, or first needs an Olm
 * session. */
static enum err share_look_at_allowed(
        struct share *share, const char *user_id, const char *device_id, const json_t *device)
{
	const char *curve25519 = devices_key(device, device_id, "curve25519");
	int64_t until_ms = 0;
	bool have = false;
	enum err err;

	if (share_text_in(js_obj(share->shared, "devices"), user_id, device_id))
		return OK;
	err = sessions_have(share->crypto, curve25519, &have);
	if (err == OK) {
		err = claim_put_off_until(
		        share->crypto, share->now_ms, user_id, device_id, &until_ms);
	}
	if (err != OK)
		return err;
	if (until_ms != 0) {
		if (share->again_ms == 0 || until_ms < share->again_ms)
			share->again_ms = until_ms;
		share_put_in(share->refuse, user_id, device_id, json_string("m.no_olm"));
	} else if (have) {
		share_put_in(share->send, user_id, device_id, json_incref((json_t *)device));
	} else {
		share_put_in(share->claim, user_id, device_id, json_true());
	}
	return OK;
}

static enum err share_look_at_user(struct share *share, const char *user_id, json_t *may)
{
	bool own = strcmp(user_id, share->crypto->user_id) == 0;
	AUTO_JSON row = NULL;
	const char *device_id;
	json_t *device;
	enum err err = devices_row(share->crypto, user_id, &row);

	if (err != OK)
		return err;
	json_object_foreach((json_t *)js_obj(row, "devices"), device_id, device)
	{
		enum crypto_sender judged = devices_judge(row, device);

		if (own && strcmp(device_id, share->crypto->device_id) == 0)
			continue;
		if (devices_allowed(share->crypto, judged)) {
			share_put_in(may, user_id, device_id, json_true());
			err = share_look_at_allowed(share, user_id, device_id, device);
		} else {
			share_put_in(
			        share->refuse, user_id, device_id, json_string("m.unverified"));
		}
		if (err != OK)
			return err;
	}
	return OK;
}

/* Whether a device that has the session is not among those that may have it. */
static bool share_has_stranger(const json_t *devices, const json_t *may)
{
	const char *user_id, *device_id;
	json_t *list, *any;

	json_object_foreach((json_t *)devices, user_id, list)
	{
		json_object_foreach(list, device_id, any)
		{
			if (!json_object_get(js_obj(may, user_id), device_id))
				return true;
		}
	}
	return false;
}

enum err share_look(struct share *share)
{
	AUTO_JSON may = json_object();
	enum err err = OK;

	share->send = json_object();
	share->claim = json_object();
	share->refuse = json_object();
	share->again_ms = 0;
	for (size_t i = 0; err == OK && i < share->room->users_len; i++)
		err = share_look_at_user(share, share->room->users[i], may);
	share->stale = share_has_stranger(js_obj(share->shared, "devices"), may);
	return err;
}

enum err share_claim(struct share *share)
{
	bool waits = true;
	enum err err = OK;

	if (json_object_size(share->claim) > 0)
		err = request_waits(share->crypto, CRYPTO_KEYS_CLAIM, NULL, &waits);
	return err == OK && !waits ? claim_add(share->crypto, share->claim, false) : err;
}

void share_finish(struct share *share)
{
	json_decref(share->send);
	json_decref(share->claim);
	json_decref(share->refuse);
	share->send = share->claim = share->refuse = NULL;
}

/* One to-device request under construction. */
struct parcel {
	json_t *messages, *devices;
	size_t len;
};

static enum err parcel_post(struct share *share, struct parcel *parcel)
{
	enum err err = OK;

	if (parcel->len > 0) {
		err = request_to_device(share->crypto, "m.room.encrypted",
		        json_incref(parcel->messages),
		        json_pack(
		                "{s:b, s:O}", share->room->room_id, 1, "devices", parcel->devices));
	}
	json_decref(parcel->messages);
	json_decref(parcel->devices);
	*parcel = (struct parcel){0};
	return err;
}

/* The content of m.room_key for the session at the index at which it was pickled. */
static enum err share_room_key(
        struct share *share, const json_t *session, const char *pickle, json_t **content)
{
	struct OlmOutboundGroupSession *loaded = NULL;
	AUTO_SECRET key = NULL;
	enum err err =
	        pickle ? ol_outbound_load(&loaded, &share->crypto->key, pickle) : ERR_CORRUPT;

	*content = NULL;
	if (err != OK)
		return err;
	key = ol_outbound_key(loaded);
	ol_outbound_free(loaded);
	*content = json_pack("{s:s, s:s, s:s, s:s}", "algorithm", ALGORITHM_MEGOLM, "room_id",
	        share->room->room_id, "session_id", js_str(session, "id"), "session_key", key);
	return OK;
}

static enum err share_send_keys(struct share *share, const json_t *session)
{
	struct parcel parcel = {0};
	const char *user_id, *device_id;
	json_t *list, *device;
	AUTO_JSON now = NULL;
	enum err err = share_room_key(share, session, js_str(session, "pickle"), &now);

	json_object_foreach(share->send, user_id, list)
	{
		const char *pickle = late_pickle(share->late, user_id);
		AUTO_JSON then = NULL;

		if (err == OK && pickle)
			err = share_room_key(share, session, pickle, &then);
		json_object_foreach(list, device_id, device)
		{
			json_t *content = NULL;

			if (err == OK && parcel.len >= DEVICES_PER_REQUEST)
				err = parcel_post(share, &parcel);
			if (err == OK) {
				err = sessions_encrypt(share->crypto, user_id, device_id, device,
				        "m.room_key", then ? then : now, &content);
			}
			if (err != OK)
				break;
			if (!parcel.messages) {
				parcel.messages = json_object();
				parcel.devices = json_object();
			}
			share_put_in(parcel.messages, user_id, device_id, content);
			share_put_in(parcel.devices, user_id, device_id, json_true());
			share_put_in(js_make(share->shared, "devices"), user_id, device_id,
			        json_string(devices_key(device, device_id, "curve25519")));
			json_object_del(
			        js_make(js_make(share->shared, "withheld"), user_id), device_id);
			parcel.len++;
		}
	}
	if (err == OK)
		return parcel_post(share, &parcel);
	json_decref(parcel.messages);
	json_decref(parcel.devices);
	return err;
}

static json_t *share_refusal(const struct share *share, const char *session_id, const char *err)
{
	bool no_olm = strcmp(err, "m.no_olm") == 0;
	json_t *content = json_pack("{s:s, s:s, s:s, s:s}", "algorithm", ALGORITHM_MEGOLM,
	        "sender_key", share->crypto->curve25519, "code", err, "reason",
	        no_olm ? "no one-time key of the device was available"
	        : share->crypto->trust == CRYPTO_TRUST_VERIFIED
	                ? "the device is not signed by its owner, or the owner was not verified "
	                  "here"
	                : "the device is not signed by its owner");

	if (!no_olm) {
		json_object_set_new(content, "room_id", json_string(share->room->room_id));
		json_object_set_new(content, "session_id", json_string(session_id));
	}
	return content;
}

/* Each device gets one refusal per session. */
static enum err share_send_refusals(struct share *share, const char *session_id)
{
	json_t *told = js_make(share->shared, "withheld");
	AUTO_JSON messages = json_object();
	const char *user_id, *device_id;
	json_t *list, *reason;

	json_object_foreach(share->refuse, user_id, list)
	{
		json_object_foreach(list, device_id, reason)
		{
			const char *err = json_string_value(reason);
			const char *before = share_text_in(told, user_id, device_id);

			if (before && strcmp(before, err) == 0)
				continue;
			share_put_in(messages, user_id, device_id,
			        share_refusal(share, session_id, err));
			share_put_in(told, user_id, device_id, json_incref(reason));
		}
	}
	if (json_object_size(messages) == 0)
		return OK;
	return request_to_device(share->crypto, "m.room_key.withheld", json_incref(messages), NULL);
}

enum err share_send(struct share *share, const json_t *session)
{
	enum err err = OK;

	if (json_object_size(share->send) > 0)
		err = share_send_keys(share, session);
	return err == OK ? share_send_refusals(share, js_str(session, "id")) : err;
}

/*
 * account.c - see account.h.
 *
 * Happy path: keys are generated and stored as unpublished; one upload at a time carries all
 * unpublished keys, and its answer marks them published. An upload that is sent twice carries the
 * same keys. A refused upload (the server has other keys under those ids, as after a database was
 * restored) marks them published as well, so that the next keys get new ids.
 */
#include "bot/crypto/account.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/identity.h"
#include "bot/crypto/pending.h"

#define ONE_TIME_KEYS 50              /* kept on the server; libolm holds twice as many */
#define FALLBACK_PAUSE_MS (60 * 1000) /* minimum time between two fallback keys */
/* Minimum time between two uploads of keys that the server lost. */
#define GONE_PAUSE_MS (10 * CLOCK_MINUTE_MS)
/* How long messages that were encrypted to the previous fallback key may still arrive. */
#define FALLBACK_OLD_MS CLOCK_HOUR_MS

void account_close(struct crypto *crypto)
{
	ol_account_free(crypto->account);
	x_wipe_free_str(crypto->account_text);
	crypto->account = NULL;
	crypto->account_text = NULL;
}

enum err account_load(struct crypto *crypto, struct OlmAccount **out)
{
	char *text = NULL;
	enum err err = crypto->store.get(crypto->store.arg, "machine", "account", &text);

	*out = NULL;
	if (err == OK && crypto->account && strcmp(crypto->account_text, text) == 0) {
		*out = crypto->account;
		crypto->account = NULL;
		x_wipe_free_str(text);
		return OK;
	}
	account_close(crypto);
	if (err != OK)
		return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
	err = ol_account_load(out, &crypto->key, text);
	crypto->account_text = text;
	return err;
}

enum err account_save(struct crypto *crypto, struct OlmAccount *account)
{
	x_wipe_free_str(crypto->account_text);
	crypto->account_text = ol_account_save(account, &crypto->key);
	return crypto->store.put(crypto->store.arg, "machine", "account", crypto->account_text);
}

void account_done(struct crypto *crypto, struct OlmAccount *account)
{
	if (!account)
		return;
	ol_account_free(crypto->account);
	crypto->account = account;
}

static void account_sign_object(struct crypto *crypto, struct OlmAccount *account, json_t *object)
{
	AUTO_TEXT text = canonical_signed_part(object);
	AUTO_TEXT signature = ol_account_sign(account, text);
	AUTO_TEXT key_id = x_asprintf("ed25519:%s", crypto->device_id);

	canonical_sign_add(object, crypto->user_id, key_id, signature);
}

enum err account_sign(struct crypto *crypto, json_t *object)
{
	struct OlmAccount *account;
	enum err err = account_load(crypto, &account);

	if (err == OK) {
		account_sign_object(crypto, account, object);
		account_done(crypto, account);
	}
	return err;
}

static json_t *account_make_device_keys(struct crypto *crypto, struct OlmAccount *account)
{
	AUTO_TEXT curve_id = x_asprintf("curve25519:%s", crypto->device_id);
	AUTO_TEXT ed_id = x_asprintf("ed25519:%s", crypto->device_id);
	json_t *keys = json_pack("{s:s, s:s, s:[s,s], s:{s:s, s:s}}", "user_id", crypto->user_id,
	        "device_id", crypto->device_id, "algorithms", ALGORITHM_OLM, ALGORITHM_MEGOLM,
	        "keys", curve_id, crypto->curve25519, ed_id, crypto->ed25519);

	account_sign_object(crypto, account, keys);
	return keys;
}

enum err account_renew_device_keys(struct crypto *crypto)
{
	struct OlmAccount *account;
	enum err err = account_load(crypto, &account);

	if (err == OK) {
		AUTO_JSON keys = account_make_device_keys(crypto, account);

		account_done(crypto, account);
		err = identity_sign_device(crypto, keys);
		if (err == OK || err == ERR_NOT_FOUND)
			err = keep_put(crypto, "machine", "device_keys", keys);
	}
	return err;
}

enum err account_device_keys(struct crypto *crypto, json_t **out)
{
	enum err err = keep_get(crypto, "machine", "device_keys", out);

	return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

/* Converts libolm's {ID: key} to {"signed_curve25519:ID": {key, signatures}}. */
static json_t *account_signed_keys(
        struct crypto *crypto, struct OlmAccount *account, json_t *keys, bool fallback)
{
	AUTO_JSON owned = keys;
	json_t *out = json_object();
	const char *id;
	json_t *key;

	json_object_foreach(owned, id, key)
	{
		AUTO_TEXT name = x_asprintf("signed_curve25519:%s", id);
		json_t *object = json_pack("{s:O}", "key", key);

		if (fallback)
			json_object_set_new(object, "fallback", json_true());
		account_sign_object(crypto, account, object);
		json_object_set_new(out, name, object);
	}
	return out;
}

/* Queues an upload of all unpublished keys. */
static enum err account_upload(struct crypto *crypto, struct OlmAccount *account, bool device_keys)
{
	json_t *one_time =
	        account_signed_keys(crypto, account, ol_account_one_time_keys(account), false);
	json_t *fallback =
	        account_signed_keys(crypto, account, ol_account_fallback_key(account), true);
	json_t *body = json_pack("{s:o}", "one_time_keys", one_time);
	enum err err = OK;

	if (json_object_size(fallback) > 0)
		json_object_set(body, "fallback_keys", fallback);
	json_decref(fallback);
	if (device_keys) {
		json_t *keys = NULL;

		err = account_device_keys(crypto, &keys);
		if (err != OK) {
			json_decref(body);
			return err;
		}
		json_object_set_new(body, "device_keys", keys);
	}
	return request_add(crypto, CRYPTO_KEYS_UPLOAD, body, NULL, "POST", "/v3/keys/upload");
}

enum err account_create(struct crypto *crypto, int64_t now_ms)
{
	struct OlmAccount *account = ol_account_create();
	AUTO_JSON self = NULL;
	AUTO_JSON state = json_pack("{s:I}", "fallback_ms", (json_int_t)now_ms);
	AUTO_JSON keys = NULL;
	enum err err;

	ol_account_keys(account, crypto->curve25519, crypto->ed25519);
	ol_account_make_one_time_keys(account, ONE_TIME_KEYS);
	ol_account_make_fallback_key(account);
	self = json_pack("{s:s, s:s}", "user", crypto->user_id, "device", crypto->device_id);
	keys = account_make_device_keys(crypto, account);
	err = account_save(crypto, account);
	if (err == OK)
		err = keep_put(crypto, "machine", "self", self);
	if (err == OK)
		err = keep_put(crypto, "machine", "keys", state);
	if (err == OK)
		err = keep_put(crypto, "machine", "device_keys", keys);
	if (err == OK)
		err = account_upload(crypto, account, true);
	account_done(crypto, account);
	return err;
}

enum err account_is_uploaded(struct crypto *crypto, bool *uploaded)
{
	AUTO_JSON state = NULL;
	enum err err = keep_get_or_new(crypto, "machine", "keys", &state);

	*uploaded = json_is_true(json_object_get(state, "uploaded"));
	return err;
}

/* Generates the keys that the server lacks; *changed is set when there is something to upload. */
static void account_top_up(struct OlmAccount *account, json_t *state, int64_t now_ms,
        const json_t *sync, bool *changed)
{
	const json_t *counts = js_obj(sync, "device_one_time_keys_count");
	const json_t *unused = json_object_get(sync, "device_unused_fallback_key_types");
	AUTO_JSON unpublished = ol_account_one_time_keys(account);
	int64_t missing = 0;

	if (counts) {
		int64_t there = js_int(counts, "signed_curve25519");

		missing = ONE_TIME_KEYS - (int64_t)json_object_size(unpublished) -
		          (there < 0 || there > ONE_TIME_KEYS ? ONE_TIME_KEYS : there);
	}
	if (missing > 0)
		ol_account_make_one_time_keys(account, (size_t)missing);
	*changed = missing > 0 || json_object_size(unpublished) > 0;
	if (json_is_true(json_object_get(state, "went_back")) ||
	        (json_is_array(unused) && !js_has(unused, "signed_curve25519") &&
	                now_ms - js_int(state, "fallback_ms") >= FALLBACK_PAUSE_MS)) {
		ol_account_make_fallback_key(account);
		json_object_del(state, "went_back");
		json_object_set_new(state, "fallback_ms", json_integer(now_ms));
		json_object_set_new(state, "forget_ms", json_integer(now_ms + FALLBACK_OLD_MS));
		*changed = true;
	}
}

enum err account_take_sync(struct crypto *crypto, int64_t now_ms, const json_t *sync)
{
	AUTO_JSON state = NULL;
	struct OlmAccount *account = NULL;
	bool waits, changed = false, forget;
	enum err err = request_waits(crypto, CRYPTO_KEYS_UPLOAD, NULL, &waits);

	if (err != OK || waits) /* the server's counts are older than the upload in flight */
		return err;
	err = keep_get_or_new(crypto, "machine", "keys", &state);
	if (err == OK)
		err = account_load(crypto, &account);
	if (err != OK)
		return err;
	account_top_up(account, state, now_ms, sync, &changed);
	forget = js_int(state, "forget_ms") != 0 && now_ms >= js_int(state, "forget_ms");
	if (forget) {
		ol_account_forget_old_fallback_key(account);
		json_object_del(state, "forget_ms");
	}
	if (changed || forget) {
		err = account_save(crypto, account);
		if (err == OK)
			err = keep_put(crypto, "machine", "keys", state);
	}
	if (err == OK && changed)
		err = account_upload(
		        crypto, account, !json_is_true(json_object_get(state, "uploaded")));
	account_done(crypto, account);
	return err;
}

static enum err account_mark_published(struct crypto *crypto, bool uploaded)
{
	AUTO_JSON state = NULL;
	struct OlmAccount *account;
	enum err err = account_load(crypto, &account);

	if (err != OK)
		return err;
	ol_account_published(account);
	err = account_save(crypto, account);
	account_done(crypto, account);
	if (err == OK && uploaded)
		err = keep_get_or_new(crypto, "machine", "keys", &state);
	if (err != OK || !uploaded || json_is_true(json_object_get(state, "uploaded")))
		return err;
	json_object_set_new(state, "uploaded", json_true());
	err = keep_put(crypto, "machine", "keys", state);
	/* an answer to an earlier query would not show the device, so query again */
	return err == OK ? devices_mark_dirty(crypto, crypto->user_id) : err;
}

enum err account_uploaded(
        struct crypto *crypto, int64_t now_ms, const json_t *body, struct fault *fault)
{
	if (!js_obj(body, "one_time_key_counts"))
		return fault_set(fault, ERR_PROTO, "keys/upload: no one_time_key_counts");
	return account_mark_published(crypto, true);
}

enum err account_refused(struct crypto *crypto, int64_t now_ms, const char *reason)
{
	enum err err = account_mark_published(crypto, false);

	if (err == OK) {
		err = notice_add(crypto, "keys/upload",
		        "the homeserver refuses our keys (was the database restored, or the "
		        "device deleted?): %s",
		        reason);
	}
	return err;
}

enum err account_gone(struct crypto *crypto, int64_t now_ms)
{
	AUTO_JSON state = NULL;
	struct OlmAccount *account = NULL;
	bool waits;
	enum err err = request_waits(crypto, CRYPTO_KEYS_UPLOAD, NULL, &waits);

	if (err == OK)
		err = keep_get_or_new(crypto, "machine", "keys", &state);
	if (err != OK || waits || !json_is_true(json_object_get(state, "uploaded")) ||
	        now_ms - js_int(state, "gone_ms") < GONE_PAUSE_MS)
		return err;
	json_object_set_new(state, "uploaded", json_false());
	json_object_set_new(state, "gone_ms", json_integer(now_ms));
	err = keep_put(crypto, "machine", "keys", state);
	if (err == OK) {
		err = notice_add(crypto, "gone device",
		        "the homeserver had lost this device's keys (was it signed out?): "
		        "uploading them again");
	}
	if (err == OK)
		err = account_load(crypto, &account);
	if (err == OK)
		err = account_upload(crypto, account, true);
	account_done(crypto, account);
	return err;
}

enum err account_went_back(struct crypto *crypto)
{
	AUTO_JSON state = NULL;
	enum err err = keep_get_or_new(crypto, "machine", "keys", &state);

	json_object_set_new(state, "went_back", json_true());
	return err == OK ? keep_put(crypto, "machine", "keys", state) : err;
}

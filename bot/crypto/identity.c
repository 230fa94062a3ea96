/*
 * identity.c - see identity.h.
 *
 * Happy path: crypto_bootstrap() generates three seeds and stores them before anything is sent;
 * once the device keys are uploaded, the public keys follow, then this device's keys with the
 * self-signing key's signature and the master key with this device's signature. Stored seeds are
 * never replaced. A signature that the server lists in `failures` does not count and is uploaded
 * again later.
 */
#include "bot/crypto/identity.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/account.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/signed_keys.h"

#define RETRY_MS (10 * CLOCK_MINUTE_MS)
#define SEAL_PURPOSE "cross-signing seeds"

static const char *const usages[IDENTITY_KEYS] = {"master", "self_signing", "user_signing"};

static enum err identity_row_get(struct crypto *crypto, json_t **row)
{
	return keep_get(crypto, "machine", "identity", row);
}

static enum err identity_row_put(struct crypto *crypto, const json_t *row)
{
	return keep_put(crypto, "machine", "identity", row);
}

enum err identity_seeds(struct crypto *crypto, uint8_t seeds[IDENTITY_SEEDS_LEN])
{
	AUTO_JSON row = NULL;
	enum err err = identity_row_get(crypto, &row);

	if (err == OK &&
	        !keep_unseal(crypto, SEAL_PURPOSE, js_str(row, "seeds"), seeds, IDENTITY_SEEDS_LEN))
		err = ERR_CORRUPT;
	return err;
}

static enum err signing_open(struct crypto *crypto, enum identity_key which,
        struct OlmPkSigning **out, char public_key[OL_KEY_SIZE])
{
	uint8_t seeds[IDENTITY_SEEDS_LEN];
	enum err err = identity_seeds(crypto, seeds);

	*out = NULL;
	if (err == OK)
		*out = ol_signing_create(seeds + (size_t)which * OL_SEED_LEN, public_key);
	explicit_bzero(seeds, sizeof(seeds));
	return err;
}

/* Signs the object as ourselves with one of our cross-signing keys. */
static enum err identity_sign(struct crypto *crypto, enum identity_key which, json_t *object)
{
	char public_key[OL_KEY_SIZE];
	struct OlmPkSigning *signing;
	enum err err = signing_open(crypto, which, &signing, public_key);

	if (err == OK) {
		AUTO_TEXT text = canonical_signed_part(object);
		AUTO_TEXT key_id = x_asprintf("ed25519:%s", public_key);

		if (!text) {
			err = ERR_INVALID;
		} else {
			AUTO_TEXT signature = ol_signing_sign(signing, text);

			canonical_sign_add(object, crypto->user_id, key_id, signature);
		}
		ol_signing_free(signing);
	}
	return err;
}

enum err identity_sign_device(struct crypto *crypto, json_t *device_keys)
{
	return identity_sign(crypto, IDENTITY_SELF, device_keys);
}

enum err identity_public(struct crypto *crypto, enum identity_key which, char out[OL_KEY_SIZE])
{
	struct OlmPkSigning *signing;
	enum err err = signing_open(crypto, which, &signing, out);

	ol_signing_free(signing);
	if (err == ERR_NOT_FOUND) {
		out[0] = '\0';
		return OK;
	}
	return err;
}

/* A public key as an object to upload, without signatures. */
static enum err identity_key_object(struct crypto *crypto, enum identity_key which, json_t **out)
{
	char public_key[OL_KEY_SIZE];
	enum err err = identity_public(crypto, which, public_key);
	AUTO_TEXT key_id = x_asprintf("ed25519:%s", public_key);

	*out = json_pack("{s:s, s:[s], s:{s:s}}", "user_id", crypto->user_id, "usage",
	        usages[which], "keys", key_id, public_key);
	return err;
}

enum err identity_adopt(
        struct crypto *crypto, const uint8_t seeds[IDENTITY_SEEDS_LEN], bool on_server)
{
	AUTO_SECRET sealed = keep_seal(crypto, SEAL_PURPOSE, seeds, IDENTITY_SEEDS_LEN);
	AUTO_JSON row = json_pack("{s:s, s:b}", "seeds", sealed, "uploaded", on_server);
	char master[OL_KEY_SIZE];
	enum err err = identity_row_put(crypto, row);

	if (err == OK)
		err = identity_public(crypto, IDENTITY_MASTER, master);
	if (err == OK)
		err = devices_pin(crypto, crypto->user_id, master);
	return err == OK ? account_renew_device_keys(crypto) : err;
}

static enum err identity_make(struct crypto *crypto, int64_t now_ms, struct fault *fault)
{
	uint8_t seeds[IDENTITY_SEEDS_LEN];
	enum err err;

	prim_random(seeds, sizeof(seeds));
	err = identity_adopt(crypto, seeds, false);
	explicit_bzero(seeds, sizeof(seeds));
	return err == OK ? identity_step(crypto, now_ms)
	                 : fault_set(fault, err, "%s", err_text(err));
}

enum err crypto_bootstrap(
        struct crypto *crypto, int64_t now_ms, bool may_replace, struct fault *fault)
{
	struct crypto_status status;
	enum crypto_identity identity;
	enum err err = crypto_status(crypto, &status);

	if (err != OK)
		return fault_set(fault, err, "%s", err_text(err));
	identity = status.identity;
	crypto_status_finish(&status);
	if (identity == CRYPTO_IDENTITY_UNKNOWN) {
		return fault_set(fault, ERR_BUSY,
		        "the homeserver has not yet told which keys the account has");
	}
	if (identity != CRYPTO_IDENTITY_NONE && !may_replace)
		return fault_set(fault, ERR_EXISTS, "the account has cross-signing keys");
	return identity_make(crypto, now_ms, fault);
}

static enum err identity_upload_keys(struct crypto *crypto)
{
	static const char *const names[IDENTITY_KEYS] = {
	        "master_key", "self_signing_key", "user_signing_key"};
	AUTO_JSON body = json_object();
	enum err err = OK;

	for (int i = 0; err == OK && i < IDENTITY_KEYS; i++) {
		json_t *object = NULL;

		err = identity_key_object(crypto, (enum identity_key)i, &object);
		if (err == OK && i != IDENTITY_MASTER)
			err = identity_sign(crypto, IDENTITY_MASTER, object);
		json_object_set_new(body, names[i], object);
	}
	if (err == OK) {
		err = request_add(crypto, CRYPTO_SIGNING_UPLOAD, json_incref(body), NULL, "POST",
		        "/v3/keys/device_signing/upload");
	}
	return err;
}

static enum err identity_upload_signatures(struct crypto *crypto)
{
	AUTO_JSON device = NULL;
	AUTO_JSON master = NULL;
	char public_key[OL_KEY_SIZE];
	enum err err = account_device_keys(crypto, &device);

	if (err == OK)
		err = identity_key_object(crypto, IDENTITY_MASTER, &master);
	if (err == OK)
		err = account_sign(crypto, master);
	if (err == OK)
		err = identity_public(crypto, IDENTITY_MASTER, public_key);
	if (err != OK)
		return err;
	return request_add(crypto, CRYPTO_SIGNATURES_UPLOAD,
	        json_pack("{s:{s:O, s:O}}", crypto->user_id, crypto->device_id, device, public_key,
	                master),
	        json_pack("{s:b}", "device", 1), "POST", "/v3/keys/signatures/upload");
}

enum err identity_sign_user(struct crypto *crypto, const char *user_id, const json_t *master)
{
	AUTO_JSON copy = json_deep_copy(master);
	const char *public_key = signed_keys_only(master);
	enum err err;

	json_object_del(copy, "signatures");
	json_object_del(copy, "unsigned");
	err = identity_sign(crypto, IDENTITY_USER, copy);
	if (err != OK)
		return err;
	return request_add(crypto, CRYPTO_SIGNATURES_UPLOAD,
	        json_pack("{s:{s:O}}", user_id, public_key, copy),
	        json_pack("{s:s}", "user", user_id), "POST", "/v3/keys/signatures/upload");
}

enum err identity_step(struct crypto *crypto, int64_t now_ms)
{
	AUTO_JSON row = NULL;
	bool uploaded = false, waits;
	enum err err = identity_row_get(crypto, &row);

	if (err == ERR_NOT_FOUND)
		return OK;
	if (err == OK)
		err = account_is_uploaded(crypto, &uploaded);
	if (err != OK || !uploaded || now_ms < js_int(row, "retry_ms"))
		return err;
	if (!json_is_true(json_object_get(row, "uploaded"))) {
		err = request_waits(crypto, CRYPTO_SIGNING_UPLOAD, NULL, &waits);
		return err == OK && !waits ? identity_upload_keys(crypto) : err;
	}
	if (!json_is_true(json_object_get(row, "signed"))) {
		err = request_waits(crypto, CRYPTO_SIGNATURES_UPLOAD, "device", &waits);
		return err == OK && !waits ? identity_upload_signatures(crypto) : err;
	}
	return OK;
}

/* Sets one flag of the row and when to try again. */
static enum err identity_row_mark(
        struct crypto *crypto, const char *flag, bool value, int64_t retry_ms)
{
	AUTO_JSON row = NULL;
	enum err err = identity_row_get(crypto, &row);

	if (err == ERR_NOT_FOUND)
		return OK;
	if (err == OK) {
		json_object_set_new(row, flag, json_boolean(value));
		json_object_set_new(row, "retry_ms", json_integer(retry_ms));
		err = identity_row_put(crypto, row);
	}
	return err;
}

enum err identity_uploaded(struct crypto *crypto)
{
	return identity_row_mark(crypto, "uploaded", true, 0);
}

/* The first text in a `failures` object, however deep the server nests it. */
static const char *identity_failure_text(const json_t *failures)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)failures, key, value)
	{
		const char *text = json_is_object(value) ? identity_failure_text(value) : NULL;

		if (!text && strcmp(key, "error") == 0)
			text = json_string_value(value);
		if (text)
			return text;
	}
	return NULL;
}

enum err identity_signed(
        struct crypto *crypto, int64_t now_ms, const json_t *context, const json_t *body)
{
	const json_t *failures = js_obj(body, "failures");
	const char *user = js_str(context, "user") ? js_str(context, "user") : crypto->user_id;
	bool failed = json_object_size(failures) > 0;
	enum err err = OK;

	if (failed) {
		const char *text = identity_failure_text(failures);

		err = notice_add(crypto, "signatures/upload",
		        "the homeserver refuses the signature of %s: %s", user,
		        text ? text : "no reason given");
	}
	/* After a failure, only the published keys show what was accepted: identity_seen(). */
	if (err == OK && !js_str(context, "user")) {
		/* it counts once it is seen in the list of our devices, which is queried now */
		err = identity_row_mark(
		        crypto, "signed", false, now_ms + (failed ? RETRY_MS : CLOCK_MINUTE_MS));
	}
	return err == OK ? devices_mark_dirty(crypto, user) : err;
}

enum err identity_refused(struct crypto *crypto, int64_t now_ms, const char *reason)
{
	enum err err = notice_add(crypto, "identity",
	        "the homeserver refuses our cross-signing keys or signatures: %s", reason);

	return err == OK ? identity_row_mark(crypto, "refused", true, now_ms + RETRY_MS) : err;
}

enum err identity_seen(struct crypto *crypto, int64_t now_ms, bool device_signed)
{
	AUTO_JSON row = NULL;
	enum err err = identity_row_get(crypto, &row);

	if (err != OK || device_signed == json_is_true(json_object_get(row, "signed")))
		return err == ERR_NOT_FOUND ? OK : err;
	if (device_signed) {
		return json_is_true(json_object_get(row, "uploaded"))
		               ? identity_row_mark(crypto, "signed", true, 0)
		               : OK;
	}
	return identity_row_mark(crypto, "signed", false, now_ms + CLOCK_MINUTE_MS);
}

static int identity_by_number(const void *a, const void *b)
{
	int64_t x = js_int(*(json_t *const *)a, "n"), y = js_int(*(json_t *const *)b, "n");

	return (x > y) - (x < y);
}

/* Appends the notices' texts, oldest first. */
static void identity_notices_list(const struct crypto_item *items, size_t len, json_t *texts)
{
	json_t **rows = x_calloc(len + 1, sizeof(json_t *));

	for (size_t i = 0; i < len; i++)
		rows[i] = json_loads(items[i].value, 0, NULL);
	qsort(rows, len, sizeof(json_t *), identity_by_number);
	for (size_t i = 0; i < len; i++) {
		json_array_append(texts, json_object_get(rows[i], "text"));
		json_decref(rows[i]);
	}
	free(rows);
}

enum err crypto_status(struct crypto *crypto, struct crypto_status *out)
{
	AUTO_JSON row = NULL;
	AUTO_JSON mine = NULL;
	char master[OL_KEY_SIZE];
	struct crypto_item *items = NULL;
	const char *theirs;
	size_t len = 0;
	enum err err;

	memset(out, 0, sizeof(*out));
	err = account_is_uploaded(crypto, &out->uploaded);
	if (err == OK)
		err = keep_get_or_new(crypto, "user", crypto->user_id, &mine);
	if (err == OK)
		err = keep_get_or_new(crypto, "machine", "identity", &row);
	if (err == OK)
		err = identity_public(crypto, IDENTITY_MASTER, master);
	if (err == OK)
		err = keep_list(crypto, "notice", "", &items, &len);
	if (err == OK)
		err = devices_verified(crypto, &out->verified);
	if (err != OK) {
		crypto_items_free(items, len);
		crypto_status_finish(out);
		return err;
	}
	theirs = signed_keys_only(js_obj(mine, "master"));
	if (!json_is_true(json_object_get(mine, "queried"))) {
		out->identity = CRYPTO_IDENTITY_UNKNOWN;
	} else if (master[0] == '\0') {
		out->identity = js_str(mine, "changed") ? CRYPTO_IDENTITY_CHANGED
		                : theirs                ? CRYPTO_IDENTITY_FOREIGN
		                                        : CRYPTO_IDENTITY_NONE;
	} else if (js_str(mine, "changed")) {
		out->identity = CRYPTO_IDENTITY_CHANGED;
	} else {
		out->identity = json_is_true(json_object_get(row, "uploaded")) &&
		                                json_is_true(json_object_get(row, "signed"))
		                        ? CRYPTO_IDENTITY_GOOD
		                        : CRYPTO_IDENTITY_UNSIGNED;
	}
	out->master_key = x_strdup_opt(master[0] != '\0' ? master : theirs);
	out->notices = json_array();
	identity_notices_list(items, len, out->notices);
	crypto_items_free(items, len);
	return OK;
}

void crypto_status_finish(struct crypto_status *status)
{
	free(status->master_key);
	json_decref(status->notices);
	json_decref(status->verified);
	memset(status, 0, sizeof(*status));
}

const char *crypto_identity_name(enum crypto_identity identity)
{
	switch (identity) {
	case CRYPTO_IDENTITY_UNKNOWN:
		return "unknown";
	case CRYPTO_IDENTITY_NONE:
		return "none";
	case CRYPTO_IDENTITY_FOREIGN:
		return "not cross-signed by this account";
	case CRYPTO_IDENTITY_CHANGED:
		return "changed";
	case CRYPTO_IDENTITY_UNSIGNED:
		return "not cross-signed yet";
	case CRYPTO_IDENTITY_GOOD:
		return "signed";
	}
	return "unknown";
}

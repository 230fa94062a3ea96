/*
 * secrets.c - secret storage: our cross-signing keys in the account's data, under a recovery key.
 * See crypto_secrets_*() in crypto.h; client-server API, "Secrets",
 * m.secret_storage.v1.aes-hmac-sha2.
 */
#include <string.h>
#include "bot/base/buf.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/identity.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/signed_keys.h"

#define ALGORITHM "m.secret_storage.v1.aes-hmac-sha2"
#define DEFAULT_KEY "m.secret_storage.default_key"
#define KEY_LEN 32
#define IV_LEN 16
#define SECRET_MAX 256                /* bytes of a stored secret */
#define ROUNDS_MAX (10 * 1000 * 1000) /* of PBKDF2; they take some seconds */
/* A recovery key: two bytes of prefix, the key, and the XOR of all before. */
#define RECOVERY_LEN (2 + KEY_LEN + 1)

static const char *const names[IDENTITY_KEYS] = {
        [IDENTITY_MASTER] = "m.cross_signing.master",
        [IDENTITY_SELF] = "m.cross_signing.self_signing",
        [IDENTITY_USER] = "m.cross_signing.user_signing",
};
static const uint8_t prefix[2] = {0x8b, 0x01};

/* ---- one secret ---- */

/* Encrypts a secret to {iv, ciphertext, mac}; name: the account data type it is stored under. */
static json_t *secrets_encrypt(const uint8_t key[KEY_LEN], const char *name,
        const uint8_t iv[IV_LEN], const void *data, size_t len)
{
	uint8_t keys[64], box[SECRET_MAX], mac[PRIM_HASH];
	AUTO_TEXT iv_text = prim_base64(iv, IV_LEN, false);
	AUTO_TEXT text = NULL;
	AUTO_TEXT mac_text = NULL;

	prim_hkdf(key, KEY_LEN, NULL, 0, name, keys, sizeof(keys));
	prim_aes_ctr(keys, iv, data, box, len);
	prim_hmac(keys + 32, 32, box, len, mac);
	explicit_bzero(keys, sizeof(keys));
	text = prim_base64(box, len, false);
	mac_text = prim_base64(mac, sizeof(mac), false);
	return json_pack("{s:s, s:s, s:s}", "iv", iv_text, "ciphertext", text, "mac", mac_text);
}

static void secrets_random_iv(uint8_t iv[IV_LEN])
{
	prim_random(iv, IV_LEN);
	iv[8] &= 0x7f; /* bit 63, which some AES-CTR implementations count wrongly */
}

static bool secrets_decrypt(
        const uint8_t key[KEY_LEN], const char *name, const json_t *stored, char *out, size_t size)
{
	const char *text = js_str(stored, "ciphertext"), *mac_text = js_str(stored, "mac");
	const char *iv_text = js_str(stored, "iv");
	uint8_t keys[64], iv[IV_LEN], mac[PRIM_HASH], expected[PRIM_HASH], *box;
	size_t len = 0;
	bool good;

	if (!text || !mac_text || !iv_text || !prim_unbase64_to(iv_text, iv, sizeof(iv)) ||
	        !prim_unbase64_to(mac_text, mac, sizeof(mac)))
		return false;
	box = prim_unbase64(text, &len);
	if (!box)
		return false;
	prim_hkdf(key, KEY_LEN, NULL, 0, name, keys, sizeof(keys));
	prim_hmac(keys + 32, 32, box, len, expected);
	good = len < size && prim_equal(mac, expected, sizeof(mac));
	if (good) {
		prim_aes_ctr(keys, iv, box, out, len);
		out[len] = '\0';
	}
	explicit_bzero(keys, sizeof(keys));
	free(box);
	return good;
}

/* The check value in a key's description: zeros, encrypted under an empty name. */
static json_t *secrets_check_value(const uint8_t key[KEY_LEN], const uint8_t iv[IV_LEN])
{
	static const uint8_t zeros[32];

	return secrets_encrypt(key, "", iv, zeros, sizeof(zeros));
}

static bool secrets_key_fits(const uint8_t key[KEY_LEN], const json_t *description)
{
	uint8_t iv[IV_LEN], mac[PRIM_HASH], wanted[PRIM_HASH];
	const char *iv_text = js_str(description, "iv"), *mac_text = js_str(description, "mac");
	AUTO_JSON value = NULL;

	if (!iv_text || !mac_text || !prim_unbase64_to(iv_text, iv, sizeof(iv)) ||
	        !prim_unbase64_to(mac_text, wanted, sizeof(wanted)))
		return false;
	value = secrets_check_value(key, iv);
	return prim_unbase64_to(js_str(value, "mac"), mac, sizeof(mac)) &&
	       prim_equal(mac, wanted, sizeof(mac));
}

/* ---- the recovery key ---- */

static uint8_t secrets_parity(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum ^= data[i];
	return sum;
}

static char *secrets_recovery_text(const uint8_t key[KEY_LEN])
{
	uint8_t data[RECOVERY_LEN];
	AUTO_SECRET plain = NULL;
	struct buf out;

	memcpy(data, prefix, sizeof(prefix));
	memcpy(data + sizeof(prefix), key, KEY_LEN);
	data[RECOVERY_LEN - 1] = secrets_parity(data, RECOVERY_LEN - 1);
	plain = prim_base58(data, sizeof(data));
	explicit_bzero(data, sizeof(data));
	buf_init(&out, 128);
	for (size_t i = 0; plain[i] != '\0'; i++) {
		if (i > 0 && i % 4 == 0)
			buf_add_char(&out, ' ');
		buf_add_char(&out, plain[i]);
	}
	return buf_take(&out);
}

static bool secrets_recovery_parse(const char *text, uint8_t key[KEY_LEN])
{
	uint8_t data[RECOVERY_LEN];
	size_t len = 0;
	bool good = prim_unbase58(text, data, sizeof(data), &len) && len == sizeof(data) &&
	            memcmp(data, prefix, sizeof(prefix)) == 0 && secrets_parity(data, len) == 0;

	if (good)
		memcpy(key, data + sizeof(prefix), KEY_LEN);
	explicit_bzero(data, sizeof(data));
	return good;
}

/* Derives the storage key from a recovery key or a passphrase. */
static bool secrets_derive(const char *recovery, const json_t *description, uint8_t key[KEY_LEN])
{
	const json_t *passphrase = js_obj(description, "passphrase");
	const char *salt = js_str(passphrase, "salt");
	int64_t rounds = js_int(passphrase, "iterations");
	const char *algorithm = js_str(passphrase, "algorithm");
	int64_t bits = json_object_get(passphrase, "bits") ? js_int(passphrase, "bits") : 256;

	if (secrets_recovery_parse(recovery, key) && secrets_key_fits(key, description))
		return true;
	if (!algorithm || strcmp(algorithm, "m.pbkdf2") != 0 || !salt || rounds < 1 ||
	        rounds > ROUNDS_MAX || bits != 256)
		return false;
	prim_pbkdf2(recovery, salt, (unsigned)rounds, key, KEY_LEN);
	return secrets_key_fits(key, description);
}

/* ---- storing ---- */

static enum err secrets_put_account_data(struct crypto *crypto, const char *type, json_t *content)
{
	return request_add(crypto, CRYPTO_ACCOUNT_DATA, content, NULL, "PUT",
	        "/v3/user/%s/account_data/%s", crypto->user_id, type);
}

static enum err secrets_put_secret(struct crypto *crypto, const uint8_t key[KEY_LEN],
        const char *key_id, enum identity_key which, const uint8_t *seed)
{
	AUTO_SECRET text = prim_base64(seed, OL_SEED_LEN, false);
	uint8_t iv[IV_LEN];

	secrets_random_iv(iv);
	return secrets_put_account_data(crypto, names[which],
	        json_pack("{s:{s:o}}", "encrypted", key_id,
	                secrets_encrypt(key, names[which], iv, text, strlen(text))));
}

enum err crypto_secrets_make(struct crypto *crypto, int64_t now_ms, char **recovery_key)
{
	uint8_t seeds[IDENTITY_SEEDS_LEN], key[KEY_LEN], iv[IV_LEN], id[12];
	AUTO_TEXT id_text = NULL;
	AUTO_TEXT type = NULL;
	json_t *description;
	enum err err = identity_seeds(crypto, seeds);

	*recovery_key = NULL;
	if (err != OK)
		return err;
	prim_random(key, sizeof(key));
	prim_random(id, sizeof(id));
	secrets_random_iv(iv);
	id_text = prim_base58(id, sizeof(id));
	type = x_asprintf("m.secret_storage.key.%s", id_text);
	description = secrets_check_value(key, iv);
	json_object_del(description, "ciphertext");
	json_object_set_new(description, "algorithm", json_string(ALGORITHM));
	err = secrets_put_account_data(crypto, type, description);
	for (int i = 0; err == OK && i < IDENTITY_KEYS; i++) {
		err = secrets_put_secret(crypto, key, id_text, (enum identity_key)i,
		        seeds + (size_t)i * OL_SEED_LEN);
	}
	if (err == OK) /* last, so that the key it names exists by then */
		err = secrets_put_account_data(
		        crypto, DEFAULT_KEY, json_pack("{s:s}", "key", id_text));
	if (err == OK)
		*recovery_key = secrets_recovery_text(key);
	explicit_bzero(seeds, sizeof(seeds));
	explicit_bzero(key, sizeof(key));
	return err;
}

/* ---- taking ---- */

static const char *secrets_default_key(const json_t *account_data)
{
	const char *id = js_str(js_obj(account_data, DEFAULT_KEY), "key");

	return id && strlen(id) <= 255 ? id : NULL;
}

json_t *crypto_secrets_types(const json_t *account_data)
{
	json_t *types = json_array();
	const char *id = secrets_default_key(account_data);

	json_array_append_new(types, json_string(DEFAULT_KEY));
	if (id) {
		AUTO_TEXT type = x_asprintf("m.secret_storage.key.%s", id);

		json_array_append_new(types, json_string(type));
		for (int i = 0; i < IDENTITY_KEYS; i++)
			json_array_append_new(types, json_string(names[i]));
	}
	return types;
}

static bool secrets_take_seeds(const uint8_t key[KEY_LEN], const char *key_id,
        const json_t *account_data, uint8_t seeds[IDENTITY_SEEDS_LEN])
{
	char text[SECRET_MAX];
	bool good = true;

	for (int i = 0; good && i < IDENTITY_KEYS; i++) {
		const json_t *encrypted = js_obj(js_obj(account_data, names[i]), "encrypted");

		good = secrets_decrypt(
		               key, names[i], js_obj(encrypted, key_id), text, sizeof(text)) &&
		       prim_unbase64_to(text, seeds + (size_t)i * OL_SEED_LEN, OL_SEED_LEN);
	}
	explicit_bzero(text, sizeof(text));
	return good;
}

/* The stored seeds must belong to the account's published keys. */
static enum err secrets_are_the_accounts(
        struct crypto *crypto, const uint8_t seeds[IDENTITY_SEEDS_LEN], bool *same)
{
	static const char *const members[] = {
	        [IDENTITY_MASTER] = "master", [IDENTITY_SELF] = "self"};
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, crypto->user_id, &row);
	const char *changed = js_str(row, "changed");

	*same = err == OK;
	if (changed) { /* the self-signing key is read with the new identity, once that is pinned */
		char public_key[OL_KEY_SIZE];

		ol_signing_free(ol_signing_create(
		        seeds + (size_t)IDENTITY_MASTER * OL_SEED_LEN, public_key));
		*same = *same && strcmp(changed, public_key) == 0;
		return err;
	}
	for (int i = IDENTITY_MASTER; i <= IDENTITY_SELF; i++) {
		char public_key[OL_KEY_SIZE];
		const char *shown = signed_keys_only(js_obj(row, members[i]));

		ol_signing_free(ol_signing_create(seeds + (size_t)i * OL_SEED_LEN, public_key));
		*same = *same && shown && strcmp(shown, public_key) == 0;
	}
	return err;
}

enum err crypto_secrets_take(struct crypto *crypto, int64_t now_ms, const char *recovery,
        const json_t *account_data, struct fault *fault)
{
	const char *key_id = secrets_default_key(account_data);
	AUTO_TEXT type = NULL;
	const json_t *description;
	uint8_t key[KEY_LEN], seeds[IDENTITY_SEEDS_LEN];
	const char *algorithm;
	bool same = false;
	enum err err;

	if (!key_id)
		return fault_set(fault, ERR_NOT_FOUND, "the account has no secret storage");
	type = x_asprintf("m.secret_storage.key.%s", key_id);
	description = js_obj(account_data, type);
	algorithm = js_str(description, "algorithm");
	if (!algorithm || strcmp(algorithm, ALGORITHM) != 0) {
		return fault_set(
		        fault, ERR_NOT_FOUND, "the account's secret storage is of an unknown kind");
	}
	if (!secrets_derive(recovery, description, key))
		return fault_set(fault, ERR_DENIED, "it is not the one of the account");
	if (!secrets_take_seeds(key, key_id, account_data, seeds)) {
		err = fault_set(fault, ERR_NOT_FOUND,
		        "the account's secret storage does not hold its cross-signing keys");
	} else {
		err = secrets_are_the_accounts(crypto, seeds, &same);
		if (err == OK && !same) {
			err = fault_set(fault, ERR_INVALID,
			        "what is in secret storage is not the account's current identity");
		}
	}
	if (err == OK)
		err = identity_adopt(crypto, seeds, true);
	if (err == OK)
		err = identity_step(crypto, now_ms);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(seeds, sizeof(seeds));
	return err;
}

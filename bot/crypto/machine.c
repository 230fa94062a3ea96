/*
 * machine.c - opening the machine, and what its parts share; see machine.h.
 */
#include "bot/base/json_canonical.h"
#include "bot/crypto/machine.h"

#include <stdio.h>
#include <string.h>
#include "bot/base/log.h"
#include "bot/base/text.h"
#include "bot/crypto/account.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/verify.h"

#define NOTICES_MAX 200
#define SEAL_IV 16
#define SEAL_MAX 256 /* bytes of a sealed secret */

const char *js_str(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

const json_t *js_obj(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_object(value) ? value : NULL;
}

int64_t js_int(const json_t *object, const char *key)
{
	int64_t value = json_integer_value(json_object_get(object, key));

	/* times are added to and subtracted from it */
	return value > JSON_CANONICAL_INTEGER    ? JSON_CANONICAL_INTEGER
	       : value < -JSON_CANONICAL_INTEGER ? -JSON_CANONICAL_INTEGER
	                                         : value;
}

json_t *js_make(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_object(value)) {
		value = json_object();
		json_object_set_new(object, key, value);
	}
	return value;
}

char *js_dump(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

	return text ? text : x_strdup("null");
}

bool js_is(const json_t *object, const char *key, const char *value)
{
	const char *text = js_str(object, key);

	return text && strcmp(text, value) == 0;
}

bool js_has(const json_t *array, const char *text)
{
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *item = json_string_value(json_array_get(array, i));

		if (item && strcmp(item, text) == 0)
			return true;
	}
	return false;
}

int js_by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum err keep_get(struct crypto *crypto, const char *kind, const char *key, json_t **out)
{
	AUTO_SECRET text = NULL;
	enum err err = crypto->store.get(crypto->store.arg, kind, key, &text);

	*out = NULL;
	if (err != OK)
		return err;
	*out = json_loads(text, 0, NULL);
	if (!json_is_object(*out)) {
		json_decref(*out);
		*out = NULL;
		return ERR_CORRUPT;
	}
	return OK;
}

enum err keep_get_or_new(struct crypto *crypto, const char *kind, const char *key, json_t **out)
{
	enum err err = keep_get(crypto, kind, key, out);

	if (err == ERR_NOT_FOUND) {
		*out = json_object();
		err = OK;
	}
	return err;
}

/* Whether crypto_status() depends on it. */
static bool machine_is_of_status(const char *kind, const char *key)
{
	static const char *const kinds[] = {"notice", "user", "verified"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return strcmp(kind, "machine") == 0 &&
	       (strcmp(key, "identity") == 0 || strcmp(key, "keys") == 0);
}

enum err keep_put(struct crypto *crypto, const char *kind, const char *key, const json_t *value)
{
	AUTO_SECRET text = js_dump(value);

	crypto->status_changes += machine_is_of_status(kind, key);
	return crypto->store.put(crypto->store.arg, kind, key, text);
}

enum err keep_remove(struct crypto *crypto, const char *kind, const char *key)
{
	crypto->status_changes += machine_is_of_status(kind, key);
	return crypto->store.remove(crypto->store.arg, kind, key);
}

enum err keep_list(struct crypto *crypto, const char *kind, const char *prefix,
        struct crypto_item **items, size_t *len)
{
	*items = NULL;
	*len = 0;
	return crypto->store.list(crypto->store.arg, kind, prefix, items, len);
}

char *keep_key(const char *a, const char *b)
{
	return x_asprintf("%s" KEY_SEPARATOR "%s", a, b);
}

void crypto_items_free(struct crypto_item *items, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		free(items[i].key);
		x_wipe_free_str(items[i].value);
	}
	free(items);
}

/* Derives the AES key (first half) and the HMAC key (second half). */
static void machine_seal_keys(const struct crypto *crypto, const char *purpose, uint8_t keys[64])
{
	prim_hkdf(crypto->key.data, sizeof(crypto->key.data), NULL, 0, purpose, keys, 64);
}

char *keep_seal(const struct crypto *crypto, const char *purpose, const void *data, size_t len)
{
	uint8_t keys[64], box[SEAL_IV + SEAL_MAX + PRIM_HASH];
	char *text;

	machine_seal_keys(crypto, purpose, keys);
	prim_random(box, SEAL_IV);
	prim_aes_ctr(keys, box, data, box + SEAL_IV, len);
	prim_hmac(keys + 32, 32, box, SEAL_IV + len, box + SEAL_IV + len);
	text = prim_base64(box, SEAL_IV + len + PRIM_HASH, false);
	explicit_bzero(keys, sizeof(keys));
	return text;
}

bool keep_unseal(
        const struct crypto *crypto, const char *purpose, const char *text, void *out, size_t len)
{
	uint8_t keys[64], mac[PRIM_HASH], box[SEAL_IV + SEAL_MAX + PRIM_HASH];
	bool good =
	        text && len <= SEAL_MAX && prim_unbase64_to(text, box, SEAL_IV + len + PRIM_HASH);

	if (good) {
		machine_seal_keys(crypto, purpose, keys);
		prim_hmac(keys + 32, 32, box, SEAL_IV + len, mac);
		good = prim_equal(mac, box + SEAL_IV + len, sizeof(mac));
		if (good)
			prim_aes_ctr(keys, box, box + SEAL_IV, out, len);
		explicit_bzero(keys, sizeof(keys));
	}
	return good;
}

/* The number for a new notice; drops the oldest when there are many. */
static enum err notice_number(struct crypto *crypto, int64_t *number)
{
	struct crypto_item *items;
	size_t len, oldest = 0;
	int64_t least = INT64_MAX, most = 0;
	enum err err = keep_list(crypto, "notice", "", &items, &len);

	for (size_t i = 0; i < len; i++) {
		AUTO_JSON row = json_loads(items[i].value, 0, NULL);
		int64_t n = js_int(row, "n");

		most = n > most ? n : most;
		oldest = n < least ? i : oldest;
		least = n < least ? n : least;
	}
	if (err == OK && len >= NOTICES_MAX)
		err = keep_remove(crypto, "notice", items[oldest].key);
	crypto_items_free(items, len);
	*number = most + 1;
	return err;
}

enum err notice_remove(struct crypto *crypto, const char *what)
{
	return keep_remove(crypto, "notice", what);
}

enum err notice_add(struct crypto *crypto, const char *what, const char *format, ...)
{
	AUTO_JSON row = NULL;
	char text[512];
	int64_t number;
	va_list args;
	enum err err = keep_get(crypto, "notice", what, &row);

	if (err != ERR_NOT_FOUND)
		return err;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warning("crypto", "%s", text);
	err = notice_number(crypto, &number);
	if (err != OK)
		return err;
	row = json_pack("{s:s, s:I}", "text", text, "n", (json_int_t)number);
	if (!row) { /* the text was cut inside a UTF-8 character */
		row = json_pack(
		        "{s:s, s:I}", "text", "a notice that is not text", "n", (json_int_t)number);
	}
	return keep_put(crypto, "notice", what, row);
}

enum err epoch_get(struct crypto *crypto, int64_t *epoch)
{
	AUTO_JSON row = NULL;
	enum err err = keep_get_or_new(crypto, "machine", "epoch", &row);

	*epoch = js_int(row, "n");
	return err;
}

enum err epoch_bump(struct crypto *crypto)
{
	AUTO_JSON row = NULL;
	int64_t epoch;
	enum err err = epoch_get(crypto, &epoch);

	if (err != OK)
		return err;
	row = json_pack("{s:I}", "n", (json_int_t)epoch + 1);
	return keep_put(crypto, "machine", "epoch", row);
}

/* Creates an account, or opens the stored one if it is this device's. */
static enum err machine_open_account(struct crypto *crypto, int64_t now_ms, struct fault *fault)
{
	AUTO_JSON self = NULL;
	struct OlmAccount *account = NULL;
	enum err err = keep_get(crypto, "machine", "self", &self);

	if (err == ERR_NOT_FOUND) {
		err = account_create(crypto, now_ms);
		if (err == OK)
			err = devices_track(crypto, crypto->user_id);
		if (err == OK)
			err = devices_mark_dirty(crypto, crypto->user_id);
		if (err == OK) /* an earlier device's cross-signing keys sign this one */
			err = account_renew_device_keys(crypto);
		return err != OK ? fault_set(fault, err, "cannot store a new account") : OK;
	}
	if (err != OK)
		return fault_set(fault, err, "cannot read the account");
	if (!js_str(self, "user") || !js_str(self, "device"))
		return fault_set(fault, ERR_CORRUPT, "cannot read the account");
	if (strcmp(js_str(self, "user"), crypto->user_id) != 0 ||
	        strcmp(js_str(self, "device"), crypto->device_id) != 0) {
		return fault_set(fault, ERR_CONFIG,
		        "the stored encryption keys are those of %s's device %s, the token is "
		        "device %s of %s: use a token of the stored device, or a new database",
		        js_str(self, "user"), js_str(self, "device"), crypto->device_id,
		        crypto->user_id);
	}
	err = account_load(crypto, &account);
	if (err != OK) {
		return fault_set(fault, err, "cannot open the stored encryption keys: %s",
		        err == ERR_CORRUPT ? "is the pickle key the one they were stored with?"
		                           : err_text(err));
	}
	ol_account_keys(account, crypto->curve25519, crypto->ed25519);
	account_done(crypto, account);
	err = crypto_lists_missed(
	        crypto); /* device lists may have changed while the bot was down */
	return err == OK ? OK : fault_set(fault, err, "cannot store which device lists to ask for");
}

enum err crypto_open(struct crypto **out, const struct crypto_store *store,
        const struct crypto_options *options, int64_t now_ms, struct fault *fault)
{
	struct crypto *crypto = x_calloc(1, sizeof(*crypto));
	uint8_t run[8];
	enum err err;

	TAILQ_INIT(&crypto->verifications);
	crypto->store = *store;
	crypto->user_id = x_strdup(options->user_id);
	crypto->device_id = x_strdup(options->device_id);
	crypto->trust = options->trust;
	memcpy(crypto->key.data, options->pickle_key, sizeof(crypto->key.data));
	prim_random(run, sizeof(run));
	text_hex(run, sizeof(run), crypto->run);
	err = machine_open_account(crypto, now_ms, fault);
	if (err != OK) {
		crypto_close(crypto);
		crypto = NULL;
	}
	*out = crypto;
	return err;
}

static enum err machine_remove_all(const struct crypto_store *store, const char *kind)
{
	struct crypto_item *items = NULL;
	size_t len = 0;
	enum err err = store->list(store->arg, kind, "", &items, &len);

	for (size_t i = 0; err == OK && i < len; i++)
		err = store->remove(store->arg, kind, items[i].key);
	crypto_items_free(items, len);
	return err;
}

enum err crypto_is_stored(const struct crypto_store *store, bool *stored)
{
	AUTO_SECRET pickle = NULL;
	enum err err = store->get(store->arg, "machine", "account", &pickle);

	*stored = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err crypto_key_opens(
        const struct crypto_store *store, const uint8_t pickle_key[CRYPTO_PICKLE_KEY_LEN])
{
	AUTO_SECRET pickle = NULL;
	struct OlmAccount *account = NULL;
	struct ol_pickle_key key;
	enum err err = store->get(store->arg, "machine", "account", &pickle);

	if (err != OK)
		return err;
	memcpy(key.data, pickle_key, sizeof(key.data));
	err = ol_account_load(&account, &key, pickle);
	ol_account_free(account);
	explicit_bzero(&key, sizeof(key));
	return err;
}

static enum err machine_remove_kinds(const struct crypto_store *store, const char *const *kinds)
{
	enum err err = OK;

	for (size_t i = 0; err == OK && kinds[i]; i++)
		err = machine_remove_all(store, kinds[i]);
	return err;
}

enum err crypto_forget_device(
        const struct crypto_store *store, const struct crypto_options *options)
{
	static const char *const kinds[] = {
	        "request", "olm", "nokey", "wedged", "outbound", "shared", "late", "ask", NULL};
	static const char *const sealed[] = {"inbound", "index", NULL};
	static const char *const own[] = {"account", "self", "keys", "device_keys"};
	struct crypto crypto = {.store = *store};
	AUTO_JSON identity = NULL;
	bool lost = crypto_key_opens(store, options->pickle_key) == ERR_CORRUPT;
	enum err err = machine_remove_kinds(store, kinds);

	if (err == OK && lost)
		err = machine_remove_kinds(store, sealed);
	for (size_t i = 0; err == OK && i < sizeof(own) / sizeof(own[0]); i++)
		err = store->remove(store->arg, "machine", own[i]);
	if (err == OK && lost)
		err = store->remove(store->arg, "machine", "identity");
	if (err == OK)
		err = keep_get(&crypto, "machine", "identity", &identity);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	json_object_set_new(identity, "signed", json_false());
	json_object_del(identity, "retry_ms");
	return keep_put(&crypto, "machine", "identity", identity);
}

void crypto_close(struct crypto *crypto)
{
	if (!crypto)
		return;
	verify_finish(crypto);
	account_close(crypto);
	free(crypto->user_id);
	free(crypto->device_id);
	x_wipe_free(crypto, sizeof(*crypto));
}

uint64_t crypto_status_changes(const struct crypto *crypto)
{
	return crypto->status_changes;
}

const char *crypto_fingerprint(const struct crypto *crypto)
{
	return crypto->ed25519;
}

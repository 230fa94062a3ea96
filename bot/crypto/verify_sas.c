/*
 * verify_sas.c - m.sas.v1 (client-server API, "Short Authentication String (SAS) verification");
 * see verify.h.
 *
 * Supported are the current methods of the specification (curve25519-hkdf-sha256, sha256,
 * hkdf-hmac-sha256.v2) and, for older clients, hkdf-hmac-sha256, which encodes the MAC differently.
 * Where there is no common method, the cancellation names what the other side lacks.
 */
#include <string.h>
#include "bot/base/log.h"
#include "bot/crypto/account.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/identity.h"
#include "bot/crypto/prim.h"
#include "bot/crypto/pending.h"
#include "bot/crypto/verify.h"

#define AGREEMENT "curve25519-hkdf-sha256"
#define HASH "sha256"
#define MAC "hkdf-hmac-sha256.v2"
#define MAC_OLD "hkdf-hmac-sha256"
#define MAC_KEYS_MAX 100

/* ---- starting ---- */

void verify_sas_start(struct crypto *crypto, struct verify *v)
{
	json_t *content = json_pack("{s:s, s:s, s:[s], s:[s], s:[s, s], s:[s, s]}", "from_device",
	        crypto->device_id, "method", VERIFY_METHOD, "key_agreement_protocols", AGREEMENT,
	        "hashes", HASH, "message_authentication_codes", MAC, MAC_OLD,
	        "short_authentication_string", "decimal", "emoji");

	v->state = VERIFY_STARTED;
	v->we_started = true;
	verify_say(v, VERIFY_PREFIX "start", json_incref(content));
	json_decref(v->start);
	v->start = json_deep_copy(content); /* with the id that verify_say() added */
	json_decref(content);
}

/* The method that their start event lacks, NULL = none. */
static const char *verify_sas_missing(const json_t *content)
{
	const json_t *macs = json_object_get(content, "message_authentication_codes");

	if (!js_is(content, "method", VERIFY_METHOD))
		return "the method " VERIFY_METHOD;
	if (!js_has(json_object_get(content, "key_agreement_protocols"), AGREEMENT))
		return "the key agreement " AGREEMENT;
	if (!js_has(json_object_get(content, "hashes"), HASH))
		return "the hash " HASH;
	if (!js_has(macs, MAC) && !js_has(macs, MAC_OLD))
		return "the message authentication code " MAC;
	return NULL;
}

/* When both sides sent a start, the one of the lexicographically smaller user id counts; between
 * two devices of one user, of the smaller device id. */
static bool verify_sas_ours_counts(const struct crypto *crypto, const struct verify *v)
{
	int order = strcmp(crypto->user_id, v->user_id);

	return order != 0 ? order < 0 : strcmp(crypto->device_id, v->device_id) < 0;
}

void verify_sas_take_start(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content)
{
	AUTO_TEXT commitment = NULL;
	const char *lacks = verify_sas_missing(content);

	if (lacks) {
		AUTO_TEXT reason = x_asprintf("the other client does not offer %s", lacks);

		verify_cancel(v, now_ms, "m.unknown_method", reason);
		return;
	}
	if (v->we_started && (v->their_key[0] != '\0' || v->commitment)) {
		verify_cancel(v, now_ms, "m.unexpected_message", "a start in the middle");
		return;
	}
	if (v->we_started && verify_sas_ours_counts(crypto, v))
		return;
	ol_sas_free(v->sas);
	v->sas = ol_sas_create(v->our_key);
	commitment = sas_commitment(v->our_key, content);
	if (!commitment) {
		verify_cancel(v, now_ms, "m.invalid_message", "the start is not canonical");
		return;
	}
	v->we_started = false;
	v->old_mac = !js_has(json_object_get(content, "message_authentication_codes"), MAC);
	v->state = VERIFY_STARTED;
	json_decref(v->start);
	v->start = json_deep_copy(content);
	verify_say(v, VERIFY_PREFIX "accept",
	        json_pack("{s:s, s:s, s:s, s:s, s:[s, s], s:s}", "method", VERIFY_METHOD,
	                "key_agreement_protocol", AGREEMENT, "hash", HASH,
	                "message_authentication_code", v->old_mac ? MAC_OLD : MAC,
	                "short_authentication_string", "decimal", "emoji", "commitment",
	                commitment));
}

void verify_sas_take_accept(struct verify *v, int64_t now_ms, const json_t *content)
{
	const char *commitment = js_str(content, "commitment");

	if (v->commitment && commitment && strcmp(v->commitment, commitment) == 0)
		return; /* a duplicate */
	if (v->state != VERIFY_STARTED || !v->we_started || v->commitment) {
		verify_cancel(v, now_ms, "m.unexpected_message", "an unexpected accept");
		return;
	}
	if (!js_is(content, "key_agreement_protocol", AGREEMENT) || !js_is(content, "hash", HASH) ||
	        (!js_is(content, "message_authentication_code", MAC) &&
	                !js_is(content, "message_authentication_code", MAC_OLD))) {
		verify_cancel(v, now_ms, "m.unknown_method",
		        "the other client chose what was not offered");
		return;
	}
	v->old_mac = js_is(content, "message_authentication_code", MAC_OLD);
	if (!commitment) {
		verify_cancel(v, now_ms, "m.invalid_message", "no commitment");
		return;
	}
	v->commitment = x_strdup(commitment);
	ol_sas_free(v->sas);
	v->sas = ol_sas_create(v->our_key);
	verify_say(v, VERIFY_PREFIX "key", json_pack("{s:s}", "key", v->our_key));
}

/* ---- keys ---- */

static struct sas_party verify_sas_us(const struct crypto *crypto, const struct verify *v)
{
	return (struct sas_party){crypto->user_id, crypto->device_id, v->our_key};
}

static struct sas_party verify_sas_them(const struct verify *v)
{
	return (struct sas_party){v->user_id, v->device_id, v->their_key};
}

static bool verify_sas_commitment_holds(const struct verify *v, const char *key)
{
	AUTO_TEXT commitment = sas_commitment(key, v->start);

	return commitment && strcmp(commitment, v->commitment) == 0;
}

void verify_sas_take_key(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content)
{
	const char *key = js_str(content, "key");
	struct sas_party ours = verify_sas_us(crypto, v), theirs = verify_sas_them(v);
	AUTO_TEXT info = NULL;

	if (key && v->their_key[0] != '\0' && strcmp(key, v->their_key) == 0)
		return; /* a duplicate */
	if (v->state != VERIFY_STARTED || !v->sas) {
		verify_cancel(v, now_ms, "m.unexpected_message", "an unexpected key");
		return;
	}
	if (!key || strlen(key) != OL_KEY_SIZE - 1) {
		verify_cancel(v, now_ms, "m.invalid_message", "no key");
		return;
	}
	if (v->we_started && !verify_sas_commitment_holds(v, key)) {
		verify_cancel(v, now_ms, "m.mismatched_commitment",
		        "the key is not the one that was promised");
		return;
	}
	if (ol_sas_set_their_key(v->sas, key) != OK) {
		verify_cancel(v, now_ms, "m.invalid_message", "no key");
		return;
	}
	memcpy(v->their_key, key, OL_KEY_SIZE);
	if (!v->we_started)
		verify_say(v, VERIFY_PREFIX "key", json_pack("{s:s}", "key", v->our_key));
	info = v->we_started ? sas_info(&ours, &theirs, v->id) : sas_info(&theirs, &ours, v->id);
	ol_sas_bytes(v->sas, info, v->bytes, sizeof(v->bytes));
	v->state = VERIFY_COMPARE;
}

/* ---- MACs ---- */

static char *verify_sas_mac_of(struct verify *v, const struct sas_party *from,
        const struct sas_party *to, const char *key_id, const char *text)
{
	AUTO_TEXT info = sas_mac_info(from, to, v->id, key_id);

	return ol_sas_mac(v->sas, v->old_mac, text, info);
}

/* The ids of the keys in a MAC event, sorted and comma-separated; NULL when there are too many. */
static char *verify_sas_key_list(const json_t *macs)
{
	const char *ids[MAC_KEYS_MAX], *id;
	json_t *value;
	size_t len = 0;
	char *list = x_strdup("");

	json_object_foreach((json_t *)macs, id, value)
	{
		if (len == MAC_KEYS_MAX) {
			free(list);
			return NULL;
		}
		ids[len++] = id;
	}
	qsort(ids, len, sizeof(ids[0]), js_by_text);
	for (size_t i = 0; i < len; i++) {
		char *longer = x_asprintf("%s%s%s", list, i > 0 ? "," : "", ids[i]);

		free(list);
		list = longer;
	}
	return list;
}

static void verify_sas_mac_add(
        struct crypto *crypto, struct verify *v, json_t *macs, const char *name, const char *key)
{
	struct sas_party ours = verify_sas_us(crypto, v), theirs = verify_sas_them(v);
	AUTO_TEXT key_id = x_asprintf("ed25519:%s", name);
	AUTO_TEXT mac = verify_sas_mac_of(v, &ours, &theirs, key_id, key);

	json_object_set_new(macs, key_id, json_string(mac));
}

/* Sends the MACs of our device key and, if we hold it, our master key. */
static enum err verify_sas_say_mac(struct crypto *crypto, struct verify *v)
{
	struct sas_party ours = verify_sas_us(crypto, v), theirs = verify_sas_them(v);
	AUTO_JSON macs = json_object();
	AUTO_TEXT list = NULL;
	AUTO_TEXT keys = NULL;
	char master[OL_KEY_SIZE];
	enum err err = identity_public(crypto, IDENTITY_MASTER, master);

	if (err != OK)
		return err;
	verify_sas_mac_add(crypto, v, macs, crypto->device_id, crypto->ed25519);
	if (master[0] != '\0')
		verify_sas_mac_add(crypto, v, macs, master, master);
	list = verify_sas_key_list(macs);
	keys = verify_sas_mac_of(v, &ours, &theirs, "KEY_IDS", list);
	verify_say(v, VERIFY_PREFIX "mac", json_pack("{s:O, s:s}", "mac", macs, "keys", keys));
	return OK;
}

static bool verify_sas_mac_is(struct crypto *crypto, struct verify *v, const char *key_id,
        const char *text, const char *claimed)
{
	struct sas_party ours = verify_sas_us(crypto, v), theirs = verify_sas_them(v);
	AUTO_TEXT mac = verify_sas_mac_of(v, &theirs, &ours, key_id, text);

	return claimed && strlen(claimed) == strlen(mac) && prim_equal(mac, claimed, strlen(mac));
}

/* *device, *identity: which of their keys known to us the MACs prove. False when a MAC is wrong. */
static bool verify_sas_proof_covers(struct crypto *crypto, struct verify *v, const char *ed25519,
        const char *master, bool *device, bool *identity)
{
	const json_t *macs = js_obj(v->mac, "mac");
	AUTO_TEXT list = verify_sas_key_list(macs);
	AUTO_TEXT device_key = x_asprintf("ed25519:%s", v->device_id);
	AUTO_TEXT master_key = x_asprintf("ed25519:%s", master ? master : "");

	*device = *identity = false;
	if (!list || !verify_sas_mac_is(crypto, v, "KEY_IDS", list, js_str(v->mac, "keys")))
		return false;
	if (ed25519 && json_object_get(macs, device_key)) {
		*device =
		        verify_sas_mac_is(crypto, v, device_key, ed25519, js_str(macs, device_key));
		if (!*device)
			return false;
	}
	if (master && json_object_get(macs, master_key)) {
		*identity =
		        verify_sas_mac_is(crypto, v, master_key, master, js_str(macs, master_key));
		return *identity;
	}
	return true;
}

/* ---- what was proven ---- */

/* Stores another user's identity as verified. A changed identity is accepted, since a person here
 * has just verified it. */
static enum err verify_sas_keep_identity(struct crypto *crypto, struct verify *v, int64_t now_ms,
        const json_t *row, const char *master)
{
	AUTO_JSON object = NULL;
	enum err err = OK;

	if (js_str(row, "changed")) {
		AUTO_TEXT key_id = x_asprintf("ed25519:%s", master);

		err = crypto_identity_accept(crypto, now_ms, v->user_id, master);
		object = json_pack("{s:s, s:[s], s:{s:s}}", "user_id", v->user_id, "usage",
		        "master", "keys", key_id, master);
	} else {
		object = json_deep_copy(js_obj(row, "master"));
	}
	if (err == OK)
		err = devices_set_verified(crypto, v->user_id, master);
	if (err == OK)
		err = identity_sign_user(crypto, v->user_id, object);
	return err == ERR_NOT_FOUND ? OK : err; /* we hold no key to sign with */
}

/* Cross-signs another device of our own account. */
static enum err verify_sas_keep_own_device(
        struct crypto *crypto, struct verify *v, const json_t *row)
{
	const json_t *device = js_obj(js_obj(row, "devices"), v->device_id);
	AUTO_JSON keys = json_deep_copy(js_obj(device, "keys"));
	enum err err;

	json_object_del(keys, "signatures");
	json_object_del(keys, "unsigned");
	err = identity_sign_device(crypto, keys);
	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	return request_add(crypto, CRYPTO_SIGNATURES_UPLOAD,
	        json_pack("{s:{s:O}}", v->user_id, v->device_id, keys),
	        json_pack("{s:s}", "user", v->user_id), "POST", "/v3/keys/signatures/upload");
}

/* Concludes when both the person here and the other device have confirmed. */
static enum err verify_sas_conclude(struct crypto *crypto, struct verify *v, int64_t now_ms)
{
	bool own = strcmp(v->user_id, crypto->user_id) == 0, device, identity;
	AUTO_JSON row = NULL;
	const char *ed25519, *master;
	enum err err = devices_row(crypto, v->user_id, &row);

	if (err != OK)
		return err;
	ed25519 =
	        devices_key(js_obj(js_obj(row, "devices"), v->device_id), v->device_id, "ed25519");
	master = js_str(row, "changed") ? js_str(row, "changed") : js_str(row, "pin");
	if (!verify_sas_proof_covers(crypto, v, ed25519, master, &device, &identity) ||
	        !(own ? device : identity)) {
		verify_cancel(v, now_ms, "m.key_mismatch",
		        own ? "the proof does not cover the device's key"
		            : "the proof does not cover the identity's key");
		return OK;
	}
	err = own ? verify_sas_keep_own_device(crypto, v, row)
	          : verify_sas_keep_identity(crypto, v, now_ms, row, master);
	if (err == OK) {
		log_info("crypto", "%s is verified (device %s)", v->user_id, v->device_id);
		verify_say(v, VERIFY_PREFIX "done", json_object());
		verify_end(v, now_ms, VERIFY_DONE);
	}
	return err;
}

enum err verify_sas_take_mac(
        struct crypto *crypto, struct verify *v, int64_t now_ms, const json_t *content)
{
	if (v->mac && json_equal(v->mac, content))
		return OK; /* a duplicate */
	if ((v->state != VERIFY_COMPARE && v->state != VERIFY_CONFIRMED) || v->mac) {
		verify_cancel(v, now_ms, "m.unexpected_message", "an unexpected proof");
		return OK;
	}
	v->mac = json_deep_copy(content);
	return v->state == VERIFY_CONFIRMED ? verify_sas_conclude(crypto, v, now_ms) : OK;
}

enum err verify_sas_confirm(struct crypto *crypto, struct verify *v, int64_t now_ms)
{
	enum err err = verify_sas_say_mac(crypto, v);

	if (err == OK) {
		v->state = VERIFY_CONFIRMED;
		err = v->mac ? verify_sas_conclude(crypto, v, now_ms) : OK;
	}
	return err;
}

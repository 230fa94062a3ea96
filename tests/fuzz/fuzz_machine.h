/*
 * fuzz_machine.h - for fuzz targets: the bot's machine over a store in memory, and somebody's
 * device on bare libolm that has an Olm session with it and a room key that it knows. What an input
 * changed is rolled back.
 */
#pragma once

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "bot/crypto/crypto.h"
#include "bot/crypto/olm.h"

#define FUZZ_ROOM "!r:x"
#define FUZZ_USER "@op:x"
#define FUZZ_NOW INT64_C(1790000000000)

static struct {
	json_t *kept, *before; /* {kind: {key: text}}; as it was before the input */
	struct crypto *crypto;
	struct OlmAccount *account;
	struct OlmSession *session;
	struct OlmOutboundGroupSession *group;
	char curve25519[OL_KEY_SIZE], ed25519[OL_KEY_SIZE];
	char bot_curve25519[OL_KEY_SIZE], bot_ed25519[OL_KEY_SIZE];
	char *session_pickle, *group_pickle, *group_id;
} fuzz;

static const struct ol_pickle_key fuzz_key;

static inline void fuzz_must(bool holds)
{
	if (!holds)
		abort();
}

/* ---- the store ---- */

static inline enum err fuzz_get(void *arg, const char *kind, const char *key, char **value)
{
	const char *text =
	        json_string_value(json_object_get(json_object_get(fuzz.kept, kind), key));

	*value = x_strdup_opt(text);
	return text ? OK : ERR_NOT_FOUND;
}

static inline enum err fuzz_put(void *arg, const char *kind, const char *key, const char *value)
{
	json_t *keys = json_object_get(fuzz.kept, kind), *text = json_string(value);

	fuzz_must(text); /* what is stored is text */
	if (!keys) {
		keys = json_object();
		json_object_set_new(fuzz.kept, kind, keys);
	}
	json_object_set_new(keys, key, text);
	return OK;
}

static inline enum err fuzz_remove(void *arg, const char *kind, const char *key)
{
	json_object_del(json_object_get(fuzz.kept, kind), key);
	return OK;
}

static inline int fuzz_by_key(const void *a, const void *b)
{
	return strcmp(((const struct crypto_item *)a)->key, ((const struct crypto_item *)b)->key);
}

static inline enum err fuzz_list(
        void *arg, const char *kind, const char *prefix, struct crypto_item **items, size_t *len)
{
	json_t *keys = json_object_get(fuzz.kept, kind), *value;
	const char *key;

	*items = x_calloc(json_object_size(keys) + 1, sizeof(**items));
	*len = 0;
	json_object_foreach(keys, key, value)
	{
		if (strncmp(key, prefix, strlen(prefix)) == 0)
			(*items)[(*len)++] = (struct crypto_item){
			        x_strdup(key), x_strdup(json_string_value(value))};
	}
	qsort(*items, *len, sizeof(**items), fuzz_by_key);
	return OK;
}

/* ---- the two devices ---- */

static inline bool fuzz_take_sync(json_t *event)
{
	json_t *sync = json_pack("{s:{s:[o]}}", "to_device", "events", event);
	bool new_keys = false;

	fuzz_must(crypto_take_sync(fuzz.crypto, FUZZ_NOW, sync, &new_keys) == OK);
	json_decref(sync);
	return new_keys;
}

/* A to-device event with that text as the Olm message's payload. */
static inline json_t *fuzz_olm(const char *text)
{
	int type;
	char *body = ol_session_encrypt(fuzz.session, text, &type);
	json_t *event = json_pack("{s:s, s:s, s:{s:s, s:s, s:{s:{s:i, s:s}}}}", "type",
	        "m.room.encrypted", "sender", FUZZ_USER, "content", "algorithm",
	        "m.olm.v1.curve25519-aes-sha2", "sender_key", fuzz.curve25519, "ciphertext",
	        fuzz.bot_curve25519, "type", type, "body", body);

	free(body);
	return event;
}

/* Takes the bot's first one-time key out of its upload, and answers all it asks. */
static inline void fuzz_serve(void)
{
	struct crypto_request *requests;
	struct fault fault;
	size_t len;

	fuzz_must(crypto_requests(fuzz.crypto, FUZZ_NOW, &requests, &len) == OK);
	for (size_t i = 0; i < len; i++) {
		json_t *body = json_loads(requests[i].body, 0, NULL);
		json_t *answer = json_pack("{s:{}, s:{}, s:{}}", "device_keys",
		        "one_time_key_counts", "one_time_keys");
		json_t *keys = json_object_get(body, "one_time_keys");
		json_t *device = json_object_get(json_object_get(body, "device_keys"), "keys");

		if (requests[i].kind == CRYPTO_KEYS_UPLOAD && !fuzz.session) {
			const char *curve =
			        json_string_value(json_object_get(device, "curve25519:BOT"));
			json_t *first = json_object_iter_value(json_object_iter(keys));

			memcpy(fuzz.bot_curve25519, curve, OL_KEY_SIZE);
			memcpy(fuzz.bot_ed25519,
			        json_string_value(json_object_get(device, "ed25519:BOT")),
			        OL_KEY_SIZE);
			fuzz_must(ol_session_outbound(&fuzz.session, fuzz.account, curve,
			                  json_string_value(json_object_get(first, "key"))) == OK);
		}
		fuzz_must(
		        crypto_answer(fuzz.crypto, FUZZ_NOW, requests[i].id, answer, &fault) == OK);
		json_decref(answer);
		json_decref(body);
	}
	crypto_requests_free(requests, len);
}

static inline char *fuzz_payload(const char *type, json_t *content)
{
	json_t *payload = json_pack("{s:s, s:o, s:s, s:s, s:{s:s}, s:{s:s}}", "type", type,
	        "content", content, "sender", FUZZ_USER, "recipient", "@bot:x", "recipient_keys",
	        "ed25519", fuzz.bot_ed25519, "keys", "ed25519", fuzz.ed25519);
	char *text = json_dumps(payload, JSON_COMPACT);

	json_decref(payload);
	return text;
}

/* Once, before the first input. */
static inline void fuzz_open(void)
{
	struct crypto_store store = {fuzz_get, fuzz_put, fuzz_remove, fuzz_list, NULL};
	struct crypto_options options = {
	        .user_id = "@bot:x", .device_id = "BOT", .trust = CRYPTO_TRUST_ALL};
	struct fault fault;
	char *key, *text;

	if (fuzz.crypto)
		return;
	log_setup(LOG_ERROR, LOG_TEXT);
	fuzz.kept = json_object();
	fuzz.account = ol_account_create();
	ol_account_keys(fuzz.account, fuzz.curve25519, fuzz.ed25519);
	fuzz_must(crypto_open(&fuzz.crypto, &store, &options, FUZZ_NOW, &fault) == OK);
	fuzz_serve();
	fuzz.group = ol_outbound_create();
	fuzz.group_id = ol_outbound_id(fuzz.group);
	key = ol_outbound_key(fuzz.group);
	text = fuzz_payload("m.room_key",
	        json_pack("{s:s, s:s, s:s, s:s}", "algorithm", "m.megolm.v1.aes-sha2", "room_id",
	                FUZZ_ROOM, "session_id", fuzz.group_id, "session_key", key));
	fuzz_must(fuzz_take_sync(fuzz_olm(text)));
	free(text);
	x_wipe_free_str(key);
	for (int i = 0; i < 3; i++)
		fuzz_serve(); /* the lists of devices it asks for */
	fuzz.before = json_deep_copy(fuzz.kept);
	fuzz.session_pickle = ol_session_save(fuzz.session, &fuzz_key);
	fuzz.group_pickle = ol_outbound_save(fuzz.group, &fuzz_key);
}

/* After each input. */
static inline void fuzz_rollback(void)
{
	json_decref(fuzz.kept);
	fuzz.kept = json_deep_copy(fuzz.before);
	ol_session_free(fuzz.session);
	ol_outbound_free(fuzz.group);
	fuzz_must(ol_session_load(&fuzz.session, &fuzz_key, fuzz.session_pickle) == OK);
	fuzz_must(ol_outbound_load(&fuzz.group, &fuzz_key, fuzz.group_pickle) == OK);
}

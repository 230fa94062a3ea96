/*
 * sessions.c - see sessions.h.
 *
 * A device may have several sessions with us, since both ends may begin one at the same time. We
 * send in the one that was created, or in which a message was received, last. The oldest beyond
 * SESSIONS_MAX are deleted.
 */
#include "bot/crypto/sessions.h"

#include <string.h>
#include "bot/crypto/account.h"
#include "bot/crypto/devices.h"

#define SESSIONS_MAX 20 /* per device */

static enum err sessions_list(
        struct crypto *crypto, const char *curve25519, struct crypto_item **items, size_t *len)
{
	AUTO_TEXT prefix = keep_key(curve25519, "");

	return keep_list(crypto, "olm", prefix, items, len);
}

/* Whether it may be used for sending; see crypto_went_back(). */
static bool sessions_is_fresh(const struct crypto_item *item)
{
	AUTO_JSON row = json_loads(item->value, 0, NULL);

	return !json_is_true(json_object_get(row, "stale"));
}

enum err sessions_have(struct crypto *crypto, const char *curve25519, bool *have)
{
	struct crypto_item *items;
	size_t len;
	enum err err = sessions_list(crypto, curve25519, &items, &len);

	*have = false;
	for (size_t i = 0; i < len; i++)
		*have = *have || sessions_is_fresh(&items[i]);
	crypto_items_free(items, len);
	return err;
}

static enum err sessions_mark_stale(struct crypto *crypto, const struct crypto_item *item)
{
	AUTO_JSON row = json_loads(item->value, 0, NULL);

	json_object_set_new(row, "stale", json_true());
	return keep_put(crypto, "olm", item->key, row);
}

enum err sessions_went_back(struct crypto *crypto)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "olm", "", &items, &len);

	for (size_t i = 0; err == OK && i < len; i++)
		err = sessions_mark_stale(crypto, &items[i]);
	crypto_items_free(items, len);
	return err;
}

static enum err session_put(struct crypto *crypto, const char *key, struct OlmSession *session,
        int64_t used_ms, bool fresh)
{
	AUTO_SECRET pickle = ol_session_save(session, &crypto->key);
	AUTO_JSON row = json_pack("{s:s, s:I}", "pickle", pickle, "used_ms", (json_int_t)used_ms);

	if (!fresh)
		json_object_set_new(row, "stale", json_true());
	return keep_put(crypto, "olm", key, row);
}

static int64_t sessions_used_ms_of(const struct crypto_item *item)
{
	AUTO_JSON row = json_loads(item->value, 0, NULL);

	return js_int(row, "used_ms");
}

/* Stores a new session, and deletes the least recently used one if there are too many. */
static enum err session_add(
        struct crypto *crypto, int64_t now_ms, const char *curve25519, struct OlmSession *session)
{
	AUTO_TEXT id = ol_session_id(session);
	AUTO_TEXT key = keep_key(curve25519, id);
	struct crypto_item *items;
	size_t len, oldest = 0;
	enum err err = sessions_list(crypto, curve25519, &items, &len);

	for (size_t i = 1; i < len; i++)
		if (sessions_used_ms_of(&items[i]) < sessions_used_ms_of(&items[oldest]))
			oldest = i;
	if (err == OK && len >= SESSIONS_MAX)
		err = keep_remove(crypto, "olm", items[oldest].key);
	crypto_items_free(items, len);
	return err == OK ? session_put(crypto, key, session, now_ms, true) : err;
}

enum err sessions_begin(
        struct crypto *crypto, int64_t now_ms, const char *curve25519, const char *one_time_key)
{
	struct OlmAccount *account;
	struct OlmSession *session = NULL;
	enum err err = account_load(crypto, &account);

	if (err != OK)
		return err;
	err = ol_session_outbound(&session, account, curve25519, one_time_key);
	if (err == OK)
		err = session_add(crypto, now_ms, curve25519, session);
	ol_session_free(session);
	account_done(crypto, account);
	return err;
}

static enum err session_load(struct crypto *crypto, const struct crypto_item *item,
        struct OlmSession **session, int64_t *used_ms)
{
	AUTO_JSON row = json_loads(item->value, 0, NULL);
	const char *pickle = js_str(row, "pickle");

	*session = NULL;
	*used_ms = js_int(row, "used_ms");
	return pickle ? ol_session_load(session, &crypto->key, pickle) : ERR_CORRUPT;
}

/* Loads the session to send in; *key is its key in the store. */
static enum err session_best(struct crypto *crypto, const char *curve25519, char **key,
        struct OlmSession **session, int64_t *used_ms)
{
	struct crypto_item *items;
	size_t len, best = 0;
	bool found = false;
	enum err err = sessions_list(crypto, curve25519, &items, &len);

	*key = NULL;
	*session = NULL;
	for (size_t i = 0; i < len; i++) {
		if (sessions_is_fresh(&items[i]) &&
		        (!found || sessions_used_ms_of(&items[i]) >
		                           sessions_used_ms_of(&items[best]))) {
			best = i;
			found = true;
		}
	}
	if (err == OK && !found)
		err = ERR_NOT_FOUND;
	if (err == OK) {
		err = session_load(crypto, &items[best], session, used_ms);
		*key = x_strdup(items[best].key);
	}
	crypto_items_free(items, len);
	return err;
}

enum err sessions_encrypt(struct crypto *crypto, const char *user_id, const char *device_id,
        const json_t *device, const char *type, const json_t *content, json_t **out)
{
	const char *curve25519 = devices_key(device, device_id, "curve25519");
	const char *ed25519 = devices_key(device, device_id, "ed25519");
	struct OlmSession *session = NULL;
	AUTO_TEXT key = NULL;
	AUTO_JSON mine = NULL;
	int64_t used_ms = 0;
	enum err err = ERR_NOT_FOUND;

	*out = NULL;
	if (curve25519 && ed25519)
		err = session_best(crypto, curve25519, &key, &session, &used_ms);
	if (err == OK)
		err = account_device_keys(crypto, &mine);
	if (err == OK) {
		AUTO_JSON payload = json_pack("{s:s, s:O, s:s, s:s, s:{s:s}, s:{s:s}, s:O}", "type",
		        type, "content", content, "sender", crypto->user_id, "recipient", user_id,
		        "recipient_keys", "ed25519", ed25519, "keys", "ed25519", crypto->ed25519,
		        "sender_device_keys", mine);
		AUTO_SECRET text = js_dump(payload);
		int message_type;
		AUTO_TEXT message = ol_session_encrypt(session, text, &message_type);

		*out = json_pack("{s:s, s:s, s:{s:{s:i, s:s}}}", "algorithm", ALGORITHM_OLM,
		        "sender_key", crypto->curve25519, "ciphertext", curve25519, "type",
		        message_type, "body", message);
		err = session_put(crypto, key, session, used_ms, true);
	}
	ol_session_free(session);
	return err;
}

/* Tries the stored sessions; *known: a pre-key message belongs to one of them. */
static enum err sessions_decrypt_known(struct crypto *crypto, int64_t now_ms,
        const char *curve25519, int type, const char *message, char **plaintext, bool *known)
{
	struct crypto_item *items;
	size_t len;
	enum err err = sessions_list(crypto, curve25519, &items, &len);

	*known = false;
	for (size_t i = 0; err == OK && !*plaintext && !*known && i < len; i++) {
		struct OlmSession *session;
		int64_t used_ms;

		err = session_load(crypto, &items[i], &session, &used_ms);
		if (err != OK)
			break;
		*known = type == 0 && ol_session_matches(session, curve25519, message);
		if ((type != 0 || *known) &&
		        ol_session_decrypt(session, type, message, plaintext) == OK)
			err = session_put(crypto, items[i].key, session, now_ms,
			        sessions_is_fresh(&items[i]));
		ol_session_free(session);
	}
	crypto_items_free(items, len);
	return err == OK && !*plaintext ? ERR_INVALID : err;
}

static enum err sessions_decrypt_new(struct crypto *crypto, int64_t now_ms, const char *curve25519,
        const char *message, char **plaintext)
{
	struct OlmAccount *account;
	struct OlmSession *session = NULL;
	enum err err = account_load(crypto, &account);

	if (err != OK)
		return err;
	err = ol_session_inbound(&session, account, curve25519, message);
	if (err == OK)
		err = ol_session_decrypt(session, 0, message, plaintext);
	if (err == OK) {
		ol_session_used_key(account, session);
		err = account_save(crypto, account);
		if (err == OK)
			err = session_add(crypto, now_ms, curve25519, session);
	}
	ol_session_free(session);
	account_done(crypto, account);
	return err;
}

enum err sessions_decrypt(struct crypto *crypto, int64_t now_ms, const char *curve25519, int type,
        const char *message, char **plaintext)
{
	bool known;
	enum err err;

	*plaintext = NULL;
	err = sessions_decrypt_known(crypto, now_ms, curve25519, type, message, plaintext, &known);
	if (err == ERR_INVALID && type == 0 && !known)
		err = sessions_decrypt_new(crypto, now_ms, curve25519, message, plaintext);
	if (err != OK) {
		x_wipe_free_str(*plaintext);
		*plaintext = NULL;
	}
	return err;
}

/*
 * devices.c - which device lists to track and to query, and which devices to trust; see devices.h.
 * Answers are read in devices_answer.c.
 */
#include "bot/crypto/devices.h"

#include <string.h>
#include "bot/base/clock.h"
#include "bot/crypto/canonical.h"
#include "bot/crypto/pending.h"

#define QUERY_USERS 200        /* per request */
#define QUERY_TIMEOUT_MS 10000 /* for the homeserver to query other servers */
#define WAIT_FIRST_MS CLOCK_MINUTE_MS
#define WAIT_MOST_MS (6 * CLOCK_HOUR_MS)

/* The epoch stays as it is: homeservers name lists that did not change too. */
static enum err devices_dirty_put(struct crypto *crypto, const char *user_id)
{
	AUTO_JSON news = NULL;
	AUTO_JSON row = NULL;
	int64_t seq = 0;
	enum err err = keep_get_or_new(crypto, "machine", "news", &news);

	if (err == OK && json_object_size(news) == 0) /* earlier versions counted with the epoch */
		err = epoch_get(crypto, &seq);
	if (err != OK)
		return err;
	seq = (seq ? seq : js_int(news, "n")) + 1;
	json_object_set_new(news, "n", json_integer(seq));
	err = keep_put(crypto, "machine", "news", news);
	row = json_pack("{s:I}", "seq", (json_int_t)seq);
	return err == OK ? keep_put(crypto, "dirty", user_id, row) : err;
}

enum err devices_row(struct crypto *crypto, const char *user_id, json_t **row)
{
	return keep_get_or_new(crypto, "user", user_id, row);
}

enum err devices_track(struct crypto *crypto, const char *user_id)
{
	AUTO_JSON row = NULL;
	bool followed;
	enum err err = devices_row(crypto, user_id, &row);

	followed = json_is_true(json_object_get(row, "followed"));
	if (err != OK || (followed && !devices_is_stranger(row)))
		return err;
	json_object_set_new(row, "followed", json_true());
	json_object_del(row, "guest_ms");
	err = keep_put(crypto, "user", user_id, row);
	return err == OK && !followed ? devices_dirty_put(crypto, user_id) : err;
}

enum err devices_track_guest(struct crypto *crypto, int64_t now_ms, const char *user_id)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err != OK || json_is_true(json_object_get(row, "followed")))
		return err;
	json_object_set_new(row, "followed", json_true());
	json_object_set_new(row, "guest_ms", json_integer(now_ms));
	err = keep_put(crypto, "user", user_id, row);
	return err == OK ? devices_dirty_put(crypto, user_id) : err;
}

bool devices_is_stranger(const json_t *row)
{
	return !json_is_true(json_object_get(row, "followed")) || js_int(row, "guest_ms") != 0;
}

enum err devices_mark_dirty(struct crypto *crypto, const char *user_id)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err != OK || !json_is_true(json_object_get(row, "followed")))
		return err;
	return devices_dirty_put(crypto, user_id);
}

/* The homeserver no longer reports this user's changes: the list is queried again when a room has
 * the user as a member. */
static enum err devices_unfollow(struct crypto *crypto, const char *user_id)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err != OK || !json_is_true(json_object_get(row, "followed")) ||
	        strcmp(user_id, crypto->user_id) == 0)
		return err;
	json_object_del(row, "followed");
	json_object_del(row, "guest_ms");
	err = keep_put(crypto, "user", user_id, row);
	if (err == OK)
		err = epoch_bump(crypto);
	return err == OK ? keep_remove(crypto, "dirty", user_id) : err;
}

enum err devices_take_sync(struct crypto *crypto, const json_t *sync)
{
	const json_t *lists = js_obj(sync, "device_lists");
	const json_t *changed = json_object_get(lists, "changed");
	const json_t *left = json_object_get(lists, "left");
	enum err err = OK;

	for (size_t i = 0; err == OK && i < json_array_size(changed); i++) {
		const char *user_id = json_string_value(json_array_get(changed, i));

		err = user_id ? devices_mark_dirty(crypto, user_id) : OK;
	}
	for (size_t i = 0; err == OK && i < json_array_size(left); i++) {
		const char *user_id = json_string_value(json_array_get(left, i));

		err = user_id ? devices_unfollow(crypto, user_id) : OK;
	}
	return err;
}

enum err crypto_lists_missed(struct crypto *crypto)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "user", "", &items, &len);

	for (size_t i = 0; err == OK && i < len; i++)
		err = devices_mark_dirty(crypto, items[i].key);
	crypto_items_free(items, len);
	return err;
}

enum err devices_must_wait(struct crypto *crypto, int64_t now_ms, const char *user_id, bool *wait)
{
	AUTO_JSON dirty = NULL;
	enum err err = keep_get(crypto, "dirty", user_id, &dirty);

	*wait = err == OK && js_int(dirty, "retry_ms") <= now_ms;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err devices_have_news(
        struct crypto *crypto, const char *const *users, size_t users_len, bool *news)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "dirty", "", &items, &len);

	*news = false;
	for (size_t i = 0; err == OK && !*news && i < len; i++) {
		AUTO_JSON dirty = json_loads(items[i].value, 0, NULL);

		for (size_t j = 0; js_int(dirty, "retry_ms") == 0 && j < users_len; j++)
			*news = *news || strcmp(users[j], items[i].key) == 0;
	}
	crypto_items_free(items, len);
	return err;
}

enum err devices_are_current(struct crypto *crypto, const char *user_id, bool *current)
{
	AUTO_JSON dirty = NULL;
	enum err err = keep_get(crypto, "dirty", user_id, &dirty);

	*current = err == ERR_NOT_FOUND;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err devices_query(struct crypto *crypto, int64_t now_ms)
{
	AUTO_JSON users = json_object();
	AUTO_JSON seqs = json_object();
	struct crypto_item *items;
	size_t len;
	bool waits;
	enum err err = request_waits(crypto, CRYPTO_KEYS_QUERY, NULL, &waits);

	if (err != OK || waits)
		return err;
	err = keep_list(crypto, "dirty", "", &items, &len);
	for (size_t i = 0; i < len && json_object_size(users) < QUERY_USERS; i++) {
		AUTO_JSON dirty = json_loads(items[i].value, 0, NULL);

		if (js_int(dirty, "retry_ms") <= now_ms) {
			json_object_set_new(users, items[i].key, json_array());
			json_object_set(seqs, items[i].key, json_object_get(dirty, "seq"));
		}
	}
	crypto_items_free(items, len);
	if (err != OK || json_object_size(users) == 0)
		return err;
	return request_add(crypto, CRYPTO_KEYS_QUERY,
	        json_pack("{s:O, s:i}", "device_keys", users, "timeout", QUERY_TIMEOUT_MS),
	        json_pack("{s:O}", "users", seqs), "POST", "/v3/keys/query");
}

/* Postpones the next query for one user's list. */
static enum err devices_put_off(struct crypto *crypto, int64_t now_ms, const char *user_id)
{
	AUTO_JSON dirty = NULL;
	int64_t wait_ms;
	enum err err = keep_get(crypto, "dirty", user_id, &dirty);

	if (err != OK)
		return err == ERR_NOT_FOUND ? OK : err;
	wait_ms = js_int(dirty, "wait_ms") * 2;
	wait_ms = wait_ms < WAIT_FIRST_MS ? WAIT_FIRST_MS : wait_ms;
	wait_ms = wait_ms > WAIT_MOST_MS ? WAIT_MOST_MS : wait_ms;
	json_object_set_new(dirty, "wait_ms", json_integer(wait_ms));
	json_object_set_new(dirty, "retry_ms", json_integer(now_ms + wait_ms));
	err = keep_put(crypto, "dirty", user_id, dirty);
	return err == OK ? epoch_bump(crypto) : err;
}

enum err devices_unanswered(struct crypto *crypto, int64_t now_ms, const json_t *context)
{
	const char *user_id;
	json_t *seq;

	json_object_foreach((json_t *)js_obj(context, "users"), user_id, seq)
	{
		enum err err = devices_put_off(crypto, now_ms, user_id);

		if (err != OK)
			return err;
	}
	return OK;
}

/* The list is current as of the request, unless it changed again since. */
static enum err devices_settle(
        struct crypto *crypto, int64_t now_ms, const char *user_id, int64_t seq, const json_t *body)
{
	AUTO_JSON dirty = NULL;
	enum err err = keep_get(crypto, "dirty", user_id, &dirty);
	bool current = err == OK && js_int(dirty, "seq") == seq;

	if (err != OK && err != ERR_NOT_FOUND)
		return err;
	err = current ? keep_remove(crypto, "dirty", user_id) : OK;
	/* last, since it may find that the list must be queried again */
	return err == OK ? devices_take_answer(crypto, now_ms, user_id, body, current) : err;
}

static bool devices_server_failed(const json_t *body, const char *user_id)
{
	const char *colon = strchr(user_id, ':');

	return colon && json_object_get(js_obj(body, "failures"), colon + 1);
}

enum err devices_queried(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault)
{
	const char *user_id;
	json_t *seq;
	enum err err = OK;

	if (!js_obj(body, "device_keys"))
		return fault_set(fault, ERR_PROTO, "keys/query: no device_keys");
	json_object_foreach((json_t *)js_obj(context, "users"), user_id, seq)
	{
		if (devices_server_failed(body, user_id))
			err = devices_put_off(crypto, now_ms, user_id);
		else
			err = devices_settle(
			        crypto, now_ms, user_id, json_integer_value(seq), body);
		if (err != OK)
			break;
	}
	return err;
}

const char *devices_key(const json_t *device, const char *device_id, const char *algorithm)
{
	AUTO_TEXT name = x_asprintf("%s:%s", algorithm, device_id);

	return js_str(js_obj(js_obj(device, "keys"), "keys"), name);
}

const json_t *devices_by_keys(
        const json_t *row, const char *curve25519, const char *ed25519, const char **id)
{
	const char *device_id;
	json_t *device;

	json_object_foreach((json_t *)js_obj(row, "devices"), device_id, device)
	{
		const char *curve = devices_key(device, device_id, "curve25519");
		const char *ed = devices_key(device, device_id, "ed25519");

		if (curve && curve25519 && strcmp(curve, curve25519) == 0 &&
		        (!ed25519 || (ed && strcmp(ed, ed25519) == 0))) {
			*id = device_id;
			return device;
		}
	}
	return NULL;
}

const json_t *devices_by_curve25519(const json_t *row, const char *key, const char **id)
{
	return devices_by_keys(row, key, NULL, id);
}

enum crypto_sender devices_judge(const json_t *row, const json_t *device)
{
	const char *verified = js_str(row, "verified"), *pin = js_str(row, "pin");

	if (!device)
		return CRYPTO_SENDER_UNKNOWN;
	if (js_str(row, "changed"))
		return CRYPTO_SENDER_CHANGED;
	if (!json_is_true(json_object_get(device, "signed")))
		return CRYPTO_SENDER_UNSIGNED;
	return verified && pin && strcmp(verified, pin) == 0 ? CRYPTO_SENDER_VERIFIED
	                                                     : CRYPTO_SENDER_CROSS_SIGNED;
}

bool devices_allowed(const struct crypto *crypto, enum crypto_sender sender)
{
	switch (crypto->trust) {
	case CRYPTO_TRUST_ALL:
		return sender != CRYPTO_SENDER_UNKNOWN && sender != CRYPTO_SENDER_FORWARDED;
	case CRYPTO_TRUST_CROSS_SIGNED:
		return sender == CRYPTO_SENDER_CROSS_SIGNED || sender == CRYPTO_SENDER_VERIFIED;
	case CRYPTO_TRUST_VERIFIED:
		return sender == CRYPTO_SENDER_VERIFIED;
	}
	return false;
}

enum err devices_pin(struct crypto *crypto, const char *user_id, const char *master)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err == OK && js_str(row, "changed"))
		err = notice_remove(crypto, js_str(row, "changed"));
	if (err == OK) {
		json_object_set_new(row, "pin", json_string(master));
		json_object_del(row, "changed");
		if (strcmp(user_id, crypto->user_id) == 0) /* our own list */
			json_object_set_new(row, "verified", json_string(master));
		err = keep_put(crypto, "user", user_id, row);
	}
	if (err == OK)
		err = epoch_bump(crypto);
	if (err == OK)
		err = devices_mark_dirty(crypto, user_id);
	return err;
}

enum err devices_set_verified(struct crypto *crypto, const char *user_id, const char *master)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);

	if (err == OK) {
		json_object_set_new(row, "verified", json_string(master));
		err = keep_put(crypto, "user", user_id, row);
	}
	if (err == OK) {
		AUTO_JSON verified = json_pack("{s:s}", "master", master);

		err = keep_put(crypto, "verified", user_id, verified);
	}
	return err == OK ? epoch_bump(crypto) : err;
}

enum err devices_verified(struct crypto *crypto, json_t **out)
{
	struct crypto_item *items;
	size_t len;
	enum err err = keep_list(crypto, "verified", "", &items, &len);

	*out = json_array();
	for (size_t i = 0; err == OK && i < len; i++) {
		AUTO_JSON row = NULL;
		const char *verified, *pin;

		err = devices_row(crypto, items[i].key, &row);
		verified = js_str(row, "verified");
		pin = js_str(row, "pin");
		if (verified && pin && strcmp(verified, pin) == 0 && !js_str(row, "changed"))
			json_array_append_new(*out, json_string(items[i].key));
	}
	crypto_items_free(items, len);
	return err;
}

enum err crypto_identity_accept(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *master_key)
{
	AUTO_JSON row = NULL;
	enum err err = devices_row(crypto, user_id, &row);
	const char *changed = js_str(row, "changed");

	if (err != OK)
		return err;
	if (!changed || strcmp(changed, master_key) != 0 || strcmp(user_id, crypto->user_id) == 0)
		return ERR_NOT_FOUND;
	return devices_pin(crypto, user_id, master_key);
}

/*
 * machine.h - what the parts of the machine share: the struct, its store as JSON and sealed
 * secrets, and notices. Inside bot/crypto/ only.
 *
 * What is stored, by kind and key:
 *   machine  account, self, keys, identity, device_keys, epoch, news, next_request,
 *            swept (when sweep.h last ran), strangers (room keys received since then from users
 *            who share no room), caught_up (the run that last processed a /sync answer)
 *   request  number → a request that has not ended
 *   user     user id → devices, cross-signing keys, the pinned identity
 *   dirty    user id → its device list must be queried
 *   olm      Curve25519 key | session id → session
 *   nokey    user | device → when an Olm session may be tried again
 *   wedged   Curve25519 key → when a broken session was last replaced
 *   outbound room id → session
 *   shared   room id → which devices have the session
 *   late     room id → which users must still get the session
 *   inbound  room id | session id | user id → session
 *   index    session id | user id | message index → the event it was used by
 *   ask      room id | session id → the key was requested
 *   notice   what → text, and a number n that gives their order
 *
 * Errors other than those named come from the store and are returned to the caller, who rolls
 * back.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/queue.h>
#include "bot/base/alloc.h"
#include "bot/crypto/crypto.h"
#include "bot/crypto/olm.h"

#define ALGORITHM_OLM "m.olm.v1.curve25519-aes-sha2"
#define ALGORITHM_MEGOLM "m.megolm.v1.aes-sha2"
#define KEY_SEPARATOR "\x1f" /* keeps "a|b" and "a" "b" apart whatever ids hold */

struct crypto {
	struct crypto_store store;
	char *user_id, *device_id;
	struct ol_pickle_key key;
	enum crypto_trust trust;
	char curve25519[OL_KEY_SIZE], ed25519[OL_KEY_SIZE];
	char run[17];                       /* random id of this run; see room_out.c */
	struct OlmAccount *account;         /* cached, or NULL; see account.h */
	char *account_text;                 /* its pickle as stored */
	uint64_t status_changes;            /* count of writes that may change crypto_status() */
	TAILQ_HEAD(, verify) verifications; /* verify.h */
	int64_t unknown_ms; /* since when replies to unknown transactions are counted */
	unsigned unknown;
};

/* Cleanup functions, so that variables are freed when they go out of scope. */
static inline void machine_free_json(json_t **json)
{
	json_decref(*json);
}
static inline void machine_free_text(char **text)
{
	free(*text);
}
static inline void machine_free_secret(char **text)
{
	x_wipe_free_str(*text);
}
#define AUTO_JSON __attribute__((unused, cleanup(machine_free_json))) json_t *
#define AUTO_TEXT __attribute__((unused, cleanup(machine_free_text))) char *
#define AUTO_SECRET __attribute__((unused, cleanup(machine_free_secret))) char *

/* A member by its type, borrowed: NULL when it is missing or not a string or object; 0 when not an
 * integer. */
const char *js_str(const json_t *object, const char *key);
const json_t *js_obj(const json_t *object, const char *key);
int64_t js_int(const json_t *object, const char *key);
/* The object under that key, created when missing. Borrowed. */
json_t *js_make(json_t *object, const char *key);
char *js_dump(const json_t *value);
/* Whether the member equals that text; whether the array contains it. */
bool js_is(const json_t *object, const char *key, const char *value);
bool js_has(const json_t *array, const char *text);
/* For qsort(3) over texts. */
int js_by_text(const void *a, const void *b);

/* Reads a stored object. ERR_NOT_FOUND or ERR_CORRUPT (no JSON object); *out is a new reference,
 * NULL on failure. */
enum err keep_get(struct crypto *crypto, const char *kind, const char *key, json_t **out);
/* The same, but an empty object when there is none. */
enum err keep_get_or_new(struct crypto *crypto, const char *kind, const char *key, json_t **out);
enum err keep_put(struct crypto *crypto, const char *kind, const char *key, const json_t *value);
enum err keep_remove(struct crypto *crypto, const char *kind, const char *key);
enum err keep_list(struct crypto *crypto, const char *kind, const char *prefix,
        struct crypto_item **items, size_t *len);
/* Joins a and b to one key; owned by the caller. */
char *keep_key(const char *a, const char *b);

/* Encrypts and authenticates a secret under the pickle key, bound to its purpose; owned by the
 * caller. */
char *keep_seal(const struct crypto *crypto, const char *purpose, const void *data, size_t len);
bool keep_unseal(
        const struct crypto *crypto, const char *purpose, const char *text, void *out, size_t len);

/* Stores and logs something that the operator should know, once for each `what`. */
enum err notice_add(struct crypto *crypto, const char *what, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* Removes the notice when its reason is gone; if that recurs, it is logged again. */
enum err notice_remove(struct crypto *crypto, const char *what);

/* A number that changes whenever a device list is known to have changed, or what crypto_readers()
 * says of a device. */
enum err epoch_get(struct crypto *crypto, int64_t *epoch);
enum err epoch_bump(struct crypto *crypto);

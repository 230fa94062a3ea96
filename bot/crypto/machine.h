/*
 * machine.h - what the parts of the machine share: the struct, its store as JSON and sealed
 * secrets, and notices. Inside bot/crypto/ only.
 *
 * What is stored, by kind and key:
 *   machine  account, self, keys, identity, device_keys, epoch, next_request,
 *            swept (when sweep.h was done), strangers (room keys of such since),
 *            caught_up (the run that took in a /sync answer last)
 *   request  number → a request that waits for its end
 *   user     user id → devices, cross-signing keys, the identity that is pinned
 *   dirty    user id → its list must be asked for
 *   olm      Curve25519 key | session id → session
 *   nokey    user | device → no Olm session to be had before some time
 *   wedged   Curve25519 key → when a new session was begun to mend a broken one
 *   outbound room id → session;  shared: room id → who has it;  late: who shall get it
 *   inbound  room id | session id | user id → session
 *   index    session id | user id | message index → the event it was used by
 *   ask      session id → the key was asked for
 *   notice   what → text, and n that says which is newer
 *
 * Errors other than those named are the store's own, and go up to the caller, who rolls back.
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
	char run[17]; /* names this opening: sessions of an earlier one are not gone on with */
	struct OlmAccount *account;         /* kept open, or NULL; see account.h */
	char *account_text;                 /* as the store has it */
	uint64_t status_changes;            /* writes of what crypto_status() looks at */
	TAILQ_HEAD(, verify) verifications; /* verify.h */
	int64_t unknown_ms; /* since when answers to unknown transactions are counted */
	unsigned unknown;
};

/* Freed when they go out of scope. */
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

/* NULL when it is not there or not a string, an object; 0 when not an integer. */
const char *js_str(const json_t *object, const char *key);
const json_t *js_obj(const json_t *object, const char *key);
int64_t js_int(const json_t *object, const char *key);
/* The object by that key, made when it is not there. Borrowed. */
json_t *js_make(json_t *object, const char *key);
char *js_dump(const json_t *value);
/* Whether the member is that text; whether the array has that text. */
bool js_is(const json_t *object, const char *key, const char *value);
bool js_has(const json_t *array, const char *text);
/* For qsort(3) over texts. */
int js_by_text(const void *a, const void *b);

/* ERR_NOT_FOUND, ERR_CORRUPT; *out is an object and a new reference, NULL on failure. */
enum err keep_get(struct crypto *crypto, const char *kind, const char *key, json_t **out);
/* The same, but an empty object when there is none. */
enum err keep_get_or_new(struct crypto *crypto, const char *kind, const char *key, json_t **out);
enum err keep_put(struct crypto *crypto, const char *kind, const char *key, const json_t *value);
enum err keep_remove(struct crypto *crypto, const char *kind, const char *key);
enum err keep_list(struct crypto *crypto, const char *kind, const char *prefix,
        struct crypto_item **items, size_t *len);
/* a and b as one key; owned by the caller. */
char *keep_key(const char *a, const char *b);

/* Encrypted and authenticated under the pickle key, bound to its purpose. */
char *keep_seal(const struct crypto *crypto, const char *purpose, const void *data, size_t len);
bool keep_unseal(
        const struct crypto *crypto, const char *purpose, const char *text, void *out, size_t len);

/* Remembers and logs something that a person should know of, once for each `what`. */
enum err notice_add(struct crypto *crypto, const char *what, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
/* It is over; when it comes again it is told again. */
enum err notice_remove(struct crypto *crypto, const char *what);

/* A number that changes whenever a list of devices or what is held of one does. */
enum err epoch_get(struct crypto *crypto, int64_t *epoch);
enum err epoch_bump(struct crypto *crypto);

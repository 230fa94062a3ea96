/*
 * crypto.h - end-to-end encryption as a machine without a network, a clock or a database.
 *
 * The machine is given what came by /sync and what the homeserver answered, and says which
 * requests it wants sent. Everything it knows is behind `struct crypto_store`: each call reads
 * what it needs and writes what changed, and nothing that must last is kept in memory (only a
 * verification under way is, and ends with the process). So the caller's transaction is the
 * machine's: rolled back, it is as if the call had not been. Requests are stored too, with the
 * ratchets they used up; a request leaves only after the commit, and is sent again, the same byte
 * for byte, until an answer was fed back. A kill at any instruction reuses no message index and
 * no one-time key.
 *
 * One thread at a time. Every call but crypto_close() must run inside a transaction of the
 * store; when a call fails, roll back to where it began.
 *
 * At start, in one transaction:
 *   crypto_open(); commit. Afterwards send what crypto_requests() lists (keys/upload, and
 *   keys/query for our own user) before anything is encrypted. crypto_status() then says how we
 *   stand: CRYPTO_IDENTITY_NONE → crypto_bootstrap(), and optionally crypto_secrets_make();
 *   CRYPTO_IDENTITY_FOREIGN → crypto_secrets_take() with the recovery key, or tell the operator.
 *   Send no encrypted event before CRYPTO_IDENTITY_GOOD: readers hide for good what an unsigned
 *   device sent.
 * For each /sync answer, in the transaction that stores next_batch:
 *   crypto_take_sync() first, then crypto_decrypt() for each m.room.encrypted event of the
 *   timeline, in order. ERR_NOT_FOUND from it: the key is not here (yet); keep the event and try
 *   again when crypto_take_sync() said that new room keys came.
 * After each of these, and after each answer, at once and every minute:
 *   crypto_requests() in a transaction, commit, send them all (they do not depend on each other),
 *   and give each its end: crypto_answer() on a 2xx, crypto_refused() on a 4xx that no retry can
 *   mend (a 401 to device_signing/upload: send again with `auth` put into the body, see
 *   crypto_request). On anything else send the same request again, with the caller's backoff.
 * To send into an encrypted room, in the transaction that freezes the event:
 *   crypto_room_ready() with everyone who is joined or invited. CRYPTO_WAIT: commit, run the
 *   requests, try again after their answers. CRYPTO_READY: crypto_room_encrypt() in the same
 *   transaction; store what it returns as the event's wire content before anything is sent, and
 *   send those bytes in every retry.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"

struct crypto;

#define CRYPTO_PICKLE_KEY_LEN 32

struct crypto_item {
	char *key, *value;
};

/* Kind of the notices in the store, {text, n}; their keys begin so where a user's client gives this
 * device no keys, and end with the user's id. */
#define CRYPTO_NOTICE "notice"
#define CRYPTO_NOTICE_WITHHELD "withheld "

/*
 * Where the machine keeps everything: texts by kind and key. Kinds are short ASCII words, keys
 * hold no control characters. Secrets in the texts are encrypted under the pickle key.
 */
struct crypto_store {
	/* *value is owned by the caller; ERR_NOT_FOUND when there is none. */
	enum err (*get)(void *arg, const char *kind, const char *key, char **value);
	enum err (*put)(void *arg, const char *kind, const char *key, const char *value);
	/* OK also when there is none. */
	enum err (*remove)(void *arg, const char *kind, const char *key);
	/* All of a kind whose keys begin with prefix, in the keys' byte order; see
	 * crypto_items_free(). */
	enum err (*list)(void *arg, const char *kind, const char *prefix,
	        struct crypto_item **items, size_t *len);
	void *arg;
};

void crypto_items_free(struct crypto_item *items, size_t len);

/* Which devices of others get our keys, and are obeyed. */
enum crypto_trust {
	CRYPTO_TRUST_CROSS_SIGNED, /* signed by their owner */
	CRYPTO_TRUST_VERIFIED,     /* the same, and we verified the owner */
	CRYPTO_TRUST_ALL,
};

struct crypto_options {
	const char *user_id, *device_id; /* of the access token */
	uint8_t pickle_key[CRYPTO_PICKLE_KEY_LEN];
	enum crypto_trust trust;
};

/*
 * Opens what is stored, or makes a new account. Options are copied; the store is borrowed.
 * ERR_CORRUPT: the pickle key is not the one that was used. ERR_CONFIG: what is stored belongs to
 * another user or device; it is never thrown away here. On failure *out is NULL.
 */
enum err crypto_open(struct crypto **out, const struct crypto_store *store,
        const struct crypto_options *options, int64_t now_ms, struct fault *fault);
void crypto_close(struct crypto *crypto); /* NULL is allowed; wipes secrets */

/* Whether there is an account in the store. */
enum err crypto_is_stored(const struct crypto_store *store, bool *stored);
/* Whether that pickle key opens it: OK, ERR_CORRUPT (it is another one), ERR_NOT_FOUND. */
enum err crypto_key_opens(
        const struct crypto_store *store, const uint8_t pickle_key[CRYPTO_PICKLE_KEY_LEN]);

/*
 * The stored device is given up: its account, sessions and requests are forgotten, so that
 * crypto_open() makes those of another device. Our cross-signing keys, which will sign it, and
 * what is known of others stay; but when the pickle key is another one than before, nothing that
 * was encrypted under that stays, our cross-signing keys included.
 */
enum err crypto_forget_device(
        const struct crypto_store *store, const struct crypto_options *options);

/* This device's Ed25519 key, for people to compare. */
const char *crypto_fingerprint(const struct crypto *crypto);

/* ---- requests ---- */

enum crypto_request_kind {
	CRYPTO_KEYS_UPLOAD,
	CRYPTO_KEYS_QUERY,
	CRYPTO_KEYS_CLAIM,
	CRYPTO_TO_DEVICE,
	/* Needs user-interactive authentication when the account has had keys before: on 401 the
	 * caller may send it again with `auth` added to the body's top level. */
	CRYPTO_SIGNING_UPLOAD,
	CRYPTO_SIGNATURES_UPLOAD,
	CRYPTO_ACCOUNT_DATA,
	/* A verification's event for a room. Without a path: `room_id`, `type` and `body` as
	 * content, to be sent like any other event of ours, encrypted where the room is; with one:
	 * to be sent as it is. */
	CRYPTO_ROOM_EVENT,
};

struct crypto_request {
	int64_t id;
	enum crypto_request_kind kind;
	char *method; /* "POST", "PUT" */
	char *path;   /* after "/_matrix/client", percent-encoded; may be NULL for CRYPTO_ROOM_EVENT
	               */
	char *body;   /* JSON */
	char *room_id, *type; /* CRYPTO_ROOM_EVENT without a path only */
};

/* All that wait for an end, oldest first, those under way included: the caller knows by their ids
 * which it has sent already. Makes new ones where they are due. */
enum err crypto_requests(
        struct crypto *crypto, int64_t now_ms, struct crypto_request **out, size_t *len);
void crypto_requests_free(struct crypto_request *requests, size_t len);

/* A 2xx answer. An id that is not known (its end was fed back before) is OK. ERR_PROTO: the
 * answer is not what was asked for; the request stays and may be sent again. */
enum err crypto_answer(
        struct crypto *crypto, int64_t now_ms, int64_t id, const json_t *body, struct fault *fault);
/* A final refusal. What needed the request goes without it, or asks again later. */
enum err crypto_refused(struct crypto *crypto, int64_t now_ms, int64_t id, const char *reason);

/* ---- /sync ---- */

/* `sync` is the whole answer: to_device, device_lists, device_one_time_keys_count and
 * device_unused_fallback_key_types are looked at. *new_keys: room keys came, what could not be
 * decrypted may be tried again. Bad events cost only themselves. */
enum err crypto_take_sync(
        struct crypto *crypto, int64_t now_ms, const json_t *sync, bool *new_keys);

/*
 * What is stored is older than what was sent (a backup was put back): nothing is sent over the
 * sessions that are here before the other end answered over them, and rooms get new ones.
 */
enum err crypto_went_back(struct crypto *crypto);

/* Any list of devices may have changed unseen: all that are followed are asked for again. */
enum err crypto_lists_missed(struct crypto *crypto);

/* ---- rooms ---- */

struct crypto_room {
	const char *room_id;
	const char *const *users; /* joined and invited, ourselves included or not */
	size_t users_len;
	int64_t rotation_ms, rotation_msgs; /* of m.room.encryption; 0 = default */
};

enum crypto_ready { CRYPTO_WAIT, CRYPTO_READY };

/* Brings the room's session to where everyone who is allowed has it. */
enum err crypto_room_ready(struct crypto *crypto, int64_t now_ms, const struct crypto_room *room,
        enum crypto_ready *ready);
/*
 * Encrypts an event; *wire is m.room.encrypted's content as text, owned by the caller. To be
 * called right after crypto_room_ready() said CRYPTO_READY, in the same transaction;
 * ERR_INVALID when there is no session.
 */
enum err crypto_room_encrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const char *type, const json_t *content, char **wire);

/*
 * Who of these members, ourselves left out, can read what is sent to their room; a new reference:
 * {members, readers, unknown: how many, held: [{user_id, reads, cause, devices: [{device_id,
 * cause}]}]}. `held` has who has a device that is given no keys, or none at all; reads: another
 * device can. cause (null where reads): "no_devices", "not_cross_signed", "not_verified",
 * "identity_changed", "no_one_time_key". Members whose devices are not known yet are counted as
 * unknown alone.
 */
enum err crypto_readers(
        struct crypto *crypto, int64_t now_ms, const char *const *users, size_t len, json_t **out);
/* A number that is another one whenever what that says may be. */
enum err crypto_epoch(struct crypto *crypto, int64_t *epoch);

enum crypto_sender {
	CRYPTO_SENDER_UNKNOWN,      /* the sending device is not in the sender's list (any more) */
	CRYPTO_SENDER_UNSIGNED,     /* its owner has not signed it */
	CRYPTO_SENDER_FORWARDED,    /* another device gave us the key: the sender is not proven */
	CRYPTO_SENDER_CHANGED,      /* its owner's identity is not the one we knew */
	CRYPTO_SENDER_CROSS_SIGNED, /* signed by its owner */
	CRYPTO_SENDER_VERIFIED,     /* and we verified the owner */
};

struct crypto_event {
	char *type;
	json_t *content;
	char *device_id; /* of the sender, NULL when unknown */
	enum crypto_sender sender;
	bool obey; /* the trust rule allows to act on it */
};

void crypto_event_finish(struct crypto_event *event);

/*
 * Decrypts an m.room.encrypted event of a room. ERR_NOT_FOUND: no key for it, asked for when
 * `ask` is set. ERR_DENIED: replayed, or its session is another sender's or room's.
 * ERR_INVALID: not what it should be. The fault says more, and a notice does so once: after these
 * two nothing is to be rolled back.
 */
enum err crypto_decrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const json_t *event, bool ask, struct crypto_event *out, struct fault *fault);

/* ---- our identity ---- */

enum crypto_identity {
	CRYPTO_IDENTITY_UNKNOWN,  /* the homeserver has not told yet */
	CRYPTO_IDENTITY_NONE,     /* the account has no cross-signing keys */
	CRYPTO_IDENTITY_FOREIGN,  /* it has, and we do not hold them */
	CRYPTO_IDENTITY_CHANGED,  /* it has others than those we hold or knew */
	CRYPTO_IDENTITY_UNSIGNED, /* we hold them; uploads are under way */
	CRYPTO_IDENTITY_GOOD,     /* this device is signed */
};

struct crypto_status {
	enum crypto_identity identity;
	bool uploaded;    /* the device keys are on the server */
	char *master_key; /* ours, NULL when unknown */
	json_t *verified; /* array of strings: other users whose present identity was verified */
	/* array of strings, oldest first: what was refused or went wrong, each once */
	json_t *notices;
};

enum err crypto_status(struct crypto *crypto, struct crypto_status *out);
/* Another number when the status may be another one than at an earlier call; a transaction that is
 * rolled back may raise it for nothing. */
uint64_t crypto_status_changes(const struct crypto *crypto);
void crypto_status_finish(struct crypto_status *status);
const char *crypto_identity_name(enum crypto_identity identity);

/* Makes and uploads cross-signing keys. ERR_EXISTS when the account or we have some already. */
enum err crypto_bootstrap(struct crypto *crypto, int64_t now_ms, struct fault *fault);

/* Stores our cross-signing keys in secret storage. *recovery_key is owned by the caller, who
 * shows it once and wipes it (x_wipe_free_str()). ERR_NOT_FOUND when we hold none. */
enum err crypto_secrets_make(struct crypto *crypto, int64_t now_ms, char **recovery_key);
/*
 * Takes the cross-signing keys out of secret storage and signs this device. `recovery` is a
 * recovery key or, where the key was made of one, a passphrase. account_data: object of
 * {type: content}, see crypto_secrets_types(). ERR_DENIED: the recovery key does not fit.
 * ERR_INVALID: what is stored is not the account's key. ERR_NOT_FOUND: nothing is stored.
 */
enum err crypto_secrets_take(struct crypto *crypto, int64_t now_ms, const char *recovery,
        const json_t *account_data, struct fault *fault);
/* The account data that crypto_secrets_take() needs: first m.secret_storage.default_key alone
 * (account_data NULL), then the rest. Array of strings, a new reference. */
json_t *crypto_secrets_types(const json_t *account_data);

/* ---- identities of others ---- */

/* Takes a user's changed identity as the one to trust from now on. ERR_NOT_FOUND: it did not
 * change to that key. */
enum err crypto_identity_accept(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *master_key);

/* ---- verification by emoji (m.sas.v1) ----
 *
 * Others ask for it, by to-device events (crypto_take_sync() sees them) or in a room; a person
 * on the host accepts it, compares and confirms. It is in memory alone and ends with the process;
 * crypto_requests() moves it on, and is to be called every few seconds while one is under way.
 */

/* Whether an event of a room belongs to a verification. */
bool crypto_is_verification(const char *type, const json_t *content);

/* Such an event, decrypted where the room is encrypted; all borrowed. */
struct crypto_verification {
	const char *room_id, *event_id, *sender, *type;
	const char *device_id; /* that encrypted it, or NULL */
	bool encrypted;        /* the room is; so will be what answers it */
	bool direct;           /* the room is not one that events are posted to */
	int64_t sent_ms;
	const json_t *content;
};

enum err crypto_take_verification(
        struct crypto *crypto, int64_t now_ms, const struct crypto_verification *in);

/*
 * Those under way and those that ended in the last minutes, oldest first; a new reference to an
 * array of objects: id, user_id, device_id, fingerprint (of that device, null = not known yet),
 * identity (their master key, likewise), identity_changed, own (it is our own account's),
 * room_id (null = by to-device events), state ("requested", "ready", "started", "compare",
 * "confirmed", "done", "cancelled"), since_ms, until_ms, code and reason of a cancel, by_them;
 * and while there is something to compare, emoji [{emoji, name}] and decimals.
 */
enum err crypto_verifications(struct crypto *crypto, json_t **out);

/* A person's word. ERR_NOT_FOUND: no such verification. ERR_CANCELED: it was cancelled.
 * ERR_INVALID: not now. The fault says more. */

/* ERR_BUSY: their devices are being asked for, try again. ERR_DENIED: they have nothing that
 * could be verified; it is cancelled. Both are to be committed. */
enum err crypto_verify_accept(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault);
/* The emoji match. */
enum err crypto_verify_confirm(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault);
/* mismatch: the emoji do not match. */
enum err crypto_verify_cancel(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, bool mismatch, struct fault *fault);

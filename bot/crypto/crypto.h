/*
 * crypto.h - end-to-end encryption as a machine without a network, a clock or a database.
 *
 * The machine is given the /sync answers and the answers to its requests, and returns the requests
 * to send. All its state is in `struct crypto_store`: each call reads what it needs and writes what
 * changed, and nothing that must persist is kept in memory (only verifications in progress are, and
 * they end with the process). So the caller's transaction covers the machine as well: when it is
 * rolled back, the call has had no effect. Requests are stored together with the ratchet states
 * they used up; a request is sent only after the commit, and is repeated byte for byte until its
 * answer was passed back. So no message index and no one-time key is used twice, wherever the
 * process is killed.
 *
 * Not thread-safe: one thread at a time may use it. Every call but crypto_close() must run inside
 * a transaction of the store; when a call fails, roll back to where it began.
 *
 * At start, in one transaction:
 *   crypto_open(); commit. Afterwards send what crypto_requests() lists (keys/upload, and
 *   keys/query for our own user) before anything is encrypted. crypto_status() then reports our
 *   identity: CRYPTO_IDENTITY_NONE → crypto_bootstrap(), and optionally crypto_secrets_make();
 *   CRYPTO_IDENTITY_FOREIGN → crypto_secrets_take() with the recovery key, or tell the operator.
 *   Send no encrypted event before CRYPTO_IDENTITY_GOOD: clients may permanently hide messages of
 *   a device that is not cross-signed.
 * For each /sync answer, in the transaction that stores next_batch:
 *   crypto_take_sync() first, then crypto_decrypt() for each m.room.encrypted event of the
 *   timeline, in order. ERR_NOT_FOUND means that its key has not arrived (yet); keep the event and
 *   try again when crypto_take_sync() reports new room keys.
 * After each of these, after each answer, and every minute:
 *   crypto_requests() in a transaction, commit, send them all (they do not depend on each other),
 *   and report how each ended: crypto_answer() on a 2xx, crypto_refused() on a 4xx that no retry
 *   can fix (a 401 to device_signing/upload: send again with `auth` put into the body, see
 *   crypto_request). On anything else send the same request again, with the caller's backoff.
 * To send into an encrypted room, in the transaction that freezes the event:
 *   crypto_room_ready() with everyone who is joined or invited. CRYPTO_WAIT: commit, run the
 *   requests, try again after their answers. CRYPTO_READY: crypto_room_encrypt() in the same
 *   transaction; store what it returns as the event's wire content before anything is sent, and
 *   send those bytes in every retry.
 *
 * What it costs: a message to a room whose members and devices have the key, a message that is
 * decrypted, an answer of /sync without to-device events, and a look at requests when none is due,
 * read a fixed number of values from the store, however many rooms, members and devices it knows.
 * One of them names all who have the key, so it is as long as they are many. A key that is shared
 * anew costs as many values for each member and device as for any other. A device that lost its
 * keys costs a look at all rooms, and once a day all that is kept of other users is looked through
 * (sweep.h).
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

/* Kind of the notices in the store: {text, n}, see machine.h. A notice that a user's client
 * withholds room keys from this device has the key given below, followed by the user's id. */
#define CRYPTO_NOTICE "notice"
#define CRYPTO_NOTICE_WITHHELD "withheld "

/*
 * Where the machine keeps its state: texts by kind and key. Kinds are short ASCII words, keys hold
 * no control characters. Secrets in the texts are encrypted under the pickle key.
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

/* Which devices of other users get our room keys and may give commands. */
enum crypto_trust {
	CRYPTO_TRUST_CROSS_SIGNED, /* cross-signed by their owner */
	CRYPTO_TRUST_VERIFIED,     /* cross-signed, and we verified the owner */
	CRYPTO_TRUST_ALL,
};

struct crypto_options {
	const char *user_id, *device_id; /* of the access token */
	uint8_t pickle_key[CRYPTO_PICKLE_KEY_LEN];
	enum crypto_trust trust;
};

/*
 * Opens the stored account, or creates one. Options are copied; the store is borrowed.
 * ERR_CORRUPT: the pickle key is not the one that the store was written with. ERR_CONFIG: the
 * stored account belongs to another user or device; it is never deleted here. On failure *out is
 * NULL.
 */
enum err crypto_open(struct crypto **out, const struct crypto_store *store,
        const struct crypto_options *options, int64_t now_ms, struct fault *fault);
void crypto_close(struct crypto *crypto); /* NULL is allowed; wipes secrets */

/* Whether there is an account in the store. */
enum err crypto_is_stored(const struct crypto_store *store, bool *stored);
/* Whether that pickle key opens the stored account: OK, ERR_CORRUPT (wrong key), ERR_NOT_FOUND (no
 * account). */
enum err crypto_key_opens(
        const struct crypto_store *store, const uint8_t pickle_key[CRYPTO_PICKLE_KEY_LEN]);

/*
 * Deletes the stored device: its account, sessions and requests, so that crypto_open() creates a
 * new device. Our cross-signing keys, which will sign the new device, and what is known of other
 * users are kept; but when the pickle key differs from the one used before, everything encrypted
 * under the old one is deleted, our cross-signing keys included.
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
	/* May need user-interactive authentication when the account already has cross-signing
	 * keys: on 401 the caller may send it again with `auth` added to the body's top level. */
	CRYPTO_SIGNING_UPLOAD,
	CRYPTO_SIGNATURES_UPLOAD,
	CRYPTO_ACCOUNT_DATA,
	/* A verification's event for a room. Without a path: `room_id`, `type` and `body` (the
	 * content) are to be sent like any other event of ours, encrypted where the room is
	 * encrypted. With a path: to be sent unchanged. */
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

/* Lists all requests that have not ended, oldest first, including those in flight: the caller
 * knows by their ids which it has sent already. Creates new ones where they are due. */
enum err crypto_requests(
        struct crypto *crypto, int64_t now_ms, struct crypto_request **out, size_t *len);
void crypto_requests_free(struct crypto_request *requests, size_t len);

/* A 2xx answer. An unknown id (its request has already ended) is OK. ERR_PROTO: the answer is
 * malformed; the request is kept and may be sent again. */
enum err crypto_answer(
        struct crypto *crypto, int64_t now_ms, int64_t id, const json_t *body, struct fault *fault);
/* The homeserver refused the request for good. What needed it does without, or asks again later. */
enum err crypto_refused(struct crypto *crypto, int64_t now_ms, int64_t id, const char *reason);

/* ---- /sync ---- */

/* `sync` is the whole answer: to_device, device_lists, device_one_time_keys_count and
 * device_unused_fallback_key_types are read. *new_keys: room keys arrived, so events that could
 * not be decrypted may be tried again. A malformed event is skipped and affects no other. */
enum err crypto_take_sync(
        struct crypto *crypto, int64_t now_ms, const json_t *sync, bool *new_keys);

/*
 * Call when the store is older than what was sent from it (a backup was restored): a stored Olm
 * session is never used for sending again, and rooms get new Megolm sessions, so that no message
 * index is used twice.
 */
enum err crypto_went_back(struct crypto *crypto);

/* Call when changes of device lists may have been missed: queries all tracked lists again. */
enum err crypto_lists_missed(struct crypto *crypto);

/* ---- rooms ---- */

struct crypto_room {
	const char *room_id;
	const char *const *users; /* joined and invited, ourselves included or not */
	size_t users_len;
	int64_t rotation_ms, rotation_msgs; /* from m.room.encryption; 0 = default */
};

enum crypto_ready { CRYPTO_WAIT, CRYPTO_READY };

/* Makes sure that the room has a session and that every device which may read it gets its key. */
enum err crypto_room_ready(struct crypto *crypto, int64_t now_ms, const struct crypto_room *room,
        enum crypto_ready *ready);
/*
 * Encrypts an event; *wire is the content of the m.room.encrypted event as text, owned by the
 * caller. Call it right after crypto_room_ready() returned CRYPTO_READY, in the same transaction;
 * ERR_INVALID when there is no session.
 */
enum err crypto_room_encrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const char *type, const json_t *content, char **wire);

/*
 * Which of these members, the bot excluded, can read what is sent to their room; a new reference:
 * {members, readers, unknown: counts, held: [{user_id, reads, cause, devices: [{device_id,
 * cause}]}]}. `held` lists the members with no device at all, or with a device that gets no keys;
 * `reads` says that another device of theirs does get them. cause (null where reads is true):
 * "no_devices", "not_cross_signed", "not_verified", "identity_changed", "no_one_time_key". Members
 * whose devices are not known yet are counted in `unknown` only.
 */
enum err crypto_readers(
        struct crypto *crypto, int64_t now_ms, const char *const *users, size_t len, json_t **out);
/* A number that changes whenever the result of crypto_readers() may have changed. */
enum err crypto_epoch(struct crypto *crypto, int64_t *epoch);

enum crypto_sender {
	CRYPTO_SENDER_UNKNOWN,   /* the sending device is not in the sender's list (any more) */
	CRYPTO_SENDER_UNSIGNED,  /* not cross-signed by its owner */
	CRYPTO_SENDER_FORWARDED, /* another device forwarded the key, so the sender is not proven */
	CRYPTO_SENDER_CHANGED,   /* its owner's cross-signing identity changed */
	CRYPTO_SENDER_CROSS_SIGNED, /* cross-signed by its owner */
	CRYPTO_SENDER_VERIFIED,     /* cross-signed, and we verified the owner */
};

struct crypto_event {
	char *type;
	json_t *content;
	char *device_id; /* of the sender, NULL when unknown */
	enum crypto_sender sender;
	bool obey; /* commands in it may be carried out, by the trust rule */
};

void crypto_event_finish(struct crypto_event *event);

/*
 * Decrypts an m.room.encrypted event of a room. ERR_NOT_FOUND: its key is missing, and is
 * requested when `ask` is set. ERR_DENIED: a replay, or its session belongs to another sender or
 * room. ERR_INVALID: malformed. For these two the fault has the details and a notice was stored, so
 * commit the transaction.
 */
enum err crypto_decrypt(struct crypto *crypto, int64_t now_ms, const char *room_id,
        const json_t *event, bool ask, struct crypto_event *out, struct fault *fault);

/* ---- our identity ---- */

enum crypto_identity {
	CRYPTO_IDENTITY_UNKNOWN,  /* the homeserver has not answered yet */
	CRYPTO_IDENTITY_NONE,     /* the account has no cross-signing keys */
	CRYPTO_IDENTITY_FOREIGN,  /* it has, but we do not hold the private keys */
	CRYPTO_IDENTITY_CHANGED,  /* its keys are not those that we hold or knew */
	CRYPTO_IDENTITY_UNSIGNED, /* we hold them; uploads are in progress */
	CRYPTO_IDENTITY_GOOD,     /* this device is cross-signed */
};

struct crypto_status {
	enum crypto_identity identity;
	bool uploaded;    /* the device keys are on the server */
	char *master_key; /* ours, NULL when unknown */
	json_t *verified; /* array of strings: other users whose current identity we verified */
	/* array of strings, oldest first: refusals and problems, each once */
	json_t *notices;
};

enum err crypto_status(struct crypto *crypto, struct crypto_status *out);
/* A number that grows whenever the result of crypto_status() may have changed; a transaction that
 * is rolled back may raise it needlessly. */
uint64_t crypto_status_changes(const struct crypto *crypto);
void crypto_status_finish(struct crypto_status *status);
const char *crypto_identity_name(enum crypto_identity identity);

/* Creates and uploads cross-signing keys. ERR_EXISTS when the account has some, or we hold some,
 * and may_replace is not set: replacing them is for people to decide. */
enum err crypto_bootstrap(
        struct crypto *crypto, int64_t now_ms, bool may_replace, struct fault *fault);

/* Stores our cross-signing keys in secret storage. *recovery_key is owned by the caller, who
 * shows it once and wipes it (x_wipe_free_str()). ERR_NOT_FOUND when we hold none. */
enum err crypto_secrets_make(struct crypto *crypto, int64_t now_ms, char **recovery_key);
/*
 * Reads the cross-signing keys from secret storage and signs this device. `recovery` is a recovery
 * key or, where the storage key is derived from one, a passphrase. account_data: object of {type:
 * content}, see crypto_secrets_types(). ERR_DENIED: the recovery key is wrong. ERR_INVALID: the
 * stored keys are not the account's. ERR_NOT_FOUND: nothing is stored.
 */
enum err crypto_secrets_take(struct crypto *crypto, int64_t now_ms, const char *recovery,
        const json_t *account_data, struct fault *fault);
/* The account data that crypto_secrets_take() needs: first m.secret_storage.default_key alone
 * (account_data NULL), then the rest. Array of strings, a new reference. */
json_t *crypto_secrets_types(const json_t *account_data);

/* ---- identities of others ---- */

/* Accepts a user's changed identity: that master key is trusted from now on. ERR_NOT_FOUND: it did
 * not change to that key. */
enum err crypto_identity_accept(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *master_key);

/* ---- verification by emoji (m.sas.v1) ----
 *
 * Other users request it, by to-device events (crypto_take_sync() handles them) or in a room; a
 * person on the host accepts it, compares the emoji and confirms. A verification is kept in memory
 * only and ends with the process; crypto_requests() advances it, so call it every few seconds while
 * one is in progress. */

/* Whether an event of a room belongs to a verification. */
bool crypto_is_verification(const char *type, const json_t *content);

/* An event of a verification in a room, decrypted where the room is encrypted; all members are
 * borrowed. */
struct crypto_verification {
	const char *room_id, *event_id, *sender, *type;
	const char *device_id; /* the device that encrypted it, or NULL */
	bool encrypted;        /* the room is encrypted, so replies are encrypted too */
	bool direct; /* not a configured room: replies do not go through a room's delivery queue */
	int64_t sent_ms;
	const json_t *content;
};

enum err crypto_take_verification(
        struct crypto *crypto, int64_t now_ms, const struct crypto_verification *in);

/*
 * Lists verifications in progress and those that ended in the last minutes, oldest first; a new
 * reference to an array of objects: id, user_id, device_id, fingerprint (of that device, null = not
 * known yet), identity (their master key, null = not known yet), identity_changed, own (the device
 * belongs to our own account), room_id (null = by to-device events), state ("requested", "ready",
 * "started", "compare", "confirmed", "done", "cancelled"), since_ms, until_ms, code and reason of
 * a cancellation, by_them (the other side cancelled); and while there is something to compare,
 * emoji [{emoji, name}] and decimals.
 */
enum err crypto_verifications(struct crypto *crypto, json_t **out);

/* The three calls below carry out a person's decision. ERR_NOT_FOUND: no such verification.
 * ERR_CANCELED: it was cancelled. ERR_INVALID: not possible in its current state. The fault has the
 * details. */

/* Accepts the request. ERR_BUSY: their devices are being queried, try again. ERR_DENIED: nothing
 * of theirs can be verified (the homeserver does not know the device, for example), and the
 * verification is cancelled. Commit the transaction after both. */
enum err crypto_verify_accept(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault);
/* A person confirms that the emoji match. */
enum err crypto_verify_confirm(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, struct fault *fault);
/* mismatch: a person says that the emoji do not match; otherwise a plain cancellation. */
enum err crypto_verify_cancel(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *id, bool mismatch, struct fault *fault);

/*
 * devices.h - lists of devices and identities of users, ours included: which must be asked for,
 * what came of it, whom to trust. Inside bot/crypto/ only.
 *
 * A user's row: `devices` {id: {keys: device keys, signed: by the owner's self-signing key}},
 * `master` and `self` (checked), `pin` (the master key that was seen first or accepted),
 * `changed` (another master key that came since), `verified` (the master key we verified),
 * `queried`, `followed`, `guest_ms` (followed for a key that came, no room is known to be shared).
 */
#pragma once

#include "bot/crypto/machine.h"

/* Follows the user's list from now on. */
enum err devices_track(struct crypto *crypto, const char *user_id);
/* The same for a while, for somebody with whom we may share no room. */
enum err devices_track_guest(struct crypto *crypto, int64_t now_ms, const char *user_id);
/* Whether we share no room with the user of that row, as far as is known. */
bool devices_is_stranger(const json_t *row);
/* The list may have changed; nothing when the user is not followed. */
enum err devices_mark_dirty(struct crypto *crypto, const char *user_id);
enum err devices_take_sync(struct crypto *crypto, const json_t *sync);
/* Whether a newer list must be waited for. A server that does not answer is not waited for. */
enum err devices_must_wait(struct crypto *crypto, int64_t now_ms, const char *user_id, bool *wait);
/* Whether the list is the newest, as far as we were told. */
enum err devices_are_current(struct crypto *crypto, const char *user_id, bool *current);

/* Asks for the lists that are due, unless an answer is awaited. */
enum err devices_query(struct crypto *crypto, int64_t now_ms);
enum err devices_queried(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault);
/* One user's part of the answer (devices_answer.c). current: nothing changed since it was asked
 * for; what an older answer lacks may be there by now. */
enum err devices_take_answer(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const json_t *body, bool current);
enum err devices_unanswered(struct crypto *crypto, int64_t now_ms, const json_t *context);

/* The user's row, an empty object when nothing is known. A new reference. */
enum err devices_row(struct crypto *crypto, const char *user_id, json_t **row);
/* The device with that Curve25519 key; *id is borrowed from the row. NULL when there is none. */
const json_t *devices_by_curve25519(const json_t *row, const char *key, const char **id);
/* The same with that Ed25519 key too: anybody may claim another device's Curve25519 key. */
const json_t *devices_by_keys(
        const json_t *row, const char *curve25519, const char *ed25519, const char **id);
/* A device's public key, algorithm "ed25519" or "curve25519". */
const char *devices_key(const json_t *device, const char *device_id, const char *algorithm);
/* What a device is to us. */
enum crypto_sender devices_judge(const json_t *row, const json_t *device);
/* Whether the trust rule allows it to get our keys and to be obeyed. */
bool devices_allowed(const struct crypto *crypto, enum crypto_sender sender);
/* The key that the user's master key must be from now on. */
enum err devices_pin(struct crypto *crypto, const char *user_id, const char *master);
/* We compared the user's master key. */
enum err devices_set_verified(struct crypto *crypto, const char *user_id, const char *master);
/* Ids of users whose present identity we verified; a new reference. */
enum err devices_verified(struct crypto *crypto, json_t **out);

/*
 * devices.h - device lists and cross-signing identities of users, ours included: which must be
 * queried, what is known, and which devices are trusted. Inside bot/crypto/ only.
 *
 * The stored row of a user: `devices` {id: {keys: device keys, signed: whether the owner's
 * self-signing key signed them}}, `master` and `self` (checked), `pin` (the master key that was
 * seen first or accepted), `changed` (another master key that came since), `verified` (the master
 * key we verified), `queried`, `followed`, `guest_ms` (when it was tracked only because a room key
 * came from the user, with no shared room known).
 */
#pragma once

#include "bot/crypto/machine.h"

/* Tracks the user's device list from now on. */
enum err devices_track(struct crypto *crypto, const char *user_id);
/* Tracks it for a limited time, for a user with whom we may share no room. */
enum err devices_track_guest(struct crypto *crypto, int64_t now_ms, const char *user_id);
/* Whether no room is known to be shared with the user of that row. */
bool devices_is_stranger(const json_t *row);
/* Marks the list as possibly changed; does nothing when the user is not tracked. */
enum err devices_mark_dirty(struct crypto *crypto, const char *user_id);
enum err devices_take_sync(struct crypto *crypto, const json_t *sync);
/* Whether to wait for a newer list. Nobody waits for a server that does not answer. */
enum err devices_must_wait(struct crypto *crypto, int64_t now_ms, const char *user_id, bool *wait);
/* Whether a change of one of these users' lists was reported and not asked about yet. A list that
 * could not be had when it was asked for is no news. */
enum err devices_have_news(
        struct crypto *crypto, const char *const *users, size_t users_len, bool *news);
/* Whether the list is the newest, as far as the homeserver has reported changes. */
enum err devices_are_current(struct crypto *crypto, const char *user_id, bool *current);

/* Queries the lists that are due, unless a query is in flight. */
enum err devices_query(struct crypto *crypto, int64_t now_ms);
enum err devices_queried(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault);
/* Reads one user's part of a keys/query answer (devices_answer.c). current: no change was reported
 * since the query; what an outdated answer lacks may exist by now. */
enum err devices_take_answer(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const json_t *body, bool current);
enum err devices_unanswered(struct crypto *crypto, int64_t now_ms, const json_t *context);

/* The user's row; an empty object when nothing is known. A new reference. */
enum err devices_row(struct crypto *crypto, const char *user_id, json_t **row);
/* The device with that Curve25519 key; *id is borrowed from the row. NULL when there is none. */
const json_t *devices_by_curve25519(const json_t *row, const char *key, const char **id);
/* As above, but the Ed25519 key must match too, since anybody may publish another device's
 * Curve25519 key as their own. */
const json_t *devices_by_keys(
        const json_t *row, const char *curve25519, const char *ed25519, const char **id);
/* A device's public key, algorithm "ed25519" or "curve25519". */
const char *devices_key(const json_t *device, const char *device_id, const char *algorithm);
/* How far a device is trusted. */
enum crypto_sender devices_judge(const json_t *row, const json_t *device);
/* Whether the trust rule lets such a device get our room keys and give commands. */
bool devices_allowed(const struct crypto *crypto, enum crypto_sender sender);
/* Pins the user's master key: any other one counts as a changed identity from now on. */
enum err devices_pin(struct crypto *crypto, const char *user_id, const char *master);
/* Records that we verified the user's master key. */
enum err devices_set_verified(struct crypto *crypto, const char *user_id, const char *master);
/* Ids of users whose current identity we verified; a new reference. */
enum err devices_verified(struct crypto *crypto, json_t **out);

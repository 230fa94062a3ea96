/*
 * identity.h - our own cross-signing keys. Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

enum identity_key { IDENTITY_MASTER, IDENTITY_SELF, IDENTITY_USER, IDENTITY_KEYS };

#define IDENTITY_SEEDS_LEN ((size_t)IDENTITY_KEYS * OL_SEED_LEN)

/* Queues what is due: the upload of the keys, then of the signatures. */
enum err identity_step(struct crypto *crypto, int64_t now_ms);
enum err identity_uploaded(struct crypto *crypto);
enum err identity_signed(
        struct crypto *crypto, int64_t now_ms, const json_t *context, const json_t *body);
enum err identity_refused(struct crypto *crypto, int64_t now_ms, const char *reason);
/* Call when the server's list of our devices arrived; device_signed: it shows this device
 * cross-signed. */
enum err identity_seen(struct crypto *crypto, int64_t now_ms, bool device_signed);

/* Adds our self-signing key's signature to device keys; ERR_NOT_FOUND when we hold none. */
enum err identity_sign_device(struct crypto *crypto, json_t *device_keys);
/* Records that we verified another user: signs the master key and queues the upload of the
 * signature. ERR_NOT_FOUND when we hold no user-signing key. */
enum err identity_sign_user(struct crypto *crypto, const char *user_id, const json_t *master);
/* One of our public keys, "" when we hold none. */
enum err identity_public(struct crypto *crypto, enum identity_key which, char out[OL_KEY_SIZE]);
/* The seeds in the order of enum identity_key; to be wiped. ERR_NOT_FOUND when we hold none. */
enum err identity_seeds(struct crypto *crypto, uint8_t seeds[IDENTITY_SEEDS_LEN]);
/* Stores the seeds; on_server: the public keys are already published. */
enum err identity_adopt(
        struct crypto *crypto, const uint8_t seeds[IDENTITY_SEEDS_LEN], bool on_server);

/*
 * sessions.h - Olm sessions with other devices, by their Curve25519 key. Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

/* No stored session is used for sending any more; see crypto_went_back(). */
enum err sessions_went_back(struct crypto *crypto);
enum err sessions_have(struct crypto *crypto, const char *curve25519, bool *have);
/* Creates a session from a claimed key whose signature the caller has verified. ERR_INVALID: not a
 * key. */
enum err sessions_begin(
        struct crypto *crypto, int64_t now_ms, const char *curve25519, const char *one_time_key);
/*
 * Encrypts an event for a device; the ratchet is stored. `device` is its part of the user's row
 * (devices.h). *out is the content of the m.room.encrypted event, a new reference. ERR_NOT_FOUND
 * when there is no session.
 */
enum err sessions_encrypt(struct crypto *crypto, const char *user_id, const char *device_id,
        const json_t *device, const char *type, const json_t *content, json_t **out);
/* Decrypts with the session that fits, creating one from a pre-key message. ERR_INVALID when none
 * fits. */
enum err sessions_decrypt(struct crypto *crypto, int64_t now_ms, const char *curve25519, int type,
        const char *message, char **plaintext);

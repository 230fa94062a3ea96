/*
 * claim.h - one-time keys of others, to begin Olm sessions with. Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

/* Asks for a key of each of {user: {device: anything}}, borrowed. */
enum err claim_add(struct crypto *crypto, const json_t *devices, bool dummy);
enum err claim_answered(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault);
enum err claim_refused(struct crypto *crypto, int64_t now_ms, const json_t *context);

/* Leaves a device without a session for a while, longer each time. */
enum err claim_put_off(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *device_id);
/* When it may be tried again, 0 = now. */
enum err claim_put_off_until(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, int64_t *until_ms);

/* A message of a known device did not decrypt: begins a new session, once an hour at most. */
enum err claim_mend(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, const char *curve25519);
/* Asks for the keys that claim_mend() needs. */
enum err claim_wedged(struct crypto *crypto, int64_t now_ms);

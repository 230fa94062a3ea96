/*
 * claim.h - claims one-time keys of other devices, to begin Olm sessions with them. Inside
 * bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

/* Queues a claim of one key for each device in {user: {device: anything}}, which is borrowed.
 * dummy: each new session replaces a broken one, so an m.dummy is sent in it. */
enum err claim_add(struct crypto *crypto, const json_t *devices, bool dummy);
enum err claim_answered(struct crypto *crypto, int64_t now_ms, const json_t *context,
        const json_t *body, struct fault *fault);
enum err claim_refused(struct crypto *crypto, int64_t now_ms, const json_t *context);

/* Does not claim keys of a device for a while, longer each time. */
enum err claim_put_off(
        struct crypto *crypto, int64_t now_ms, const char *user_id, const char *device_id);
/* The time from which keys of the device may be claimed again, 0 = now. */
enum err claim_put_off_until(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, int64_t *until_ms);

/* Call when the device wrote to us in an Olm session: it can get keys, one-time keys or none. */
enum err claim_met(struct crypto *crypto, const char *user_id, const char *device_id);

/* Call when a message of a known device cannot be decrypted: replaces the session with that
 * device, once an hour at most. */
enum err claim_mend(struct crypto *crypto, int64_t now_ms, const char *user_id,
        const char *device_id, const char *curve25519);
/* Queues the claims that claim_mend() asked for. */
enum err claim_wedged(struct crypto *crypto, int64_t now_ms);

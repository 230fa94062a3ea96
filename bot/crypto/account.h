/*
 * account.h - this device's own keys: identity, one-time and fallback keys, and their upload.
 * Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

enum err account_create(struct crypto *crypto, int64_t now_ms);
/*
 * Loads the stored account. The caller releases it with account_done() or, when it was changed and
 * not saved, with ol_account_free(). It is cached while the store still holds the pickle that it
 * was opened from or saved as, so after a rollback it is opened again from the store.
 */
enum err account_load(struct crypto *crypto, struct OlmAccount **out);
enum err account_save(struct crypto *crypto, struct OlmAccount *account);
void account_done(struct crypto *crypto, struct OlmAccount *account); /* NULL is allowed */
/* Wipes the cached account. */
void account_close(struct crypto *crypto);

/* This device's keys, signed by the device itself and by our self-signing key if we hold it; a new
 * reference. */
enum err account_device_keys(struct crypto *crypto, json_t **out);
/* Signs the device keys again after we obtained a self-signing key. */
enum err account_renew_device_keys(struct crypto *crypto);
/* Adds a signature with the device's Ed25519 key. */
enum err account_sign(struct crypto *crypto, json_t *object);

/* Whether the device keys are on the server. */
enum err account_is_uploaded(struct crypto *crypto, bool *uploaded);

/* Reads the key counts in a /sync answer and generates the one-time and fallback keys that the
 * server lacks. */
enum err account_take_sync(struct crypto *crypto, int64_t now_ms, const json_t *sync);
enum err account_uploaded(
        struct crypto *crypto, int64_t now_ms, const json_t *body, struct fault *fault);
/* Call when the server's list of our devices lacks this one, as after it was signed out: uploads
 * its keys again, every ten minutes at most. */
enum err account_gone(struct crypto *crypto, int64_t now_ms);
/* Call when the stored keys are older than the published ones (the database was restored): the
 * fallback key is replaced at the next sync. */
enum err account_went_back(struct crypto *crypto);
enum err account_refused(struct crypto *crypto, int64_t now_ms, const char *reason);

/*
 * account.h - this device's own keys: identity, one-time and fallback keys, and their upload.
 * Inside bot/crypto/ only.
 */
#pragma once

#include "bot/crypto/machine.h"

enum err account_create(struct crypto *crypto, int64_t now_ms);
/*
 * The stored account. The caller gives it back by account_done(), or, when it was changed and not
 * saved, by ol_account_free(). It is kept open as long as the store has the very text that it was
 * opened from or saved as: what was rolled back is opened anew.
 */
enum err account_load(struct crypto *crypto, struct OlmAccount **out);
enum err account_save(struct crypto *crypto, struct OlmAccount *account);
void account_done(struct crypto *crypto, struct OlmAccount *account); /* NULL is allowed */
/* Wipes what is kept open. */
void account_close(struct crypto *crypto);

/* This device's keys, signed by itself and by our self-signing key if we hold it. */
enum err account_device_keys(struct crypto *crypto, json_t **out);
/* Makes them anew, after we came to hold a self-signing key. */
enum err account_renew_device_keys(struct crypto *crypto);
/* Signs with the device's key. */
enum err account_sign(struct crypto *crypto, json_t *object);

/* Whether the device keys are on the server. */
enum err account_is_uploaded(struct crypto *crypto, bool *uploaded);

/* Looks at the counts in a /sync answer and makes keys that are missing. */
enum err account_take_sync(struct crypto *crypto, int64_t now_ms, const json_t *sync);
enum err account_uploaded(
        struct crypto *crypto, int64_t now_ms, const json_t *body, struct fault *fault);
/* The server's list of our devices lacks this one, as after it was signed out: its keys go up
 * again, every ten minutes at most. */
enum err account_gone(struct crypto *crypto, int64_t now_ms);
/* The keys that are stored are older than those that were published: the fallback key is made anew
 * with the next sync. */
enum err account_went_back(struct crypto *crypto);
enum err account_refused(struct crypto *crypto, int64_t now_ms, const char *reason);

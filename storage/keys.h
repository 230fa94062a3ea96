/*
 * keys.h - what the encryption machine keeps: texts by kind and key. What they mean is the
 * machine's business (bot/crypto/crypto.h).
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/* *value is owned by the caller; ERR_NOT_FOUND when there is none. */
enum err keys_get(struct store *store, const char *kind, const char *key, char **value);
enum err keys_put(struct store *store, const char *kind, const char *key, const char *value);
/* OK also when there is none. */
enum err keys_remove(struct store *store, const char *kind, const char *key);

/* Called for each in the keys' byte order; the texts are the callee's. */
typedef void (*keys_take_fn)(char *key, char *value, void *arg);
/* All of a kind whose keys begin with prefix. On failure some may have been given already. */
enum err keys_list(
        struct store *store, const char *kind, const char *prefix, keys_take_fn take, void *arg);

/*
 * keys.h - persistent data of the encryption machine: texts by kind and key. Their meaning is
 * defined in bot/crypto/crypto.h. A key costs one lookup, a list the rows that it returns, however
 * many others are stored.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/* *value is owned by the caller; ERR_NOT_FOUND when there is none. */
enum err keys_get(struct store *store, const char *kind, const char *key, char **value);
enum err keys_put(struct store *store, const char *kind, const char *key, const char *value);
/* OK also when there is none. */
enum err keys_remove(struct store *store, const char *kind, const char *key);

/* Called for each row in byte order of the keys; the callee takes ownership of both strings. */
typedef void (*keys_take_fn)(char *key, char *value, void *arg);
/* All rows of a kind whose keys begin with prefix. When it fails, some may have been passed
 * already. */
enum err keys_list(
        struct store *store, const char *kind, const char *prefix, keys_take_fn take, void *arg);

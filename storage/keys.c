/*
 * keys.c - the table `crypto`; see keys.h.
 */
#include "storage/keys.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "storage/sql.h"

#define KEYS_STATEMENTS(X)                                                             \
	X(KEYS_GET, "SELECT value FROM crypto WHERE kind = ? AND key = ?")             \
	X(KEYS_PUT, "INSERT INTO crypto (kind, key, value) VALUES (?, ?, ?) "          \
	            "ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value")    \
	X(KEYS_REMOVE, "DELETE FROM crypto WHERE kind = ? AND key = ?")                \
	X(KEYS_ALL, "SELECT key, value FROM crypto WHERE kind = ? ORDER BY key")       \
	X(KEYS_RANGE, "SELECT key, value FROM crypto WHERE kind = ? AND key >= ? AND " \
	              "key < ? ORDER BY key")

SQL_STATEMENTS(sql_keys, KEYS_STATEMENTS);

enum err keys_get(struct store *store, const char *kind, const char *key, char **value)
{
	struct sql sql;
	enum err err;

	*value = NULL;
	sql_use(&sql, store, SQL_KEYS, KEYS_GET);
	sql_bind_text(&sql, kind);
	sql_bind_text(&sql, key);
	err = sql_next(&sql);
	if (err == OK) {
		*value = sql_text_opt(&sql, 0);
		sql_end(&sql);
	}
	return err == OK && !*value ? ERR_CORRUPT : err;
}

enum err keys_put(struct store *store, const char *kind, const char *key, const char *value)
{
	struct sql sql;

	sql_use(&sql, store, SQL_KEYS, KEYS_PUT);
	sql_bind_text(&sql, kind);
	sql_bind_text(&sql, key);
	sql_bind_text(&sql, value);
	return sql_write(&sql);
}

enum err keys_remove(struct store *store, const char *kind, const char *key)
{
	struct sql sql;

	sql_use(&sql, store, SQL_KEYS, KEYS_REMOVE);
	sql_bind_text(&sql, kind);
	sql_bind_text(&sql, key);
	return sql_write(&sql);
}

enum err keys_list(
        struct store *store, const char *kind, const char *prefix, keys_take_fn take, void *arg)
{
	size_t len = strlen(prefix);
	char *after = x_strdup(prefix); /* the first string after all that begin with prefix */
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_KEYS, len > 0 ? KEYS_RANGE : KEYS_ALL);
	sql_bind_text(&sql, kind);
	if (len > 0) {
		after[len - 1]++;
		sql_bind_text(&sql, prefix);
		sql_bind_text(&sql, after);
	}
	while ((err = sql_next(&sql)) == OK) {
		char *key = sql_text(&sql, 0), *value = sql_text(&sql, 1);

		take(key, value, arg);
	}
	sql_end(&sql);
	free(after);
	return err == ERR_NOT_FOUND ? OK : err;
}

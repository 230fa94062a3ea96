/*
 * state.c - the table `state`; see state.h.
 */
#include "storage/state.h"

#include "storage/sql.h"

#define STATE_STATEMENTS(X)                                                     \
	X(STATE_GET, "SELECT value FROM state WHERE name = ?")                  \
	X(STATE_SET, "INSERT INTO state (name, value) VALUES (?, ?) "           \
	             "ON CONFLICT (name) DO UPDATE SET value = excluded.value") \
	X(STATE_DELETE, "DELETE FROM state WHERE name = ?")

SQL_STATEMENTS(sql_state, STATE_STATEMENTS);

enum err state_get(struct store *store, const char *name, char **value)
{
	struct sql sql;
	enum err err;

	*value = NULL;
	sql_use(&sql, store, SQL_STATE, STATE_GET);
	sql_bind_text(&sql, name);
	err = sql_next(&sql);
	if (err == OK) {
		*value = sql_text_opt(&sql, 0);
		sql_end(&sql);
	}
	return err == OK && !*value ? ERR_CORRUPT : err;
}

enum err state_set(struct store *store, const char *name, const char *value)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STATE, STATE_SET);
	sql_bind_text(&sql, name);
	sql_bind_text(&sql, value);
	return sql_write(&sql);
}

enum err state_delete(struct store *store, const char *name)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STATE, STATE_DELETE);
	sql_bind_text(&sql, name);
	return sql_write(&sql);
}

/*
 * sql_watch_rows.c - the table `sql_watch`; see sql_watch_rows.h.
 */
#include "storage/sql_watch_rows.h"

#include "bot/base/alloc.h"
#include "storage/sql.h"

#define SQL_STRUCT sql_watch_row
#define SQL_WATCH_COLUMNS(FIRST, X) \
	FIRST(INT, severity)        \
	X(INT, fault)               \
	X(LONG, told_ms)            \
	X(LONG, tried_ms)           \
	X(LONG, shown_ms)           \
	X(TEXT, watch)              \
	X(TEXT, subject)            \
	X(TEXT, request)

#define SELECT SQL_SELECT("sqlwatch", SQL_WATCH_COLUMNS)
#define SQL_WATCH_STATEMENTS(X)                                        \
	X(SQL_WATCH_INSERT, SQL_INSERT("sqlwatch", SQL_WATCH_COLUMNS)) \
	X(SQL_WATCH_UPDATE, SQL_UPDATE("sqlwatch", SQL_WATCH_COLUMNS)) \
	X(SQL_WATCH_DELETE, "DELETE FROM sqlwatch WHERE id = ?")       \
	X(SQL_WATCH_OF, SELECT "WHERE watch = ? ORDER BY id")          \
	X(SQL_WATCH_NAMES, "SELECT DISTINCT watch FROM sqlwatch")

SQL_STATEMENTS(sql_sql_watch, SQL_WATCH_STATEMENTS);

SQL_ROWS(layout, SQL_WATCH_COLUMNS);

enum err sql_watch_insert(struct store *store, struct sql_watch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCH, SQL_WATCH_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err sql_watch_update(struct store *store, const struct sql_watch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCH, SQL_WATCH_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err sql_watch_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCH, SQL_WATCH_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err sql_watch_of(
        struct store *store, const char *watch, struct sql_watch_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCH, SQL_WATCH_OF);
	sql_bind_text(&sql, watch);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err sql_watch_names(struct store *store, char ***names, size_t *len)
{
	struct sql sql;
	enum err err;

	*names = NULL;
	*len = 0;
	sql_use(&sql, store, SQL_SQL_WATCH, SQL_WATCH_NAMES);
	while ((err = sql_next(&sql)) == OK) {
		char *name = sql_text(&sql, 0);

		*names = x_realloc(*names, (*len + 1) * sizeof(**names));
		(*names)[(*len)++] = name ? name : x_strdup("");
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

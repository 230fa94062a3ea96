/*
 * sql_watch_rows.c - the table `sql_watches`; see sql_watch_rows.h.
 */
#include "storage/sql_watch_rows.h"

#include "bot/base/alloc.h"
#include "bot/base/severity.h"
#include "storage/sql.h"

#define SQL_STRUCT sql_watch_row
#define SQL_WATCH_COLUMNS(FIRST, X)           \
	FIRST(ENUM(severity_names), severity) \
	X(BOOL, fault)                        \
	X(LONG, told_ms)                      \
	X(LONG, tried_ms)                     \
	X(LONG, shown_ms)                     \
	X(TEXT, watch)                        \
	X(TEXT, subject)                      \
	X(TEXT, request)

#define SELECT SQL_SELECT("sql_watches", SQL_WATCH_COLUMNS)
#define SQL_WATCHES_STATEMENTS(X)                                           \
	X(SQL_WATCHES_INSERT, SQL_INSERT("sql_watches", SQL_WATCH_COLUMNS)) \
	X(SQL_WATCHES_UPDATE, SQL_UPDATE("sql_watches", SQL_WATCH_COLUMNS)) \
	X(SQL_WATCHES_DELETE, "DELETE FROM sql_watches WHERE id = ?")       \
	X(SQL_WATCHES_OF, SELECT "WHERE watch = ? ORDER BY id")             \
	X(SQL_WATCHES_NAMES, "SELECT DISTINCT watch FROM sql_watches")

SQL_STATEMENTS(sql_sql_watches, SQL_WATCHES_STATEMENTS);

SQL_ROWS(layout, SQL_WATCH_COLUMNS);

enum err sql_watches_insert(struct store *store, struct sql_watch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCHES, SQL_WATCHES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err sql_watches_update(struct store *store, const struct sql_watch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCHES, SQL_WATCHES_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err sql_watches_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCHES, SQL_WATCHES_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err sql_watches_of(
        struct store *store, const char *watch, struct sql_watch_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQL_WATCHES, SQL_WATCHES_OF);
	sql_bind_text(&sql, watch);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err sql_watches_names(struct store *store, char ***names, size_t *len)
{
	struct sql sql;
	enum err err;

	*names = NULL;
	*len = 0;
	sql_use(&sql, store, SQL_SQL_WATCHES, SQL_WATCHES_NAMES);
	while ((err = sql_next(&sql)) == OK) {
		*names = x_realloc(*names, (*len + 1) * sizeof(**names));
		(*names)[(*len)++] = sql_text(&sql, 0);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

/*
 * mended.c - the table `mended`; see mended.h.
 */
#include "storage/mended.h"

#include "storage/sql.h"

#define SQL_STRUCT mended_row
#define MENDED_COLUMNS(FIRST, X) \
	FIRST(LONG, count)       \
	X(LONG, last_ms)         \
	X(TEXT, app)             \
	X(TEXT, note)

#define MENDED_STATEMENTS(X)                                                                     \
	X(MENDED_COUNT, "INSERT INTO mended (count, last_ms, app, note) "                        \
	                "SELECT 1, ?, ?, ? WHERE (SELECT count(*) FROM mended) < ? "             \
	                "OR EXISTS (SELECT 1 FROM mended WHERE app = ?) "                        \
	                "ON CONFLICT (app) DO UPDATE SET count = min(count, 1 << 52) + 1, "      \
	                "last_ms = excluded.last_ms, note = excluded.note")                      \
	X(MENDED_SINCE, SQL_SELECT("mended", MENDED_COLUMNS) "WHERE last_ms >= ? "               \
	                                                     "ORDER BY count DESC, app LIMIT ?") \
	X(MENDED_FORGET, "DELETE FROM mended WHERE last_ms < ?")

SQL_STATEMENTS(sql_mended, MENDED_STATEMENTS);

SQL_ROWS(layout, MENDED_COLUMNS);

enum err mended_count(
        struct store *store, const char *app, const char *note, int64_t now_ms, int64_t since_ms)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_MENDED, MENDED_FORGET);
	sql_bind_int(&sql, since_ms);
	err = sql_write(&sql);
	if (err)
		return err;
	sql_use(&sql, store, SQL_MENDED, MENDED_COUNT);
	sql_bind_int(&sql, now_ms);
	sql_bind_text(&sql, app);
	sql_bind_text(&sql, note);
	sql_bind_int(&sql, MENDED_APPS_MAX);
	sql_bind_text(&sql, app);
	return sql_write(&sql);
}

enum err mended_since(
        struct store *store, int64_t since_ms, int limit, struct mended_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MENDED, MENDED_SINCE);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

/*
 * expiries.c - the table `expiries`; see expiries.h.
 */
#include "storage/expiries.h"

#include "storage/sql.h"

#define SQL_STRUCT expiry_row
#define EXPIRY_COLUMNS(FIRST, X) \
	FIRST(TEXT, subject)     \
	X(LONG, ends_ms)         \
	X(LONG, lasts_ms)

#define SELECT SQL_SELECT("expiries", EXPIRY_COLUMNS)
#define EXPIRIES_STATEMENTS(X)                                                                \
	X(EXPIRIES_INSERT,                                                                    \
	        "INSERT INTO expiries (subject, ends_ms, lasts_ms, id) VALUES (?, ?, ?, ?)")  \
	X(EXPIRIES_BY_SUBJECT, SELECT "WHERE subject = ?")                                    \
	X(EXPIRIES_EXTEND, "UPDATE expiries SET ends_ms = ?, lasts_ms = ? WHERE subject = ?") \
	X(EXPIRIES_DELETE, "DELETE FROM expiries WHERE subject = ?")                          \
	X(EXPIRIES_GRACE, "UPDATE expiries SET ends_ms = ?1 + lasts_ms "                      \
	                  "WHERE ends_ms < ?2 AND ends_ms < ?1 + lasts_ms")                   \
	X(EXPIRIES_DUE, SELECT "WHERE ends_ms <= ? ORDER BY ends_ms LIMIT ?")

SQL_STATEMENTS(sql_expiries, EXPIRIES_STATEMENTS);

SQL_ROWS(layout, EXPIRY_COLUMNS);

enum err expiries_insert(struct store *store, const struct expiry_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_INSERT);
	sql_bind_row(&sql, &layout, row);
	sql_bind_int(&sql, row->id);
	return sql_write(&sql);
}

enum err expiries_by_subject(struct store *store, const char *subject, struct expiry_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_BY_SUBJECT);
	sql_bind_text(&sql, subject);
	return sql_one_row(&sql, &layout, row);
}

enum err expiries_extend(
        struct store *store, const char *subject, int64_t ends_ms, int64_t lasts_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_EXTEND);
	sql_bind_int(&sql, ends_ms);
	sql_bind_int(&sql, lasts_ms);
	sql_bind_text(&sql, subject);
	return sql_write(&sql);
}

enum err expiries_delete(struct store *store, const char *subject)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_DELETE);
	sql_bind_text(&sql, subject);
	return sql_write(&sql);
}

enum err expiries_grace(struct store *store, int64_t since_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_GRACE);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, since_ms + EXPIRIES_LASTS_MAX_MS);
	return sql_write(&sql);
}

enum err expiries_due(
        struct store *store, int64_t now_ms, int limit, struct expiry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_EXPIRIES, EXPIRIES_DUE);
	sql_bind_int(&sql, now_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

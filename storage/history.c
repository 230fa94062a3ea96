/*
 * history.c - the table `history`; see history.h.
 */
#include "storage/history.h"

#include "storage/sql.h"

#define SQL_STRUCT history_row
#define HISTORY_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)        \
	X(BOOL, ended)            \
	X(TEXT, fingerprint)      \
	X(TEXT, what)             \
	X(OPT, author)            \
	X(OPT, note)

#define HISTORY_STATEMENTS(X)                                                                     \
	X(HISTORY_ADD, SQL_INSERT("history", HISTORY_COLUMNS))                                    \
	X(HISTORY_EPISODE, "SELECT coalesce(max(at_ms) FILTER (WHERE at_ms < ?2), 0), "           \
	                   "coalesce(min(at_ms) FILTER (WHERE at_ms >= ?2), 0) FROM history "     \
	                   "WHERE fingerprint = ?1 AND ended = TRUE")                             \
	X(HISTORY_OF, SQL_SELECT("history", HISTORY_COLUMNS) "WHERE fingerprint = ? AND at_ms > " \
	                                                     "? AND at_ms <= ? ORDER BY id "      \
	                                                     "DESC LIMIT ?")

SQL_STATEMENTS(sql_history, HISTORY_STATEMENTS);

SQL_ROWS(layout, HISTORY_COLUMNS);

enum err history_add(struct store *store, struct history_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_ADD);
	return sql_insert_row(&sql, &layout, row);
}

enum err history_find_episode(struct store *store, const char *fingerprint, int64_t at_ms,
        struct history_episode *episode)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_EPISODE);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, at_ms);
	err = sql_next(&sql);
	if (err != OK)
		return err;
	episode->from_ms = sql_int(&sql, 0);
	episode->to_ms = sql_int(&sql, 1);
	if (episode->to_ms == 0)
		episode->to_ms = INT64_MAX;
	sql_end(&sql);
	return OK;
}

enum err history_of(struct store *store, const char *fingerprint,
        const struct history_episode *episode, int limit, struct history_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HISTORY, HISTORY_OF);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, episode->from_ms);
	sql_bind_int(&sql, episode->to_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

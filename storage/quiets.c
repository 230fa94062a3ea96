/*
 * quiets.c - the table `quiets`; see quiets.h.
 */
#include "storage/quiets.h"

#include "storage/sql.h"

#define SQL_STRUCT quiet_row
#define QUIET_COLUMNS(FIRST, X) \
	FIRST(LONG, held)       \
	X(TEXT, room)           \
	X(TEXT, name)           \
	X(OPT, problem)

#define QUIETS_STATEMENTS(X)                                                                    \
	X(QUIETS_COUNT, "INSERT INTO quiets (held, name, room) VALUES (1, ?, ?) "               \
	                "ON CONFLICT (name, room) DO UPDATE SET held = min(held, 1 << 52) + 1") \
	X(QUIETS_PROBLEM, "INSERT INTO quiets (held, name, room, problem) VALUES (0, ?, ?, ?) " \
	                  "ON CONFLICT (name, room) DO UPDATE SET problem = excluded.problem")  \
	X(QUIETS_ALL, SQL_SELECT("quiets", QUIET_COLUMNS) "ORDER BY id")                        \
	X(QUIETS_DELETE, "DELETE FROM quiets WHERE id = ?")

SQL_STATEMENTS(sql_quiets, QUIETS_STATEMENTS);

SQL_ROWS(layout, QUIET_COLUMNS);

enum err quiets_count(struct store *store, const char *name, const char *room)
{
	struct sql sql;

	sql_use(&sql, store, SQL_QUIETS, QUIETS_COUNT);
	sql_bind_text(&sql, name);
	sql_bind_text(&sql, room);
	return sql_write(&sql);
}

enum err quiets_all(struct store *store, struct quiet_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_QUIETS, QUIETS_ALL);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err quiets_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_QUIETS, QUIETS_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err quiets_set_problem(
        struct store *store, const char *name, const char *room, const char *problem)
{
	struct sql sql;

	sql_use(&sql, store, SQL_QUIETS, QUIETS_PROBLEM);
	sql_bind_text(&sql, name);
	sql_bind_text(&sql, room);
	sql_bind_text(&sql, problem);
	return sql_write(&sql);
}

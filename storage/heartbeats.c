/*
 * heartbeats.c - the tables `heartbeats` and `app_heartbeats`; see heartbeats.h.
 */
#include "storage/heartbeats.h"

#include "storage/sql.h"

#define OWN_COLUMNS(FIRST, X) \
	FIRST(LONG, due_ms)   \
	X(LONG, posted_ms)    \
	X(LONG, confirmed_ms) \
	X(LONG, alarmed_ms)   \
	X(LONG, outbox_id)    \
	X(BOOL, late)         \
	X(BOOL, ping)         \
	X(BOOL, tell)         \
	X(TEXT, date)         \
	X(OPT, alarm)

#define APP_COLUMNS(FIRST, X) \
	FIRST(LONG, every_ms) \
	X(LONG, grace_ms)     \
	X(LONG, first_ms)     \
	X(LONG, seen_ms)      \
	X(LONG, due_ms)       \
	X(LONG, deadline_ms)  \
	X(LONG, missed_ms)    \
	X(BOOL, held)         \
	X(TEXT, app)          \
	X(TEXT, name)         \
	X(OPT, schedule)

#define OWN SQL_SELECT("heartbeats", OWN_COLUMNS)
#define APP SQL_SELECT("app_heartbeats", APP_COLUMNS)
#define HEARTBEATS_STATEMENTS(X)                                                                  \
	X(HEARTBEATS_INSERT, SQL_INSERT("heartbeats", OWN_COLUMNS))                               \
	X(HEARTBEATS_UPDATE, SQL_UPDATE("heartbeats", OWN_COLUMNS))                               \
	X(HEARTBEATS_BY_DATE, OWN "WHERE date = ?")                                               \
	X(HEARTBEATS_LAST, OWN "WHERE due_ms <= ? ORDER BY due_ms DESC LIMIT 1")                  \
	X(HEARTBEATS_OPEN, OWN "WHERE open = 1 ORDER BY due_ms DESC LIMIT ?")                     \
	X(APP_HEARTBEATS_INSERT, SQL_INSERT("app_heartbeats", APP_COLUMNS))                       \
	X(APP_HEARTBEATS_UPDATE, SQL_UPDATE("app_heartbeats", APP_COLUMNS))                       \
	X(APP_HEARTBEATS_DELETE, "DELETE FROM app_heartbeats WHERE id = ?")                       \
	X(APP_HEARTBEATS_BY_NAME, APP "WHERE app = ? AND name = ?")                               \
	X(APP_HEARTBEATS_COUNT, "SELECT count(*) FROM app_heartbeats")                            \
	X(APP_HEARTBEATS_COUNT_MISSED, "SELECT count(*) FROM app_heartbeats WHERE missed_ms > 0") \
	X(APP_HEARTBEATS_LIST, APP "ORDER BY app, name LIMIT ?")                                  \
	X(APP_HEARTBEATS_OVERDUE, APP "WHERE missed_ms = 0 AND deadline_ms <= ? "                 \
	                              "ORDER BY deadline_ms LIMIT ?")                             \
	X(APP_HEARTBEATS_HELD, APP "WHERE held = 1 ORDER BY id LIMIT ?")

SQL_STATEMENTS(sql_heartbeats, HEARTBEATS_STATEMENTS);

#define SQL_STRUCT heartbeat_row
SQL_ROWS(own_layout, OWN_COLUMNS);
#undef SQL_STRUCT
#define SQL_STRUCT app_heartbeat_row
SQL_ROWS(app_layout, APP_COLUMNS);

enum err heartbeats_insert(struct store *store, struct heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, HEARTBEATS_INSERT);
	return sql_insert_row(&sql, &own_layout, row);
}

enum err heartbeats_update(struct store *store, const struct heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, HEARTBEATS_UPDATE);
	return sql_update_row(&sql, &own_layout, row);
}

enum err heartbeats_by_date(struct store *store, const char *date, struct heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, HEARTBEATS_BY_DATE);
	sql_bind_text(&sql, date);
	return sql_one_row(&sql, &own_layout, row);
}

enum err heartbeats_last(struct store *store, struct heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, HEARTBEATS_LAST);
	sql_bind_int(&sql, INT64_MAX);
	return sql_one_row(&sql, &own_layout, row);
}

enum err heartbeats_open(struct store *store, int limit, struct heartbeat_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, HEARTBEATS_OPEN);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &own_layout, (void **)rows, len);
}

enum err app_heartbeats_insert(struct store *store, struct app_heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_INSERT);
	return sql_insert_row(&sql, &app_layout, row);
}

enum err app_heartbeats_update(struct store *store, const struct app_heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_UPDATE);
	return sql_update_row(&sql, &app_layout, row);
}

enum err app_heartbeats_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err app_heartbeats_by_name(
        struct store *store, const char *app, const char *name, struct app_heartbeat_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_BY_NAME);
	sql_bind_text(&sql, app);
	sql_bind_text(&sql, name);
	return sql_one_row(&sql, &app_layout, row);
}

enum err app_heartbeats_count(struct store *store, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_COUNT);
	return sql_one_int(&sql, count);
}

enum err app_heartbeats_count_missed(struct store *store, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_COUNT_MISSED);
	return sql_one_int(&sql, count);
}

enum err app_heartbeats_list(
        struct store *store, int limit, struct app_heartbeat_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_LIST);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &app_layout, (void **)rows, len);
}

enum err app_heartbeats_overdue(struct store *store, int64_t now_ms, int limit,
        struct app_heartbeat_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_OVERDUE);
	sql_bind_int(&sql, now_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &app_layout, (void **)rows, len);
}

enum err app_heartbeats_held(
        struct store *store, int limit, struct app_heartbeat_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_HEARTBEATS, APP_HEARTBEATS_HELD);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &app_layout, (void **)rows, len);
}

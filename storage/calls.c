/*
 * calls.c - the table `calls` of our own database; see calls.h. The copy in another app's
 * database is in mirror.c. The table is in the order of time, and needs no index; an id tells calls
 * of the same millisecond apart.
 */
#include "storage/calls.h"

#include "storage/sql.h"

#define CALLS_STATEMENTS(X)                                                                       \
	X(CALLS_INSERT, "INSERT INTO calls (at_ms, what, room, room_id, outbox_id, duration_ms, " \
	                "latency_ms, result, http_status, event_id, error, id) "                  \
	                "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, "                  \
	                "(SELECT coalesce(max(id), 0) + 1 FROM calls WHERE at_ms = ?1))")         \
	X(CALLS_COUNT_SINCE, "SELECT count(*) FROM calls "                                        \
	                     "WHERE at_ms >= ? AND result = 'ok' AND latency_ms >= 0")            \
	X(CALLS_NTH_LATENCY, "SELECT latency_ms FROM calls "                                      \
	                     "WHERE at_ms >= ? AND result = 'ok' AND latency_ms >= 0 "            \
	                     "ORDER BY latency_ms LIMIT 1 OFFSET ?")                              \
	X(CALLS_FAULTS, "SELECT count(*) FROM calls WHERE at_ms >= ? AND result <> 'ok'")         \
	X(CALLS_LAST_OK, "SELECT max(at_ms) FROM calls WHERE at_ms >= ? AND result = 'ok'")

SQL_STATEMENTS(sql_calls, CALLS_STATEMENTS);

enum err calls_insert(struct store *store, const struct call_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CALLS, CALLS_INSERT);
	sql_bind_int(&sql, row->at_ms);
	sql_bind_text(&sql, row->what);
	sql_bind_text(&sql, row->room);
	sql_bind_text(&sql, row->room_id);
	sql_bind_ref(&sql, row->outbox_id);
	sql_bind_int(&sql, row->duration_ms);
	sql_bind_int(&sql, row->latency_ms);
	sql_bind_text(&sql, row->result);
	sql_bind_int(&sql, row->http_status);
	sql_bind_text(&sql, row->event_id);
	sql_bind_text(&sql, row->error);
	return sql_write(&sql);
}

enum err calls_latency_p95(struct store *store, int64_t since_ms, int64_t *p95_ms)
{
	struct sql sql;
	int64_t count;
	enum err err;

	*p95_ms = -1;
	sql_use(&sql, store, SQL_CALLS, CALLS_COUNT_SINCE);
	sql_bind_int(&sql, since_ms);
	err = sql_one_int(&sql, &count);
	if (err != OK || count == 0)
		return err;
	sql_use(&sql, store, SQL_CALLS, CALLS_NTH_LATENCY);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, (count * 95 + 99) / 100 - 1); /* nearest rank, counted from 0 */
	return sql_one_int(&sql, p95_ms);
}

enum err calls_faults(struct store *store, int64_t since_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CALLS, CALLS_FAULTS);
	sql_bind_int(&sql, since_ms);
	return sql_one_int(&sql, count);
}

enum err calls_last_ok(struct store *store, int64_t since_ms, int64_t *at_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CALLS, CALLS_LAST_OK);
	sql_bind_int(&sql, since_ms);
	return sql_one_int(&sql, at_ms);
}

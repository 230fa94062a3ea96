/*
 * alerts.c - the table `alerts`; see alerts.h.
 *
 * Invariants: a row is inserted once. Its outbox_id goes from none to the event that carries it
 * first, and back only while that event was surely refused; until it is set, the row may move to
 * another message. What was held back changes when it no longer is; at most one row of a
 * fingerprint is held. ext_id is unique where there is one.
 */
#include "storage/alerts.h"

#include <stdlib.h>
#include "storage/outbox.h"
#include "storage/sql.h"

#define SQL_STRUCT alert_row
#define ALERT_COLUMNS(FIRST, X) \
	FIRST(INT, severity)    \
	X(INT, resolved)        \
	X(INT, state)           \
	X(LONG, at_ms)          \
	X(LONG, received_ms)    \
	X(REF, message_id)      \
	X(REF, outbox_id)       \
	X(REF, silence_id)      \
	X(INT, held)            \
	X(LONG, uid)            \
	X(LONG, gid)            \
	X(LONG, pid)            \
	X(OPT, ext_id)          \
	X(OPT, key)             \
	X(TEXT, app)            \
	X(TEXT, kind)           \
	X(OPT, run_id)          \
	X(TEXT, subject)        \
	X(TEXT, fingerprint)    \
	X(OPT, room)            \
	X(OPT, quiet)           \
	X(TEXT, reason)         \
	X(TEXT, identity)       \
	X(TEXT, title)          \
	X(OPT, url)             \
	X(TEXT, fields)

#define SELECT SQL_SELECT("alerts", ALERT_COLUMNS)
#define ALERTS_STATEMENTS(X)                                                                       \
	X(ALERTS_UPDATE, SQL_UPDATE("alerts", ALERT_COLUMNS))                                      \
	X(ALERTS_INSERT, SQL_INSERT("alerts", ALERT_COLUMNS))                                      \
	X(ALERTS_BY_EXT_ID, SELECT "WHERE ext_id = ?")                                             \
	X(ALERTS_BY_ID, SELECT "WHERE id = ?")                                                     \
	X(ALERTS_BY_RUN_ID, SELECT "WHERE run_id = ? ORDER BY id DESC LIMIT 1")                    \
	X(ALERTS_OF_RUN, SELECT "WHERE run_id = ? ORDER BY id DESC LIMIT ?")                       \
	X(ALERTS_HELD, SELECT "WHERE silence_id = ? AND held = 1 ORDER BY id DESC LIMIT ?")        \
	X(ALERTS_HELD_QUIET, SELECT "WHERE held = 1 AND quiet = ? ORDER BY id DESC LIMIT ?")       \
	X(ALERTS_HELD_OF, SELECT "WHERE subject = ? AND held = 1 LIMIT ?")                         \
	X(ALERTS_HELD_OVER, SELECT "WHERE held = 1 AND silence_id IS NOT NULL AND NOT EXISTS "     \
	                           "(SELECT 1 FROM silences s WHERE s.id = silence_id AND "        \
	                           "s.ended_ms = 0 AND s.problem IS NULL) LIMIT ?")                \
	X(ALERTS_HELD_QUIETS, "SELECT DISTINCT quiet FROM alerts WHERE held = 1 AND quiet IS NOT " \
	                      "NULL LIMIT 1 OFFSET ?")                                             \
	X(ALERTS_HELD_ROOMS, "SELECT DISTINCT room FROM alerts WHERE silence_id = ? AND room IS "  \
	                     "NOT NULL LIMIT 1 OFFSET ?")                                          \
	X(ALERTS_UNHOLD, "UPDATE alerts SET held = 0 WHERE subject = ?1 AND held = 1 AND (?2 IS "  \
	                 "NULL OR fingerprint = ?2)")                                              \
	X(ALERTS_CARRY,                                                                            \
	        "UPDATE alerts SET outbox_id = ? WHERE message_id = ? AND outbox_id IS NULL")      \
	X(ALERTS_COUNT_UNTOLD,                                                                     \
	        "SELECT count(*) FROM alerts WHERE message_id = ? AND outbox_id IS NULL")          \
	X(ALERTS_UNCARRY, "UPDATE alerts SET outbox_id = NULL WHERE outbox_id = ?")                \
	X(ALERTS_MOVE, "UPDATE alerts SET message_id = ?3, reason = ?4 WHERE message_id = "        \
	               "?1 AND outbox_id IS NULL AND fingerprint = coalesce(?2, fingerprint)")     \
	X(ALERTS_LIST, SELECT "ORDER BY id DESC LIMIT ?")                                          \
	X(ALERTS_LIST_APP, SELECT "WHERE app = ? ORDER BY id DESC LIMIT ?")                        \
	X(ALERTS_WHERE, "SELECT a.received_ms, o.sent_ms, o.state, o.event_id FROM alerts a "      \
	                "LEFT JOIN outbox o ON o.id = a.outbox_id WHERE a.id = ?")                 \
	X(ALERTS_COUNT_SINCE,                                                                      \
	        "SELECT count(*) FILTER (WHERE severity = 0), "                                    \
	        "count(*) FILTER (WHERE severity = 1), count(*) FILTER (WHERE severity = 2) "      \
	        "FROM alerts WHERE received_ms >= ? AND resolved = 0")                             \
	X(ALERTS_COUNT_MUTED, "SELECT count(*) FROM alerts WHERE received_ms >= ? AND "            \
	                      "severity = 1 AND state = 2 AND reason LIKE 'inhibit:%'")            \
	X(ALERTS_HOURS, "SELECT (received_ms - ?) / 3600000, count(*) FROM alerts "                \
	                "WHERE received_ms >= ? AND resolved = 0 GROUP BY 1")                      \
	X(ALERTS_APPS, "SELECT app, count(*), count(*) FILTER (WHERE severity = 2) "               \
	               "FROM alerts WHERE received_ms >= ? AND resolved = 0 GROUP BY +app "        \
	               "ORDER BY 2 DESC, app LIMIT ?")

SQL_STATEMENTS(sql_alerts, ALERTS_STATEMENTS);

SQL_ROWS(layout, ALERT_COLUMNS);

enum err alerts_insert(struct store *store, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err alerts_by_ext_id(struct store *store, const char *ext_id, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_BY_EXT_ID);
	sql_bind_text(&sql, ext_id);
	return sql_one_row(&sql, &layout, row);
}

enum err alerts_by_id(struct store *store, int64_t id, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err alerts_by_run_id(struct store *store, const char *run_id, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_BY_RUN_ID);
	sql_bind_text(&sql, run_id);
	return sql_one_row(&sql, &layout, row);
}

enum err alerts_of_run(
        struct store *store, const char *run_id, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_OF_RUN);
	sql_bind_text(&sql, run_id);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err alerts_held(
        struct store *store, int64_t silence_id, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD);
	sql_bind_int(&sql, silence_id);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err alerts_count_untold(struct store *store, int64_t message_id, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_COUNT_UNTOLD);
	sql_bind_int(&sql, message_id);
	return sql_one_int(&sql, count);
}

enum err alerts_uncarry(struct store *store, int64_t outbox_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_UNCARRY);
	sql_bind_int(&sql, outbox_id);
	return sql_write(&sql);
}

enum err alerts_move(
        struct store *store, int64_t from, const char *fingerprint, int64_t to, const char *reason)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_MOVE);
	sql_bind_int(&sql, from);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, to);
	sql_bind_text(&sql, reason);
	return sql_write(&sql);
}

enum err alerts_carry(struct store *store, int64_t message_id, int64_t outbox_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_CARRY);
	sql_bind_int(&sql, outbox_id);
	sql_bind_int(&sql, message_id);
	return sql_write(&sql);
}

enum err alerts_list(
        struct store *store, const char *app, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, app ? ALERTS_LIST_APP : ALERTS_LIST);
	if (app)
		sql_bind_text(&sql, app);
	sql_bind_int(&sql, limit > 0 ? limit : 0); /* a negative LIMIT would mean none */
	err = sql_all_rows(&sql, &layout, &array, len);
	*rows = array;
	return err;
}

enum err alerts_where(struct store *store, int64_t id, char **event_id, int64_t *sent_ms,
        int64_t *received_ms, bool *undeliverable)
{
	struct sql sql;
	enum err err;

	*event_id = NULL;
	*sent_ms = 0;
	*received_ms = 0;
	*undeliverable = false;
	sql_use(&sql, store, SQL_ALERTS, ALERTS_WHERE);
	sql_bind_int(&sql, id);
	err = sql_next(&sql);
	if (err != OK)
		return err;
	*received_ms = sql_int(&sql, 0);
	*sent_ms = sql_int(&sql, 1);
	*undeliverable =
	        sql_int(&sql, 2) == OUTBOX_UNDELIVERABLE; /* without an event NULL, read as 0 */
	*event_id = sql_text(&sql, 3);
	sql_end(&sql);
	return OK;
}

enum err alerts_count_muted(struct store *store, int64_t since_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_COUNT_MUTED);
	sql_bind_int(&sql, since_ms);
	return sql_one_int(&sql, count);
}

enum err alerts_count_since(struct store *store, int64_t since_ms, int64_t counts[3])
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_COUNT_SINCE);
	sql_bind_int(&sql, since_ms);
	err = sql_next(&sql);
	for (int i = 0; i < 3; i++)
		counts[i] = err == OK ? sql_int(&sql, i) : 0;
	if (err == OK)
		sql_end(&sql);
	return err;
}

enum err alerts_by_hour(struct store *store, int64_t since_ms, int64_t *counts, size_t hours)
{
	struct sql sql;
	enum err err;

	for (size_t i = 0; i < hours; i++)
		counts[i] = 0;
	sql_use(&sql, store, SQL_ALERTS, ALERTS_HOURS);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, since_ms);
	while ((err = sql_next(&sql)) == OK) {
		int64_t hour = sql_int(&sql, 0);

		/* what came after the clock was set back counts as of the last hour */
		counts[hour < (int64_t)hours ? (size_t)hour : hours - 1] += sql_int(&sql, 1);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err alerts_by_app(
        struct store *store, int64_t since_ms, struct alert_count *counts, size_t *len)
{
	size_t max = *len;
	struct sql sql;
	enum err err;

	*len = 0;
	sql_use(&sql, store, SQL_ALERTS, ALERTS_APPS);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, (int64_t)max);
	while ((err = sql_next(&sql)) == OK && *len < max) {
		counts[*len].app = sql_text(&sql, 0);
		counts[*len].alerts = sql_int(&sql, 1);
		counts[(*len)++].criticals = sql_int(&sql, 2);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err alerts_update(struct store *store, const struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err alerts_held_quiet(
        struct store *store, const char *quiet, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_QUIET);
	sql_bind_text(&sql, quiet);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err alerts_held_of(
        struct store *store, const char *subject, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_OF);
	sql_bind_text(&sql, subject);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err alerts_held_over(struct store *store, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_OVER);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

static enum err alerts_next_text(struct sql *sql, char **text)
{
	enum err err = sql_next(sql);

	*text = err == OK ? sql_text(sql, 0) : NULL;
	if (err == OK)
		sql_end(sql);
	return err;
}

enum err alerts_held_quiets(struct store *store, int index, char **name)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_QUIETS);
	sql_bind_int(&sql, index);
	return alerts_next_text(&sql, name);
}

enum err alerts_held_rooms(struct store *store, int64_t silence_id, int index, char **room)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_ROOMS);
	sql_bind_int(&sql, silence_id);
	sql_bind_int(&sql, index);
	return alerts_next_text(&sql, room);
}

enum err alerts_unhold(struct store *store, const char *subject, const char *fingerprint)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_UNHOLD);
	sql_bind_text(&sql, subject);
	sql_bind_text(&sql, fingerprint);
	return sql_write(&sql);
}

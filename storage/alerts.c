/*
 * alerts.c - the tables `alerts` and `places`; see alerts.h.
 *
 * Invariants: a row of `alerts` does not change after it was inserted, unless the alert is
 * suppressed and later released, or moved to another message. Its row in `places` names its
 * message, and receives the event that carried it first; that event is cleared only when the
 * homeserver certainly refused it, and the alert moves to another message only while no event
 * carries it. At most one alert of a fingerprint is held. ext_id is unique in its app unless NULL.
 */
#include "storage/alerts.h"

#include <stdlib.h>
#include "bot/base/severity.h"
#include "storage/sql.h"

const char *const alert_state_names[] = {"queued", "grouped", "silenced", "ignored", NULL};
static const char *const alert_cause_names[] = {"new", "joined", "storm", "resolved", "unmatched",
        "silence", "quiet", "inhibited", "collected", NULL};

#define SQL_STRUCT alert_row
#define ALERT_CHANGING(FIRST, X)              \
	FIRST(ENUM(alert_state_names), state) \
	X(ENUM(alert_cause_names), cause)     \
	X(REF, silence_id)                    \
	X(BOOL, held)                         \
	X(OPT, room)                          \
	X(OPT, quiet)                         \
	X(TEXT, reason)
#define ALERT_STORED(FIRST, X)            \
	ALERT_CHANGING(FIRST, X)          \
	X(ENUM(severity_names), severity) \
	X(BOOL, resolved)                 \
	X(BOOL, test)                     \
	X(LONG, at_ms)                    \
	X(LONG, received_ms)              \
	X(LONG, uid)                      \
	X(LONG, gid)                      \
	X(LONG, pid)                      \
	X(OPT, ext_id)                    \
	X(OPT, key)                       \
	X(TEXT, app)                      \
	X(TEXT, kind)                     \
	X(OPT, run_id)                    \
	X(TEXT, subject)                  \
	X(TEXT, fingerprint)              \
	X(TEXT, identity)                 \
	X(OPT, url)                       \
	X(TEXT, fields)
#define ALERT_COLUMNS(FIRST, X) \
	ALERT_STORED(FIRST, X)  \
	X(REF, message_id)

#define SELECT SQL_SELECT("alerts LEFT JOIN places ON alert_id = id", ALERT_COLUMNS)
/* Each value of a column once, in a table `each`; the last is NULL. Each is looked up separately,
 * so that an index skips the other rows that have it; UNION, since a damaged index could lead back
 * to an earlier one. */
#define EACH(column, where)                                                               \
	"WITH RECURSIVE each (value) AS (SELECT min(" column ") FROM alerts WHERE " where \
	"AND " column " IS NOT NULL UNION SELECT (SELECT min(" column ") FROM alerts "    \
	"WHERE " where "AND " column " > value) FROM each WHERE value IS NOT NULL) "
#define ALERTS_STATEMENTS(X)                                                                       \
	X(ALERTS_INSERT, SQL_INSERT("alerts", ALERT_STORED))                                       \
	X(ALERTS_BY_EXT_ID, SELECT "WHERE ext_id = ? AND app = ?")                                 \
	X(ALERTS_BY_EXT_ID_OF_ANY, SELECT "WHERE ext_id = ? LIMIT 1")                              \
	X(ALERTS_FORGET_EXT_ID, "UPDATE alerts SET ext_id = NULL WHERE ext_id = ?")                \
	X(ALERTS_BY_ID, SELECT "WHERE id = ?")                                                     \
	X(ALERTS_BY_RUN_ID, SELECT "WHERE run_id = ? ORDER BY resolved, id DESC LIMIT 1")          \
	X(ALERTS_OF_RUN, SELECT "WHERE run_id = ? ORDER BY id DESC LIMIT ?")                       \
	X(ALERTS_NEWEST_IN, SELECT "WHERE id = (SELECT max(a.id) FROM places p JOIN alerts a ON "  \
	                           "a.id = p.alert_id WHERE p.message_id = ? AND a.fingerprint = " \
	                           "? AND a.resolved = FALSE)")                                    \
	X(ALERTS_HELD, SELECT "WHERE silence_id = ? AND held = TRUE ORDER BY id DESC LIMIT ?")     \
	X(ALERTS_HELD_QUIET, SELECT "WHERE held = TRUE AND quiet = ? ORDER BY id DESC LIMIT ?")    \
	X(ALERTS_HELD_OF, SELECT "WHERE subject = ? AND held = TRUE LIMIT ?")                      \
	X(ALERTS_HELD_OVER, EACH("silence_id", "held = TRUE ") SELECT                              \
	        "WHERE held = TRUE AND silence_id IN (SELECT value FROM each WHERE value IS NOT "  \
	        "NULL AND NOT EXISTS (SELECT 1 FROM silences s WHERE s.id = value "                \
	        "AND s.ended_ms = 0 AND s.problem IS NULL)) LIMIT ?")                              \
	X(ALERTS_HELD_INHIBITED, SELECT                                                            \
	        "WHERE held = TRUE AND cause = 'inhibited' AND "                                   \
	        "(?1 = FALSE OR NOT EXISTS (SELECT 1 FROM entries e WHERE e.app = alerts.app AND " \
	        "e.identity = alerts.identity AND e.severity = 'critical' AND e.resolved_ms = "    \
	        "0)) "                                                                             \
	        "ORDER BY id LIMIT ?2")                                                            \
	X(ALERTS_ANY_HELD, "SELECT 1 FROM alerts WHERE held = TRUE LIMIT 1")                       \
	X(ALERTS_HELD_QUIETS, EACH("quiet", "held = TRUE ") "SELECT value FROM each WHERE value "  \
	                                                    "IS NOT NULL LIMIT 1 OFFSET ?")        \
	X(ALERTS_HELD_ROOMS,                                                                       \
	        EACH("room", "silence_id = ?1 ") "SELECT value FROM each WHERE value IS NOT NULL " \
	                                         "LIMIT 1 OFFSET ?2")                              \
	X(ALERTS_UNHOLD,                                                                           \
	        "UPDATE alerts SET held = FALSE WHERE subject = ?1 AND held = TRUE AND (?2 IS "    \
	        "NULL OR fingerprint = ?2)")                                                       \
	X(ALERTS_UPDATE, SQL_UPDATE("alerts", ALERT_CHANGING))                                     \
	X(ALERTS_PLACE, "INSERT INTO places (alert_id, message_id) VALUES (?, ?)")                 \
	X(ALERTS_REPLACE, "INSERT INTO places (alert_id, message_id) VALUES (?, ?) ON CONFLICT "   \
	                  "(alert_id) DO UPDATE SET message_id = excluded.message_id")             \
	X(ALERTS_CARRY,                                                                            \
	        "UPDATE places SET outbox_id = ?2 WHERE message_id = ?1 AND outbox_id IS NULL")    \
	X(ALERTS_COUNT_UNTOLD,                                                                     \
	        "SELECT count(*) FROM places WHERE message_id = ? AND outbox_id IS NULL")          \
	X(ALERTS_UNCARRY,                                                                          \
	        "UPDATE places SET outbox_id = NULL WHERE message_id = ? AND outbox_id = ?")       \
	X(ALERTS_COLLECT, "UPDATE alerts SET cause = 'collected', reason = ?3 WHERE id IN "        \
	                  "(SELECT alert_id FROM places WHERE message_id = ?1 AND outbox_id IS "   \
	                  "NULL) AND fingerprint = coalesce(?2, fingerprint)")                     \
	X(ALERTS_MOVE,                                                                             \
	        "UPDATE places SET message_id = ?3 WHERE message_id = ?1 AND outbox_id IS NULL "   \
	        "AND (?2 IS NULL OR (SELECT fingerprint FROM alerts WHERE id = alert_id) = ?2)")   \
	X(ALERTS_LIST, SELECT "WHERE id < ? ORDER BY id DESC LIMIT ?")                             \
	X(ALERTS_LIST_APP, SELECT "WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?")             \
	X(ALERTS_WHERE, "SELECT a.received_ms, o.sent_ms, o.state = 'undeliverable', o.event_id "  \
	                "FROM alerts a LEFT JOIN places p ON p.alert_id = a.id LEFT JOIN outbox "  \
	                "o ON o.id = p.outbox_id WHERE a.id = ?")                                  \
	X(ALERTS_DISCARDED, "SELECT NOT EXISTS (SELECT 1 FROM outbox WHERE message_id = "          \
	                    "p.message_id) FROM places p WHERE p.alert_id = ?")                    \
	X(ALERTS_OLDEST_CARRIED,                                                                   \
	        "SELECT received_ms FROM alerts WHERE id = (SELECT min(alert_id) FROM places "     \
	        "WHERE message_id = ? AND outbox_id = ?)")                                         \
	X(ALERTS_COUNT_SINCE,                                                                      \
	        "SELECT count(*) FILTER (WHERE severity = 'info'), "                               \
	        "count(*) FILTER (WHERE severity = 'warning'), count(*) FILTER "                   \
	        "(WHERE severity = 'critical') "                                                   \
	        "FROM alerts WHERE received_ms >= ? AND resolved = FALSE AND test = FALSE")        \
	X(ALERTS_COUNT_INHIBITED,                                                                  \
	        "SELECT count(*) FROM alerts WHERE received_ms >= ? AND cause = 'inhibited'")      \
	X(ALERTS_HOURS, "SELECT (received_ms - ?) / 3600000, count(*) FROM alerts "                \
	                "WHERE received_ms >= ? AND resolved = FALSE AND test = FALSE GROUP BY 1") \
	X(ALERTS_APPS, "SELECT app, count(*), count(*) FILTER (WHERE severity = 'critical'), "     \
	               "count(*) OVER () FROM alerts WHERE received_ms >= ? AND resolved = FALSE " \
	               "AND test = FALSE "                                                         \
	               "GROUP BY +app "                                                            \
	               "ORDER BY 2 DESC, app LIMIT ?")

SQL_STATEMENTS(sql_alerts, ALERTS_STATEMENTS);

SQL_ROWS(layout, ALERT_COLUMNS);
SQL_LAYOUT(stored, ALERT_STORED);
SQL_LAYOUT(changing, ALERT_CHANGING);

static enum err alerts_place(struct store *store, const struct alert_row *row, int statement)
{
	struct sql sql;

	if (row->message_id == 0)
		return OK;
	sql_use(&sql, store, SQL_ALERTS, statement);
	sql_bind_int(&sql, row->id);
	sql_bind_int(&sql, row->message_id);
	return sql_write(&sql);
}

enum err alerts_insert(struct store *store, struct alert_row *row)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_INSERT);
	err = sql_insert_row(&sql, &stored, row);
	return err == OK ? alerts_place(store, row, ALERTS_PLACE) : err;
}

enum err alerts_update(struct store *store, const struct alert_row *row)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_UPDATE);
	err = sql_update_row(&sql, &changing, row);
	return err == OK ? alerts_place(store, row, ALERTS_REPLACE) : err;
}

enum err alerts_by_ext_id(
        struct store *store, const char *ext_id, const char *app, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, app ? ALERTS_BY_EXT_ID : ALERTS_BY_EXT_ID_OF_ANY);
	sql_bind_text(&sql, ext_id);
	if (app)
		sql_bind_text(&sql, app);
	return sql_one_row(&sql, &layout, row);
}

enum err alerts_forget_ext_id(struct store *store, const char *ext_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_FORGET_EXT_ID);
	sql_bind_text(&sql, ext_id);
	return sql_write(&sql);
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

enum err alerts_newest_in(
        struct store *store, int64_t message_id, const char *fingerprint, struct alert_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_NEWEST_IN);
	sql_bind_int(&sql, message_id);
	sql_bind_text(&sql, fingerprint);
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

enum err alerts_uncarry(struct store *store, int64_t message_id, int64_t outbox_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_UNCARRY);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, outbox_id);
	return sql_write(&sql);
}

enum err alerts_move(
        struct store *store, int64_t from, const char *fingerprint, int64_t to, const char *reason)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_COLLECT);
	sql_bind_int(&sql, from);
	sql_bind_text(&sql, fingerprint);
	sql_bind_text(&sql, reason);
	err = sql_write(&sql);
	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_ALERTS, ALERTS_MOVE);
	sql_bind_int(&sql, from);
	sql_bind_text(&sql, fingerprint);
	sql_bind_int(&sql, to);
	return sql_write(&sql);
}

enum err alerts_carry(struct store *store, int64_t message_id, int64_t outbox_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_CARRY);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, outbox_id);
	return sql_write(&sql);
}

enum err alerts_oldest_carried(
        struct store *store, int64_t message_id, int64_t outbox_id, int64_t *received_ms)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_OLDEST_CARRIED);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, outbox_id);
	err = sql_one_int(&sql, received_ms);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err alerts_before(struct store *store, const char *app, int64_t before, int limit,
        struct alert_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, app ? ALERTS_LIST_APP : ALERTS_LIST);
	if (app)
		sql_bind_text(&sql, app);
	sql_bind_int(&sql, before);
	sql_bind_int(&sql, limit > 0 ? limit : 0); /* a negative LIMIT would mean none */
	err = sql_all_rows(&sql, &layout, &array, len);
	*rows = array;
	return err;
}

enum err alerts_list(
        struct store *store, const char *app, int limit, struct alert_row **rows, size_t *len)
{
	return alerts_before(store, app, INT64_MAX, limit, rows, len);
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
	*undeliverable = sql_int(&sql, 2); /* NULL, read as 0, while no event carries the alert */
	*event_id = sql_text_opt(&sql, 3);
	sql_end(&sql);
	return OK;
}

enum err alerts_discarded(struct store *store, int64_t id, bool *discarded)
{
	struct sql sql;
	int64_t yes = 0;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_DISCARDED);
	sql_bind_int(&sql, id);
	err = sql_one_int(&sql, &yes);
	*discarded = yes;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err alerts_count_inhibited(struct store *store, int64_t since_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_COUNT_INHIBITED);
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

		/* alerts received after the clock was set back count towards the last hour */
		counts[hour >= 0 && hour < (int64_t)hours ? (size_t)hour : hours - 1] +=
		        sql_int(&sql, 1);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err alerts_by_app(struct store *store, int64_t since_ms, struct alert_count *counts,
        size_t *len, int64_t *apps)
{
	size_t max = *len;
	struct sql sql;
	enum err err;

	*len = 0;
	*apps = 0;
	sql_use(&sql, store, SQL_ALERTS, ALERTS_APPS);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, (int64_t)max);
	while ((err = sql_next(&sql)) == OK && *len < max) {
		counts[*len].app = sql_text(&sql, 0);
		counts[*len].alerts = sql_int(&sql, 1);
		counts[(*len)++].criticals = sql_int(&sql, 2);
		*apps = sql_int(&sql, 3);
	}
	return err == ERR_NOT_FOUND ? OK : err;
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

enum err alerts_held_inhibited(
        struct store *store, bool inhibits, int limit, struct alert_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_HELD_INHIBITED);
	sql_bind_int(&sql, inhibits);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err alerts_any_held(struct store *store, bool *any)
{
	struct sql sql;
	int64_t one;
	enum err err;

	sql_use(&sql, store, SQL_ALERTS, ALERTS_ANY_HELD);
	err = sql_one_int(&sql, &one);
	*any = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
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

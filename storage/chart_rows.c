/*
 * chart_rows.c - the table `charts`, and statements over others; see chart_rows.h. A row of
 * `charts` is inserted once and never changed.
 */
#include "storage/chart_rows.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/severity.h"
#include "storage/sql.h"

const char *const chart_span_names[] = {"24h", "7d", "30d", NULL};

#define SQL_STRUCT chart_row
#define CHART_COLUMNS(FIRST, X)             \
	FIRST(ENUM(chart_span_names), span) \
	X(LONG, created_ms)                 \
	X(LONG, until_ms)                   \
	X(TEXT, room)                       \
	X(OPT, app)                         \
	X(OPT, root)                        \
	X(OPT, reply_to)

#define COUNTS                                                           \
	"count(*) FILTER (WHERE severity = 'info'), "                    \
	"count(*) FILTER (WHERE severity = 'warning'), count(*) FILTER " \
	"(WHERE severity = 'critical') "
#define RECEIVED                                                                               \
	"FROM alerts INDEXED BY alerts_received WHERE received_ms >= ?1 AND received_ms < ?2 " \
	"AND resolved = FALSE AND test = FALSE AND (?3 IS NULL OR app = ?3) "
#define TOP(name)                                                                           \
	"SELECT " name ", " COUNTS RECEIVED "GROUP BY +" name " ORDER BY count(*) DESC, 1 " \
	"LIMIT ?4"
#define TOTAL(name) "SELECT count(DISTINCT " name ") " RECEIVED

#define CHARTS_STATEMENTS(X)                                                                       \
	X(CHARTS_INSERT, SQL_INSERT("charts", CHART_COLUMNS))                                      \
	X(CHARTS_DELETE, "DELETE FROM charts WHERE id = ?")                                        \
	X(CHARTS_COUNT, "SELECT count(*) FROM charts WHERE id > ?")                                \
	X(CHARTS_NEXT, SQL_SELECT("charts", CHART_COLUMNS) "WHERE id > ? ORDER BY id LIMIT 1")     \
	X(CHARTS_HOURS, "SELECT (received_ms - ?1) / 3600000, " COUNTS RECEIVED "GROUP BY 1")      \
	X(CHARTS_APPS, TOP("app"))                                                                 \
	X(CHARTS_APPS_TOTAL, TOTAL("app"))                                                         \
	X(CHARTS_FAILURES, TOP("identity"))                                                        \
	X(CHARTS_FAILURES_TOTAL, TOTAL("identity"))                                                \
	X(CHARTS_ACK_TIMES,                                                                        \
	        "SELECT max(acked_ms - told_ms) FROM entries WHERE acked_ms > 0 AND acked_ms >= "  \
	        "?1 AND acked_ms < ?2 AND told_ms > 0 AND told_ms <= acked_ms AND test = FALSE "   \
	        "AND (?3 IS NULL OR app = ?3) GROUP BY fingerprint, acked_ms ORDER BY 1 LIMIT ?4") \
	X(CHARTS_UNACKED,                                                                          \
	        "SELECT count(DISTINCT fingerprint) FROM entries INDEXED BY entries_open WHERE "   \
	        "severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND last_ms >= ?1 "    \
	        "AND last_ms < ?2 AND test = FALSE AND (?3 IS NULL OR app = ?3)")

SQL_STATEMENTS(sql_charts, CHARTS_STATEMENTS);

SQL_ROWS(layout, CHART_COLUMNS);

enum err charts_insert(struct store *store, struct chart_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CHARTS, CHARTS_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err charts_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CHARTS, CHARTS_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err charts_count(struct store *store, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CHARTS, CHARTS_COUNT);
	sql_bind_int(&sql, 0);
	return sql_one_int(&sql, count);
}

enum err charts_next(struct store *store, int64_t after_id, struct chart_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_CHARTS, CHARTS_NEXT);
	sql_bind_int(&sql, after_id);
	return sql_one_row(&sql, &layout, row);
}

static void charts_use(
        struct sql *sql, struct store *store, int statement, const struct chart_range *range)
{
	sql_use(sql, store, SQL_CHARTS, statement);
	sql_bind_int(sql, range->since_ms);
	sql_bind_int(sql, range->until_ms);
	sql_bind_text(sql, range->app);
}

enum err charts_by_hour(
        struct store *store, const struct chart_range *range, int64_t (*counts)[3], size_t hours)
{
	struct sql sql;
	enum err err;

	memset(counts, 0, hours * sizeof(*counts));
	charts_use(&sql, store, CHARTS_HOURS, range);
	while ((err = sql_next(&sql)) == OK) {
		int64_t hour = sql_int(&sql, 0);

		for (int i = 0; i < SEVERITY_COUNT && hour >= 0 && hour < (int64_t)hours; i++)
			counts[hour][i] += sql_int(&sql, 1 + i);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err charts_top(struct store *store, const struct chart_range *range, struct chart_top *tops,
        size_t *len, int64_t *total)
{
	size_t max = *len;
	struct sql sql;
	enum err err;

	*len = 0;
	charts_use(&sql, store, range->app ? CHARTS_FAILURES_TOTAL : CHARTS_APPS_TOTAL, range);
	err = sql_one_int(&sql, total);
	if (err != OK)
		return err;
	charts_use(&sql, store, range->app ? CHARTS_FAILURES : CHARTS_APPS, range);
	sql_bind_int(&sql, (int64_t)max);
	while ((err = sql_next(&sql)) == OK && *len < max) {
		struct chart_top *top = &tops[(*len)++];

		top->name = sql_text(&sql, 0);
		for (int i = 0; i < SEVERITY_COUNT; i++)
			top->counts[i] = sql_int(&sql, 1 + i);
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err charts_ack_times(
        struct store *store, const struct chart_range *range, int64_t *times_ms, size_t *len)
{
	size_t max = *len;
	struct sql sql;
	enum err err;

	*len = 0;
	charts_use(&sql, store, CHARTS_ACK_TIMES, range);
	sql_bind_int(&sql, (int64_t)max);
	while ((err = sql_next(&sql)) == OK && *len < max)
		times_ms[(*len)++] = sql_int(&sql, 0);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err charts_unacked(struct store *store, const struct chart_range *range, int64_t *count)
{
	struct sql sql;

	charts_use(&sql, store, CHARTS_UNACKED, range);
	return sql_one_int(&sql, count);
}

/*
 * silences.c - the table `silences`; see silences.h.
 */
#include "storage/silences.h"

#include <stdlib.h>
#include "bot/base/alloc.h"
#include "storage/sql.h"

#define SQL_STRUCT silence_row
#define SILENCE_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)        \
	X(LONG, start_ms)         \
	X(LONG, end_ms)           \
	X(LONG, ended_ms)         \
	X(LONG, held)             \
	X(BOOL, until_resolved)   \
	X(TEXT, author)           \
	X(OPT, room)              \
	X(TEXT, matchers)         \
	X(TEXT, reason)           \
	X(OPT, problem)

#define SELECT SQL_SELECT("silences", SILENCE_COLUMNS)
#define SILENCES_STATEMENTS(X)                                                              \
	X(SILENCES_INSERT, SQL_INSERT("silences", SILENCE_COLUMNS))                         \
	X(SILENCES_UPDATE, SQL_UPDATE("silences", SILENCE_COLUMNS))                         \
	X(SILENCES_BY_ID, SELECT "WHERE id = ?")                                            \
	X(SILENCES_ACTIVE, SELECT "WHERE ended_ms = 0 ORDER BY id")                         \
	X(SILENCES_DUE, SELECT "INDEXED BY silences_end WHERE ended_ms = 0 AND "            \
	                       "end_ms <= ? ORDER BY end_ms, id")                           \
	X(SILENCES_ENDED, SELECT "WHERE id > (SELECT max(id) FROM silences) - 1000 AND "    \
	                         "ended_ms > ? ORDER BY id")                                \
	X(SILENCES_COUNT, "UPDATE silences SET held = min(held, 1 << 52) + 1 WHERE id = ?") \
	X(SILENCES_SET_PROBLEM, "UPDATE silences SET problem = ? WHERE id = ?")

SQL_STATEMENTS(sql_silences, SILENCES_STATEMENTS);

SQL_ROWS(layout, SILENCE_COLUMNS);

enum err silences_insert(struct store *store, struct silence_row *row)
{
	struct sql sql;

	store->silences_stale = true;
	sql_use(&sql, store, SQL_SILENCES, SILENCES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err silences_update(struct store *store, const struct silence_row *row)
{
	struct sql sql;

	store->silences_stale = true;
	sql_use(&sql, store, SQL_SILENCES, SILENCES_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err silences_by_id(struct store *store, int64_t id, struct silence_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err silences_active(struct store *store, struct silence_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_ACTIVE);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err silences_due(struct store *store, int64_t now_ms, struct silence_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_DUE);
	sql_bind_int(&sql, now_ms);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err silences_ended(
        struct store *store, int64_t since_ms, struct silence_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_ENDED);
	sql_bind_int(&sql, since_ms);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

/* ---- compiled ---- */

struct silence_cache {
	struct silence_matchers *list;
	size_t len;
};

void silence_cache_free(struct silence_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->len; i++)
		matchers_free(cache->list[i].matchers);
	free(cache->list);
	free(cache);
}

static struct silence_cache *silence_cache_make(const struct silence_row *rows, size_t len)
{
	struct silence_cache *cache = x_calloc(1, sizeof(*cache));

	cache->list = x_calloc(len + 1, sizeof(*cache->list));
	for (size_t i = 0; i < len; i++) {
		struct silence_matchers *one = &cache->list[cache->len];

		if (rows[i].problem)
			continue;
		*one = (struct silence_matchers){.id = rows[i].id,
		        .start_ms = rows[i].start_ms,
		        .end_ms = rows[i].end_ms,
		        .until_resolved = rows[i].until_resolved};
		matchers_parse(rows[i].matchers, &one->matchers, one->why);
		cache->len++;
	}
	return cache;
}

enum err silences_compiled(struct store *store, const struct silence_matchers **list, size_t *len)
{
	struct silence_row *rows = NULL;
	size_t rows_len = 0;
	enum err err = OK;

	if (!store->silences || store->silences_stale) {
		err = silences_active(store, &rows, &rows_len);
		if (err == OK) {
			silence_cache_free(store->silences);
			store->silences = silence_cache_make(rows, rows_len);
			store->silences_stale = false;
		}
		silence_rows_free(rows, rows_len);
	}
	*list = err == OK ? store->silences->list : NULL;
	*len = err == OK ? store->silences->len : 0;
	return err;
}

enum err silences_count(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SILENCES, SILENCES_COUNT);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err silences_set_problem(struct store *store, int64_t id, const char *problem)
{
	struct sql sql;

	store->silences_stale = true;
	sql_use(&sql, store, SQL_SILENCES, SILENCES_SET_PROBLEM);
	sql_bind_text(&sql, problem);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

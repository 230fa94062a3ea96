/*
 * sql_watch_rows.c - the table `sqlwatch`; see sql_watch_rows.h.
 */
#include "storage/sql_watch_rows.h"

#include "bot/base/alloc.h"
#include "storage/sql.h"

#define SQL_STRUCT sqlwatch_row
#define SQLWATCH_COLUMNS(FIRST, X) \
	FIRST(INT, severity)       \
	X(INT, fault)              \
	X(LONG, told_ms)           \
	X(LONG, tried_ms)          \
	X(LONG, shown_ms)          \
	X(TEXT, watch)             \
	X(TEXT, subject)           \
	X(TEXT, request)

#define SELECT SQL_SELECT("sqlwatch", SQLWATCH_COLUMNS)
#define SQLWATCH_STATEMENTS(X)                                       \
	X(SQLWATCH_INSERT, SQL_INSERT("sqlwatch", SQLWATCH_COLUMNS)) \
	X(SQLWATCH_UPDATE, SQL_UPDATE("sqlwatch", SQLWATCH_COLUMNS)) \
	X(SQLWATCH_DELETE, "DELETE FROM sqlwatch WHERE id = ?")      \
	X(SQLWATCH_OF, SELECT "WHERE watch = ? ORDER BY id")         \
	X(SQLWATCH_NAMES, "SELECT DISTINCT watch FROM sqlwatch")

SQL_STATEMENTS(sql_sqlwatch, SQLWATCH_STATEMENTS);

static const struct sql_column columns[] = {SQLWATCH_COLUMNS(SQL_COLUMN, SQL_COLUMN)};
static const struct sql_rows rows_type = {
        columns,
        sizeof(columns) / sizeof(columns[0]),
        offsetof(struct sqlwatch_row, id),
        sizeof(struct sqlwatch_row),
};

void sqlwatch_row_finish(struct sqlwatch_row *row)
{
	sql_finish_row(&rows_type, row);
}

enum err sqlwatch_insert(struct store *store, struct sqlwatch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQLWATCH, SQLWATCH_INSERT);
	return sql_insert_row(&sql, &rows_type, row);
}

enum err sqlwatch_update(struct store *store, const struct sqlwatch_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQLWATCH, SQLWATCH_UPDATE);
	return sql_update_row(&sql, &rows_type, row);
}

enum err sqlwatch_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQLWATCH, SQLWATCH_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err sqlwatch_of(
        struct store *store, const char *watch, struct sqlwatch_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_SQLWATCH, SQLWATCH_OF);
	sql_bind_text(&sql, watch);
	return sql_all_rows(&sql, &rows_type, (void **)rows, len);
}

enum err sqlwatch_names(struct store *store, char ***names, size_t *len)
{
	struct sql sql;
	enum err code;

	*names = NULL;
	*len = 0;
	sql_use(&sql, store, SQL_SQLWATCH, SQLWATCH_NAMES);
	while ((code = sql_next(&sql)) == OK) {
		char *name = sql_text(&sql, 0);

		*names = x_realloc(*names, (*len + 1) * sizeof(**names));
		(*names)[(*len)++] = name != NULL ? name : x_strdup("");
	}
	return code == ERR_NOT_FOUND ? OK : code;
}

/*
 * probe.c - see probe.h: prepares and runs a query that names the columns and returns no rows.
 */
#include "storage/probe.h"

#include <string.h>
#include "bot/base/buf.h"
#include "storage/query.h"

#define SQL_MAX 8192

/* Adds a name in double quotes. SQLite reads a quoted name that is not a column as a string;
 * qualified by the table it is an error, as wanted. */
static void probe_add_name(struct buf *sql, const char *name, size_t len)
{
	buf_add_char(sql, '"');
	for (; len > 0; len--, name++) {
		if (*name == '"')
			buf_add_char(sql, '"');
		buf_add_char(sql, *name);
	}
	buf_add_char(sql, '"');
}

/* SELECT t."a", t."b" FROM "table" AS t LIMIT 0, with the `theirs` of each "ours=theirs". */
static void make_query(struct buf *sql, const char *table, const char *columns)
{
	const char *separator = "SELECT t.";

	while (*columns) {
		size_t len = strcspn(columns, ",");
		const char *equals = memchr(columns, '=', len);
		size_t skip = equals ? (size_t)(equals + 1 - columns) : 0;

		buf_add_str(sql, separator);
		separator = ", t.";
		probe_add_name(sql, columns + skip, len - skip);
		columns += len + (columns[len] == ',');
	}
	buf_add_str(sql, " FROM ");
	probe_add_name(sql, table, strlen(table));
	buf_add_str(sql, " AS t LIMIT 0");
}

enum err probe_calls_table(
        const char *database, const char *table, const char *columns, struct fault *fault)
{
	struct query_ask ask = {.database = database, .limit_ms = QUERY_LIMIT_MS};
	struct query_rows rows;
	struct query *query;
	struct buf sql;
	enum err err;

	buf_init(&sql, SQL_MAX);
	make_query(&sql, table, columns);
	ask.sql = buf_str(&sql);
	query = query_create(&ask);
	err = query_run(query, &rows, fault);
	if (err != OK && !strstr(fault->text, database))
		fault_wrap(fault, "%s", database);
	query_rows_finish(&rows);
	query_destroy(query);
	buf_finish(&sql);
	return err;
}

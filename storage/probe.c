/*
 * probe.c - see probe.h: runs a query that names the columns and reads no row.
 */
#include "storage/probe.h"

#include <string.h>
#include "bot/base/buf.h"
#include "storage/query.h"

#define SQL_MAX 8192

/* A name in double quotes. SQLite takes one that is no column for a string, so it is qualified
 * by the table, which it does not do for strings. */
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

/* SELECT t."a", t."b" FROM "table" AS t LIMIT 0; theirs of each "ours=theirs". */
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

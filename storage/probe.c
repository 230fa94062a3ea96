/*
 * probe.c - see probe.h: prepares a query that names the columns.
 */
#include "storage/probe.h"

#include <sqlite3.h>
#include <string.h>
#include "bot/base/buf.h"

#define SQL_MAX 8192
#define BUSY_MS 1000

/* A name in double quotes. SQLite takes one that is no column for a string, so it is qualified
 * by the table, which it does not do for strings. */
static void add_name(struct buf *sql, const char *name, size_t len)
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
		add_name(sql, columns + skip, len - skip);
		columns += len + (columns[len] == ',');
	}
	buf_add_str(sql, " FROM ");
	add_name(sql, table, strlen(table));
	buf_add_str(sql, " AS t LIMIT 0");
}

enum err probe_calls_table(
        const char *database, const char *table, const char *columns, struct fault *fault)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *statement = NULL;
	struct buf sql;
	enum err err = OK;
	int rc;

	buf_init(&sql, SQL_MAX);
	make_query(&sql, table, columns);
	rc = sqlite3_open_v2(database, &db, SQLITE_OPEN_READONLY, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		rc = sqlite3_prepare_v2(db, buf_str(&sql), -1, &statement, NULL);
	}
	if (rc == SQLITE_ERROR || rc == SQLITE_CANTOPEN)
		err = fault_set(fault, ERR_NOT_FOUND, "%s: %s", database, sqlite3_errmsg(db));
	else if (rc != SQLITE_OK)
		err = fault_set(fault, ERR_IO, "%s: %s", database, sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	buf_finish(&sql);
	return err;
}

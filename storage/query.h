/*
 * query.h - one read-only query on another app's SQLite database.
 *
 * The other app owns the file. It is opened for the query and closed after it; only a SELECT
 * runs (one statement, no PRAGMA, no ATTACH, no extension); time, rows and sizes are bounded; and
 * nothing is left beside it: a database in WAL mode that nobody has open is read as it lies, since
 * opening it in the usual way would create files that belong to the wrong user. While a query
 * runs on a database in rollback-journal mode its app cannot commit, so that takes at most
 * QUERY_JOURNAL_MS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"

#define QUERY_ROWS_MAX 100
#define QUERY_COLUMNS_MAX 64
#define QUERY_TEXT_MAX 4096   /* bytes kept of a value or a name */
#define QUERY_PARAMS_MAX 4    /* parameters that can be given */
#define QUERY_LIMIT_MS 5000   /* a query's time */
#define QUERY_JOURNAL_MS 2000 /* the same where it keeps the app from writing */

enum query_type { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB };

struct query_value {
	enum query_type type;
	int64_t integer; /* of a blob: its size */
	double real;
	char *text; /* QUERY_TEXT: UTF-8 whatever was stored, cut to QUERY_TEXT_MAX; else NULL */
};

struct query_rows {
	char **names; /* columns of them, UTF-8 */
	size_t columns;
	struct query_value *values; /* rows × columns */
	size_t rows;
	bool more; /* there were over QUERY_ROWS_MAX */
};

void query_rows_finish(struct query_rows *rows); /* a zeroed one is allowed */

struct query_param {
	const char *name; /* ":threshold"; static */
	double real;      /* given as an integer where it is whole */
};

struct query_ask {
	const char *database, *sql;
	struct query_param params[QUERY_PARAMS_MAX];
	size_t params_len;
	int64_t limit_ms; /* at most this */
};

struct query;

/* Copies what it is given. */
struct query *query_create(const struct query_ask *ask);
void query_destroy(struct query *query); /* NULL is allowed; not while it runs */

/*
 * Blocks; for a pool thread. rows is filled on OK and zeroed else. ERR_NOT_FOUND: no such file,
 * table or column. ERR_INVALID: wrong SQL. ERR_DENIED: something else than one SELECT, or the
 * file may not be read. ERR_BUSY: locked, or left in the middle of a write. ERR_TIMEOUT.
 * ERR_TOO_LARGE: a value or the number of columns. ERR_CORRUPT. ERR_CANCELED: query_interrupt().
 */
enum err query_run(struct query *query, struct query_rows *rows, struct fault *fault);

/* Ends a run, or the next one, from another thread. */
void query_interrupt(struct query *query);

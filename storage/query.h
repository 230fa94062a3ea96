/*
 * query.h - one read-only query on another app's SQLite database.
 *
 * The other app owns the file. It is opened for the query and closed after it; only a SELECT runs
 * (one statement, no PRAGMA, no ATTACH, no extension); time, rows and sizes are bounded; and no
 * files are left behind: a database in WAL mode that nobody has open is read as immutable, since
 * opening it normally would create files owned by the wrong user. While a query runs on a database
 * in rollback-journal mode, its app cannot commit, so such a query is limited to QUERY_JOURNAL_MS.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"

#define QUERY_ROWS_MAX 100
#define QUERY_COLUMNS_MAX 64
#define QUERY_TEXT_MAX 4096   /* bytes kept of a value or a name */
#define QUERY_PARAMS_MAX 4    /* parameters a query can have */
#define QUERY_LIMIT_MS 5000   /* time limit of a query */
#define QUERY_JOURNAL_MS 2000 /* time limit while the query blocks the app's writes */

enum query_type { QUERY_NULL, QUERY_INT, QUERY_REAL, QUERY_TEXT, QUERY_BLOB };

struct query_value {
	enum query_type type;
	int64_t integer; /* of a blob: its size in bytes */
	double real;
	char *text; /* QUERY_TEXT: always valid UTF-8, cut to QUERY_TEXT_MAX; else NULL */
};

struct query_rows {
	char **names; /* column names, UTF-8 */
	size_t columns;
	struct query_value *values; /* rows × columns */
	size_t rows;
	bool more; /* there were more than QUERY_ROWS_MAX */
};

void query_rows_finish(struct query_rows *rows); /* also takes a zeroed struct */

struct query_param {
	const char *name; /* ":threshold"; static */
	double real;      /* bound as an integer if it is whole */
};

struct query_ask {
	const char *database, *sql;
	struct query_param params[QUERY_PARAMS_MAX];
	size_t params_len;
	int64_t limit_ms; /* time limit; QUERY_JOURNAL_MS applies as well */
};

struct query;

/* Copies *ask and its strings. */
struct query *query_create(const struct query_ask *ask);
void query_destroy(struct query *query); /* NULL is allowed; must not be running */

/*
 * Blocks; call it on a pool thread. *rows is filled on OK and zeroed otherwise. ERR_NOT_FOUND: no
 * such file, table or column. ERR_INVALID: wrong SQL. ERR_DENIED: something other than one SELECT,
 * or the file may not be read. ERR_BUSY: locked, or an unfinished write was left behind.
 * ERR_TIMEOUT. ERR_TOO_LARGE: a value or the number of columns. ERR_CORRUPT. ERR_CANCELED:
 * query_interrupt().
 */
enum err query_run(struct query *query, struct query_rows *rows, struct fault *fault);

/* Cancels the current run, or the next one; callable from any thread. */
void query_interrupt(struct query *query);

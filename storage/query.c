/*
 * query.c - see query.h.
 *
 * How a database may be opened depends on its journal mode, which is in its header. The header is
 * read through SQLite's own descriptor: closing another descriptor of the file would drop the locks
 * of other connections in this process (storage/mirror.c may have one). In rollback-journal mode,
 * or with a write-ahead log that another process has open, opening the database normally changes
 * nothing on disk. Without a log the file alone is complete: it is opened as immutable and checked
 * again afterwards, since an app may have opened it meanwhile; in that case the result is discarded
 * and the query runs again on the database opened normally.
 */
#include "storage/query.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "storage/sql.h"

#define BUSY_MS 500
#define LENGTH_MAX (16 * 1024 * 1024) /* bytes of a value or row that SQLite accepts */
#define STEPS 1000 /* SQLite virtual machine steps between two checks of the clock */
#define TRIES 2
#define HEADER_MODE 18 /* offset of the write and read version: 2 is WAL */

struct query {
	struct query_ask ask; /* its strings are owned here */
	pthread_mutex_t mutex;
	sqlite3 *db;         /* set while it runs; under the mutex */
	bool stopped;        /* under the mutex, too */
	int64_t deadline_ms; /* monotonic */
};

/* --- creating and destroying ---------------------------------------------------------------- */

struct query *query_create(const struct query_ask *ask)
{
	struct query *query = x_calloc(1, sizeof(*query));

	query->ask = *ask;
	query->ask.database = x_strdup(ask->database);
	query->ask.sql = x_strdup(ask->sql);
	pthread_mutex_init(&query->mutex, NULL);
	return query;
}

void query_destroy(struct query *query)
{
	if (!query)
		return;
	pthread_mutex_destroy(&query->mutex);
	free((char *)query->ask.database);
	free((char *)query->ask.sql);
	free(query);
}

void query_interrupt(struct query *query)
{
	pthread_mutex_lock(&query->mutex);
	query->stopped = true;
	if (query->db)
		sqlite3_interrupt(query->db);
	pthread_mutex_unlock(&query->mutex);
}

static bool is_stopped(struct query *query)
{
	bool stopped;

	pthread_mutex_lock(&query->mutex);
	stopped = query->stopped;
	pthread_mutex_unlock(&query->mutex);
	return stopped;
}

static bool is_late(const struct query *query)
{
	return clock_monotonic_ms() >= query->deadline_ms;
}

static void query_publish(struct query *query, sqlite3 *db)
{
	pthread_mutex_lock(&query->mutex);
	query->db = db;
	pthread_mutex_unlock(&query->mutex);
}

void query_rows_finish(struct query_rows *rows)
{
	for (size_t i = 0; i < rows->columns; i++)
		free(rows->names[i]);
	for (size_t i = 0; i < rows->columns * rows->rows; i++)
		free(rows->values[i].text);
	free(rows->names);
	free(rows->values);
	*rows = (struct query_rows){0};
}

/* --- failures ------------------------------------------------------------------------------- */

static bool query_begins_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static enum err query_fail(struct query *query, sqlite3 *db, int rc, struct fault *fault)
{
	const char *message = sqlite3_errmsg(db);

	if (query_begins_with(message,
	            "not authorized")) /* the message, since several codes are used for it */
		rc = SQLITE_AUTH;
	switch (rc & 0xff) {
	case SQLITE_INTERRUPT:
		if (!is_late(query))
			return fault_set(fault, ERR_CANCELED, "canceled");
		return fault_set(fault, ERR_TIMEOUT, "the query takes too long");
	case SQLITE_AUTH:
		return fault_set(fault, ERR_DENIED, "only a SELECT is allowed: %s", message);
	case SQLITE_CANTOPEN:
		return fault_set(fault,
		        sqlite3_system_errno(db) == ENOENT ? ERR_NOT_FOUND : ERR_DENIED, "%s: %s",
		        query->ask.database,
		        sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db)) : message);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return fault_set(fault, ERR_BUSY, "%s is locked", query->ask.database);
	case SQLITE_READONLY:
		return fault_set(fault, ERR_BUSY, "%s was left in the middle of a write",
		        query->ask.database);
	case SQLITE_ERROR:
		return fault_set(fault,
		        query_begins_with(message, "no such ") ? ERR_NOT_FOUND : ERR_INVALID, "%s",
		        message);
	default:
		return fault_set(fault, sql_code(db, rc), "%s: %s", query->ask.database, message);
	}
}

/* --- opening -------------------------------------------------------------------------------- */

static int on_progress(void *arg)
{
	struct query *query = arg;

	return is_late(query) || is_stopped(query);
}

/* Allows what a SELECT needs; anything else is rejected when the statement is prepared. */
static int on_authorize(void *arg, int action, const char *a, const char *b, const char *database,
        const char *trigger)
{
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b && strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

/* Limits what the connection may do; does not access the file. */
static int restrict_connection(struct query *query, sqlite3 *db)
{
	static const int settings[][2] = {
	        {SQLITE_DBCONFIG_DEFENSIVE, 1},
	        {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
	        {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
	        {SQLITE_DBCONFIG_DQS_DML, 0}, /* "no_such_column" is not a string */
	        {SQLITE_DBCONFIG_DQS_DDL, 0},
	        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1},
	};
	int rc = sqlite3_busy_timeout(db, BUSY_MS);

	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
		rc = sqlite3_db_config(db, settings[i][0], settings[i][1], NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000);
	sqlite3_progress_handler(db, STEPS, on_progress, query);
	if (rc == SQLITE_OK) {
		/* a file that shrinks under a memory map would end the process */
		rc = sqlite3_exec(db,
		        "PRAGMA query_only = ON; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON",
		        NULL, NULL, NULL);
	}
	return rc == SQLITE_OK ? sqlite3_set_authorizer(db, on_authorize, NULL) : rc;
}

/* *db must be closed by the caller even on failure. */
static enum err open_as(
        struct query *query, const char *name, int flags, sqlite3 **db, struct fault *fault)
{
	int rc = sqlite3_open_v2(
	        name, db, flags | SQLITE_OPEN_READONLY | SQLITE_OPEN_EXRESCODE, NULL);

	if (rc == SQLITE_OK)
		rc = restrict_connection(query, *db);
	if (rc != SQLITE_OK)
		return query_fail(query, *db, rc, fault);
	query_publish(query, *db);
	if (is_stopped(query)) /* interrupted before there was a connection to interrupt */
		return fault_set(fault, ERR_CANCELED, "canceled");
	return OK;
}

static void query_shut(struct query *query, sqlite3 **db)
{
	query_publish(query, NULL);
	sqlite3_close(*db);
	*db = NULL;
}

/* False also for a file without a header: it is empty or not a database. */
static bool is_wal(sqlite3 *db)
{
	unsigned char mode[2] = {0, 0};
	sqlite3_file *file = NULL;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
	        !file || !file->pMethods ||
	        file->pMethods->xRead(file, mode, sizeof(mode), HEADER_MODE) != SQLITE_OK)
		return false;
	return mode[1] == 2;
}

/* Size of the file named PATH + suffix, -1 when there is none. */
static int64_t size_beside(const struct query *query, const char *suffix)
{
	char *path = x_asprintf("%s%s", query->ask.database, suffix);
	struct stat st;
	int64_t size = stat(path, &st) == 0 ? (int64_t)st.st_size : -1;

	free(path);
	return size;
}

/* Opens as immutable. */
static enum err open_lying(struct query *query, sqlite3 **db, struct fault *fault)
{
	struct buf uri;
	enum err err;

	buf_init(&uri, 3 * 8192);
	buf_add_str(&uri, "file:");
	text_add_uri(&uri, query->ask.database);
	buf_add_str(&uri, "?immutable=1");
	err = uri.overflow ? fault_set(fault, ERR_INVALID, "the path is too long")
	                   : open_as(query, buf_str(&uri), SQLITE_OPEN_URI, db, fault);
	buf_finish(&uri);
	return err;
}

/* File state by which a write by somebody else is recognized. */
struct trace {
	struct stat st;
	int64_t wal;
};

static void trace_take(const struct query *query, struct trace *trace)
{
	memset(trace, 0, sizeof(*trace));
	stat(query->ask.database, &trace->st);
	trace->wal = size_beside(query, "-wal");
}

static bool trace_same(const struct trace *a, const struct trace *b)
{
	return a->wal <= 0 && b->wal <= 0 && a->st.st_ino == b->st.st_ino &&
	       a->st.st_dev == b->st.st_dev && a->st.st_size == b->st.st_size &&
	       a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
	       a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

/* Opens in the mode that leaves no files behind. *lying: it was opened as immutable. */
static enum err open_rightly(struct query *query, sqlite3 **db, bool *lying, struct fault *fault)
{
	enum err err = open_as(query, query->ask.database, 0, db, fault);
	int64_t wal;

	*lying = false;
	if (err != OK)
		return err;
	if (!is_wal(*db)) {
		int64_t soon_ms = clock_monotonic_ms() + QUERY_JOURNAL_MS;

		query->deadline_ms = query->deadline_ms < soon_ms ? query->deadline_ms : soon_ms;
		return OK;
	}
	wal = size_beside(query, "-wal");
	if (wal >= 0 && size_beside(query, "-shm") >= 0)
		return OK;
	if (wal > 0) {
		return fault_set(fault, ERR_BUSY,
		        "%s-wal was left in the middle of a write: its app must open it once",
		        query->ask.database);
	}
	query_shut(query, db);
	*lying = true;
	return open_lying(query, db, fault);
}

/* --- the statement -------------------------------------------------------------------------- */

static int query_bind(sqlite3_stmt *stmt, int index, double real)
{
	if (real >= -9e15 && real <= 9e15 && real == (double)(int64_t)real)
		return sqlite3_bind_int64(stmt, index, (int64_t)real);
	return sqlite3_bind_double(stmt, index, real);
}

static enum err bind_all(struct query *query, sqlite3_stmt *stmt, struct fault *fault)
{
	for (int i = 1; i <= sqlite3_bind_parameter_count(stmt); i++) {
		const char *name = sqlite3_bind_parameter_name(stmt, i);
		size_t k = 0;

		while (k < query->ask.params_len &&
		        (!name || strcmp(query->ask.params[k].name, name) != 0))
			k++;
		if (k == query->ask.params_len) {
			return fault_set(fault, ERR_INVALID, "there is no parameter %s here",
			        name ? name : "?");
		}
		if (query_bind(stmt, i, query->ask.params[k].real) != SQLITE_OK)
			return fault_set(fault, ERR_INVALID, "%s: cannot be given", name);
	}
	return OK;
}

static enum err query_prepare(
        struct query *query, sqlite3 *db, sqlite3_stmt **stmt, struct fault *fault)
{
	sqlite3_stmt *more = NULL;
	const char *rest = NULL;
	int rc = sqlite3_prepare_v2(db, query->ask.sql, -1, stmt, &rest);

	if (rc != SQLITE_OK)
		return query_fail(query, db, rc, fault);
	if (!*stmt)
		return fault_set(fault, ERR_INVALID, "there is no SELECT in it");
	rc = sqlite3_prepare_v2(db, rest, -1, &more, NULL);
	sqlite3_finalize(more);
	if (rc != SQLITE_OK || more)
		return fault_set(fault, ERR_DENIED, "only one statement is allowed");
	if (sqlite3_column_count(*stmt) == 0 || !sqlite3_stmt_readonly(*stmt) ||
	        sqlite3_stmt_isexplain(*stmt))
		return fault_set(fault, ERR_DENIED, "only a SELECT is allowed");
	if (sqlite3_column_count(*stmt) > QUERY_COLUMNS_MAX)
		return fault_set(fault, ERR_TOO_LARGE, "over %d columns", QUERY_COLUMNS_MAX);
	return bind_all(query, *stmt, fault);
}

/* The text as UTF-8 without NUL, whatever bytes were stored. */
static char *clean_text(const char *bytes, size_t len)
{
	struct buf out;
	size_t used;

	buf_init(&out, QUERY_TEXT_MAX);
	for (; len > 0; bytes += used, len -= used) {
		unsigned point;

		used = text_decode(bytes, len, &point);
		if (point == 0 || point == 0xFFFD)
			buf_add_str(&out, "\xEF\xBF\xBD");
		else
			buf_add(&out, bytes, used);
		if (out.overflow)
			break;
	}
	return buf_take(&out);
}

static void query_take_value(sqlite3_stmt *stmt, int column, struct query_value *value)
{
	const char *text;

	switch (sqlite3_column_type(stmt, column)) {
	case SQLITE_INTEGER:
		value->type = QUERY_INT;
		value->integer = sqlite3_column_int64(stmt, column);
		break;
	case SQLITE_FLOAT:
		value->type = QUERY_REAL;
		value->real = sqlite3_column_double(stmt, column);
		break;
	case SQLITE_TEXT:
		text = (const char *)sqlite3_column_text(stmt, column);
		value->type = QUERY_TEXT;
		value->text = clean_text(text, (size_t)sqlite3_column_bytes(stmt, column));
		break;
	case SQLITE_BLOB:
		value->type = QUERY_BLOB;
		value->integer = sqlite3_column_bytes(stmt, column);
		break;
	default:
		value->type = QUERY_NULL;
	}
}

static void query_take_row(sqlite3_stmt *stmt, struct query_rows *rows)
{
	size_t start = rows->rows * rows->columns;

	rows->values = x_realloc(rows->values, (start + rows->columns) * sizeof(*rows->values));
	memset(&rows->values[start], 0, rows->columns * sizeof(*rows->values));
	for (size_t i = 0; i < rows->columns; i++)
		query_take_value(stmt, (int)i, &rows->values[start + i]);
	rows->rows++;
}

static void take_names(sqlite3_stmt *stmt, struct query_rows *rows)
{
	rows->columns = (size_t)sqlite3_column_count(stmt);
	rows->names = x_calloc(rows->columns, sizeof(*rows->names));
	for (size_t i = 0; i < rows->columns; i++) {
		const char *name = sqlite3_column_name(stmt, (int)i);

		rows->names[i] = clean_text(name ? name : "?", strlen(name ? name : "?"));
	}
}

static enum err read_rows(
        struct query *query, sqlite3 *db, struct query_rows *rows, struct fault *fault)
{
	sqlite3_stmt *stmt = NULL;
	enum err err = query_prepare(query, db, &stmt, fault);
	int rc = SQLITE_ROW;

	if (err == OK)
		take_names(stmt, rows);
	while (err == OK && rc == SQLITE_ROW && !rows->more) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW && rows->rows == QUERY_ROWS_MAX)
			rows->more = true;
		else if (rc == SQLITE_ROW)
			query_take_row(stmt, rows);
	}
	if (err == OK && rc != SQLITE_ROW && rc != SQLITE_DONE)
		err = query_fail(query, db, rc, fault);
	sqlite3_finalize(stmt);
	return err;
}

/* *again: somebody wrote to the database opened as immutable, so the result is not valid. */
static enum err run_once(
        struct query *query, struct query_rows *rows, bool *again, struct fault *fault)
{
	struct trace before, after;
	sqlite3 *db = NULL;
	bool lying;
	enum err err;

	trace_take(query, &before);
	err = open_rightly(query, &db, &lying, fault);
	if (err == OK)
		err = read_rows(query, db, rows, fault);
	query_shut(query, &db);
	trace_take(query, &after);
	*again = lying && !trace_same(&before, &after);
	if (*again && err != ERR_CANCELED)
		err = fault_set(fault, ERR_BUSY, "%s is being written to", query->ask.database);
	if (err != OK)
		query_rows_finish(rows);
	return err;
}

enum err query_run(struct query *query, struct query_rows *rows, struct fault *fault)
{
	bool again = true;
	enum err err = ERR_BUSY;

	*rows = (struct query_rows){0};
	*fault = (struct fault){0};
	query->deadline_ms = clock_monotonic_ms() + query->ask.limit_ms;
	for (int i = 0; again && i < TRIES && err != ERR_CANCELED; i++) {
		*fault = (struct fault){0};
		err = run_once(query, rows, &again, fault);
	}
	return err;
}

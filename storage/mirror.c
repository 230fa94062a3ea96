/*
 * mirror.c - a copy of each call in another app's database; see calls.h.
 *
 * The other app owns the file: it is never created here, nor changed other than by one INSERT for
 * each row, and waiting for its lock is bounded. Table and columns come from the config and are
 * quoted as identifiers.
 */
#include "storage/calls.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "storage/sql.h"

#define BUSY_MS 200
#define SQL_MAX (16 * 1024)

#define MIRROR_COLUMNS(X) \
	X(at_ms)          \
	X(at)             \
	X(what)           \
	X(room)           \
	X(duration_ms)    \
	X(result)         \
	X(error)          \
	X(event_id)

enum mirror_column {
#define MIRROR_ENUM(name) MIRROR_##name,
	MIRROR_COLUMNS(MIRROR_ENUM)
#undef MIRROR_ENUM
	        MIRROR_LEN
};

static const char *const names[] = {
#define MIRROR_NAME(name) #name,
        MIRROR_COLUMNS(MIRROR_NAME)
#undef MIRROR_NAME
};

struct calls_mirror {
	char *database;
	char *insert; /* the SQL text */
	enum mirror_column columns[MIRROR_LEN];
	int len;
	sqlite3 *db;        /* NULL until the first row, and after the file was replaced */
	sqlite3_stmt *stmt; /* NULL as long as db is */
	bool told;          /* the missing database, table or column was reported */
};

/* Adds a name as a quoted SQL identifier. */
static void add_identifier(struct buf *buf, const char *name, size_t len)
{
	buf_add_char(buf, '"');
	for (size_t i = 0; i < len; i++) {
		if (name[i] == '"')
			buf_add_char(buf, '"');
		buf_add_char(buf, name[i]);
	}
	buf_add_char(buf, '"');
}

static int column_find(const char *name, size_t len)
{
	for (int i = 0; i < MIRROR_LEN; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return i;
	return -1;
}

static bool column_used(const struct calls_mirror *mirror, int column)
{
	for (int i = 0; i < mirror->len; i++)
		if ((int)mirror->columns[i] == column)
			return true;
	return false;
}

static void mirror_trim(const char **start, size_t *len)
{
	while (*len > 0 && (**start == ' ' || **start == '\t')) {
		++*start;
		--*len;
	}
	while (*len > 0 && ((*start)[*len - 1] == ' ' || (*start)[*len - 1] == '\t'))
		--*len;
}

/* Parses one "ours=theirs", or "ours" for a column of the same name. */
static enum err parse_pair(struct calls_mirror *mirror, struct buf *sql, const char *pair,
        size_t len, struct fault *fault)
{
	const char *equals = memchr(pair, '=', len);
	const char *ours = pair, *theirs = equals ? equals + 1 : pair;
	size_t ours_len = equals ? (size_t)(equals - pair) : len;
	size_t theirs_len = (size_t)(pair + len - theirs);
	int column;

	mirror_trim(&ours, &ours_len);
	mirror_trim(&theirs, &theirs_len);
	column = column_find(ours, ours_len);
	if (column < 0) {
		return fault_set(fault, ERR_INVALID, "column \"%.*s\" is not one of ours",
		        (int)ours_len, ours);
	}
	if (column_used(mirror, column))
		return fault_set(fault, ERR_INVALID, "column \"%s\" is given twice", names[column]);
	if (theirs_len == 0) {
		return fault_set(fault, ERR_INVALID, "column \"%s\": the other name is missing",
		        names[column]);
	}
	if (mirror->len > 0)
		buf_add_str(sql, ", ");
	add_identifier(sql, theirs, theirs_len);
	mirror->columns[mirror->len++] = (enum mirror_column)column;
	return OK;
}

static enum err parse_columns(
        struct calls_mirror *mirror, struct buf *sql, const char *columns, struct fault *fault)
{
	enum err err = OK;

	while (err == OK) {
		size_t len = strcspn(columns, ",");

		err = parse_pair(mirror, sql, columns, len, fault);
		if (columns[len] == '\0')
			break;
		columns += len + 1;
	}
	return err;
}

enum err calls_mirror_create(struct calls_mirror **out, const char *database, const char *table,
        const char *columns, struct fault *fault)
{
	struct calls_mirror *mirror = x_calloc(1, sizeof(*mirror));
	struct buf sql;
	enum err err;

	buf_init(&sql, SQL_MAX);
	mirror->database = x_strdup(database);
	buf_add_str(&sql, "INSERT INTO ");
	add_identifier(&sql, table, strlen(table));
	buf_add_str(&sql, " (");
	err = parse_columns(mirror, &sql, columns, fault);
	if (err == OK) {
		buf_add_str(&sql, ") VALUES (");
		for (int i = 0; i < mirror->len; i++)
			buf_add_str(&sql, i == 0 ? "?" : ", ?");
		buf_add_str(&sql, ")");
		if (sql.overflow)
			err = fault_set(fault, ERR_INVALID, "table and columns are too long");
	}
	*out = NULL;
	if (err == OK) {
		mirror->insert = buf_take(&sql);
		*out = mirror;
	} else {
		calls_mirror_destroy(mirror);
	}
	buf_finish(&sql);
	return err;
}

static void mirror_disconnect(struct calls_mirror *mirror)
{
	sqlite3_finalize(mirror->stmt);
	sqlite3_close_v2(mirror->db);
	mirror->stmt = NULL;
	mirror->db = NULL;
}

void calls_mirror_destroy(struct calls_mirror *mirror)
{
	if (!mirror)
		return;
	mirror_disconnect(mirror);
	free(mirror->database);
	free(mirror->insert);
	free(mirror);
}

static enum err mirror_fail(struct calls_mirror *mirror, int rc, struct fault *fault)
{
	return fault_set(fault, sql_code(mirror->db, rc), "%s: %s (SQLite %d)", mirror->database,
	        sqlite3_errmsg(mirror->db), rc);
}

/* Reports what is missing once, until it is there again: afterwards the text stays empty. */
static enum err mirror_missing(struct calls_mirror *mirror, struct fault *fault)
{
	if (mirror->told)
		return fault_set(fault, ERR_NOT_FOUND, "%s", "");
	mirror->told = true;
	return fault_set(
	        fault, ERR_NOT_FOUND, "%s: %s", mirror->database, sqlite3_errmsg(mirror->db));
}

static enum err mirror_connect(struct calls_mirror *mirror, struct fault *fault)
{
	int moved = 0;
	int rc;

	if (mirror->db &&
	        sqlite3_file_control(mirror->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) ==
	                SQLITE_OK &&
	        moved)
		mirror_disconnect(mirror); /* the file was replaced: rows written to the old one
		                              would be lost */
	if (!mirror->db) {
		rc = sqlite3_open_v2(mirror->database, &mirror->db,
		        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_busy_timeout(mirror->db, BUSY_MS);
		if (rc == SQLITE_OK)
			rc = sqlite3_db_config(mirror->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		if (rc != SQLITE_OK) {
			return (rc & 0xff) == SQLITE_CANTOPEN ? mirror_missing(mirror, fault)
			                                      : mirror_fail(mirror, rc, fault);
		}
	}
	if (!mirror->stmt) {
		rc = sqlite3_prepare_v3(mirror->db, mirror->insert, -1, SQLITE_PREPARE_PERSISTENT,
		        &mirror->stmt, NULL);
		if (rc != SQLITE_OK) { /* SQLITE_ERROR: no such table or column */
			return rc == SQLITE_ERROR ? mirror_missing(mirror, fault)
			                          : mirror_fail(mirror, rc, fault);
		}
	}
	return OK;
}

static int mirror_bind(struct calls_mirror *mirror, const struct call_row *row, int i)
{
	char at[32];

	switch (mirror->columns[i]) {
	case MIRROR_at_ms:
		return sqlite3_bind_int64(mirror->stmt, i + 1, row->at_ms);
	case MIRROR_at:
		clock_format_rfc3339(row->at_ms, at, sizeof(at));
		return sqlite3_bind_text(mirror->stmt, i + 1, at, -1, SQLITE_TRANSIENT);
	case MIRROR_what:
		return sqlite3_bind_text(mirror->stmt, i + 1, row->what, -1, SQLITE_STATIC);
	case MIRROR_room:
		return sqlite3_bind_text(mirror->stmt, i + 1, row->room, -1, SQLITE_STATIC);
	case MIRROR_duration_ms:
		return sqlite3_bind_int64(mirror->stmt, i + 1, row->duration_ms);
	case MIRROR_result:
		return sqlite3_bind_text(mirror->stmt, i + 1, row->result, -1, SQLITE_STATIC);
	case MIRROR_error:
		return sqlite3_bind_text(mirror->stmt, i + 1, row->error, -1, SQLITE_STATIC);
	case MIRROR_event_id:
		return sqlite3_bind_text(mirror->stmt, i + 1, row->event_id, -1, SQLITE_STATIC);
	case MIRROR_LEN:
		break;
	}
	return SQLITE_MISUSE;
}

enum err calls_mirror_insert(
        struct calls_mirror *mirror, const struct call_row *row, struct fault *fault)
{
	enum err err = mirror_connect(mirror, fault);
	int rc = SQLITE_OK;

	if (err == OK) {
		for (int i = 0; rc == SQLITE_OK && i < mirror->len; i++)
			rc = mirror_bind(mirror, row, i);
		if (rc == SQLITE_OK)
			rc = sqlite3_step(mirror->stmt);
		if (rc == SQLITE_DONE)
			mirror->told = false;
		else if (rc == SQLITE_ERROR) /* the schema changed under the statement */
			err = mirror_missing(mirror, fault);
		else
			err = mirror_fail(mirror, rc, fault);
	}
	if (mirror->stmt) {
		/* reset returns the failure of the step again, which was reported already */
		sqlite3_reset(mirror->stmt);
		sqlite3_clear_bindings(mirror->stmt);
	} else {
		mirror_disconnect(mirror); /* the next row opens the database again */
	}
	return err;
}

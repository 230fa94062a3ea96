/*
 * db.c - see db.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "storage/db.h"

#define DB_BUSY_MS 2000 /* other readers (sqlite3, backups) may hold a lock for a moment */

enum err db_error(struct store *store, int rc, const char *what)
{
	int system = store->db ? sqlite3_system_errno(store->db) : 0;

	snprintf(store->message, sizeof(store->message), "%s: %s%s%s", what,
	        store->db ? sqlite3_errmsg(store->db) : sqlite3_errstr(rc), system ? ", " : "",
	        system ? strerror(system) : "");
	switch (rc & 0xFF) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return OK;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_CONSTRAINT:
		return ERR_EXISTS;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return system == ENOSPC || system == EDQUOT || system == EFBIG ? ERR_FULL : ERR_IO;
	default:
		return ERR_IO;
	}
}

sqlite3_stmt *db_bind(struct store *store, enum sql sql, const char *format, ...)
{
	sqlite3_stmt *statement = store->statements[sql];
	va_list args;
	int i;

	sqlite3_reset(statement);
	va_start(args, format);
	for (i = 0; format[i]; i++) {
		const char *text;

		if (format[i] == 'i') {
			sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
			continue;
		}
		text = va_arg(args, const char *);
		if (text)
			sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT);
		else
			sqlite3_bind_null(statement, i + 1);
	}
	va_end(args);
	return statement;
}

enum err db_run(struct store *store, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);
	enum err err = OK;

	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		err = db_error(store, rc, sqlite3_sql(statement));
	sqlite3_reset(statement);
	return err;
}

enum err db_row(struct store *store, sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);
	enum err err;

	if (rc == SQLITE_ROW)
		return OK;
	err = rc == SQLITE_DONE ? ERR_NOT_FOUND : db_error(store, rc, sqlite3_sql(statement));
	sqlite3_reset(statement);
	return err;
}

char *db_text(sqlite3_stmt *statement, int column)
{
	return x_strdup_opt((const char *)sqlite3_column_text(statement, column));
}

int64_t db_int(sqlite3_stmt *statement, int column)
{
	return sqlite3_column_int64(statement, column);
}

enum err db_collect(struct store *store, sqlite3_stmt *statement, size_t size,
        void (*read)(sqlite3_stmt *statement, void *row), void (*finish)(void *row), void **rows,
        size_t *len)
{
	char *list = NULL;
	size_t used = 0, cap = 0;
	enum err err;

	while ((err = db_row(store, statement)) == OK && used < DB_ROWS_MAX) {
		if (used == cap) {
			cap = cap ? 2 * cap : 8;
			list = x_realloc(list, cap * size);
		}
		memset(list + used * size, 0, size);
		read(statement, list + used * size);
		used++;
	}
	sqlite3_reset(statement);
	if (err != OK && err != ERR_NOT_FOUND) {
		while (used > 0)
			finish(list + --used * size);
		free(list);
		*rows = NULL;
		*len = 0;
		return err;
	}
	*rows = list;
	*len = used;
	return OK;
}

enum err db_one(struct store *store, sqlite3_stmt *statement,
        void (*read)(sqlite3_stmt *statement, void *row), void *row)
{
	enum err err = db_row(store, statement);

	if (err == OK) {
		read(statement, row);
		sqlite3_reset(statement);
	}
	return err;
}

static enum err db_exec(struct store *store, const char *text)
{
	int rc = sqlite3_exec(store->db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : db_error(store, rc, text);
}

enum err db_open(struct store *store, const char *path, bool readonly)
{
	/* one thread at a time uses a store, so SQLite needs no mutexes */
	int flags = SQLITE_OPEN_NOMUTEX |
	            (readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int rc = sqlite3_open_v2(path, &store->db, flags, NULL);
	enum err err;

	if (rc != SQLITE_OK)
		return db_error(store, rc, path);
	sqlite3_extended_result_codes(store->db, 1);
	sqlite3_busy_timeout(store->db, DB_BUSY_MS);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	err = db_exec(store, "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;");
	if (err != OK || readonly)
		return err;
	/* WAL with FULL: one fsync of the log a commit, and it is on disk when COMMIT returns */
	return db_exec(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
	                      "PRAGMA secure_delete = FAST; PRAGMA journal_size_limit = 4194304;");
}

static enum err db_version(struct store *store, int *version)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW ? OK : db_error(store, rc, "PRAGMA user_version");
}

enum err db_migrate(struct store *store)
{
	char set_version[64];
	int version = 0;
	enum err err = db_version(store, &version);

	if (err != OK)
		return err;
	if (version > db_schema) {
		snprintf(store->message, sizeof(store->message),
		        "the database has schema %d, this program knows %d: it was written by a "
		        "newer version",
		        version, db_schema);
		return ERR_UNSUPPORTED;
	}
	for (; version < db_schema; version++) {
		snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %d", version + 1);
		err = db_exec(store, "BEGIN EXCLUSIVE");
		if (err == OK)
			err = db_exec(store, db_migrations[version]);
		if (err == OK)
			err = db_exec(store, set_version);
		if (err == OK)
			err = db_exec(store, "COMMIT");
		if (err != OK) {
			if (!sqlite3_get_autocommit(store->db))
				sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
			return err;
		}
	}
	return OK;
}

enum err db_prepare(struct store *store)
{
#define SQL_TEXT(name, text) [SQL_##name] = text,
	static const char *const texts[SQL_COUNT] = {SQL_TABLE(SQL_TEXT)};
#undef SQL_TEXT
	int i;

	for (i = 0; i < SQL_COUNT; i++) {
		int rc = sqlite3_prepare_v3(store->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT,
		        &store->statements[i], NULL);

		if (rc != SQLITE_OK)
			return db_error(store, rc, texts[i]);
	}
	return OK;
}

void db_close(struct store *store)
{
	int i;

	for (i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(store->statements[i]);
	sqlite3_close(store->db);
	store->db = NULL;
}

/*
 * db.h - the thin layer over SQLite that storage/ shares: binding, stepping, reading, errors.
 * Nothing outside storage/ includes it.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bot/base/err.h"
#include "storage/sql.h"

struct store {
	sqlite3 *db;
	int lock_fd; /* -1 = none */
	bool in_transaction;
	sqlite3_stmt *statements[SQL_COUNT];
	char message[256]; /* of the last failure */
};

/* The migrations by number (the first makes schema 1), and how many there are. */
extern const char *const db_migrations[];
extern const int db_schema;

/* Turns an SQLite result into ours, and keeps its message in store->message. */
enum err db_error(struct store *store, int rc, const char *what);

/* Binds by format: 'i' takes an int64_t, 't' a const char * (NULL allowed). The statement is
 * reset first. */
sqlite3_stmt *db_bind(struct store *store, enum sql sql, const char *format, ...);

/* Runs a bound statement that returns no rows, and resets it. */
enum err db_run(struct store *store, sqlite3_stmt *statement);

/* One step of a query: OK = a row is there, ERR_NOT_FOUND = no more (and reset), else failed. */
enum err db_row(struct store *store, sqlite3_stmt *statement);

/* Column as an owned string, NULL as NULL. */
char *db_text(sqlite3_stmt *statement, int column);
int64_t db_int(sqlite3_stmt *statement, int column);

/*
 * Collects all rows of a bound query into an array of `size` bytes each, read by `read`; at most
 * DB_ROWS_MAX. On failure nothing is returned; `finish` then undoes what was read.
 */
#define DB_ROWS_MAX 100000
enum err db_collect(struct store *store, sqlite3_stmt *statement, size_t size,
        void (*read)(sqlite3_stmt *statement, void *row), void (*finish)(void *row), void **rows,
        size_t *len);
/* The first row, or ERR_NOT_FOUND. */
enum err db_one(struct store *store, sqlite3_stmt *statement,
        void (*read)(sqlite3_stmt *statement, void *row), void *row);

/* Opens the handle with our pragmas; used by store.c. */
enum err db_open(struct store *store, const char *path, bool readonly);
enum err db_migrate(struct store *store);
enum err db_prepare(struct store *store);
void db_close(struct store *store);

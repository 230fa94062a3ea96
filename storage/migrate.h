/*
 * migrate.h - brings a database to the schema of this program, step by step. Inside storage/
 * only.
 */
#pragma once

#include <sqlite3.h>
#include "bot/base/err.h"

/* storage/migrations/NNN.sql, in order; made at build time. */
extern const char *const migrations[];
extern const int migrations_len;

/* The schema number that the database has: 0 when it is empty. */
enum err migrate_version(sqlite3 *db, int *version, struct fault *fault);

/*
 * Copies a database of an earlier schema, as it is, to "PATH.schema-N" (0600), and gives its name,
 * owned by the caller; nothing is done, and *copy is NULL, for one that needs no step. A copy that
 * an earlier try left is replaced.
 */
enum err migrate_back_up(
        sqlite3 *db, const char *path, int steps_len, char **copy, struct fault *fault);

/*
 * Does what is missing of the given steps, each in a transaction of its own that is rolled back
 * when anything fails. Call it with foreign keys off, so that a step may rebuild a table; they
 * are checked before each commit. ERR_UNSUPPORTED: a newer schema, or another program's database.
 */
enum err migrate_run(sqlite3 *db, const char *const *steps, int steps_len, struct fault *fault);

/*
 * migrate.h - migrates a database to the schema of this program, step by step. For storage/ only.
 */
#pragma once

#include <sqlite3.h>
#include "bot/base/err.h"

/* storage/migrations/NNN.sql in order; generated at build time. */
extern const char *const migrations[];
extern const int migrations_len;

/* The schema number of the database, 0 when it is empty. */
enum err migrate_version(sqlite3 *db, int *version, struct fault *fault);

/*
 * Copies a database of an earlier schema unchanged to "PATH.schema-N" (0600) and returns that name
 * in *copy, owned by the caller. When no migration is needed, nothing is copied and *copy is NULL.
 * A copy left by an earlier attempt is replaced.
 */
enum err migrate_back_up(
        sqlite3 *db, const char *path, int steps_len, char **copy, struct fault *fault);

/*
 * Runs the missing steps, each in a transaction that is rolled back when anything fails. Foreign
 * keys must be off, so that a step may rebuild a table; they are checked before each commit.
 * ERR_UNSUPPORTED: a newer schema, or another program's database.
 */
enum err migrate_run(sqlite3 *db, const char *const *steps, int steps_len, struct fault *fault);

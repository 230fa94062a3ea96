/*
 * migrate.c - schema steps; see migrate.h.
 *
 * Invariant: the schema and PRAGMA user_version change in one transaction, so a database is
 * always at exactly one schema, whenever the process or the machine stops.
 */
#include "storage/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "storage/sql.h"

/* "mtb1": marks the file as ours, so that a wrong path cannot damage another program's database. */
#define APPLICATION_ID 0x6d746231

static enum err migrate_fail(sqlite3 *db, const char *doing, int rc, struct fault *fault)
{
	return fault_set(
	        fault, sql_code(db, rc), "%s: %s (SQLite %d)", doing, sqlite3_errmsg(db), rc);
}

/* The first column of the query's first row, 0 if there is none. */
static enum err query_int(sqlite3 *db, const char *text, int64_t *value, struct fault *fault)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db, text, -1, &stmt, NULL);

	*value = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? OK : migrate_fail(db, text, rc, fault);
}

enum err migrate_version(sqlite3 *db, int *version, struct fault *fault)
{
	int64_t id, tables, number;
	enum err err;

	err = query_int(db, "PRAGMA user_version", &number, fault);
	if (err == OK)
		err = query_int(db, "PRAGMA application_id", &id, fault);
	if (err == OK)
		err = query_int(db, "SELECT count(*) FROM sqlite_schema", &tables, fault);
	if (err != OK)
		return err;
	if (id != APPLICATION_ID && (tables > 0 || id != 0 || number != 0))
		return fault_set(fault, ERR_UNSUPPORTED, "the database belongs to another program");
	if (number < 0 || number > INT32_MAX)
		return fault_set(fault, ERR_CORRUPT, "schema number %lld", (long long)number);
	*version = (int)number;
	return OK;
}

static enum err migrate_exec(sqlite3 *db, const char *doing, const char *text, struct fault *fault)
{
	int rc = sqlite3_exec(db, text, NULL, NULL, NULL);

	return rc == SQLITE_OK ? OK : migrate_fail(db, doing, rc, fault);
}

/* Migrates from schema number - 1 to number. */
static enum err step_run(sqlite3 *db, const char *text, int number, struct fault *fault)
{
	char doing[32], stamp[96];
	int64_t orphan;
	enum err err;

	snprintf(doing, sizeof(doing), "migration %d", number);
	snprintf(stamp, sizeof(stamp), "PRAGMA user_version = %d; PRAGMA application_id = %d",
	        number, APPLICATION_ID);
	err = migrate_exec(db, doing, "BEGIN IMMEDIATE", fault);
	if (err != OK)
		return err;
	err = migrate_exec(db, doing, text, fault);
	if (err == OK) {
		err = query_int(
		        db, "SELECT count(*) FROM pragma_foreign_key_check", &orphan, fault);
	}
	if (err == OK && orphan > 0) {
		err = fault_set(fault, ERR_CORRUPT, "%s: %lld rows refer to nothing", doing,
		        (long long)orphan);
	}
	if (err == OK)
		err = migrate_exec(db, doing, stamp, fault);
	if (err == OK)
		err = migrate_exec(db, doing, "COMMIT", fault);
	if (err != OK && !sqlite3_get_autocommit(db)) {
		/* a failure here needs no report: the error is reported already, and nothing was
		 * committed */
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	return err;
}

/* Flushes a file to disk. */
static enum err sync_file(const char *name, struct fault *fault)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	enum err err = OK;

	if (fd < 0 || fsync(fd) != 0)
		err = fault_set(fault, ERR_IO, "%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

enum err migrate_back_up(
        sqlite3 *db, const char *path, int steps_len, char **copy, struct fault *fault)
{
	int version = 0, fd, rc;
	enum err err = migrate_version(db, &version, fault);
	char *name, *sql;

	*copy = NULL;
	if (err != OK || version == 0 || version >= steps_len)
		return err;
	name = x_asprintf("%s.schema-%d", path, version);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || fchmod(fd, 0600) != 0)
		err = fault_set(fault, ERR_IO, "%s: %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	sql = sqlite3_mprintf("VACUUM INTO %Q", name);
	rc = err == OK ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_OK;
	sqlite3_free(sql);
	if (rc != SQLITE_OK)
		err = migrate_fail(db, "backup before the migration", rc, fault);
	if (err == OK)
		err = sync_file(name, fault);
	if (err == OK)
		*copy = name;
	else
		free(name);
	return err;
}

enum err migrate_run(sqlite3 *db, const char *const *steps, int steps_len, struct fault *fault)
{
	int version = 0;
	enum err err = migrate_version(db, &version, fault);

	if (err == OK && version > steps_len) {
		return fault_set(fault, ERR_UNSUPPORTED,
		        "the database has schema %d, this program knows %d: use the newer program",
		        version, steps_len);
	}
	for (int i = version; err == OK && i < steps_len; i++)
		err = step_run(db, steps[i], i + 1, fault);
	return err;
}

/*
 * store.c - opening, transactions and closing of the database; see store.h.
 *
 * Invariants: a store that is open for writing holds the lock, has the newest schema, and has
 * prepared all statements that end a transaction. In WAL mode with synchronous = FULL, a COMMIT is
 * durable once it returns. Pragmas are set outside transactions, since SQLite ignores some of them
 * inside one.
 */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"
#include "storage/database_files.h"
#include "storage/lock.h"
#include "storage/migrate.h"
#include "storage/sql.h"
#include "storage/wal_file.h"

#define BUSY_MS 250 /* only `check` and backups read the database while the daemon runs */
#define VALUE_MAX (16 * 1024 * 1024) /* largest value, row or statement in bytes */

#define STORE_STATEMENTS(X)                 \
	X(STORE_BEGIN, "BEGIN IMMEDIATE")   \
	X(STORE_COMMIT, "COMMIT")           \
	X(STORE_ROLLBACK, "ROLLBACK")       \
	X(STORE_SAVEPOINT, "SAVEPOINT job") \
	X(STORE_RELEASE, "RELEASE job")     \
	X(STORE_UNDO, "ROLLBACK TO job")

SQL_STATEMENTS(sql_store, STORE_STATEMENTS);

static enum err fail_errno(const char *path, const char *doing, struct fault *fault)
{
	enum err err = errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;

	if (errno == EPERM) /* chmod(2) */
		return fault_set(fault, err,
		        "%s belongs to another user: let it belong to the one who runs the bot "
		        "(chown)",
		        path);
	return fault_set(fault, err, "%s: %s: %s", path, doing, strerror(errno));
}

/* Creates the folder of path (0700) unless it exists. Its parent must exist. */
static enum err folder_make(const char *path, struct fault *fault)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	enum err err = OK;

	if (!slash || slash == path)
		return OK;
	folder = x_strndup(path, (size_t)(slash - path));
	if (mkdir(folder, 0700) == 0) {
		if (chmod(folder, 0700) != 0)
			err = fail_errno(folder, "chmod", fault);
	} else if (errno != EEXIST) {
		err = fail_errno(folder, "mkdir", fault);
	}
	free(folder);
	return err;
}

/*
 * Creates the file with mode 0600 before SQLite opens it; -wal and -shm get the same mode. A new
 * file may be opened here, as O_EXCL ensures that nobody holds a lock on it; an existing one must
 * not be (see lock.h).
 */
static enum err file_make(const char *path, struct fault *fault)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	enum err err = OK;

	if (fd >= 0) {
		if (fchmod(fd, 0600) != 0)
			err = fail_errno(path, "chmod", fault);
		close(fd);
		return err;
	}
	if (errno != EEXIST)
		return fail_errno(path, "open", fault);
	for (size_t i = 0; err == OK && i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		char *name = x_asprintf("%s%s", path, suffixes[i]);

		if (chmod(name, 0600) != 0 && errno != ENOENT)
			err = fail_errno(name, "chmod", fault);
		free(name);
	}
	return err;
}

static enum err store_exec(struct store *store, const char *text, struct fault *fault)
{
	int rc = sqlite3_exec(store->db, text, NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		return OK;
	return fault_set(fault, sql_code(store->db, rc), "%s: %s (SQLite %d)", text,
	        sqlite3_errmsg(store->db), rc);
}

static enum err store_connect(struct store *store, const char *path, int flags, struct fault *fault)
{
	int rc;

	/* no effect once SQLite is in use: memory statistics are not used and cost time at each
	 * allocation; pages are allocated one by one, so that a store at rest holds none */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	/* one thread at a time uses the connection, so SQLite needs no mutex of its own */
	rc = sqlite3_open_v2(path, &store->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
	        flags & SQLITE_OPEN_READONLY ? NULL : wal_file_system());

	if (rc != SQLITE_OK) {
		return fault_set(fault, sql_code(store->db, rc), "open: %s (SQLite %d)",
		        sqlite3_errmsg(store->db), rc);
	}
	sqlite3_limit(store->db, SQLITE_LIMIT_LENGTH, VALUE_MAX);
	if (sqlite3_busy_timeout(store->db, BUSY_MS) != SQLITE_OK ||
	        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
	        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL) != SQLITE_OK ||
	        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL) != SQLITE_OK)
		return fault_set(fault, ERR_IO, "open: SQLite refuses its settings");
	return store_exec(store, "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON", fault);
}

/* Sets WAL mode and reads it back: SQLite may keep another mode without an error. */
static enum err wal_set(struct store *store, struct fault *fault)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(store->db, "PRAGMA journal_mode = WAL", -1, &stmt, NULL);
	enum err err = OK;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW) {
		err = fault_set(fault, sql_code(store->db, rc), "journal mode: %s (SQLite %d)",
		        sqlite3_errmsg(store->db), rc);
	} else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0) {
		err = fault_set(fault, ERR_IO, "the file system cannot do write-ahead logging");
	}
	sqlite3_finalize(stmt);
	return err;
}

static enum err store_apply_settings(struct store *store, struct fault *fault)
{
	/* of a new database; one of an earlier version keeps its own. A commit writes whole pages,
	 * most of them for a row each: smaller ones halve what is written. */
	enum err err = store_exec(store, "PRAGMA page_size = 2048", fault);

	if (err == OK)
		err = wal_set(store, fault);

	if (err == OK) {
		err = store_exec(store,
		        "PRAGMA synchronous = FULL;"
		        /* otherwise each batch would create a file in /tmp for its savepoints */
		        "PRAGMA temp_store = MEMORY;"
		        /* KiB: enough for what a batch touches; the rest is in the page cache of
		         * the system */
		        "PRAGMA cache_size = -512;"
		        "PRAGMA secure_delete = FAST;"
		        /* pages, so that the log has some 4 MB; those that change with each alert
		         * are copied once for many */
		        "PRAGMA wal_autocheckpoint = 2000;"
		        "PRAGMA journal_size_limit = 16777216",
		        fault);
	}
	return err;
}

/* The last steps of opening, read-only or not: after them the store can be used. */
static enum err store_prepare(struct store *store, struct fault *fault)
{
	enum err err = store_exec(store, "PRAGMA foreign_keys = ON", fault);

	if (err == OK) {
		err = sql_open(store);
		if (err != OK)
			fault_set(fault, err, "%s", store->message);
	}
	return err;
}

/* Migrates to this program's schema, after copying the database, and logs both. */
static enum err store_migrate(struct store *store, const char *path, struct fault *fault)
{
	char *copy;
	enum err err = migrate_back_up(store->db, path, migrations_len, &copy, fault);

	if (copy)
		log_info("storage", "%s: migrating to schema %d; it is kept as it was in %s", path,
		        migrations_len, copy);
	if (err == OK)
		err = migrate_run(store->db, migrations, migrations_len, fault);
	if (copy && err == OK)
		log_info("storage", "%s: migrated to schema %d", path, migrations_len);
	free(copy);
	return err;
}

static struct store *store_new(void)
{
	struct store *store = x_calloc(1, sizeof(*store));

	store->lock_fd = -1;
	return store;
}

static enum err store_finish_open(struct store **out, struct store *store, const char *path,
        enum err err, struct fault *fault)
{
	*out = NULL;
	if (err != OK) {
		if (fault && strncmp(fault->text, path, strlen(path)) != 0)
			fault_wrap(fault, "%s", path);
		store_close(store);
		return err;
	}
	*out = store;
	return OK;
}

enum err store_open(struct store **out, const char *path, struct fault *fault)
{
	struct store *store = store_new();
	int64_t lost = 0;
	enum err err = folder_make(path, fault);

	if (err == OK)
		err = lock_take(path, &store->lock_fd, fault);
	if (err == OK)
		err = file_make(path, fault);
	if (err == OK)
		lost = database_files_lost(path);
	if (err == OK)
		err = store_connect(store, path, SQLITE_OPEN_READWRITE, fault);
	if (err == OK) { /* first, since another program's database must not be changed at all */
		int version;

		err = migrate_version(store->db, &version, fault);
	}
	if (err == OK)
		err = store_apply_settings(store, fault);
	if (err == OK)
		err = store_migrate(store, path, fault);
	if (err == OK)
		err = store_prepare(store, fault);
	if (err == OK)
		database_files_remember(store, path);
	if (lost > 0)
		sql_note_damage(store, "log",
		        "%s-wal has lost its last %" PRId64 " pages while the daemon was down: "
		        "what was accepted last may be missing",
		        path, lost);
	store->full = true; /* for the first transaction, in case that ids are used up */
	return store_finish_open(out, store, path, err, fault);
}

enum err store_open_readonly(struct store **out, const char *path, struct fault *fault)
{
	struct store *store = store_new();
	enum err err;
	int version;

	if (access(path, F_OK) != 0 && errno == ENOENT) {
		err = fault_set(fault, ERR_NOT_FOUND, "there is no database yet");
		return store_finish_open(out, store, path, err, fault);
	}
	err = store_connect(store, path, SQLITE_OPEN_READONLY, fault);
	if (err == OK)
		err = migrate_version(store->db, &version, fault);
	if (err == OK && version != migrations_len)
		err = fault_set(fault, version < migrations_len ? ERR_OLD : ERR_UNSUPPORTED,
		        "the database has schema %d, this program needs %d", version,
		        migrations_len);
	if (err == OK)
		err = store_prepare(store, fault);
	return store_finish_open(out, store, path, err, fault);
}

void store_close(struct store *store)
{
	int keep = 1;

	if (!store)
		return;
	if (store->in_transaction)
		store_rollback(store);
	if (store->files[0].path && !store->replaced) {
		if (store_begin(store) == ERR_REPLACED)
			log_error("storage", "%s; what was accepted last may be missing",
			        store->message);
		store_rollback(store);
	}
	silence_cache_free(store->silences);
	sql_finalize_all(store);
	if (store->replaced) {
		/* the files under these names belong to somebody else now: do not checkpoint into
		 * them */
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_file_control(store->db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
	}
	sqlite3_close_v2(store->db);
	for (size_t i = 0; i < STORE_FILES; i++)
		free(store->files[i].path);
	if (store->lock_fd >=
	        0) /* after closing the database, so that the next daemon finds it closed */
		close(store->lock_fd);
	free(store);
}

static enum err store_run(struct store *store, int statement)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STORE, statement);
	return sql_run(&sql);
}

enum err store_begin(struct store *store)
{
	enum err err = store_run(store, STORE_BEGIN);

	if (err == OK && store->lock_fd >= 0)
		err = database_files_are_whole(store);
	if (err == ERR_REPLACED)
		store_rollback(store);
	if (err == OK) {
		store->in_transaction = true;
		store->lost = OK;
		if (store->full)
			sql_mend_ids(store);
		store->full = false;
	}
	return err;
}

enum err store_commit(struct store *store)
{
	enum err err = store->lost != OK ? store->lost : store_run(store, STORE_COMMIT);

	if (err == OK && store->lock_fd >= 0)
		err = database_files_are_ours(store);
	if (err != OK)
		store_rollback(store);
	else if (store_changes(store) != store->kept)
		store->unwritten[0] = '\0';
	store->kept = store_changes(store);
	store->in_transaction = false;
	return err;
}

void store_rollback(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		store_run(
		        store, STORE_ROLLBACK); /* if it fails, nothing was committed either way */
	if (store->lock_fd >= 0)
		database_files_rolled_back(store);
	store->in_transaction = false;
	store->lost = OK;
	store->silences_stale = true;
}

/* Savepoints exist in a transaction only: a bare SAVEPOINT would begin one of its own. */
static enum err run_inside(struct store *store, int statement)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STORE, statement);
	return sql_write(&sql);
}

enum err store_savepoint(struct store *store)
{
	store->message[0] = '\0'; /* of another job */
	return run_inside(store, STORE_SAVEPOINT);
}

enum err store_release(struct store *store)
{
	return run_inside(store, STORE_RELEASE);
}

enum err store_undo(struct store *store)
{
	enum err err = run_inside(store, STORE_UNDO);

	store->silences_stale = true;
	return err == OK ? run_inside(store, STORE_RELEASE) : err;
}

enum err store_settle(struct store *store, enum err result, bool *undone)
{
	*undone = result != OK && err_is_lasting(result);
	if (result == OK)
		return store_release(store);
	return *undone ? store_undo(store) : result;
}

void store_rest(struct store *store)
{
	sql_rest(store);
	sqlite3_db_release_memory(store->db);
	wal_file_rest(store->db);
}

int64_t store_changes(const struct store *store)
{
	return sqlite3_total_changes64(store->db);
}

const char *store_message(const struct store *store)
{
	return store->message;
}

const char *store_damage(const struct store *store)
{
	return store->damage;
}

const char *store_unwritten(const struct store *store)
{
	return store->unwritten;
}

int store_schema(void)
{
	return migrations_len;
}

/*
 * store.h - the bot's durable state: opening, transactions, locking. The tables' functions are in
 * the headers named after them.
 *
 * Nothing above this folder depends on SQLite. A struct store is used by one thread at a time (in
 * the daemon the writer's, see bot/loop/writer.h). Statements are prepared on first use and kept.
 * All functions return an enum err; ERR_FULL means the disk is full, ERR_IO and ERR_CORRUPT that
 * the database failed, ERR_DAMAGED that a single row is damaged; store_message() has the details.
 * Functions that write are called inside a transaction only.
 *
 * Strings in row structs are owned by the row and freed by its *_finish(), which also takes a
 * zeroed row. Times are milliseconds since 1970, 0 = not yet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "bot/base/err.h"

struct store;

/*
 * Opens (creating folder 0700 and files 0600), locks and migrates the database. ERR_BUSY: another
 * daemon uses it (*fault names its pid). ERR_UNSUPPORTED: written by a newer version, or by another
 * program. The parent of the folder must exist. On failure *out is NULL.
 */
enum err store_open(struct store **out, const char *path, struct fault *fault);
void store_close(struct store *store); /* NULL is allowed; an open transaction is rolled back */

/* Opens an existing database read-only, without the lock (for `check`); writers fail.
 * ERR_NOT_FOUND: no database yet. ERR_UNSUPPORTED: another schema than this program's. */
enum err store_open_readonly(struct store **out, const char *path, struct fault *fault);

enum err store_begin(struct store *store);
/* When it returns OK, the transaction is durable on disk, in files that still have their names.
 * ERR_REPLACED: the database, its log or its shared memory was replaced or deleted; the owner must
 * close the store. On any other failure the transaction is rolled back. A failure of an earlier
 * call (disk full) may have ended the transaction already: then all writing, and this call, fail
 * with it. */
enum err store_commit(struct store *store);
void store_rollback(struct store *store);

/* A level inside a transaction, and inside each other: the changes of one job can be kept or undone
 * alone. */
enum err store_savepoint(struct store *store);
enum err store_release(struct store *store);
enum err store_undo(struct store *store);
/* Ends the savepoint by what came of the job: OK keeps it. What would fail again (err_is_lasting())
 * is undone, so that it stops nothing else: the result is OK then, and *undone true. Any other
 * failure concerns the whole transaction and is returned. */
enum err store_settle(struct store *store, enum err result, bool *undone);

/* Releases memory: prepared statements and clean pages, which the next use makes again in some 2
 * ms. */
void store_rest(struct store *store);

/* Number of rows changed since it was opened, including changes that were rolled back. */
int64_t store_changes(const struct store *store);

/* Text of the last failure since the last savepoint, for a log; valid until the next failure. */
const char *store_message(const struct store *store);

/* The damage that was found last since it was opened; "" = none. */
const char *store_damage(const struct store *store);

/* Why it cannot be written, such as a full disk; "" = it can, as far as is known: since then
 * something was stored. */
const char *store_unwritten(const struct store *store);

/* The schema number this program writes. */
int store_schema(void);

/*
 * Deletes data older than before_ms that is no longer needed: never what belongs to an open
 * message, to one with a pending edit, or to an event that is queued, frozen or undeliverable.
 * Deletes at most STORE_PRUNE_MAX rows of each table per call, so that a commit stays short; *more:
 * there is more to delete. The cost of a call does not depend on how much is stored that is not as
 * old; what is as old and must be kept is looked at each time.
 */
#define STORE_PRUNE_MAX 500
enum err store_prune(struct store *store, int64_t before_ms, bool *more);

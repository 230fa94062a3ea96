/*
 * store.h - the bot's durable state: opening, transactions, locking. The tables' own functions
 * are in alerts.h, messages.h, outbox.h, calls.h and state.h.
 *
 * Nothing above this folder knows that SQLite is beneath. A struct store is used by one thread
 * at a time (in the daemon: the writer's, see bot/loop/writer.h).
 * Statements are prepared when used first, and kept. All functions return an enum err; ERR_FULL
 * means the disk is full, ERR_IO and ERR_CORRUPT that the database failed, ERR_DAMAGED that one row
 * did; store_message() then says more. Writing functions are called inside a transaction only.
 *
 * Strings in row structs are owned by the row and freed by its *_finish(), which takes a zeroed
 * row too. Times are milliseconds since 1970, 0 = not yet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "bot/base/err.h"

struct store;

/*
 * Opens (creating folder 0700 and files 0600), locks and migrates the database. ERR_BUSY: another
 * daemon has it (the fault names its pid). ERR_UNSUPPORTED: written by a newer version, or by
 * another program. The folder's own parent must exist. On failure *out is NULL.
 */
enum err store_open(struct store **out, const char *path, struct fault *fault);
void store_close(struct store *store); /* NULL is allowed; an open transaction is rolled back */

/* Opens an existing database read-only, without the lock (for `check`); writers fail.
 * ERR_NOT_FOUND: there is none yet. ERR_UNSUPPORTED: not of this program's schema. */
enum err store_open_readonly(struct store **out, const char *path, struct fault *fault);

enum err store_begin(struct store *store);
/* Durable on disk, in files that have their names still, when it returns OK. ERR_REPLACED: the
 * database, its log or its shared memory was replaced or deleted; whoever has the store must close
 * it. On other failures it is rolled back. A failure of an earlier call (disk full) may have ended
 * the transaction already: then all writing, and this, fail with it. */
enum err store_commit(struct store *store);
void store_rollback(struct store *store);

/* One level inside a transaction: what a job did since is kept or undone alone. */
enum err store_savepoint(struct store *store);
enum err store_release(struct store *store);
enum err store_undo(struct store *store);

/* Gives memory back: prepared statements and clean pages, all made anew when they are wanted, which
 * costs the next use some 2 ms. */
void store_rest(struct store *store);

/* Rows changed since it was opened, by what was undone too. */
int64_t store_changes(const struct store *store);

/* What the last failure was, for a log; static until the next failure. */
const char *store_message(const struct store *store);

/* The schema number this program writes. */
int store_schema(void);

/*
 * Deletes what is older than before_ms and over: never what belongs to an open message, to one
 * with something to edit in, or to an event that is queued, frozen or undeliverable. At most
 * STORE_PRUNE_MAX rows of each table a call, so that a commit stays short: *more says that there is
 * more to be done at once. What a call costs does not depend on how much is stored.
 */
#define STORE_PRUNE_MAX 500
enum err store_prune(struct store *store, int64_t before_ms, bool *more);

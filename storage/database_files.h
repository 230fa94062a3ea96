/*
 * database_files.h - whether the files of an open database are still those that SQLite wrote. What
 * another program does to them behind SQLite's back is noticed before the next commit is
 * acknowledged. For storage/ only.
 */
#pragma once

#include "storage/sql.h"

/* Records the identity of the files of a store that was just opened for writing. */
void database_files_remember(struct store *store, const char *path);

/* Inside a transaction that has written nothing yet, or outside of one. ERR_REPLACED: a file is
 * shorter than after the last commit, or older, and no other connection did that. */
enum err database_files_are_whole(struct store *store);

/* After a commit, whose size it records. ERR_REPLACED: a file was replaced or deleted, so what is
 * committed would be missing after a restart. */
enum err database_files_are_ours(struct store *store);

/* After a transaction that was undone: what did not fit into memory was in the log already. */
void database_files_rolled_back(struct store *store);

/* How many pages the write-ahead log of a database that is not open has lost, by what a process
 * that did not close it left in shared memory; 0 = none. */
int64_t database_files_lost(const char *path);

/*
 * wal_file.h - writes SQLite's log in few, large pieces. SQLite writes the frames of a transaction
 * one by one, each with two system calls, and makes them durable by one sync at the end; a
 * transaction of an alert has some thirty frames.
 */
#pragma once

#include <sqlite3.h>

/* The name of the virtual file system for sqlite3_open_v2(): the default one, but what is appended
 * to a write-ahead log is collected until it is synced, read or the buffer is full. A failure to
 * write is reported by the call that needed it. Only for connections with synchronous = FULL:
 * SQLite then syncs a transaction's frames before other connections may see them. NULL = not to be
 * had, which is the default file system. Not thread-safe; connections may use it from any thread.
 */
const char *wal_file_system(void);

/* Frees what the log of a connection at rest takes in memory; outside a transaction. */
void wal_file_rest(sqlite3 *db);

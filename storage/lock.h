/*
 * lock.h - one daemon for each database: an exclusive lock on a file beside it. Inside storage/
 * only.
 *
 * Nothing but SQLite may open the database file: closing any descriptor of it in this process would
 * drop SQLite's locks.
 */
#pragma once

#include "bot/base/err.h"

/* Locks "PATH.lock" (created 0600) and writes the pid into it. *fd holds the lock until it is
 * closed, or the process ends. ERR_BUSY: *fault names the pid of the holder. */
enum err lock_take(const char *path, int *fd, struct fault *fault);

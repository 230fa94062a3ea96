/*
 * lock.h - one daemon for each database: an exclusive lock on a file beside it. Inside storage/
 * only.
 *
 * The database file itself is never opened by hand: closing any descriptor of it would drop
 * SQLite's own locks of this process.
 */
#pragma once

#include "bot/base/err.h"

/* Locks "PATH.lock" (created 0600) and writes the pid into it. *fd holds the lock until it is
 * closed, or the process ends. ERR_BUSY names the pid of whoever has it. */
enum err lock_take(const char *path, int *fd, struct fault *fault);

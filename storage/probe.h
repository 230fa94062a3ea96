/*
 * probe.h - checks whether another app's SQLite database has the table and columns into which the
 * rows of `calls` are to be copied. Writes nothing.
 */
#pragma once

#include "bot/base/err.h"

/* columns: as in calls_mirror_create(). ERR_NOT_FOUND: no database, table or column of that name;
 * other errors as in query_run(). */
enum err probe_calls_table(
        const char *database, const char *table, const char *columns, struct fault *fault);

/*
 * probe.h - looks whether another app's SQLite database has the table and columns that the rows
 * of `calls` are to be copied into. Writes nothing.
 */
#pragma once

#include "bot/base/err.h"

/* columns: as of calls_mirror_create(). ERR_NOT_FOUND: no database, table or column of that name;
 * others as of query_run(). */
enum err probe_calls_table(
        const char *database, const char *table, const char *columns, struct fault *fault);

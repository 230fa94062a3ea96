/*
 * sql_watch_rows.h - what the SQL watches found and is still there: at most a few hundred rows for
 * each watch, see handlers/watches/sql_watch.h.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct sql_watch_row {
	int64_t id;   /* set by sql_watches_insert() */
	int severity; /* enum severity */
	int fault;    /* 1 = the watch itself failed */
	int64_t told_ms, tried_ms, shown_ms;
	char *watch;   /* name of the watch */
	char *subject; /* as in struct alert */
	char *request; /* the request of its alert, JSON */
};

void sql_watch_row_finish(struct sql_watch_row *row);
void sql_watch_rows_free(struct sql_watch_row *rows, size_t len);

/* ERR_EXISTS: the watch has a row of that subject already. */
enum err sql_watches_insert(struct store *store, struct sql_watch_row *row);
enum err sql_watches_update(struct store *store, const struct sql_watch_row *row);
enum err sql_watches_delete(struct store *store, int64_t id);
/* The rows of a watch, oldest first. The caller frees the rows. */
enum err sql_watches_of(
        struct store *store, const char *watch, struct sql_watch_row **rows, size_t *len);
/* Names of all watches that have rows: array of owned strings, owned by the caller. */
enum err sql_watches_names(struct store *store, char ***names, size_t *len);

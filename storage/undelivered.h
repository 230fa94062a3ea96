/*
 * undelivered.h - critical alerts that were not in their room in time, and of which other channels
 * are told.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/* An alert that fires and whose event no homeserver has confirmed. */
struct undelivered_row {
	int64_t id; /* of the alert */
	int64_t received_ms;
	char *app, *identity;
	char *run_id; /* or NULL */
	char *room;   /* name, or NULL */
	char *error;  /* why its event is undeliverable, or NULL: it waits */
};

void undelivered_row_finish(struct undelivered_row *row);
void undelivered_rows_free(struct undelivered_row *rows, size_t len);

/* Notes down the critical alerts received before before_ms that fire, are no tests and are not in
 * their room: each once. */
enum err undelivered_note(struct store *store, int64_t before_ms);
/* One by hand, whatever it is. */
enum err undelivered_add(struct store *store, int64_t alert_id);
/* Notes down which of those that were told are in their room now, or are gone. */
enum err undelivered_note_recovered(struct store *store, int64_t now_ms);
/* What is to be told, at most limit. The caller frees the rows. */
enum err undelivered_untold(
        struct store *store, int limit, struct undelivered_row **rows, size_t *len);
/* How many are to be told as recovered, and how many of those that were told wait still. */
enum err undelivered_count(struct store *store, int64_t *recovered, int64_t *waiting);
/* Those up to that id were told; recovered ones were. */
enum err undelivered_set_told(struct store *store, int64_t last_id, int64_t now_ms);
enum err undelivered_forget_recovered(struct store *store);

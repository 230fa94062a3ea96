/*
 * undelivered.h - critical alerts that did not reach their room in time, and are reported through
 * other channels.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/* A firing alert whose event no homeserver has confirmed. */
struct undelivered_row {
	int64_t id; /* of the alert */
	int64_t received_ms;
	char *app, *identity;
	char *run_id; /* or NULL */
	char *room;   /* name, or NULL */
	char *error;  /* why its event is undeliverable; NULL = it is still waiting */
	int test;
};

void undelivered_row_finish(struct undelivered_row *row);
void undelivered_rows_free(struct undelivered_row *rows, size_t len);

/* Records the critical alerts received before before_ms that are firing, are not tests and are not
 * in their room; each alert once. Reads all that waits or is undeliverable. */
enum err undelivered_note(struct store *store, int64_t before_ms);
/* Records one alert unconditionally. */
enum err undelivered_add(struct store *store, int64_t alert_id);
/* Marks as recovered the alerts that were reported and are in their room now. Reads all that were
 * reported and have not been forgotten, as does undelivered_count(). */
enum err undelivered_note_recovered(struct store *store, int64_t now_ms);
/* Alerts to be reported, at most limit. The caller frees the rows. */
enum err undelivered_untold(
        struct store *store, int limit, struct undelivered_row **rows, size_t *len);
/* How many are to be reported as recovered, and how many of the reported ones are still waiting. */
enum err undelivered_count(struct store *store, int64_t *recovered, int64_t *waiting);
/* Marks the rows up to last_id as reported, and forgets recovered ones. */
enum err undelivered_set_told(struct store *store, int64_t last_id, int64_t now_ms);
enum err undelivered_forget_recovered(struct store *store);

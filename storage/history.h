/*
 * history.h - what people and the bot did about a failure. A failure may fire again after it was
 * over: the time between two ends is an episode.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct history_row {
	int64_t id;
	int64_t at_ms;
	char *fingerprint;
	char *what;          /* "acknowledged" */
	char *author, *note; /* or NULL */
	int ended;           /* 1: it was over then */
};

void history_row_finish(struct history_row *row);
void history_rows_free(struct history_row *rows, size_t len);
enum err history_add(struct store *store, struct history_row *row); /* sets row->id */

struct history_episode {
	int64_t from_ms,
	        to_ms; /* behind the end before it, up to its own; INT64_MAX = it goes on */
};
/* The episode in which at_ms is. */
enum err history_find_episode(struct store *store, const char *fingerprint, int64_t at_ms,
        struct history_episode *episode);
/* What was done in an episode, the newest first, at most limit. The caller frees the rows. */
enum err history_of(struct store *store, const char *fingerprint,
        const struct history_episode *episode, int limit, struct history_row **rows, size_t *len);

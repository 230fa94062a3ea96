/*
 * history.h - what people and the bot did with an alert. An alert may fire again after it was
 * resolved: the time between two ends is an episode.
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
	int ended;           /* 1: this ended the episode */
};

void history_row_finish(struct history_row *row);
void history_rows_free(struct history_row *rows, size_t len);
enum err history_add(struct store *store, struct history_row *row); /* sets row->id */

struct history_episode {
	int64_t from_ms, to_ms; /* after the end of the previous episode until its own end;
	                           INT64_MAX = still open */
};
/* The episode that includes at_ms. Reads all ends of episodes of the fingerprint. */
enum err history_find_episode(struct store *store, const char *fingerprint, int64_t at_ms,
        struct history_episode *episode);
/* The actions in an episode, newest first, at most limit. Reads also those of later episodes. The
 * caller frees the rows. */
enum err history_of(struct store *store, const char *fingerprint,
        const struct history_episode *episode, int limit, struct history_row **rows, size_t *len);

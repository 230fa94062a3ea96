/*
 * history.h - what people and the bot did about a failure, in words.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct history_row {
	int64_t id;
	int64_t at_ms;
	char *fingerprint;
	char *what; /* "acked by @op:example.org: mine" */
};

void history_row_finish(struct history_row *row);
void history_rows_free(struct history_row *rows, size_t len);
enum err history_add(struct store *store, const char *fingerprint, const char *what, int64_t at_ms);
/* The newest first, at most limit. The caller frees the rows. */
enum err history_of(struct store *store, const char *fingerprint, int limit,
        struct history_row **rows, size_t *len);

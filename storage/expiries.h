/*
 * expiries.h - alerts that said when they end, until then: one row for each subject.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

#define EXPIRIES_LASTS_MAX_MS 300000

struct expiry_row {
	int64_t id; /* of the alert that fired first */
	char *subject;
	int64_t ends_ms;
	int64_t lasts_ms; /* from its last coming to its end, EXPIRIES_LASTS_MAX_MS at most */
};

void expiry_row_finish(struct expiry_row *row);
void expiry_rows_free(struct expiry_row *rows, size_t len);
/* ERR_EXISTS: the subject has one. */
enum err expiries_insert(struct store *store, const struct expiry_row *row);
/* ERR_NOT_FOUND: the subject has none. */
enum err expiries_by_subject(struct store *store, const char *subject, struct expiry_row *row);
enum err expiries_extend(
        struct store *store, const char *subject, int64_t ends_ms, int64_t lasts_ms);
enum err expiries_delete(struct store *store, const char *subject); /* OK without one too */
/* Nothing could come before since_ms: none ends before it had its whole time from then on. */
enum err expiries_grace(struct store *store, int64_t since_ms);
/* Those that have ended, the first first; at most limit. */
enum err expiries_due(
        struct store *store, int64_t now_ms, int limit, struct expiry_row **rows, size_t *len);

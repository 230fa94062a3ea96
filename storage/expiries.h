/*
 * expiries.h - firing alerts that announced when they expire: one row for each subject. Each
 * function reads by an index only the rows that it returns or changes.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

#define EXPIRIES_LASTS_MAX_MS 300000

struct expiry_row {
	int64_t id; /* of the alert that fired first */
	char *subject;
	int64_t ends_ms;
	int64_t lasts_ms; /* from its newest occurrence until it expires, at most
	                     EXPIRIES_LASTS_MAX_MS */
};

void expiry_row_finish(struct expiry_row *row);
void expiry_rows_free(struct expiry_row *rows, size_t len);
/* ERR_EXISTS: the subject has one already. */
enum err expiries_insert(struct store *store, const struct expiry_row *row);
/* ERR_NOT_FOUND: the subject has none. */
enum err expiries_by_subject(struct store *store, const char *subject, struct expiry_row *row);
enum err expiries_extend(
        struct store *store, const char *subject, int64_t ends_ms, int64_t lasts_ms);
enum err expiries_delete(struct store *store, const char *subject); /* OK also without one */
/* After downtime, in which no alert could arrive: gives each row its whole lasts_ms from since_ms
 * before it expires. */
enum err expiries_grace(struct store *store, int64_t since_ms);
/* Those that have expired, the earliest first, at most limit. */
enum err expiries_due(
        struct store *store, int64_t now_ms, int limit, struct expiry_row **rows, size_t *len);

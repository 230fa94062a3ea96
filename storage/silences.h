/*
 * silences.h - silences: matchers, author and expiry. The store keeps the active and future ones in
 * memory with compiled matchers (bot/base/matcher.h), and reads them again when one changes or a
 * transaction is rolled back. An alert reads no row for them; it is matched against each in turn,
 * of which there are never more than a thousand. Those that have ended are read only when they are
 * asked for.
 */
#pragma once

#include <stddef.h>
#include "bot/base/matcher.h"
#include "storage/store.h"

struct silence_row {
	int64_t id; /* set by silences_insert() */
	int64_t at_ms;
	int64_t start_ms; /* 0 = immediately */
	int64_t end_ms;
	int64_t ended_ms;   /* 0 = active or in the future */
	int until_resolved; /* expires early, when all alerts that it suppressed are resolved */
	int64_t held;       /* number of alerts that it suppressed */
	char *author;       /* Matrix user id, or "uid N" */
	char *room;         /* name of the room in which its end is announced; NULL = none */
	char *matchers;     /* as text */
	char *reason;       /* "" = none */
	char *problem;      /* why it suppresses nothing, or NULL */
};

void silence_row_finish(struct silence_row *row);
void silence_rows_free(struct silence_row *rows, size_t len);
enum err silences_insert(struct store *store, struct silence_row *row);
enum err silences_update(struct store *store, const struct silence_row *row);
enum err silences_by_id(struct store *store, int64_t id, struct silence_row *row);
/* The active and future silences, oldest first. The caller frees the rows. */
enum err silences_active(struct store *store, struct silence_row **rows, size_t *len);
/* Those that have not ended although their end has come, the earliest first: reads no others. The
 * caller frees the rows. */
enum err silences_due(struct store *store, int64_t now_ms, struct silence_row **rows, size_t *len);

/* Those of the last thousand that ended after since_ms, oldest first. The caller frees the rows. */
enum err silences_ended(
        struct store *store, int64_t since_ms, struct silence_row **rows, size_t *len);

/* The matchers of an active or future silence that has no problem. */
struct silence_matchers {
	int64_t id, start_ms, end_ms;
	bool until_resolved;
	struct matchers *matchers; /* NULL: they cannot be compiled (any more) */
	char why[160];             /* why matchers is NULL */
};

/* Oldest first; the array belongs to the store and is valid until the next call. */
enum err silences_compiled(struct store *store, const struct silence_matchers **list, size_t *len);
/* Counts one more suppressed alert. */
enum err silences_count(struct store *store, int64_t id);
/* The silence suppresses nothing from now on. */
enum err silences_set_problem(struct store *store, int64_t id, const char *problem);

/*
 * silences.h - what is held back, by whom and until when. The store keeps those that hold in
 * memory, with their matchers compiled (bot/base/matcher.h), and reads them again when one changes
 * or a transaction is undone.
 */
#pragma once

#include <stddef.h>
#include "bot/base/matcher.h"
#include "storage/store.h"

struct silence_row {
	int64_t id; /* set by silences_insert() */
	int64_t at_ms;
	int64_t start_ms; /* 0 = at once */
	int64_t end_ms;
	int64_t ended_ms;   /* 0 = it holds, or will */
	int until_resolved; /* ends earlier, when all that it held back is resolved */
	int64_t held;       /* alerts that it held back */
	char *author;       /* Matrix user id, or "uid N" */
	char *room;         /* name, where its end is told; NULL = nowhere */
	char *matchers;     /* text */
	char *reason;       /* "" = none */
	char *problem;      /* why it holds nothing back, or NULL */
};

void silence_row_finish(struct silence_row *row);
void silence_rows_free(struct silence_row *rows, size_t len);
enum err silences_insert(struct store *store, struct silence_row *row);
enum err silences_update(struct store *store, const struct silence_row *row);
enum err silences_by_id(struct store *store, int64_t id, struct silence_row *row);
/* Those that hold or will, oldest first. The caller frees the rows. */
enum err silences_active(struct store *store, struct silence_row **rows, size_t *len);

/* Of one that holds or will and has no problem. */
struct silence_matchers {
	int64_t id, start_ms, end_ms;
	bool until_resolved;
	struct matchers *matchers; /* NULL: they cannot be compiled (any more) */
	char why[160];             /* not */
};

/* Oldest first; the array is the store's, until the next call. */
enum err silences_compiled(struct store *store, const struct silence_matchers **list, size_t *len);
/* One more that it held back. */
enum err silences_count(struct store *store, int64_t id);
/* It holds nothing back from now on. */
enum err silences_set_problem(struct store *store, int64_t id, const char *problem);

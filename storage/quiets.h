/*
 * quiets.h - what the quiet times of the config have held back since they began, for each room
 * that was spared it. When they hold is the business of handlers/silences/quiet.h.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct quiet_row {
	int64_t id;
	int64_t held;  /* alerts */
	char *room;    /* name, where they would have been shown */
	char *name;    /* of the quiet time */
	char *problem; /* why it holds nothing back, or NULL */
};

void quiet_row_finish(struct quiet_row *row);
void quiet_rows_free(struct quiet_row *rows, size_t len);
/* One more. */
enum err quiets_count(struct store *store, const char *name, const char *room);
/* It holds nothing back from now on. */
enum err quiets_set_problem(
        struct store *store, const char *name, const char *room, const char *problem);
/* All (few). The caller frees the rows. */
enum err quiets_all(struct store *store, struct quiet_row **rows, size_t *len);
enum err quiets_delete(struct store *store, int64_t id);

/*
 * quiets.h - how many alerts each quiet time of the config has suppressed since it began, by room.
 * When a quiet time is active is decided in handlers/silences/quiet.h.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct quiet_row {
	int64_t id;
	int64_t held;  /* number of suppressed alerts */
	char *room;    /* name of the room the alerts were routed to */
	char *name;    /* of the quiet time */
	char *problem; /* why it suppresses nothing, or NULL */
};

void quiet_row_finish(struct quiet_row *row);
void quiet_rows_free(struct quiet_row *rows, size_t len);
/* Counts one more suppressed alert. */
enum err quiets_count(struct store *store, const char *name, const char *room);
/* The quiet time suppresses nothing from now on. */
enum err quiets_set_problem(
        struct store *store, const char *name, const char *room, const char *problem);
/* All rows (few). The caller frees the rows. */
enum err quiets_all(struct store *store, struct quiet_row **rows, size_t *len);
enum err quiets_delete(struct store *store, int64_t id);

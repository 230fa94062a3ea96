/*
 * undecrypted.h - received events that cannot be decrypted (yet), because their keys are missing.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct undecrypted_row {
	int64_t id;
	int64_t at_ms;   /* when it was first seen */
	int64_t told_ms; /* when the room was told that it cannot be decrypted; 0 = not yet */
	int64_t power;   /* power level of the sender in the room when it was received */
	char *room;      /* room name */
	char *room_id, *event_id;
	char *event; /* JSON as received from the homeserver */
};

void undecrypted_row_finish(struct undecrypted_row *row);
void undecrypted_rows_free(struct undecrypted_row *rows, size_t len);
/* Sets row->id. ERR_EXISTS: the event is stored already. */
enum err undecrypted_insert(struct store *store, struct undecrypted_row *row);
enum err undecrypted_update(struct store *store, const struct undecrypted_row *row);
enum err undecrypted_delete(struct store *store, int64_t id);
/* Oldest first. The caller frees the rows. */
enum err undecrypted_all(
        struct store *store, int limit, struct undecrypted_row **rows, size_t *len);
enum err undecrypted_count(struct store *store, int64_t *count);

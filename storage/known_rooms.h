/*
 * known_rooms.h - what the bot remembers about rooms across restarts. A room costs one lookup.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct room_row {
	int64_t id;
	char *room_id;
	char *address;     /* the alias it was found by, or NULL */
	int encrypted;     /* once 1, it is never reset */
	char *encryption;  /* JSON content of the first m.room.encryption seen, or NULL */
	char *replaced_by; /* room id of its replacement after an upgrade, or NULL */
};

void room_row_finish(struct room_row *row);
void room_rows_free(struct room_row *rows, size_t len);
enum err rooms_by_room_id(struct store *store, const char *room_id, struct room_row *row);
/* Inserts or updates; `encrypted` and `encryption` are never reset. An address belongs to one room:
 * it is removed from any other room that had it. */
enum err rooms_put(struct store *store, const struct room_row *row);
/* The rooms ever seen encrypted. The caller frees the rows. */
enum err rooms_encrypted(struct store *store, struct room_row **rows, size_t *len);

/*
 * known_rooms.h - what is remembered of rooms.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct room_row {
	int64_t id;
	char *room_id;
	char *address;     /* the alias it was found by, or NULL */
	int encrypted;     /* once 1, for ever 1 */
	char *encryption;  /* JSON content of the first m.room.encryption seen, or NULL */
	char *replaced_by; /* room id of its successor, or NULL */
};

void room_row_finish(struct room_row *row);
void room_rows_free(struct room_row *rows, size_t len);
enum err rooms_by_room_id(struct store *store, const char *room_id, struct room_row *row);
/* Inserts or updates; `encrypted` and `encryption` are never taken back. An address belongs to
 * one room: another one that had it loses it. */
enum err rooms_put(struct store *store, const struct room_row *row);
/* The rooms that were ever seen encrypted. The caller frees the rows. */
enum err rooms_encrypted(struct store *store, struct room_row **rows, size_t *len);

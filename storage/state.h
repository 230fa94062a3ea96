/*
 * state.h - single values that outlive the process, and what is remembered of rooms.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

/* Names in use: "sync.since", "sync.filter", "device_id", "user_id", "started_ms", "alive_ms" (the
 * daemon ran then), "heartbeat.plan", "heartbeat.since_ms" (handlers/heartbeats/heartbeat.c),
 * "courier.pace" (handlers/alerts/pace.h), "vigil", "vigil.untold"
 * (handlers/heartbeats/absence_room.c). */
/* *value is owned by the caller; ERR_NOT_FOUND when it was never set. */
enum err state_get(struct store *store, const char *name, char **value);
enum err state_set(struct store *store, const char *name, const char *value);
enum err state_delete(struct store *store, const char *name);

struct room_row {
	char *room_id;
	char *address;     /* the alias it was found by, or NULL */
	int encrypted;     /* once 1, for ever 1 */
	char *encryption;  /* JSON content of the first m.room.encryption seen, or NULL */
	char *replaced_by; /* room id of its successor, or NULL */
};

void room_row_finish(struct room_row *row);
void room_rows_free(struct room_row *rows, size_t len);
enum err rooms_get_row(struct store *store, const char *room_id, struct room_row *row);
/* Inserts or updates; `encrypted` and `encryption` are never taken back. An address belongs to
 * one room: another one that had it loses it. */
enum err rooms_put(struct store *store, const struct room_row *row);
/* The rooms that were ever seen encrypted; owned by the caller, see room_rows_free(). */
enum err rooms_encrypted(struct store *store, struct room_row **rows, size_t *len);
void room_rows_free(struct room_row *rows, size_t len);

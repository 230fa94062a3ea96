/*
 * command_log.h - the audit log: every command, its sender and device, and its effect. A command
 * costs a lookup by its event, and a count reads by an index the rows since since_ms alone.
 */
#pragma once

#include <stddef.h>
#include "storage/store.h"

struct command_row {
	int64_t id; /* set by commands_insert() */
	int64_t at_ms;
	char *result;             /* "done", "failed", "refused", "late", "unknown", "reaction" */
	char *sender;             /* Matrix user id, or "uid N" from the socket */
	char *device_id;          /* if verified, else NULL */
	char *room;               /* name; NULL = from the socket */
	char *room_id, *event_id; /* or NULL */
	char *command;            /* as it was entered */
	char *effect;             /* for people */
};

void command_row_finish(struct command_row *row);
void command_rows_free(struct command_row *rows, size_t len);

/* ERR_EXISTS: the command of that event is recorded already. */
enum err commands_insert(struct store *store, struct command_row *row);
enum err commands_by_event(struct store *store, const char *event_id, struct command_row *row);
enum err commands_known(struct store *store, const char *event_id, bool *known);
/* Counts the rows of a room with that result since since_ms. */
enum err commands_count_room(struct store *store, const char *room, const char *result,
        int64_t since_ms, int64_t *count);
/* Counts the rows of a sender with that result since since_ms. */
enum err commands_count(struct store *store, const char *sender, const char *result,
        int64_t since_ms, int64_t *count);

/*
 * state.c - the tables `state` and `rooms`; see state.h.
 *
 * Invariants: a room that was encrypted once stays so, with the first settings seen; an address
 * belongs to one room, the one it was last put for.
 */
#include "storage/state.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "storage/sql.h"

#define ROOM_SELECT "SELECT room_id, address, encrypted, encryption, replaced_by FROM rooms "
#define STATE_STATEMENTS(X)                                                                       \
	X(STATE_GET, "SELECT value FROM state WHERE name = ?")                                    \
	X(STATE_SET, "INSERT INTO state (name, value) VALUES (?, ?) "                             \
	             "ON CONFLICT (name) DO UPDATE SET value = excluded.value")                   \
	X(STATE_DELETE, "DELETE FROM state WHERE name = ?")                                       \
	X(ROOMS_GET, ROOM_SELECT "WHERE room_id = ?")                                             \
	X(ROOMS_ENCRYPTED, ROOM_SELECT "WHERE encrypted = 1")                                     \
	X(ROOMS_MOVE_ADDRESS,                                                                     \
	        "UPDATE rooms SET address = NULL WHERE address = ? AND room_id <> ?")             \
	X(ROOMS_PUT, "INSERT INTO rooms (room_id, address, encrypted, encryption, replaced_by) "  \
	             "VALUES (?, ?, ?, ?, ?) ON CONFLICT (room_id) DO UPDATE SET "                \
	             "address = coalesce(excluded.address, address), encrypted = max(encrypted, " \
	             "excluded.encrypted), "                                                      \
	             "encryption = coalesce(encryption, excluded.encryption), "                   \
	             "replaced_by = excluded.replaced_by")

SQL_STATEMENTS(sql_state, STATE_STATEMENTS);

enum err state_get(struct store *store, const char *name, char **value)
{
	struct sql sql;
	enum err err;

	*value = NULL;
	sql_use(&sql, store, SQL_STATE, STATE_GET);
	sql_bind_text(&sql, name);
	err = sql_next(&sql);
	if (err == OK) {
		*value = sql_text(&sql, 0);
		sql_end(&sql);
	}
	return err == OK && !*value ? ERR_CORRUPT : err;
}

enum err state_set(struct store *store, const char *name, const char *value)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STATE, STATE_SET);
	sql_bind_text(&sql, name);
	sql_bind_text(&sql, value);
	return sql_write(&sql);
}

enum err state_delete(struct store *store, const char *name)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STATE, STATE_DELETE);
	sql_bind_text(&sql, name);
	return sql_write(&sql);
}

void room_row_finish(struct room_row *row)
{
	free(row->room_id);
	free(row->address);
	free(row->encryption);
	free(row->replaced_by);
	memset(row, 0, sizeof(*row));
}

static enum err room_read(struct sql *sql, struct room_row *row)
{
	memset(row, 0, sizeof(*row));
	row->room_id = sql_text(sql, 0);
	row->address = sql_text(sql, 1);
	row->encrypted = (int)sql_int(sql, 2);
	row->encryption = sql_text(sql, 3);
	row->replaced_by = sql_text(sql, 4);
	if (!row->room_id) {
		room_row_finish(row);
		return ERR_CORRUPT;
	}
	return OK;
}

static enum err room_one(struct sql *sql, struct room_row *row)
{
	enum err err = sql_next(sql);

	memset(row, 0, sizeof(*row));
	if (err != OK)
		return err;
	err = room_read(sql, row);
	sql_end(sql);
	return err;
}

enum err rooms_get_row(struct store *store, const char *room_id, struct room_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_STATE, ROOMS_GET);
	sql_bind_text(&sql, room_id);
	return room_one(&sql, row);
}

enum err rooms_put(struct store *store, const struct room_row *row)
{
	struct sql sql;
	enum err err;

	if (row->address) {
		sql_use(&sql, store, SQL_STATE, ROOMS_MOVE_ADDRESS);
		sql_bind_text(&sql, row->address);
		sql_bind_text(&sql, row->room_id);
		err = sql_write(&sql);
		if (err != OK)
			return err;
	}
	sql_use(&sql, store, SQL_STATE, ROOMS_PUT);
	sql_bind_text(&sql, row->room_id);
	sql_bind_text(&sql, row->address);
	sql_bind_int(&sql, row->encrypted != 0);
	sql_bind_text(&sql, row->encryption);
	sql_bind_text(&sql, row->replaced_by);
	return sql_write(&sql);
}

void room_rows_free(struct room_row *rows, size_t len)
{
	for (size_t i = 0; i < len; i++)
		room_row_finish(&rows[i]);
	free(rows);
}

enum err rooms_encrypted(struct store *store, struct room_row **rows, size_t *len)
{
	struct room_row *list = NULL;
	struct sql sql;
	size_t used = 0;
	enum err err;

	*rows = NULL;
	*len = 0;
	sql_use(&sql, store, SQL_STATE, ROOMS_ENCRYPTED);
	while ((err = sql_next(&sql)) == OK) {
		list = x_realloc(list, (used + 1) * sizeof(*list));
		err = room_read(&sql, &list[used]);
		if (err != OK)
			break;
		used++;
	}
	sql_end(&sql);
	if (err != ERR_NOT_FOUND) {
		room_rows_free(list, used);
		return err;
	}
	*rows = list;
	*len = used;
	return OK;
}

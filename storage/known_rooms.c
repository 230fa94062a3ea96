/*
 * known_rooms.c - the table `rooms`; see known_rooms.h.
 *
 * Invariants: an encrypted room stays encrypted, with the first settings seen; an address belongs
 * to one room, the one it was last stored for.
 */
#include "storage/known_rooms.h"

#include "storage/sql.h"

#define SQL_STRUCT room_row
#define ROOM_COLUMNS(FIRST, X) \
	FIRST(BOOL, encrypted) \
	X(TEXT, room_id)       \
	X(OPT, address)        \
	X(OPT, encryption)     \
	X(OPT, replaced_by)

#define SELECT SQL_SELECT("rooms", ROOM_COLUMNS)
#define ROOMS_STATEMENTS(X)                                                                      \
	X(ROOMS_BY_ROOM_ID, SELECT "WHERE room_id = ?")                                          \
	X(ROOMS_ENCRYPTED, SELECT "WHERE encrypted = TRUE ORDER BY id")                          \
	X(ROOMS_MOVE_ADDRESS,                                                                    \
	        "UPDATE rooms SET address = NULL WHERE address = ? AND room_id <> ?")            \
	X(ROOMS_PUT,                                                                             \
	        SQL_INSERT("rooms",                                                              \
	                ROOM_COLUMNS) " ON CONFLICT (room_id) DO UPDATE SET "                    \
	                              "address = coalesce(excluded.address, address), "          \
	                              "encrypted = encrypted <> FALSE OR excluded.encrypted, "   \
	                              "encryption = coalesce(encryption, excluded.encryption), " \
	                              "replaced_by = excluded.replaced_by")

SQL_STATEMENTS(sql_rooms, ROOMS_STATEMENTS);
SQL_ROWS(layout, ROOM_COLUMNS);

enum err rooms_by_room_id(struct store *store, const char *room_id, struct room_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ROOMS, ROOMS_BY_ROOM_ID);
	sql_bind_text(&sql, room_id);
	return sql_one_row(&sql, &layout, row);
}

enum err rooms_put(struct store *store, const struct room_row *row)
{
	struct sql sql;
	enum err err;

	if (row->address) {
		sql_use(&sql, store, SQL_ROOMS, ROOMS_MOVE_ADDRESS);
		sql_bind_text(&sql, row->address);
		sql_bind_text(&sql, row->room_id);
		err = sql_write(&sql);
		if (err != OK)
			return err;
	}
	sql_use(&sql, store, SQL_ROOMS, ROOMS_PUT);
	sql_bind_row(&sql, &layout, row);
	return sql_write(&sql);
}

enum err rooms_encrypted(struct store *store, struct room_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ROOMS, ROOMS_ENCRYPTED);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

/*
 * messages.c - the table `messages`; see messages.h.
 *
 * Invariants: a message whose event_id is set is in its room. Open messages (closed_ms = 0) and
 * dirty ones are few and have partial indexes of their own, whatever the table's size.
 */
#include "storage/messages.h"

#include "storage/sql.h"

#define SQL_STRUCT message_row
#define MESSAGE_COLUMNS(FIRST, X) \
	FIRST(INT, kind)          \
	X(INT, severity)          \
	X(LONG, opened_ms)        \
	X(LONG, frozen_ms)        \
	X(LONG, sent_ms)          \
	X(LONG, edited_ms)        \
	X(LONG, dirty_ms)         \
	X(LONG, closed_ms)        \
	X(INT, urgent)            \
	X(LONG, bytes)            \
	X(LONG, silent)           \
	X(LONG, alerts)           \
	X(TEXT, room)             \
	X(OPT, room_id)           \
	X(TEXT, origin)           \
	X(OPT, event_id)          \
	X(OPT, lead)

/* The numbers are those of enum message_kind. */
#define SELECT SQL_SELECT("messages", MESSAGE_COLUMNS)
#define MESSAGES_STATEMENTS(X)                                                                    \
	X(MESSAGES_INSERT, SQL_INSERT("messages", MESSAGE_COLUMNS))                               \
	X(MESSAGES_UPDATE, SQL_UPDATE("messages", MESSAGE_COLUMNS))                               \
	X(MESSAGES_BY_ID, SELECT "WHERE id = ?")                                                  \
	X(MESSAGES_BY_EVENT, SELECT "WHERE event_id = ? LIMIT 1")                                 \
	X(MESSAGES_BEFORE, SELECT "WHERE id < ?1 AND id > ?1 - 1000 AND room = ?2 AND "           \
	                          "origin = ?3 AND kind = 0 ORDER BY id DESC LIMIT 1")            \
	X(MESSAGES_OPEN,                                                                          \
	        SELECT "WHERE room = ? AND origin = ? AND closed_ms = 0 AND kind IN (0, 1, 2) "   \
	               "ORDER BY id DESC LIMIT 1")                                                \
	X(MESSAGES_OPEN_WITH,                                                                     \
	        SELECT "INDEXED BY messages_open WHERE room = ?1 AND origin = ?2 AND "            \
	               "closed_ms = 0 AND kind = 0 AND EXISTS (SELECT 1 FROM entries e WHERE "    \
	               "e.message_id = messages.id AND e.app = ?3) ORDER BY id DESC LIMIT 1")     \
	X(MESSAGES_QUEUED, SELECT "WHERE id IN (SELECT message_id FROM outbox WHERE room = ? "    \
	                          "AND state <= 1 AND state = 0 AND purpose = 0) "                \
	                          "ORDER BY severity DESC, id LIMIT ?")                           \
	X(MESSAGES_DELETE, "DELETE FROM messages WHERE id = ?")                                   \
	X(MESSAGES_OPEN_ALL, SELECT "INDEXED BY messages_open WHERE closed_ms = 0 ORDER BY id")   \
	X(MESSAGES_DIRTY, SELECT "WHERE room = ? AND dirty_ms > 0 AND event_id IS NOT NULL "      \
	                         "ORDER BY dirty_ms, id")                                         \
	X(MESSAGES_COUNT_OPENED, "SELECT count(*) FROM messages WHERE opened_ms BETWEEN ? AND ? " \
	                         "AND kind IN (0, 1)")

_Static_assert(MESSAGE_ALERTS == 0 && MESSAGE_RING == 1 && MESSAGE_STORM == 2, "see above");

SQL_STATEMENTS(sql_messages, MESSAGES_STATEMENTS);

SQL_ROWS(layout, MESSAGE_COLUMNS);

enum err messages_insert(struct store *store, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err messages_update(struct store *store, const struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err messages_by_id(struct store *store, int64_t id, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_by_event(struct store *store, const char *event_id, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_BY_EVENT);
	sql_bind_text(&sql, event_id);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_before(
        struct store *store, const struct message_row *ring, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_BEFORE);
	sql_bind_int(&sql, ring->id);
	sql_bind_text(&sql, ring->room);
	sql_bind_text(&sql, ring->origin);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_open(
        struct store *store, const char *room, const char *origin, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_OPEN);
	sql_bind_text(&sql, room);
	sql_bind_text(&sql, origin);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_open_with(struct store *store, const char *room, const char *origin,
        const char *app, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_OPEN_WITH);
	sql_bind_text(&sql, room);
	sql_bind_text(&sql, origin);
	sql_bind_text(&sql, app);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_queued(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_QUEUED);
	sql_bind_text(&sql, room);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err messages_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err messages_open_all(struct store *store, struct message_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_OPEN_ALL);
	err = sql_all_rows(&sql, &layout, &array, len);
	*rows = array;
	return err;
}

enum err messages_dirty(
        struct store *store, const char *room, struct message_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_DIRTY);
	sql_bind_text(&sql, room);
	err = sql_all_rows(&sql, &layout, &array, len);
	*rows = array;
	return err;
}

enum err messages_count_opened(
        struct store *store, int64_t since_ms, int64_t until_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_COUNT_OPENED);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, until_ms);
	return sql_one_int(&sql, count);
}

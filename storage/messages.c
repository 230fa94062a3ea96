/*
 * messages.c - the table `messages`; see messages.h.
 *
 * Invariants: a message whose event_id is set is in its room. Partial indexes cover open messages
 * (closed_ms = 0), messages with an end time and messages with a pending edit, so that finding the
 * next of each reads one row, however large the table. A damaged message is closed and no longer
 * edited; its events become undeliverable when they are due.
 */
#include "storage/messages.h"

#include "bot/base/severity.h"
#include "storage/sql.h"

static const char *const message_kind_names[] = {"alerts", "ring", "storm", NULL};

#define SQL_STRUCT message_row
#define MESSAGE_CHANGING(FIRST, X)            \
	FIRST(ENUM(severity_names), severity) \
	X(LONG, frozen_ms)                    \
	X(LONG, sent_ms)                      \
	X(LONG, edited_ms)                    \
	X(LONG, dirty_ms)                     \
	X(LONG, edit_ms)                      \
	X(BOOL, urgent)                       \
	X(LONG, bytes)                        \
	X(LONG, silent)                       \
	X(LONG, alerts)                       \
	X(OPT, room_id)                       \
	X(OPT, event_id)                      \
	X(LONG, rings)
/* Columns of indexes that change seldom. */
#define MESSAGE_PLACE(FIRST, X) \
	FIRST(LONG, closed_ms)  \
	X(LONG, end_ms)         \
	X(TEXT, origin)
#define MESSAGE_RINGS(FIRST, X) FIRST(REF, rings_for)
#define MESSAGE_COLUMNS(FIRST, X)         \
	MESSAGE_CHANGING(FIRST, X)        \
	MESSAGE_PLACE(X, X)               \
	MESSAGE_RINGS(X, X)               \
	X(ENUM(message_kind_names), kind) \
	X(LONG, opened_ms)                \
	X(TEXT, room)

#define SELECT SQL_SELECT("messages", MESSAGE_COLUMNS)
#define MESSAGES_STATEMENTS(X)                                                                    \
	X(MESSAGES_INSERT, SQL_INSERT("messages", MESSAGE_COLUMNS))                               \
	X(MESSAGES_UPDATE, SQL_UPDATE("messages", MESSAGE_CHANGING))                              \
	X(MESSAGES_UPDATE_PLACE, SQL_UPDATE_IF("messages", MESSAGE_PLACE))                        \
	X(MESSAGES_UPDATE_RINGS, SQL_UPDATE_IF("messages", MESSAGE_RINGS))                        \
	X(MESSAGES_BY_ID, SELECT "WHERE id = ?")                                                  \
	X(MESSAGES_BY_EVENT, SELECT "WHERE id = (SELECT message_id FROM outbox "                  \
	                            "WHERE event_id = ? AND purpose = 'new' LIMIT 1)")            \
	X(MESSAGES_OPEN, SELECT "WHERE room = ? AND origin = ? AND closed_ms = 0 "                \
	                        "ORDER BY id DESC LIMIT 1")                                       \
	X(MESSAGES_OPEN_WITH, SELECT                                                              \
	        "INDEXED BY messages_open WHERE room = ?1 AND origin = ?2 AND "                   \
	        "closed_ms = 0 AND kind = 'alerts' AND EXISTS (SELECT 1 FROM entries e WHERE "    \
	        "e.message_id = messages.id AND e.app = ?3) ORDER BY id DESC LIMIT 1")            \
	X(MESSAGES_QUEUED, SELECT "WHERE id IN (SELECT message_id FROM outbox WHERE room = ? "    \
	                          "AND (state = 'queued' OR state = 'frozen') AND state = "       \
	                          "'queued' AND purpose = 'new') "                                \
	                          "ORDER BY " SQL_SEVERITY_RANK " DESC, id LIMIT ?")              \
	X(MESSAGES_RINGING, SELECT "WHERE rings_for = ? AND id < ? ORDER BY id DESC LIMIT 1")     \
	X(MESSAGES_REHOME, "UPDATE messages SET room = ?2 WHERE id = ?1")                         \
	X(MESSAGES_STRANDED,                                                                      \
	        SELECT "WHERE id IN (SELECT id FROM messages WHERE closed_ms = 0 UNION "          \
	               "SELECT id FROM messages WHERE edit_ms > 0 UNION SELECT message_id "       \
	               "FROM entries WHERE resolved_ms = 0) AND room NOT IN "                     \
	               "(SELECT value FROM json_each(?)) LIMIT ?")                                \
	X(MESSAGES_DELETE, "DELETE FROM messages WHERE id = ?")                                   \
	X(MESSAGES_EDITS, SELECT "WHERE room = ? AND edit_ms > 0 ORDER BY edit_ms, id LIMIT ?")   \
	X(MESSAGES_END_FIRST, SELECT "WHERE end_ms > 0 ORDER BY end_ms, id LIMIT 1")              \
	X(MESSAGES_END_LAST, SELECT "WHERE end_ms > 0 ORDER BY end_ms DESC LIMIT 1")              \
	X(MESSAGES_EDIT_FIRST,                                                                    \
	        SELECT "WHERE room = ? AND edit_ms > 0 ORDER BY edit_ms, id LIMIT 1")             \
	X(MESSAGES_EDIT_LAST,                                                                     \
	        SELECT "WHERE room = ? AND edit_ms > 0 ORDER BY edit_ms DESC LIMIT 1")            \
	X(MESSAGES_MEND,                                                                          \
	        "UPDATE messages SET closed_ms = max(closed_ms, 1), end_ms = 0, edit_ms = 0, "    \
	        "dirty_ms = 0 WHERE ? IS NOT NULL AND id = ?")                                    \
	X(MESSAGES_COUNT_UNTOLD,                                                                  \
	        "SELECT coalesce(sum(alerts - (SELECT coalesce(sum(e.count), 0) FROM entries e "  \
	        "WHERE e.message_id = messages.id)), 0) FROM messages WHERE closed_ms = 0 AND "   \
	        "kind = 'storm'")                                                                 \
	X(MESSAGES_COUNT_OPENED, "SELECT count(*) FROM messages WHERE opened_ms BETWEEN ? AND ? " \
	                         "AND kind IN ('alerts', 'ring') AND origin NOT LIKE '?%'")

SQL_STATEMENTS(sql_messages, MESSAGES_STATEMENTS);

static const char *message_check(const void *arg)
{
	const struct message_row *row = arg;

	return sql_is_id(row->room_id, '!') ? NULL : "no room id";
}

SQL_ROWS(layout, MESSAGE_COLUMNS, .check = message_check, .family = SQL_MESSAGES,
        .mend = MESSAGES_MEND);
SQL_LAYOUT(changing, MESSAGE_CHANGING);
SQL_LAYOUT(place, MESSAGE_PLACE);
SQL_LAYOUT(rings, MESSAGE_RINGS);

enum err messages_insert(struct store *store, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err messages_update(struct store *store, const struct message_row *row)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_UPDATE);
	err = sql_update_row(&sql, &changing, row);
	if (err == OK) {
		sql_use(&sql, store, SQL_MESSAGES, MESSAGES_UPDATE_PLACE);
		err = sql_update_row_if(&sql, &place, row);
	}
	if (err == OK && row->rings_for) {
		sql_use(&sql, store, SQL_MESSAGES, MESSAGES_UPDATE_RINGS);
		err = sql_update_row_if(&sql, &rings, row);
	}
	return err;
}

enum err messages_by_id(struct store *store, int64_t id, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_find(struct store *store, int64_t id, struct message_row *row)
{
	enum err err = messages_by_id(store, id, row);

	if (err != ERR_NOT_FOUND && err != ERR_DAMAGED)
		return err;
	*row = (struct message_row){0};
	return OK;
}

enum err messages_by_event(struct store *store, const char *event_id, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_BY_EVENT);
	sql_bind_text(&sql, event_id);
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

enum err messages_ringing(
        struct store *store, int64_t rings_for, int64_t before_id, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_RINGING);
	sql_bind_int(&sql, rings_for);
	sql_bind_int(&sql, before_id);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_rehome(struct store *store, int64_t id, const char *room)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_REHOME);
	sql_bind_int(&sql, id);
	sql_bind_text(&sql, room);
	return sql_write_one(&sql);
}

enum err messages_stranded(
        struct store *store, const char *names, int limit, struct message_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_STRANDED);
	sql_bind_text(&sql, names);
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

enum err messages_edits(
        struct store *store, const char *room, int limit, struct message_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_EDITS);
	sql_bind_text(&sql, room);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

static enum err message_due(
        struct store *store, int statement, const char *room, struct message_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, statement);
	if (room)
		sql_bind_text(&sql, room);
	return sql_one_row(&sql, &layout, row);
}

enum err messages_end_first(struct store *store, struct message_row *row)
{
	return message_due(store, MESSAGES_END_FIRST, NULL, row);
}

enum err messages_end_last(struct store *store, struct message_row *row)
{
	return message_due(store, MESSAGES_END_LAST, NULL, row);
}

enum err messages_edit_first(struct store *store, const char *room, struct message_row *row)
{
	return message_due(store, MESSAGES_EDIT_FIRST, room, row);
}

enum err messages_edit_last(struct store *store, const char *room, struct message_row *row)
{
	return message_due(store, MESSAGES_EDIT_LAST, room, row);
}

enum err messages_count_untold(struct store *store, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_MESSAGES, MESSAGES_COUNT_UNTOLD);
	return sql_one_int(&sql, count);
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

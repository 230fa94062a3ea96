/*
 * command_log.c - the table `commands`; see command_log.h. A row is inserted once and never
 * changed.
 */
#include "storage/command_log.h"

#include <stdlib.h>
#include "storage/sql.h"

#define SQL_STRUCT command_row
#define COMMAND_COLUMNS(FIRST, X) \
	FIRST(LONG, at_ms)        \
	X(TEXT, result)           \
	X(TEXT, sender)           \
	X(OPT, device_id)         \
	X(OPT, room)              \
	X(OPT, room_id)           \
	X(OPT, event_id)          \
	X(TEXT, command)          \
	X(TEXT, effect)

#define COMMANDS_STATEMENTS(X)                                                             \
	X(COMMANDS_INSERT, SQL_INSERT("commands", COMMAND_COLUMNS))                        \
	X(COMMANDS_KNOWN, "SELECT count(*) FROM commands WHERE event_id = ?")              \
	X(COMMANDS_BY_EVENT, SQL_SELECT("commands", COMMAND_COLUMNS) "WHERE event_id = ?") \
	X(COMMANDS_COUNT_ROOM, "SELECT count(*) FROM commands WHERE at_ms >= ? AND "       \
	                       "room = ? AND result = ?")                                  \
	X(COMMANDS_COUNT, "SELECT count(*) FROM commands WHERE sender = ? AND "            \
	                  "result = ? AND at_ms >= ?")

SQL_STATEMENTS(sql_commands, COMMANDS_STATEMENTS);

SQL_ROWS(layout, COMMAND_COLUMNS);

enum err commands_insert(struct store *store, struct command_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_COMMANDS, COMMANDS_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err commands_by_event(struct store *store, const char *event_id, struct command_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_COMMANDS, COMMANDS_BY_EVENT);
	sql_bind_text(&sql, event_id);
	return sql_one_row(&sql, &layout, row);
}

enum err commands_known(struct store *store, const char *event_id, bool *known)
{
	struct sql sql;
	int64_t count = 0;
	enum err err;

	sql_use(&sql, store, SQL_COMMANDS, COMMANDS_KNOWN);
	sql_bind_text(&sql, event_id);
	err = sql_one_int(&sql, &count);
	*known = count > 0;
	return err;
}

enum err commands_count_room(
        struct store *store, const char *room, const char *result, int64_t since_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_COMMANDS, COMMANDS_COUNT_ROOM);
	sql_bind_int(&sql, since_ms);
	sql_bind_text(&sql, room);
	sql_bind_text(&sql, result);
	return sql_one_int(&sql, count);
}

enum err commands_count(struct store *store, const char *sender, const char *result,
        int64_t since_ms, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_COMMANDS, COMMANDS_COUNT);
	sql_bind_text(&sql, sender);
	sql_bind_text(&sql, result);
	sql_bind_int(&sql, since_ms);
	return sql_one_int(&sql, count);
}

/*
 * undelivered.c - the table `undelivered`; see undelivered.h.
 */
#include "storage/undelivered.h"

#include "storage/sql.h"

#define SQL_STRUCT undelivered_row
#define UNDELIVERED_COLUMNS(FIRST, X) \
	FIRST(LONG, received_ms)      \
	X(TEXT, app)                  \
	X(TEXT, identity)             \
	X(OPT, run_id)                \
	X(OPT, room)                  \
	X(OPT, error)                 \
	X(BOOL, test)

/* The alerts of an event or message that is not in the room. */
#define LATE                                                                         \
	"JOIN alerts a ON a.id = p.alert_id WHERE a.severity = 'critical' "          \
	"AND a.resolved = FALSE AND a.received_ms <= ?1 "                            \
	"AND coalesce(iif(json_valid(a.fields), a.fields ->> '$.test', 0), 0) <> 1 " \
	"AND EXISTS (SELECT 1 FROM entries e "                                       \
	"WHERE e.message_id = p.message_id AND e.fingerprint = a.fingerprint "       \
	"AND e.resolved_ms = 0) "
#define OF_EVENT                                            \
	"JOIN places p ON p.message_id = o.message_id AND " \
	"(p.outbox_id IS NULL OR p.outbox_id = o.id) " LATE

/* No event carries the alert, but one will: nobody has discarded it. */
#define STILL_GOES                                                     \
	"(EXISTS (SELECT 1 FROM messages m WHERE m.id = p.message_id " \
	"AND m.edit_ms > 0) OR EXISTS (SELECT 1 FROM outbox n WHERE "  \
	"n.message_id = p.message_id AND n.state IN ('queued', 'frozen')))"

#define UNDELIVERED_STATEMENTS(X)                                                                  \
	X(UNDELIVERED_NOTE,                                                                        \
	        "INSERT OR IGNORE INTO undelivered SELECT id, 0, 0 FROM ("                         \
	        "SELECT a.id FROM outbox o INDEXED BY outbox_waiting " OF_EVENT                    \
	        "AND (o.state = 'queued' OR o.state = 'frozen') UNION ALL "                        \
	        "SELECT a.id FROM outbox o INDEXED BY outbox_undeliverable " OF_EVENT              \
	        "AND o.state <> 'queued' AND o.state <> 'frozen' AND o.state <> 'sent' UNION ALL " \
	        "SELECT a.id FROM messages m INDEXED BY messages_edit "                            \
	        "JOIN places p ON p.message_id = m.id AND p.outbox_id IS NULL " LATE               \
	        "AND m.edit_ms > 0)")                                                              \
	X(UNDELIVERED_ADD, "INSERT OR IGNORE INTO undelivered VALUES (?, 0, 0)")                   \
	X(UNDELIVERED_NOTE_RECOVERED,                                                              \
	        "UPDATE undelivered SET recovered_ms = ? WHERE told_ms > 0 AND recovered_ms = 0 "  \
	        "AND EXISTS (SELECT 1 FROM places p JOIN outbox o ON o.id = p.outbox_id "          \
	        "WHERE p.alert_id = undelivered.alert_id AND o.state = 'sent')")                   \
	X(UNDELIVERED_UNTOLD,                                                                      \
	        "SELECT a.received_ms, a.app, a.identity, a.run_id, a.room, o.error, a.test, "     \
	        "a.id FROM undelivered u JOIN alerts a ON a.id = u.alert_id "                      \
	        "LEFT JOIN places p ON p.alert_id = a.id LEFT JOIN outbox o "                      \
	        "ON o.id = p.outbox_id WHERE u.told_ms = 0 ORDER BY a.room, a.id LIMIT ?")         \
	X(UNDELIVERED_COUNT,                                                                       \
	        "SELECT count(*) FILTER (WHERE u.recovered_ms > 0), "                              \
	        "count(*) FILTER (WHERE u.recovered_ms = 0 AND "                                   \
	        "iif(o.id IS NULL, " STILL_GOES ", o.state IN ('queued', 'frozen'))) "             \
	        "FROM undelivered u LEFT JOIN places p ON p.alert_id = u.alert_id "                \
	        "LEFT JOIN outbox o ON o.id = p.outbox_id WHERE u.told_ms > 0")                    \
	X(UNDELIVERED_SET_TOLD,                                                                    \
	        "UPDATE undelivered SET told_ms = ? WHERE told_ms = 0 AND alert_id <= ?")          \
	X(UNDELIVERED_FORGET, "DELETE FROM undelivered WHERE recovered_ms > 0")

SQL_STATEMENTS(sql_undelivered, UNDELIVERED_STATEMENTS);

SQL_ROWS(layout, UNDELIVERED_COLUMNS);

enum err undelivered_note(struct store *store, int64_t before_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_NOTE);
	sql_bind_int(&sql, before_ms);
	return sql_write(&sql);
}

enum err undelivered_add(struct store *store, int64_t alert_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_ADD);
	sql_bind_int(&sql, alert_id);
	return sql_write(&sql);
}

enum err undelivered_note_recovered(struct store *store, int64_t now_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_NOTE_RECOVERED);
	sql_bind_int(&sql, now_ms);
	return sql_write(&sql);
}

enum err undelivered_untold(
        struct store *store, int limit, struct undelivered_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_UNTOLD);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &layout, (void **)rows, len);
}

enum err undelivered_count(struct store *store, int64_t *recovered, int64_t *waiting)
{
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_COUNT);
	err = sql_next(&sql);
	if (err != OK)
		return err;
	*recovered = sql_int(&sql, 0);
	*waiting = sql_int(&sql, 1);
	sql_end(&sql);
	return OK;
}

enum err undelivered_set_told(struct store *store, int64_t last_id, int64_t now_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_SET_TOLD);
	sql_bind_int(&sql, now_ms);
	sql_bind_int(&sql, last_id);
	return sql_write(&sql);
}

enum err undelivered_forget_recovered(struct store *store)
{
	struct sql sql;

	sql_use(&sql, store, SQL_UNDELIVERED, UNDELIVERED_FORGET);
	return sql_write(&sql);
}

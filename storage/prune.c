/*
 * prune.c - store_prune(): deletes old data that is no longer needed; see store.h.
 *
 * A message is finished when it is closed, has no pending edit, and none of its events is queued,
 * frozen or undeliverable. Only rows that belong to no message, or to a finished one, are deleted:
 * alerts first, then the events of messages without alerts, then messages (with their entries) that
 * nothing refers to. A row that another row still refers to is deleted by a later call.
 */
#include "storage/sql.h"

#define OVER(message_id)                                            \
	"EXISTS (SELECT 1 FROM messages m WHERE m.id = " message_id \
	" AND m.closed_ms > 0 AND m.dirty_ms = 0 AND NOT EXISTS "   \
	"(SELECT 1 FROM outbox w WHERE w.message_id = m.id AND w.state <> 'sent'))"

#define PRUNE_STATEMENTS(X)                                                                      \
	X(PRUNE_CALLS, "DELETE FROM calls WHERE (at_ms, id) IN (SELECT at_ms, id FROM calls "    \
	               "WHERE at_ms < ? ORDER BY at_ms LIMIT ?)")                                \
	X(PRUNE_COMMANDS, "DELETE FROM commands WHERE id IN "                                    \
	                  "(SELECT id FROM commands WHERE at_ms < ? ORDER BY at_ms LIMIT ?)")    \
	X(PRUNE_HISTORY, "DELETE FROM history WHERE id IN "                                      \
	                 "(SELECT id FROM history WHERE at_ms < ? ORDER BY at_ms LIMIT ?)")      \
	X(PRUNE_HEARTBEATS, "DELETE FROM heartbeats WHERE id IN "                                \
	                    "(SELECT id FROM heartbeats WHERE due_ms < ? AND open = FALSE "      \
	                    "ORDER BY due_ms LIMIT ?)")                                          \
	X(PRUNE_ONCALL_OVERRIDES, "DELETE FROM oncall_overrides WHERE id IN "                    \
	                          "(SELECT id FROM oncall_overrides WHERE end_ms < ? "           \
	                          "ORDER BY end_ms LIMIT ?)")                                    \
	X(PRUNE_SILENCES, "DELETE FROM silences WHERE id IN "                                    \
	                  "(SELECT id FROM silences WHERE ended_ms > 0 AND ended_ms < ? "        \
	                  "ORDER BY ended_ms LIMIT ?)")                                          \
	X(PRUNE_ALERTS,                                                                          \
	        "DELETE FROM alerts WHERE id IN (SELECT a.id FROM alerts a "                     \
	        "LEFT JOIN places p ON p.alert_id = a.id "                                       \
	        "WHERE a.received_ms < ? AND a.held = FALSE AND (p.message_id IS NULL OR " OVER( \
	                "p.message_id") ") ORDER BY a.received_ms LIMIT ?)")                     \
	X(PRUNE_OUTBOX, "DELETE FROM outbox WHERE id IN (SELECT o.id FROM outbox o "             \
	                "WHERE o.created_ms < ? AND o.state = 'sent' "                           \
	                "AND (o.message_id IS NULL OR " OVER(                                    \
	                        "o.message_id") " AND NOT EXISTS (SELECT 1 FROM places p "       \
	                                        "WHERE p.message_id = o.message_id)) ORDER BY "  \
	                                        "o.created_ms LIMIT ?)")                         \
	X(PRUNE_MESSAGES, "DELETE FROM messages WHERE id IN (SELECT n.id FROM messages n "       \
	                  "WHERE n.opened_ms < ? AND n.closed_ms > 0 AND n.dirty_ms = 0 "        \
	                  "AND NOT EXISTS (SELECT 1 FROM places p WHERE p.message_id = n.id) "   \
	                  "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.message_id = n.id) "   \
	                  "ORDER BY n.opened_ms LIMIT ?)")

SQL_STATEMENTS(sql_prune, PRUNE_STATEMENTS);

enum err store_prune(struct store *store, int64_t before_ms, bool *more)
{
	enum err err = OK;

	*more = false;
	for (int i = PRUNE_CALLS; err == OK && i <= PRUNE_MESSAGES; i++) {
		struct sql sql;

		sql_use(&sql, store, SQL_PRUNE, i);
		sql_bind_int(&sql, before_ms);
		sql_bind_int(&sql, STORE_PRUNE_MAX);
		err = sql_write(&sql);
		*more = *more || sqlite3_changes(store->db) >= STORE_PRUNE_MAX;
	}
	return err;
}

/*
 * entries.c - the tables `entries` and `entry_runs`; see messages.h.
 *
 * Invariants: a fingerprint is in a message at most once. A run is in an entry at most once: among
 * the newest in its row, or in `entry_runs`. Deleting a message deletes its entries, and deleting
 * an entry its runs. A damaged entry is deleted: its alerts stay, and the next alert of its
 * fingerprint creates it again.
 */
#include "storage/messages.h"

#include "bot/base/severity.h"
#include "storage/sql.h"

#define PASS_MAX 200 /* rows changed by one call */

#define SQL_STRUCT entry_row
#define ENTRY_CHANGING(FIRST, X) \
	FIRST(LONG, count)       \
	X(LONG, first_ms)        \
	X(LONG, last_ms)         \
	X(LONG, silent_ms)       \
	X(LONG, told_ms)         \
	X(OPT, acked_by)         \
	X(OPT, ack_note)         \
	X(OPT, resolved_by)      \
	X(OPT, resolve_note)     \
	X(OPT, url)              \
	X(OPT, ext_id)           \
	X(LONG, runs)            \
	X(TEXT, run_ids)         \
	X(TEXT, fields)
/* Columns of indexes that change seldom. */
#define ENTRY_STATE(FIRST, X)    \
	FIRST(LONG, resolved_ms) \
	X(LONG, acked_ms)        \
	X(LONG, reminded_ms)     \
	X(LONG, open_ms)         \
	X(LONG, escalated_ms)    \
	X(LONG, due_ms)
#define ENTRY_STORED(FIRST, X)            \
	ENTRY_CHANGING(FIRST, X)          \
	ENTRY_STATE(X, X)                 \
	X(REF, message_id)                \
	X(ENUM(severity_names), severity) \
	X(TEXT, fingerprint)              \
	X(TEXT, subject)                  \
	X(TEXT, app)                      \
	X(TEXT, kind)                     \
	X(TEXT, identity)                 \
	X(OPT, key)                       \
	X(BOOL, test)

#define SELECT SQL_SELECT("entries", ENTRY_STORED)

/* Of the entries that a failure has in several messages, the newest alone. */
#define NEWEST                                                                       \
	"AND NOT EXISTS (SELECT 1 FROM entries n WHERE n.subject = entries.subject " \
	"AND n.resolved_ms = 0 AND n.fingerprint = entries.fingerprint "             \
	"AND n.id > entries.id) "

/* An unacknowledged firing critical entry, in the newest of its messages. */
#define OPEN                                                                           \
	"INDEXED BY entries_open WHERE severity = 'critical' AND resolved_ms = 0 AND " \
	"acked_ms = 0 AND last_ms > ?1 AND test = FALSE " NEWEST

/* Failures of a severity, each once in whatever messages it is. */
#define FIRING(severity) "count(DISTINCT fingerprint) FILTER (WHERE severity = '" severity "')"

/* The same, if its message is in the room: these are due for reminders and escalations. Excluded is
 * what last happened before ?1, or is in a newer message as well. */
#define BELL                                                                           \
	"severity = 'critical' AND resolved_ms = 0 AND acked_ms = 0 AND test = FALSE " \
	"AND open_ms > 0 "
#define BELL_OUT                                                                               \
	"(last_ms <= ?1 OR EXISTS (SELECT 1 FROM entries n WHERE n.subject = entries.subject " \
	"AND n.resolved_ms = 0 AND n.fingerprint = entries.fingerprint "                       \
	"AND n.id > entries.id)) "
#define REMIND_DUE \
	"INDEXED BY entries_remind WHERE " BELL "AND reminded_ms <= ?2 AND open_ms <= ?2 "
/* Each value of escalated_ms is looked up separately, so that the index skips entries that went
 * through the step already or are not due yet. */
#define ESCALATE_DUE                                                                       \
	"INDEXED BY entries_escalate WHERE " BELL "AND open_ms <= ?2 AND escalated_ms IN " \
	"(WITH RECURSIVE levels (level) AS (SELECT min(escalated_ms) FROM entries "        \
	"INDEXED BY entries_escalate WHERE " BELL "UNION ALL SELECT (SELECT "              \
	"min(escalated_ms) FROM entries INDEXED BY entries_escalate WHERE " BELL           \
	"AND escalated_ms > level) FROM levels WHERE level < ?3) "                         \
	"SELECT level FROM levels WHERE level < ?3) "
#define ENTRIES_STATEMENTS(X)                                                                      \
	X(ENTRIES_INSERT, SQL_INSERT("entries", ENTRY_STORED))                                     \
	X(ENTRIES_UPDATE, SQL_UPDATE("entries", ENTRY_CHANGING))                                   \
	X(ENTRIES_UPDATE_STATE, SQL_UPDATE_IF("entries", ENTRY_STATE))                             \
	X(ENTRIES_BY_FINGERPRINT, SELECT "WHERE message_id = ? AND fingerprint = ?")               \
	X(ENTRIES_OF, SELECT "WHERE message_id = ? ORDER BY id")                                   \
	X(ENTRIES_COUNT_APP, "SELECT count(*) FROM entries WHERE message_id = ? AND app = ?")      \
	X(ENTRIES_UNTOLD, SELECT                                                                   \
	        "WHERE message_id = ?1 AND resolved_ms = 0 AND count = (SELECT count(*) "          \
	        "FROM places p JOIN alerts a ON a.id = p.alert_id WHERE p.message_id = ?1 AND "    \
	        "p.outbox_id IS NULL "                                                             \
	        "AND a.fingerprint = entries.fingerprint AND a.resolved = FALSE) ORDER "           \
	        "BY " SQL_SEVERITY_RANK " DESC, id")                                               \
	X(ENTRIES_MOVE,                                                                            \
	        "UPDATE OR IGNORE entries SET message_id = ?2, silent_ms = ?3 WHERE id = ?1")      \
	X(ENTRIES_MEND, "DELETE FROM entries WHERE ? IS NOT NULL AND id = ?")                      \
	X(ENTRIES_CRITICAL, SELECT "WHERE app = ? AND identity = ? AND severity = 'critical' AND " \
	                           "resolved_ms = 0 AND test = FALSE LIMIT 1")                     \
	X(ENTRIES_BY_ID, SELECT "WHERE id = ?")                                                    \
	X(ENTRIES_KNOWS_RUN, "SELECT 1 FROM entry_runs WHERE entry_id = ? AND run_id = ?")         \
	X(ENTRIES_KEEP_RUN, "INSERT OR IGNORE INTO entry_runs (entry_id, run_id) VALUES (?, ?)")   \
	X(ENTRIES_UNACKED, SELECT OPEN "ORDER BY id LIMIT ?2")                                     \
	X(ENTRIES_REMIND, SELECT REMIND_DUE "AND NOT " BELL_OUT "ORDER BY reminded_ms LIMIT ?3")   \
	X(ENTRIES_PASS_REMINDER, "UPDATE entries SET reminded_ms = ?3 WHERE id IN (SELECT id "     \
	                         "FROM entries " REMIND_DUE "AND " BELL_OUT "LIMIT ?4)")           \
	X(ENTRIES_ESCALATE, SELECT ESCALATE_DUE "AND NOT " BELL_OUT "LIMIT ?4")                    \
	X(ENTRIES_PASS_STEP, "UPDATE entries SET escalated_ms = ?3 WHERE id IN (SELECT id "        \
	                     "FROM entries " ESCALATE_DUE "AND " BELL_OUT "LIMIT ?4)")             \
	X(ENTRIES_TOLD, "UPDATE entries SET told_ms = iif(told_ms = ?2, ?3, told_ms), "            \
	                "reminded_ms = iif(open_ms = 0, max(reminded_ms, ?3), reminded_ms), "      \
	                "open_ms = iif(open_ms = 0, ?3, open_ms) "                                 \
	                "WHERE message_id = ?1 AND (told_ms = ?2 OR open_ms = 0)")                 \
	X(ENTRIES_SHOW, "UPDATE entries SET told_ms = ?2 WHERE message_id = ?1 AND told_ms = 0")   \
	X(ENTRIES_SHOWN, "UPDATE entries SET told_ms = ?3 WHERE message_id = ?1 AND "              \
	                 "told_ms = ?2")                                                           \
	X(ENTRIES_HAPPENED, "SELECT 1 FROM entries WHERE message_id = ? AND told_ms = ? "          \
	                    "AND first_ms BETWEEN ? AND ? LIMIT 1")                                \
	X(ENTRIES_OPEN, SELECT "INDEXED BY entries_open WHERE resolved_ms = 0 AND test = FALSE "   \
	                       "AND last_ms > ? " NEWEST "ORDER BY last_ms DESC "                  \
	                       "LIMIT ?")                                                          \
	X(ENTRIES_COUNT_FIRING, "SELECT app, " FIRING("info") ", " FIRING("warning") ", " FIRING(  \
	                                "critical") " FROM entries "                               \
	                                            "INDEXED BY entries_open WHERE resolved_ms = " \
	                                            "0 AND test = FALSE AND last_ms > ? "          \
	                                            "GROUP BY +app ORDER BY count(DISTINCT "       \
	                                            "fingerprint) DESC, app LIMIT ?")              \
	X(ENTRIES_DUE, SELECT "INDEXED BY entries_due WHERE resolved_ms = 0 AND due_ms > 0 AND "   \
	                      "due_ms <= ? ORDER BY due_ms LIMIT ?")                               \
	X(ENTRIES_SET_ALL_DUE, "UPDATE entries INDEXED BY entries_open SET due_ms = ? WHERE "      \
	                       "resolved_ms = 0 AND test = FALSE")                                 \
	X(ENTRIES_ACKED_BEFORE, SELECT "WHERE resolved_ms = 0 AND acked_ms > 0 AND acked_ms < ? "  \
	                               "ORDER BY id LIMIT ?")                                      \
	X(ENTRIES_FIRING, SELECT "WHERE subject = ? AND resolved_ms = 0 ORDER BY id DESC LIMIT ?")

SQL_STATEMENTS(sql_entries, ENTRIES_STATEMENTS);

SQL_ROWS(stored, ENTRY_STORED, .family = SQL_ENTRIES, .mend = ENTRIES_MEND);
SQL_LAYOUT(changing, ENTRY_CHANGING);
SQL_LAYOUT(state, ENTRY_STATE);

enum err entries_insert(struct store *store, struct entry_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_INSERT);
	return sql_insert_row(&sql, &stored, row);
}

enum err entries_update(struct store *store, const struct entry_row *row)
{
	struct sql sql;

	enum err err;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_UPDATE);
	err = sql_update_row(&sql, &changing, row);
	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_UPDATE_STATE);
	return sql_update_row_if(&sql, &state, row);
}

enum err entries_knows_run(struct store *store, int64_t id, const char *run_id, bool *known)
{
	int64_t one;
	struct sql sql;
	enum err err;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_KNOWS_RUN);
	sql_bind_int(&sql, id);
	sql_bind_text(&sql, run_id);
	err = sql_one_int(&sql, &one);
	*known = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err entries_keep_run(struct store *store, int64_t id, const char *run_id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_KEEP_RUN);
	sql_bind_int(&sql, id);
	sql_bind_text(&sql, run_id);
	return sql_write(&sql);
}

enum err entries_by_fingerprint(
        struct store *store, int64_t message_id, const char *fingerprint, struct entry_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_BY_FINGERPRINT);
	sql_bind_int(&sql, message_id);
	sql_bind_text(&sql, fingerprint);
	return sql_one_row(&sql, &stored, row);
}

enum err entries_of(struct store *store, int64_t message_id, struct entry_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_OF);
	sql_bind_int(&sql, message_id);
	err = sql_all_rows(&sql, &stored, &array, len);
	*rows = array;
	return err;
}

enum err entries_count_app(struct store *store, int64_t message_id, const char *app, int64_t *count)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_COUNT_APP);
	sql_bind_int(&sql, message_id);
	sql_bind_text(&sql, app);
	return sql_one_int(&sql, count);
}

enum err entries_untold(
        struct store *store, int64_t message_id, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_UNTOLD);
	sql_bind_int(&sql, message_id);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_move(struct store *store, int64_t id, int64_t message_id, int64_t silent_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_MOVE);
	sql_bind_int(&sql, id);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, silent_ms);
	return sql_write_one(&sql);
}

enum err entries_firing(
        struct store *store, const char *subject, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_FIRING);
	sql_bind_text(&sql, subject);
	sql_bind_int(&sql, limit > 0 ? limit : 0); /* a negative LIMIT would mean none */
	err = sql_all_rows(&sql, &stored, &array, len);
	*rows = array;
	return err;
}

enum err entries_by_id(struct store *store, int64_t id, struct entry_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &stored, row);
}

enum err entries_unacked(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_UNACKED);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_pass_reminder(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t now_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_PASS_REMINDER);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, before_ms);
	sql_bind_int(&sql, now_ms);
	sql_bind_int(&sql, PASS_MAX);
	return sql_write(&sql);
}

enum err entries_pass_step(
        struct store *store, int64_t since_ms, int64_t before_ms, int64_t after_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_PASS_STEP);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, before_ms);
	sql_bind_int(&sql, after_ms);
	sql_bind_int(&sql, PASS_MAX);
	return sql_write(&sql);
}

enum err entries_remind(struct store *store, int64_t since_ms, int64_t before_ms, int limit,
        struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_REMIND);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, before_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_escalate(struct store *store, int64_t since_ms, int64_t before_ms,
        int64_t after_ms, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_ESCALATE);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, before_ms);
	sql_bind_int(&sql, after_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_told(struct store *store, int64_t message_id, int64_t frozen_ms, int64_t now_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_TOLD);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, frozen_ms);
	sql_bind_int(&sql, now_ms);
	return sql_write(&sql);
}

enum err entries_show(struct store *store, int64_t message_id, int64_t frozen_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_SHOW);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, frozen_ms);
	return sql_write(&sql);
}

enum err entries_shown(struct store *store, int64_t message_id, int64_t frozen_ms, int64_t now_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_SHOWN);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, frozen_ms);
	sql_bind_int(&sql, now_ms);
	return sql_write(&sql);
}

enum err entries_happened(struct store *store, int64_t message_id, int64_t frozen_ms,
        int64_t from_ms, int64_t to_ms, bool *any)
{
	struct sql sql;
	int64_t one;
	enum err err;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_HAPPENED);
	sql_bind_int(&sql, message_id);
	sql_bind_int(&sql, frozen_ms);
	sql_bind_int(&sql, from_ms);
	sql_bind_int(&sql, to_ms);
	err = sql_one_int(&sql, &one);
	*any = err == OK;
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err entries_open(
        struct store *store, int64_t since_ms, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_OPEN);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_count_firing(
        struct store *store, int64_t since_ms, struct firing_count *counts, size_t *len)
{
	struct sql sql;
	size_t max = *len;
	enum err err;

	*len = 0;
	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_COUNT_FIRING);
	sql_bind_int(&sql, since_ms);
	sql_bind_int(&sql, (int64_t)max);
	while ((err = sql_next(&sql)) == OK && *len < max) {
		counts[*len].app = sql_text(&sql, 0);
		for (int i = 0; i < SEVERITY_COUNT; i++)
			counts[*len].firing[i] = sql_int(&sql, i + 1);
		++*len;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err entries_due(
        struct store *store, int64_t now_ms, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_DUE);
	sql_bind_int(&sql, now_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_set_all_due(struct store *store, int64_t due_ms)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_SET_ALL_DUE);
	sql_bind_int(&sql, due_ms);
	return sql_write(&sql);
}

enum err entries_acked_before(
        struct store *store, int64_t before_ms, int limit, struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_ACKED_BEFORE);
	sql_bind_int(&sql, before_ms);
	sql_bind_int(&sql, limit);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

enum err entries_critical(struct store *store, const char *app, const char *identity,
        struct entry_row **rows, size_t *len)
{
	struct sql sql;

	sql_use(&sql, store, SQL_ENTRIES, ENTRIES_CRITICAL);
	sql_bind_text(&sql, app);
	sql_bind_text(&sql, identity);
	return sql_all_rows(&sql, &stored, (void **)rows, len);
}

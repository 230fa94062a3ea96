/*
 * outbox.c - the tables `outbox` and `contents`; see outbox.h.
 *
 * Invariants: transaction ids are unique and are never reused, not even for a row that
 * outbox_retry() puts back, unless it may be in the room: then it is looked for by its id. Partial
 * indexes cover waiting (queued or frozen) and undeliverable rows, so that the queue stays as quick
 * after a million sent rows. A damaged row becomes undeliverable, with the damage as its error.
 */
#include "storage/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "storage/sql.h"

#define TXN_ID_SIZE (sizeof("mtb") + 32)

static const char *const outbox_state_names[] = {"queued", "frozen", "sent", "undeliverable", NULL};
static const char *const outbox_purpose_names[] = {
        "new", "edit", "reply", "note", "heartbeat", NULL};

#define SQL_STRUCT outbox_row
#define OUTBOX_CHANGING(FIRST, X)              \
	FIRST(ENUM(outbox_state_names), state) \
	X(LONG, frozen_ms)                     \
	X(LONG, sent_ms)                       \
	X(LONG, known_ms)                      \
	X(LONG, tries)                         \
	X(OPT, room_id)                        \
	X(OPT, wire_type)                      \
	X(OPT, device_id)                      \
	X(OPT, event_id)                       \
	X(OPT, error)
#define OUTBOX_STORED(FIRST, X)                \
	OUTBOX_CHANGING(FIRST, X)              \
	X(ENUM(outbox_purpose_names), purpose) \
	X(REF, message_id)                     \
	X(LONG, created_ms)                    \
	X(TEXT, room)                          \
	X(TEXT, txn_id)                        \
	X(TEXT, type)
#define OUTBOX_COLUMNS(FIRST, X) \
	OUTBOX_STORED(FIRST, X)  \
	X(OPT, content)          \
	X(OPT, wire_content)

/* Must name the states exactly as the schema does, or the partial indexes are not used. */
#define SELECT SQL_SELECT("outbox LEFT JOIN contents ON outbox_id = id", OUTBOX_COLUMNS)
#define WAITING "(state = 'queued' OR state = 'frozen')"
#define UNDELIVERABLE "state <> 'queued' AND state <> 'frozen' AND state <> 'sent'"
#define OUTBOX_STATEMENTS(X)                                                                       \
	X(OUTBOX_INSERT, SQL_INSERT("outbox", OUTBOX_STORED))                                      \
	X(OUTBOX_UPDATE, SQL_UPDATE("outbox", OUTBOX_CHANGING))                                    \
	X(OUTBOX_SAY, "INSERT INTO contents (outbox_id, content, wire_content) VALUES (?, ?, ?) "  \
	              "ON CONFLICT (outbox_id) DO UPDATE SET content = excluded.content, "         \
	              "wire_content = excluded.wire_content")                                      \
	X(OUTBOX_BY_ID, SELECT "WHERE id = ?")                                                     \
	X(OUTBOX_BY_EVENT, SELECT "WHERE event_id = ? LIMIT 1")                                    \
	X(OUTBOX_HEAD, SELECT "WHERE room = ? AND " WAITING                                        \
	                      " AND id <> ? AND id <> ? ORDER BY id LIMIT 1")                      \
	X(OUTBOX_MEND,                                                                             \
	        "UPDATE outbox SET state = 'undeliverable', error = ?, purpose = CASE WHEN "       \
	        "purpose IN "                                                                      \
	        "('new', 'edit', 'reply', 'note', 'heartbeat') THEN purpose ELSE 'note' END, "     \
	        "room = coalesce(room, ''), txn_id = coalesce(txn_id, ''), type = coalesce(type, " \
	        "'') WHERE id = ?")                                                                \
	X(OUTBOX_STRANDED, "SELECT id FROM (SELECT id, room FROM outbox WHERE " WAITING            \
	                   " UNION ALL SELECT id, room FROM outbox WHERE " UNDELIVERABLE           \
	                   ") WHERE id > ?2 AND room NOT IN (SELECT value FROM json_each(?1)) "    \
	                   "ORDER BY id LIMIT 1")                                                  \
	X(OUTBOX_REHOME, "UPDATE outbox SET room = ?2 WHERE id = ?1")                              \
	X(OUTBOX_WAITING_IN, "SELECT count(*), coalesce(min(id), 0) FROM outbox WHERE room = ? "   \
	                     "AND " WAITING)                                                       \
	X(OUTBOX_DELETE, "DELETE FROM outbox WHERE id = ?")                                        \
	X(OUTBOX_OF_MESSAGE, SELECT "WHERE message_id = ? AND state = 'queued' LIMIT 1")           \
	X(OUTBOX_EDIT_OF,                                                                          \
	        SELECT "WHERE message_id = ? AND state = 'frozen' AND purpose = 'edit' LIMIT 1")   \
	X(OUTBOX_FROZEN_ROW,                                                                       \
	        SELECT "WHERE room = ? AND " WAITING " AND state = 'frozen' ORDER BY id LIMIT 1")  \
	X(OUTBOX_FROZEN_AS,                                                                        \
	        SELECT "WHERE room = ? AND " WAITING " AND state = 'frozen' AND txn_id = ?")       \
	X(OUTBOX_FIRST_NEW, SELECT "WHERE room = ? AND " WAITING " AND purpose = 'new' ORDER BY "  \
	                           "(SELECT " SQL_SEVERITY_RANK                                    \
	                           " FROM messages m WHERE m.id = message_id) DESC, id LIMIT 1")   \
	X(OUTBOX_UNSAY, "DELETE FROM contents WHERE outbox_id = ?")                                \
	X(OUTBOX_COUNT_WAITING,                                                                    \
	        "SELECT count(*), coalesce(min(created_ms), 0) FROM outbox WHERE " WAITING)        \
	X(OUTBOX_COUNT_UNDELIVERABLE, "SELECT count(*) FROM outbox WHERE " UNDELIVERABLE)          \
	X(OUTBOX_LIST_UNDELIVERABLE, SELECT "WHERE " UNDELIVERABLE " ORDER BY id LIMIT ?")         \
	X(OUTBOX_NEXT_ELSEWHERE,                                                                   \
	        "SELECT id FROM outbox WHERE " UNDELIVERABLE                                       \
	        " AND id > ?3 AND room = ?1 AND room_id <> ?2 "                                    \
	        "AND purpose IN ('new', 'note', 'heartbeat') ORDER BY id LIMIT 1")                 \
	X(OUTBOX_NEXT_UNDELIVERABLE,                                                               \
	        "SELECT id FROM outbox WHERE " UNDELIVERABLE " ORDER BY id LIMIT 1")               \
	X(OUTBOX_REQUEUE, "UPDATE outbox SET state = 'queued', txn_id = ?, frozen_ms = 0, "        \
	                  "known_ms = 0, tries = 0, room_id = NULL, wire_type = NULL, "            \
	                  "device_id = NULL, error = NULL WHERE id = ? AND " UNDELIVERABLE)        \
	X(OUTBOX_REFREEZE,                                                                         \
	        "UPDATE outbox SET state = 'frozen', known_ms = 0, error = NULL WHERE id = ? "     \
	        "AND " UNDELIVERABLE                                                               \
	        " AND purpose <> 'edit' AND tries > 1 AND frozen_ms > 0 AND room_id IS NOT NULL "  \
	        "AND EXISTS (SELECT 1 FROM contents WHERE outbox_id = id AND content IS NOT "      \
	        "NULL)")                                                                           \
	X(OUTBOX_UNWIRE, "UPDATE contents SET wire_content = NULL WHERE outbox_id = ?")

SQL_STATEMENTS(sql_outbox, OUTBOX_STATEMENTS);

/* What an event must have before it may be sent or looked up. */
static const char *outbox_check(const void *arg)
{
	const struct outbox_row *row = arg;
	bool of_message = row->purpose == OUTBOX_NEW || row->purpose == OUTBOX_EDIT;

	if (row->state == OUTBOX_SENT || row->state == OUTBOX_UNDELIVERABLE)
		return NULL;
	if (of_message && row->message_id == 0)
		return "no message";
	if (!of_message && !row->content)
		return "no content";
	if (!row->txn_id[0])
		return "no transaction id";
	if (row->state == OUTBOX_FROZEN && (!row->room_id || !row->content))
		return row->room_id ? "no content" : "no room id";
	if (!sql_is_id(row->room_id, '!'))
		return "no room id";
	if (row->wire_content && !row->wire_type)
		return "no type";
	return NULL;
}

SQL_ROWS(layout, OUTBOX_COLUMNS, outbox_check, SQL_OUTBOX, OUTBOX_MEND);
SQL_LAYOUT(stored, OUTBOX_STORED);
SQL_LAYOUT(changing, OUTBOX_CHANGING);

/* 128 random bits, so that transaction ids of different databases do not collide in a room. */
static enum err txn_id_make(struct store *store, char out[TXN_ID_SIZE])
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		snprintf(store->message, sizeof(store->message), "getrandom: %s", strerror(errno));
		return ERR_IO;
	}
	memcpy(out, "mtb", 3);
	text_hex(random, sizeof(random), out + 3);
	return OK;
}

enum err outbox_name(struct store *store, struct outbox_row *row)
{
	char txn_id[TXN_ID_SIZE];
	enum err err = txn_id_make(store, txn_id);

	free(row->txn_id);
	row->txn_id = err == OK ? x_strdup(txn_id) : NULL;
	return err;
}

enum err outbox_insert(struct store *store, struct outbox_row *row)
{
	struct sql sql;
	enum err err = row->txn_id ? OK : outbox_name(store, row);

	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_INSERT);
	err = sql_insert_row(&sql, &stored, row);
	return err == OK && row->content ? outbox_say(store, row) : err;
}

enum err outbox_update(struct store *store, const struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_UPDATE);
	return sql_update_row(&sql, &changing, row);
}

enum err outbox_say(struct store *store, const struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_SAY);
	sql_bind_int(&sql, row->id);
	sql_bind_text(&sql, row->content);
	sql_bind_text(&sql, row->wire_content);
	return sql_write(&sql);
}

enum err outbox_give_up(struct store *store, int64_t id, const char *why)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_MEND);
	sql_bind_text(&sql, why);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err outbox_stranded(struct store *store, const char *rooms, int64_t after, int64_t *id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_STRANDED);
	sql_bind_text(&sql, rooms);
	sql_bind_int(&sql, after);
	return sql_one_int(&sql, id);
}

enum err outbox_rehome(struct store *store, int64_t id, const char *room)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_REHOME);
	sql_bind_int(&sql, id);
	sql_bind_text(&sql, room);
	return sql_write_one(&sql);
}

enum err outbox_delete(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_DELETE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err outbox_of_message(struct store *store, int64_t message_id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_OF_MESSAGE);
	sql_bind_int(&sql, message_id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_frozen_as(
        struct store *store, const char *room, const char *txn_id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_FROZEN_AS);
	sql_bind_text(&sql, room);
	sql_bind_text(&sql, txn_id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_edit_of(struct store *store, int64_t message_id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_EDIT_OF);
	sql_bind_int(&sql, message_id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_first_new(struct store *store, const char *room, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_FIRST_NEW);
	sql_bind_text(&sql, room);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_frozen(struct store *store, const char *room, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_FROZEN_ROW);
	sql_bind_text(&sql, room);
	return sql_one_row(&sql, &layout, row);
}

static void outbox_clear(char **text)
{
	free(*text);
	*text = NULL;
}

enum err outbox_thaw(struct store *store, struct outbox_row *row)
{
	struct sql sql;
	enum err err;

	if (row->purpose == OUTBOX_NEW)
		outbox_clear(&row->content);
	outbox_clear(&row->room_id);
	outbox_clear(&row->device_id);
	outbox_clear(&row->wire_type);
	outbox_clear(&row->wire_content);
	row->state = OUTBOX_QUEUED;
	row->frozen_ms = row->known_ms = row->tries = 0;
	err = outbox_update(store, row);
	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_OUTBOX, row->content ? OUTBOX_UNWIRE : OUTBOX_UNSAY);
	sql_bind_int(&sql, row->id);
	return sql_write(&sql);
}

enum err outbox_by_id(struct store *store, int64_t id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_by_event(struct store *store, const char *event_id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_BY_EVENT);
	sql_bind_text(&sql, event_id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_head(
        struct store *store, const char *room, int64_t but, int64_t nor, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_HEAD);
	sql_bind_text(&sql, room);
	sql_bind_int(&sql, but);
	sql_bind_int(&sql, nor);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_counts(
        struct store *store, int64_t *waiting, int64_t *undeliverable, int64_t *oldest_ms)
{
	struct sql sql;
	enum err err;

	*waiting = 0;
	*undeliverable = 0;
	*oldest_ms = 0;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_COUNT_WAITING);
	err = sql_next(&sql);
	if (err != OK)
		return err;
	*waiting = sql_int(&sql, 0);
	*oldest_ms = sql_int(&sql, 1);
	sql_end(&sql);
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_COUNT_UNDELIVERABLE);
	return sql_one_int(&sql, undeliverable);
}

enum err outbox_waiting_in(struct store *store, const char *room, struct outbox_waiting *waiting)
{
	struct sql sql;
	enum err err;

	*waiting = (struct outbox_waiting){0};
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_WAITING_IN);
	sql_bind_text(&sql, room);
	err = sql_next(&sql);
	if (err != OK)
		return err;
	waiting->count = sql_int(&sql, 0);
	waiting->first_id = sql_id(&sql, 1);
	sql_end(&sql);
	return OK;
}

enum err outbox_undeliverable(struct store *store, int limit, struct outbox_row **rows, size_t *len)
{
	struct sql sql;
	void *array;
	enum err err;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_LIST_UNDELIVERABLE);
	sql_bind_int(&sql, limit > 0 ? limit : 0); /* a negative LIMIT would mean none */
	err = sql_all_rows(&sql, &layout, &array, len);
	*rows = array;
	return err;
}

/* Its last try was refused, but the answer to an earlier one may have been lost: it stays as it
 * was, and is looked for in the room before it is sent. ERR_NOT_FOUND when that cannot be. */
static enum err outbox_refreeze(struct store *store, int64_t id)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_REFREEZE);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

/* ERR_NOT_FOUND when the row is not undeliverable. */
static enum err outbox_requeue(struct store *store, int64_t id)
{
	char txn_id[TXN_ID_SIZE];
	struct sql sql;
	enum err err = outbox_refreeze(store, id);

	if (err != ERR_NOT_FOUND)
		return err;
	err = txn_id_make(store, txn_id);
	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_REQUEUE);
	sql_bind_text(&sql, txn_id);
	sql_bind_int(&sql, id);
	err = sql_write_one(&sql);
	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_UNWIRE);
	sql_bind_int(&sql, id);
	return sql_write(&sql);
}

enum err outbox_retry(struct store *store, int64_t id, int64_t *count)
{
	enum err err = OK;

	*count = 0;
	if (id != 0) {
		err = outbox_requeue(store, id);
		*count = err == OK;
		return err == ERR_NOT_FOUND ? OK : err;
	}
	for (;;) {
		struct sql sql;
		int64_t next;

		sql_use(&sql, store, SQL_OUTBOX, OUTBOX_NEXT_UNDELIVERABLE);
		err = sql_one_int(&sql, &next);
		if (err == OK)
			err = outbox_requeue(store, next);
		if (err != OK)
			break;
		++*count;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err outbox_follow(struct store *store, const char *room, const char *room_id, int64_t *count)
{
	int64_t next = 0;
	enum err err;

	*count = 0;
	for (;;) {
		struct sql sql;

		sql_use(&sql, store, SQL_OUTBOX, OUTBOX_NEXT_ELSEWHERE);
		sql_bind_text(&sql, room);
		sql_bind_text(&sql, room_id);
		sql_bind_int(&sql, next);
		err = sql_one_int(&sql, &next);
		if (err == OK)
			err = outbox_requeue(store, next);
		if (err != OK)
			break;
		++*count;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

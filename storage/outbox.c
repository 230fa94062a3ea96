/*
 * outbox.c - the table `outbox`; see outbox.h.
 *
 * Invariants: transaction ids are unique and are never used again, not even by the same row put
 * back by outbox_retry(). What waits (queued or frozen) and what is undeliverable have partial
 * indexes of their own, so that the queue is as quick after a million sent rows.
 */
#include "storage/outbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "bot/base/alloc.h"
#include "storage/sql.h"

#define TXN_ID_SIZE (sizeof("mtb") + 32)

#define SQL_STRUCT outbox_row
#define OUTBOX_COLUMNS(FIRST, X) \
	FIRST(INT, state)        \
	X(INT, purpose)          \
	X(REF, message_id)       \
	X(LONG, created_ms)      \
	X(LONG, frozen_ms)       \
	X(LONG, sent_ms)         \
	X(LONG, known_ms)        \
	X(LONG, tries)           \
	X(TEXT, room)            \
	X(OPT, room_id)          \
	X(TEXT, txn_id)          \
	X(TEXT, type)            \
	X(OPT, wire_type)        \
	X(OPT, device_id)        \
	X(OPT, event_id)         \
	X(OPT, error)            \
	X(OPT, content)          \
	X(OPT, wire_content)

/* The numbers are those of enum outbox_state; "state <= 1" and "state = 3" must stand as they do
 * in the schema for the partial indexes to be used. */
#define SELECT SQL_SELECT("outbox", OUTBOX_COLUMNS)
#define OUTBOX_STATEMENTS(X)                                                                      \
	X(OUTBOX_INSERT, SQL_INSERT("outbox", OUTBOX_COLUMNS))                                    \
	X(OUTBOX_UPDATE, SQL_UPDATE("outbox", OUTBOX_COLUMNS))                                    \
	X(OUTBOX_BY_ID, SELECT "WHERE id = ?")                                                    \
	X(OUTBOX_BY_EVENT, SELECT "WHERE event_id = ? LIMIT 1")                                   \
	X(OUTBOX_HEAD, SELECT "WHERE room = ? AND state <= 1 ORDER BY id LIMIT 1")                \
	X(OUTBOX_DELETE, "DELETE FROM outbox WHERE id = ?")                                       \
	X(OUTBOX_OF_MESSAGE, SELECT "WHERE message_id = ? AND state = 0 LIMIT 1")                 \
	X(OUTBOX_FROZEN_ROW, SELECT "WHERE room = ? AND state <= 1 AND state = 1 ORDER BY id "    \
	                            "LIMIT 1")                                                    \
	X(OUTBOX_FIRST_NEW, SELECT "WHERE room = ? AND state <= 1 AND purpose = 0 ORDER BY "      \
	                           "(SELECT severity FROM messages m WHERE m.id = message_id) "   \
	                           "DESC, id LIMIT 1")                                            \
	X(OUTBOX_COUNT_WAITING,                                                                   \
	        "SELECT count(*), coalesce(min(created_ms), 0) FROM outbox WHERE state <= 1")     \
	X(OUTBOX_COUNT_UNDELIVERABLE, "SELECT count(*) FROM outbox WHERE state = 3")              \
	X(OUTBOX_LIST_UNDELIVERABLE, SELECT "WHERE state = 3 ORDER BY id LIMIT ?")                \
	X(OUTBOX_NEXT_ELSEWHERE, "SELECT id FROM outbox WHERE state = 3 AND room = ?1 AND "       \
	                         "room_id <> ?2 AND purpose IN (0, 3) ORDER BY id LIMIT 1")       \
	X(OUTBOX_NEXT_UNDELIVERABLE, "SELECT id FROM outbox WHERE state = 3 ORDER BY id LIMIT 1") \
	X(OUTBOX_REQUEUE,                                                                         \
	        "UPDATE outbox SET state = 0, txn_id = ?, frozen_ms = 0, known_ms = 0, tries = "  \
	        "0, "                                                                             \
	        "room_id = NULL, wire_type = NULL, wire_content = NULL, device_id = NULL, "       \
	        "error = NULL WHERE id = ? AND state = 3")

_Static_assert(OUTBOX_QUEUED == 0 && OUTBOX_FROZEN == 1 && OUTBOX_UNDELIVERABLE == 3, "see above");

SQL_STATEMENTS(sql_outbox, OUTBOX_STATEMENTS);

SQL_ROWS(layout, OUTBOX_COLUMNS);

/* 128 random bits, so that no two rows of any two databases meet in one room. */
static enum err txn_id_make(struct store *store, char out[TXN_ID_SIZE])
{
	unsigned char random[16];
	size_t at = 3;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		snprintf(store->message, sizeof(store->message), "getrandom: %s", strerror(errno));
		return ERR_IO;
	}
	memcpy(out, "mtb", at);
	for (size_t i = 0; i < sizeof(random); i++, at += 2)
		snprintf(out + at, 3, "%02x", random[i]);
	return OK;
}

enum err outbox_insert(struct store *store, struct outbox_row *row)
{
	char txn_id[TXN_ID_SIZE];
	struct sql sql;
	enum err err = txn_id_make(store, txn_id);

	if (err != OK)
		return err;
	free(row->txn_id);
	row->txn_id = x_strdup(txn_id);
	row->state = OUTBOX_QUEUED;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_INSERT);
	return sql_insert_row(&sql, &layout, row);
}

enum err outbox_update(struct store *store, const struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_UPDATE);
	return sql_update_row(&sql, &layout, row);
}

enum err outbox_by_id(struct store *store, int64_t id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_BY_ID);
	sql_bind_int(&sql, id);
	return sql_one_row(&sql, &layout, row);
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
	if (row->purpose == OUTBOX_NEW)
		outbox_clear(&row->content);
	outbox_clear(&row->room_id);
	outbox_clear(&row->device_id);
	outbox_clear(&row->wire_type);
	outbox_clear(&row->wire_content);
	row->state = OUTBOX_QUEUED;
	row->frozen_ms = row->known_ms = row->tries = 0;
	return outbox_update(store, row);
}

enum err outbox_by_event(struct store *store, const char *event_id, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_BY_EVENT);
	sql_bind_text(&sql, event_id);
	return sql_one_row(&sql, &layout, row);
}

enum err outbox_head(struct store *store, const char *room, struct outbox_row *row)
{
	struct sql sql;

	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_HEAD);
	sql_bind_text(&sql, room);
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

/* ERR_NOT_FOUND when the row is not undeliverable. */
static enum err requeue(struct store *store, int64_t id)
{
	char txn_id[TXN_ID_SIZE];
	struct sql sql;
	enum err err = txn_id_make(store, txn_id);

	if (err != OK)
		return err;
	sql_use(&sql, store, SQL_OUTBOX, OUTBOX_REQUEUE);
	sql_bind_text(&sql, txn_id);
	sql_bind_int(&sql, id);
	return sql_write_one(&sql);
}

enum err outbox_retry(struct store *store, int64_t id, int64_t *count)
{
	enum err err = OK;

	*count = 0;
	if (id != 0) {
		err = requeue(store, id);
		*count = err == OK;
		return err == ERR_NOT_FOUND ? OK : err;
	}
	for (;;) {
		struct sql sql;
		int64_t next;

		sql_use(&sql, store, SQL_OUTBOX, OUTBOX_NEXT_UNDELIVERABLE);
		err = sql_one_int(&sql, &next);
		if (err == OK)
			err = requeue(store, next);
		if (err != OK)
			break;
		++*count;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err outbox_follow(struct store *store, const char *room, const char *room_id, int64_t *count)
{
	enum err err;

	*count = 0;
	for (;;) {
		struct sql sql;
		int64_t next;

		sql_use(&sql, store, SQL_OUTBOX, OUTBOX_NEXT_ELSEWHERE);
		sql_bind_text(&sql, room);
		sql_bind_text(&sql, room_id);
		err = sql_one_int(&sql, &next);
		if (err == OK)
			err = requeue(store, next);
		if (err != OK)
			break;
		++*count;
	}
	return err == ERR_NOT_FOUND ? OK : err;
}

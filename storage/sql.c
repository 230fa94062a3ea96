/*
 * sql.c - prepares statements on first use, binds and steps them, and checks every return code; see
 * sql.h.
 */
#include "storage/sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/log.h"

/* Beyond any time and any count, and small enough to be added and subtracted without an overflow:
 * numbers of a damaged row are read as this at most. */
#define INT_MOST (INT64_C(1) << 53)

#define ID_MAX_BYTES 255

static const struct sql_statement *const families[SQL_FAMILIES] = {
        [SQL_STORE] = sql_store,
        [SQL_ALERTS] = sql_alerts,
        [SQL_MESSAGES] = sql_messages,
        [SQL_ENTRIES] = sql_entries,
        [SQL_OUTBOX] = sql_outbox,
        [SQL_CALLS] = sql_calls,
        [SQL_STATE] = sql_state,
        [SQL_ROOMS] = sql_rooms,
        [SQL_KEYS] = sql_keys,
        [SQL_COMMANDS] = sql_commands,
        [SQL_UNDECRYPTED] = sql_undecrypted,
        [SQL_UNDELIVERED] = sql_undelivered,
        [SQL_SILENCES] = sql_silences,
        [SQL_SQL_WATCHES] = sql_sql_watches,
        [SQL_QUIETS] = sql_quiets,
        [SQL_ONCALL_OVERRIDES] = sql_oncall_overrides,
        [SQL_HISTORY] = sql_history,
        [SQL_MENDED] = sql_mended,
        [SQL_CHARTS] = sql_charts,
        [SQL_EXPIRIES] = sql_expiries,
        [SQL_HEARTBEATS] = sql_heartbeats,
        [SQL_PRUNE] = sql_prune,
};

const struct sql_statement *sql_statements(enum sql_family family)
{
	return families[family];
}

/* Exceeded quotas and file size limits count as a full disk, as ENOSPC does. */
static bool errno_is_full(int number)
{
	return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

enum err sql_code(sqlite3 *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return OK;
	case SQLITE_FULL:
		return ERR_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return errno_is_full(sqlite3_system_errno(db)) ? ERR_FULL : ERR_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY
		               ? ERR_EXISTS
		               : ERR_INVALID;
	default:
		return ERR_IO;
	}
}

/* Stores the error for store_message(), and whether SQLite ended the transaction with it. */
static enum err sql_fail(struct store *store, const char *name, int rc)
{
	enum err err = sql_code(store->db, rc);

	snprintf(store->message, sizeof(store->message), "%s: %s (SQLite %d)", name,
	        sqlite3_errmsg(store->db), rc);
	if (store->in_transaction && store->lost == OK && sqlite3_get_autocommit(store->db))
		store->lost = err;
	store->full = store->full || err == ERR_FULL;
	if (err == ERR_FULL || err == ERR_IO)
		snprintf(store->unwritten, sizeof(store->unwritten), "%s",
		        sqlite3_errmsg(store->db));
	if (err == ERR_CORRUPT)
		sql_note_damage(store, name, "%s", store->message);
	return err;
}

static int sql_prepare(struct store *store, enum sql_family family, int statement)
{
	sqlite3_stmt **stmt = &store->stmts[family][statement];

	return *stmt ? SQLITE_OK
	             : sqlite3_prepare_v3(store->db, families[family][statement].text, -1,
	                       SQLITE_PREPARE_PERSISTENT, stmt, NULL);
}

enum err sql_open(struct store *store)
{
	for (int family = 0; family < SQL_FAMILIES; family++) {
		size_t len = 0;

		while (families[family][len].name)
			len++;
		store->stmts[family] = x_calloc(len, sizeof(sqlite3_stmt *));
	}
	/* prepared now, so that ending a transaction cannot fail for lack of memory */
	for (int i = 0; sql_store[i].name; i++) {
		int rc = sql_prepare(store, SQL_STORE, i);

		if (rc != SQLITE_OK)
			return sql_fail(store, sql_store[i].name, rc);
	}
	return OK;
}

void sql_rest(struct store *store)
{
	for (int family = 0; family < SQL_FAMILIES; family++)
		for (size_t i = 0; family != SQL_STORE && families[family][i].name; i++) {
			sqlite3_finalize(store->stmts[family][i]);
			store->stmts[family][i] = NULL;
		}
}

void sql_finalize_all(struct store *store)
{
	for (int family = 0; family < SQL_FAMILIES; family++) {
		if (!store->stmts[family])
			continue;
		for (size_t i = 0; families[family][i].name; i++)
			sqlite3_finalize(store->stmts[family][i]);
		free(store->stmts[family]);
		store->stmts[family] = NULL;
	}
}

void sql_use(struct sql *sql, struct store *store, enum sql_family family, int statement)
{
	*sql = (struct sql){
	        .store = store,
	        .name = families[family][statement].name,
	        .rc = sql_prepare(store, family, statement),
	};
	sql->stmt = store->stmts[family][statement];
}

static void sql_bound(struct sql *sql, int rc)
{
	if (sql->rc == SQLITE_OK)
		sql->rc = rc;
}

void sql_bind_int(struct sql *sql, int64_t value)
{
	sql_bound(sql, sqlite3_bind_int64(sql->stmt, ++sql->bound, value));
}

void sql_bind_ref(struct sql *sql, int64_t id)
{
	sql->bound++;
	sql_bound(sql, id == 0 ? sqlite3_bind_null(sql->stmt, sql->bound)
	                       : sqlite3_bind_int64(sql->stmt, sql->bound, id));
}

void sql_bind_text(struct sql *sql, const char *value)
{
	/* a NULL pointer binds NULL */
	sql_bound(sql, sqlite3_bind_text(sql->stmt, ++sql->bound, value, -1, SQLITE_STATIC));
}

void sql_end(struct sql *sql)
{
	/* reset returns the failure of the last step again, which was reported already */
	sqlite3_reset(sql->stmt);
	if (sql->stmt) /* NULL when it could not be prepared */
		sqlite3_clear_bindings(sql->stmt);
}

enum err sql_next(struct sql *sql)
{
	int rc = sql->rc != SQLITE_OK ? sql->rc : sqlite3_step(sql->stmt);
	enum err err;

	if (rc == SQLITE_CONSTRAINT_DATATYPE && sql_mend_types(sql->store)) {
		sqlite3_reset(sql->stmt); /* the bindings are kept */
		rc = sqlite3_step(sql->stmt);
	}
	if (rc == SQLITE_ROW)
		return OK;
	err = rc == SQLITE_DONE ? ERR_NOT_FOUND : sql_fail(sql->store, sql->name, rc);
	sql_end(sql);
	return err;
}

enum err sql_run(struct sql *sql)
{
	enum err err = sql_next(sql);

	if (err == OK) /* an unexpected row, as a PRAGMA may return */
		sql_end(sql);
	return err == ERR_NOT_FOUND ? OK : err;
}

enum err sql_write(struct sql *sql)
{
	struct store *store = sql->store;

	if (store->lost != OK) {
		sql_end(sql);
		return store->lost;
	}
	if (!store->in_transaction) {
		sql_end(sql);
		snprintf(store->message, sizeof(store->message), "%s: outside a transaction",
		        sql->name);
		return ERR_INVALID;
	}
	return sql_run(sql);
}

enum err sql_write_one(struct sql *sql)
{
	enum err err = sql_write(sql);

	if (err == OK && sqlite3_changes(sql->store->db) == 0) {
		snprintf(sql->store->message, sizeof(sql->store->message), "%s: no such row",
		        sql->name);
		return ERR_NOT_FOUND;
	}
	return err;
}

int64_t sql_id(struct sql *sql, int column)
{
	return sqlite3_column_int64(sql->stmt, column);
}

int64_t sql_int(struct sql *sql, int column)
{
	int64_t value = sqlite3_column_int64(sql->stmt, column);

	return value > INT_MOST ? INT_MOST : value < -INT_MOST ? -INT_MOST : value;
}

char *sql_text_opt(struct sql *sql, int column)
{
	return x_strdup_opt((const char *)sqlite3_column_text(sql->stmt, column));
}

char *sql_text(struct sql *sql, int column)
{
	char *text = sql_text_opt(sql, column);

	return text ? text : x_strdup("");
}

enum err sql_one_int(struct sql *sql, int64_t *value)
{
	enum err err = sql_next(sql);

	*value = 0;
	if (err == OK) {
		*value = sql_id(sql, 0);
		sql_end(sql);
	}
	return err;
}

void sql_bind_row(struct sql *sql, const struct sql_rows *rows, const void *row)
{
	for (size_t i = 0; i < rows->len; i++) {
		const void *field = (const char *)row + rows->columns[i].offset;

		switch (rows->columns[i].type) {
		case SQL_TYPE_TEXT:
		case SQL_TYPE_OPT:
			sql_bind_text(sql, *(char *const *)field);
			break;
		case SQL_TYPE_BOOL:
			sql_bind_int(sql, *(const int *)field);
			break;
		case SQL_TYPE_LONG:
			sql_bind_int(sql, *(const int64_t *)field);
			break;
		case SQL_TYPE_REF:
			sql_bind_ref(sql, *(const int64_t *)field);
			break;
		case SQL_TYPE_ENUM:
			sql_bind_text(sql, rows->columns[i].names[*(const int *)field]);
			break;
		}
	}
}

bool sql_is_id(const char *id, char sigil)
{
	size_t len = 0;

	while (id && (unsigned char)id[len] > ' ' && len <= ID_MAX_BYTES)
		len++;
	return !id || (id[0] == sigil && !id[len] && len <= ID_MAX_BYTES);
}

static int64_t *row_id(const struct sql_rows *rows, void *row)
{
	return (int64_t *)((char *)row + rows->id);
}

enum err sql_insert_row(struct sql *sql, const struct sql_rows *rows, void *row)
{
	enum err err;

	sql_bind_row(sql, rows, row);
	err = sql_write(sql);
	if (err == OK)
		*row_id(rows, row) = sqlite3_last_insert_rowid(sql->store->db);
	return err;
}

enum err sql_update_row(struct sql *sql, const struct sql_rows *rows, const void *row)
{
	sql_bind_row(sql, rows, row);
	sql_bind_int(sql, *(const int64_t *)((const char *)row + rows->id));
	return sql_write_one(sql);
}

enum err sql_update_row_if(struct sql *sql, const struct sql_rows *rows, const void *row)
{
	sql_bind_row(sql, rows, row);
	sql_bind_int(sql, *(const int64_t *)((const char *)row + rows->id));
	sql_bind_row(sql, rows, row);
	return sql_write(sql);
}

/* The index of a name; -1: it is none of them. */
static int enum_value(const char *const *names, const char *name)
{
	for (int i = 0; name && names[i]; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* False: the column holds an impossible value. */
static bool read_column(struct sql *sql, const struct sql_column *column, int at, void *field)
{
	switch (column->type) {
	case SQL_TYPE_TEXT:
	case SQL_TYPE_OPT:
		*(char **)field = sql_text_opt(sql, at);
		return *(char **)field || column->type == SQL_TYPE_OPT;
	case SQL_TYPE_BOOL:
		*(int *)field = sql_id(sql, at) != 0;
		return true;
	case SQL_TYPE_LONG:
		*(int64_t *)field = sql_int(sql, at);
		return true;
	case SQL_TYPE_REF:
		*(int64_t *)field = sql_id(sql, at);
		return sqlite3_column_type(sql->stmt, at) == SQLITE_INTEGER ||
		       sqlite3_column_type(sql->stmt, at) == SQLITE_NULL;
	case SQL_TYPE_ENUM:
		*(int *)field =
		        enum_value(column->names, (const char *)sqlite3_column_text(sql->stmt, at));
		return *(int *)field >= 0;
	}
	return false;
}

/* Reads the current row. False when it is damaged: *why says where, and the row is empty except for
 * its id. */
static bool read_row(struct sql *sql, const struct sql_rows *rows, void *row, char why[128])
{
	const char *check = NULL;
	int64_t id = sql_id(sql, (int)rows->len);
	size_t i = 0;

	memset(row, 0, rows->size);
	*row_id(rows, row) = id;
	while (i < rows->len &&
	        read_column(sql, &rows->columns[i], (int)i, (char *)row + rows->columns[i].offset))
		i++;
	if (i < rows->len)
		snprintf(why, 128, "the database is damaged: column %s",
		        sqlite3_column_name(sql->stmt, (int)i));
	else if (rows->check && (check = rows->check(row)))
		snprintf(why, 128, "the database is damaged: %s", check);
	else
		return true;
	sql_finish_row(rows, row);
	*row_id(rows, row) = id;
	return false;
}

/* Logs a damaged row and, if its table has a statement for that, removes it from circulation. */
static enum err row_damaged(
        struct sql *sql, const struct sql_rows *rows, int64_t id, const char *why)
{
	struct store *store = sql->store;
	struct sql mend;

	snprintf(store->message, sizeof(store->message), "%s: row %lld: %s", sql->name,
	        (long long)id, why);
	sql_note_damage(store, sql->name, "%s", store->message);
	if (rows->mend == 0 || !store->in_transaction || store->lock_fd < 0)
		return OK;
	sql_use(&mend, store, rows->family, rows->mend);
	sql_bind_text(&mend, why);
	sql_bind_int(&mend, id);
	return sql_write(&mend);
}

enum err sql_one_row(struct sql *sql, const struct sql_rows *rows, void *row)
{
	char why[128];
	int64_t last_id = 0, id;
	bool mended = false;
	enum err err;

	while ((err = sql_next(sql)) == OK) {
		if (read_row(sql, rows, row, why)) {
			sql_end(sql);
			return OK;
		}
		id = *row_id(rows, row);
		sqlite3_reset(sql->stmt); /* the bindings are kept */
		err = mended && id == last_id ? ERR_DAMAGED : row_damaged(sql, rows, id, why);
		if (err != OK) {
			sql_end(sql);
			return err;
		}
		last_id = id;
		mended = true;
	}
	memset(row, 0, rows->size);
	return err;
}

enum err sql_all_rows(struct sql *sql, const struct sql_rows *rows, void **array, size_t *len)
{
	size_t cap = 0;
	char why[128];
	enum err err;

	*array = NULL;
	*len = 0;
	while ((err = sql_next(sql)) == OK) {
		void *row;

		if (*len == cap) {
			cap = cap == 0 ? 8 : cap * 2;
			*array = x_realloc(*array, cap * rows->size);
		}
		row = (char *)*array + *len * rows->size;
		if (read_row(sql, rows, row, why)) {
			++*len;
			continue;
		}
		err = row_damaged(sql, rows, *row_id(rows, row), why);
		if (err != OK) {
			sql_end(sql);
			break;
		}
	}
	if (err == ERR_NOT_FOUND)
		return OK;
	sql_free_rows(rows, *array, *len);
	*array = NULL;
	*len = 0;
	return err;
}

void sql_finish_row(const struct sql_rows *rows, void *row)
{
	for (size_t i = 0; i < rows->len; i++)
		if (rows->columns[i].type == SQL_TYPE_TEXT || rows->columns[i].type == SQL_TYPE_OPT)
			free(*(char **)((char *)row + rows->columns[i].offset));
	memset(row, 0, rows->size);
}

void sql_free_rows(const struct sql_rows *rows, void *array, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sql_finish_row(rows, (char *)array + i * rows->size);
	free(array);
}

/*
 * sql_mend.c - what is done when damage refuses a write; see sql.h.
 *
 * SQLite checks the types of a whole row whenever one of its columns is written, and counts on from
 * the greatest id. So one damaged value would refuse alerts that have nothing to do with its row.
 */
#include "storage/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/log.h"

#define NAME_MAX_BYTES 64
#define TABLES_MAX 32
#define MEND_TEXT_MAX (16 * 1024)
#define ID_MOST "4503599627370496" /* 2^52, far beyond any number of rows */

void sql_note_damage(struct store *store, const char *key, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(store->damage, sizeof(store->damage), format, args);
	va_end(args);
	log_seldom(LOG_ERROR, "storage", key, "%s", store->damage);
}

/* Runs what is no statement of a family: the table's name is not known before. */
static bool mend_run(struct store *store, const char *text)
{
	return sqlite3_exec(store->db, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* The table of "cannot store TEXT value in INTEGER column alerts.resolved". */
static bool mend_table(const char *message, char table[NAME_MAX_BYTES])
{
	const char *at = strstr(message, " column ");
	size_t len;

	at = at ? at + strlen(" column ") : "";
	len = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
	if (len == 0 || len >= NAME_MAX_BYTES || at[len] != '.')
		return false;
	memcpy(table, at, len);
	table[len] = '\0';
	return true;
}

/* Writes "UPDATE alerts SET held = iif(typeof(held) IN ('integer', 'null'), held, 0), …" and the
 * condition that selects the rows. NULL is left alone, since SQLite does not look for it here. */
static bool mend_texts(
        struct store *store, const char *table, struct buf *update, struct buf *where)
{
	sqlite3_stmt *columns = NULL;
	bool any = false;

	buf_printf(update, "UPDATE %s SET ", table);
	if (sqlite3_prepare_v2(store->db,
	            "SELECT name, lower(type), CASE WHEN NOT \"notnull\" THEN 'NULL' WHEN type = "
	            "'TEXT' THEN quote('') ELSE '0' END FROM pragma_table_info(?) WHERE pk = 0",
	            -1, &columns, NULL) == SQLITE_OK)
		sqlite3_bind_text(columns, 1, table, -1, SQLITE_STATIC);
	while (columns && sqlite3_step(columns) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(columns, 0);
		const char *type = (const char *)sqlite3_column_text(columns, 1);

		buf_printf(update, "%s%s = iif(typeof(%s) IN ('%s', 'null'), %s, %s)",
		        any ? ", " : "", name, name, type, name, sqlite3_column_text(columns, 2));
		buf_printf(where, "%stypeof(%s) NOT IN ('%s', 'null')", any ? " OR " : " WHERE ",
		        name, type);
		any = true;
	}
	sqlite3_finalize(columns);
	return any && !update->overflow && !where->overflow;
}

/* Replaces the values; where a reference may not be NULL, deletes the rows. */
static bool mend_rows(struct store *store, const char *table)
{
	struct buf update, where;
	char *text;
	bool mended = false;

	buf_init(&update, MEND_TEXT_MAX);
	buf_init(&where, MEND_TEXT_MAX);
	if (mend_texts(store, table, &update, &where)) {
		buf_add_str(&update, buf_str(&where));
		text = x_asprintf("DELETE FROM %s%s", table, buf_str(&where));
		mended = (mend_run(store, buf_str(&update)) || mend_run(store, text)) &&
		         sqlite3_changes(store->db) > 0;
		free(text);
	}
	buf_finish(&update);
	buf_finish(&where);
	return mended;
}

bool sql_mend_types(struct store *store)
{
	char table[NAME_MAX_BYTES];
	bool mended;

	/* an empty text may be none of those that the schema allows; its row counts as damaged */
	if (!mend_table(sqlite3_errmsg(store->db), table) ||
	        !mend_run(store, "PRAGMA ignore_check_constraints = ON"))
		return false;
	mended = mend_rows(store, table);
	if (mended)
		sql_note_damage(store, table,
		        "the database is damaged: values of another type in %d rows of the table "
		        "%s were replaced by 0 or an empty text, or the rows deleted",
		        sqlite3_changes(store->db), table);
	mend_run(store, "PRAGMA ignore_check_constraints = OFF");
	return mended;
}

static void mend_ids_of(struct store *store, const char *table)
{
	char *row = x_asprintf("UPDATE %s SET id = (SELECT coalesce(max(id), 0) + 1 FROM %s "
	                       "WHERE id < " ID_MOST ") WHERE id >= " ID_MOST,
	        table, table);
	char *counter = x_asprintf("UPDATE sqlite_sequence SET seq = (SELECT coalesce(max(id), 0) "
	                           "FROM %s) WHERE name = '%s' AND seq >= " ID_MOST,
	        table, table);
	int changed = 0;

	while (mend_run(store, row) && sqlite3_changes(store->db) > 0)
		changed++;
	if (mend_run(store, counter) && changed + sqlite3_changes(store->db) > 0)
		sql_note_damage(store, table,
		        "the database is damaged: ids of the table %s were used up; %d rows were "
		        "given new ones",
		        table, changed);
	free(row);
	free(counter);
}

void sql_mend_ids(struct store *store)
{
	char names[TABLES_MAX][NAME_MAX_BYTES];
	sqlite3_stmt *tables = NULL;
	size_t len = 0;

	if (sqlite3_prepare_v2(store->db, "SELECT name FROM sqlite_sequence", -1, &tables, NULL) !=
	        SQLITE_OK)
		return;
	while (len < TABLES_MAX && sqlite3_step(tables) == SQLITE_ROW)
		snprintf(names[len++], NAME_MAX_BYTES, "%s", sqlite3_column_text(tables, 0));
	sqlite3_finalize(tables);
	for (size_t i = 0; i < len; i++)
		mend_ids_of(store, names[i]);
}

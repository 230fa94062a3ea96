/*
 * calls_mirror.c - the copy of calls.h in another app's database. The connection is opened at
 * the first row and dropped at a failure, so that a database that is replaced is found again.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/buf.h"
#include "bot/base/clock.h"
#include "storage/calls.h"

#define MIRROR_BUSY_MS 200
#define MIRROR_SQL_MAX 4096

static const char *const ours[] = {
        "at_ms", "at", "what", "room", "duration_ms", "result", "error", "event_id"};

#define OURS_LEN (sizeof(ours) / sizeof(ours[0]))

struct calls_mirror {
	char *database;
	char *sql;
	size_t columns[16]; /* index into ours, in the order of the placeholders */
	size_t columns_len;
	sqlite3 *db;
	sqlite3_stmt *insert;
};

/* A quoted identifier: whatever the config says, it is a name and nothing else. */
static void mirror_identifier(struct buf *sql, const char *name, size_t len)
{
	size_t i;

	buf_add_char(sql, '"');
	for (i = 0; i < len; i++) {
		if (name[i] == '"')
			buf_add_char(sql, '"');
		buf_add_char(sql, name[i]);
	}
	buf_add_char(sql, '"');
}

/* One "ours=theirs" (or "ours"); spaces around are dropped. */
static enum err mirror_column(struct calls_mirror *mirror, struct buf *sql, const char *text,
        size_t len, struct fault *fault)
{
	const char *equals;
	size_t name_len, i;

	while (len > 0 && text[0] == ' ')
		text++, len--;
	while (len > 0 && text[len - 1] == ' ')
		len--;
	equals = memchr(text, '=', len);
	name_len = equals ? (size_t)(equals - text) : len;
	for (i = 0; i < OURS_LEN; i++)
		if (strlen(ours[i]) == name_len && strncmp(ours[i], text, name_len) == 0)
			break;
	if (i == OURS_LEN || mirror->columns_len == 16)
		return fault_set(fault, ERR_INVALID,
		        "calls_columns: %.*s is none of at_ms, at, what, room, duration_ms, "
		        "result, "
		        "error, event_id",
		        (int)name_len, text);
	if (mirror->columns_len > 0)
		buf_add_str(sql, ", ");
	mirror->columns[mirror->columns_len++] = i;
	if (equals)
		mirror_identifier(sql, equals + 1, len - name_len - 1);
	else
		mirror_identifier(sql, text, len);
	return OK;
}

enum err calls_mirror_create(struct calls_mirror **out, const char *database, const char *table,
        const char *columns, struct fault *fault)
{
	struct calls_mirror *mirror = x_calloc(1, sizeof(*mirror));
	struct buf sql;
	enum err err = OK;
	size_t i;

	*out = NULL;
	if (!columns || !*columns)
		columns = "at,what,room,duration_ms,result,error";
	buf_init(&sql, MIRROR_SQL_MAX);
	buf_add_str(&sql, "INSERT INTO ");
	mirror_identifier(&sql, table, strlen(table));
	buf_add_str(&sql, " (");
	while (*columns && err == OK) {
		size_t len = strcspn(columns, ",");

		err = mirror_column(mirror, &sql, columns, len, fault);
		columns += len + (columns[len] == ',');
	}
	buf_add_str(&sql, ") VALUES (");
	for (i = 0; i < mirror->columns_len; i++)
		buf_add_str(&sql, i ? ", ?" : "?");
	buf_add_str(&sql, ")");
	if (err == OK && sql.overflow)
		err = fault_set(fault, ERR_INVALID, "calls_columns is too long");
	if (err != OK) {
		buf_finish(&sql);
		free(mirror);
		return err;
	}
	mirror->sql = buf_take(&sql);
	mirror->database = x_strdup(database);
	*out = mirror;
	return OK;
}

static void mirror_drop(struct calls_mirror *mirror)
{
	sqlite3_finalize(mirror->insert);
	sqlite3_close(mirror->db);
	mirror->insert = NULL;
	mirror->db = NULL;
}

void calls_mirror_destroy(struct calls_mirror *mirror)
{
	if (!mirror)
		return;
	mirror_drop(mirror);
	free(mirror->database);
	free(mirror->sql);
	free(mirror);
}

static void mirror_bind(struct calls_mirror *mirror, const struct call_row *row)
{
	char at[32];
	size_t i;

	clock_format_rfc3339(row->at_ms, at, sizeof(at));
	for (i = 0; i < mirror->columns_len; i++) {
		const char *text = NULL;
		int at_column = (int)i + 1;

		switch (mirror->columns[i]) {
		case 0:
			sqlite3_bind_int64(mirror->insert, at_column, row->at_ms);
			continue;
		case 1:
			text = at;
			break;
		case 2:
			text = row->what;
			break;
		case 3:
			text = row->room;
			break;
		case 4:
			sqlite3_bind_int64(mirror->insert, at_column, row->duration_ms);
			continue;
		case 5:
			text = row->result;
			break;
		case 6:
			text = row->error;
			break;
		default:
			text = row->event_id;
			break;
		}
		sqlite3_bind_text(mirror->insert, at_column, text, -1, SQLITE_TRANSIENT);
	}
}

enum err calls_mirror_insert(
        struct calls_mirror *mirror, const struct call_row *row, struct fault *fault)
{
	int rc = SQLITE_OK;

	if (!mirror->db) {
		rc = sqlite3_open_v2(mirror->database, &mirror->db,
		        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
		if (rc == SQLITE_OK)
			sqlite3_busy_timeout(mirror->db, MIRROR_BUSY_MS);
		if (rc == SQLITE_OK)
			rc = sqlite3_prepare_v2(mirror->db, mirror->sql, -1, &mirror->insert, NULL);
	}
	if (rc == SQLITE_OK) {
		mirror_bind(mirror, row);
		rc = sqlite3_step(mirror->insert);
		sqlite3_reset(mirror->insert);
	}
	if (rc == SQLITE_OK || rc == SQLITE_DONE)
		return OK;
	fault_set(fault, ERR_IO, "%s: %s", mirror->database,
	        mirror->db ? sqlite3_errmsg(mirror->db) : sqlite3_errstr(rc));
	mirror_drop(mirror);
	return ERR_IO;
}

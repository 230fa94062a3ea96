/*
 * sql.h - how the table families access SQLite. For storage/ only.
 *
 * Each family lists its statements once, as an X-macro in its .c file. A statement is prepared on
 * first use and kept: a process needs only few of them. A struct sql is one use of a statement:
 * values are bound in order, and failures of preparing and binding are kept until sql_run() or
 * sql_next(), so that return codes are checked in one place. A use ends with sql_run(), and with
 * any sql_next() that returns no row; after a row, sql_end() ends it early.
 *
 * Some failures (disk full, input/output) make SQLite roll the whole transaction back. The
 * transaction is then marked as lost: all writing fails with the same code until store_rollback()
 * or store_commit(), so that nothing is written outside the transaction it belongs to.
 */
#pragma once

#include <sqlite3.h>
#include <stddef.h>
#include <sys/types.h>
#include "storage/store.h"

enum sql_family {
	SQL_STORE,
	SQL_ALERTS,
	SQL_MESSAGES,
	SQL_ENTRIES,
	SQL_OUTBOX,
	SQL_CALLS,
	SQL_STATE,
	SQL_ROOMS,
	SQL_KEYS,
	SQL_COMMANDS,
	SQL_UNDECRYPTED,
	SQL_UNDELIVERED,
	SQL_SILENCES,
	SQL_SQL_WATCHES,
	SQL_QUIETS,
	SQL_ONCALL_OVERRIDES,
	SQL_HISTORY,
	SQL_MENDED,
	SQL_CHARTS,
	SQL_EXPIRIES,
	SQL_HEARTBEATS,
	SQL_PRUNE,
	SQL_FAMILIES
};

struct sql_statement {
	const char *name, *text; /* name NULL ends a table */
};

extern const struct sql_statement sql_store[], sql_alerts[], sql_messages[], sql_entries[],
        sql_outbox[], sql_calls[], sql_state[], sql_keys[], sql_prune[], sql_commands[],
        sql_undecrypted[], sql_undelivered[], sql_silences[], sql_quiets[], sql_oncall_overrides[],
        sql_history[], sql_heartbeats[], sql_sql_watches[], sql_mended[], sql_rooms[], sql_charts[],
        sql_expiries[];

#define SQL_STATEMENT_ENUM(name, text) name,
#define SQL_STATEMENT_ROW(name, text) {#name, text},
/* Defines a family's enumerators and its table of statements from its X-macro. */
#define SQL_STATEMENTS(table, LIST)        \
	enum { LIST(SQL_STATEMENT_ENUM) }; \
	const struct sql_statement table[] = {LIST(SQL_STATEMENT_ROW){NULL, NULL}}

struct silence_cache;

/* The database, its write-ahead log and its shared memory. */
#define STORE_FILES 3

struct store_file {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size; /* after the last commit */
};

#define STORE_LOG_HEADER 32 /* bytes, by "WAL Header Format" */

struct store {
	sqlite3 *db;
	int lock_fd; /* -1 when read-only */
	sqlite3_stmt **stmts[SQL_FAMILIES];
	struct store_file
	        files[STORE_FILES]; /* identity of the files when opened; ino 0 = not recorded */
	unsigned version;           /* SQLite's data version after the last commit */
	uint32_t counter;           /* the file's change counter then */
	unsigned char log_header[STORE_LOG_HEADER]; /* of the write-ahead log then; zeros = none */
	bool replaced;       /* the files were replaced, deleted or truncated */
	bool full;           /* the last transaction found it so: ids are looked at */
	bool in_transaction; /* between store_begin() and its end */
	enum err lost;       /* why SQLite ended the transaction by itself; OK = it did not */
	struct silence_cache *silences; /* of silences.c, or NULL */
	bool silences_stale;            /* they must be read again */
	char message[256];
	char damage[256];    /* what store_damage() returns */
	char unwritten[256]; /* what store_unwritten() returns */
	int64_t kept;        /* store_changes() at the last commit */
};

void silence_cache_free(struct silence_cache *cache); /* NULL is allowed */

/* The statements of a family, NULL-terminated; for opening and for tests. */
const struct sql_statement *sql_statements(enum sql_family family);

/* Makes room for the statements, and prepares those that begin and end transactions. */
enum err sql_open(struct store *store);
void sql_rest(
        struct store *store); /* finalizes all other statements, none of which may be in use */
void sql_finalize_all(struct store *store);

/* Maps an SQLite result code to an enum err. */
enum err sql_code(sqlite3 *db, int rc);

struct sql {
	struct store *store;
	sqlite3_stmt *stmt;
	const char *name;
	int bound; /* number of parameters bound so far */
	int rc;    /* first failure */
};

void sql_use(struct sql *sql, struct store *store, enum sql_family family, int statement);
void sql_bind_int(struct sql *sql, int64_t value);
void sql_bind_ref(struct sql *sql, int64_t id); /* 0 is stored as NULL */
void sql_bind_text(struct sql *sql,
        const char *value); /* borrowed until the use ends; NULL is stored as NULL */

/* In sql_mend.c: what is done when damage refuses a write. Each logs what it changed. */

/* Logs damage and keeps it for store_damage(). key: of the kind of damage, for log_seldom(). */
void sql_note_damage(struct store *store, const char *key, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* After SQLITE_CONSTRAINT_DATATYPE, which sqlite3_errmsg() explains: gives each value of the table
 * that is not of its column's type a value that is. False: nothing was changed. */
bool sql_mend_types(struct store *store);
/* At the beginning of the first transaction, and after one that found the database full, as SQLite
 * also says when the greatest of all ids is used: rows and counters beyond any sensible id are set
 * back. */
void sql_mend_ids(struct store *store);

/* Runs a statement that returns no rows. Statements that write use sql_write(). */
enum err sql_run(struct sql *sql);
/* As sql_run(), but fails outside a transaction. */
enum err sql_write(struct sql *sql);
/* As sql_write(), and ERR_NOT_FOUND when no row was changed. */
enum err sql_write_one(struct sql *sql);
/* OK with a row, ERR_NOT_FOUND when there is none left. */
enum err sql_next(struct sql *sql);
void sql_end(struct sql *sql);

int64_t sql_id(struct sql *sql, int column);     /* as it is; 0 for NULL */
int64_t sql_int(struct sql *sql, int column);    /* a time or a count, bounded; 0 for NULL */
char *sql_text(struct sql *sql, int column);     /* owned by the caller; "" for NULL */
char *sql_text_opt(struct sql *sql, int column); /* owned by the caller; NULL for NULL */

/* The only column of the only row; ERR_NOT_FOUND when there is none. */
enum err sql_one_int(struct sql *sql, int64_t *value);

/*
 * Rows as structs. A family lists the columns of its struct once, as an X-macro COLUMNS(FIRST,
 * NEXT) of (type, name), and SQL_STRUCT names the struct; statements, bindings, reading and freeing
 * are generated from them. The id is selected after the columns.
 */
enum sql_type {
	SQL_TYPE_TEXT, /* char *, NOT NULL in the database: a NULL there is damage */
	SQL_TYPE_OPT,  /* char * or NULL */
	SQL_TYPE_BOOL, /* int, 0 or 1 */
	SQL_TYPE_LONG, /* int64_t */
	SQL_TYPE_REF,  /* int64_t, an id; 0 = NULL */
	SQL_TYPE_ENUM, /* int; stored by name, and any other text is damage */
};

struct sql_column {
	enum sql_type type;
	const char *const *names; /* of SQL_TYPE_ENUM, indexed by value; NULL-terminated */
	size_t offset;
};

/*
 * A row is damaged when a column holds an impossible value, or columns contradict each other. It is
 * logged and left out of lists, and does not affect other rows. Where it would be read again and
 * again (the next event of a room), its table has a statement that removes it from circulation,
 * which is run with the reason and the row's id.
 */
struct sql_rows {
	const struct sql_column *columns;
	size_t len;
	size_t id;   /* offset of the row's int64_t id */
	size_t size; /* of the struct */
	const char *(*check)(const void
	                *row);  /* what is inconsistent, NULL = nothing; the pointer may be NULL */
	enum sql_family family; /* of the statement below */
	int mend;               /* the statement for damaged rows; 0 = none */
};

/* The types as written in a list of columns: TEXT, OPT, BOOL, LONG, REF, ENUM(names). */
#define SQL_TEXT SQL_TYPE_TEXT, NULL
#define SQL_OPT SQL_TYPE_OPT, NULL
#define SQL_BOOL SQL_TYPE_BOOL, NULL
#define SQL_LONG SQL_TYPE_LONG, NULL
#define SQL_REF SQL_TYPE_REF, NULL
#define SQL_ENUM(names) SQL_TYPE_ENUM, names

#define SQL_NAME1(type, name) #name
#define SQL_NAME(type, name) ", " #name
#define SQL_MARK1(type, name) "?"
#define SQL_MARK(type, name) ", ?"
#define SQL_SET1(type, name) #name " = ?"
#define SQL_SET(type, name) ", " #name " = ?"
#define SQL_COLUMN(type, name) {SQL_##type, offsetof(struct SQL_STRUCT, name)},
#define SQL_PASTE_(a, b) a##b
#define SQL_PASTE(a, b) SQL_PASTE_(a, b)
/* Defines the layout of the columns of SQL_STRUCT. */
#define SQL_LAYOUT(layout, COLUMNS, ...)                                                       \
	static const struct sql_column layout##_columns[] = {COLUMNS(SQL_COLUMN, SQL_COLUMN)}; \
	static const struct sql_rows layout = {layout##_columns,                               \
	        sizeof(layout##_columns) / sizeof(struct sql_column),                          \
	        offsetof(struct SQL_STRUCT, id), sizeof(struct SQL_STRUCT), __VA_ARGS__}
/* Defines a layout for rows that are read, with (for entry_row) entry_row_finish() for one row,
 * which also takes a zeroed one, and entry_rows_free() for an array of them, which also takes
 * NULL. */
#define SQL_ROWS(layout, COLUMNS, ...)                                           \
	SQL_LAYOUT(layout, COLUMNS, __VA_ARGS__);                                \
	void SQL_PASTE(SQL_STRUCT, _finish)(struct SQL_STRUCT * row)             \
	{                                                                        \
		sql_finish_row(&layout, row);                                    \
	}                                                                        \
	void SQL_PASTE(SQL_STRUCT, s_free)(struct SQL_STRUCT * rows, size_t len) \
	{                                                                        \
		sql_free_rows(&layout, rows, len);                               \
	}                                                                        \
	_Static_assert(true, "takes the semicolon")

/* What may be a room's or an event's id: NULL, or the sigil and at most 255 bytes in all, none of
 * them a control character. Another one, in a URL, would be refused for ever. */
bool sql_is_id(const char *id, char sigil);

#define SQL_SELECT(table, COLUMNS) "SELECT " COLUMNS(SQL_NAME1, SQL_NAME) ", id FROM " table " "
#define SQL_INSERT(table, COLUMNS) \
	"INSERT INTO " table       \
	" (" COLUMNS(SQL_NAME1, SQL_NAME) ") VALUES (" COLUMNS(SQL_MARK1, SQL_MARK) ")"
#define SQL_UPDATE(table, COLUMNS) \
	"UPDATE " table " SET " COLUMNS(SQL_SET1, SQL_SET) " WHERE id = ?"

/* Columns that an index has belong here: SQLite rewrites the entries of an index whenever a column
 * of it is assigned, be it the same value. See sql_update_row_if(). */
#define SQL_UPDATE_IF(table, COLUMNS) \
	SQL_UPDATE(table, COLUMNS)    \
	" AND (" COLUMNS(SQL_NAME1, SQL_NAME) ") IS NOT (" COLUMNS(SQL_MARK1, SQL_MARK) ")"

/* Sorts severities, which are stored by name: the worst has the greatest rank. */
#define SQL_SEVERITY_RANK "CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END"

/* Binds all columns except the id. */
void sql_bind_row(struct sql *sql, const struct sql_rows *rows, const void *row);
/* Inserts the row by sql_write() and sets its id. */
enum err sql_insert_row(struct sql *sql, const struct sql_rows *rows, void *row);
/* Binds all columns and the id, and writes; ERR_NOT_FOUND when there is no such row. */
enum err sql_update_row(struct sql *sql, const struct sql_rows *rows, const void *row);
/* The same with SQL_UPDATE_IF: writes nothing when the row has these values already. */
enum err sql_update_row_if(struct sql *sql, const struct sql_rows *rows, const void *row);
/* Reads the first row; ERR_NOT_FOUND: there is none. *row is zeroed on failure. For a damaged row,
 * the table's statement for damaged rows is run, and the query again; ERR_DAMAGED when it returns
 * the same row, whose id is in *row. */
enum err sql_one_row(struct sql *sql, const struct sql_rows *rows, void *row);
/* Reads all rows except damaged ones into an array; the caller frees it with its rows. NULL and 0
 * on failure. */
enum err sql_all_rows(struct sql *sql, const struct sql_rows *rows, void **array, size_t *len);
void sql_finish_row(const struct sql_rows *rows, void *row);
void sql_free_rows(const struct sql_rows *rows, void *array, size_t len);

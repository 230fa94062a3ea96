/*
 * Tests of the collected log: a transaction's frames reach the file in few writes and before it
 * counts as committed; what is read, cut or refused in between is right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_fixture.h"
#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>
#include "storage/wal_file.h"

#define ROWS 60 /* each fills a page */

static int writes;      /* calls of pwrite() by SQLite */
static int fail_at = 0; /* the write that fails with a full disk; 0 = none */

static ssize_t counted_pwrite(int fd, const void *data, size_t len, off_t at)
{
	writes++;
	if (fail_at && writes >= fail_at) {
		errno = ENOSPC;
		return -1;
	}
	return pwrite(fd, data, len, at);
}

struct logged {
	void *folder; /* a fixture, for its folder alone */
	char path[160];
	sqlite3 *db, *other; /* other: another connection, of the default file system */
};

static void exec(sqlite3 *db, const char *text)
{
	char *message = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
}

static int64_t number(sqlite3 *db, const char *text)
{
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static void assert_sound(sqlite3 *db)
{
	sqlite3_stmt *stmt;

	assert_int_equal(
	        sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
}

static void open_both(struct logged *t, const char *settings)
{
	assert_int_equal(sqlite3_open_v2(t->path, &t->db,
	                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, wal_file_system()),
	        SQLITE_OK);
	exec(t->db, settings);
	exec(t->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
	            "CREATE TABLE IF NOT EXISTS goods (id INTEGER PRIMARY KEY, text TEXT)");
	assert_int_equal(sqlite3_open(t->path, &t->other), SQLITE_OK);
	writes = 0;
}

static void close_both(struct logged *t)
{
	assert_int_equal(sqlite3_close(t->other), SQLITE_OK);
	assert_int_equal(sqlite3_close(t->db), SQLITE_OK);
}

static int setup(void **state)
{
	struct logged *t = calloc(1, sizeof(*t));
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	assert_non_null(t);
	fixture_setup(&t->folder);
	snprintf(t->path, sizeof(t->path), "%s/goods.db", ((struct fixture *)t->folder)->folder);
	fail_at = 0;
	if (vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)counted_pwrite) != SQLITE_OK)
		assert_int_equal(
		        vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)counted_pwrite),
		        SQLITE_OK);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct logged *t = *state;
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	vfs->xSetSystemCall(vfs, NULL, NULL);
	fixture_teardown(&t->folder);
	free(t);
	return 0;
}

static void fill(sqlite3 *db, int rows)
{
	char text[200];

	snprintf(text, sizeof(text),
	        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	        "INSERT INTO goods (text) SELECT printf('%%1900d', i) FROM n",
	        rows);
	exec(db, text);
}

static void test_a_transaction_is_few_writes(void **state)
{
	struct logged *t = *state;

	open_both(t, "PRAGMA page_size = 2048");
	fill(t->db, ROWS);
	assert_true(writes >= ROWS * 2048 / (32 * 1024)); /* nothing was held in memory */
	assert_true(writes <= ROWS / 8);
	assert_int_equal(number(t->other, "SELECT count(*) FROM goods"), ROWS);
	close_both(t);
}

static void test_pages_larger_than_what_is_collected(void **state)
{
	struct logged *t = *state;

	open_both(t, "PRAGMA page_size = 65536");
	fill(t->db, 3 * ROWS);
	assert_int_equal(number(t->other, "SELECT sum(length(text)) FROM goods"), 3 * ROWS * 1900);
	assert_sound(t->other);
	close_both(t);
}

/* A transaction larger than the page cache is written in parts, read back, and half undone. */
static void test_a_transaction_that_is_read_back_and_undone(void **state)
{
	struct logged *t = *state;

	open_both(t, "PRAGMA page_size = 2048; PRAGMA cache_size = 10");
	fill(t->db, ROWS);
	exec(t->db, "BEGIN");
	fill(t->db, ROWS);
	exec(t->db, "SAVEPOINT half");
	exec(t->db, "UPDATE goods SET text = upper(text) || '!'");
	assert_int_equal(
	        number(t->db, "SELECT count(*) FROM goods WHERE text LIKE '%!'"), 2 * ROWS);
	assert_int_equal(number(t->other, "SELECT count(*) FROM goods"), ROWS);
	exec(t->db, "ROLLBACK TO half");
	assert_int_equal(number(t->db, "SELECT count(*) FROM goods WHERE text LIKE '%!'"), 0);
	exec(t->db, "COMMIT");
	assert_int_equal(number(t->other, "SELECT count(*) FROM goods"), 2 * ROWS);
	exec(t->db, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_sound(t->other);
	close_both(t);
}

static void test_a_full_disk_fails_the_commit(void **state)
{
	struct logged *t = *state;

	open_both(t, "PRAGMA page_size = 2048");
	fill(t->db, 1);
	exec(t->db, "BEGIN; UPDATE goods SET text = 'small'");
	fail_at = writes + 1;
	assert_int_equal(sqlite3_exec(t->db, "COMMIT", NULL, NULL, NULL), SQLITE_FULL);
	fail_at = 0;
	if (!sqlite3_get_autocommit(t->db))
		exec(t->db, "ROLLBACK");
	assert_int_equal(number(t->db, "SELECT count(*) FROM goods WHERE text = 'small'"), 0);
	fill(t->db, ROWS);
	assert_int_equal(number(t->other, "SELECT count(*) FROM goods"), ROWS + 1);
	close_both(t);
	open_both(t, "SELECT 1");
	assert_int_equal(number(t->db, "SELECT count(*) FROM goods"), ROWS + 1);
	assert_sound(t->db);
	close_both(t);
}

/* What a process that is killed between a commit and the next leaves behind. */
static void test_what_was_committed_is_in_the_file(void **state)
{
	struct logged *t = *state;
	char command[1024], copy[200];
	sqlite3 *db;

	open_both(t, "PRAGMA page_size = 2048");
	fill(t->db, ROWS);
	exec(t->db, "BEGIN");
	fill(t->db, 5);
	snprintf(copy, sizeof(copy), "%s.copy", t->path);
	snprintf(command, sizeof(command), "cp %s %s && cp %s-wal %s-wal", t->path, copy, t->path,
	        copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(sqlite3_open(copy, &db), SQLITE_OK);
	assert_int_equal(number(db, "SELECT count(*) FROM goods"), ROWS);
	assert_sound(db);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	exec(t->db, "COMMIT");
	close_both(t);
}

/* At rest nothing is kept, and what is collected in a transaction is not lost by it. */
static void test_rest_loses_nothing(void **state)
{
	struct logged *t = *state;

	open_both(t, "PRAGMA page_size = 2048; PRAGMA cache_size = 10");
	wal_file_rest(t->db);
	fill(t->db, ROWS);
	wal_file_rest(t->db);
	exec(t->db, "BEGIN");
	fill(t->db, ROWS);
	wal_file_rest(t->db);
	exec(t->db, "COMMIT");
	wal_file_rest(t->other);
	assert_int_equal(number(t->other, "SELECT count(*) FROM goods"), 2 * ROWS);
	assert_sound(t->other);
	close_both(t);
}

/* SQLite itself syncs before it does these; the file answers rightly all the same. */
static void test_size_cut_and_close_know_what_is_collected(void **state)
{
	struct logged *t = *state;
	sqlite3_vfs *vfs = sqlite3_vfs_find(wal_file_system());
	int flags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	sqlite3_file *file = calloc(1, (size_t)vfs->szOsFile);
	sqlite3_int64 size = 0;
	char read[8] = "";

	assert_non_null(file);
	assert_int_equal(vfs->xOpen(vfs, t->path, file, flags, NULL), SQLITE_OK);
	assert_int_equal(file->pMethods->xWrite(file, "abc", 3, 0), SQLITE_OK);
	assert_int_equal(file->pMethods->xWrite(file, "def", 3, 3), SQLITE_OK);
	assert_int_equal(file->pMethods->xFileSize(file, &size), SQLITE_OK);
	assert_int_equal(size, 6);
	assert_int_equal(file->pMethods->xWrite(file, "ghi", 3, 6), SQLITE_OK);
	assert_int_equal(file->pMethods->xTruncate(file, 7), SQLITE_OK);
	assert_int_equal(file->pMethods->xFileSize(file, &size), SQLITE_OK);
	assert_int_equal(size, 7);
	assert_int_equal(file->pMethods->xWrite(file, "!", 1, 7), SQLITE_OK);
	assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
	assert_int_equal(vfs->xOpen(vfs, t->path, file, flags, NULL), SQLITE_OK);
	assert_int_equal(file->pMethods->xRead(file, read, 8, 0), SQLITE_OK);
	assert_memory_equal(read, "abcdefg!", 8);
	assert_int_equal(file->pMethods->xClose(file), SQLITE_OK);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_a_transaction_is_few_writes, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_pages_larger_than_what_is_collected, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_a_transaction_that_is_read_back_and_undone, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_a_full_disk_fails_the_commit, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_what_was_committed_is_in_the_file, setup, teardown),
	        cmocka_unit_test_setup_teardown(test_rest_loses_nothing, setup, teardown),
	        cmocka_unit_test_setup_teardown(
	                test_size_cut_and_close_know_what_is_collected, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

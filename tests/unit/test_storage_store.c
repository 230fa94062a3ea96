/*
 * Tests of the store as a whole: opening, modes, the lock, transactions, and what happens when
 * the process dies, the disk is full, or the file is damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "tests/unit/store_fixture.h"
#include "storage/sql.h"

static void fixture_close(struct fixture *f)
{
	store_close(f->store);
	f->store = NULL;
}

/* Adds an alert with that ext_id, and says what came of it. */
static enum err add(struct store *store, const char *ext_id)
{
	struct alert_row in = fixture_alert();

	in.ext_id = LENT(ext_id);
	return alerts_insert(store, &in);
}

static bool has(struct store *store, const char *ext_id)
{
	struct alert_row row;
	enum err err = alerts_by_ext_id(store, ext_id, &row);

	alert_row_finish(&row);
	assert_true(err == OK || err == ERR_NOT_FOUND);
	return err == OK;
}

static int64_t pragma_int(struct store *store, const char *text)
{
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_prepare_v2(store->db, text, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return value;
}

static int mode_of(const struct fixture *f, const char *suffix)
{
	char path[160];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", f->path, suffix);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* Waits for a child and gives back its exit status. */
static int child_status(pid_t pid)
{
	int status;

	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void new_database_has_schema_and_settings(void **state)
{
	struct store *store = fixture_store(state);

	assert_int_equal(store_schema(), 25);
	assert_int_equal(pragma_int(store, "PRAGMA user_version"), store_schema());
	assert_int_equal(pragma_int(store, "PRAGMA page_size"), 2048);
	assert_int_equal(pragma_int(store, "PRAGMA foreign_keys"), 1);
	assert_int_equal(pragma_int(store, "PRAGMA synchronous"), 2);
	assert_int_equal(pragma_int(store, "PRAGMA secure_delete"), 2);
	assert_int_equal(pragma_int(store, "PRAGMA trusted_schema"), 0);
	assert_int_equal(pragma_int(store, "PRAGMA cell_size_check"), 1);
	assert_int_equal(
	        pragma_int(store, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	assert_int_equal(pragma_int(store,
	                         "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name "
	                         "IN ('alerts', 'messages', 'entries', 'outbox', 'calls', 'state', "
	                         "'rooms', 'crypto') AND sql LIKE '%STRICT%'"),
	        8);
}

static void reopened_database_keeps_its_rows(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "a"), OK);
	assert_int_equal(store_commit(f->store), OK);
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "b"), OK);
	fixture_close(f); /* rolls back what is open */
	fixture_open(f);
	assert_true(has(f->store, "a"));
	assert_false(has(f->store, "b"));
}

static void files_are_private_whatever_the_umask(void **state)
{
	struct fixture *f = *state;
	char inner[160];
	struct stat st;
	mode_t old;

	fixture_close(f);
	for (int i = 0; i < 2; i++) {
		snprintf(inner, sizeof(inner), "%s.lock", f->path);
		assert_int_equal(unlink(f->path), 0);
		assert_int_equal(unlink(inner), 0);
		old = umask(i == 0 ? 0 : 0777);
		fixture_open(f);
		umask(old);
		assert_int_equal(store_begin(f->store), OK);
		assert_int_equal(add(f->store, NULL), OK);
		assert_int_equal(store_commit(f->store), OK);
		assert_int_equal(mode_of(f, ""), 0600);
		assert_int_equal(mode_of(f, "-wal"), 0600);
		assert_int_equal(mode_of(f, "-shm"), 0600);
		assert_int_equal(mode_of(f, ".lock"), 0600);
		fixture_close(f);
	}

	/* one that was left open to others is closed to them */
	assert_int_equal(chmod(f->path, 0644), 0);
	fixture_open(f);
	assert_int_equal(mode_of(f, ""), 0600);
	fixture_close(f);

	snprintf(inner, sizeof(inner), "%s/inner", f->folder);
	snprintf(f->path, sizeof(f->path), "%s/inner/operations.db", f->folder);
	old = umask(0777);
	fixture_open(f);
	umask(old);
	assert_int_equal(stat(inner, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	fixture_close(f);
	assert_int_equal(chmod(inner, 0750), 0); /* the operator's own choice is left alone */
	fixture_open(f);
	assert_int_equal(stat(inner, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	fixture_close(f);
	assert_int_equal(unlink(f->path), 0);
	strcat(f->path, ".lock");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(rmdir(inner), 0);
}

static void folder_that_cannot_be_made_is_told(void **state)
{
	struct fixture *f = *state;
	struct store *store;
	struct fault fault = {0};
	char path[160];

	snprintf(path, sizeof(path), "%s/no/such/operations.db", f->folder);
	assert_int_equal(store_open(&store, path, &fault), ERR_IO);
	assert_null(store);
	assert_non_null(strstr(fault.text, "mkdir"));
}

/* The other process is a fresh one (the lock belongs to a file description, which a fork shares).
 */
static void second_daemon_is_kept_out(void **state)
{
	struct fixture *f = *state;
	struct store *store;
	struct fault fault = {0};
	char expected[32];
	pid_t parent = getpid(), pid;
	int status;

	fixture_close(f);
	pid = fork();
	if (pid == 0) {
		if (store_open(&store, f->path, &fault) == OK && store_begin(store) == OK &&
		        add(store, "dead") == OK)
			raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	fixture_open(f); /* the lock of a dead process is nobody's */
	pid = fork();
	if (pid == 0) {
		snprintf(expected, sizeof(expected), "process %ld", (long)parent);
		_exit(store_open(&store, f->path, &fault) == ERR_BUSY && !store &&
		                        strstr(fault.text, expected)
		                ? 0
		                : 1);
	}
	assert_int_equal(child_status(pid), 0);
	/* neither does this process get in twice */
	assert_int_equal(store_open(&store, f->path, &fault), ERR_BUSY);
	assert_null(store);
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "mine"), OK);
	assert_int_equal(store_commit(f->store), OK);
}

static void death_loses_only_what_was_not_committed(void **state)
{
	struct fixture *f = *state;
	struct fault fault;
	int ready[2];
	pid_t pid;
	char byte;

	fixture_close(f);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct store *store;

		if (store_open(&store, f->path, &fault) == OK && store_begin(store) == OK &&
		        add(store, "kept") == OK && store_commit(store) == OK &&
		        store_begin(store) == OK && add(store, "lost") == OK &&
		        write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
	fixture_open(f);
	assert_true(has(f->store, "kept"));
	assert_false(has(f->store, "lost"));
	assert_int_equal(
	        pragma_int(f->store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"),
	        1);
}

/* Sets values that take some 50 pages, more than SQLite keeps in memory by itself. */
static enum err set_many(struct store *store, char what)
{
	char name[16], value[1024];
	enum err err = OK;

	memset(value, what, sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (int i = 0; i < 200 && err == OK; i++) {
		snprintf(name, sizeof(name), "name.%d", i);
		err = state_set(store, name, value);
	}
	return err;
}

/* What is undone is kept in memory meanwhile: /tmp may be full, and descriptors may be short. */
static void savepoints_make_no_file(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, none;
	int free_fd = dup(STDERR_FILENO);

	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(set_many(f->store, 'a'), OK);
	close(free_fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)free_fd;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	enum err made = store_savepoint(f->store);
	enum err set = set_many(f->store, 'b');
	enum err undone = store_undo(f->store);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(made, OK);
	assert_int_equal(set, OK);
	assert_int_equal(undone, OK);
	assert_int_equal(store_commit(f->store), OK);
}

static void savepoint_keeps_or_undoes_one_job(void **state)
{
	struct store *store = fixture_store(state);

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(store_savepoint(store), OK);
	assert_int_equal(add(store, "a"), OK);
	assert_int_equal(store_release(store), OK);
	assert_int_equal(store_savepoint(store), OK);
	assert_int_equal(add(store, "b"), OK);
	assert_int_equal(add(store, "a"), ERR_EXISTS);
	assert_int_equal(store_undo(store), OK);
	assert_non_null(strstr(store_message(store), "UNIQUE")); /* the reason stays */
	assert_int_equal(store_savepoint(store), OK);
	assert_int_equal(add(store, "c"), OK);
	assert_int_equal(store_release(store), OK);
	assert_int_equal(store_commit(store), OK);
	assert_true(has(store, "a"));
	assert_false(has(store, "b"));
	assert_true(has(store, "c"));
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "d"), OK);
	store_rollback(store);
	store_rollback(store); /* harmless */
	assert_false(has(store, "d"));
	assert_int_not_equal(store_commit(store), OK);
}

/* Adds alerts of 4 KiB until one fails; says with what. */
static enum err fill(struct store *store)
{
	char fields[4096];
	enum err err = OK;

	memset(fields, 'x', sizeof(fields) - 1);
	fields[sizeof(fields) - 1] = '\0';
	for (int i = 0; err == OK && i < 10000; i++) {
		struct alert_row in = fixture_alert();

		in.fields = fields;
		err = alerts_insert(store, &in);
	}
	return err;
}

static void full_database_is_told_and_works_again(void **state)
{
	struct store *store = fixture_store(state);
	int64_t pages = pragma_int(store, "PRAGMA page_count");
	char limit[64];

	snprintf(limit, sizeof(limit), "PRAGMA max_page_count = %lld", (long long)pages + 20);
	assert_int_equal(pragma_int(store, limit), pages + 20);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "a"), OK);
	assert_int_equal(store_savepoint(store), OK);
	assert_int_equal(fill(store), ERR_FULL);
	assert_non_null(strstr(store_message(store), "full"));
	store_rollback(store);
	assert_false(has(store, "a"));
	assert_int_equal(pragma_int(store, "PRAGMA max_page_count = 100000"), 100000);
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "b"), OK);
	assert_int_equal(store_commit(store), OK);
	assert_true(has(store, "b"));
}

/* What SQLite ended on its own is not gone on with outside a transaction. */
static void lost_transaction_fails_all_that_follows(void **state)
{
	struct store *store = fixture_store(state);

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "a"), OK);
	assert_int_equal(store_savepoint(store), OK);
	assert_int_equal(sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
	store->lost = ERR_FULL;
	assert_int_equal(add(store, "b"), ERR_FULL);
	assert_int_equal(store_undo(store), ERR_FULL);
	assert_int_equal(store_savepoint(store), ERR_FULL);
	assert_int_equal(store_commit(store), ERR_FULL);
	assert_false(has(store, "a"));
	assert_false(has(store, "b"));
	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "c"), OK);
	assert_int_equal(store_commit(store), OK);
	assert_true(has(store, "c"));
}

/* A real failing write, as with a quota: no file of the child may grow over 256 KiB. */
static int full_disk_child(const char *path)
{
	struct rlimit limit = {256 * 1024, 256 * 1024};
	struct store *store;
	struct fault fault;
	enum err err;

	signal(SIGXFSZ, SIG_IGN);
	if (store_open(&store, path, &fault) != OK || store_begin(store) != OK ||
	        add(store, "before") != OK || store_commit(store) != OK ||
	        setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_begin(store) != OK)
		return 1;
	err = fill(store);
	if (err == OK)
		err = store_commit(store);
	if (err != ERR_FULL)
		return 2;
	store_rollback(store);
	if (!has(store, "before"))
		return 3;
	store_close(store);
	return 0;
}

static void full_disk_is_told_as_full(void **state)
{
	struct fixture *f = *state;
	pid_t pid;

	fixture_close(f);
	pid = fork();
	if (pid == 0)
		_exit(full_disk_child(f->path));
	assert_int_equal(child_status(pid), 0);
	fixture_open(f);
	assert_true(has(f->store, "before"));
	assert_int_equal(pragma_int(f->store, "SELECT count(*) FROM alerts"), 1);
}

/* Overwrites len bytes of the closed database. */
static void damage(const char *path, off_t at, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)(0xa5 + i * 7);

		assert_int_equal(pwrite(fd, &byte, 1, at + (off_t)i), 1);
	}
	close(fd);
}

static void file_that_is_no_database_is_corrupt(void **state)
{
	struct fixture *f = *state;
	struct fault fault = {0};

	fixture_close(f);
	damage(f->path, 0, 100);
	assert_int_equal(store_open(&f->store, f->path, &fault), ERR_CORRUPT);
	assert_null(f->store);
	assert_non_null(strstr(fault.text, f->path));
}

static void damaged_pages_are_corrupt_and_no_crash(void **state)
{
	struct fixture *f = *state;
	struct alert_row *rows;
	struct stat st;
	struct fault fault;
	size_t len;
	int told = 0;

	assert_int_equal(store_begin(f->store), OK);
	for (int i = 0; i < 200; i++)
		assert_int_equal(add(f->store, NULL), OK);
	assert_int_equal(store_commit(f->store), OK);
	fixture_close(f);
	assert_int_equal(stat(f->path, &st), 0);
	/* page by page, from the last: whatever is hit, nothing but an error may come of it */
	for (off_t at = st.st_size - 4096; at >= 4096; at -= 4096) {
		enum err err;

		damage(f->path, at, 4096);
		err = store_open(&f->store, f->path, &fault);
		if (err == OK) {
			err = alerts_list(f->store, NULL, 1000, &rows, &len);
			alert_rows_free(rows, len);
		}
		if (err == OK) {
			assert_int_equal(store_begin(f->store), OK);
			err = add(f->store, "new");
			store_rollback(f->store);
		}
		assert_true(err == OK || err == ERR_CORRUPT);
		told += err == ERR_CORRUPT;
		fixture_close(f);
	}
	assert_true(told > 0);
}

/* Whichever of the files it is, and whether another has its name: nothing is said to be kept. */
static void replaced_files_are_noticed_at_the_commit(void **state)
{
	static const char *const suffixes[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < 6; i++) {
		void *each;
		struct fixture *f;
		char path[160], away[168];

		fixture_setup(&each);
		f = each;
		assert_int_equal(store_begin(f->store), OK);
		assert_int_equal(add(f->store, "a"), OK);
		assert_int_equal(store_commit(f->store), OK);
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i / 2]);
		snprintf(away, sizeof(away), "%s.away", path);
		assert_int_equal(rename(path, away), 0);
		if (i % 2 == 1)
			fclose(fopen(path, "w"));
		assert_int_equal(store_begin(f->store), OK);
		assert_int_equal(add(f->store, "b"), OK);
		assert_int_equal(store_commit(f->store), ERR_REPLACED);
		assert_non_null(strstr(store_message(f->store), path));
		store_close(f->store);
		f->store = NULL;
		assert_int_equal(access(path, F_OK), i % 2 == 1 ? 0 : -1); /* not ours to delete */
		fixture_teardown(&each);
	}
}

static void null_where_text_must_be_is_corrupt(void **state)
{
	struct store *store = fixture_store(state);
	struct alert_row row;

	assert_int_equal(store_begin(store), OK);
	assert_int_equal(add(store, "a"), OK);
	assert_int_equal(store_commit(store), OK);
	assert_int_equal(
	        sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 0, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(store->db,
	                         "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = "
	                         "replace(sql, 'identity    TEXT NOT NULL', 'identity TEXT') WHERE "
	                         "name = 'alerts'; PRAGMA writable_schema = RESET;"
	                         "UPDATE alerts SET identity = NULL",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	assert_int_equal(alerts_by_ext_id(store, "a", &row), ERR_DAMAGED);
	assert_null(row.app);
	assert_non_null(strstr(store_message(store), "identity"));
}

static void readonly_reads_beside_the_daemon_and_writes_nothing(void **state)
{
	struct fixture *f = *state;
	struct store *store;
	struct fault fault = {0};
	char missing[160];

	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "a"), OK);
	assert_int_equal(store_commit(f->store), OK);
	assert_int_equal(store_open_readonly(&store, f->path, &fault), OK);
	assert_true(has(store, "a"));
	assert_int_equal(store_begin(store), OK); /* one view of all tables */
	assert_int_equal(add(store, "b"), ERR_IO);
	assert_non_null(strstr(store_message(store), "readonly"));
	store_rollback(store);
	store_close(store);
	assert_int_equal(store_begin(f->store), OK); /* its own lock is still there */
	assert_int_equal(add(f->store, "b"), OK);
	assert_int_equal(store_commit(f->store), OK);

	snprintf(missing, sizeof(missing), "%s/none.db", f->folder);
	assert_int_equal(store_open_readonly(&store, missing, &fault), ERR_NOT_FOUND);
	assert_null(store);
	assert_int_not_equal(access(missing, F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(new_database_has_schema_and_settings),
	        TEST(reopened_database_keeps_its_rows),
	        TEST(files_are_private_whatever_the_umask),
	        TEST(folder_that_cannot_be_made_is_told),
	        TEST(second_daemon_is_kept_out),
	        TEST(death_loses_only_what_was_not_committed),
	        TEST(savepoint_keeps_or_undoes_one_job),
	        TEST(savepoints_make_no_file),
	        TEST(full_database_is_told_and_works_again),
	        TEST(lost_transaction_fails_all_that_follows),
	        TEST(full_disk_is_told_as_full),
	        TEST(file_that_is_no_database_is_corrupt),
	        TEST(damaged_pages_are_corrupt_and_no_crash),
	        cmocka_unit_test(replaced_files_are_noticed_at_the_commit),
	        TEST(null_where_text_must_be_is_corrupt),
	        TEST(readonly_reads_beside_the_daemon_and_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

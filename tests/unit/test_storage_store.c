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
	enum err err = alerts_by_ext_id(store, ext_id, NULL, &row);

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

	assert_int_equal(store_schema(), 27);
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

#define PAGE 2048

/* Fills a database so that it has pages of all kinds: index, overflow, free. */
static void add_of_all_kinds(struct fixture *f, int64_t *alerts)
{
	char id[16];

	assert_int_equal(store_begin(f->store), OK);
	for (int i = 0; i < 60; i++) {
		struct alert_row in = fixture_alert();
		char fields[5000];

		memset(fields, 'x', sizeof(fields));
		fields[i % 4 ? 10 : sizeof(fields) - 1] = '\0';
		snprintf(id, sizeof(id), "a%d", i);
		in.ext_id = id;
		in.fields = fields;
		assert_int_equal(alerts_insert(f->store, &in), OK);
	}
	assert_int_equal(store_commit(f->store), OK);
	assert_int_equal(
	        sqlite3_exec(f->store->db, "DELETE FROM alerts WHERE id % 3 = 0", NULL, NULL, NULL),
	        SQLITE_OK);
	*alerts = pragma_int(f->store, "SELECT count(*) FROM alerts");
	assert_true(pragma_int(f->store, "PRAGMA freelist_count") > 0);
}

/* OK when every alert is there, and another can be added and is there after a restart. */
static enum err look_at_all(struct fixture *f, int64_t alerts)
{
	struct alert_row *rows = NULL;
	struct fault fault = {0};
	size_t len = 0;
	enum err err = store_open(&f->store, f->path, &fault);

	if (err == OK) {
		err = alerts_list(f->store, NULL, 1000, &rows, &len);
		alert_rows_free(rows, len);
	} else {
		assert_non_null(strstr(fault.text, f->path));
	}
	if (err == OK && !store_damage(f->store)[0])
		assert_int_equal(len, alerts);
	for (int i = 0; err == OK && i < 60; i++) {
		struct alert_row row;
		char id[16];

		snprintf(id, sizeof(id), "a%d", i);
		err = alerts_by_ext_id(f->store, id, NULL, &row);
		alert_row_finish(&row);
		err = err == ERR_NOT_FOUND && i % 3 == 2 ? OK : err;
	}
	if (err == OK)
		err = store_begin(f->store);
	if (err == OK) {
		err = add(f->store, "new");
		err = err == OK ? store_commit(f->store) : err;
		store_rollback(f->store);
		if (err == OK) {
			fixture_close(f);
			err = store_open(&f->store, f->path, &fault);
			assert_true(err != OK || has(f->store, "new"));
		}
	}
	fixture_close(f);
	return err;
}

/* Each page alone, whatever it holds: what is not told is all there. */
static void damaged_pages_lose_nothing_in_silence(void **state)
{
	struct fixture *f = *state;
	int64_t alerts;
	unsigned char *whole;
	struct stat st;
	int told = 0, fd;

	add_of_all_kinds(f, &alerts);
	fixture_close(f);
	assert_int_equal(look_at_all(f, alerts), OK);
	fixture_open(f);
	assert_int_equal(sqlite3_exec(f->store->db, "DELETE FROM alerts WHERE ext_id = 'new'", NULL,
	                         NULL, NULL),
	        SQLITE_OK);
	fixture_close(f);
	assert_int_equal(stat(f->path, &st), 0);
	whole = malloc((size_t)st.st_size);
	fd = open(f->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(read(fd, whole, (size_t)st.st_size), st.st_size);
	for (off_t at = 0; at < st.st_size; at += PAGE) {
		static const unsigned char zeros[PAGE];
		enum err err;

		if (at / PAGE % 2)
			damage(f->path, at, PAGE);
		else
			assert_int_equal(pwrite(fd, zeros, PAGE, at), PAGE);
		err = look_at_all(f, alerts);
		assert_true(err == OK || err == ERR_CORRUPT || err == ERR_DAMAGED ||
		            err == ERR_NOT_FOUND);
		told += err != OK;
		assert_int_equal(ftruncate(fd, st.st_size), 0);
		assert_int_equal(pwrite(fd, whole, (size_t)st.st_size, 0), st.st_size);
	}
	close(fd);
	free(whole);
	assert_true(told > 0);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void add_some(struct store *store)
{
	for (int i = 0; i < 10; i++) {
		char id[16];

		snprintf(id, sizeof(id), "a%d", i);
		assert_int_equal(store_begin(store), OK);
		assert_int_equal(add(store, id), OK);
		assert_int_equal(store_commit(store), OK);
	}
}

static void checkpoint(struct store *store)
{
	assert_int_equal(
	        sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL),
	        SQLITE_OK);
	assert_int_equal(store_begin(store), OK); /* which sees the files as they are now */
	assert_int_equal(state_set(store, "some", "thing"), OK);
	assert_int_equal(store_commit(store), OK);
}

/* Nothing is said to be kept in a file that lost its end, and closing it changes nothing. */
static void truncated_files_are_noticed_before_the_next_commit(void **state)
{
	static const char *const suffixes[] = {"", "-wal"};

	for (int i = 0; i < 8; i++) {
		void *each;
		struct fixture *f;
		char path[160];
		off_t before, after;

		fixture_setup(&each);
		f = each;
		add_some(f->store);
		if (i < 4)
			checkpoint(f->store);
		snprintf(path, sizeof(path), "%s%s", f->path, suffixes[i / 4]);
		before = size_of(path);
		after = (off_t[]){0, 32, before / 2, before - 1}[i % 4];
		assert_int_equal(truncate(path, after), 0);
		assert_int_equal(store_begin(f->store), ERR_REPLACED);
		assert_non_null(strstr(store_message(f->store), path));
		assert_non_null(strstr(store_message(f->store), "truncated"));
		fixture_close(f);
		assert_int_equal(size_of(path), after);
		fixture_teardown(&each);
	}
}

static void read_start(const char *path, char *out, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, out, len, 0), len);
	close(fd);
}

/* As by dd: name, number and length stay as they are. */
static void an_overwritten_log_is_noticed_before_the_next_commit(void **state)
{
	struct fixture *f = *state;
	char path[160];
	unsigned char byte;
	int fd;

	for (int i = 0; i < 3; i++) /* what SQLite itself does to it is no harm */
		checkpoint(f->store);
	snprintf(path, sizeof(path), "%s-wal", f->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &byte, 1, 17), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, 17), 1);
	close(fd);
	assert_int_equal(store_begin(f->store), ERR_REPLACED);
	assert_non_null(strstr(store_message(f->store), path));
	assert_non_null(strstr(store_message(f->store), "overwritten"));
}

/* As by cp, which leaves the file its name and number. */
static void an_older_copy_is_noticed_before_the_next_commit(void **state)
{
	struct fixture *f = *state;
	char copy[300], restored[300];
	off_t size;

	checkpoint(f->store);
	snprintf(copy, sizeof(copy), "cp %s %s.old", f->path, f->path);
	snprintf(restored, sizeof(restored), "cat %s.old > %s", f->path, f->path);
	assert_int_equal(system(copy), 0);
	store_rest(f->store); /* SQLite counts changes from what it reads */
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(set_many(f->store, 'a'), OK);
	assert_int_equal(store_commit(f->store), OK);
	checkpoint(f->store);
	size = size_of(f->path);
	assert_int_equal(system(restored), 0);
	assert_int_equal(truncate(f->path, size), 0); /* its length alone tells nothing */
	assert_int_equal(store_begin(f->store), ERR_REPLACED);
	assert_non_null(strstr(store_message(f->store), "older"));
}

/* VACUUM and a backup's checkpoint make files shorter too. */
static void what_other_connections_do_is_no_damage(void **state)
{
	struct fixture *f = *state;
	sqlite3 *other;

	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(set_many(f->store, 'a'), OK);
	assert_int_equal(store_commit(f->store), OK);
	checkpoint(f->store);
	assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
	assert_int_equal(
	        sqlite3_exec(other, "DELETE FROM state; VACUUM; PRAGMA wal_checkpoint(TRUNCATE)",
	                NULL, NULL, NULL),
	        SQLITE_OK);
	add_some(f->store);
	assert_int_equal(sqlite3_exec(other, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL),
	        SQLITE_OK);
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(set_many(f->store, 'b'), OK);
	assert_int_equal(store_commit(f->store), OK);
	assert_int_equal(sqlite3_exec(other,
	                         "PRAGMA wal_checkpoint(RESTART);"
	                         "CREATE TABLE brief (x); DROP TABLE brief",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	sqlite3_close(other);
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "last"), OK);
	assert_int_equal(store_commit(f->store), OK);
	fixture_close(f);
	fixture_open(f);
	assert_true(has(f->store, "a9") && has(f->store, "last"));
	assert_string_equal(store_damage(f->store), "");
}

/* A transaction larger than the page cache begins the log anew before it is undone. */
static void a_large_transaction_that_is_undone_is_no_damage(void **state)
{
	struct fixture *f = *state;
	char log[160], before[32], after[32];

	snprintf(log, sizeof(log), "%s-wal", f->path);
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(set_many(f->store, 'a'), OK);
	assert_int_equal(store_commit(f->store), OK);
	checkpoint(f->store);
	checkpoint(f->store);
	read_start(log, before, sizeof(before));
	assert_int_equal(store_begin(f->store), OK);
	for (int i = 0; i < 800; i++) {
		char name[16], value[1024];

		memset(value, 'b', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		snprintf(name, sizeof(name), "more.%d", i);
		assert_int_equal(state_set(f->store, name, value), OK);
	}
	store_rollback(f->store);
	read_start(log, after, sizeof(after));
	assert_memory_not_equal(before, after, sizeof(before));
	assert_int_equal(store_begin(f->store), OK);
	assert_int_equal(add(f->store, "after"), OK);
	assert_int_equal(store_commit(f->store), OK);
}

/* A log that lost its end between two runs: what was accepted is there, or its loss is told. */
static void a_log_that_lost_its_end_is_told(void **state)
{
	for (int i = 0; i < 5; i++) {
		void *each;
		struct fixture *f;
		char log[160];
		off_t before;
		pid_t pid;

		fixture_setup(&each);
		f = each;
		fixture_close(f);
		pid = fork();
		if (pid == 0) {
			fixture_open(f);
			add_some(f->store);
			raise(SIGKILL);
		}
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		snprintf(log, sizeof(log), "%s-wal", f->path);
		before = size_of(log);
		assert_true(before > 0);
		if (i < 4)
			assert_int_equal(
			        truncate(log, (off_t[]){0, 32, before / 2, before - 1}[i]), 0);
		fixture_open(f);
		assert_int_equal(has(f->store, "a9"), i == 4);
		assert_int_equal(store_damage(f->store)[0] != '\0', i < 4);
		fixture_close(f);
		fixture_open(f); /* told once */
		assert_string_equal(store_damage(f->store), "");
		fixture_teardown(&each);
	}
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
	assert_int_equal(alerts_by_ext_id(store, "a", NULL, &row), ERR_DAMAGED);
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
	        TEST(damaged_pages_lose_nothing_in_silence),
	        cmocka_unit_test(truncated_files_are_noticed_before_the_next_commit),
	        cmocka_unit_test_setup_teardown(a_large_transaction_that_is_undone_is_no_damage,
	                fixture_setup, fixture_teardown),
	        cmocka_unit_test_setup_teardown(
	                an_overwritten_log_is_noticed_before_the_next_commit, fixture_setup,
	                fixture_teardown),
	        TEST(an_older_copy_is_noticed_before_the_next_commit),
	        TEST(what_other_connections_do_is_no_damage),
	        cmocka_unit_test(a_log_that_lost_its_end_is_told),
	        cmocka_unit_test(replaced_files_are_noticed_at_the_commit),
	        TEST(null_where_text_must_be_is_corrupt),
	        TEST(readonly_reads_beside_the_daemon_and_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of the copy of calls off the loop: rows arrive, another config counts at once, a database
 * that is locked holds up neither the writer nor a stop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/config/secret.h"
#include "bot/delivery/calls_mirror.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

struct mirrored {
	struct looped *l;
	struct mirror *mirror; /* NULL once closed */
	sqlite3 *theirs;
};

static void theirs_exec(struct mirrored *f, const char *sql)
{
	assert_int_equal(sqlite3_exec(f->theirs, sql, NULL, NULL, NULL), SQLITE_OK);
}

static struct config *config_of(struct mirrored *f, const char *table)
{
	char *more = x_asprintf("[call_monitor]\ndatabase = %s/calls.db\ncalls_table = %s\n"
	                        "calls_columns = what, room\n",
	        f->l->folder, table);
	struct config *config = looped_config(f->l, more);

	free(more);
	return config;
}

static int setup(void **state)
{
	struct mirrored *f = x_calloc(1, sizeof(*f));
	struct config *config;
	char path[128];

	f->l = looped_begin("");
	snprintf(path, sizeof(path), "%s/calls.db", f->l->folder);
	assert_int_equal(sqlite3_open(path, &f->theirs), SQLITE_OK);
	theirs_exec(f, "CREATE TABLE one (what TEXT, room TEXT);"
	               "CREATE TABLE two (what TEXT, room TEXT)");
	config = config_of(f, "one");
	f->mirror = mirror_create(&f->l->loop, config);
	config_unref(config);
	*state = f;
	return 0;
}

static void close_mirror(struct mirrored *f)
{
	bool closed = false;

	mirror_close(f->mirror, turn_set, &closed);
	looped_until(f->l, &closed);
	f->mirror = NULL;
}

static int teardown(void **state)
{
	struct mirrored *f = *state;

	if (f->mirror)
		close_mirror(f);
	sqlite3_close(f->theirs);
	looped_end(f->l);
	free(f);
	return 0;
}

static void add(struct mirrored *f, unsigned n)
{
	struct call_row row = {.what = "send", .room = "ops", .result = "ok"};

	for (unsigned i = 0; i < n; i++)
		mirror_add(f->mirror, &row);
}

static int count(struct mirrored *f, const char *table)
{
	char *sql = x_asprintf("SELECT count(*) FROM %s", table);
	sqlite3_stmt *stmt;
	int result;

	assert_int_equal(sqlite3_prepare_v2(f->theirs, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	result = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	free(sql);
	return result;
}

static void close_writes_what_is_queued(void **state)
{
	struct mirrored *f = *state;

	add(f, 20);
	close_mirror(f);
	assert_int_equal(count(f, "one"), 20);
}

static void configure_during_row(void **state)
{
	struct mirrored *f = *state;
	struct config *fresh = config_of(f, "two");

	add(f, 3);
	for (int i = 0; i < 3; i++) /* the first is on its way, each config replaces the last */
		mirror_configure(f->mirror, fresh);
	add(f, 3);
	close_mirror(f);
	config_unref(fresh);
	assert_int_equal(count(f, "one"), 1);
	assert_int_equal(count(f, "two"), 5);
}

static void a_config_without_a_table_drops_rows(void **state)
{
	struct mirrored *f = *state;

	add(f, 3);
	mirror_configure(f->mirror, f->l->config);
	add(f, 3);
	close_mirror(f);
	assert_int_equal(count(f, "one"), 1);
}

/* 143 s it took once, of 200 ms a row. */
static void close_while_locked(void **state)
{
	struct mirrored *f = *state;
	int64_t begun_ms = clock_monotonic_ms();

	theirs_exec(f, "BEGIN EXCLUSIVE");
	add(f, 700);
	close_mirror(f);
	assert_true(clock_monotonic_ms() - begun_ms < 2000);
	theirs_exec(f, "ROLLBACK");
}

/* --- the writer beside full threads ---------------------------------------------------------- */

struct secret_job {
	uv_work_t work;
	unsigned *left;
};

static void run_secret(uv_work_t *work)
{
	struct config_secret secret = {.command = (char *)"sleep 30"};
	struct fault fault;
	char *text;

	secret_read(&secret, "token", &text, &fault);
}

static void after_secret(uv_work_t *work, int status)
{
	struct secret_job *job = work->data;

	--*job->left;
}

static enum err no_work(struct store *store, void *arg)
{
	return OK;
}

/* All of libuv's threads wait for secret commands: a commit does not. */
static void commits_go_on_while_secret_commands_hang(void **state)
{
	struct mirrored *f = *state;
	struct secret_job jobs[8];
	unsigned left = 8;
	int64_t begun_ms = clock_monotonic_ms();

	for (int i = 0; i < 8; i++) {
		jobs[i] = (struct secret_job){.work.data = &jobs[i], .left = &left};
		uv_queue_work(&f->l->loop, &jobs[i].work, run_secret, after_secret);
	}
	looped_turn(f->l, 5);
	assert_int_equal(looped_work(f->l, no_work, NULL), OK);
	assert_true(clock_monotonic_ms() - begun_ms < 5000);
	assert_int_equal(left, 8);
	secret_set_stopping(true); /* and a stop ends them */
	while (left > 0)
		uv_run(&f->l->loop, UV_RUN_ONCE);
	secret_set_stopping(false);
	assert_true(clock_monotonic_ms() - begun_ms < 5000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(close_writes_what_is_queued),
	        TEST(configure_during_row),
	        TEST(a_config_without_a_table_drops_rows),
	        TEST(close_while_locked),
	        TEST(commits_go_on_while_secret_commands_hang),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

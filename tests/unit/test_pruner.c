/*
 * Tests of the deleting of what is over the retention: batch after batch until nothing is left,
 * what a reload changes, and closing while a batch is being deleted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/schedule/pruner.h"
#include "storage/sql.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define OLD_ROWS (2 * STORE_PRUNE_MAX + 1)

struct pruned {
	struct looped *l;
	struct pruner *pruner; /* NULL once closed */
	sqlite3 *db;           /* a look from outside */
	uv_sem_t gate;
};

static int setup(void **state)
{
	struct pruned *f = x_calloc(1, sizeof(*f));

	f->l = looped_begin(""); /* [storage] is the fixture's: the default retention */
	assert_int_equal(sqlite3_open(f->l->config->storage.database, &f->db), SQLITE_OK);
	sqlite3_busy_timeout(f->db, 10000);
	uv_sem_init(&f->gate, 0);
	f->pruner = pruner_create(&f->l->loop, f->l->writer, f->l->config);
	*state = f;
	return 0;
}

static void close_pruner(struct pruned *f)
{
	bool closed = false;

	pruner_close(f->pruner, turn_set, &closed);
	looped_until(f->l, &closed);
	f->pruner = NULL;
}

static int teardown(void **state)
{
	struct pruned *f = *state;

	if (f->pruner)
		close_pruner(f);
	sqlite3_close(f->db);
	looped_end(f->l);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

/* So many rows of an audit of commands, all of 1970. */
static void add_rows(struct pruned *f, int count)
{
	char *sql = sqlite3_mprintf(
	        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
	        "INSERT INTO commands (at_ms, result, sender, command, effect) "
	        "SELECT i, 'refused', '@op:x', '!status', '' FROM n",
	        count);

	assert_int_equal(sqlite3_exec(f->db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_free(sql);
}

static int rows_left(struct pruned *f)
{
	sqlite3_stmt *stmt;
	int count;

	assert_int_equal(
	        sqlite3_prepare_v2(f->db, "SELECT count(*) FROM commands", -1, &stmt, NULL),
	        SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	count = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return count;
}

static bool is_empty(void *arg)
{
	return rows_left(arg) == 0;
}

/* The second and third batch do not wait for the next look in five minutes. */
static void goes_on_while_there_is_more(void **state)
{
	struct pruned *f = *state;

	add_rows(f, OLD_ROWS);
	looped_wait(f->l, is_empty, f);
}

#define SLOW_MS 100

struct slow_batches {
	int64_t end_ms[4]; /* monotonic; of each batch */
	int64_t begin_ms[4];
	int len;
};

/* Called for each deleted row: the first of a batch takes its time. */
static void slow_down(sqlite3_context *context, int argc, sqlite3_value **argv)
{
	struct slow_batches *slow = sqlite3_user_data(context);

	if (sqlite3_value_int(argv[0]) % STORE_PRUNE_MAX != 1 || slow->len == 4)
		return;
	slow->begin_ms[slow->len] = clock_monotonic_ms();
	usleep(SLOW_MS * 1000);
	slow->end_ms[slow->len++] = clock_monotonic_ms();
}

/* Most of the writer's time is left for alerts, however long a batch takes. */
static void pauses_in_proportion(void **state)
{
	struct pruned *f = *state;
	struct slow_batches slow = {.len = 0};

	assert_int_equal(sqlite3_exec(f->db,
	                         "CREATE TRIGGER slow AFTER DELETE ON commands BEGIN SELECT "
	                         "slow_down(OLD.at_ms); END",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	assert_int_equal(sqlite3_create_function(f->l->store->db, "slow_down", 1,
	                         SQLITE_UTF8 | SQLITE_INNOCUOUS, &slow, slow_down, NULL, NULL),
	        SQLITE_OK);
	add_rows(f, OLD_ROWS);
	looped_wait(f->l, is_empty, f);
	assert_int_equal(slow.len, 3);
	for (int i = 1; i < slow.len; i++)
		assert_true(slow.begin_ms[i] - slow.end_ms[i - 1] >= 3 * SLOW_MS);
}

static bool is_working(void *arg)
{
	struct pruned *f = arg;

	return writer_pending(f->l->writer) >= 2; /* the gate, and a batch */
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct pruned *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

/* The writer stands still with a batch behind it. */
static void hold_with_a_batch(struct pruned *f)
{
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	looped_wait(f->l, is_working, f);
}

static void close_during_batch(void **state)
{
	struct pruned *f = *state;
	bool closed = false;

	add_rows(f, OLD_ROWS);
	hold_with_a_batch(f);
	pruner_close(f->pruner, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	uv_sem_post(&f->gate);
	looped_until(f->l, &closed);
	f->pruner = NULL;
	assert_int_equal(rows_left(f), OLD_ROWS - STORE_PRUNE_MAX); /* its batch, and no other */
}

static void reload_during_batch(void **state)
{
	struct pruned *f = *state;
	struct config *fresh = looped_config(f->l, "[heartbeat]\nat = 12:00\n");

	add_rows(f, OLD_ROWS);
	hold_with_a_batch(f);
	pruner_configure(f->pruner, fresh);
	pruner_configure(f->pruner, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	looped_wait(f->l, is_empty, f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(goes_on_while_there_is_more),
	        TEST(pauses_in_proportion),
	        TEST(close_during_batch),
	        TEST(reload_during_batch),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

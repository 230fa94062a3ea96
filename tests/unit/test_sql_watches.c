/*
 * Tests of the driver of SQL watches: a result becomes an alert, and reloading and closing while a
 * query runs or its result is being stored.
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
#include "bot/schedule/sql_watches.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define FOREVER                                                                                   \
	"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)" \
	" SELECT count(*) AS count FROM n"
#define STOCK "SELECT name, stock FROM goods WHERE stock < 5"

struct watched {
	struct looped *l;
	struct courier *courier;
	struct sql_watches *watches; /* NULL once closed */
	unsigned happened;
	uv_sem_t gate;
};

static void on_happened(json_t *event, void *arg)
{
	struct watched *f = arg;

	f->happened++;
	json_decref(event);
}

static struct config *config_of(struct watched *f, const char *sql)
{
	char *more = x_asprintf(
	        "[watch goods]\ndatabase = %s/shop.db\nsql = %s\nevery = 1s\n", f->l->folder, sql);
	struct config *config = looped_config(f->l, more);

	free(more);
	return config;
}

static void open_watches(struct watched *f, const char *sql)
{
	struct sql_watches_env env = {
	        .loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .on_happened = on_happened,
	        .arg = f,
	};
	struct config *config = config_of(f, sql);

	f->watches = sql_watches_create(&env, config);
	config_unref(config);
}

static int setup(void **state)
{
	struct watched *f = x_calloc(1, sizeof(*f));
	struct courier_events events = {0};
	char path[128];
	sqlite3 *db;

	f->l = looped_begin("");
	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &events);
	uv_sem_init(&f->gate, 0);
	snprintf(path, sizeof(path), "%s/shop.db", f->l->folder);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
	                         "CREATE TABLE goods (name TEXT, stock INTEGER);"
	                         "INSERT INTO goods VALUES ('apple', 3)",
	                         NULL, NULL, NULL),
	        SQLITE_OK);
	sqlite3_close(db);
	*state = f;
	return 0;
}

static void close_watches(struct watched *f)
{
	bool closed = false;

	sql_watches_close(f->watches, turn_set, &closed);
	looped_until(f->l, &closed);
	f->watches = NULL;
}

static int teardown(void **state)
{
	struct watched *f = *state;
	bool closed = false;

	if (f->watches)
		close_watches(f);
	courier_close(f->courier, turn_set, &closed);
	looped_until(f->l, &closed);
	looped_end(f->l);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

static bool has_happened(void *arg)
{
	const struct watched *f = arg;

	return f->happened > 0;
}

/* Asks the thing itself. */
static struct report_watch first_of(struct watched *f)
{
	size_t len;
	struct report_watch *list = sql_watches_report(f->watches, &len), first;

	assert_int_equal(len, 1);
	first = list[0];
	free(list);
	return first;
}

static bool has_begun(void *arg)
{
	return first_of(arg).last_ms > 0;
}

static bool fires(void *arg)
{
	return first_of(arg).firing > 0;
}

static void a_row_is_an_alert(void **state)
{
	struct watched *f = *state;

	open_watches(f, STOCK);
	looped_wait(f->l, fires, f);
	assert_true(has_happened(f));
	assert_string_equal(first_of(f).problem, "");
}

static void close_during_query(void **state)
{
	struct watched *f = *state;
	int64_t begun_ms;

	open_watches(f, FOREVER);
	looped_wait(f->l, has_begun, f);
	begun_ms = clock_monotonic_ms();
	close_watches(f);
	assert_true(clock_monotonic_ms() - begun_ms < 2000); /* the query may take 5 s */
	assert_int_equal(f->happened, 0);
}

static void reload_during_query(void **state)
{
	struct watched *f = *state;
	struct config *fresh;

	open_watches(f, FOREVER);
	looped_wait(f->l, has_begun, f);
	fresh = config_of(f, STOCK);
	sql_watches_configure(f->watches, fresh);
	config_unref(fresh);
	looped_wait(f->l, fires, f); /* at once, not when the old one is through */
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct watched *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

/* The writer stands still with the query's result behind it. */
static void hold_with_a_result(struct watched *f)
{
	open_watches(f, STOCK);
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	looped_wait(f->l, has_begun, f);
	for (int i = 0; i < 200 && writer_pending(f->l->writer) < 2; i++)
		uv_run(&f->l->loop, UV_RUN_ONCE);
	assert_true(writer_pending(f->l->writer) >= 2);
}

static void close_during_apply(void **state)
{
	struct watched *f = *state;
	bool closed = false;

	hold_with_a_result(f);
	sql_watches_close(f->watches, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	uv_sem_post(&f->gate);
	looped_until(f->l, &closed);
	f->watches = NULL;
}

static void reload_during_apply(void **state)
{
	struct watched *f = *state;
	struct config *fresh;

	hold_with_a_result(f);
	fresh = config_of(f, "SELECT name, stock FROM goods WHERE stock < 4");
	sql_watches_configure(f->watches, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	looped_wait(f->l, fires, f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_row_is_an_alert),
	        TEST(close_during_query),
	        TEST(reload_during_query),
	        TEST(close_during_apply),
	        TEST(reload_during_apply),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

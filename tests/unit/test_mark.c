/*
 * Tests of the mark that the vault leaves with the homeserver at each start, by which it sees that
 * the database was put back from a backup: the mark as it should be, one that the database does not
 * know, a homeserver that refuses or fails, a store that refuses, and closing at each step.
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
#include "bot/vault/vault_internal.h"
#include "storage/keys.h"
#include "storage/state.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define MARK "/v3/user/%40bot%3Afake.local/account_data/org.matrix-telemetry-bot.run.DEV1"
#define NONE "{\"errcode\":\"M_NOT_FOUND\"}"

struct marked {
	struct looped *l;
	struct vault *vault; /* NULL once closed */
	char stored[64];     /* what the store said */
	bool open;
};

static void on_settled(void *arg)
{
	struct marked *f = arg;

	f->open = true;
}

static void on_change(void *arg)
{
}

static struct member_list *members(const char *room_id, void *arg)
{
	return NULL;
}

static void open_vault(struct marked *f)
{
	struct vault_events events = {on_settled, on_change, members, f};

	f->open = false;
	f->vault = vault_create(&f->l->loop, f->l->writer, f->l->config, &events);
	vault_set_online(f->vault, f->l->mx, NULL, FIXTURE_USER, "DEV1", false);
	looped_until(f->l, &f->open);
}

static void close_vault(struct marked *f)
{
	bool closed = false;

	vault_close(f->vault, turn_set, &closed);
	looped_until(f->l, &closed);
	f->vault = NULL;
}

static int setup(void **state)
{
	struct marked *f = x_calloc(1, sizeof(*f));

	f->l = looped_begin("");
	looped_client(f->l);
	looped_good_homeserver();
	script_rule("GET", MARK, 200, NULL); /* waits for the test */
	script_rule("PUT", MARK, 200, NULL);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct marked *f = *state;

	if (f->vault)
		close_vault(f);
	looped_end(f->l);
	free(f);
	return 0;
}

static enum err read_mark(struct store *store, void *arg)
{
	struct marked *f = arg;
	char *value = NULL;
	enum err err = state_get(store, "vault.mark", &value);

	snprintf(f->stored, sizeof(f->stored), "%s", err == OK ? value : "");
	free(value);
	return err == ERR_NOT_FOUND ? OK : err;
}

/* The mark in the database, "" = none. */
static const char *stored_mark(struct marked *f)
{
	assert_int_equal(looped_work(f->l, read_mark, f), OK);
	return f->stored;
}

static bool has_new_mark(void *arg)
{
	struct marked *f = arg;
	char before[64];

	strcpy(before, f->stored);
	return strcmp(stored_mark(f), before) != 0;
}

/* What another start's session with a device looks like to the store. */
static enum err put_session(struct store *store, void *arg)
{
	return keys_put(store, "olm", "curve/session", "{}");
}

static enum err read_session(struct store *store, void *arg)
{
	struct marked *f = arg;
	char *value = NULL;
	enum err err = keys_get(store, "olm", "curve/session", &value);

	snprintf(f->stored, sizeof(f->stored), "%s", err == OK ? value : "");
	free(value);
	return err;
}

static bool session_is_stale(struct marked *f)
{
	assert_int_equal(looped_work(f->l, read_session, f), OK);
	return strstr(f->stored, "stale");
}

/* One whole exchange; the mark that was left, which the caller frees. */
static char *leave_mark(struct marked *f, int status, const char *theirs)
{
	struct http_request *put;
	char *fresh;

	if (status == 200)
		script_answer(script_wait("GET", MARK), 200, "{\"run\":\"%s\"}", theirs);
	else
		script_answer(script_wait("GET", MARK), status, NONE);
	put = script_wait("PUT", MARK);
	fresh = x_strdup(script_member(put, "run"));
	stored_mark(f);
	script_answer(put, 200, "{}");
	looped_wait(f->l, has_new_mark, f);
	assert_string_equal(f->stored, fresh);
	return fresh;
}

static void each_start_leaves_another(void **state)
{
	struct marked *f = *state;
	char *first, *second;

	assert_int_equal(looped_work(f->l, put_session, NULL), OK);
	open_vault(f);
	first = leave_mark(f, 404, NULL);
	assert_true(strlen(first) >= 16);
	close_vault(f);
	open_vault(f);
	second = leave_mark(f, 200, first);
	assert_string_not_equal(first, second);
	assert_false(session_is_stale(f));
	free(first);
	free(second);
}

static void database_of_a_backup_gets_new_sessions(void **state)
{
	struct marked *f = *state;

	assert_int_equal(looped_work(f->l, put_session, NULL), OK);
	open_vault(f);
	free(leave_mark(f, 200, "of-a-later-run"));
	assert_true(session_is_stale(f));
}

/* The process died between leaving the mark and storing that it was left: both are known. */
static void death_before_it_is_stored_is_no_backup(void **state)
{
	struct marked *f = *state;
	struct http_request *put;
	char *left;

	assert_int_equal(looped_work(f->l, put_session, NULL), OK);
	open_vault(f);
	free(leave_mark(f, 404, NULL));
	close_vault(f);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 200, "{\"run\":\"%s\"}", stored_mark(f));
	put = script_wait("PUT", MARK);
	left = x_strdup(script_member(put, "run"));
	script_fail(put, ERR_NET, true); /* it arrived all the same */
	close_vault(f);
	open_vault(f);
	free(leave_mark(f, 200, left));
	assert_false(session_is_stale(f));
	free(left);
}

static bool gave_up(void *arg)
{
	struct marked *f = arg;

	return session_is_stale(f);
}

/* A homeserver that keeps no account data: as after a backup, and encrypted rooms do not wait. */
static void refused_goes_on_without(void **state)
{
	struct marked *f = *state;

	assert_int_equal(looped_work(f->l, put_session, NULL), OK);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	looped_wait(f->l, gave_up, f);
	looped_turn(f->l, 5);
	assert_null(strstr(f->vault->problems[VAULT_MARK], "backup"));
	assert_int_equal(script_count("GET", MARK), 1); /* not again right away */
}

static void refused_when_it_is_left_goes_on_without(void **state)
{
	struct marked *f = *state;

	assert_int_equal(looped_work(f->l, put_session, NULL), OK);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	script_answer(script_wait("PUT", MARK), 413, "{\"errcode\":\"M_TOO_LARGE\"}");
	looped_wait(f->l, gave_up, f);
}

static void failure_is_told_and_tried_again(void **state)
{
	struct marked *f = *state;

	open_vault(f);
	script_fail(script_wait("GET", MARK), ERR_TIMEOUT, true);
	looped_turn(f->l, 5);
	assert_non_null(strstr(f->vault->problems[VAULT_MARK], "backup"));
	free(leave_mark(f, 404, NULL));
	assert_null(strstr(f->vault->problems[VAULT_MARK], "backup"));
}

static void run_sql(struct marked *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->l->config->storage.database, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 10000);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* A write that fails is tried again by itself, not with the next start. */
static void store_that_refuses_is_tried_again(void **state)
{
	struct marked *f = *state;

	run_sql(f, "CREATE TRIGGER refuse BEFORE INSERT ON state WHEN NEW.name = 'vault.mark' "
	           "BEGIN SELECT RAISE(ABORT, 'no'); END");
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	script_answer(script_wait("PUT", MARK), 200, "{}");
	free(x_strdup(stored_mark(f))); /* behind the job that fails */
	looped_turn(f->l, 5);
	assert_string_equal(f->stored, "");
	assert_non_null(strstr(f->vault->problems[VAULT_MARK], "backup"));
	run_sql(f, "DROP TRIGGER refuse");
	free(leave_mark(f, 404, NULL));
}

/* The same of the write before it, while nothing is left at the homeserver yet. */
static void store_that_refuses_the_comparison_is_tried_again(void **state)
{
	struct marked *f = *state;

	run_sql(f, "CREATE TRIGGER refuse BEFORE INSERT ON state WHEN NEW.name = 'vault.mark_next' "
	           "BEGIN SELECT RAISE(ABORT, 'no'); END");
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	free(x_strdup(stored_mark(f))); /* behind the job that fails */
	looped_turn(f->l, 5);
	assert_non_null(strstr(f->vault->problems[VAULT_MARK], "backup"));
	run_sql(f, "DROP TRIGGER refuse");
	free(leave_mark(f, 404, NULL));
}

static void close_at_each_step(void **state)
{
	struct marked *f = *state;

	open_vault(f);
	close_vault(f); /* before anything is asked, or while it is */
	open_vault(f);
	script_wait("GET", MARK);
	close_vault(f);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	close_vault(f);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	script_wait("PUT", MARK);
	close_vault(f);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 404, NONE);
	script_answer(script_wait("PUT", MARK), 200, "{}");
	close_vault(f);
	open_vault(f);
	script_answer(script_wait("GET", MARK), 403, "{}");
	close_vault(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(each_start_leaves_another),
	        TEST(database_of_a_backup_gets_new_sessions),
	        TEST(death_before_it_is_stored_is_no_backup),
	        TEST(refused_goes_on_without),
	        TEST(refused_when_it_is_left_goes_on_without),
	        TEST(failure_is_told_and_tried_again),
	        TEST(store_that_refuses_is_tried_again),
	        TEST(store_that_refuses_the_comparison_is_tried_again),
	        TEST(close_at_each_step),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

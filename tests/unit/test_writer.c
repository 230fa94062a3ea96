/*
 * Tests of the grouped commits: one a turn of the loop, jobs that fail alone, orders, and closing
 * at any time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "tests/unit/store_fixture.h"
#include "bot/loop/writer.h"
#include "storage/sql.h"
#include "storage/state.h"

struct looped {
	uv_loop_t loop;
	struct fixture *f;
	struct writer *writer; /* NULL once closed */
	char order[64];        /* letters of the jobs in the order of their done() */
	char worked[64];       /* likewise of work(); the thread's until done() */
	int commits;
};

struct job {
	struct looped *l;
	char letter;
	enum err fail_with; /* what work() returns after its insert */
	bool drop;          /* SQLite ends the transaction under the job */
	uv_sem_t *gate;     /* work() waits for it */
	struct job *again;  /* submitted by done() */
	bool close;         /* done() closes the writer */
	enum err result;
	char message[256];
	int done;
};

static int on_commit(void *arg)
{
	++*(int *)arg;
	return 0;
}

static int setup(void **state)
{
	struct looped *l = calloc(1, sizeof(*l));
	void *store;

	assert_non_null(l);
	fixture_setup(&store);
	l->f = store;
	assert_int_equal(uv_loop_init(&l->loop), 0);
	l->writer = writer_create(&l->loop, l->f->store);
	sqlite3_commit_hook(l->f->store->db, on_commit, &l->commits);
	*state = l;
	return 0;
}

static void on_closed(void *arg)
{
	struct looped *l = arg;

	assert_non_null(l->writer);
	l->writer = NULL;
}

static int teardown(void **state)
{
	struct looped *l = *state;
	void *store = l->f;

	if (l->writer) {
		writer_close(l->writer, on_closed, l);
		uv_run(&l->loop, UV_RUN_DEFAULT);
	}
	assert_null(l->writer);
	assert_int_equal(uv_loop_close(&l->loop), 0);
	fixture_teardown(&store);
	free(l);
	return 0;
}

static void add_letter(char *text, char letter)
{
	size_t len = strlen(text);

	text[len] = letter;
	text[len + 1] = '\0';
}

/* The writer's thread. */
static enum err work(struct store *store, void *arg)
{
	struct job *job = arg;
	char ext_id[2] = {job->letter, '\0'};
	struct alert_row in = fixture_alert();
	enum err err;

	if (job->gate)
		uv_sem_wait(job->gate);
	add_letter(job->l->worked, job->letter);
	in.ext_id = ext_id;
	err = alerts_insert(store, &in);
	if (job->drop) {
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
		store->lost = ERR_FULL;
		return ERR_FULL;
	}
	return err != OK ? err : job->fail_with;
}

static void done(enum err result, const char *message, void *arg)
{
	struct job *job = arg;

	job->done++;
	job->result = result;
	snprintf(job->message, sizeof(job->message), "%s", message);
	add_letter(job->l->order, job->letter);
	if (job->again)
		writer_submit(job->l->writer, work, done, job->again);
	if (job->close)
		writer_close(job->l->writer, on_closed, job->l);
}

static void submit(struct job *job)
{
	writer_submit(job->l->writer, work, done, job);
	assert_int_equal(job->done, 0);
}

static bool stored(struct looped *l, char letter)
{
	char ext_id[2] = {letter, '\0'};
	struct alert_row row;
	enum err err = alerts_by_ext_id(l->f->store, ext_id, NULL, &row);

	alert_row_finish(&row);
	assert_true(err == OK || err == ERR_NOT_FOUND);
	return err == OK;
}

static void jobs_of_a_turn_share_one_commit(void **state)
{
	struct looped *l = *state;
	struct job jobs[20];

	for (int i = 0; i < 20; i++) {
		jobs[i] = (struct job){.l = l, .letter = (char)('a' + i)};
		submit(&jobs[i]);
	}
	assert_int_equal(writer_pending(l->writer), 20);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(writer_pending(l->writer), 0);
	assert_int_equal(l->commits, 1);
	assert_int_equal(writer_batches(l->writer), 1);
	assert_string_equal(l->order, "abcdefghijklmnopqrst");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_int_equal(jobs[i].result, OK);
		assert_string_equal(jobs[i].message, "");
		assert_true(stored(l, jobs[i].letter));
	}
}

static void failing_job_is_undone_alone(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'},
	           b = {.l = l, .letter = 'b', .fail_with = ERR_DENIED},
	           c = {.l = l, .letter = 'c'}, again = {.l = l, .letter = 'a'};

	submit(&a);
	submit(&b);
	submit(&c);
	submit(&again); /* the same ext_id */
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(l->commits, 1);
	assert_int_equal(a.result, OK);
	assert_int_equal(b.result, ERR_DENIED);
	assert_int_equal(c.result, OK);
	assert_int_equal(again.result, ERR_EXISTS);
	assert_non_null(strstr(again.message, "UNIQUE"));
	assert_true(stored(l, 'a'));
	assert_false(stored(l, 'b'));
	assert_true(stored(l, 'c'));
	assert_string_equal(l->order, "abca");
}

static void tail_jobs_run_last(void **state)
{
	struct looped *l = *state;
	struct job x = {.l = l, .letter = 'x'}, a = {.l = l, .letter = 'a'},
	           y = {.l = l, .letter = 'y'}, b = {.l = l, .letter = 'b'};

	writer_submit_tail(l->writer, work, done, &x);
	submit(&a);
	writer_submit_tail(l->writer, work, done, &y);
	submit(&b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(l->commits, 1);
	assert_string_equal(l->worked, "abxy");
	assert_string_equal(l->order, "abxy");
	x.letter = 'z';
	x.done = 0;
	writer_submit_tail(l->writer, work, done, &x); /* alone */
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_string_equal(l->order, "abxyz");
	assert_int_equal(l->commits, 2);
}

#define LONG_MS (3600 * 1000)

/* They begin no batch, and are in the store before anything else. */
static void lazy_jobs_come_first_in_the_next_batch(void **state)
{
	struct looped *l = *state;
	struct job m = {.l = l, .letter = 'm'}, x = {.l = l, .letter = 'x'},
	           a = {.l = l, .letter = 'a', .close = true}, n = {.l = l, .letter = 'n'};

	writer_submit_lazily(l->writer, LONG_MS, work, done, &m);
	writer_submit_lazily(l->writer, LONG_MS, work, done, &n);
	for (int i = 0; i < 5; i++)
		uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(writer_pending(l->writer), 2);
	assert_int_equal(l->commits, 0);
	writer_submit_tail(l->writer, work, done, &x);
	submit(&a);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_string_equal(l->worked, "mnax");
	assert_string_equal(l->order, "mnax");
	assert_int_equal(l->commits, 1);
}

static void lazy_jobs_run_when_their_time_has_come(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'};

	writer_submit_lazily(l->writer, LONG_MS, work, done, &a);
	writer_submit_lazily(l->writer, 1, work, done, &b); /* sooner than the first */
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_string_equal(l->order, "ab");
	assert_int_equal(l->commits, 1);
}

static void hurry_and_close_do_not_wait_for_lazy_jobs(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'};

	writer_hurry(l->writer); /* of nothing */
	writer_submit_lazily(l->writer, LONG_MS, work, done, &a);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(writer_pending(l->writer), 1);
	writer_hurry(l->writer);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_string_equal(l->order, "a");
	writer_submit_lazily(l->writer, LONG_MS, work, done, &b);
	writer_close(l->writer, on_closed, l);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_null(l->writer);
	assert_true(stored(l, 'b'));
}

static void jobs_that_arrive_meanwhile_make_the_next_batch(void **state)
{
	struct looped *l = *state;
	struct job c = {.l = l, .letter = 'c'}, a = {.l = l, .letter = 'a', .again = &c},
	           b = {.l = l, .letter = 'b'};

	submit(&a);
	submit(&b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_string_equal(l->order, "abc");
	assert_int_equal(l->commits, 2);
	assert_int_equal(writer_batches(l->writer), 2);
	assert_true(stored(l, 'c'));
}

/* The commit itself fails: nobody is told OK. */
static int refuse(void *arg)
{
	return 1; /* SQLite rolls back */
}

static void failed_commit_fails_every_job(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'},
	           b = {.l = l, .letter = 'b', .fail_with = ERR_DENIED},
	           c = {.l = l, .letter = 'c'};

	sqlite3_commit_hook(l->f->store->db, refuse, NULL);
	submit(&a);
	submit(&b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_not_equal(a.result, OK);
	assert_int_equal(b.result, a.result);
	assert_string_not_equal(a.message, "");
	assert_string_equal(l->order, "ab");
	assert_false(stored(l, 'a'));
	sqlite3_commit_hook(l->f->store->db, on_commit, &l->commits);
	submit(&c);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(c.result, OK);
	assert_true(stored(l, 'c'));
}

static void on_replaced(const char *message, void *arg)
{
	snprintf(arg, 256, "%s", message);
}

/* The database is gone under its name: nobody is told OK, and the owner hears of it. */
static void a_database_that_is_gone_is_told_to_all(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'};
	char told[256] = "";

	writer_set_replaced(l->writer, on_replaced, told);
	assert_int_equal(unlink(l->f->path), 0);
	submit(&a);
	submit(&b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(a.result, ERR_REPLACED);
	assert_int_equal(b.result, ERR_REPLACED);
	assert_non_null(strstr(told, l->f->path));
}

static void full_disk_in_one_job_fails_the_whole_batch(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b', .drop = true},
	           c = {.l = l, .letter = 'c'};

	submit(&a);
	submit(&b);
	submit(&c);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(a.result, ERR_FULL);
	assert_int_equal(b.result, ERR_FULL);
	assert_int_equal(c.result, ERR_FULL);
	assert_string_equal(l->worked, "ab");
	assert_string_equal(l->order, "abc");
	assert_false(stored(l, 'a'));
	assert_false(stored(l, 'c'));
	assert_int_equal(l->commits, 0);
}

/* The writer's thread. Fills the database to its last page. */
static enum err fill(struct store *store, void *arg)
{
	char fields[8192];
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

static void really_full_database_is_told_to_all(void **state)
{
	struct looped *l = *state;
	sqlite3 *db = l->f->store->db;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'},
	           c = {.l = l, .letter = 'c'};

	assert_int_equal(
	        sqlite3_exec(db, "PRAGMA max_page_count = 60", NULL, NULL, NULL), SQLITE_OK);
	submit(&a);
	writer_submit(l->writer, fill, done, &b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(b.result, ERR_FULL);
	assert_int_equal(a.result, ERR_FULL); /* SQLite ended the transaction under b */
	assert_false(stored(l, 'a'));
	assert_int_equal(
	        sqlite3_exec(db, "PRAGMA max_page_count = 100000", NULL, NULL, NULL), SQLITE_OK);
	submit(&c);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(c.result, OK);
	assert_true(stored(l, 'c'));
}

static void close_works_off_what_is_queued(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'};

	submit(&a);
	submit(&b);
	writer_close(l->writer, on_closed, l);
	assert_non_null(l->writer); /* not before it returned */
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_null(l->writer);
	assert_string_equal(l->order, "ab");
	assert_int_equal(a.result, OK);
	assert_true(stored(l, 'b'));
}

static void close_while_a_batch_is_under_way(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a'}, b = {.l = l, .letter = 'b'};
	uv_sem_t gate;

	assert_int_equal(uv_sem_init(&gate, 0), 0);
	a.gate = &gate;
	submit(&a);
	uv_run(&l->loop, UV_RUN_NOWAIT); /* hands the batch to the thread, where it stands still */
	submit(&b);
	assert_int_equal(writer_pending(l->writer), 2);
	writer_close(l->writer, on_closed, l);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_non_null(l->writer);
	uv_sem_post(&gate);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_null(l->writer);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done, 1);
	assert_int_equal(l->commits, 2);
	uv_sem_destroy(&gate);
}

static void close_in_done_still_takes_what_done_submits(void **state)
{
	struct looped *l = *state;
	struct job d = {.l = l, .letter = 'd'}, c = {.l = l, .letter = 'c', .again = &d},
	           a = {.l = l, .letter = 'a', .close = true, .again = &c},
	           b = {.l = l, .letter = 'b'};

	submit(&a);
	submit(&b);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_null(l->writer);
	assert_string_equal(l->order, "abcd");
	assert_true(stored(l, 'd'));
}

static void close_when_idle(void **state)
{
	struct looped *l = *state;

	writer_close(l->writer, on_closed, l);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_null(l->writer);
}

/* Another prepare callback is the worst moment: the loop is about to block. */
static void submit_from_prepare(uv_prepare_t *prepare)
{
	submit(prepare->data);
	uv_close((uv_handle_t *)prepare, NULL);
}

static void submit_from_anywhere_wakes_the_loop(void **state)
{
	struct looped *l = *state;
	struct job a = {.l = l, .letter = 'a', .close = true};
	uv_prepare_t prepare;

	assert_int_equal(uv_prepare_init(&l->loop, &prepare), 0);
	prepare.data = &a;
	uv_prepare_start(&prepare, submit_from_prepare);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(a.done, 1);
}

/* ---- rest ---- */

static unsigned trimmed;

/* In the place of libc's, so that the test sees it. */
int malloc_trim(size_t pad);
struct mallinfo2 mallinfo2(void);

int malloc_trim(size_t pad)
{
	trimmed++;
	return 1;
}

struct mallinfo2 mallinfo2(void)
{
	return (struct mallinfo2){.fordblks = 16 << 20};
}

static enum err read_work(struct store *store, void *arg)
{
	char *value;

	state_get(store, "none", &value);
	return OK;
}

static enum err write_work(struct store *store, void *arg)
{
	return state_set(store, "name", "value");
}

static void read_done(enum err result, const char *message, void *arg)
{
	assert_int_equal(result, OK);
}

static unsigned selects_prepared(const struct looped *l)
{
	unsigned count = 0;

	for (sqlite3_stmt *stmt = NULL; (stmt = sqlite3_next_stmt(l->f->store->db, stmt));)
		count += strncmp(sqlite3_sql(stmt), "SELECT", 6) == 0;
	return count;
}

static void stop_after_two_batches(uv_timer_t *timer)
{
	const struct looped *l = timer->data;

	if (writer_batches(l->writer) >= 2)
		uv_close((uv_handle_t *)timer, NULL);
}

/* The regular looks of an idle daemon leave nothing behind, and no rest follows a rest. */
static void what_only_reads_is_followed_by_a_rest(void **state)
{
	struct looped *l = *state;
	uv_timer_t timer;

	timer.data = l;
	uv_timer_init(&l->loop, &timer);
	writer_submit(l->writer, read_work, read_done, l);
	while (writer_batches(l->writer) < 1)
		uv_run(&l->loop, UV_RUN_ONCE);
	assert_int_equal(selects_prepared(l), 1);
	uv_timer_start(&timer, stop_after_two_batches, 1, 5);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	assert_int_equal(selects_prepared(l), 0);
	assert_int_equal(writer_pending(l->writer), 0);
	uv_run(&l->loop, UV_RUN_NOWAIT);
	assert_int_equal(writer_batches(l->writer), 2);
	assert_int_equal(trimmed, 1); /* free memory goes back to the system */
}

static void find_rest(uv_handle_t *handle, void *arg)
{
	int64_t *due_ms = arg;

	if (handle->type == UV_TIMER && uv_is_active(handle))
		*due_ms = (int64_t)uv_timer_get_due_in((uv_timer_t *)handle);
}

/* After writing, memory goes back within seconds. */
static void what_writes_is_followed_by_a_rest(void **state)
{
	struct looped *l = *state;
	int64_t due_ms = -1;

	writer_submit(l->writer, write_work, read_done, l);
	while (writer_batches(l->writer) < 1)
		uv_run(&l->loop, UV_RUN_ONCE);
	uv_walk(&l->loop, find_rest, &due_ms);
	assert_in_range(due_ms, 1000, 15000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(jobs_of_a_turn_share_one_commit),
	        TEST(failing_job_is_undone_alone),
	        TEST(tail_jobs_run_last),
	        TEST(lazy_jobs_come_first_in_the_next_batch),
	        TEST(lazy_jobs_run_when_their_time_has_come),
	        TEST(hurry_and_close_do_not_wait_for_lazy_jobs),
	        TEST(jobs_that_arrive_meanwhile_make_the_next_batch),
	        TEST(failed_commit_fails_every_job),
	        TEST(a_database_that_is_gone_is_told_to_all),
	        TEST(full_disk_in_one_job_fails_the_whole_batch),
	        TEST(really_full_database_is_told_to_all),
	        TEST(close_works_off_what_is_queued),
	        TEST(close_while_a_batch_is_under_way),
	        TEST(close_in_done_still_takes_what_done_submits),
	        TEST(close_when_idle),
	        TEST(submit_from_anywhere_wakes_the_loop),
	        TEST(what_only_reads_is_followed_by_a_rest),
	        TEST(what_writes_is_followed_by_a_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of what falls due by itself: an alert's silence that ends, the heartbeat, and reloading and
 * closing while either is being looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/log.h"
#include "bot/schedule/duty.h"
#include "storage/silences.h"
#include "storage/sql.h"
#include "tests/unit/log_lines.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

struct dutiful {
	struct looped *l;
	struct courier *courier;
	struct meta *meta;
	struct duty *duty; /* NULL once closed */
	char happened[256];
	uv_sem_t gate;
};

static void on_status(struct report_status *status, void *arg)
{
	status->rooms = x_calloc(1, sizeof(*status->rooms));
}

static void on_happened(json_t *event, void *arg)
{
	struct dutiful *f = arg;
	size_t len = strlen(f->happened);

	snprintf(f->happened + len, sizeof(f->happened) - len, "%s ",
	        json_string_value(json_object_get(event, "event")));
	json_decref(event);
}

static int setup(void **state)
{
	struct dutiful *f = x_calloc(1, sizeof(*f));
	struct courier_events events = {0};
	struct duty_env env;

	f->l = looped_begin("[heartbeat]\nat = 00:00\ngrace = 5m\n");
	uv_sem_init(&f->gate, 0);
	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &events);
	f->meta = meta_create(&f->l->loop, f->l->config);
	env = (struct duty_env){
	        .loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .meta = f->meta,
	        .on_status = on_status,
	        .on_happened = on_happened,
	        .arg = f,
	};
	f->duty = duty_create(&env, f->l->config);
	*state = f;
	return 0;
}

static void close_duty(struct dutiful *f)
{
	bool closed = false;

	duty_close(f->duty, turn_set, &closed);
	looped_until(f->l, &closed);
	f->duty = NULL;
}

static int teardown(void **state)
{
	struct dutiful *f = *state;
	bool courier_closed = false, meta_closed = false;

	if (f->duty)
		close_duty(f);
	courier_close(f->courier, turn_set, &courier_closed);
	looped_until(f->l, &courier_closed);
	meta_close(f->meta, turn_set, &meta_closed);
	looped_until(f->l, &meta_closed);
	looped_end(f->l);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct dutiful *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

static bool looks_wait(void *arg)
{
	const struct dutiful *f = arg;

	return writer_pending(f->l->writer) >= 3; /* the gate, and both looks */
}

/* The writer stands still with both looks behind it. */
static void hold_with_looks(struct dutiful *f)
{
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	looped_wait(f->l, looks_wait, f);
}

static enum err silence_ended(struct store *store, void *arg)
{
	struct silence_row row = {
	        .at_ms = 1,
	        .start_ms = 1,
	        .end_ms = clock_now_ms() - 1,
	        .matchers = (char *)"app=\"etl\"",
	        .reason = (char *)"deploy",
	        .author = (char *)"@op:fake.local",
	        .room = (char *)"ops",
	};

	return silences_insert(store, &row);
}

static bool is_unsilenced(void *arg)
{
	const struct dutiful *f = arg;

	return strstr(f->happened, "unsilenced ");
}

static void a_silence_ends(void **state)
{
	struct dutiful *f = *state;

	assert_int_equal(looped_work(f->l, silence_ended, NULL), OK);
	looped_wait(f->l, is_unsilenced, f);
}

static enum err no_work(struct store *store, void *arg)
{
	return OK;
}

static void on_room(const struct room *room, void *arg)
{
}

static bool nothing_waits(void *arg)
{
	const struct dutiful *f = arg;

	return writer_pending(f->l->writer) == 0;
}

/* In the same commit, and in no batch of its own: this happens every few seconds, for ever. */
static void what_a_look_puts_into_the_queue_is_chosen_with_it(void **state)
{
	struct dutiful *f = *state;
	struct rooms_events events = {.on_room = on_room};
	struct rooms *rooms;
	uint64_t batches;
	bool closed = false;

	looped_client(f->l);
	rooms = rooms_create(&f->l->loop, f->l->mx, FIXTURE_USER, &events);
	courier_set_online(f->courier, f->l->mx, rooms, FIXTURE_USER, "DEV1");
	looped_work(f->l, no_work, NULL); /* with it the first choice is over */
	hold_with_looks(f);
	batches = writer_batches(f->l->writer);
	uv_sem_post(&f->gate);
	looped_wait(f->l, nothing_waits, f);
	batches = writer_batches(f->l->writer) - batches;
	courier_set_offline(f->courier);
	rooms_close(rooms, turn_set, &closed);
	looped_until(f->l, &closed);
	assert_int_equal(batches, 2); /* the gate's, and that of the looks */
}

/* Between two regular checks. */
static enum err silence_ends_soon(struct store *store, void *arg)
{
	int64_t *end_ms = arg;
	struct silence_row row = {
	        .at_ms = 1,
	        .start_ms = 1,
	        .matchers = (char *)"app=\"etl\"",
	        .reason = (char *)"deploy",
	        .author = (char *)"@op:fake.local",
	        .room = (char *)"ops",
	};

	*end_ms = row.end_ms = clock_now_ms() + 2 * CLOCK_SECOND_MS;
	return silences_insert(store, &row);
}

static void a_silence_ends_in_time(void **state)
{
	struct dutiful *f = *state;
	int64_t end_ms, late_ms;

	assert_int_equal(looped_work(f->l, silence_ends_soon, &end_ms), OK);
	looped_wait(f->l, is_unsilenced, f);
	late_ms = clock_now_ms() - end_ms;
	if (late_ms < 0 || late_ms > 2 * CLOCK_SECOND_MS)
		fail_msg("%lld ms late", (long long)late_ms);
}

static bool has_checked(void *arg)
{
	return strstr(((const struct dutiful *)arg)->happened, "oncall ");
}

/* What a reload changes does not wait for the next regular check. */
static void a_reload_is_followed_at_once(void **state)
{
	struct dutiful *f = *state;
	struct config *fresh = looped_config(f->l, "[oncall main]\nusers = @op:x\n");
	int64_t from_ms;

	assert_int_equal(looped_work(f->l, silence_ended, NULL), OK);
	looped_wait(f->l, is_unsilenced, f);
	from_ms = clock_monotonic_ms();
	duty_configure(f->duty, fresh);
	config_unref(fresh);
	looped_wait(f->l, has_checked, f);
	if (clock_monotonic_ms() - from_ms > 2 * CLOCK_SECOND_MS)
		fail_msg("after %lld ms", (long long)(clock_monotonic_ms() - from_ms));
}

static enum err forbid_writing(struct store *store, void *arg)
{
	return sqlite3_exec(store->db, "PRAGMA query_only = ON", NULL, NULL, NULL) == SQLITE_OK
	               ? OK
	               : ERR_IO;
}

static bool has_looked_twice(void *arg)
{
	return clock_monotonic_ms() > *(int64_t *)arg;
}

/* A database that cannot be written is told once a minute, though each look fails. */
static void failing_looks_make_one_line(void **state)
{
	struct dutiful *f = *state;
	struct log_lines lines;
	int64_t until_ms = clock_monotonic_ms() + 7 * CLOCK_SECOND_MS;

	log_flush(INT64_MAX);
	log_lines_begin(&lines);
	assert_int_equal(looped_work(f->l, forbid_writing, NULL), OK);
	looped_wait(f->l, has_looked_twice, &until_ms);
	/* one of each of the two */
	assert_int_equal(log_lines_end(&lines, "could not process"), 2);
}

static enum err an_expiry_that_cannot_be_stored(struct store *store, void *arg)
{
	return sqlite3_exec(store->db,
	               "INSERT INTO expiries VALUES (99, 's', 1, 1);"
	               "CREATE TRIGGER t BEFORE DELETE ON expiries BEGIN "
	               "SELECT raise(ABORT, 'no'); END",
	               NULL, NULL, NULL) == SQLITE_OK
	               ? OK
	               : ERR_IO;
}

/* What cannot be stored for one thing is left undone, and stops none of the others. */
static void what_fails_stops_nothing_else(void **state)
{
	struct dutiful *f = *state;

	assert_int_equal(
	        sqlite3_exec(f->l->store->db, "PRAGMA foreign_keys = OFF", NULL, NULL, NULL),
	        SQLITE_OK);
	assert_int_equal(looped_work(f->l, an_expiry_that_cannot_be_stored, NULL), OK);
	assert_int_equal(looped_work(f->l, silence_ended, NULL), OK);
	looped_wait(f->l, is_unsilenced, f);
}

static void close_during_look(void **state)
{
	struct dutiful *f = *state;
	bool closed = false;

	hold_with_looks(f);
	duty_close(f->duty, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	uv_sem_post(&f->gate);
	looped_until(f->l, &closed);
	f->duty = NULL;
}

static void reload_during_look(void **state)
{
	struct dutiful *f = *state;
	struct config *fresh = looped_config(f->l, "[heartbeat]\nat = 12:00\n");

	hold_with_looks(f);
	duty_configure(f->duty, fresh);
	duty_configure(f->duty, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	close_duty(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_silence_ends),
	        TEST(what_a_look_puts_into_the_queue_is_chosen_with_it),
	        TEST(a_silence_ends_in_time),
	        TEST(a_reload_is_followed_at_once),
	        TEST(failing_looks_make_one_line),
	        TEST(what_fails_stops_nothing_else),
	        TEST(close_during_look),
	        TEST(reload_during_look),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

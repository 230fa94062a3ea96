/*
 * Tests of the watcher's looks at the clock: a room that never comes is told by the channels of
 * [meta] and by no other, that it was told is stored, and closing and reloading during a look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/schedule/absence_ticks.h"
#include "handlers/heartbeats/absence_room.h"
#include "storage/state.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

struct watching {
	struct looped *l;
	struct courier *courier;
	struct link *link;
	struct meta *meta;
	struct absence_ticks *ticks; /* NULL once closed */
	char told_path[128];         /* written by [meta] exec */
	struct absence stored;
	uv_sem_t gate;
};

static void on_fatal(const char *message, void *arg)
{
	fail_msg("%s", message);
}

static void on_happened(json_t *event, void *arg)
{
	json_decref(event);
}

static void on_status(struct report_status *status, void *arg)
{
	status->problem = "";
}

/* As bot/watcher.c does it. */
static void on_stored(bool first, void *arg)
{
	struct watching *f = arg;

	if (f->ticks)
		absence_ticks_stored(f->ticks, first);
}

static void open_ticks(struct watching *f)
{
	struct absence_ticks_env env = {
	        .loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .link = f->link,
	        .meta = f->meta,
	};

	f->ticks = absence_ticks_create(&env, f->l->config);
}

static int setup(void **state)
{
	struct watching *f = x_calloc(1, sizeof(*f));
	struct courier_events courier_events = {0};
	struct link_events events = {on_fatal, on_happened, on_status, on_stored, f};
	struct fault fault = {0};
	struct link_options options;
	char *more;

	f->l = looped_begin("");
	snprintf(f->told_path, sizeof(f->told_path), "%s/told", f->l->folder);
	more = x_asprintf("[heartbeat]\nsender = @telemetry:fake.local\nat = 09:00\ngrace = 5m\n"
	                  "[meta]\nexec = /bin/cp /dev/stdin %s\n",
	        f->told_path);
	config_unref(f->l->config);
	f->l->config = looped_config(f->l, more);
	free(more);
	looped_good_homeserver();
	uv_sem_init(&f->gate, 0);
	f->courier = courier_create(&f->l->loop, f->l->writer, f->l->config, &courier_events);
	f->meta = meta_create(&f->l->loop, f->l->config);
	options = (struct link_options){.loop = &f->l->loop,
	        .writer = f->l->writer,
	        .courier = f->courier,
	        .on_event = absence_event};
	assert_int_equal(link_create(&f->link, &options, f->l->config, &events, &fault), OK);
	*state = f;
	return 0;
}

static void close_ticks(struct watching *f)
{
	bool closed = false;

	absence_ticks_close(f->ticks, turn_set, &closed);
	looped_until(f->l, &closed);
	f->ticks = NULL;
}

static int teardown(void **state)
{
	struct watching *f = *state;
	bool stopped = false, link_closed = false, courier_closed = false, meta_closed = false;

	if (f->ticks)
		close_ticks(f);
	courier_stop(f->courier, 100, turn_set, &stopped);
	looped_until(f->l, &stopped);
	link_close(f->link, turn_set, &link_closed);
	looped_until(f->l, &link_closed);
	courier_close(f->courier, turn_set, &courier_closed);
	looped_until(f->l, &courier_closed);
	meta_close(f->meta, turn_set, &meta_closed);
	looped_until(f->l, &meta_closed);
	looped_end(f->l);
	uv_sem_destroy(&f->gate);
	free(f);
	return 0;
}

static enum err read_absence(struct store *store, void *arg)
{
	struct watching *f = arg;

	return absence_stored(store, &f->stored);
}

static const struct absence *stored(struct watching *f)
{
	assert_int_equal(looped_work(f->l, read_absence, f), OK);
	return &f->stored;
}

/* A watcher that was set up an hour ago and has not seen its room since. */
static enum err never_saw(struct store *store, void *arg)
{
	struct absence absence = {0};
	char *text;
	enum err err;

	absence.mark_ms = clock_now_ms();
	absence.start_ms = absence.awake_ms = absence.mark_ms - CLOCK_HOUR_MS;
	text = absence_dump(&absence);
	err = state_set(store, "vigil", text);
	free(text);
	return err;
}

static bool was_told(void *arg)
{
	const struct watching *f = arg;
	struct stat info;

	return stat(f->told_path, &info) == 0 && info.st_size > 0;
}

static bool has_seen(void *arg)
{
	return stored(arg)->ok_ms > 0;
}

/* An answer of /sync is a look at the room, once the room itself is there. */
static void a_stored_answer_is_a_look(void **state)
{
	struct watching *f = *state;

	open_ticks(f);
	script_answer(script_wait("GET", "/v3/sync"), 200, "{\"next_batch\":\"s1\"}");
	looped_wait(f->l, has_seen, f);
	assert_string_equal(f->stored.problem, "");
	assert_true(f->stored.from_ms > 0);
}

/* A homeserver that answers and does not know the room: nothing was seen. */
static void without_the_room_nothing_is_seen(void **state)
{
	struct watching *f = *state;

	script_rule("POST", "/v3/join/%21ops", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	script_rule("GET", "/v3/rooms/", 403, "{\"errcode\":\"M_FORBIDDEN\"}");
	open_ticks(f);
	script_answer(script_wait("GET", "/v3/sync"), 200, "{\"next_batch\":\"s1\"}");
	script_wait("GET", "/v3/sync"); /* the first is stored */
	assert_int_equal(stored(f)->ok_ms, 0);
	assert_string_not_equal(f->stored.problem, "");
}

static void blindness_is_told_elsewhere(void **state)
{
	struct watching *f = *state;

	assert_int_equal(looped_work(f->l, never_saw, NULL), OK);
	script_rule("GET", "/v3/account/whoami", 502, "{}");
	open_ticks(f);
	looped_wait(f->l, was_told, f);
	assert_true(stored(f)->blind_ms > 0);
}

static enum err wait_for_gate(struct store *store, void *arg)
{
	struct watching *f = arg;

	uv_sem_wait(&f->gate);
	return OK;
}

static void nothing(enum err result, const char *message, void *arg)
{
}

static bool look_waits(void *arg)
{
	const struct watching *f = arg;

	return writer_pending(f->l->writer) >= 2; /* the gate, and the look */
}

static void close_during_look(void **state)
{
	struct watching *f = *state;
	bool closed = false;

	/* so that nothing but the look wants the writer */
	script_rule("GET", "/v3/account/whoami", 200, NULL);
	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	open_ticks(f);
	looped_wait(f->l, look_waits, f);
	absence_ticks_close(f->ticks, turn_set, &closed);
	looped_turn(f->l, 5);
	assert_false(closed);
	uv_sem_post(&f->gate);
	looped_until(f->l, &closed);
	f->ticks = NULL;
}

static void reload_during_look(void **state)
{
	struct watching *f = *state;
	struct config *fresh =
	        looped_config(f->l, "[heartbeat]\nsender = @other:fake.local\nat = 12:00\n");

	writer_submit(f->l->writer, wait_for_gate, nothing, f);
	open_ticks(f);
	looped_wait(f->l, look_waits, f);
	absence_ticks_configure(f->ticks, fresh);
	absence_ticks_configure(f->ticks, fresh);
	config_unref(fresh);
	uv_sem_post(&f->gate);
	close_ticks(f);
	assert_true(stored(f)->mark_ms > 0); /* the look was made */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_stored_answer_is_a_look),
	        TEST(without_the_room_nothing_is_seen),
	        TEST(blindness_is_told_elsewhere),
	        TEST(close_during_look),
	        TEST(reload_during_look),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

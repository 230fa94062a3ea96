/*
 * Tests of the charts' way into the room: drawn, uploaded, queued; what becomes of refusals and
 * failures; and closing at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/charts/draw.h"
#include "bot/charts/publisher.h"
#include "handlers/charts/chart_post.h"
#include "storage/known_rooms.h"
#include "tests/unit/loop_fixture.h"
#include "tests/unit/turn.h"

#define UPLOAD "/_matrix/media/v3/upload"
#define UPLOADED "{\"content_uri\":\"mxc://fake.local/pic\"}"

struct posted {
	struct looped *l;
	struct courier *courier; /* never online: what is queued stays */
	struct rooms *rooms;
	struct publisher *publisher; /* NULL once closed */
	bool offline;
	/* of look_at_queue() and put_chart() */
	struct chart_row row;
	size_t queued;
	int64_t waiting;
	json_t *content; /* of the newest in the queue */
};

static void on_room(const struct room *room, void *arg)
{
}

static void on_encrypted(const char *room_id, const json_t *content, void *arg)
{
}

static struct mx *on_mx(void *arg)
{
	const struct posted *p = arg;

	return p->offline ? NULL : p->l->mx;
}

static const struct rooms *on_rooms(void *arg)
{
	const struct posted *p = arg;

	return p->rooms;
}

static bool rooms_are_ready(void *arg)
{
	const struct posted *p = arg;

	return rooms_get(p->rooms, "ops")->ready;
}

static void open_publisher(struct posted *p)
{
	struct publisher_env env = {
	        .loop = &p->l->loop,
	        .writer = p->l->writer,
	        .courier = p->courier,
	        .mx = on_mx,
	        .rooms = on_rooms,
	        .arg = p,
	};

	p->publisher = publisher_create(&env, p->l->config);
}

static void close_publisher(struct posted *p)
{
	bool closed = false;

	publisher_close(p->publisher, turn_set, &closed);
	looped_until(p->l, &closed);
	p->publisher = NULL;
}

static int setup(void **state)
{
	struct posted *p = x_calloc(1, sizeof(*p));
	struct courier_events events = {0};
	struct rooms_events rooms_events = {on_room, on_encrypted, p};

	p->l = looped_begin("");
	looped_good_homeserver();
	looped_client(p->l);
	p->courier = courier_create(&p->l->loop, p->l->writer, p->l->config, &events);
	p->rooms = rooms_create(&p->l->loop, p->l->mx, FIXTURE_USER, &rooms_events);
	rooms_configure(p->rooms, p->l->config);
	looped_wait(p->l, rooms_are_ready, p);
	open_publisher(p);
	looped_alert(p->l, "{\"op\":\"alert\",\"app\":\"etl\",\"severity\":\"critical\","
	                   "\"title\":\"failed\"}");
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct posted *p = *state;
	bool rooms_closed = false, closed = false;

	if (p->publisher)
		close_publisher(p);
	rooms_close(p->rooms, turn_set, &rooms_closed);
	looped_until(p->l, &rooms_closed);
	courier_close(p->courier, turn_set, &closed);
	looped_until(p->l, &closed);
	looped_end(p->l);
	json_decref(p->content);
	free(p);
	return 0;
}

/* --- what is asked for, and what comes of it ---------------------------------------------- */

static enum err put_chart(struct store *store, void *arg)
{
	struct posted *p = arg;

	return chart_ask(store, &p->row, NULL);
}

/* By somebody in ops, so long ago. */
static void ask(struct posted *p, int64_t age_ms)
{
	int64_t now_ms = clock_now_ms();

	p->row = (struct chart_row){
	        .span = CHART_DAY,
	        .created_ms = now_ms - age_ms,
	        .until_ms = now_ms + 1,
	        .room = (char *)"ops",
	        .root = (char *)"$asked",
	        .reply_to = (char *)"$asked",
	};
	assert_int_equal(looped_work(p->l, put_chart, p), OK);
	publisher_poke(p->publisher);
}

static enum err look_at_queue(struct store *store, void *arg)
{
	struct posted *p = arg;
	enum err err = OK;

	p->queued = 0;
	for (int64_t id = 1; err == OK; id++) { /* the first is the alert's */
		struct outbox_row row;

		err = outbox_by_id(store, id, &row);
		if (err != OK || !row.content || row.message_id)
			goto next;
		p->queued++;
		json_decref(p->content);
		p->content = json_loads(row.content, 0, NULL);
	next:
		if (err == OK)
			outbox_row_finish(&row);
	}
	return err == ERR_NOT_FOUND ? charts_count(store, &p->waiting) : err;
}

static void wait_for_queue(struct posted *p)
{
	int64_t end_ms = clock_monotonic_ms() + 20000;

	do {
		looped_turn(p->l, 1);
		assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	} while (!p->queued && clock_monotonic_ms() < end_ms);
	assert_int_equal(p->queued, 1);
	assert_int_equal(p->waiting, 0);
}

static const char *text(const struct posted *p, const char *name)
{
	const char *value = json_string_value(json_object_get(p->content, name));

	return value ? value : "";
}

static bool is_drawn(void)
{
	struct figures none = {.bars_len = 1};
	struct drawing drawing;
	enum err err = draw_chart(&none, &drawing, NULL);

	drawing_finish(&drawing);
	return err != ERR_UNSUPPORTED;
}

#define NEEDS_CAIRO()    \
	if (!is_drawn()) \
		skip();

static void a_chart_becomes_a_picture_in_the_thread(void **state)
{
	struct posted *p = *state;
	struct http_request *post;
	const json_t *info, *relates;

	NEEDS_CAIRO();
	ask(p, 0);
	post = script_wait("POST", UPLOAD);
	assert_string_equal(script_bearer(post), "good");
	assert_memory_equal(script_body(post), "\x89PNG\r\n", 6);
	assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	assert_int_equal(p->queued, 0); /* not before it is there */
	script_answer(post, 200, UPLOADED);
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.image");
	assert_string_equal(text(p, "url"), "mxc://fake.local/pic");
	assert_string_equal(text(p, "filename"), "alerts-24h.png");
	assert_non_null(strstr(text(p, "body"), "last 24 hours: 1 critical"));
	info = json_object_get(p->content, "info");
	assert_string_equal(json_string_value(json_object_get(info, "mimetype")), "image/png");
	assert_int_equal(json_integer_value(json_object_get(info, "w")), DRAW_WIDTH);
	assert_true(json_integer_value(json_object_get(info, "size")) > 1000);
	relates = json_object_get(p->content, "m.relates_to");
	assert_string_equal(json_string_value(json_object_get(relates, "event_id")), "$asked");
	assert_int_equal(json_object_size(json_object_get(p->content, "m.mentions")), 0);
	assert_null(json_object_get(p->content, "file"));
}

static void for_an_encrypted_room_it_is_encrypted(void **state)
{
	struct posted *p = *state;
	struct http_request *post;
	const json_t *file;

	NEEDS_CAIRO();
	rooms_remember_encrypted(p->rooms, FIXTURE_OPS, NULL);
	rooms_configure(p->rooms, p->l->config);
	looped_wait(p->l, rooms_are_ready, p);
	ask(p, 0);
	post = script_wait("POST", UPLOAD);
	assert_memory_not_equal(script_body(post), "\x89PNG\r\n", 6);
	script_answer(post, 200, UPLOADED);
	wait_for_queue(p);
	file = json_object_get(p->content, "file");
	assert_string_equal(
	        json_string_value(json_object_get(file, "url")), "mxc://fake.local/pic");
	assert_non_null(json_object_get(file, "key"));
	assert_null(json_object_get(p->content, "url"));
}

static enum err make_encrypted(struct store *store, void *arg)
{
	struct room_row row = {.room_id = (char *)FIXTURE_OPS, .encrypted = 1};

	return rooms_put(store, &row);
}

/* The room becomes encrypted while a picture is on its way that is not. */
static void a_plain_picture_is_not_for_a_room_that_became_encrypted(void **state)
{
	struct posted *p = *state;
	struct http_request *post;

	NEEDS_CAIRO();
	ask(p, 0);
	post = script_wait("POST", UPLOAD);
	assert_int_equal(looped_work(p->l, make_encrypted, p), OK);
	rooms_remember_encrypted(p->rooms, FIXTURE_OPS, NULL);
	rooms_configure(p->rooms, p->l->config);
	script_answer(post, 200, "{\"content_uri\":\"mxc://fake.local/plain\"}");
	post = script_wait("POST", UPLOAD);
	script_answer(post, 200, UPLOADED);
	wait_for_queue(p);
	assert_string_equal(
	        json_string_value(json_object_get(json_object_get(p->content, "file"), "url")),
	        "mxc://fake.local/pic");
}

/* --- what goes wrong ---------------------------------------------------------------------- */

static void refused(struct posted *p, int status, const char *errcode, const char *why)
{
	NEEDS_CAIRO();
	ask(p, 0);
	script_answer(script_wait("POST", UPLOAD), status,
	        "{\"errcode\":\"%s\",\"error\":\"<no>\"}", errcode);
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.notice");
	assert_non_null(strstr(text(p, "body"), "last 24 hours: 1 critical"));
	if (!strstr(text(p, "body"), why) || !strstr(text(p, "body"), errcode))
		fail_msg("%s", text(p, "body"));
	assert_null(strstr(text(p, "formatted_body"), "<no>"));
}

static void too_large_is_told_in_words(void **state)
{
	refused(*state, 413, "M_TOO_LARGE", "accepts no file of this size");
}

static void not_allowed_is_told_in_words(void **state)
{
	refused(*state, 403, "M_FORBIDDEN", "does not let the bot upload");
}

static void a_passing_failure_is_tried_again(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	ask(p, 0);
	script_fail(script_wait("POST", UPLOAD), ERR_NET, true);
	script_answer(script_wait("POST", UPLOAD), 502, "<html>");
	script_answer(script_wait("POST", UPLOAD), 200, "{\"content_uri\":\"https://else.where\"}");
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.image");
}

/* Nobody waits for a picture longer than for a few minutes. */
static void after_a_while_the_words_have_to_do(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	ask(p, 5 * CLOCK_MINUTE_MS - 100);
	script_answer(script_wait("POST", UPLOAD), 429,
	        "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"retry_after_ms\":60000}");
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.notice");
	assert_non_null(strstr(text(p, "body"), "limits uploads for now"));
}

static void it_waits_until_it_is_online(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	p->offline = true;
	ask(p, 0);
	assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	p->offline = false;
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	wait_for_queue(p);
}

/* One that has to wait does not hold up another. */
static void another_chart_does_not_wait(void **state)
{
	struct posted *p = *state;
	struct http_request *post;

	NEEDS_CAIRO();
	ask(p, 0);
	post = script_wait("POST", UPLOAD);
	ask(p, 0); /* meanwhile */
	script_answer(post, 429, "{\"errcode\":\"M_LIMIT_EXCEEDED\",\"retry_after_ms\":60000}");
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	while (p->queued < 1)
		assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	assert_int_equal(p->waiting, 1);
	assert_string_equal(text(p, "msgtype"), "m.image");
}

static void without_alerts_there_is_nothing_to_draw(void **state)
{
	struct posted *p = *state;

	p->row = (struct chart_row){.span = CHART_WEEK,
	        .created_ms = clock_now_ms(),
	        .until_ms = clock_now_ms() - 20 * CLOCK_DAY_MS,
	        .room = (char *)"ops",
	        .root = (char *)"$asked",
	        .reply_to = (char *)"$asked"};
	assert_int_equal(looped_work(p->l, put_chart, p), OK);
	publisher_poke(p->publisher);
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.notice");
	assert_non_null(strstr(text(p, "body"), "last 7 days: none"));
	assert_null(strstr(text(p, "body"), "No picture"));
}

/* Of the heartbeat: nobody asked, so it answers nothing; and of a quiet week there is none. */
static void the_chart_of_the_week_stands_by_itself(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	p->row = (struct chart_row){.span = CHART_WEEK,
	        .created_ms = clock_now_ms(),
	        .until_ms = clock_now_ms() - 20 * CLOCK_DAY_MS,
	        .room = (char *)"ops"};
	assert_int_equal(looped_work(p->l, put_chart, p), OK);
	p->row.until_ms = clock_now_ms() + 1;
	assert_int_equal(looped_work(p->l, put_chart, p), OK);
	publisher_poke(p->publisher);
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	wait_for_queue(p);
	assert_string_equal(text(p, "msgtype"), "m.image");
	assert_string_equal(text(p, "filename"), "alerts-7d.png");
	assert_null(json_object_get(p->content, "m.relates_to"));
}

/* --- lifetime ------------------------------------------------------------------------------ */

static void close_while_uploading(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	ask(p, 0);
	script_wait("POST", UPLOAD);
	close_publisher(p);
	assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	assert_int_equal(p->queued, 0);
	assert_int_equal(p->waiting, 1);
	open_publisher(p); /* the next start */
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	wait_for_queue(p);
}

static void close_while_drawing(void **state)
{
	struct posted *p = *state;

	ask(p, 0);
	for (int i = 0; i < 3; i++)
		uv_run(&p->l->loop, UV_RUN_NOWAIT);
	close_publisher(p);
	assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	assert_int_equal(p->waiting, 1);
}

static void close_while_queueing(void **state)
{
	struct posted *p = *state;

	NEEDS_CAIRO();
	ask(p, 0);
	script_answer(script_wait("POST", UPLOAD), 200, UPLOADED);
	for (int i = 0; i < 2; i++)
		uv_run(&p->l->loop, UV_RUN_NOWAIT);
	close_publisher(p);
	assert_int_equal(looped_work(p->l, look_at_queue, p), OK);
	assert_int_equal(p->queued + p->waiting, 1); /* the one or the other */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(a_chart_becomes_a_picture_in_the_thread),
	        TEST(for_an_encrypted_room_it_is_encrypted),
	        TEST(a_plain_picture_is_not_for_a_room_that_became_encrypted),
	        TEST(too_large_is_told_in_words),
	        TEST(not_allowed_is_told_in_words),
	        TEST(a_passing_failure_is_tried_again),
	        TEST(after_a_while_the_words_have_to_do),
	        TEST(it_waits_until_it_is_online),
	        TEST(another_chart_does_not_wait),
	        TEST(without_alerts_there_is_nothing_to_draw),
	        TEST(the_chart_of_the_week_stands_by_itself),
	        TEST(close_while_uploading),
	        TEST(close_while_drawing),
	        TEST(close_while_queueing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_handover.c - what a room is told when somebody else is on call, whom alerts mention, and
 * that somebody who is not in the room is told of at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "bot/base/zone.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/oncall.h"
#include "tests/unit/handlers_fixture.h"

/* 2026-12-07 is a Monday */
static const char rota[] = "[severity critical]\nmention = oncall:main, @boss:x\n"
                           "[escalate lead]\nafter = 15m\nmention = oncall:main\n"
                           "[oncall main]\nusers = @ana:x, @ben:x, @cy:x\n"
                           "rotate = weekly mon 09:00\nfrom = 2026-12-07\n";

static const char failed[] =
        "{\"app\":\"etl\",\"severity\":\"%s\",\"run_id\":\"%s\",\"title\":\"%s\"}";

static int64_t at(const char *text)
{
	int64_t ms;

	assert_true(clock_parse_rfc3339(text, &ms));
	return ms;
}

static struct world *world_at(const char *more, const char *now)
{
	struct world *w = world_create(more);

	zone_use(NULL);
	w->now_ms = at(now);
	return w;
}

static void look(struct world *w, const struct report_status *status)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(handover_look(&d, status), OK);
	assert_int_equal(escalate_duty(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_send(w);
}

static void override(struct world *w, const char *user, int64_t ms)
{
	struct oncall_override_row row = {.at_ms = w->now_ms,
	        .start_ms = w->now_ms,
	        .end_ms = w->now_ms + ms,
	        .name = (char *)"main",
	        .user = (char *)user,
	        .author = (char *)"@boss:x"};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(oncall_overrides_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
}

/* The users that the last event mentions, one blank between. */
static char *mentioned(const struct world *w)
{
	json_t *content = json_loads(w->events[w->len - 1].content, 0, NULL);
	const json_t *users, *user;
	struct buf list;
	size_t i;

	users = json_object_get(json_object_get(content, "m.mentions"), "user_ids");
	buf_init(&list, 1024);
	json_array_foreach(users, i, user)
	        buf_printf(&list, "%s%s", i ? " " : "", json_string_value(user));
	json_decref(content);
	return buf_take(&list);
}

static void assert_last(const struct world *w, const char *mentions, const char *const *parts)
{
	char *users = mentioned(w), *body = world_body(w, w->len - 1);

	assert_string_equal(users, mentions);
	for (; *parts; parts++)
		if (!strstr(body, *parts))
			fail_msg("\"%s\" is not in: %s", *parts, body);
	free(users);
	free(body);
}

static void each_change_is_told_with_what_is_going_on(void **state)
{
	struct world *w = world_at(rota, "2026-12-14T08:00:00Z");
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct ack ack = {.who = "@ana:x"};
	struct ack_result result = {.by = "@ana:x"};
	size_t before;

	look(w, NULL);
	look(w, NULL);
	assert_int_equal(w->len, 0); /* nothing has changed */
	world_alert(w, failed, "critical", "r-1", "disk");
	world_alert(w, failed, "critical", "r-2", "net");
	world_alert(w, "{\"app\":\"etl\",\"severity\":\"critical\",\"title\":\"trial\",\"fields\":"
	               "{\"test\":true}}");
	world_silence(w, "app=billing", 0, w->now_ms + 5 * CLOCK_HOUR_MS);
	world_pass(w, 2000);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, "r-2", &ack, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	ack_result_finish(&result);
	world_pass(w, 5 * CLOCK_MINUTE_MS);
	w->now_ms = at("2026-12-14T08:59:59Z");
	look(w, NULL);
	before = w->len;
	w->now_ms = at("2026-12-14T09:00:00Z");
	look(w, NULL);
	assert_int_equal(w->len, before + 1);
	assert_last(w, "@ben:x",
	        (const char *const[]){"📟 On call: ", "until Mon 21 Dec 09:00", "before: ", "ana",
	                "Firing: 2 · 1 acknowledged", "disk", "net", "acknowledged by ana",
	                "Silences: 1", "app=", "2 critical", NULL});
	look(w, NULL);
	assert_int_equal(w->len, before + 1);
	/* taken for two hours, and back */
	override(w, "@cy:x", 2 * CLOCK_HOUR_MS);
	look(w, NULL);
	assert_int_equal(w->len, before + 2);
	assert_last(
	        w, "@cy:x", (const char *const[]){"until 11:00", "then ben", "set by boss", NULL});
	world_destroy(w);
}

static void whoever_has_it_is_mentioned(void **state)
{
	struct world *w = world_at(rota, "2026-12-14T08:30:00Z");

	look(w, NULL);
	world_alert(w, failed, "critical", "r-1", "disk");
	world_send(w);
	assert_last(w, "@ana:x @boss:x", (const char *const[]){"disk", NULL});
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	override(w, "@boss:x", CLOCK_HOUR_MS);
	world_alert(w, failed, "critical", "r-2", "net");
	world_send(w);
	assert_last(w, "@boss:x", (const char *const[]){"net", NULL});
	w->now_ms = at("2026-12-14T08:50:00Z");
	look(w, NULL);
	assert_last(w, "@boss:x", (const char *const[]){"⏫", NULL});
	world_destroy(w);
}

static void who_is_not_in_the_room_is_told_of_at_once(void **state)
{
	struct world *w = world_at(rota, "2026-12-08T08:00:00Z");
	json_t *members = json_pack("[sss]", "@ana:x", "@ben:x", "@bot:x");
	struct report_room room = {.name = "ops", .address = "#ops:x"};
	struct report_status status = {.rooms = &room, .rooms_len = 1};

	look(w, &status); /* not known yet */
	assert_int_equal(w->len, 0);
	room.members = members;
	look(w, &status);
	look(w, &status);
	assert_int_equal(w->len, 1);
	assert_last(w, "", (const char *const[]){"not in this room", "@cy:x", NULL});
	assert_true(handover_may_have(&status, "ops", "@ben:x"));
	assert_false(handover_may_have(&status, "ops", "@cy:x"));
	assert_true(handover_may_have(&status, "dev", "@cy:x"));
	json_array_append_new(members, json_string("@cy:x"));
	look(w, &status);
	assert_int_equal(w->len, 1);
	json_array_clear(members);
	look(w, &status);
	assert_int_equal(w->len, 2);
	assert_last(w, "", (const char *const[]){"@ana:x", "@ben:x", "@cy:x", NULL});
	json_decref(members);
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_change_is_told_with_what_is_going_on),
	        cmocka_unit_test(whoever_has_it_is_mentioned),
	        cmocka_unit_test(who_is_not_in_the_room_is_told_of_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

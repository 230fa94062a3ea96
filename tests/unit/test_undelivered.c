/*
 * test_undelivered.c - of which critical alerts the other channels of [meta] are told, that they
 * are told once, and of their recovery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/alerts/undelivered_look.h"
#include "storage/undelivered.h"
#include "tests/unit/handlers_fixture.h"

#define MINUTE CLOCK_MINUTE_MS

static const char simple[] =
        "{\"app\":\"%s\",\"severity\":\"%s\",\"title\":\"%s\",\"status\":\"%s\"}";

struct late {
	struct world *w;
	struct undelivered_memory memory;
	struct report_room room;
	struct report_status status;
};

static void late_init(struct late *late, const char *more)
{
	*late = (struct late){.w = world_create(more)};
	late->room = (struct report_room){.name = "ops", .address = "#ops:x", .problem = ""};
	late->status = (struct report_status){
	        .rooms = &late->room, .rooms_len = 1, .problem = "", .limit = ""};
}

/* What is told now; "" = nothing. The text is good until the next call. */
static const char *look(struct late *late)
{
	static char last[4096];
	struct world *w = late->w;
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	char *text;

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(undelivered_look(&d, &late->status, &late->memory, &text), OK);
	assert_int_equal(store_commit(w->store), OK);
	snprintf(last, sizeof(last), "%s", text ? text : "");
	free(text);
	return last;
}

static void assert_said(struct late *late, const char *const *parts)
{
	const char *text = look(late);

	for (; *parts; parts++)
		if (!strstr(text, *parts))
			fail_msg("\"%s\" is not in: %s", *parts, text);
	assert_string_equal(look(late), "");
}

static void many_are_told_in_one_text_once_and_so_is_their_recovery(void **state)
{
	struct late late;
	struct world *w;

	late_init(&late, "");
	w = late.w;
	w->down = true;
	late.status.problem = "homeserver does not answer";
	world_alert(w, simple, "etl", "critical", "disk", "firing");
	world_alert(w, simple, "billing", "critical", "net", "firing");
	world_alert(w, simple, "calm", "warning", "slow", "firing");
	world_alert(w, simple, "over", "critical", "gone", "firing");
	world_alert(w, simple, "over", "critical", "gone", "resolved");
	world_alert(w, "{\"app\":\"t\",\"severity\":\"critical\",\"title\":\"trial\",\"fields\":"
	               "{\"test\":true}}");
	w->now_ms += 5 * MINUTE - 1;
	assert_string_equal(look(&late), "");
	w->now_ms += 1;
	assert_said(&late, (const char *const[]){"2 critical alerts are not in their room yet",
	                           "ops: homeserver does not answer", "etl · disk · 5m",
	                           "billing · net", NULL});
	w->now_ms += MINUTE;
	world_alert(w, simple, "more", "critical", "late", "firing");
	assert_string_equal(look(&late), "");
	w->now_ms += 5 * MINUTE;
	assert_said(&late, (const char *const[]){
	                           "1 critical alert is not in its room yet", "more · late", NULL});
	/* only when nothing waits any more */
	w->down = false;
	late.status.problem = "";
	world_pass(w, 10 * CLOCK_SECOND_MS);
	assert_said(&late, (const char *const[]){"✅",
	                           "3 critical alerts that were late are in their room now", NULL});
	w->now_ms += 60 * MINUTE;
	assert_string_equal(look(&late), "");
	world_destroy(w);
}

static void what_was_not_told_before_the_end_is_told_after_it(void **state)
{
	struct late late;

	late_init(&late, "[meta]\nundelivered = 1m\n");
	late.w->down = true;
	world_alert(late.w, simple, "etl", "critical", "disk", "firing");
	late.w->now_ms += MINUTE;
	assert_non_null(strstr(look(&late), "etl · disk"));
	late.memory = (struct undelivered_memory){0}; /* another process */
	assert_said(&late, (const char *const[]){"etl · disk", NULL});
	late.w->down = false;
	world_pass(late.w, 2000);
	assert_non_null(strstr(look(&late), "that was late"));
	late.memory = (struct undelivered_memory){0};
	assert_said(&late, (const char *const[]){"that was late", NULL});
	world_destroy(late.w);
}

static void a_refusal_is_told_with_its_reason(void **state)
{
	struct deliver_event event;
	struct late late;

	late_init(&late, "");
	world_alert(late.w, simple, "etl", "critical", "disk", "firing");
	assert_true(world_next(late.w, &event));
	world_finish(late.w, &event, DELIVER_UNDELIVERABLE);
	deliver_event_finish(&event);
	late.w->now_ms += 5 * MINUTE;
	assert_said(&late, (const char *const[]){"ops: refused", "etl · disk", NULL});
	world_destroy(late.w);
}

static void what_cannot_be_edited_in_is_told_too(void **state)
{
	struct late late;

	late_init(&late, "");
	world_alert(late.w, simple, "etl", "critical", "disk", "firing");
	world_send(late.w);
	late.w->down = true;
	late.room.problem = "not joined";
	assert_string_equal(
	        world_alert(late.w, simple, "etl", "critical", "net", "firing"), "grouped");
	late.w->now_ms += 5 * MINUTE;
	assert_said(&late,
	        (const char *const[]){"1 critical alert is", "ops: not joined", "etl · net", NULL});
	late.w->down = false;
	world_pass(late.w, 2000);
	assert_said(&late,
	        (const char *const[]){"✅ 1 critical alert that was late is in its room now", NULL});
	world_destroy(late.w);
}

/* What somebody gives up waits no more, and holds no later recovery up. */
static void what_is_discarded_is_not_waited_for(void **state)
{
	struct deliver_event event, other;
	struct deliver d;
	struct late late;

	late_init(&late, "[delivery]\nthrottle = 0\n");
	world_alert(late.w, simple, "etl", "critical", "disk", "firing");
	assert_true(world_next(late.w, &event));
	world_finish(late.w, &event, DELIVER_UNDELIVERABLE);
	world_alert(late.w, simple, "billing", "critical", "net", "firing");
	assert_true(world_next(late.w, &other));
	world_finish(late.w, &other, DELIVER_UNDELIVERABLE);
	late.w->now_ms += 5 * MINUTE;
	assert_said(&late, (const char *const[]){"2 critical alerts are", NULL});
	d = (struct deliver){
	        .store = late.w->store, .config = late.w->config, .now_ms = late.w->now_ms};
	assert_int_equal(store_begin(late.w->store), OK);
	assert_int_equal(deliver_discard(&d, event.outbox_id), OK);
	assert_int_equal(store_commit(late.w->store), OK);
	assert_string_equal(look(&late), "");
	world_finish(late.w, &other, DELIVER_SENT);
	assert_said(&late,
	        (const char *const[]){"✅ 1 critical alert that was late is in its room now", NULL});
	late.w->down = true;
	world_alert(late.w, simple, "crm", "critical", "cpu", "firing");
	late.w->now_ms += 5 * MINUTE;
	assert_said(&late, (const char *const[]){"1 critical alert is", "crm", NULL});
	late.w->down = false;
	world_send(late.w);
	assert_said(&late,
	        (const char *const[]){"✅ 1 critical alert that was late is in its room now", NULL});
	deliver_event_finish(&event);
	deliver_event_finish(&other);
	world_destroy(late.w);
}

static void each_cause_is_named(void **state)
{
	static const char *const whys[] = {"limited to one in 5 s", "no cross-signing keys"};

	for (size_t i = 0; i < 2; i++) {
		struct late late;

		late_init(&late, "");
		late.w->down = true;
		late.room.encrypted = i == 1;
		late.status.limit = i == 0 ? whys[0] : "";
		late.status.encryption_problem = i == 1 ? whys[1] : "";
		world_alert(late.w, simple, "etl", "critical", "disk", "firing");
		late.w->now_ms += 5 * MINUTE;
		assert_said(&late, (const char *const[]){whys[i], NULL});
		world_destroy(late.w);
	}
}

static void a_test_goes_all_the_way(void **state)
{
	struct late late;

	late_init(&late, "[meta]\nundelivered = 0s\n");
	world_alert(late.w,
	        "{\"app\":\"t\",\"severity\":\"critical\",\"title\":\"trial\",\"fields\":"
	        "{\"test\":true}}");
	assert_int_equal(store_begin(late.w->store), OK);
	assert_int_equal(undelivered_add(late.w->store, 1), OK);
	assert_int_equal(store_commit(late.w->store), OK);
	assert_said(&late, (const char *const[]){"t · trial", NULL});
	world_send(late.w);
	assert_said(&late,
	        (const char *const[]){"✅ 1 critical alert that was late is in its room now", NULL});
	world_destroy(late.w);
}

/* How many messages of room dev say that. */
static int told_in_dev(struct late *late, const char *part)
{
	int count = 0;

	late->w->room = "dev";
	world_pass(late->w, 2000);
	late->w->room = NULL;
	for (size_t i = 0; i < late->w->len; i++)
		count += strstr(late->w->events[i].content, part) != NULL;
	return count;
}

/* An own room hears of it, and of the recovery; where it could not be told, of neither. */
static void the_own_room_hears_of_the_recovery_too(void **state)
{
	for (int way = 0; way < 3; way++) {
		int reached = way == 1; /* 0: not joined, 2: encrypted, and that is on hold */
		struct report_room rooms[2];
		struct late late;

		late_init(&late, "[meta]\nroom = dev\n");
		rooms[0] = late.room;
		rooms[0].problem = "not joined";
		rooms[1] = (struct report_room){.name = "dev",
		        .address = "#dev:x",
		        .encrypted = way == 2,
		        .problem = way == 0 ? "not joined" : ""};
		late.status.encryption_problem = way == 2 ? "no keys" : "";
		late.status.rooms = rooms;
		late.status.rooms_len = 2;
		late.w->down = true;
		world_alert(late.w, simple, "etl", "critical", "disk", "firing");
		late.w->now_ms += 5 * MINUTE;
		assert_non_null(strstr(look(&late), "etl · disk"));
		late.memory = (struct undelivered_memory){.told_id = late.memory.told_id};
		late.w->down = false;
		world_pass(late.w, 2000);
		assert_int_equal(told_in_dev(&late, "not in its room yet"), reached);
		assert_non_null(strstr(look(&late), "that was late"));
		late.memory =
		        (struct undelivered_memory){0}; /* another process: once all the same */
		assert_non_null(strstr(look(&late), "that was late"));
		assert_string_equal(look(&late), "");
		assert_int_equal(told_in_dev(&late, "that was late"), reached);
		world_destroy(late.w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(many_are_told_in_one_text_once_and_so_is_their_recovery),
	        cmocka_unit_test(what_was_not_told_before_the_end_is_told_after_it),
	        cmocka_unit_test(a_refusal_is_told_with_its_reason),
	        cmocka_unit_test(what_cannot_be_edited_in_is_told_too),
	        cmocka_unit_test(what_is_discarded_is_not_waited_for),
	        cmocka_unit_test(each_cause_is_named),
	        cmocka_unit_test(a_test_goes_all_the_way),
	        cmocka_unit_test(the_own_room_hears_of_the_recovery_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

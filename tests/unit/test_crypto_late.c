/*
 * test_crypto_late.c - no message leaves before it is known who must be able to read it; and who
 * becomes known only after a wait that was cut short gets the key then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "tests/unit/crypto_people.h"

#define WAIT_MS 5000

static enum crypto_ready ready_for(struct sim_machine *m, const char *const *users, size_t len)
{
	struct crypto_room room = {.room_id = ROOM, .users = users, .users_len = len};
	enum crypto_ready ready;

	assert_int_equal(crypto_room_ready(m->crypto, m->sim->now_ms, &room, &ready), OK);
	return ready;
}

/* An event that is encrypted at once. */
static json_t *send_now(
        struct sim_machine *m, const char *const *users, size_t len, const char *text)
{
	static int count;
	char *wire, event_id[32];
	json_t *content = body(text), *event;

	assert_int_equal(ready_for(m, users, len), CRYPTO_READY);
	assert_int_equal(crypto_room_encrypt(
	                         m->crypto, m->sim->now_ms, ROOM, "m.room.message", content, &wire),
	        OK);
	snprintf(event_id, sizeof(event_id), "$late%d", count++);
	event = json_pack("{s:s, s:s, s:s, s:o}", "type", "m.room.encrypted", "sender", m->user,
	        "event_id", event_id, "content", json_loads(wire, 0, NULL));
	free(wire);
	json_decref(content);
	return event;
}

/* The bot is started again, and obeys and tells every device. */
static void restart(struct sim_machine *bot)
{
	struct fault fault;

	crypto_close(bot->crypto);
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_ALL, 7, &fault), OK);
}

/* Bot and operator, in touch; then a device of the operator's that the bot has not heard of. */
static void device_added_while_down(struct sim *sim, struct sim_machine **bot,
        struct sim_machine **op, struct sim_machine **tablet)
{
	pair(sim, bot, op);
	restart(*bot);
	sim_settle(sim);
	json_decref(say(*bot, "before"));
	sim_settle(sim);
	*tablet = sim_add(sim, "@op:x", "TABLET", false);
	sim_run(*tablet);
	restart(*bot);
}

static void no_event_leaves_before_the_first_sync_and_query(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *tablet;
	json_t *event;

	device_added_while_down(sim, &bot, &op, &tablet);
	json_array_clear(bot->changed); /* the homeserver does not tell of the device */
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim_run(bot); /* asks for all lists */
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim_sync(bot);
	for (int i = 0; i < 3; i++) {
		ready_for(bot, two, 2);
		sim_run(bot);
	}
	event = send_now(bot, two, 2, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "alert");
	assert_string_equal(sim_read(tablet, ROOM, event, NULL), "alert");
	json_decref(event);
	sim_destroy(sim);
}

static void a_wait_for_the_first_sync_ends_and_late_devices_get_the_key(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *tablet;
	json_t *first, *second, *third;

	device_added_while_down(sim, &bot, &op, &tablet);
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim->now_ms += WAIT_MS - 1;
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim->now_ms++;
	first = send_now(bot, two, 2, "first");
	second = send_now(bot, two, 2, "second"); /* which waits no second time */
	sim_sync(op);
	sim_run(bot); /* to whom it was known */
	sim_sync(op);
	assert_string_equal(sim_read(op, ROOM, first, NULL), "first");
	sim_settle(sim); /* now it hears of the device, and sends nothing else */
	assert_string_equal(sim_read(tablet, ROOM, first, NULL), "first");
	assert_string_equal(sim_read(tablet, ROOM, second, NULL), "second");
	third = send_now(bot, two, 2, "third");
	assert_string_equal(sim_read(tablet, ROOM, third, NULL), "third");
	json_decref(first);
	json_decref(second);
	json_decref(third);
	sim_destroy(sim);
}

static void who_left_is_given_nothing_late(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *first, *second;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "PHONE", true);
	sim_run(out);
	restart(bot);
	assert_int_equal(ready_for(bot, three, 3), CRYPTO_WAIT);
	sim->now_ms += WAIT_MS;
	first = send_now(bot, three, 3, "first");
	second = send_now(bot, two, 2, "second"); /* they left */
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, second, NULL), "second");
	assert_string_equal(sim_read(out, ROOM, second, NULL), "not_found");
	assert_string_equal(sim_read(out, ROOM, first, NULL), "not_found");
	json_decref(first);
	json_decref(second);
	sim_destroy(sim);
}

static void who_came_later_is_given_what_follows_alone(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *first, *second;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "PHONE", true);
	sim_run(out);
	restart(bot);
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim->now_ms += WAIT_MS;
	first = send_now(bot, two, 2, "first");
	second = send_now(bot, three, 3, "second");
	sim_settle(sim);
	assert_string_equal(sim_read(out, ROOM, first, NULL), "not_found");
	assert_string_equal(sim_read(out, ROOM, second, NULL), "second");
	json_decref(first);
	json_decref(second);
	sim_destroy(sim);
}

static void a_list_that_never_comes_holds_nothing_up_for_ever(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *tablet;
	json_t *event;

	device_added_while_down(sim, &bot, &op, &tablet);
	sim_settle(sim);
	json_decref(say(bot, "before"));
	sim_settle(sim);
	sim_changed(sim, "@op:x");
	sim_sync(bot);
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim->now_ms += WAIT_MS - 1;
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim->now_ms++;
	event = send_now(bot, two, 2, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "alert");
	json_decref(event);
	sim_destroy(sim);
}

/* What is told of a member's devices is asked about before the next message, which waits; when they
 * are as before, the session goes on. */
static void news_of_a_list_are_asked_about_first(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event;
	int shares;

	pair(sim, &bot, &op);
	json_decref(say(bot, "before"));
	sim_settle(sim);
	shares = sim->shares;
	sim_changed(sim, "@op:x");
	sim_sync(bot);
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim_run(bot);
	event = send_now(bot, two, 2, "same");
	assert_int_equal(sim->shares, shares);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "same");
	json_decref(event);
	/* the device is gone */
	json_object_clear(sim_in(sim->device_keys, "@op:x"));
	sim_changed(sim, "@op:x");
	sim_sync(bot);
	assert_int_equal(ready_for(bot, two, 2), CRYPTO_WAIT);
	sim_run(bot);
	event = send_now(bot, two, 2, "gone");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "not_found");
	json_decref(event);
	sim_destroy(sim);
}

static void one_time_keys_that_never_come_hold_nothing_up_for_ever(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *event;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "PHONE", true);
	sim_settle(sim);
	json_decref(say(bot, "before")); /* the operator has an Olm session, @out has none */
	assert_int_equal(ready_for(bot, three, 3), CRYPTO_WAIT);
	sim_run(bot);
	assert_int_equal(ready_for(bot, three, 3), CRYPTO_WAIT); /* asks for one-time keys */
	sim->now_ms += WAIT_MS;
	event = send_now(bot, three, 3, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "alert");
	assert_string_equal(sim_read(out, ROOM, event, NULL), "alert");
	json_decref(event);
	sim_destroy(sim);
}

/* A homeserver that refuses keys/claim, or the keys themselves, holds no room up; once it does not,
 * what follows is readable. */
static void refused_keys_hold_nothing_up_and_are_sent_again(void **state)
{
	static const enum crypto_request_kind kinds[] = {CRYPTO_KEYS_CLAIM, CRYPTO_TO_DEVICE};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct sim *sim = sim_create();
		struct sim_machine *bot, *op;
		json_t *first, *second, *third;

		pair(sim, &bot, &op);
		sim->refuses = 1U << kinds[i];
		first = say(bot, "first");
		assert_non_null(first);
		sim_settle(sim);
		assert_string_equal(sim_read(op, ROOM, first, NULL), "not_found");
		sim->refuses = 0;
		second = say(bot, "second"); /* not yet: the same would be refused at each alert */
		sim_settle(sim);
		assert_string_equal(sim_read(op, ROOM, second, NULL), "not_found");
		sim->now_ms += 5 * 60 * 1000;
		third = say(bot, "third");
		sim_settle(sim);
		assert_string_equal(sim_read(op, ROOM, third, NULL), "third");
		json_decref(first);
		json_decref(second);
		json_decref(third);
		sim_destroy(sim);
	}
}

#define CROWD 200

/* Reads of the store for one message to so many members who have the key; no request is made. */
static unsigned reads_of_a_message(size_t members)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	const char *users[CROWD] = {"@bot:x", "@op:x"};
	char names[CROWD][32];
	json_t *content = body("t"), *event;
	unsigned reads = 0;

	pair(sim, &bot, &op);
	for (size_t i = 2; i < members; i++) {
		snprintf(names[i], sizeof(names[i]), "@u%zu:x", i);
		users[i] = names[i];
	}
	for (int i = 0; i < 3; i++) {
		int claims = sim->claims, queries = sim->queries;

		reads = bot->reads;
		event = sim_send(bot, ROOM, users, members, 0, content);
		assert_non_null(event);
		json_decref(event);
		reads = bot->reads - reads;
		sim_settle(sim);
		assert_true(i == 0 || (sim->claims == claims && sim->queries == queries));
	}
	json_decref(content);
	sim_destroy(sim);
	return reads;
}

static void members_who_have_the_key_make_no_message_read_more(void **state)
{
	unsigned few = reads_of_a_message(2), many = reads_of_a_message(CROWD);

	if (few == 0 || many > few)
		fail_msg("%u, then %u reads", few, many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(no_event_leaves_before_the_first_sync_and_query),
	        cmocka_unit_test(a_wait_for_the_first_sync_ends_and_late_devices_get_the_key),
	        cmocka_unit_test(who_left_is_given_nothing_late),
	        cmocka_unit_test(who_came_later_is_given_what_follows_alone),
	        cmocka_unit_test(a_list_that_never_comes_holds_nothing_up_for_ever),
	        cmocka_unit_test(news_of_a_list_are_asked_about_first),
	        cmocka_unit_test(one_time_keys_that_never_come_hold_nothing_up_for_ever),
	        cmocka_unit_test(refused_keys_hold_nothing_up_and_are_sent_again),
	        cmocka_unit_test(members_who_have_the_key_make_no_message_read_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

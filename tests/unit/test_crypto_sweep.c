/*
 * test_crypto_sweep.c - what others make the machine keep has an end, and no replay comes of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bot/base/clock.h"
#include "bot/crypto/olm.h"
#include "bot/crypto/sessions.h"
#include "tests/unit/crypto_people.h"

static size_t kept(struct sim_machine *m, const char *kind)
{
	return json_object_size(json_object_get(m->kept, kind));
}

static void used_indexes_go_and_what_they_were_of_is_still_no_news(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *read, *unread, *early;

	pair(sim, &bot, &op);
	early = say(op, "early"); /* never delivered in time */
	read = say(op, "!ack");
	unread = say(op, "late");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, read, NULL), "!ack");
	assert_int_equal(kept(bot, "index"), 1);
	sim->now_ms += 29 * CLOCK_DAY_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "index"), 1);
	sim->now_ms += 2 * CLOCK_DAY_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "index"), 0);
	assert_int_equal(kept(bot, "inbound"), 1);
	json_object_set_new(read, "event_id", json_string("$again"));
	assert_string_equal(sim_read(bot, ROOM, read, NULL), "denied");
	assert_string_equal(sim_read(bot, ROOM, early, NULL), "denied");
	assert_string_equal(sim_read(bot, ROOM, unread, NULL), "late");
	json_object_set_new(unread, "event_id", json_string("$again"));
	assert_string_equal(sim_read(bot, ROOM, unread, NULL), "denied");
	json_decref(early);
	json_decref(read);
	json_decref(unread);
	sim_destroy(sim);
}

static void a_key_that_nothing_was_read_with_goes(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;

	pair(sim, &bot, &op);
	json_decref(say(bot, "alert")); /* a room is shared */
	sim_settle(sim);
	json_decref(say(op, "unread"));
	sim_settle(sim);
	assert_int_equal(kept(bot, "inbound"), 1);
	sim->now_ms += 29 * CLOCK_DAY_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "inbound"), 1);
	sim->now_ms += 2 * CLOCK_DAY_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "inbound"), 0);
	assert_true(kept(bot, "olm") > 0); /* the way to a device that is known stays */
	sim_destroy(sim);
}

/* A room key to the bot, from a device that has an Olm session with it. */
static void give(struct sim *sim, struct sim_machine *from, struct sim_machine *bot)
{
	struct OlmOutboundGroupSession *session = ol_outbound_create();
	char *id = ol_outbound_id(session), *key = ol_outbound_key(session);
	json_t *content = json_pack("{s:s, s:s, s:s, s:s}", "algorithm", "m.megolm.v1.aes-sha2",
	        "room_id", "!some:x", "session_id", id, "session_key", key);
	json_t *device = json_pack(
	        "{s:O}", "keys", json_object_get(sim_in(sim->device_keys, "@bot:x"), "BOT"));
	json_t *message = NULL;

	assert_int_equal(sessions_encrypt(from->crypto, "@bot:x", "BOT", device, "m.room_key",
	                         content, &message),
	        OK);
	json_array_append_new(bot->inbox, json_pack("{s:s, s:s, s:o}", "type", "m.room.encrypted",
	                                          "sender", from->user, "content", message));
	json_decref(device);
	json_decref(content);
	x_wipe_free_str(key);
	free(id);
	ol_outbound_free(session);
}

static void strangers_keys_are_few_and_do_not_stay(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	size_t users;

	pair(sim, &bot, &op);
	json_decref(say(op, "x")); /* an Olm session with the bot, which knows nothing of op */
	sim_settle(sim);
	users = kept(bot, "user");
	for (int i = 0; i < 600; i++)
		give(sim, op, bot);
	sim_settle(sim);
	assert_int_equal(kept(bot, "inbound"), 500);
	assert_int_equal(kept(bot, "olm"), 1);
	/* and who gave a key is not known for that */
	json_array_append_new(
	        bot->inbox, json_pack("{s:s, s:s, s:{s:s}}", "type", "m.room_key.withheld",
	                            "sender", "@op:x", "content", "code", "m.unverified"));
	sim_sync(bot);
	assert_false(noticed(bot, "gives this device no keys"));
	sim->now_ms += 25 * CLOCK_HOUR_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "inbound"), 0);
	assert_int_equal(kept(bot, "user"), users - 1);
	assert_int_equal(kept(bot, "olm"), 0);
	json_decref(say(bot, "alert")); /* now a room is shared */
	sim_settle(sim);
	for (int i = 0; i < 600; i++)
		give(sim, op, bot);
	sim_settle(sim);
	assert_int_equal(kept(bot, "inbound"), 600);
	sim_destroy(sim);
}

static void what_nobody_gave_is_forgotten(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct crypto_event out;
	struct fault fault;
	json_t *event;

	pair(sim, &bot, &op);
	event = say(op, "x");
	json_array_clear(bot->inbox);
	assert_int_equal(crypto_decrypt(bot->crypto, sim->now_ms, ROOM, event, true, &out, &fault),
	        ERR_NOT_FOUND);
	sim_settle(sim);
	assert_int_equal(kept(bot, "ask"), 1);
	sim->now_ms += 31 * CLOCK_DAY_MS;
	sim_sync(bot);
	assert_int_equal(kept(bot, "ask"), 0);
	json_decref(event);
	sim_destroy(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(used_indexes_go_and_what_they_were_of_is_still_no_news),
	        cmocka_unit_test(a_key_that_nothing_was_read_with_goes),
	        cmocka_unit_test(strangers_keys_are_few_and_do_not_stay),
	        cmocka_unit_test(what_nobody_gave_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

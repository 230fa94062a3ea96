/*
 * test_crypto_verify_refused.c - verification by emoji: what was changed on the way, comes again,
 * out of order, or in floods.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "tests/unit/verify_fixture.h"

/* Changes a member of the first event of that kind in an inbox. */
static bool change(struct sim_machine *m, const char *kind, const char *member, json_t *value)
{
	json_t *event;
	size_t i;

	json_array_foreach(m->inbox, i, event)
	{
		const char *type = json_string_value(json_object_get(event, "type"));

		if (strcmp(type + strlen("m.key.verification."), kind) == 0) {
			json_object_set_new(json_object_get(event, "content"), member, value);
			return true;
		}
	}
	json_decref(value);
	return false;
}

/* One step at a time, with a hand on the wire: what `kind` to the starter says is changed. */
static void meddle(const char *kind, const char *member, const char *value, const char *starter,
        const char *other)
{
	struct pair p = pair_create();
	bool changed = false;

	assert_int_equal(accept(p.bot, p.op), OK);
	pass(p.bot);
	p.sim->now_ms += 3000;
	assert_int_equal(accept(p.op, p.bot), OK);
	for (int i = 0; i < 6; i++) {
		send(p.bot);
		sim_sync(p.op);
		send(p.op);
		changed = change(p.bot, kind, member, json_string(value)) || changed;
		sim_sync(p.bot);
	}
	assert_true(changed);
	settle(&p);
	assert_string_equal(state_of(p.bot), starter);
	assert_string_equal(state_of(p.op), other);
	sim_destroy(p.sim);
}

static void what_was_changed_on_the_way_is_seen(void **state)
{
	meddle("accept", "commitment", "CCQmB4JCdB0FW21FdAnHj/Hu8+W9+Nb0vgwPEnZZQ4g",
	        "cancelled m.mismatched_commitment", "cancelled m.mismatched_commitment");
	meddle("key", "key", SOME_KEY, "cancelled m.mismatched_commitment",
	        "cancelled m.mismatched_commitment");
	meddle("key", "key", "short", "cancelled m.invalid_message", "cancelled m.invalid_message");
	meddle("accept", "key_agreement_protocol", "curve25519", "cancelled m.unknown_method",
	        "cancelled m.unknown_method");
	meddle("accept", "message_authentication_code", "hmac-sha256", "cancelled m.unknown_method",
	        "cancelled m.unknown_method");
}

/* A key in the middle that nobody promised gives other emoji, and other proofs. */
static void another_key_gives_other_emoji_and_no_proof(void **state)
{
	struct pair p = pair_create();
	json_t *bot, *op;

	assert_int_equal(accept(p.bot, p.op), OK);
	pass(p.bot);
	p.sim->now_ms += 3000;
	assert_int_equal(accept(p.op, p.bot), OK);
	for (int i = 0; i < 6; i++) {
		send(p.bot);
		change(p.op, "key", "key", json_string(SOME_KEY));
		sim_sync(p.op);
		send(p.op);
		sim_sync(p.bot);
	}
	assert_string_equal(state_of(p.bot), "compare");
	assert_string_equal(state_of(p.op), "compare");
	bot = look(p.bot, ID);
	op = look(p.op, ID);
	assert_false(json_equal(json_object_get(bot, "emoji"), json_object_get(op, "emoji")));
	json_decref(bot);
	json_decref(op);
	/* and who says yes all the same is not believed */
	assert_int_equal(confirm(p.op, p.bot), OK);
	assert_int_equal(confirm(p.bot, p.op), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "cancelled m.key_mismatch");
	assert_false(verified(p.bot, "@op:x"));
	assert_false(verified(p.op, "@bot:x"));
	sim_destroy(p.sim);
}

/* How the operator's proof is changed before the bot sees it. */
static void spoil_mac(json_t *content, int how)
{
	json_t *macs = json_object_get(content, "mac");
	const char *key;
	json_t *value;
	void *next;

	if (how == 0) { /* one of another list */
		json_object_set_new(content, "keys", json_string(SOME_KEY));
	} else if (how == 1) { /* left out */
		json_object_foreach_safe(macs, next, key, value)
		{
			if (strcmp(key, "ed25519:PHONE") != 0)
				json_object_del(macs, key);
		}
	} else {
		json_object_foreach(macs, key, value)
		{
			json_object_set_new(macs, key, json_string(SOME_KEY));
		}
	}
}

static void a_wrong_proof_verifies_nobody(void **state)
{
	for (int how = 0; how < 3; how++) {
		struct pair p = pair_create();
		json_t *event;
		size_t i;

		bring_to_compare(&p, p.op);
		assert_int_equal(confirm(p.bot, p.op), OK);
		assert_int_equal(confirm(p.op, p.bot), OK);
		sim_run(p.op);
		json_array_foreach(p.bot->inbox, i, event)
		{
			if (strcmp(json_string_value(json_object_get(event, "type")),
			            "m.key.verification.mac") == 0)
				spoil_mac(json_object_get(event, "content"), how);
		}
		sim_sync(p.bot);
		assert_string_equal(state_of(p.bot), "cancelled m.key_mismatch");
		assert_false(verified(p.bot, "@op:x"));
		settle(&p);
		assert_false(verified(p.bot, "@op:x"));
		sim_destroy(p.sim);
	}
}

/* A homeserver that shows another identity than the one that the device proves. */
static void swap_master(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	json_t *master = json_object_get(json_object_get(answer, "master_keys"), "@op:x");

	if (kind == CRYPTO_KEYS_QUERY && master) {
		json_object_set_new(
		        master, "keys", json_pack("{s:s}", "ed25519:" SOME_KEY, SOME_KEY));
	}
}

static void another_identity_is_not_proven(void **state)
{
	struct sim *sim = sim_create();
	struct pair p = {
	        sim, sim_add(sim, "@bot:x", "BOT", true), sim_add(sim, "@op:x", "PHONE", true)};

	sim_run(p.op);
	sim->lie = swap_master;
	sim_run(p.bot);
	ask(p.bot, p.op, ID);
	sim_run(p.bot);
	sim->lie = NULL;
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	ask(p.op, p.bot, ID);
	sim_settle(sim);
	bring_to_compare(&p, p.op);
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	settle(&p);
	/* the present one was proven, which a person looked at: it takes the other's place */
	assert_string_equal(state_of(p.bot), "done");
	assert_true(verified(p.bot, "@op:x"));
	sim_destroy(sim);

	sim = sim_create();
	p = (struct pair){
	        sim, sim_add(sim, "@bot:x", "BOT", true), sim_add(sim, "@op:x", "PHONE", true)};
	sim_settle(sim);
	sim->lie = swap_master;
	ask(p.bot, p.op, ID);
	sim_run(p.bot);
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	ask(p.op, p.bot, ID);
	sim_settle(sim);
	bring_to_compare(&p, p.op);
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "cancelled m.key_mismatch");
	assert_false(verified(p.bot, "@op:x"));
	sim_destroy(sim);
}

static void again_and_out_of_order(bool bot_starts)
{
	struct pair p = pair_create();
	struct sim_machine *first = bot_starts ? p.bot : p.op, *second = bot_starts ? p.op : p.bot;
	json_t *seen = json_array(), *event;
	size_t i;

	assert_int_equal(accept(first, second), OK);
	pass(first);
	p.sim->now_ms += 3000;
	assert_int_equal(accept(second, first), OK);
	for (int round = 0; round < 6; round++) {
		pass(p.op);
		json_array_extend(seen, p.bot->inbox);
		/* each comes twice */
		json_array_foreach(seen, i, event)
		{
			json_array_append(p.bot->inbox, event);
		}
		pass(p.bot);
	}
	assert_true(json_array_size(seen) >= 2);
	assert_string_equal(state_of(p.bot), "compare");
	assert_same_emoji(&p);
	json_decref(seen);
	/* a second accept, key, start or ready is none that is awaited */
	tell(p.bot, "@op:x", "m.key.verification.key",
	        json_pack("{s:s, s:s}", "transaction_id", ID, "key", SOME_KEY));
	assert_string_equal(state_of(p.bot), "cancelled m.unexpected_message");
	settle(&p);
	assert_string_equal(state_of(p.op), "cancelled m.unexpected_message");
	/* what comes after the end is nothing */
	tell(p.bot, "@op:x", "m.key.verification.mac",
	        json_pack("{s:s, s:{}, s:s}", "transaction_id", ID, "mac", "keys", "x"));
	sim_run(p.bot);
	assert_int_equal(json_array_size(p.op->inbox), 0);
	sim_destroy(p.sim);
}

static void again_is_nothing_and_out_of_order_is_the_end(void **state)
{
	again_and_out_of_order(true);
	again_and_out_of_order(false);
}

static void before_a_person_accepts_nothing_goes_on(void **state)
{
	static const char *const kinds[] = {"start", "accept", "key", "mac", "ready", "done"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct pair p = pair_create();
		char type[64];

		snprintf(type, sizeof(type), "m.key.verification.%s", kinds[i]);
		sim_run(p.bot);
		assert_int_equal(json_array_size(p.op->inbox), 0); /* no answer yet */
		assert_int_equal(confirm(p.bot, p.op), ERR_INVALID);
		tell(p.bot, "@op:x", type,
		        json_pack("{s:s, s:s, s:s}", "transaction_id", ID, "key", SOME_KEY,
		                "from_device", "PHONE"));
		assert_string_equal(state_of(p.bot), "cancelled m.unexpected_message");
		sim_destroy(p.sim);
	}
}

static void one_for_each_user_and_no_flood(void **state)
{
	struct pair p = pair_create();
	char id[16];

	assert_int_equal(accept(p.bot, p.op), OK); /* no stranger any more */
	ask(p.bot, p.op, "second");
	assert_string_equal(state_of(p.bot), "cancelled m.user");
	assert_string_equal(state_of_id(p.bot, "second"), "requested");
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "more%d", i);
		ask(p.bot, p.op, id);
	}
	assert_string_equal(state_of_id(p.bot, "more2"), "requested");
	assert_string_equal(state_of_id(p.bot, "more3"), "none");
	/* strangers have few places, and take none of others */
	for (int i = 0; i < 40; i++) {
		char user[32];

		snprintf(user, sizeof(user), "@stranger%d:x", i);
		snprintf(id, sizeof(id), "s%d", i);
		tell(p.bot, user, "m.key.verification.request", request_content(p.op, id));
	}
	assert_string_equal(state_of_id(p.bot, "s2"), "requested"); /* the first was the operator */
	assert_string_equal(state_of_id(p.bot, "s3"), "none");
	sim_destroy(p.sim);
}

static void what_is_not_known_is_said_to_be_but_not_to_a_flood(void **state)
{
	struct pair p = pair_create();
	size_t told = 0;

	for (int i = 0; i < 50; i++) {
		tell(p.bot, "@op:x", "m.key.verification.key",
		        json_pack("{s:s, s:s}", "transaction_id", "gone", "key", SOME_KEY));
		/* neither an end nor a request that was cancelled asks for an answer */
		tell(p.bot, "@op:x", "m.key.verification.cancel",
		        json_pack("{s:s}", "transaction_id", "gone"));
		tell(p.bot, "@op:x", "m.key.verification.done",
		        json_pack("{s:s}", "transaction_id", "gone"));
	}
	sim_run(p.bot);
	for (size_t i = 0; i < json_array_size(p.op->inbox); i++) {
		json_t *content = json_object_get(json_array_get(p.op->inbox, i), "content");

		assert_string_equal(json_string_value(json_object_get(content, "code")),
		        "m.unknown_transaction");
		told++;
	}
	assert_int_equal(told, 20);
	sim_destroy(p.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_was_changed_on_the_way_is_seen),
	        cmocka_unit_test(another_key_gives_other_emoji_and_no_proof),
	        cmocka_unit_test(a_wrong_proof_verifies_nobody),
	        cmocka_unit_test(another_identity_is_not_proven),
	        cmocka_unit_test(again_is_nothing_and_out_of_order_is_the_end),
	        cmocka_unit_test(before_a_person_accepts_nothing_goes_on),
	        cmocka_unit_test(one_for_each_user_and_no_flood),
	        cmocka_unit_test(what_is_not_known_is_said_to_be_but_not_to_a_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

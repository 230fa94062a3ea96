/*
 * test_crypto_verify.c - verification by emoji, machine against machine: the ways it goes and ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "tests/unit/verify_fixture.h"

static void whole_way(bool bot_starts, bool bot_confirms_first)
{
	struct pair p = pair_create();
	struct sim_machine *first, *second;
	json_t *signatures;

	bring_to_compare(&p, bot_starts ? p.bot : p.op);
	assert_same_emoji(&p);
	first = bot_confirms_first ? p.bot : p.op;
	second = bot_confirms_first ? p.op : p.bot;
	assert_int_equal(confirm(first, second), OK);
	settle(&p);
	assert_string_equal(state_of(first), "confirmed");
	assert_false(verified(first, second->user));
	assert_false(verified(second, first->user));
	assert_int_equal(confirm(second, first), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "done");
	assert_string_equal(state_of(p.op), "done");
	assert_true(verified(p.bot, "@op:x"));
	assert_true(verified(p.op, "@bot:x"));
	/* and everybody's other devices can see it */
	signatures = json_object_get(json_object_get(p.sim->master, "@op:x"), "signatures");
	assert_int_equal(json_object_size(json_object_get(signatures, "@bot:x")), 1);
	sim_destroy(p.sim);
}

static void either_side_starts_and_confirms_first(void **state)
{
	whole_way(true, true);
	whole_way(true, false);
	whole_way(false, true);
	whole_way(false, false);
}

static void when_both_start_the_smaller_user_s_counts(void **state)
{
	struct pair p = pair_create();

	assert_int_equal(accept(p.bot, p.op), OK);
	assert_int_equal(accept(p.op, p.bot), OK);
	pass(p.bot);
	pass(p.op);
	p.sim->now_ms += 3000;
	sim_run(p.bot); /* both starts are on their way */
	sim_run(p.op);
	assert_string_equal(state_of(p.bot), "started");
	assert_string_equal(state_of(p.op), "started");
	sim_sync(p.op);
	sim_sync(p.bot);
	sim_run(p.op);
	sim_run(p.bot);
	assert_int_equal(json_array_size(p.bot->inbox), 1); /* @op accepts, @bot does not */
	assert_int_equal(json_array_size(p.op->inbox), 0);
	settle(&p);
	assert_string_equal(state_of(p.bot), "compare");
	assert_same_emoji(&p);
	sim_destroy(p.sim);
}

static void a_mismatch_ends_both(void **state)
{
	struct pair p = pair_create();
	struct fault fault;

	bring_to_compare(&p, p.op);
	assert_int_equal(
	        crypto_verify_cancel(p.bot->crypto, p.sim->now_ms, "@op:x", ID, true, &fault), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "cancelled m.mismatched_sas");
	assert_string_equal(state_of(p.op), "cancelled m.mismatched_sas");
	assert_int_equal(confirm(p.op, p.bot), ERR_CANCELED);
	assert_false(verified(p.bot, "@op:x"));
	sim_destroy(p.sim);
}

static void ten_minutes_end_it(void **state)
{
	struct pair p = pair_create();

	p.sim->now_ms += 10 * 60000 - 1;
	sim_run(p.bot);
	assert_string_equal(state_of(p.bot), "requested");
	p.sim->now_ms += 1;
	pass(p.bot);
	assert_string_equal(state_of(p.bot), "cancelled m.timeout");
	sim_sync(p.op);
	assert_string_equal(state_of(p.op), "cancelled m.timeout");
	p.sim->now_ms += 10 * 60000;
	sim_run(p.bot);
	assert_string_equal(state_of(p.bot), "none");
	/* what is as old, or of a far future, is not looked at */
	p.sim->now_ms -= 10 * 60000;
	ask(p.bot, p.op, "late");
	assert_string_equal(state_of_id(p.bot, "late"), "requested");
	p.sim->now_ms += 11 * 60000;
	tell(p.bot, "@op:x", "m.key.verification.request",
	        json_pack("{s:s, s:s, s:[s], s:I}", "transaction_id", "old", "from_device", "PHONE",
	                "methods", "m.sas.v1", "timestamp",
	                (json_int_t)p.sim->now_ms - 11 * 60000));
	tell(p.bot, "@op:x", "m.key.verification.request",
	        json_pack("{s:s, s:s, s:[s], s:I}", "transaction_id", "ahead", "from_device",
	                "PHONE", "methods", "m.sas.v1", "timestamp",
	                (json_int_t)p.sim->now_ms + 6 * 60000));
	assert_string_equal(state_of_id(p.bot, "old"), "none");
	assert_string_equal(state_of_id(p.bot, "ahead"), "none");
	sim_destroy(p.sim);
}

static void who_asked_may_take_it_back(void **state)
{
	struct pair p = pair_create();

	/* by another user, it is another's */
	tell(p.bot, "@out:x", "m.key.verification.cancel",
	        json_pack(
	                "{s:s, s:s, s:s}", "transaction_id", ID, "code", "m.user", "reason", "r"));
	assert_string_equal(state_of(p.bot), "requested");
	tell(p.bot, "@op:x", "m.key.verification.cancel",
	        json_pack("{s:s, s:s, s:s}", "transaction_id", ID, "code", "m.accepted", "reason",
	                "on another device"));
	assert_string_equal(state_of(p.bot), "cancelled m.accepted");
	assert_int_equal(accept(p.bot, p.op), ERR_CANCELED);
	sim_run(p.bot);
	assert_int_equal(json_array_size(p.op->inbox), 0); /* a cancel is not answered */
	sim_destroy(p.sim);
}

static void who_has_no_identity_is_told_so(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true),
	                   *op = sim_add(sim, "@op:x", "PHONE", false);

	struct fault fault;
	int queries;

	sim_settle(sim);
	queries = sim->queries;
	ask(bot, op, ID);
	sim_run(bot);
	assert_int_equal(sim->queries, queries); /* a stranger's word makes no work */
	assert_int_equal(
	        crypto_verify_accept(bot->crypto, sim->now_ms, "@op:x", ID, &fault), ERR_BUSY);
	assert_string_equal(state_of(bot), "requested");
	sim_settle(sim);
	assert_int_equal(accept(bot, op), ERR_DENIED);
	assert_string_equal(state_of(bot), "cancelled m.user");
	sim_destroy(sim);
}

static void start(struct sim_machine *to, const char *id)
{
	tell(to, "@op:x", "m.key.verification.start",
	        json_pack("{s:s, s:s, s:s, s:[s, s], s:[s], s:[s, s], s:[s]}", "transaction_id", id,
	                "from_device", "PHONE", "method", "m.sas.v1", "key_agreement_protocols",
	                "curve25519-hkdf-sha256", "curve25519", "hashes", "sha256",
	                "message_authentication_codes", "hkdf-hmac-sha256.v2", "hkdf-hmac-sha256",
	                "short_authentication_string", "decimal"));
}

/* As older clients begin: no request, no ready. */
static void a_start_without_a_request(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true),
	                   *op = sim_add(sim, "@op:x", "PHONE", true);
	json_t *event;

	sim_settle(sim);
	tell(bot, "@op:x", "m.key.verification.start",
	        json_pack("{s:s, s:s, s:s}", "transaction_id", "qr", "from_device", "PHONE",
	                "method", "m.reciprocate.v1"));
	sim_run(bot);
	assert_string_equal(state_of_id(bot, "qr"), "none");
	/* nothing weaker than what is spoken here */
	tell(bot, "@op:x", "m.key.verification.start",
	        json_pack("{s:s, s:s, s:s, s:[s], s:[s], s:[s], s:[s]}", "transaction_id", "weak",
	                "from_device", "PHONE", "method", "m.sas.v1", "key_agreement_protocols",
	                "curve25519-hkdf-sha256", "hashes", "sha256",
	                "message_authentication_codes", "hmac-sha256",
	                "short_authentication_string", "decimal"));
	sim_run(bot);
	json_array_clear(op->inbox);
	assert_int_equal(accept_id(bot, op, "weak"), OK);
	assert_string_equal(state_of_id(bot, "weak"), "cancelled m.unknown_method");
	sim_run(bot);
	json_array_clear(op->inbox);
	start(bot, ID);
	sim_run(bot);
	assert_int_equal(accept(bot, op), OK);
	sim_run(bot);
	assert_string_equal(state_of(bot), "started");
	event = json_array_get(op->inbox, 0);
	assert_string_equal(
	        json_string_value(json_object_get(event, "type")), "m.key.verification.accept");
	tell(bot, "@op:x", "m.key.verification.key",
	        json_pack("{s:s, s:s}", "transaction_id", ID, "key", SOME_KEY));
	sim_run(bot);
	assert_string_equal(state_of(bot), "compare");
	sim_destroy(sim);
}

/* Another device of the bot's own account is signed as the bot's is. */
static void a_device_of_our_own_is_signed(void **state)
{
	struct sim *sim = sim_create();
	struct pair p = {
	        sim, sim_add(sim, "@bot:x", "BOT", true), sim_add(sim, "@bot:x", "LAPTOP", false)};
	json_t *keys;

	sim_settle(sim);
	ask(p.bot, p.op, ID);
	ask(p.op, p.bot, ID);
	sim_settle(sim);
	keys = json_object_get(json_object_get(sim->device_keys, "@bot:x"), "LAPTOP");
	assert_int_equal(
	        json_object_size(json_object_get(json_object_get(keys, "signatures"), "@bot:x")),
	        1);
	bring_to_compare(&p, p.op);
	assert_same_emoji(&p);
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "done");
	keys = json_object_get(json_object_get(sim->device_keys, "@bot:x"), "LAPTOP");
	assert_int_equal(
	        json_object_size(json_object_get(json_object_get(keys, "signatures"), "@bot:x")),
	        2);
	sim_destroy(sim);
}

/* ---- in a room ---- */

static void room_event(struct sim_machine *to, const struct crypto_verification *in)
{
	struct crypto_verification event = *in;

	event.room_id = ROOM;
	event.sent_ms = to->sim->now_ms;
	assert_true(crypto_is_verification(in->type, in->content));
	assert_int_equal(crypto_take_verification(to->crypto, to->sim->now_ms, &event), OK);
}

/* direct: in an encrypted room that nothing else is sent to. */
static void room_request(
        struct sim_machine *to, const struct sim_machine *from, const char *named, bool direct)
{
	json_t *content = json_pack("{s:s, s:s, s:s, s:[s], s:s}", "msgtype",
	        "m.key.verification.request", "to", named, "from_device", from->device, "methods",
	        "m.sas.v1", "body", "verify me");
	struct crypto_verification in = {.event_id = ID,
	        .sender = from->user,
	        .device_id = from->device,
	        .type = "m.room.message",
	        .encrypted = direct,
	        .direct = direct,
	        .content = content};

	room_event(to, &in);
	json_decref(content);
}

/* The other side's next event; opens it where it is encrypted. */
static void room_take(struct sim_machine *to, json_t *event)
{
	struct crypto_event clear = {0};
	struct crypto_verification in = {
	        .event_id = "$sent",
	        .sender = json_string_value(json_object_get(event, "sender")),
	        .type = json_string_value(json_object_get(event, "type")),
	        .content = json_object_get(event, "content"),
	};
	struct fault fault;

	if (strcmp(in.type, "m.room.encrypted") == 0) {
		assert_int_equal(crypto_decrypt(to->crypto, to->sim->now_ms, ROOM, event, false,
		                         &clear, &fault),
		        OK);
		in.type = clear.type;
		in.content = clear.content;
		in.device_id = clear.device_id;
	}
	if (strcmp(in.type, "m.key.verification.ready") != 0)
		room_event(to, &in);
	crypto_event_finish(&clear);
}

/* Carries what was sent into the room to the other. `reader` (or NULL) must not read it. */
static void room_pass(struct pair *p, struct sim_machine *reader)
{
	for (int i = 0; i < 12; i++) {
		sim_settle(p->sim);
		while (json_array_size(p->sim->room) > 0) {
			json_t *event = json_incref(json_array_get(p->sim->room, 0));
			const char *sender = json_string_value(json_object_get(event, "sender"));

			json_array_remove(p->sim->room, 0);
			if (reader)
				assert_string_equal(
				        sim_read(reader, ROOM, event, NULL), "not_found");
			room_take(strcmp(sender, "@bot:x") == 0 ? p->op : p->bot, event);
			json_decref(event);
		}
	}
}

/* A room is encrypted for ever: also when a verification there began before. */
static void a_room_that_becomes_encrypted_hears_nothing_in_the_clear(void **state)
{
	struct pair p = pair_create();
	json_t *content = json_pack("{s:s, s:s, s:s, s:[s], s:s}", "msgtype",
	        "m.key.verification.request", "to", "@bot:x", "from_device", p.op->device,
	        "methods", "m.sas.v1", "body", "verify me");
	json_t *key = json_pack("{s:s, s:{s:s, s:s}}", "key", SOME_KEY, "m.relates_to", "rel_type",
	        "m.reference", "event_id", "$ask");
	struct crypto_verification in = {.event_id = "$ask",
	        .sender = p.op->user,
	        .type = "m.room.message",
	        .direct = true,
	        .content = content};

	room_event(p.bot, &in);
	assert_int_equal(accept_id(p.bot, p.op, "$ask"), OK);
	in.event_id = "$key";
	in.type = "m.key.verification.key";
	in.encrypted = true;
	in.content = key;
	room_event(p.bot, &in);
	sim_settle(p.sim);
	assert_int_equal(json_array_size(p.sim->room), 2); /* ready, cancel */
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(
		        json_string_value(json_object_get(json_array_get(p.sim->room, i), "type")),
		        "m.room.encrypted");
	json_decref(content);
	json_decref(key);
	sim_destroy(p.sim);
}

static void in_room(bool direct)
{
	struct sim *sim = sim_create();
	struct pair p = {
	        sim, sim_add(sim, "@bot:x", "BOT", true), sim_add(sim, "@op:x", "PHONE", true)};
	struct sim_machine *out = sim_add(sim, "@out:x", "OUT", true);
	json_t *cancel = json_pack("{s:{s:s, s:s}, s:s, s:s}", "m.relates_to", "rel_type",
	        "m.reference", "event_id", ID, "code", "m.user", "reason", "r");
	struct crypto_verification by_another = {.event_id = "$x",
	        .sender = "@out:x",
	        .type = "m.key.verification.cancel",
	        .content = cancel};

	sim_settle(sim);
	room_request(p.bot, p.op, "@other:x", direct); /* not for us */
	assert_string_equal(state_of(p.bot), "none");
	room_request(p.bot, p.op, "@bot:x", direct);
	room_request(p.op, p.bot, "@op:x", direct);
	sim_settle(sim);
	assert_int_equal(accept(p.bot, p.op), OK);
	room_pass(&p, direct ? out : NULL);
	assert_int_equal(accept(p.op, p.bot), OK);
	sim->now_ms += 3000;
	room_pass(&p, direct ? out : NULL);
	assert_string_equal(state_of(p.bot), "compare");
	assert_same_emoji(&p);
	/* somebody else cannot end it, nor another device of the same user */
	room_event(p.bot, &by_another);
	by_another.sender = "@op:x";
	by_another.device_id = "LAPTOP";
	room_event(p.bot, &by_another);
	assert_string_equal(state_of(p.bot), "compare");
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	room_pass(&p, direct ? out : NULL);
	assert_string_equal(state_of(p.bot), "done");
	assert_true(verified(p.bot, "@op:x"));
	assert_true(verified(p.op, "@bot:x"));
	json_decref(cancel);
	sim_destroy(sim);
}

static void in_a_room(void **state)
{
	in_room(false);
}

/* Everything is encrypted, for the other side's device alone. */
static void in_a_direct_chat(void **state)
{
	in_room(true);
}

/* ---- transactions ---- */

static void a_rollback_loses_no_event(void **state)
{
	struct pair p = pair_create();
	struct crypto_request *requests;
	size_t len;

	assert_int_equal(accept(p.bot, p.op), OK);
	sim_begin(p.bot);
	assert_int_equal(crypto_requests(p.bot->crypto, p.sim->now_ms, &requests, &len), OK);
	assert_int_equal(len, 1);
	crypto_requests_free(requests, len);
	assert_int_equal(crypto_requests(p.bot->crypto, p.sim->now_ms, &requests, &len), OK);
	assert_int_equal(len, 1); /* the same */
	crypto_requests_free(requests, len);
	sim_rollback(p.bot);
	sim_run(p.bot);
	assert_int_equal(json_array_size(p.op->inbox), 1);
	/* an end ends with the process: the other side hears so */
	json_array_clear(p.op->inbox);
	sim_reopen(p.bot);
	assert_string_equal(state_of(p.bot), "none");
	tell(p.bot, "@op:x", "m.key.verification.accept", json_pack("{s:s}", "transaction_id", ID));
	sim_run(p.bot);
	sim_sync(p.op);
	assert_string_equal(state_of(p.op), "cancelled m.unknown_transaction");
	sim_destroy(p.sim);
}

static void trust_verified_takes_who_was_verified(void **state)
{
	static const char *const users[] = {"@bot:x", "@op:x"};
	struct pair p = pair_create();
	json_t *content = json_pack("{s:s}", "body", "alert"), *event;
	struct fault fault;

	crypto_close(p.bot->crypto);
	assert_int_equal(sim_open_with(p.bot, CRYPTO_TRUST_VERIFIED, 7, &fault), OK);
	event = sim_send(p.bot, ROOM, users, 2, 0, content);
	sim_settle(p.sim);
	assert_string_equal(sim_read(p.op, ROOM, event, NULL), "not_found");
	json_decref(event);
	ask(p.bot, p.op, ID);
	bring_to_compare(&p, p.op);
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	sim_run(p.op);
	sim_sync(p.bot);
	assert_true(verified(p.bot, "@op:x")); /* at once, whatever the homeserver says of it */
	settle(&p);
	event = sim_send(p.bot, ROOM, users, 2, 0, content);
	sim_settle(p.sim);
	assert_string_equal(sim_read(p.op, ROOM, event, NULL), "alert");
	json_decref(event);
	json_decref(content);
	sim_destroy(p.sim);
}

/* Who began anew is known by the emoji: the new identity is the one to trust from then on. */
static void a_changed_identity_is_taken_by_emoji(void **state)
{
	static const char *const users[] = {"@bot:x", "@op:x"};
	struct pair p = pair_create();
	json_t *content = json_pack("{s:s}", "body", "alert"), *event, *v;
	struct fault fault;

	assert_int_equal(accept(p.bot, p.op), OK); /* their first identity is known */
	assert_int_equal(
	        crypto_verify_cancel(p.bot->crypto, p.sim->now_ms, "@op:x", ID, false, &fault), OK);
	p.sim->now_ms += 11 * CLOCK_MINUTE_MS;
	sim_settle(p.sim);
	json_object_del(p.sim->master, "@op:x");
	json_object_del(p.sim->self, "@op:x");
	p.op = sim_add(p.sim, "@op:x", "ANEW", true);
	sim_changed(p.sim, "@op:x");
	sim_settle(p.sim);
	event = sim_send(p.bot, ROOM, users, 2, 0, content);
	sim_settle(p.sim);
	assert_string_equal(sim_read(p.op, ROOM, event, NULL), "not_found");
	json_decref(event);
	ask(p.bot, p.op, ID);
	ask(p.op, p.bot, ID);
	sim_settle(p.sim);
	v = look(p.bot, ID);
	assert_true(json_is_true(json_object_get(v, "identity_changed")));
	json_decref(v);
	bring_to_compare(&p, p.op);
	assert_false(verified(p.bot, "@op:x"));
	assert_int_equal(confirm(p.bot, p.op), OK);
	assert_int_equal(confirm(p.op, p.bot), OK);
	settle(&p);
	assert_string_equal(state_of(p.bot), "done");
	assert_true(verified(p.bot, "@op:x"));
	v = json_object_get(json_object_get(p.sim->master, "@op:x"), "signatures");
	assert_non_null(json_object_get(v, "@bot:x")); /* and everybody may know */
	event = sim_send(p.bot, ROOM, users, 2, 0, content);
	sim_settle(p.sim);
	assert_string_equal(sim_read(p.op, ROOM, event, NULL), "alert");
	json_decref(event);
	json_decref(content);
	sim_destroy(p.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_changed_identity_is_taken_by_emoji),
	        cmocka_unit_test(a_room_that_becomes_encrypted_hears_nothing_in_the_clear),
	        cmocka_unit_test(either_side_starts_and_confirms_first),
	        cmocka_unit_test(when_both_start_the_smaller_user_s_counts),
	        cmocka_unit_test(a_mismatch_ends_both),
	        cmocka_unit_test(ten_minutes_end_it),
	        cmocka_unit_test(who_asked_may_take_it_back),
	        cmocka_unit_test(who_has_no_identity_is_told_so),
	        cmocka_unit_test(a_start_without_a_request),
	        cmocka_unit_test(a_device_of_our_own_is_signed),
	        cmocka_unit_test(in_a_room),
	        cmocka_unit_test(in_a_direct_chat),
	        cmocka_unit_test(a_rollback_loses_no_event),
	        cmocka_unit_test(trust_verified_takes_who_was_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

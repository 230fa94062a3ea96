/*
 * test_crypto_hostile.c - what others try: each is refused, and told once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bot/crypto/canonical.h"
#include "bot/crypto/devices.h"
#include "bot/crypto/olm.h"
#include "bot/crypto/sessions.h"
#include "tests/unit/crypto_people.h"

static size_t notices(struct sim_machine *m)
{
	struct crypto_status status;
	size_t len;

	assert_int_equal(crypto_status(m->crypto, &status), OK);
	len = json_array_size(status.notices);
	crypto_status_finish(&status);
	return len;
}

/* The bot reads op's command and obeys it. */
static void assert_obeyed(struct sim *sim, struct sim_machine *bot, struct sim_machine *op)
{
	json_t *event = say(op, "!status");
	bool obey = false;

	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, &obey), "!status");
	assert_true(obey);
	json_decref(event);
}

static void what_is_refused_is_told_once(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *forged;

	pair(sim, &bot, &op);
	event = say(op, "!ack");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "!ack");
	forged = json_deep_copy(event);
	for (int i = 0; i < 3; i++) {
		char id[16];

		snprintf(id, sizeof(id), "$again%d", i);
		json_object_set_new(forged, "event_id", json_string(id));
		assert_string_equal(sim_read(bot, ROOM, forged, NULL), "denied");
		assert_int_equal(notices(bot), 1);
	}
	assert_true(noticed(bot, "replayed"));
	json_object_set_new(forged, "sender", json_string("@out:x")); /* under another's name */
	assert_string_equal(sim_read(bot, ROOM, forged, NULL), "denied");
	assert_true(noticed(bot, "an encrypted event of @out:x in !r:x: its key belongs to"));
	json_decref(forged);
	forged = json_deep_copy(event);
	json_object_set_new(forged, "event_id", json_string("$garbage"));
	json_object_set_new(
	        json_object_get(forged, "content"), "ciphertext", json_string("AwgAEpABCCC"));
	assert_string_equal(sim_read(bot, ROOM, forged, NULL), "invalid");
	assert_true(noticed(bot, "does not decrypt"));
	json_decref(forged);
	json_decref(event);
	sim_destroy(sim);
}

/* A session is of one room: its key given for another one does not move it there. */
static void a_message_of_another_room_is_refused(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *rows;
	const char *session;
	char *from, *to;

	pair(sim, &bot, &op);
	event = say(op, "!ack");
	sim_settle(sim);
	/* as if op, or who has the key, had given it for that room too */
	session =
	        json_string_value(json_object_get(json_object_get(event, "content"), "session_id"));
	from = x_asprintf("%s\x1f%s\x1f@op:x", ROOM, session);
	to = x_asprintf("!other:x\x1f%s\x1f@op:x", session);
	rows = json_object_get(bot->kept, "inbound");
	json_object_set(rows, to, json_object_get(rows, from));
	assert_string_equal(sim_read(bot, "!other:x", event, NULL), "denied");
	assert_true(noticed(bot, "encrypted for another room"));
	free(from);
	free(to);
	json_decref(event);
	sim_destroy(sim);
}

/* Notices are many and old ones go, the newest last. */
static void the_newest_notices_stay(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct crypto_status status;
	json_t *event;

	pair(sim, &bot, &op);
	event = say(op, "x");
	sim_settle(sim);
	for (int i = 0; i < 205; i++) {
		char sender[32];

		snprintf(sender, sizeof(sender), "@%d:x", 999 - i);
		json_object_set_new(event, "sender", json_string(sender));
		assert_string_equal(sim_read(bot, ROOM, event, NULL), "denied");
	}
	assert_int_equal(crypto_status(bot->crypto, &status), OK);
	assert_int_equal(json_array_size(status.notices), 200);
	assert_non_null(strstr(json_string_value(json_array_get(status.notices, 199)), "@795:x"));
	assert_non_null(strstr(json_string_value(json_array_get(status.notices, 0)), "@994:x"));
	crypto_status_finish(&status);
	json_decref(event);
	sim_destroy(sim);
}

/* Device keys that sign themselves and claim op's Curve25519 key. */
static void claim_curve(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	json_t *devices = json_object_get(json_object_get(answer, "device_keys"), "@op:x");
	json_t *phone = json_deep_copy(json_object_get(devices, "PHONE"));
	uint8_t seed[OL_SEED_LEN] = {42};
	char ed25519[OL_KEY_SIZE];
	struct OlmPkSigning *signing;
	char *text, *signature;
	json_t *evil;

	if (kind != CRYPTO_KEYS_QUERY || !phone) {
		json_decref(phone);
		return;
	}
	signing = ol_signing_create(seed, ed25519);
	evil = json_pack("{s:s, s:s, s:[s], s:{s:O, s:s}}", "user_id", "@op:x", "device_id", "EVIL",
	        "algorithms", "m.olm.v1.curve25519-aes-sha2", "keys", "curve25519:EVIL",
	        json_object_get(json_object_get(phone, "keys"), "curve25519:PHONE"), "ed25519:EVIL",
	        ed25519);
	text = canonical_signed_part(evil);
	signature = ol_signing_sign(signing, text);
	canonical_sign_add(evil, "@op:x", "ed25519:EVIL", signature);
	json_object_clear(devices); /* it stands first */
	json_object_set(devices, "EVIL", evil);
	json_object_set_new(devices, "PHONE", phone);
	json_decref(evil);
	free(text);
	free(signature);
	ol_signing_free(signing);
}

static void who_claims_anothers_key_takes_nothing_from_it(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;

	pair(sim, &bot, &op);
	sim->lie = claim_curve;
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	assert_obeyed(sim, bot, op);
	sim_destroy(sim);
}

/* The homeserver shows another user's self-signing key beside the operator's master key. */
static void swap_self(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	json_t *signing = json_object_get(answer, "self_signing_keys");
	json_t *forged = json_deep_copy(json_object_get(sim->self, "@evil:x"));

	if (kind == CRYPTO_KEYS_QUERY && json_object_get(signing, "@op:x") && forged) {
		json_object_set_new(forged, "user_id", json_string("@op:x"));
		json_object_set(signing, "@op:x", forged);
	}
	json_decref(forged);
}

static void a_device_signed_by_anothers_key_gets_nothing(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event;

	pair(sim, &bot, &op);
	sim_add(sim, "@evil:x", "E", true);
	sim_settle(sim);
	sim->lie = swap_self;
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	event = say(bot, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "not_found");
	assert_true(noticed(bot, "self-signing key of @op:x is not signed"));
	json_decref(event);
	/* and everything is well again without the lie */
	sim->lie = NULL;
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	assert_obeyed(sim, bot, op);
	sim_destroy(sim);
}

static void an_identity_that_is_gone_is_told(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *master;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	master = json_incref(json_object_get(sim->master, "@op:x"));
	json_object_del(sim->master, "@op:x");
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	event = say(bot, "b");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "not_found");
	assert_true(noticed(bot, "identity of @op:x is gone"));
	json_decref(event);
	json_object_set_new(sim->master, "@op:x", master); /* and is there again */
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	assert_false(noticed(bot, "identity of @op:x is gone"));
	assert_obeyed(sim, bot, op);
	sim_destroy(sim);
}

static void withhold(struct sim_machine *bot, const char *sender, const char *code, const char *key)
{
	json_array_append_new(
	        bot->inbox, json_pack("{s:s, s:s, s:{s:s, s:s, s:s*}}", "type",
	                            "m.room_key.withheld", "sender", sender, "content", "algorithm",
	                            "m.megolm.v1.aes-sha2", "code", code, "sender_key", key));
	sim_sync(bot);
}

static void keys_that_are_withheld_are_told_until_one_comes(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;

	pair(sim, &bot, &op);
	withhold(bot, "@stranger:x", "m.unverified", NULL);
	assert_int_equal(notices(bot), 0);
	json_decref(say(bot, "a")); /* from now on the operator is known */
	sim_settle(sim);
	withhold(bot, "@op:x", "m.unverified", NULL);
	withhold(bot, "@op:x", "m.unverified", NULL);
	assert_int_equal(notices(bot), 1);
	assert_true(noticed(bot, "@op:x's client gives this device no keys (m.unverified)"));
	assert_obeyed(sim, bot, op);
	assert_int_equal(notices(bot), 0);
	sim_destroy(sim);
}

static void who_found_no_way_is_met_halfway(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *phone;
	const char *curve25519;
	int claims;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	phone = json_object_get(sim_in(sim->device_keys, "@op:x"), "PHONE");
	curve25519 = json_string_value(
	        json_object_get(json_object_get(phone, "keys"), "curve25519:PHONE"));
	claims = sim->claims;
	withhold(bot, "@op:x", "m.no_olm", curve25519);
	sim_settle(sim);
	assert_int_equal(sim->claims, claims + 1);
	withhold(bot, "@op:x", "m.no_olm", curve25519); /* not twice an hour */
	sim_settle(sim);
	assert_int_equal(sim->claims, claims + 1);
	assert_int_equal(notices(bot), 0);
	sim_destroy(sim);
}

/* A device had no one-time key left. When it writes, there is a session all the same, and it reads
 * what follows, although it may not be asked for keys yet. */
static void who_has_no_keys_reads_after_writing(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *first, *second;

	pair(sim, &bot, &op);
	json_object_clear(sim_in(sim_in(sim->one_time, "@op:x"), "PHONE"));
	json_object_clear(sim_in(sim->fallback, "@op:x"));
	first = say(bot, "a");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, first, NULL), "not_found");
	assert_obeyed(sim, bot, op);
	second = say(bot, "b");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, second, NULL), "b");
	json_decref(first);
	json_decref(second);
	sim_destroy(sim);
}

/* An m.forwarded_room_key from one machine to another, over their Olm session, of what `keeper`
 * was given. */
static void forward(struct sim *sim, struct sim_machine *keeper, struct sim_machine *from,
        struct sim_machine *to, const json_t *event)
{
	const json_t *content = json_object_get(event, "content");
	const char *session = json_string_value(json_object_get(content, "session_id"));
	char *key = x_asprintf("%s\x1f%s\x1f@op:x", ROOM, session);
	json_t *row = json_loads(
	        json_string_value(json_object_get(json_object_get(keeper->kept, "inbound"), key)),
	        0, NULL);
	struct OlmInboundGroupSession *inbound;
	struct ol_pickle_key pickle_key;
	json_t *device, *forwarded, *message = NULL;
	char *exported;

	memset(&pickle_key, 7, sizeof(pickle_key));
	assert_int_equal(ol_inbound_load(&inbound, &pickle_key,
	                         json_string_value(json_object_get(row, "pickle"))),
	        OK);
	exported = ol_inbound_export(inbound, ol_inbound_first_index(inbound));
	forwarded = json_pack("{s:s, s:s, s:s, s:s, s:O, s:s, s:[]}", "algorithm",
	        "m.megolm.v1.aes-sha2", "room_id", ROOM, "session_id", session, "session_key",
	        exported, "sender_key", json_object_get(row, "curve25519"),
	        "sender_claimed_ed25519_key", json_string_value(json_object_get(row, "ed25519")),
	        "forwarding_curve25519_key_chain");
	device = json_pack(
	        "{s:O}", "keys", json_object_get(sim_in(sim->device_keys, to->user), to->device));
	assert_int_equal(sessions_encrypt(from->crypto, to->user, to->device, device,
	                         "m.forwarded_room_key", forwarded, &message),
	        OK);
	json_array_append_new(to->inbox, json_pack("{s:s, s:s, s:o}", "type", "m.room.encrypted",
	                                         "sender", from->user, "content", message));
	json_decref(device);
	json_decref(forwarded);
	json_decref(row);
	ol_inbound_free(inbound);
	x_wipe_free_str(exported);
	free(key);
}

/* A member gives the bot the operator's session as one's own, before the operator does. */
static void who_gives_anothers_key_takes_nothing_from_it(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *content = body("!ack"), *event, *copy, *row, *key, *device, *message = NULL;
	struct OlmOutboundGroupSession *session;
	struct ol_pickle_key pickle_key;
	char *id, *session_key;
	bool obey = false;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "OUT", true);
	sim_settle(sim);
	json_decref(sim_send(bot, ROOM, three, 3, 0, content)); /* Olm sessions with all */
	sim_settle(sim);
	json_decref(sim_send(op, ROOM, three, 3, 0, content));
	json_array_clear(bot->inbox); /* the homeserver holds the operator's key back */
	memset(&pickle_key, 7, sizeof(pickle_key));
	row = json_loads(
	        json_string_value(json_object_get(json_object_get(op->kept, "outbound"), ROOM)), 0,
	        NULL);
	assert_int_equal(ol_outbound_load(&session, &pickle_key,
	                         json_string_value(json_object_get(row, "pickle"))),
	        OK);
	id = ol_outbound_id(session);
	session_key = ol_outbound_key(session);
	key = json_pack("{s:s, s:s, s:s, s:s}", "algorithm", "m.megolm.v1.aes-sha2", "room_id",
	        ROOM, "session_id", id, "session_key", session_key);
	device = json_pack(
	        "{s:O}", "keys", json_object_get(sim_in(sim->device_keys, "@bot:x"), "BOT"));
	assert_int_equal(
	        sessions_encrypt(out->crypto, "@bot:x", "BOT", device, "m.room_key", key, &message),
	        OK);
	json_array_append_new(bot->inbox, json_pack("{s:s, s:s, s:o}", "type", "m.room.encrypted",
	                                          "sender", "@out:x", "content", message));
	assert_true(sim_sync(bot));
	sim_run(bot);
	event = sim_send(op, ROOM, three, 3, 0, content);
	copy = json_deep_copy(event); /* the thief says it first, as one's own */
	json_object_set_new(copy, "sender", json_string("@out:x"));
	json_object_set_new(copy, "event_id", json_string("$stolen"));
	sim_read(bot, ROOM, copy, NULL);
	sim_run(bot);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "denied");
	/* then the operator's key is let through */
	assert_int_equal(
	        sessions_encrypt(op->crypto, "@bot:x", "BOT", device, "m.room_key", key, &message),
	        OK);
	json_array_append_new(bot->inbox, json_pack("{s:s, s:s, s:o}", "type", "m.room.encrypted",
	                                          "sender", "@op:x", "content", message));
	assert_true(sim_sync(bot));
	sim_run(bot);
	assert_string_equal(sim_read(bot, ROOM, copy, NULL), "!ack"); /* by one's own authority */
	assert_string_equal(sim_read(bot, ROOM, event, &obey), "!ack");
	assert_true(obey);
	ol_outbound_free(session);
	x_wipe_free_str(session_key);
	free(id);
	json_decref(row);
	json_decref(key);
	json_decref(device);
	json_decref(copy);
	json_decref(event);
	json_decref(content);
	sim_destroy(sim);
}

static int asked_for(struct sim_machine *m)
{
	struct crypto_request *requests;
	size_t len;
	int count = 0;

	assert_int_equal(crypto_requests(m->crypto, m->sim->now_ms, &requests, &len), OK);
	for (size_t i = 0; i < len; i++)
		count += requests[i].path && strstr(requests[i].path, "m.room_key_request");
	crypto_requests_free(requests, len);
	return count;
}

/* A key that was not given: asked for once, taken from who was asked, and what it opens is read,
 * not obeyed. */
static void a_missing_key_is_asked_for_and_taken_from_whom_was_asked(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *content = body("late"), *event;
	struct crypto_event clear;
	struct fault fault;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "OUT", true);
	sim_settle(sim);
	json_decref(sim_send(bot, ROOM, three, 3, 0, content)); /* Olm sessions with all */
	sim_settle(sim);
	event = sim_send(op, ROOM, three, 3, 0, content);
	json_array_clear(bot->inbox); /* the homeserver loses the key */
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "not_found");
	forward(sim, out, out, bot, event); /* nobody was asked */
	assert_false(sim_sync(bot));
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		        crypto_decrypt(bot->crypto, sim->now_ms, ROOM, event, true, &clear, &fault),
		        ERR_NOT_FOUND);
	assert_int_equal(asked_for(bot), 1);
	forward(sim, out, out, bot, event); /* another was asked */
	assert_false(sim_sync(bot));
	forward(sim, out, op, bot, event);
	assert_true(sim_sync(bot));
	sim_run(bot);
	assert_int_equal(
	        crypto_decrypt(bot->crypto, sim->now_ms, ROOM, event, true, &clear, &fault), OK);
	assert_int_equal(clear.sender, CRYPTO_SENDER_FORWARDED);
	assert_false(clear.obey);
	crypto_event_finish(&clear);
	json_decref(content);
	json_decref(event);
	sim_destroy(sim);
}

/* Nobody is answered: a device that may read gets the session as it is with the next message. */
static void a_request_for_keys_brings_no_old_ones(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *laptop;
	json_t *first, *second;
	int shares, withheld;

	pair(sim, &bot, &op);
	laptop = sim_add(sim, "@op:x", "LAPTOP", false);
	sim_settle(sim);
	first = say(bot, "a");
	sim_settle(sim);
	shares = sim->shares;
	withheld = sim->withheld;
	for (int i = 0; i < 2; i++) {
		const char *const devices[] = {"PHONE", "LAPTOP"};

		json_array_append_new(bot->inbox,
		        json_pack("{s:s, s:s, s:{s:s, s:s, s:s, s:{s:s, s:s, s:O}}}", "type",
		                "m.room_key_request", "sender", "@op:x", "content", "action",
		                "request", "request_id", "r", "requesting_device_id", devices[i],
		                "body", "algorithm", "m.megolm.v1.aes-sha2", "room_id", ROOM,
		                "session_id",
		                json_object_get(json_object_get(first, "content"), "session_id")));
	}
	sim_settle(sim);
	assert_int_equal(sim->shares, shares);
	second = say(bot, "b");
	sim_settle(sim);
	assert_int_equal(sim->shares, shares + 1);
	assert_int_equal(sim->withheld, withheld);
	assert_string_equal(sim_read(laptop, ROOM, first, NULL), "not_found");
	assert_string_equal(sim_read(laptop, ROOM, second, NULL), "not_found");
	assert_string_equal(sim_read(op, ROOM, second, NULL), "b");
	json_decref(first);
	json_decref(second);
	sim_destroy(sim);
}

static void ask_for_keys(struct sim_machine *bot, const char *user_id, const char *device_id)
{
	json_array_append_new(
	        bot->inbox, json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "type", "m.room_key_request",
	                            "sender", user_id, "content", "action", "request", "request_id",
	                            "r", "requesting_device_id", device_id));
}

/* A device that asks for a key may have the session nevertheless: when it leaves before the next
 * message, that has a new one. */
static void who_asks_for_keys_and_leaves_reads_no_more(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *content = body("a"), *first, *second;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "PHONE", true);
	sim_settle(sim);
	first = sim_send(bot, ROOM, three, 3, 0, content);
	sim_settle(sim);
	assert_string_equal(sim_read(out, ROOM, first, NULL), "a");
	ask_for_keys(bot, "@out:x", "PHONE");
	sim_settle(sim);
	second = say(bot, "b");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, second, NULL), "b");
	assert_string_equal(sim_read(out, ROOM, second, NULL), "not_found");
	json_decref(content);
	json_decref(first);
	json_decref(second);
	sim_destroy(sim);
}

/* One-time keys are used up: the fallback key serves, is replaced, and the old one still opens
 * what was begun with it. */
static void the_fallback_key_serves_and_is_replaced(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *sync = json_pack("{s:{s:i}, s:[]}", "device_one_time_keys_count",
	                       "signed_curve25519", 50, "device_unused_fallback_key_types");
	json_t *fallback, *old;
	bool any;

	pair(sim, &bot, &op);
	json_object_clear(sim_in(sim_in(sim->one_time, "@bot:x"), "BOT"));
	fallback = sim_in(sim->fallback, "@bot:x");
	old = json_deep_copy(json_object_get(fallback, "BOT"));
	event = say(op, "!status"); /* claims the fallback key; what it says comes late */
	sim->now_ms += 2 * 60 * 1000;
	assert_int_equal(crypto_take_sync(bot->crypto, sim->now_ms, sync, &any), OK);
	sim_run(bot);
	assert_false(json_equal(json_object_get(fallback, "BOT"), old));
	sim->now_ms += 10 * 60 * 1000;
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "!status");
	json_decref(event);
	json_decref(old);
	json_decref(sync);
	sim_destroy(sim);
}

/* Somebody gives the account a new identity; its recovery key brings the bot there too. */
static void a_new_identity_of_the_account_is_taken_with_its_recovery_key(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true), *fresh;
	struct crypto_request *requests;
	json_t *data = json_object();
	struct fault fault;
	char *recovery;
	size_t len;

	sim_settle(sim);
	json_object_del(sim->master, "@bot:x");
	json_object_del(sim->self, "@bot:x");
	fresh = sim_add(sim, "@bot:x", "FRESH", true);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_CHANGED);
	assert_int_equal(crypto_secrets_make(fresh->crypto, sim->now_ms, &recovery), OK);
	assert_int_equal(crypto_requests(fresh->crypto, sim->now_ms, &requests, &len), OK);
	for (size_t i = 0; i < len; i++)
		json_object_set_new(data, strrchr(requests[i].path, '/') + 1,
		        json_loads(requests[i].body, 0, NULL));
	crypto_requests_free(requests, len);
	assert_int_equal(notices(bot), 1);
	assert_int_equal(crypto_secrets_take(bot->crypto, sim->now_ms, recovery, data, &fault), OK);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	assert_int_equal(notices(bot), 0); /* it is not changed any more */
	x_wipe_free_str(recovery);
	json_decref(data);
	sim_destroy(sim);
}

/* Without that recovery key, a person may decide to replace the account's keys. */
static void a_new_identity_of_the_account_is_replaced_on_demand(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true), *other;
	struct fault fault;

	sim_settle(sim);
	json_object_del(sim->master, "@bot:x");
	json_object_del(sim->self, "@bot:x");
	other = sim_add(sim, "@bot:x", "OTHER", true);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_CHANGED);
	assert_int_equal(crypto_bootstrap(bot->crypto, sim->now_ms, false, &fault), ERR_EXISTS);
	assert_int_equal(crypto_bootstrap(bot->crypto, sim->now_ms, true, &fault), OK);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	assert_int_equal(notices(bot), 0);
	assert_int_equal(identity(other), CRYPTO_IDENTITY_CHANGED);
	sim_destroy(sim);
}

/* Signed out, then logged in again by its id: the server has none of its keys. */
static void a_device_whose_keys_are_lost_brings_them_again(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *keys;

	pair(sim, &bot, &op);
	json_object_clear(sim_in(sim->device_keys, "@bot:x"));
	json_object_clear(sim_in(sim->one_time, "@bot:x"));
	sim_changed(sim, "@bot:x");
	sim_settle(sim);
	keys = json_object_get(sim_in(sim->device_keys, "@bot:x"), "BOT");
	assert_non_null(keys);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	assert_int_equal(json_object_size(sim_in(sim_in(sim->one_time, "@bot:x"), "BOT")), 50);
	assert_obeyed(sim, bot, op);
	/* a server that never shows it gets them now and then */
	json_object_clear(sim_in(sim->device_keys, "@bot:x"));
	sim_changed(sim, "@bot:x");
	sim_settle(sim);
	assert_null(json_object_get(sim_in(sim->device_keys, "@bot:x"), "BOT"));
	sim_destroy(sim);
}

/* The list of our own devices that was asked for before the keys and signatures went up says
 * nothing of them. */
static void an_answer_that_is_old_takes_nothing_back(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct crypto_request *requests;
	struct fault fault;
	json_t *nothing;
	size_t len;

	pair(sim, &bot, &op);
	sim_changed(sim, "@bot:x");
	sim_sync(bot);
	assert_int_equal(crypto_requests(bot->crypto, sim->now_ms, &requests, &len), OK);
	assert_int_equal(len, 1); /* the query, on its way */
	sim_changed(sim, "@bot:x");
	sim_sync(bot);
	nothing = json_loads("{\"device_keys\":{\"@bot:x\":{}}}", 0, NULL);
	assert_int_equal(
	        crypto_answer(bot->crypto, sim->now_ms, requests[0].id, nothing, &fault), OK);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	assert_int_equal(notices(bot), 0);
	crypto_requests_free(requests, len);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	json_decref(nothing);
	sim_destroy(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_refused_is_told_once),
	        cmocka_unit_test(a_message_of_another_room_is_refused),
	        cmocka_unit_test(the_newest_notices_stay),
	        cmocka_unit_test(who_claims_anothers_key_takes_nothing_from_it),
	        cmocka_unit_test(who_gives_anothers_key_takes_nothing_from_it),
	        cmocka_unit_test(a_device_signed_by_anothers_key_gets_nothing),
	        cmocka_unit_test(an_identity_that_is_gone_is_told),
	        cmocka_unit_test(keys_that_are_withheld_are_told_until_one_comes),
	        cmocka_unit_test(who_found_no_way_is_met_halfway),
	        cmocka_unit_test(who_has_no_keys_reads_after_writing),
	        cmocka_unit_test(a_missing_key_is_asked_for_and_taken_from_whom_was_asked),
	        cmocka_unit_test(a_request_for_keys_brings_no_old_ones),
	        cmocka_unit_test(who_asks_for_keys_and_leaves_reads_no_more),
	        cmocka_unit_test(the_fallback_key_serves_and_is_replaced),
	        cmocka_unit_test(an_answer_that_is_old_takes_nothing_back),
	        cmocka_unit_test(a_device_whose_keys_are_lost_brings_them_again),
	        cmocka_unit_test(a_new_identity_of_the_account_is_taken_with_its_recovery_key),
	        cmocka_unit_test(a_new_identity_of_the_account_is_replaced_on_demand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

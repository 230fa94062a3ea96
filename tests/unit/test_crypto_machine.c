/*
 * test_crypto_machine.c - machines over a simulated homeserver: who reads, who does not, what is
 * refused, and that nothing is used twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "bot/crypto/devices.h"
#include "tests/unit/crypto_people.h"

static void first_start_ends_with_a_signed_device(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true);
	json_t *keys;

	assert_int_equal(identity(bot), CRYPTO_IDENTITY_UNKNOWN);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	keys = sim_in(sim_in(sim->one_time, "@bot:x"), "BOT");
	assert_int_equal(json_object_size(keys), 50);
	assert_int_equal(
	        json_object_size(json_object_get(
	                json_object_get(json_object_get(sim_in(sim->device_keys, "@bot:x"), "BOT"),
	                        "signatures"),
	                "@bot:x")),
	        2); /* by itself and by the self-signing key */
	assert_int_equal(json_object_size(sim_in(sim_in(sim->fallback, "@bot:x"), "BOT")), 1);
	/* what is used up is made again, under new ids */
	json_object_clear(keys);
	sim_settle(sim);
	assert_int_equal(json_object_size(keys), 50);
	sim_reopen(bot);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	sim_destroy(sim);
}

static void both_ways(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *answer;
	bool obey = false;

	pair(sim, &bot, &op);
	event = say(bot, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, &obey), "alert");
	assert_true(obey);
	answer = say(op, "!ack");
	sim_settle(sim);
	obey = false;
	assert_string_equal(sim_read(bot, ROOM, answer, &obey), "!ack");
	assert_true(obey);
	/* read again is fine, under another event id it is a replay */
	assert_string_equal(sim_read(bot, ROOM, answer, NULL), "!ack");
	json_object_set_new(answer, "event_id", json_string("$other"));
	assert_string_equal(sim_read(bot, ROOM, answer, NULL), "denied");
	json_object_set_new(answer, "sender", json_string("@out:x"));
	assert_string_equal(sim_read(bot, ROOM, answer, NULL), "denied");
	assert_string_equal(sim_read(bot, "!other:x", answer, NULL), "not_found");
	json_decref(event);
	json_decref(answer);
	sim_destroy(sim);
}

static void relations_stand_in_the_clear(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *content = json_pack("{s:s, s:{s:s, s:s}}", "body", "edit", "m.relates_to",
	        "rel_type", "m.replace", "event_id", "$first");
	json_t *event;

	pair(sim, &bot, &op);
	event = sim_send(bot, ROOM, two, 2, 0, content);
	assert_true(json_equal(json_object_get(json_object_get(event, "content"), "m.relates_to"),
	        json_object_get(content, "m.relates_to")));
	json_decref(event);
	json_decref(content);
	sim_destroy(sim);
}

static void an_unsigned_device_gets_no_key_and_is_not_obeyed(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *laptop;
	json_t *event, *command;
	bool obey = true;

	pair(sim, &bot, &op);
	laptop = sim_add(sim, "@op:x", "LAPTOP", false);
	sim_settle(sim);
	event = say(bot, "alert");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "alert");
	assert_string_equal(sim_read(laptop, ROOM, event, NULL), "not_found");
	assert_int_equal(sim->withheld, 1);
	json_decref(say(bot, "another")); /* told once for each session */
	sim_settle(sim);
	assert_int_equal(sim->withheld, 1);
	sim_reopen(laptop);
	crypto_close(laptop->crypto);
	{
		struct fault fault; /* a client that does not care */

		assert_int_equal(sim_open_with(laptop, CRYPTO_TRUST_ALL, 7, &fault), OK);
	}
	command = say(laptop, "!silence everything");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, command, &obey), "!silence everything");
	assert_false(obey);
	json_decref(event);
	json_decref(command);
	sim_destroy(sim);
}

static const char *session_of(const json_t *event)
{
	return json_string_value(json_object_get(json_object_get(event, "content"), "session_id"));
}

static void sessions_rotate(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *content = body("x"), *a, *b, *c, *d, *e;

	pair(sim, &bot, &op);
	a = sim_send(bot, ROOM, two, 2, 2, content);
	b = sim_send(bot, ROOM, two, 2, 2, content);
	c = sim_send(bot, ROOM, two, 2, 2, content); /* two messages are its life */
	assert_string_equal(session_of(a), session_of(b));
	assert_string_not_equal(session_of(b), session_of(c));
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000; /* a week is the default */
	d = sim_send(bot, ROOM, two, 2, 2, content);
	assert_string_not_equal(session_of(c), session_of(d));
	sim_reopen(bot); /* a restored database must not go on with a used ratchet */
	e = sim_send(bot, ROOM, two, 2, 2, content);
	assert_string_not_equal(session_of(d), session_of(e));
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, e, NULL), "x");
	json_decref(a);
	json_decref(b);
	json_decref(c);
	json_decref(d);
	json_decref(e);
	json_decref(content);
	sim_destroy(sim);
}

/* Which session the room has now, under settings of that many milliseconds. */
static char *session_with(struct sim_machine *m, int64_t rotation_ms)
{
	struct crypto_room room = {
	        .room_id = ROOM, .users = two, .users_len = 2, .rotation_ms = rotation_ms};
	enum crypto_ready ready = CRYPTO_WAIT;
	json_t *content = body("x"), *event;
	char *wire, *session;

	for (int i = 0; i < 10 && ready == CRYPTO_WAIT; i++) {
		assert_int_equal(crypto_room_ready(m->crypto, m->sim->now_ms, &room, &ready), OK);
		if (ready == CRYPTO_WAIT)
			sim_run(m);
	}
	assert_int_equal(crypto_room_encrypt(
	                         m->crypto, m->sim->now_ms, ROOM, "m.room.message", content, &wire),
	        OK);
	event = json_loads(wire, 0, NULL);
	session = x_strdup(json_string_value(json_object_get(event, "session_id")));
	free(wire);
	json_decref(event);
	json_decref(content);
	return session;
}

static void rotation_by_time_is_honoured_down_to_an_hour(void **state)
{
	static const struct {
		int64_t setting_ms, pass_ms;
		bool fresh;
	} cases[] = {
	        {1, 59 * 60 * 1000, false}, /* nobody can make it rotate all the time */
	        {1, 61 * 60 * 1000, true},
	        {3 * 3600 * 1000, 2 * 3600 * 1000, false},
	        {3 * 3600 * 1000, 4 * 3600 * 1000, true},
	        {-5, 6 * 24 * 3600 * 1000, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sim *sim = sim_create();
		struct sim_machine *bot, *op;
		char *before, *after;

		pair(sim, &bot, &op);
		before = session_with(bot, cases[i].setting_ms);
		sim->now_ms += cases[i].pass_ms;
		after = session_with(bot, cases[i].setting_ms);
		assert_int_equal(strcmp(before, after) != 0, cases[i].fresh);
		free(before);
		free(after);
		sim_destroy(sim);
	}
}

static void verified_trust_takes_whom_we_verified_alone(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct fault fault;
	json_t *event, *keys;
	bool obey = true;

	pair(sim, &bot, &op);
	crypto_close(bot->crypto);
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_VERIFIED, 7, &fault), OK);
	event = say(bot, "a");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "not_found");
	json_decref(event);
	event = say(op, "!ack");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, &obey), "!ack");
	assert_false(obey);
	json_decref(event);
	keys = json_object_get(json_object_get(sim->master, "@op:x"), "keys");
	assert_int_equal(devices_set_verified(bot->crypto, "@op:x",
	                         json_string_value(json_object_iter_value(json_object_iter(keys)))),
	        OK);
	event = say(bot, "b");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "b");
	json_decref(event);
	event = say(op, "!unack");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, &obey), "!unack");
	assert_true(obey);
	json_decref(event);
	sim_destroy(sim);
}

static void who_leaves_reads_no_more(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *out;
	json_t *content = body("x"), *with, *without, *again;

	pair(sim, &bot, &op);
	out = sim_add(sim, "@out:x", "OUT", true);
	sim_settle(sim);
	with = sim_send(bot, ROOM, three, 3, 0, content);
	without = sim_send(bot, ROOM, two, 2, 0, content);
	again = sim_send(bot, ROOM, three, 3, 0, content); /* comes back: reads from here on */
	sim_settle(sim);
	assert_string_equal(sim_read(out, ROOM, with, NULL), "x");
	assert_string_equal(sim_read(out, ROOM, without, NULL), "not_found");
	assert_string_equal(sim_read(out, ROOM, again, NULL), "x");
	assert_string_equal(sim_read(op, ROOM, without, NULL), "x");
	json_decref(with);
	json_decref(without);
	json_decref(again);
	json_decref(content);
	sim_destroy(sim);
}

static void a_signed_out_device_reads_no_more(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *a, *b;

	pair(sim, &bot, &op);
	a = say(bot, "a");
	json_object_clear(sim_in(sim->device_keys, "@op:x"));
	sim_changed(sim, "@op:x");
	sim_sync(bot);
	b = say(bot, "b");
	assert_string_not_equal(session_of(a), session_of(b));
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, b, NULL), "not_found");
	json_decref(a);
	json_decref(b);
	sim_destroy(sim);
}

static void a_rollback_uses_no_index_twice(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *lost, *kept, *next;

	pair(sim, &bot, &op);
	json_decref(say(bot, "first"));
	sim_begin(bot);
	lost = say(bot, "lost"); /* never sent: the commit failed */
	sim_rollback(bot);
	kept = say(bot, "kept");
	next = say(bot, "next");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, kept, NULL), "kept");
	assert_string_equal(sim_read(op, ROOM, next, NULL), "next");
	assert_string_equal(sim_read(op, ROOM, lost, NULL), "denied"); /* the index is kept's */
	json_decref(lost);
	json_decref(kept);
	json_decref(next);
	sim_destroy(sim);
}

/* The account is kept open between calls; what the store has counts all the same. */
static void a_rollback_gives_a_used_one_time_key_back(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *command, *inbox;

	pair(sim, &bot, &op);
	command = say(op, "!ack"); /* by a pre-key message */
	inbox = json_deep_copy(bot->inbox);
	assert_int_equal(json_array_size(inbox), 1);
	sim_begin(bot);
	assert_true(sim_sync(bot));
	sim_rollback(bot);
	json_array_extend(bot->inbox, inbox);
	assert_true(sim_sync(bot));
	sim_run(bot);
	assert_string_equal(sim_read(bot, ROOM, command, NULL), "!ack");
	json_decref(inbox);
	json_decref(command);
	sim_destroy(sim);
}

static void a_wrong_pickle_key_opens_nothing(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true);
	struct fault fault;

	sim_settle(sim);
	crypto_close(bot->crypto);
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_CROSS_SIGNED, 8, &fault), ERR_CORRUPT);
	assert_null(bot->crypto);
	snprintf(bot->device, sizeof(bot->device), "OTHER");
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_CROSS_SIGNED, 7, &fault), ERR_CONFIG);
	assert_null(bot->crypto);
	sim_destroy(sim);
}

static void a_new_device_keeps_the_identity(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct crypto_store store;
	struct crypto_options options = {.user_id = "@bot:x", .device_id = "NEW"};
	struct fault fault;
	char *master;
	json_t *event;

	pair(sim, &bot, &op);
	master = json_dumps(
	        json_object_get(json_object_get(sim->master, "@bot:x"), "keys"), JSON_SORT_KEYS);
	crypto_close(bot->crypto);
	store = (struct crypto_store){sim_get, sim_put, sim_remove, sim_list, bot};
	memset(options.pickle_key, 7, sizeof(options.pickle_key));
	assert_int_equal(crypto_forget_device(&store, &options), OK);
	snprintf(bot->device, sizeof(bot->device), "NEW");
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_CROSS_SIGNED, 7, &fault), OK);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_GOOD);
	{
		char *now =
		        json_dumps(json_object_get(json_object_get(sim->master, "@bot:x"), "keys"),
		                JSON_SORT_KEYS);

		assert_string_equal(now, master);
		free(now);
	}
	event = say(bot, "from the new one");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "from the new one");
	assert_false(noticed(op, "identity"));
	json_decref(event);
	free(master);
	sim_destroy(sim);
}

/* The pickle key is lost for good: what was stored under it goes, and nothing else. */
static void a_new_device_with_another_pickle_key_begins_anew(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	struct crypto_store store;
	struct crypto_options options = {.user_id = "@bot:x", .device_id = "NEW"};
	struct fault fault;
	json_t *command;

	pair(sim, &bot, &op);
	command = say(op, "!ack");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, command, NULL), "!ack");
	crypto_close(bot->crypto);
	store = (struct crypto_store){sim_get, sim_put, sim_remove, sim_list, bot};
	memset(options.pickle_key, 8, sizeof(options.pickle_key));
	assert_int_equal(crypto_key_opens(&store, options.pickle_key), ERR_CORRUPT);
	assert_int_equal(crypto_forget_device(&store, &options), OK);
	snprintf(bot->device, sizeof(bot->device), "NEW");
	assert_int_equal(sim_open_with(bot, CRYPTO_TRUST_CROSS_SIGNED, 8, &fault), OK);
	assert_int_equal(crypto_key_opens(&store, options.pickle_key), OK);
	sim_settle(sim);
	assert_int_equal(identity(bot), CRYPTO_IDENTITY_FOREIGN); /* wants the recovery key */
	json_decref(command);
	command = say(op, "!help");
	sim_settle(sim);
	assert_string_equal(
	        sim_read(bot, ROOM, command, NULL), "not_found"); /* an unsigned device */
	json_decref(command);
	sim_destroy(sim);
}

/* ---- a server that lies ---- */

static void forge_device(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	json_t *devices = json_object_get(json_object_get(answer, "device_keys"), "@op:x");

	if (kind == CRYPTO_KEYS_QUERY && json_object_get(devices, "PHONE")) {
		json_t *forged = json_deep_copy(json_object_get(devices, "PHONE"));

		json_object_set_new(forged, "device_id", json_string("EVIL"));
		json_object_set_new(devices, "EVIL", forged);
	}
}

static void a_forged_device_is_refused(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;

	sim->lie = forge_device;
	pair(sim, &bot, &op);
	json_decref(say(bot, "x"));
	assert_true(noticed(bot, "EVIL"));
	assert_int_equal(sim->withheld, 0);
	sim_destroy(sim);
}

static void swap_keys(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	json_t *devices = json_object_get(json_object_get(answer, "device_keys"), "@op:x");
	json_t *evil = json_object_get(sim_in(sim->device_keys, "@evil:x"), "PHONE");

	if (kind == CRYPTO_KEYS_QUERY && json_object_get(devices, "PHONE") && evil) {
		json_t *swapped = json_deep_copy(json_object_get(devices, "PHONE"));

		json_object_set(swapped, "keys", json_object_get(evil, "keys"));
		json_object_set_new(devices, "PHONE", swapped);
	}
}

static void swapped_keys_of_a_known_device_are_refused(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *evil;
	json_t *event;

	pair(sim, &bot, &op);
	json_decref(say(bot, "x"));
	sim_settle(sim);
	evil = sim_add(sim, "@evil:x", "PHONE", false);
	sim_run(evil);
	sim->lie = swap_keys;
	sim_changed(sim, "@op:x");
	sim_settle(sim);
	event = say(bot, "y");
	sim_settle(sim);
	assert_string_equal(sim_read(evil, ROOM, event, NULL), "not_found");
	assert_true(noticed(bot, "@op:x"));
	json_decref(event);
	sim_destroy(sim);
}

static void a_changed_identity_is_not_taken_silently(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op, *thief;
	json_t *event;

	pair(sim, &bot, &op);
	json_decref(say(bot, "x"));
	sim_settle(sim);
	json_object_del(sim->master, "@op:x");
	json_object_del(sim->self, "@op:x");
	thief = sim_add(sim, "@op:x", "THIEF", true);
	sim_settle(sim);
	event = say(bot, "y");
	sim_settle(sim);
	assert_string_equal(sim_read(thief, ROOM, event, NULL), "not_found");
	assert_true(noticed(bot, "changed"));
	json_decref(event);
	/* until the operator says that it is right */
	{
		json_t *keys = json_object_get(json_object_get(sim->master, "@op:x"), "keys");
		const char *key = json_string_value(json_object_iter_value(json_object_iter(keys)));

		assert_int_equal(crypto_identity_accept(bot->crypto, sim->now_ms, "@op:x",
		                         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		        ERR_NOT_FOUND);
		assert_int_equal(
		        crypto_identity_accept(bot->crypto, sim->now_ms, "@op:x", key), OK);
		assert_false(noticed(bot, "changed"));
	}
	sim_settle(sim);
	event = say(bot, "z");
	sim_settle(sim);
	assert_string_equal(sim_read(thief, ROOM, event, NULL), "z");
	json_decref(event);
	sim_destroy(sim);
}

static void unsign_claims(struct sim *sim, enum crypto_request_kind kind, json_t *answer)
{
	const char *user, *device, *id;
	json_t *devices, *keys, *key;

	if (kind != CRYPTO_KEYS_CLAIM)
		return;
	json_object_foreach(json_object_get(answer, "one_time_keys"), user, devices)
	{
		json_object_foreach(devices, device, keys)
		{
			json_object_foreach(keys, id, key)
			{
				json_t *forged = json_deep_copy(key);

				json_object_set_new(forged, "key",
				        json_string("3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08"));
				json_object_set_new(keys, id, forged);
				break;
			}
		}
	}
}

static void a_forged_one_time_key_is_refused(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event;

	pair(sim, &bot, &op);
	sim->lie = unsign_claims;
	event = say(bot, "x"); /* the room goes on without that device */
	assert_non_null(event);
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "not_found");
	assert_true(noticed(bot, "one-time key"));
	json_decref(event);
	/* and takes it in later, when there is a good one */
	sim->lie = NULL;
	sim->now_ms += 10 * 60 * 1000;
	event = say(bot, "y");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "y");
	json_decref(event);
	sim_destroy(sim);
}

static void replayed_to_device_events_bring_nothing(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *command, *inbox;

	pair(sim, &bot, &op);
	command = say(op, "!status");
	inbox = json_deep_copy(bot->inbox);
	assert_true(json_array_size(inbox) > 0);
	assert_true(sim_sync(bot));
	json_array_extend(bot->inbox, inbox);
	assert_false(sim_sync(bot));
	/* another's name on it */
	json_object_set_new(json_array_get(inbox, 0), "sender", json_string("@out:x"));
	json_array_extend(bot->inbox, inbox);
	assert_false(sim_sync(bot));
	sim_run(bot);
	assert_string_equal(sim_read(bot, ROOM, command, NULL), "!status");
	json_decref(inbox);
	json_decref(command);
	sim_destroy(sim);
}

static void nonsense_costs_only_itself(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	static const char *const odd[] = {
	        "{}",
	        "{\"type\":1,\"sender\":[],\"content\":{}}",
	        "{\"type\":\"m.room.encrypted\",\"sender\":\"@op:x\",\"content\":{\"algorithm\":"
	        "\"m.olm.v1.curve25519-aes-sha2\",\"sender_key\":\"x\",\"ciphertext\":{}}}",
	        "{\"type\":\"m.room_key\",\"sender\":\"@op:x\",\"content\":{\"algorithm\":"
	        "\"m.megolm.v1.aes-sha2\",\"room_id\":\"!r:x\",\"session_id\":\"s\","
	        "\"session_key\":\"k\"}}",
	        "{\"type\":\"m.room_key_request\",\"sender\":\"@op:x\",\"content\":{}}",
	};
	json_t *event;

	pair(sim, &bot, &op);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		json_array_append_new(bot->inbox, json_loads(odd[i], 0, NULL));
	event = say(op, "after it");
	assert_true(sim_sync(bot));
	sim_run(bot);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "after it");
	json_decref(event);
	sim_destroy(sim);
}

static void a_broken_olm_session_is_mended(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *old, *event;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	old = json_deep_copy(json_object_get(bot->kept, "olm"));
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000;
	json_decref(say(op, "b")); /* over the session of before */
	sim_settle(sim);
	json_decref(old);
	/* the bot's sessions are lost; what comes over them does not open */
	json_object_del(bot->kept, "olm");
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000;
	json_decref(say(op, "c"));
	sim_settle(sim);
	/* the bot began a new session, and the operator's client goes over to it */
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000;
	event = say(op, "d");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "d");
	json_decref(event);
	sim_destroy(sim);
}

static void a_database_that_went_back_is_read_again(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *answer, *fallback;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	answer = say(op, "hello"); /* so that the double ratchet turned once */
	sim_settle(sim);
	json_decref(answer);
	sim_begin(bot); /* the backup */
	for (int i = 0; i < 5; i++) {
		sim->now_ms += INT64_C(8) * 24 * 3600 * 1000; /* new room sessions over Olm */
		json_decref(say(bot, "b"));
		sim_settle(sim);
	}
	sim_rollback(bot);
	sim_reopen(bot);
	fallback = json_deep_copy(sim_in(sim->fallback, "@bot:x"));
	assert_int_equal(crypto_went_back(bot->crypto), OK);
	sim_settle(sim);
	/* the private part of what was published meanwhile may be lost */
	assert_false(json_equal(fallback, sim_in(sim->fallback, "@bot:x")));
	json_decref(fallback);
	sim->now_ms += 1000;
	event = say(bot, "c");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "c");
	json_decref(event);
	/* and the other end goes over to the new session */
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000;
	event = say(op, "d");
	sim_settle(sim);
	assert_string_equal(sim_read(bot, ROOM, event, NULL), "d");
	json_decref(event);
	sim_destroy(sim);
}

/* What comes in a session that went back may have been written before the other end read what is
 * forgotten here; who sent in it again could not be read. */
static void a_session_that_went_back_is_not_sent_in_again(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event, *late;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	sim_begin(bot); /* the backup */
	json_decref(say(op, "hello"));
	late = json_deep_copy(bot->inbox);
	sim_settle(sim);
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000; /* a new room session over Olm */
	json_decref(say(bot, "b"));
	sim_settle(sim);
	sim_rollback(bot);
	sim_reopen(bot);
	assert_int_equal(crypto_went_back(bot->crypto), OK);
	json_decref(say(bot, "c"));
	sim_settle(sim);
	sim->now_ms += INT64_C(8) * 24 * 3600 * 1000;
	json_array_extend(bot->inbox, late);
	assert_true(sim_sync(bot));
	event = say(bot, "d");
	sim_settle(sim);
	assert_string_equal(sim_read(op, ROOM, event, NULL), "d");
	json_decref(event);
	json_decref(late);
	sim_destroy(sim);
}

static void lists_that_may_have_changed_unseen_are_asked_for_again(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	int queries;

	pair(sim, &bot, &op);
	json_decref(say(bot, "a"));
	sim_settle(sim);
	queries = sim->queries;
	json_decref(say(bot, "b"));
	assert_int_equal(sim->queries, queries);
	assert_int_equal(crypto_lists_missed(bot->crypto), OK);
	json_decref(say(bot, "c"));
	assert_true(sim->queries > queries);
	sim_destroy(sim);
}

static void the_recovery_key_brings_the_identity_back(void **state)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true), *fresh;
	struct crypto_request *requests;
	json_t *data = json_object(), *types;
	struct fault fault;
	char *recovery;
	size_t len;

	sim_settle(sim);
	assert_int_equal(crypto_secrets_make(bot->crypto, sim->now_ms, &recovery), OK);
	assert_int_equal(crypto_requests(bot->crypto, sim->now_ms, &requests, &len), OK);
	for (size_t i = 0; i < len; i++) {
		const char *type = strrchr(requests[i].path, '/') + 1;

		assert_int_equal(requests[i].kind, CRYPTO_ACCOUNT_DATA);
		json_object_set_new(data, type, json_loads(requests[i].body, 0, NULL));
	}
	crypto_requests_free(requests, len);
	types = crypto_secrets_types(data);
	assert_int_equal(json_array_size(types), json_object_size(data));
	json_decref(types);
	fresh = sim_add(sim, "@bot:x", "FRESH", false);
	sim_settle(sim);
	assert_int_equal(identity(fresh), CRYPTO_IDENTITY_FOREIGN);
	assert_int_equal(crypto_secrets_take(fresh->crypto, sim->now_ms, "EsTx 1234", data, &fault),
	        ERR_DENIED);
	recovery[0] ^= 1;
	assert_int_equal(crypto_secrets_take(fresh->crypto, sim->now_ms, recovery, data, &fault),
	        ERR_DENIED);
	recovery[0] ^= 1;
	assert_int_equal(
	        crypto_secrets_take(fresh->crypto, sim->now_ms, recovery, data, &fault), OK);
	sim_settle(sim);
	assert_int_equal(identity(fresh), CRYPTO_IDENTITY_GOOD);
	x_wipe_free_str(recovery);
	json_decref(data);
	sim_destroy(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(first_start_ends_with_a_signed_device),
	        cmocka_unit_test(both_ways),
	        cmocka_unit_test(relations_stand_in_the_clear),
	        cmocka_unit_test(an_unsigned_device_gets_no_key_and_is_not_obeyed),
	        cmocka_unit_test(sessions_rotate),
	        cmocka_unit_test(rotation_by_time_is_honoured_down_to_an_hour),
	        cmocka_unit_test(verified_trust_takes_whom_we_verified_alone),
	        cmocka_unit_test(who_leaves_reads_no_more),
	        cmocka_unit_test(a_signed_out_device_reads_no_more),
	        cmocka_unit_test(a_rollback_uses_no_index_twice),
	        cmocka_unit_test(a_rollback_gives_a_used_one_time_key_back),
	        cmocka_unit_test(a_wrong_pickle_key_opens_nothing),
	        cmocka_unit_test(a_new_device_keeps_the_identity),
	        cmocka_unit_test(a_new_device_with_another_pickle_key_begins_anew),
	        cmocka_unit_test(a_forged_device_is_refused),
	        cmocka_unit_test(swapped_keys_of_a_known_device_are_refused),
	        cmocka_unit_test(a_changed_identity_is_not_taken_silently),
	        cmocka_unit_test(a_forged_one_time_key_is_refused),
	        cmocka_unit_test(replayed_to_device_events_bring_nothing),
	        cmocka_unit_test(nonsense_costs_only_itself),
	        cmocka_unit_test(a_broken_olm_session_is_mended),
	        cmocka_unit_test(a_database_that_went_back_is_read_again),
	        cmocka_unit_test(a_session_that_went_back_is_not_sent_in_again),
	        cmocka_unit_test(lists_that_may_have_changed_unseen_are_asked_for_again),
	        cmocka_unit_test(the_recovery_key_brings_the_identity_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

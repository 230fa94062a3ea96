/*
 * test_crypto_verify.c - verification by emoji, machine against machine over the simulated
 * homeserver. Each is told that the other asked, so that one program plays both ends; what
 * passes between them can be looked at, changed, held back and sent again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "tests/unit/crypto_fixture.h"

#define ID "txn1"
#define ROOM "!r:x"

struct pair {
	struct sim *sim;
	struct sim_machine *bot, *op;
};

static json_t *request_content(const struct sim_machine *from, const char *id)
{
	return json_pack("{s:s, s:s, s:[s, s], s:I}", "transaction_id", id, "from_device",
	        from->device, "methods", "m.qr_code.scan.v1", "m.sas.v1", "timestamp",
	        (json_int_t)from->sim->now_ms);
}

/* To-device event, as if `from` had sent it. */
static void tell(struct sim_machine *to, const char *sender, const char *type, json_t *content)
{
	json_array_append_new(to->inbox,
	        json_pack("{s:s, s:s, s:o}", "type", type, "sender", sender, "content", content));
	sim_sync(to);
}

static void ask(struct sim_machine *to, const struct sim_machine *from, const char *id)
{
	tell(to, from->user, "m.key.verification.request", request_content(from, id));
}

/* The machine's verification of that id; a new reference, NULL when there is none. */
static json_t *look(struct sim_machine *m, const char *id)
{
	json_t *list, *v, *found = NULL;
	size_t i;

	assert_int_equal(crypto_verifications(m->crypto, &list), OK);
	json_array_foreach(list, i, v)
	{
		if (strcmp(json_string_value(json_object_get(v, "id")), id) == 0)
			found = json_incref(v);
	}
	json_decref(list);
	return found;
}

/* "compare", "cancelled m.timeout", "none". Static storage. */
static const char *state_of_id(struct sim_machine *m, const char *id)
{
	static char text[128];
	json_t *v = look(m, id);
	const char *code = json_string_value(json_object_get(v, "code"));

	snprintf(text, sizeof(text), "%s%s%s",
	        v ? json_string_value(json_object_get(v, "state")) : "none", code ? " " : "",
	        code ? code : "");
	json_decref(v);
	return text;
}

static const char *state_of(struct sim_machine *m)
{
	return state_of_id(m, ID);
}

/* No request was sent by anybody here: nobody waits for a ready. */
static void drop_ready(struct sim *sim)
{
	for (size_t i = 0; i < sim->len; i++) {
		json_t *inbox = sim->machines[i].inbox;

		for (size_t at = json_array_size(inbox); at > 0; at--) {
			json_t *event = json_array_get(inbox, at - 1);

			if (strcmp(json_string_value(json_object_get(event, "type")),
			            "m.key.verification.ready") == 0)
				json_array_remove(inbox, at - 1);
		}
	}
}

static void send(struct sim_machine *m)
{
	sim_run(m);
	drop_ready(m->sim);
}

/* Sends what waits, and takes in what came. */
static void pass(struct sim_machine *m)
{
	send(m);
	sim_sync(m);
	send(m);
}

static enum err accept_id(struct sim_machine *m, const struct sim_machine *other, const char *id)
{
	struct fault fault = {0};
	enum err code = crypto_verify_accept(m->crypto, m->sim->now_ms, other->user, id, &fault);

	if (code != ERR_BUSY)
		return code;
	sim_run(m); /* a stranger's devices are looked at */
	return crypto_verify_accept(m->crypto, m->sim->now_ms, other->user, id, &fault);
}

static enum err accept(struct sim_machine *m, const struct sim_machine *other)
{
	return accept_id(m, other, ID);
}

static enum err confirm(struct sim_machine *m, const struct sim_machine *other)
{
	struct fault fault = {0};

	return crypto_verify_confirm(m->crypto, m->sim->now_ms, other->user, ID, &fault);
}

static bool verified(struct sim_machine *m, const char *user)
{
	struct crypto_status status;
	json_t *text;
	bool found = false;
	size_t i;

	assert_int_equal(crypto_status(m->crypto, &status), OK);
	json_array_foreach(status.verified, i, text)
	{
		found = found || strcmp(json_string_value(text), user) == 0;
	}
	crypto_status_finish(&status);
	return found;
}

static struct pair pair_create(void)
{
	struct sim *sim = sim_create();
	struct pair p = {
	        sim, sim_add(sim, "@bot:x", "BOT", true), sim_add(sim, "@op:x", "PHONE", true)};

	sim_settle(sim);
	ask(p.bot, p.op, ID);
	ask(p.op, p.bot, ID);
	sim_settle(sim); /* they look at each other's devices */
	return p;
}

/* Both accept; `starter` sends the start; up to where the emoji are shown. */
static void bring_to_compare(struct pair *p, struct sim_machine *starter)
{
	struct sim_machine *other = starter == p->bot ? p->op : p->bot;

	assert_string_equal(state_of(p->bot), "requested");
	assert_int_equal(accept(starter, other), OK);
	pass(starter);
	p->sim->now_ms += 3000; /* nobody else starts */
	assert_int_equal(accept(other, starter), OK);
	for (int i = 0; i < 4; i++) {
		pass(starter);
		pass(other);
	}
	assert_string_equal(state_of(p->bot), "compare");
	assert_string_equal(state_of(p->op), "compare");
}

static void assert_same_emoji(struct pair *p)
{
	json_t *bot = look(p->bot, ID), *op = look(p->op, ID);

	assert_int_equal(json_array_size(json_object_get(bot, "emoji")), 7);
	assert_int_equal(json_array_size(json_object_get(bot, "decimals")), 3);
	assert_true(json_equal(json_object_get(bot, "emoji"), json_object_get(op, "emoji")));
	assert_true(json_equal(json_object_get(bot, "decimals"), json_object_get(op, "decimals")));
	json_decref(bot);
	json_decref(op);
}

static void settle(struct pair *p)
{
	for (int i = 0; i < 4; i++) {
		pass(p->bot);
		pass(p->op);
	}
}

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

#define SOME_KEY "Q/NmNFEUS1fS+YeEmiZkjjblKTitrKOAk7cPEumcMlg"

static void what_was_changed_on_the_way_is_seen(void **state)
{
	meddle("accept", "commitment", "CCQmB4JCdB0FW21FdAnHj/Hu8+W9+Nb0vgwPEnZZQ4g",
	        "cancelled m.mismatched_commitment", "cancelled m.mismatched_commitment");
	meddle("key", "key", SOME_KEY, "cancelled m.mismatched_commitment",
	        "cancelled m.mismatched_commitment");
	meddle("key", "key", "short", "cancelled m.invalid_message", "cancelled m.invalid_message");
	meddle("accept", "key_agreement_protocol", "curve25519", "cancelled m.unknown_method",
	        "cancelled m.unknown_method");
	meddle("accept", "message_authentication_code", "hkdf-hmac-sha256",
	        "cancelled m.unknown_method", "cancelled m.unknown_method");
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
		/* neither an end nor a request that was taken back asks for an answer */
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
	                "message_authentication_codes", "hkdf-hmac-sha256",
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(either_side_starts_and_confirms_first),
	        cmocka_unit_test(when_both_start_the_smaller_user_s_counts),
	        cmocka_unit_test(a_mismatch_ends_both),
	        cmocka_unit_test(what_was_changed_on_the_way_is_seen),
	        cmocka_unit_test(another_key_gives_other_emoji_and_no_proof),
	        cmocka_unit_test(a_wrong_proof_verifies_nobody),
	        cmocka_unit_test(another_identity_is_not_proven),
	        cmocka_unit_test(again_is_nothing_and_out_of_order_is_the_end),
	        cmocka_unit_test(before_a_person_accepts_nothing_goes_on),
	        cmocka_unit_test(ten_minutes_end_it),
	        cmocka_unit_test(who_asked_may_take_it_back),
	        cmocka_unit_test(one_for_each_user_and_no_flood),
	        cmocka_unit_test(what_is_not_known_is_said_to_be_but_not_to_a_flood),
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

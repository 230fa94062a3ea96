/*
 * verify_fixture.h - two machines that verify each other by emoji, over the simulated homeserver.
 * Each is told that the other asked, so that one program plays both ends; what passes between
 * them can be looked at, changed, held back and sent again. Include after cmocka.h.
 */
#pragma once

#include <stdlib.h>
#include "tests/unit/crypto_fixture.h"

#define SOME_KEY "Q/NmNFEUS1fS+YeEmiZkjjblKTitrKOAk7cPEumcMlg"
#define ID "txn1"
#define ROOM "!r:x"

struct pair {
	struct sim *sim;
	struct sim_machine *bot, *op;
};

static inline json_t *request_content(const struct sim_machine *from, const char *id)
{
	return json_pack("{s:s, s:s, s:[s, s], s:I}", "transaction_id", id, "from_device",
	        from->device, "methods", "m.qr_code.scan.v1", "m.sas.v1", "timestamp",
	        (json_int_t)from->sim->now_ms);
}

/* To-device event, as if `from` had sent it. */
static inline void tell(
        struct sim_machine *to, const char *sender, const char *type, json_t *content)
{
	json_array_append_new(to->inbox,
	        json_pack("{s:s, s:s, s:o}", "type", type, "sender", sender, "content", content));
	sim_sync(to);
}

static inline void ask(struct sim_machine *to, const struct sim_machine *from, const char *id)
{
	tell(to, from->user, "m.key.verification.request", request_content(from, id));
}

/* The machine's verification of that id; a new reference, NULL when there is none. */
static inline json_t *look(struct sim_machine *m, const char *id)
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
static inline const char *state_of_id(struct sim_machine *m, const char *id)
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

static inline const char *state_of(struct sim_machine *m)
{
	return state_of_id(m, ID);
}

/* No request was sent by anybody here: nobody waits for a ready. */
static inline void drop_ready(struct sim *sim)
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

static inline void send(struct sim_machine *m)
{
	sim_run(m);
	drop_ready(m->sim);
}

/* Sends what waits, and takes in what came. */
static inline void pass(struct sim_machine *m)
{
	send(m);
	sim_sync(m);
	send(m);
}

static inline enum err accept_id(
        struct sim_machine *m, const struct sim_machine *other, const char *id)
{
	struct fault fault = {0};
	enum err code = crypto_verify_accept(m->crypto, m->sim->now_ms, other->user, id, &fault);

	if (code != ERR_BUSY)
		return code;
	sim_run(m); /* a stranger's devices are looked at */
	return crypto_verify_accept(m->crypto, m->sim->now_ms, other->user, id, &fault);
}

static inline enum err accept(struct sim_machine *m, const struct sim_machine *other)
{
	return accept_id(m, other, ID);
}

static inline enum err confirm(struct sim_machine *m, const struct sim_machine *other)
{
	struct fault fault = {0};

	return crypto_verify_confirm(m->crypto, m->sim->now_ms, other->user, ID, &fault);
}

static inline bool verified(struct sim_machine *m, const char *user)
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

static inline struct pair pair_create(void)
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
static inline void bring_to_compare(struct pair *p, struct sim_machine *starter)
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

static inline void assert_same_emoji(struct pair *p)
{
	json_t *bot = look(p->bot, ID), *op = look(p->op, ID);

	assert_int_equal(json_array_size(json_object_get(bot, "emoji")), 7);
	assert_int_equal(json_array_size(json_object_get(bot, "decimals")), 3);
	assert_true(json_equal(json_object_get(bot, "emoji"), json_object_get(op, "emoji")));
	assert_true(json_equal(json_object_get(bot, "decimals"), json_object_get(op, "decimals")));
	json_decref(bot);
	json_decref(op);
}

static inline void settle(struct pair *p)
{
	for (int i = 0; i < 4; i++) {
		pass(p->bot);
		pass(p->op);
	}
}

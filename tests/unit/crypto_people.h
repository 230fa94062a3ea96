/*
 * crypto_people.h - the bot and its operator over the simulated homeserver, and what tests ask of
 * them. Include after cmocka.h.
 */
#pragma once

#include "tests/unit/crypto_fixture.h"

#define ROOM "!r:x"
static const char *const two[] = {"@bot:x", "@op:x"};
static const char *const three[] = {"@bot:x", "@op:x", "@out:x"};

static inline json_t *body(const char *text)
{
	return json_pack("{s:s}", "body", text);
}

static inline json_t *say(struct sim_machine *m, const char *text)
{
	json_t *content = body(text);
	json_t *event = sim_send(m, ROOM, two, 2, 0, content);

	json_decref(content);
	return event;
}

/* bot and operator, both signed */
static inline void pair(struct sim *sim, struct sim_machine **bot, struct sim_machine **op)
{
	*bot = sim_add(sim, "@bot:x", "BOT", true);
	*op = sim_add(sim, "@op:x", "PHONE", true);
	sim_settle(sim);
}

static inline bool noticed(struct sim_machine *m, const char *part)
{
	struct crypto_status status;
	json_t *notice;
	bool found = false;
	size_t i;

	assert_int_equal(crypto_status(m->crypto, &status), OK);
	json_array_foreach(status.notices, i, notice)
	{
		found = found || strstr(json_string_value(notice), part);
	}
	crypto_status_finish(&status);
	return found;
}

static inline enum crypto_identity identity(struct sim_machine *m)
{
	struct crypto_status status;
	enum crypto_identity identity;

	assert_int_equal(crypto_status(m->crypto, &status), OK);
	identity = status.identity;
	crypto_status_finish(&status);
	return identity;
}

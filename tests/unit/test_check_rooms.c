/*
 * What a room's state says about the bot's place in it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/matrix/power.h"
#include "bot/setup/check_rooms.h"

struct judge_case {
	const char *member, *levels, *encryption, *tombstone, *create;
	struct room_facts wanted;
	bool above; /* may send whatever the levels are */
};

#define JOINED "{\"membership\":\"join\"}"
#define OURS "{\"type\":\"m.room.create\",\"sender\":\"@bot:e\",\"content\":{\"room_version\":"
#define THEIRS "{\"type\":\"m.room.create\",\"sender\":\"@a:e\",\"content\":{\"room_version\":"

static const struct judge_case cases[] = {
        {NULL, NULL, NULL, NULL, NULL, {.joined = false}},
        {"{\"membership\":\"leave\"}", NULL, NULL, NULL, NULL, {.joined = false}},
        {"{\"membership\":\"ban\"}", NULL, NULL, NULL, NULL, {.banned = true}},
        {"{\"membership\":\"invite\"}", NULL, NULL, NULL, NULL, {.invited = true}},
        {"{\"membership\":7}", NULL, NULL, NULL, NULL, {.joined = false}},
        {JOINED, NULL, NULL, NULL, NULL, {.joined = true}},
        {JOINED, "{\"events_default\":50}", NULL, NULL, NULL, {.joined = true, .needed = 50}},
        {JOINED, "{\"events_default\":50,\"users_default\":10}", NULL, NULL, NULL,
                {.joined = true, .needed = 50, .level = 10}},
        {JOINED, "{\"events_default\":50,\"users\":{\"@bot:e\":60,\"@a:e\":100}}", NULL, NULL, NULL,
                {.joined = true, .needed = 50, .level = 60}},
        {JOINED, "{\"events_default\":0,\"events\":{\"m.room.message\":30}}", NULL, NULL, NULL,
                {.joined = true, .needed = 30}},
        {JOINED, "{\"events\":{\"m.room.message\":-5},\"users_default\":-1}", NULL, NULL, NULL,
                {.joined = true, .needed = -5, .level = -1}},
        {JOINED, "{\"events_default\":\"50\",\"users\":{\"@bot:e\":\"7\"}}", NULL, NULL,
                THEIRS "\"9\"}}", {.joined = true, .needed = 50, .level = 7}},
        {JOINED, "{\"events_default\":[],\"users\":7,\"events\":\"x\"}", NULL, NULL, NULL,
                {.joined = true, .needed = POWER_LEAST}},
        /* in an encrypted room another type counts */
        {JOINED, "{\"events\":{\"m.room.message\":30,\"m.room.encrypted\":40}}", "{}", NULL, NULL,
                {.joined = true, .encrypted = true, .needed = 40}},
        /* creators are above all levels from version 12 on */
        {JOINED, "{\"events_default\":50}", NULL, NULL, OURS "\"12\"}}",
                {.joined = true, .needed = 50}, true},
        {JOINED, "{\"events_default\":50}", NULL, NULL, OURS "\"11\"}}",
                {.joined = true, .needed = 50}},
        {JOINED, "{\"events_default\":50}", NULL, NULL, THEIRS "\"12\"}}",
                {.joined = true, .needed = 50}},
        {JOINED, "{\"events_default\":50}", NULL, NULL,
                THEIRS "\"12\",\"additional_creators\":[\"@c:e\",\"@bot:e\"]}}",
                {.joined = true, .needed = 50}, true},
        {JOINED, "{\"events_default\":50}", NULL, NULL,
                THEIRS "\"11\",\"additional_creators\":[\"@bot:e\"]}}",
                {.joined = true, .needed = 50}},
        /* a server that gives the content alone */
        {JOINED, NULL, NULL, NULL, "{\"room_version\":\"12\",\"additional_creators\":[\"@bot:e\"]}",
                {.joined = true}, true},
        {JOINED, NULL, NULL, "{\"replacement_room\":\"!new\"}", NULL,
                {.joined = true, .replaced = "!new"}},
        {JOINED, NULL, NULL, "{\"replacement_room\":5}", NULL, {.joined = true}},
};

static json_t *parse(const char *text)
{
	json_t *json = text ? json_loads(text, 0, NULL) : NULL;

	assert_int_equal(!text, !json);
	return json;
}

static void test_rooms_are_judged(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct judge_case *c = &cases[i];
		json_t *pieces[] = {parse(c->member), parse(c->levels), parse(c->encryption),
		        parse(c->tombstone), parse(c->create)};
		const struct room_state room = {
		        pieces[0], pieces[1], pieces[2], pieces[3], pieces[4]};
		struct room_facts facts;

		room_judge(&room, "@bot:e", &facts);
		if (facts.joined != c->wanted.joined || facts.invited != c->wanted.invited ||
		        facts.encrypted != c->wanted.encrypted ||
		        facts.banned != c->wanted.banned ||
		        facts.may_send != (c->above || c->wanted.level >= c->wanted.needed) ||
		        facts.level != c->wanted.level || facts.needed != c->wanted.needed)
			fail_msg("case %zu", i);
		if (c->wanted.replaced)
			assert_string_equal(facts.replaced, c->wanted.replaced);
		else
			assert_null(facts.replaced);
		for (size_t p = 0; p < 5; p++)
			json_decref(pieces[p]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_rooms_are_judged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of what encryption costs beside members, devices and rooms, counted in values that the
 * machine reads from its store and not by a clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/crypto_people.h"

#define MEMBERS_MAX (SIM_MACHINES - 1)
#define ROOMS_MAX 40

struct cost {
	unsigned share;   /* the first message, with the keys for everybody */
	unsigned message; /* one after it */
	unsigned look;    /* at requests, when none is due */
	unsigned sync;    /* an answer of /sync with nothing new */
	unsigned changed; /* one that names somebody whose devices are as before */
	unsigned read;    /* a message of another member */
	unsigned again;   /* a message after that */
	unsigned readers; /* who can read */
};

static unsigned send_cost(
        struct sim_machine *bot, const char *room, const char *const *users, size_t len)
{
	json_t *content = body("text");
	unsigned before = bot->reads;
	json_t *event = sim_send(bot, room, users, len, 0, content);

	assert_non_null(event);
	json_decref(event);
	json_decref(content);
	return bot->reads - before;
}

static unsigned sync_cost(struct sim_machine *bot, const char *changed)
{
	unsigned before = bot->reads;

	assert_int_equal(json_array_size(bot->inbox), 0);
	json_array_clear(bot->changed);
	if (changed)
		json_array_append_new(bot->changed, json_string(changed));
	sim_sync(bot);
	return bot->reads - before;
}

static unsigned readers_cost(struct sim_machine *bot, const char *const *users, size_t len)
{
	unsigned before = bot->reads;
	json_t *readers;

	assert_int_equal(crypto_readers(bot->crypto, bot->sim->now_ms, users, len, &readers), OK);
	json_decref(readers);
	return bot->reads - before;
}

static unsigned read_cost(struct sim_machine *bot, const json_t *event)
{
	unsigned before = bot->reads;

	assert_string_equal(sim_read(bot, ROOM, event, NULL), "text");
	return bot->reads - before;
}

static unsigned look_cost(struct sim_machine *bot)
{
	struct crypto_request *requests;
	unsigned before = bot->reads;
	size_t len;

	assert_int_equal(crypto_requests(bot->crypto, bot->sim->now_ms, &requests, &len), OK);
	assert_int_equal(len, 0);
	crypto_requests_free(requests, len);
	return bot->reads - before;
}

/* A room of the bot and so many others with a device each, or of one with so many devices. */
static struct cost cost_in_room(size_t devices, bool of_one)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot = sim_add(sim, "@bot:x", "BOT", true);
	const char *users[1 + MEMBERS_MAX] = {bot->user};
	json_t *content = body("text"), *event;
	int64_t before, after;
	size_t len = 1;
	struct cost cost;

	for (size_t i = 0; i < devices; i++) {
		char user[32], device[32];
		struct sim_machine *m;

		snprintf(user, sizeof(user), "@op%zu:x", of_one ? 0 : i);
		snprintf(device, sizeof(device), "D%zu", i);
		m = sim_add(sim, user, device, !of_one || i == 0);
		if (!of_one || i == 0)
			users[len++] = m->user;
	}
	sim_settle(sim);
	cost.share = send_cost(bot, ROOM, users, len);
	sim_settle(sim);
	cost.message = send_cost(bot, ROOM, users, len);
	cost.look = look_cost(bot);
	event = sim_send(&sim->machines[1], ROOM, users, len, 0, content);
	sim_settle(sim);
	cost.read = read_cost(bot, event);
	cost.sync = sync_cost(bot, NULL);
	assert_int_equal(crypto_epoch(bot->crypto, &before), OK);
	cost.changed = sync_cost(bot, sim->machines[1].user);
	sim_settle(sim);
	assert_int_equal(crypto_epoch(bot->crypto, &after), OK);
	assert_int_equal(after, before); /* who can read is not looked at again */
	cost.again = send_cost(bot, ROOM, users, len);
	cost.readers = readers_cost(bot, users, len);
	json_decref(event);
	json_decref(content);
	sim_destroy(sim);
	return cost;
}

static void assert_proportion(const char *what, unsigned one, unsigned both, unsigned many)
{
	if (both < one || many > one + (MEMBERS_MAX - 1) * (both - one))
		fail_msg("%s: %u, %u, then %u values", what, one, both, many);
}

static void assert_same(const char *what, unsigned one, unsigned many)
{
	if (one == 0 || many > one)
		fail_msg("%s: %u, then %u values", what, one, many);
}

static void assert_cost(bool of_one)
{
	struct cost one = cost_in_room(1, of_one), both = cost_in_room(2, of_one);
	struct cost many = cost_in_room(MEMBERS_MAX, of_one);

	assert_same("a message", one.message, many.message);
	assert_same("a message of another", one.read, many.read);
	assert_same("an answer of /sync", one.sync, many.sync);
	assert_same("a list that is named", one.changed, many.changed);
	assert_same("a message after that", one.message, many.again);
	assert_proportion("a look", one.look, both.look, many.look);
	assert_proportion("a shared key", one.share, both.share, many.share);
	assert_proportion("who can read", one.readers, both.readers, many.readers);
}

static void each_member_costs_the_same(void **state)
{
	assert_cost(false);
}

static void each_device_costs_the_same(void **state)
{
	assert_cost(true);
}

/* The same in a room beside so many others in which the key is shared. */
static struct cost cost_beside(int rooms)
{
	struct sim *sim = sim_create();
	struct sim_machine *bot, *op;
	json_t *event;
	struct cost cost;

	pair(sim, &bot, &op);
	for (int i = 0; i < rooms; i++) {
		char room[32];

		snprintf(room, sizeof(room), "!other%d:x", i);
		send_cost(bot, room, two, 2);
		sim_run(bot);
	}
	sim_settle(sim);
	cost.share = send_cost(bot, ROOM, two, 2);
	sim_settle(sim);
	cost.message = send_cost(bot, ROOM, two, 2);
	cost.look = look_cost(bot);
	event = say(op, "text");
	sim_settle(sim);
	cost.read = read_cost(bot, event);
	cost.sync = sync_cost(bot, NULL);
	cost.changed = sync_cost(bot, op->user);
	sim_settle(sim);
	cost.again = send_cost(bot, ROOM, two, 2);
	json_decref(event);
	sim_destroy(sim);
	return cost;
}

static void other_rooms_cost_nothing(void **state)
{
	struct cost few = cost_beside(2), many = cost_beside(ROOMS_MAX);

	assert_same("a shared key", few.share, many.share);
	assert_same("a message", few.message, many.message);
	assert_same("a look", few.look, many.look);
	assert_same("a message of another", few.read, many.read);
	assert_same("an answer of /sync", few.sync, many.sync);
	assert_same("a list that is named", few.changed, many.changed);
	assert_same("a message after that", few.message, many.again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_member_costs_the_same),
	        cmocka_unit_test(each_device_costs_the_same),
	        cmocka_unit_test(other_rooms_cost_nothing),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

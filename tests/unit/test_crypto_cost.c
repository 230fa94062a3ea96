/*
 * Tests of what encryption costs beside members and devices, counted in values that the machine
 * reads from its store and not by a clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/crypto_people.h"

#define MEMBERS_MAX (SIM_MACHINES - 1)

struct cost {
	unsigned share;   /* the first message, with the keys for everybody */
	unsigned message; /* one after it */
	unsigned look;    /* at requests, when none is due */
};

static unsigned send_cost(struct sim_machine *bot, const char *const *users, size_t len)
{
	json_t *content = body("text");
	unsigned before = bot->reads;
	json_t *event = sim_send(bot, ROOM, users, len, 0, content);

	assert_non_null(event);
	json_decref(event);
	json_decref(content);
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
	cost.share = send_cost(bot, users, len);
	sim_settle(sim);
	cost.message = send_cost(bot, users, len);
	cost.look = look_cost(bot);
	sim_destroy(sim);
	return cost;
}

static void assert_proportion(const char *what, unsigned one, unsigned both, unsigned many)
{
	if (both < one || many > one + (MEMBERS_MAX - 1) * (both - one))
		fail_msg("%s: %u, %u, then %u values", what, one, both, many);
}

static void assert_cost(bool of_one)
{
	struct cost one = cost_in_room(1, of_one), both = cost_in_room(2, of_one);
	struct cost many = cost_in_room(MEMBERS_MAX, of_one);

	if (one.message == 0 || many.message > one.message)
		fail_msg("a message: %u, then %u values", one.message, many.message);
	assert_proportion("a look", one.look, both.look, many.look);
}

static void each_member_costs_the_same(void **state)
{
	assert_cost(false);
}

static void each_device_costs_the_same(void **state)
{
	assert_cost(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(each_member_costs_the_same),
	        cmocka_unit_test(each_device_costs_the_same),
	};

	x_alloc_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

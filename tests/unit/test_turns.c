/*
 * Tests of fair turns: how many are served before one that comes last, whatever the flood looks
 * like. Counted in turns; no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include "bot/intake/turns.h"

#define FLOOD 5000
#define OTHER 1000000 /* a way that no flood uses */

struct waiter {
	struct turn turn; /* first */
	int number;
};

static struct waiter *queue(struct turns *turns, const char *origin, uint64_t way, int number)
{
	struct waiter *waiter = calloc(1, sizeof(*waiter));

	waiter->number = number;
	turns_add(turns, &waiter->turn, origin, way);
	return waiter;
}

/* Takes all out; how many were served before that one. */
static int served_before(struct turns *turns, const struct waiter *of)
{
	struct turn *turn;
	int served = 0, before = -1;

	while ((turn = turns_next(turns))) {
		if (turn == &of->turn)
			before = served;
		free(turn);
		served++;
	}
	assert_true(before >= 0);
	turns_destroy(turns);
	return before;
}

static void a_flood_of_one_origin_by_one_way_is_passed(void **state)
{
	struct turns *turns = turns_create();

	for (int i = 0; i < FLOOD; i++)
		queue(turns, "loop", 1, i);
	assert_int_equal(turns_len(turns), FLOOD);
	assert_int_equal(turns_before(turns, "loop", 2), FLOOD);
	assert_int_equal(turns_before(turns, "etl", 1), FLOOD);
	assert_int_equal(turns_before(turns, "etl", OTHER), 0);
	assert_int_equal(served_before(turns, queue(turns, "etl", OTHER, 0)), 1);
}

static void a_flood_of_one_origin_by_many_ways_is_passed(void **state)
{
	struct turns *turns = turns_create();

	for (int i = 0; i < FLOOD; i++)
		queue(turns, "loop", 1 + (uint64_t)i % 60, i);
	assert_int_equal(served_before(turns, queue(turns, "etl", OTHER, 0)), 1);

	turns = turns_create();
	for (int i = 0; i < FLOOD; i++) /* each by a way of its own */
		queue(turns, "loop", 1 + (uint64_t)i, i);
	assert_int_equal(served_before(turns, queue(turns, "etl", OTHER, 0)), 1);
}

static void a_flood_under_ever_new_names_is_passed(void **state)
{
	struct turns *turns = turns_create();
	char name[32];

	for (int i = 0; i < FLOOD; i++) {
		snprintf(name, sizeof(name), "loop_%d", i);
		queue(turns, name, 1, i);
	}
	assert_int_equal(served_before(turns, queue(turns, "etl", OTHER, 0)), 1);

	turns = turns_create();
	for (int i = 0; i < FLOOD; i++) {
		snprintf(name, sizeof(name), "loop_%d", i);
		queue(turns, name, 1 + (uint64_t)i % 8, i);
	}
	assert_int_equal(served_before(turns, queue(turns, "etl", OTHER, 0)), 8);
}

/* The spool and HTTP come by no way that counts. */
static void a_flood_by_no_way_is_passed(void **state)
{
	struct turns *turns = turns_create();

	for (int i = 0; i < FLOOD; i++)
		queue(turns, "loop", 0, i);
	assert_int_equal(served_before(turns, queue(turns, "etl", 0, 0)), 1);
}

/* Nobody waits longer because a flood goes on: what comes later stands behind. */
static void a_flood_that_goes_on_passes_nobody(void **state)
{
	struct turns *turns = turns_create();
	struct waiter *second;

	for (int i = 0; i < 100; i++)
		queue(turns, "loop", 1, i);
	queue(turns, "etl", 2, 0);
	second = queue(turns, "etl", 2, 1);
	for (int i = 0; i < FLOOD; i++) {
		free(turns_next(turns));
		queue(turns, "loop", 1, i);
		if (i == 2) /* loop, etl, loop: etl's second is next */
			break;
	}
	assert_int_equal(served_before(turns, second), 0);
}

static void what_comes_one_way_stays_in_order(void **state)
{
	struct turns *turns = turns_create();
	int next[8] = {0}, served[8] = {0};
	char name[32];

	srand(7);
	for (int i = 0; i < 20000; i++) {
		int way = rand() % 8;

		if (rand() % 3) {
			snprintf(name, sizeof(name), "app_%d", rand() % 5);
			queue(turns, name, 1 + (uint64_t)way, way * 100000 + next[way]++);
		} else {
			struct waiter *waiter = (struct waiter *)turns_next(turns);

			if (waiter) {
				way = waiter->number / 100000;
				assert_int_equal(waiter->number % 100000, served[way]++);
			}
			free(waiter);
		}
	}
	for (struct waiter *waiter; (waiter = (struct waiter *)turns_next(turns)); free(waiter))
		assert_int_equal(waiter->number % 100000, served[waiter->number / 100000]++);
	for (int way = 0; way < 8; way++)
		assert_int_equal(served[way], next[way]);
	turns_destroy(turns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_flood_of_one_origin_by_one_way_is_passed),
	        cmocka_unit_test(a_flood_of_one_origin_by_many_ways_is_passed),
	        cmocka_unit_test(a_flood_under_ever_new_names_is_passed),
	        cmocka_unit_test(a_flood_by_no_way_is_passed),
	        cmocka_unit_test(a_flood_that_goes_on_passes_nobody),
	        cmocka_unit_test(what_comes_one_way_stays_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

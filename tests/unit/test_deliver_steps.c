/*
 * Tests of what an alert and a choice cost, counted in steps of SQLite's machine and not by a
 * clock: as much with few messages open and alerts stored as with many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/handlers_fixture.h"
#include "storage/sql.h"

/* Steps of all statements since the last call; *scanned: of these, rows of walks without an index.
 */
static int64_t steps(struct world *w, int64_t *scanned)
{
	int64_t sum = 0;
	sqlite3_stmt *stmt = NULL;

	*scanned = 0;
	while ((stmt = sqlite3_next_stmt(w->store->db, stmt))) {
		sum += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
		*scanned += sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1);
	}
	return sum;
}

/* One app's alert, and the choice after it, with so many messages of others open. */
static int64_t cost(int open, int64_t *choice)
{
	struct world *w = world_create("[delivery]\nstorm = 0\nthrottle = 1h\n");
	struct deliver_event event;
	int64_t accept, scanned;

	for (int i = 0; i < open; i++)
		world_alert(w,
		        "{\"app\":\"app%d\",\"severity\":\"critical\",\"title\":\"t\","
		        "\"run_id\":\"r-%d\"}",
		        i, i);
	world_send(w);
	w->now_ms += 2000;
	world_alert(w, "{\"app\":\"app0\",\"severity\":\"critical\",\"title\":\"t\","
	               "\"run_id\":\"again\"}");
	world_send(w);
	w->now_ms += 2000;
	steps(w, &scanned);
	world_alert(w, "{\"app\":\"app0\",\"severity\":\"critical\",\"title\":\"t\","
	               "\"run_id\":\"last\"}");
	accept = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	assert_true(world_next(w, &event));
	*choice = steps(w, &scanned);
	assert_int_equal(scanned, 0);
	deliver_event_finish(&event);
	world_destroy(w);
	return accept;
}

static void what_is_open_makes_nothing_slower(void **state)
{
	int64_t few_choice, many_choice;
	int64_t few = cost(5, &few_choice), many = cost(400, &many_choice);

	assert_true(few > 0 && few_choice > 0);
	if (many > few + few / 10 || many_choice > few_choice + few_choice / 10)
		fail_msg("an alert %lld then %lld steps, a choice %lld then %lld", (long long)few,
		        (long long)many, (long long)few_choice, (long long)many_choice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_open_makes_nothing_slower),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

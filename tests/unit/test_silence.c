/*
 * test_silence.c - what silences and quiet times hold back, for alerts that come and for what is
 * stored; what would mean everything; and patterns that cost too much.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "handlers/alerts/facts.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "handlers/silences/silence_scope.h"
#include "storage/quiets.h"
#include "tests/unit/handlers_fixture.h"

#define HOUR CLOCK_HOUR_MS

static const char simple[] = "{\"app\":\"%s\",\"severity\":\"%s\",\"title\":\"%s\"}";
static const char full[] = "{\"app\":\"etl\",\"kind\":\"node_failed\",\"severity\":\"critical\","
                           "\"run_id\":\"r-1\",\"id\":\"i-%d\",\"key\":\"k-1\","
                           "\"url\":\"https://x/y\",\"at\":\"2026-09-21T00:53:20Z\","
                           "\"title\":\"the title\",\"text\":\"the text\","
                           "\"fields\":{\"node_id\":\"n\",\"duration_ms\":5,\"error\":\"e\","
                           "\"title\":\"a field\",\"ratio\":0.5,\"yes\":true}}";

static struct deliver deliver_of(struct world *w)
{
	return (struct deliver){.store = w->store, .config = w->config, .now_ms = w->now_ms};
}

/* ---- one meaning of a name ---- */

static const struct {
	const char *name, *value; /* NULL: none */
} asked[] = {
        {"app", "etl"},
        {"kind", "node_failed"},
        {"severity", "critical"},
        {"status", "firing"},
        {"run_id", "r-1"},
        {"id", "i-0"},
        {"key", "k-1"},
        {"url", "https://x/y"},
        {"at", "2026-09-21T00:53:20.000Z"},
        {"title", "the title"},
        {"text", "the text"},
        {"node_id", "n"},
        {"duration_ms", "5"},
        {"ratio", "0.5"},
        {"yes", "true"},
        {"nothing", NULL},
};

static void assert_facts(struct facts *facts, const char *of)
{
	for (int twice = 0; twice < 2; twice++)
		for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
			const char *text = facts_text(asked[i].name, facts);

			if (!text != !asked[i].value || (text && strcmp(text, asked[i].value) != 0))
				fail_msg("%s of %s: %s", asked[i].name, of, text ? text : "none");
		}
	facts_finish(facts);
}

static void a_name_means_the_same_for_an_alert_and_what_is_stored_of_it(void **state)
{
	struct world *w = world_create("");
	struct alert_row *rows = NULL;
	struct entry_row *entries = NULL;
	struct alert_fault fault;
	struct alert *alert;
	struct facts facts;
	json_t *request;
	char *text = x_asprintf(full, 0);
	size_t len;

	request = json_loads(text, 0, NULL);
	assert_int_equal(alert_parse(request, w->config, w->now_ms, &alert, &fault), OK);
	facts_of_alert(&facts, alert, alert->url);
	assert_facts(&facts, "an alert");
	assert_string_equal(world_alert(w, full, 0), "queued");
	assert_int_equal(alerts_list(w->store, NULL, 1, &rows, &len), OK);
	facts_of_row(&facts, &rows[0]);
	assert_facts(&facts, "a row");
	assert_int_equal(entries_open(w->store, 0, 1, &entries, &len), OK);
	facts_of_entry(&facts, &entries[0]);
	assert_facts(&facts, "an entry");
	alert_row_finish(&rows[0]);
	entry_row_finish(&entries[0]);
	free(rows);
	free(entries);
	alert_destroy(alert);
	json_decref(request);
	free(text);
	world_destroy(w);
}

/* What is held back is counted before, and is not brought up again. */
static void whatever_is_asked_for_holds_back_and_covers_alike(void **state)
{
	static const char *const whats[] = {"key=k-1", "url=~\"https://x/.*\"", "id=~\"i-.\"",
	        "status=firing key=k-1", "at=~\"2026-09-21T.*\"", "title=\"the title\"",
	        "text=~\"the .*\"", "duration_ms=5 yes=true", "run_id=r-1",
	        "severity!=info app!=x"};

	for (size_t i = 0; i < sizeof(whats) / sizeof(whats[0]); i++) {
		struct world *w = world_create("");
		struct deliver d = deliver_of(w);
		struct entry_row *entries = NULL;
		struct silence_scope scope;
		struct matchers *matchers;
		char why[160];
		bool covers = false;
		size_t len;

		assert_string_equal(world_alert(w, full, 0), "queued");
		assert_int_equal(matchers_parse(whats[i], &matchers, why), OK);
		assert_int_equal(silence_scope(w->store, matchers, w->now_ms, &scope), OK);
		if (scope.firing != 1 || scope.last_day != 1)
			fail_msg("%s: %zu firing, %zu today", whats[i], scope.firing,
			        scope.last_day);
		silence_scope_finish(&scope);
		matchers_free(matchers);
		world_silence(w, whats[i], 0, w->now_ms + HOUR);
		assert_int_equal(entries_open(w->store, 0, 1, &entries, &len), OK);
		assert_int_equal(store_begin(w->store), OK);
		assert_int_equal(silence_covers(&d, &entries[0], &covers), OK);
		store_rollback(w->store);
		if (!covers)
			fail_msg("%s: a reminder would go out", whats[i]);
		if (strcmp(world_alert(w, full, 1), "silenced") != 0)
			fail_msg("%s: not silenced", whats[i]);
		entry_row_finish(&entries[0]);
		free(entries);
		world_destroy(w);
	}
}

/* ---- everything ---- */

static void what_would_hold_back_everything_is_known_by_what_it_means(void **state)
{
	static const struct {
		const char *what;
		bool all;
	} cases[] = {
	        {"severity!=critical", false},
	        {"severity=~\"warning|info\"", false},
	        {"severity=~\"w.*\"", false},
	        {"severity=~\"critical|warning|info\"", true},
	        {"severity!=loud", true},
	        {"status=firing", true},
	        {"status!=resolved", true},
	        {"status=resolved", false},
	        {"app=~\".*\"", true},
	        {"app=~\".+\"", true},
	        {"app!=\"\"", true},
	        {"app=~\"[A-Za-z0-9_.-]*\"", true},
	        {"app!=etl", false},   /* there is one */
	        {"app!=nobody", true}, /* there is none */
	        {"app!~\"et.\"", false},
	        {"app!~\"nob.*\"", true},
	        {"run_id!~\"z\"", true},
	        {"run_id!=r-1", false},
	        {"node_id=~\".*\"", true},
	        {"node_id=~\"n|\"", false},
	        {"node_id!=\"\"", false},
	        {"app=etl", false},
	        {"app=~\".*\" app=etl", false},
	        {"app=~\".*\", node_id!=zz, severity!=loud", true},
	        {"title!~\"(?=never).*\"", true},
	};
	struct world *w = world_create("");

	world_alert(w, full, 0);
	world_alert(w, simple, "billing", "warning", "t");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct silence_scope scope;
		struct matchers *matchers;
		char why[160];

		assert_int_equal(matchers_parse(cases[i].what, &matchers, why), OK);
		assert_int_equal(silence_scope(w->store, matchers, w->now_ms, &scope), OK);
		if (scope.all != cases[i].all)
			fail_msg("%s: %d", cases[i].what, scope.all);
		silence_scope_finish(&scope);
		matchers_free(matchers);
	}
	world_destroy(w);
}

/* ---- limits ---- */

#define AAAA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void assert_problem(struct world *w, int64_t id, const char *part)
{
	struct silence_row row = {0};

	assert_int_equal(silences_by_id(w->store, id, &row), OK);
	if (!part != !row.problem || (part && !strstr(row.problem, part)))
		fail_msg("silence %lld: %s", (long long)id, row.problem ? row.problem : "none");
	silence_row_finish(&row);
}

static void a_pattern_at_its_limit_holds_nothing_back(void **state)
{
	struct world *w = world_create("");
	int64_t costly = world_silence(w, "title=~\"(a*)*b|(a|aa)+\"", 0, w->now_ms + HOUR);
	int64_t unlike = world_silence(w, "title!~\"(a|aa)+[bc]\"", 0, w->now_ms + HOUR);
	int64_t good = world_silence(w, "app=calm", 0, w->now_ms + HOUR);

	assert_string_equal(world_alert(w, simple, "etl", "critical", "b"), "silenced");
	assert_int_equal(world_held(w, costly), 1);
	assert_string_equal(world_alert(w, simple, "etl", "critical", AAAA "!"), "queued");
	assert_problem(w, costly, "limit of its cost");
	assert_problem(w, unlike, "limit of its cost");
	assert_problem(w, good, NULL);
	/* for good, and the others hold */
	assert_string_equal(world_alert(w, simple, "etl", "critical", "b"), "grouped");
	assert_string_equal(world_alert(w, simple, "calm", "critical", AAAA "!"), "silenced");
	assert_int_equal(world_held(w, costly), 1);
	world_destroy(w);
}

/* As an earlier version may have left it behind. */
static void a_stored_pattern_that_cannot_be_compiled_holds_nothing_back(void **state)
{
	struct world *w = world_create("");
	int64_t id = world_silence(w, "title=~\"(((a{255}){255}){255})\"", 0, w->now_ms + HOUR);

	assert_string_equal(world_alert(w, simple, "etl", "critical", "t"), "queued");
	assert_problem(w, id, "too large");
	world_destroy(w);
}

static void a_quiet_time_at_its_limit_is_given_up_until_its_end(void **state)
{
	struct world *w = world_create("[quiet q]\nwhat = title=~\"(a|aa)+[bc]|t.*\"\n"
	                               "critical = yes\nfrom = 00:00\nto = 23:59\n");
	struct quiet_row *rows = NULL;
	size_t len;

	assert_string_equal(world_alert(w, simple, "etl", "critical", "t1"), "silenced");
	assert_string_equal(world_alert(w, simple, "etl", "critical", AAAA "!"), "queued");
	assert_string_equal(world_alert(w, simple, "etl", "critical", "t1"), "grouped");
	assert_int_equal(quiets_all(w->store, &rows, &len), OK);
	assert_int_equal(len, 1);
	assert_int_equal(rows[0].held, 1);
	assert_non_null(rows[0].problem);
	quiet_row_finish(&rows[0]);
	free(rows);
	world_destroy(w);
}

/* ---- in memory ---- */

static void what_is_kept_in_memory_follows_the_store(void **state)
{
	struct world *w = world_create("");
	struct silence_row row = {.author = (char *)"me",
	        .matchers = (char *)"app=etl",
	        .reason = (char *)"",
	        .end_ms = w->now_ms + HOUR};

	/* one that was undone never was */
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(store_savepoint(w->store), OK);
	assert_int_equal(silences_insert(w->store, &row), OK);
	{
		const struct silence_matchers *list;
		size_t len;

		assert_int_equal(silences_compiled(w->store, &list, &len), OK);
		assert_int_equal(len, 1);
		assert_int_equal(store_undo(w->store), OK);
		assert_int_equal(silences_compiled(w->store, &list, &len), OK);
		assert_int_equal(len, 0);
		assert_int_equal(silences_insert(w->store, &row), OK);
		assert_int_equal(silences_compiled(w->store, &list, &len), OK);
		assert_int_equal(len, 1);
	}
	store_rollback(w->store);
	assert_string_equal(world_alert(w, simple, "etl", "critical", "t"), "queued");
	/* one that changes or ends does so at once */
	row.id = world_silence(w, "app=etl", 0, w->now_ms + HOUR);
	assert_string_equal(world_alert(w, simple, "etl", "critical", "t"), "silenced");
	assert_int_equal(store_begin(w->store), OK);
	row.ended_ms = w->now_ms;
	assert_int_equal(silences_update(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_string_equal(world_alert(w, simple, "etl", "critical", "t"), "grouped");
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_name_means_the_same_for_an_alert_and_what_is_stored_of_it),
	        cmocka_unit_test(whatever_is_asked_for_holds_back_and_covers_alike),
	        cmocka_unit_test(what_would_hold_back_everything_is_known_by_what_it_means),
	        cmocka_unit_test(a_pattern_at_its_limit_holds_nothing_back),
	        cmocka_unit_test(a_stored_pattern_that_cannot_be_compiled_holds_nothing_back),
	        cmocka_unit_test(a_quiet_time_at_its_limit_is_given_up_until_its_end),
	        cmocka_unit_test(what_is_kept_in_memory_follows_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

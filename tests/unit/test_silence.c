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
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/silences/held.h"
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
	rows[0].resolved = true;
	facts_of_row(&facts, &rows[0]);
	assert_string_equal(facts_text("status", &facts), "resolved");
	facts_finish(&facts);
	assert_int_equal(entries_open(w->store, 0, 1, &entries, &len), OK);
	facts_of_entry(&facts, &entries[0]);
	assert_facts(&facts, "an entry");
	entries[0].resolved_ms = 1;
	facts_of_entry(&facts, &entries[0]);
	assert_string_equal(facts_text("status", &facts), "resolved");
	facts_finish(&facts);
	alert_row_finish(&rows[0]);
	entry_row_finish(&entries[0]);
	free(rows);
	free(entries);
	alert_destroy(alert);
	json_decref(request);
	free(text);
	world_destroy(w);
}

/* What is silenced is counted before, and no reminder is sent for it. */
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
		struct silence_hold hold = {0};
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
		assert_int_equal(silence_find_entry(&d, &entries[0], &hold), OK);
		store_rollback(w->store);
		if (!hold.silence)
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

/* Before the first alert too, whatever the severities of those that come. */
static void a_severity_left_out_is_not_everything(void **state)
{
	static const char *const some[] = {"severity!=critical", "severity!=info",
	        "severity=~\"critical|info\"", "status=resolved", "app!~\"x.*\""};
	struct world *w = world_create("");

	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		struct silence_scope scope;
		struct matchers *matchers;
		char why[160];

		assert_int_equal(matchers_parse(some[i], &matchers, why), OK);
		assert_int_equal(silence_scope(w->store, matchers, w->now_ms, &scope), OK);
		if (scope.all)
			fail_msg("%s", some[i]);
		silence_scope_finish(&scope);
		matchers_free(matchers);
	}
	world_destroy(w);
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

/* ---- ends ---- */

static const char failed[] = "{\"app\":\"%s\",\"kind\":\"node_failed\",\"severity\":\"%s\","
                             "\"run_id\":\"%s\",\"status\":\"%s\",\"fields\":{\"node_id\":\"%s\","
                             "\"duration_ms\":1,\"error\":\"e\"}}";

static const char *fire(struct world *w, const char *severity, const char *run, const char *node)
{
	return world_alert(w, failed, "etl", severity, run, "firing", node);
}

static void duty(struct world *w)
{
	struct deliver d = deliver_of(w);

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silence_end_due(&d), OK);
	assert_int_equal(quiet_end_due(&d), OK);
	assert_int_equal(held_release(&d), OK);
	assert_int_equal(ack_end_due(&d), OK);
	assert_int_equal(escalate_duty(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	world_pass(w, 3000);
}

static void what_is_released_is_told_to_subscribers(void **state)
{
	struct world *w = world_create("");
	struct deliver d = deliver_of(w);
	const json_t *event;

	world_silence(w, "app=\"etl\"", 0, w->now_ms + CLOCK_HOUR_MS);
	assert_string_equal(fire(w, "critical", "r-1", "a"), "silenced");
	assert_string_equal(fire(w, "warning", "r-2", "b"), "silenced"); /* is only listed */
	d.now_ms = w->now_ms += 2 * CLOCK_HOUR_MS;
	d.happened = json_array();
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silence_end_due(&d), OK);
	json_array_clear(d.happened);
	assert_int_equal(held_release(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	assert_int_equal(json_array_size(d.happened), 1);
	event = json_array_get(d.happened, 0);
	assert_string_equal(json_string_value(json_object_get(event, "event")), "alert");
	assert_string_equal(json_string_value(json_object_get(event, "state")), "queued");
	json_decref(d.happened);
	world_destroy(w);
}

static bool is_active(struct world *w, int64_t id)
{
	struct silence_row row = {0};
	bool active;

	assert_int_equal(silences_by_id(w->store, id, &row), OK);
	active = row.ended_ms == 0;
	silence_row_finish(&row);
	return active;
}

/* How many events say all of that; rings: of these, how many ring. */
static size_t said(const struct world *w, const char *a, const char *b, size_t *rings)
{
	size_t count = 0;

	*rings = 0;
	for (size_t i = 0; i < w->len; i++) {
		char *body = world_body(w, i);

		if (body && strstr(body, a) && strstr(body, b)) {
			count++;
			*rings += strstr(w->events[i].content, "\"m.text\"") != NULL &&
			          !strstr(w->events[i].content, "m.new_content");
		}
		free(body);
	}
	return count;
}

#define SAID(w, a, b)                       \
	({                                  \
		size_t said_rings;          \
		said(w, a, b, &said_rings); \
	})

static void what_it_held_back_and_fires_still_is_told_at_its_end_and_rings(void **state)
{
	struct world *w = world_create("[route]\nwarning = ops\n[commands]\nremind = 30m\n");
	int64_t id = world_silence(w, "app=etl", 0, w->now_ms + HOUR); /* set on the host */
	size_t rings;

	assert_string_equal(fire(w, "critical", "r-1", "alpha"), "silenced");
	assert_string_equal(fire(w, "critical", "r-2", "alpha"), "silenced");
	assert_string_equal(fire(w, "critical", "r-3", "beta"), "silenced");
	assert_string_equal(fire(w, "warning", "r-4", "gamma"), "silenced");
	assert_string_equal(world_alert(w, "{\"app\":\"etl\",\"severity\":\"critical\",\"title\":"
	                                   "\"trial\",\"fields\":{\"test\":true}}"),
	        "silenced");
	world_alert(w, failed, "etl", "critical", "r-3", "resolved", "beta");
	w->now_ms += HOUR - CLOCK_MINUTE_MS;
	duty(w);
	assert_int_equal(w->len, 0);
	w->now_ms += CLOCK_MINUTE_MS;
	duty(w);
	assert_false(is_active(w, id));
	assert_int_equal(SAID(w, "🔔 Silence 1 expired", "5 silenced"), 1);
	assert_int_equal(SAID(w, "Still firing", "gamma"), 1);
	assert_int_equal(said(w, "🚨", "alpha FAILED", &rings), 1);
	assert_int_equal(rings, 1);
	assert_int_equal(
	        SAID(w, "FAILED", "beta") + SAID(w, "FAILED", "gamma") + SAID(w, "TEST", "trial"),
	        0);
	duty(w);
	duty(w);
	assert_int_equal(SAID(w, "🚨", "alpha FAILED"), 1);
	w->now_ms += 31 * CLOCK_MINUTE_MS;
	duty(w);
	assert_int_equal(SAID(w, "⏰", "alpha"), 1);
	world_alert(w, failed, "etl", "critical", "r-2", "resolved", "alpha");
	world_pass(w, 3000);
	assert_true(SAID(w, "resolved", "alpha") > 0);
	world_destroy(w);
}

static void what_another_silence_holds_back_waits_for_its_end(void **state)
{
	struct world *w = world_create("[quiet q]\nwhat = node_id=gamma\ncritical = yes\n"
	                               "from = 00:00\nto = 23:59\n");
	int64_t first = world_silence(w, "app=etl", 0, w->now_ms + HOUR);
	int64_t second = world_silence(w, "node_id=alpha", 0, w->now_ms + 2 * HOUR);

	w->now_ms -= w->now_ms % CLOCK_DAY_MS - 8 * HOUR; /* 08:00 */
	fire(w, "critical", "r-1", "alpha");
	fire(w, "critical", "r-2", "beta");
	fire(w, "critical", "r-3", "gamma");
	assert_int_equal(world_held(w, first), 3);
	w->now_ms += HOUR * 24 * 365; /* far in the future: all silences are over */
	w->now_ms -= w->now_ms % CLOCK_DAY_MS - 8 * HOUR;
	(void)second;
	duty(w);
	assert_int_equal(SAID(w, "etl · 2 failing", "alpha"), 1);
	assert_int_equal(SAID(w, "etl · 2 failing", "beta"), 1);
	assert_int_equal(SAID(w, "failing", "gamma"), 0);
	assert_int_equal(SAID(w, "FAILED", "gamma"), 0);
	w->now_ms += 15 * HOUR + 59 * CLOCK_MINUTE_MS + 30 * CLOCK_SECOND_MS;
	duty(w);
	assert_int_equal(SAID(w, "Quiet time q is over", "1 silenced"), 1);
	assert_int_equal(SAID(w, "FAILED", "gamma"), 1);
	world_destroy(w);
}

static void the_second_of_two_holds_on(void **state)
{
	struct world *w = world_create("");
	int64_t first = world_silence(w, "app=etl", 0, w->now_ms + HOUR);
	int64_t second = world_silence(w, "node_id=alpha", 0, w->now_ms + 2 * HOUR);

	fire(w, "critical", "r-1", "alpha");
	w->now_ms += HOUR + 1;
	duty(w);
	assert_false(is_active(w, first));
	assert_int_equal(world_held(w, second), 1);
	assert_int_equal(SAID(w, "FAILED", "alpha"), 0);
	w->now_ms += HOUR;
	duty(w);
	assert_int_equal(SAID(w, "FAILED", "alpha"), 1);
	world_destroy(w);
}

static void what_somebody_takes_care_of_is_not_told_anew(void **state)
{
	struct world *w = world_create("");
	struct deliver d;
	struct ack ack = {.who = "@op:x"};
	struct ack_result result = {.by = "@op:x"};

	fire(w, "critical", "r-1", "alpha");
	world_send(w);
	d = deliver_of(w);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, "r-1", &ack, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	ack_result_finish(&result);
	world_silence(w, "app=etl", 0, w->now_ms + HOUR);
	assert_string_equal(fire(w, "critical", "r-2", "alpha"), "silenced");
	w->now_ms += HOUR + 1;
	duty(w);
	assert_int_equal(world_count(w, "send"), 1);
	world_destroy(w);
}

static void what_a_given_up_silence_held_back_is_told(void **state)
{
	struct world *w = world_create("");

	world_silence(w, "title=~\"(a*)*b|(a|aa)+\"", 0, w->now_ms + HOUR);
	assert_string_equal(world_alert(w, simple, "etl", "critical", "b"), "silenced");
	assert_string_equal(world_alert(w, simple, "etl2", "critical", AAAA "!"), "queued");
	duty(w);
	assert_int_equal(SAID(w, "etl", " · b"), 1);
	world_destroy(w);
}

static int64_t until_resolved(struct world *w, const char *matchers)
{
	struct silence_row row = {.author = (char *)"me",
	        .matchers = (char *)matchers,
	        .reason = (char *)"",
	        .until_resolved = 1,
	        .at_ms = w->now_ms,
	        .end_ms = w->now_ms + 100 * HOUR};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silences_insert(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	return row.id;
}

/* Whatever the resolved alert looks like. */
static void it_ends_with_the_resolved_alert_that_it_waits_for(void **state)
{
	static const struct {
		const char *what;
		bool before; /* it is in the room already */
		const char *severity, *run;
	} cases[] = {
	        {"app=etl", false, "critical", "r-1"},
	        {"app=etl", true, "critical", "r-1"},
	        {"severity=critical", false, "warning", "r-1"},
	        {"severity=critical", true, "info", "r-2"},
	        {"run_id=r-1", false, "critical", "r-2"},
	        {"run_id=r-1", true, "critical", "r-2"},
	        {"status=firing node_id=alpha", false, "critical", "r-1"},
	        {"error=e", false, "warning", "r-9"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = world_create("");
		int64_t id;

		if (cases[i].before) {
			fire(w, "critical", "r-1", "alpha");
			world_send(w);
		}
		id = until_resolved(w, cases[i].what);
		if (strcmp(fire(w, "critical", "r-1", "alpha"), "silenced") != 0)
			fail_msg("case %zu: not silenced", i);
		world_alert(w, failed, "other", "critical", "r-7", "resolved", "alpha");
		if (!is_active(w, id))
			fail_msg("case %zu: ended by another", i);
		world_alert(w, failed, "etl", cases[i].severity, cases[i].run, "resolved", "alpha");
		if (is_active(w, id))
			fail_msg("case %zu: does not end", i);
		duty(w);
		if (SAID(w, "ended, its alerts are resolved", "Silence") != 1)
			fail_msg("case %zu: nobody is told", i);
		if (SAID(w, "Silence", "Still firing") != 0)
			fail_msg("case %zu: something is left", i);
		world_destroy(w);
	}
}

static void it_waits_for_all_that_it_holds_back(void **state)
{
	struct world *w = world_create("");
	int64_t id = until_resolved(w, "app=etl");

	fire(w, "critical", "r-1", "alpha");
	fire(w, "warning", "r-2", "beta");
	fire(w, "critical", "r-3", "alpha");
	world_alert(w, failed, "etl", "critical", "r-3", "resolved", "alpha");
	assert_true(is_active(w, id));
	fire(w, "critical", "r-4", "alpha"); /* again */
	world_alert(w, failed, "etl", "warning", "r-2", "resolved", "beta");
	assert_true(is_active(w, id));
	world_alert(w, failed, "etl", "critical", "r-4", "resolved", "alpha");
	assert_false(is_active(w, id));
	duty(w);
	assert_int_equal(SAID(w, "FAILED", ""), 0);
	world_destroy(w);
}

/* Only what the resolved alert is about ends a silence, and only one that waits for that. */
static void a_resolved_alert_ends_no_other_silence(void **state)
{
	struct world *w = world_create("");
	int64_t app = until_resolved(w, "app=etl"), node = until_resolved(w, "node_id=beta");
	int64_t other = until_resolved(w, "app=other"), later = until_resolved(w, "app=etl");
	int64_t timed = world_silence(w, "app=etl", 0, w->now_ms + HOUR);
	struct silence_row row = {0};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silences_by_id(w->store, later, &row), OK);
	row.start_ms = w->now_ms + HOUR;
	assert_int_equal(silences_update(w->store, &row), OK);
	assert_int_equal(store_commit(w->store), OK);
	silence_row_finish(&row);
	fire(w, "critical", "r-1", "alpha");
	world_alert(w, failed, "other", "critical", "r-2", "firing", "alpha");
	assert_string_equal(
	        world_alert(w, failed, "etl", "critical", "r-3", "resolved", "gamma"), "ignored");
	assert_true(is_active(w, app));
	assert_string_equal(
	        world_alert(w, failed, "etl", "critical", "r-1", "resolved", "alpha"), "silenced");
	assert_false(is_active(w, app));
	assert_true(is_active(w, node));
	assert_true(is_active(w, other));
	assert_true(is_active(w, timed));
	assert_true(is_active(w, later));
	/* what those hold back they still do */
	assert_string_equal(world_alert(w, failed, "other", "critical", "r-2", "resolved", "alpha"),
	        "silenced");
	assert_false(is_active(w, other));
	world_destroy(w);
}

/* Nor one that is about another severity of it. */
static void a_resolved_alert_ends_no_silence_of_its_other_severities(void **state)
{
	struct world *w = world_create("");
	int64_t warning = until_resolved(w, "severity=warning");
	int64_t critical = until_resolved(w, "severity=critical error!=e");

	fire(w, "critical", "r-1", "alpha");
	world_send(w);
	world_alert(w, failed, "etl", "critical", "r-1", "resolved", "alpha");
	assert_true(is_active(w, warning));
	assert_true(is_active(w, critical));
	world_destroy(w);
}

/* It fired before the silence, in a message that is gone, or never here. */
static void a_resolved_alert_of_what_nothing_here_fires_ends_it_too(void **state)
{
	struct world *w = world_create("");
	int64_t app = until_resolved(w, "app=etl"), node = until_resolved(w, "node_id=beta");

	world_alert(w, failed, "etl", "critical", "r-1", "resolved", "alpha");
	assert_false(is_active(w, app));
	assert_true(is_active(w, node));
	world_destroy(w);
}

/* What fired before it, and is in the room, is waited for too. */
static void it_waits_for_what_fires_in_the_room(void **state)
{
	struct world *w = world_create("");
	int64_t id;

	fire(w, "critical", "r-1", "alpha");
	fire(w, "critical", "r-2", "beta");
	world_send(w);
	id = until_resolved(w, "app=etl");
	world_alert(w, failed, "etl", "critical", "r-1", "resolved", "alpha");
	assert_true(is_active(w, id));
	world_alert(w, failed, "etl", "critical", "r-2", "resolved", "beta");
	assert_false(is_active(w, id));
	world_destroy(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(what_is_released_is_told_to_subscribers),
	        cmocka_unit_test(a_name_means_the_same_for_an_alert_and_what_is_stored_of_it),
	        cmocka_unit_test(whatever_is_asked_for_holds_back_and_covers_alike),
	        cmocka_unit_test(what_would_hold_back_everything_is_known_by_what_it_means),
	        cmocka_unit_test(a_severity_left_out_is_not_everything),
	        cmocka_unit_test(a_pattern_at_its_limit_holds_nothing_back),
	        cmocka_unit_test(a_stored_pattern_that_cannot_be_compiled_holds_nothing_back),
	        cmocka_unit_test(a_quiet_time_at_its_limit_is_given_up_until_its_end),
	        cmocka_unit_test(what_is_kept_in_memory_follows_the_store),
	        cmocka_unit_test(what_it_held_back_and_fires_still_is_told_at_its_end_and_rings),
	        cmocka_unit_test(what_another_silence_holds_back_waits_for_its_end),
	        cmocka_unit_test(the_second_of_two_holds_on),
	        cmocka_unit_test(what_somebody_takes_care_of_is_not_told_anew),
	        cmocka_unit_test(what_a_given_up_silence_held_back_is_told),
	        cmocka_unit_test(it_ends_with_the_resolved_alert_that_it_waits_for),
	        cmocka_unit_test(it_waits_for_all_that_it_holds_back),
	        cmocka_unit_test(it_waits_for_what_fires_in_the_room),
	        cmocka_unit_test(a_resolved_alert_ends_no_other_silence),
	        cmocka_unit_test(a_resolved_alert_ends_no_silence_of_its_other_severities),
	        cmocka_unit_test(a_resolved_alert_of_what_nothing_here_fires_ends_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Tests of what the looks at what is due cost, which are made every few seconds, and what an alert
 * costs beside many of each kind: counted in steps of SQLite's machine and not by a clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bot/base/clock.h"
#include "handlers/alerts/expire.h"
#include "handlers/alerts/undelivered_look.h"
#include "handlers/charts/figures.h"
#include "handlers/commands/status.h"
#include "handlers/heartbeats/digest.h"
#include "handlers/heartbeats/app_heartbeat.h"
#include "handlers/heartbeats/heartbeat.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/handover.h"
#include "handlers/oncall/resolve.h"
#include "handlers/silences/held.h"
#include "handlers/silences/quiet.h"
#include "handlers/silences/silence.h"
#include "storage/heartbeats.h"
#include "tests/unit/handlers_fixture.h"
#include "tests/unit/steps.h"

#define FEW 10
#define MANY 50
#define LOOKS_MAX 30 /* until one costs as much as the one before it */
#define YEAR_MS (365 * CLOCK_DAY_MS)

/* --- looks -------------------------------------------------------------------------------- */

static const struct report_status idle = {.version = "1", .problem = ""};

static enum err look_expire(const struct deliver *d)
{
	return expire_due(d, 0);
}

/* As the duty does: what was told is not told again. */
static enum err look_undelivered(const struct deliver *d)
{
	struct undelivered_memory memory = {0};
	char *text = NULL;
	enum err err = undelivered_look(d, &idle, &memory, &text);

	free(text);
	text = NULL;
	if (err == OK)
		err = undelivered_look(d, &idle, &memory, &text);
	assert_null(text);
	return err;
}

static enum err look_handover(const struct deliver *d)
{
	return handover_look(d, &idle);
}

static enum err look_heartbeat(const struct deliver *d)
{
	const struct heartbeat_memory memory = {.looked_ms = d->now_ms, .marked_ms = d->now_ms};
	struct heartbeat_result result = {.happened = d->happened};
	enum err err = heartbeat_look(d, &idle, &memory, &result);

	heartbeat_result_finish(&result);
	return err;
}

static enum err look_app_heartbeat(const struct deliver *d)
{
	return app_heartbeat_look(d, false, d->happened);
}

static enum err look_prune(const struct deliver *d)
{
	bool more;

	return store_prune(d->store, d->now_ms - YEAR_MS, &more);
}

static enum err hand_in(const struct deliver *d, const char *status)
{
	json_t *request = json_pack("{s:s, s:s, s:s, s:s}", "app", "probe", "title", "t",
	        "severity", "critical", "status", status);
	struct deliver_receipt receipt;
	struct alert_fault fault;
	struct alert *alert;
	enum err err;

	assert_int_equal(alert_parse(request, d->config, d->now_ms, &alert, &fault), OK);
	err = deliver_accept(d, alert, &receipt);
	alert_destroy(alert);
	json_decref(request);
	return err;
}

static enum err look_alert(const struct deliver *d)
{
	enum err err = hand_in(d, "firing");

	return err == OK ? hand_in(d, "resolved") : err;
}

static enum err look_send(const struct deliver *d)
{
	const struct deliver_room room = {.name = "ops", .room_id = "!ops:x", .device_id = "DEV"};
	struct deliver_event event = {0};
	struct deliver_result result = {.room = "ops",
	        .room_id = "!ops:x",
	        .device_id = "DEV",
	        .outcome = DELIVER_SENT,
	        .what = "send",
	        .event_id = "$probe"};
	int64_t due_ms;
	enum err err = hand_in(d, "firing");

	if (err == OK)
		err = deliver_next(d, &room, 1, &event, &due_ms);
	result.outbox_id = event.outbox_id;
	if (err == OK && event.outbox_id)
		err = deliver_finish(d, &result);
	deliver_event_finish(&event);
	return err;
}

struct look {
	const char *name;
	enum err (*look)(const struct deliver *d);
};

static const struct look looks[] = {
        /* before reminders wait, too */
        {"undelivered alerts", look_undelivered},
        {"an alert", look_alert},
        {"an event", look_send},
        {"silences that end", silence_end_due},
        {"quiet times that end", quiet_end_due},
        {"what is released", held_release},
        {"acknowledgements that end", ack_end_due},
        {"what resolves by itself", resolve_due},
        {"reminders and escalations", escalate_duty},
        {"expiries", look_expire},
        {"on-call turns", look_handover},
        {"heartbeats", look_heartbeat},
        {"heartbeats of apps", look_app_heartbeat},
        {"pruning", look_prune},
};

/* The steps of a look when it has nothing to do any more. */
static int64_t cost(struct world *w, const struct look *look)
{
	int64_t scanned, before = -1, now = 0;

	for (int i = 0; i < LOOKS_MAX && now != before; i++) {
		struct deliver d = {.store = w->store,
		        .config = w->config,
		        .now_ms = w->now_ms,
		        .happened = json_array()};

		before = now;
		steps(w, &scanned);
		assert_int_equal(store_begin(w->store), OK);
		if (look->look(&d) != OK)
			fail_msg("%s: %s", look->name, store_message(w->store));
		assert_int_equal(store_commit(w->store), OK);
		now = steps(w, &scanned);
		json_decref(d.happened);
	}
	if (now != before)
		fail_msg("%s: never costs the same twice", look->name);
	return now;
}

/* --- what there is many of ---------------------------------------------------------------- */

static void alerts(struct world *w, int count, const char *severity, const char *more)
{
	for (int i = 0; i < count; i++)
		world_alert(w,
		        "{\"app\":\"app%d\",\"severity\":\"%s\",\"title\":\"t\","
		        "\"run_id\":\"r-%d\"%s}",
		        i, severity, i, more);
}

static void many_firing(struct world *w, int count)
{
	alerts(w, count, "critical", "");
	world_send(w);
}

static void many_over(struct world *w, int count)
{
	many_firing(w, count);
	alerts(w, count, "critical", ",\"status\":\"resolved\"");
	w->now_ms += 2 * CLOCK_HOUR_MS;
	world_send(w);
}

static void many_acknowledged(struct world *w, int count)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct entry_row *rows;
	size_t len;

	many_firing(w, count);
	assert_int_equal(entries_open(w->store, 0, MANY, &rows, &len), OK);
	assert_int_equal(len, count);
	assert_int_equal(store_begin(w->store), OK);
	for (size_t i = 0; i < len; i++) {
		rows[i].acked_ms = d.now_ms;
		assert_int_equal(entries_update(w->store, &rows[i]), OK);
	}
	assert_int_equal(store_commit(w->store), OK);
	entry_rows_free(rows, len);
}

static void many_that_expire(struct world *w, int count)
{
	alerts(w, count, "critical", ",\"ends_at\":\"2030-01-01T00:00:00Z\"");
	world_send(w);
}

static void many_waiting(struct world *w, int count)
{
	alerts(w, count, "critical", "");
}

static void many_undeliverable(struct world *w, int count)
{
	struct deliver_event event;

	alerts(w, count, "critical", "");
	while (world_next(w, &event)) {
		world_finish(w, &event, DELIVER_UNDELIVERABLE);
		deliver_event_finish(&event);
	}
}

static void many_silences(struct world *w, int count)
{
	char matchers[64];

	for (int i = 0; i < count; i++) {
		snprintf(matchers, sizeof(matchers), "app=\"other%d\"", i);
		world_silence(w, matchers, 0, w->now_ms + YEAR_MS);
	}
}

static void many_silenced(struct world *w, int count)
{
	int64_t id = world_silence(w, "app=~\"app.*\"", 0, w->now_ms + YEAR_MS);

	alerts(w, count, "critical", "");
	assert_int_equal(world_held(w, id), count);
}

static void many_quiet(struct world *w, int count)
{
	struct alert_row *rows;
	size_t len;

	alerts(w, count, "info", "");
	assert_int_equal(alerts_held_quiet(w->store, "office", MANY, &rows, &len), OK);
	assert_int_equal(len, count);
	alert_rows_free(rows, len);
}

static void many_inhibited(struct world *w, int count)
{
	int64_t inhibited;

	many_firing(w, count);
	alerts(w, count, "warning", "");
	assert_int_equal(alerts_count_inhibited(w->store, 0, &inhibited), OK);
	assert_int_equal(inhibited, count);
}

static void many_heartbeats(struct world *w, int count)
{
	char name[16];
	struct app_heartbeat_row row = {.every_ms = CLOCK_HOUR_MS,
	        .due_ms = w->now_ms + YEAR_MS,
	        .deadline_ms = w->now_ms + YEAR_MS,
	        .app = (char[]){"etl"},
	        .name = name};

	assert_int_equal(store_begin(w->store), OK);
	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(app_heartbeats_insert(w->store, &row), OK);
	}
	assert_int_equal(store_commit(w->store), OK);
}

static const struct {
	const char *name;
	void (*fill)(struct world *w, int count);
	const char *grows; /* the look that may cost in proportion to them, or NULL */
} kinds[] = {
        {"firing", many_firing, NULL},
        {"resolved and closed", many_over, NULL},
        {"acknowledged", many_acknowledged, NULL},
        {"with an expiry", many_that_expire, NULL},
        {"waiting", many_waiting, "undelivered alerts"},
        {"undeliverable", many_undeliverable, "undelivered alerts"},
        {"silences", many_silences, NULL},
        {"silenced", many_silenced, NULL},
        {"in a quiet time", many_quiet, NULL},
        {"inhibited", many_inhibited, "what is released"},
        {"heartbeats of apps", many_heartbeats, NULL},
};

#define LOOKS (sizeof(looks) / sizeof(looks[0]))

static void cost_beside(size_t kind, int count, int64_t costs[LOOKS])
{
	struct world *w = world_create(
	        "[delivery]\nstorm = 0\nthrottle = 1h\ninhibit = yes\n"
	        "[commands]\nremind = 4h\n"
	        "[escalate lead]\nafter = 10m\nmention = @lead:x\n"
	        "[app other]\nresolve_after = 2h\n"
	        "[oncall lead]\nusers = @a:x, @b:x\nrotate = daily 09:00\nfrom = 2026-01-01\n"
	        "[quiet office]\ndays = mon-sun\nfrom = 00:00\nto = 23:59\nwhat = "
	        "severity=\"info\"\n");

	kinds[kind].fill(w, count);
	w->now_ms += 10 * CLOCK_MINUTE_MS + 1;
	for (size_t i = 0; i < LOOKS; i++)
		costs[i] = cost(w, &looks[i]);
	world_destroy(w);
}

static void looks_cost_what_is_due(void **state)
{
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		int64_t few[LOOKS], many[LOOKS];

		cost_beside(kind, FEW, few);
		cost_beside(kind, MANY, many);
		for (size_t i = 0; i < LOOKS; i++) {
			bool grows =
			        kinds[kind].grows && strcmp(kinds[kind].grows, looks[i].name) == 0;
			int64_t most = grows ? few[i] * MANY / FEW : few[i] + few[i] / 20;

			if (few[i] == 0 || many[i] > most)
				fail_msg("%s beside %d and %d %s: %lld, then %lld steps",
				        looks[i].name, FEW, MANY, kinds[kind].name,
				        (long long)few[i], (long long)many[i]);
		}
	}
}

/* The end of a silence set on the host, which suppressed so many alerts that are resolved. */
static int64_t end_cost(int count)
{
	struct world *w = world_create("");
	struct deliver d = {.store = w->store, .config = w->config};
	int64_t id = world_silence(w, "app=~\"app.*\"", 0, w->now_ms + CLOCK_HOUR_MS);
	int64_t scanned, sum;

	alerts(w, count, "critical", "");
	alerts(w, count, "critical", ",\"status\":\"resolved\"");
	assert_int_equal(world_held(w, id), count);
	d.now_ms = w->now_ms + 2 * CLOCK_HOUR_MS;
	steps(w, &scanned);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(silence_end_due(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
	sum = steps(w, &scanned);
	w->now_ms = d.now_ms;
	world_send(w);
	assert_int_equal(world_count(w, "note"), 1);
	world_destroy(w);
	return sum;
}

static void the_end_of_a_silence_costs_what_it_still_holds(void **state)
{
	int64_t few = end_cost(FEW), many = end_cost(MANY);

	if (many > few + few / 20)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

/* Deletes a few old alerts with their messages, beside so many newer ones. */
static int64_t prune_cost(int count)
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");
	int64_t scanned, sum;
	bool more;

	many_over(w, FEW);
	w->now_ms += YEAR_MS;
	many_over(w, count);
	steps(w, &scanned);
	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(store_prune(w->store, w->now_ms - YEAR_MS / 2, &more), OK);
	assert_int_equal(store_commit(w->store), OK);
	sum = steps(w, &scanned);
	world_destroy(w);
	return sum;
}

static void pruning_costs_what_it_deletes(void **state)
{
	int64_t few = prune_cost(FEW), many = prune_cost(MANY);

	if (few < 100 || many > few + few / 20)
		fail_msg("%lld, then %lld steps", (long long)few, (long long)many);
}

static enum err report_status(const struct deliver *d)
{
	struct report_status status = {.now_ms = d->now_ms, .version = "1", .problem = ""};
	enum err err = status_load(d->store, d->config, &status);

	assert_int_equal(status.counts[SEVERITY_CRITICAL], FEW);
	status_unload(&status);
	return err;
}

static enum err report_digest(const struct deliver *d)
{
	struct digest digest;
	enum err err = digest_collect(d, &idle, &digest);

	assert_int_equal(digest.counts[SEVERITY_CRITICAL], FEW);
	digest_finish(&digest);
	return err;
}

static enum err report_chart(const struct deliver *d)
{
	struct figures figures;
	enum err err = figures_collect(d->store, CHART_DAY, d->now_ms + 1, NULL, &figures);

	assert_int_equal(figures.totals[SEVERITY_CRITICAL], FEW);
	figures_finish(&figures);
	return err;
}

static const struct look reports[] = {
        {"a status", report_status},
        {"a digest", report_digest},
        {"a chart", report_chart},
};

#define REPORTS (sizeof(reports) / sizeof(reports[0]))

/* A few alerts today, beside so many some days ago. */
static void report_costs(int count, int64_t costs[REPORTS])
{
	struct world *w = world_create("[delivery]\nstorm = 0\n");

	many_over(w, count);
	w->now_ms += 3 * CLOCK_DAY_MS;
	many_firing(w, FEW);
	for (size_t i = 0; i < REPORTS; i++)
		costs[i] = cost(w, &reports[i]);
	world_destroy(w);
}

static void reports_cost_what_they_are_about(void **state)
{
	int64_t few[REPORTS], many[REPORTS];

	report_costs(FEW, few);
	report_costs(MANY, many);
	for (size_t i = 0; i < REPORTS; i++)
		if (few[i] == 0 || many[i] > few[i] + few[i] / 20)
			fail_msg("%s: %lld, then %lld steps", reports[i].name, (long long)few[i],
			        (long long)many[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(looks_cost_what_is_due),
	        cmocka_unit_test(the_end_of_a_silence_costs_what_it_still_holds),
	        cmocka_unit_test(pruning_costs_what_it_deletes),
	        cmocka_unit_test(reports_cost_what_they_are_about),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

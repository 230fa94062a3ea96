/*
 * What stands in the room: every layout of alerts, as they come about, in both forms; hostile
 * values in each place; and events that stay within their limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/base/zone.h"
#include "handlers/alerts/render.h"
#include "handlers/alerts/route.h"
#include "handlers/oncall/ack.h"
#include "handlers/oncall/escalate.h"
#include "handlers/oncall/resolve.h"
#include "tests/unit/handlers_fixture.h"
#include "tests/unit/snapshot.h"

#define FAILED                                                                                \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"run_id\":\"%s\",\"fields\":{\"node_id\":" \
	"\"%s\",\"duration_ms\":5321,\"error\":\"%s\"}}"
#define RESOLVED                                                                              \
	"{\"app\":\"%s\",\"kind\":\"node_failed\",\"status\":\"resolved\",\"run_id\":\"%s\"," \
	"\"fields\":{\"node_id\":\"%s\"}}"
#define SETTINGS                                                                                   \
	"[commands]\nremind = 30m\n[severity critical]\nmention = @op1:x\n[escalate lead]\nafter " \
	"= 15m\nmention = @lead:other.example\n"

static struct world *begin(const char *more)
{
	char *text = x_asprintf("%s%s", SETTINGS, more);
	struct world *w = world_create(text);

	free(text);
	zone_use("Europe/Madrid");
	return w;
}

static void end(struct world *w)
{
	world_destroy(w);
	zone_use(NULL);
}

/* Takes what was sent since into the snapshot. */
static void take(struct snapshot *snapshot, struct world *w, size_t *seen, const char *name)
{
	world_pass(w, 2000);
	for (; *seen < w->len; ++*seen) {
		json_t *content = json_loads(w->events[*seen].content, 0, NULL);

		assert_non_null(content);
		snapshot_add(snapshot, name, content);
		json_decref(content);
	}
}

static void acknowledge(struct world *w, const char *run, const char *who, const char *note)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct ack ack = {.who = who, .note = note};
	struct ack_result result = {.by = who};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(ack_run(&d, run, &ack, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	ack_result_finish(&result);
}

static void resolve_by_hand(struct world *w, const char *app, const char *note)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};
	struct resolve_result result = {0};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(resolve_app(&d, app, "@op1:x", note, &result), OK);
	assert_int_equal(store_commit(w->store), OK);
	resolve_result_finish(&result);
}

static void duty(struct world *w)
{
	struct deliver d = {.store = w->store, .config = w->config, .now_ms = w->now_ms};

	assert_int_equal(store_begin(w->store), OK);
	assert_int_equal(escalate_duty(&d), OK);
	assert_int_equal(store_commit(w->store), OK);
}

static void every_layout(void **state)
{
	struct world *w =
	        begin("[app etl]\ndashboard = https://dash/{run_id}\n[delivery]\nstorm = 9\n");
	struct snapshot snapshot;
	size_t seen = 0;

	snapshot_init(&snapshot, "layouts");
	world_alert(w, FAILED, "data_factory", "r-81", "etl_users", "connection refused");
	take(&snapshot, w, &seen, "one failure");
	for (int i = 1; i < 5; i++)
		world_alert(w, FAILED, "data_factory",
		        i == 1   ? "b-2"
		        : i == 2 ? "b-3"
		        : i == 3 ? "b-4"
		                 : "b-5",
		        "etl_users", "connection refused");
	take(&snapshot, w, &seen, "again");
	acknowledge(w, "r-81", "@op1:x", NULL);
	take(&snapshot, w, &seen, "acknowledged");
	acknowledge(w, "r-81", "@op2:other.example", "rolling back");
	take(&snapshot, w, &seen, "acknowledged by another homeserver's user, with a note");
	world_alert(w, RESOLVED, "data_factory", "b-5", "etl_users");
	take(&snapshot, w, &seen, "resolved, and its thread");
	world_alert(w, FAILED, "data_factory", "b-6", "etl_users", "timed out");
	take(&snapshot, w, &seen, "failing again, and its thread");
	world_pass(w, CLOCK_MINUTE_MS);
	take(&snapshot, w, &seen, "failing again rings at the minute's end");
	world_alert(w, RESOLVED, "data_factory", "b-6", "etl_users");
	world_pass(w, CLOCK_MINUTE_MS);
	seen = w->len;

	world_alert(w, FAILED, "etl", "e-1", "extract_orders", "connection refused");
	world_send(w);
	world_alert(w, FAILED, "etl", "e-9", "archive", "OOM killed");
	world_alert(w, FAILED, "etl", "e-5", "dedupe", "exit 1");
	world_alert(w, FAILED, "etl", "e-6", "publish", "exit 2");
	world_alert(w, "{\"app\":\"etl\",\"kind\":\"dag_failed\",\"run_id\":\"e-7\",\"fields\":{"
	               "\"dag_name\":\"nightly\",\"step_name\":\"load\",\"exit_code\":2}}");
	acknowledge(w, "e-9", "@op1:x", NULL);
	world_alert(w, RESOLVED, "etl", "e-5", "dedupe");
	take(&snapshot, w, &seen, "several of an app");
	world_pass(w, CLOCK_MINUTE_MS);
	take(&snapshot, w, &seen, "ring");
	w->now_ms += 15 * CLOCK_MINUTE_MS;
	duty(w);
	take(&snapshot, w, &seen, "escalation");
	w->now_ms += 31 * CLOCK_MINUTE_MS;
	duty(w);
	take(&snapshot, w, &seen, "reminder");
	for (int i = 0; i < 4; i++)
		world_alert(w, "{\"app\":\"etl\",\"status\":\"resolved\",\"run_id\":\"%s\"}",
		        i == 0   ? "e-1"
		        : i == 1 ? "e-9"
		        : i == 2 ? "e-6"
		                 : "e-7");
	take(&snapshot, w, &seen, "all resolved by run ids, and their threads");

	world_alert(w, FAILED, "hands", "h-1", "one", "no");
	world_send(w);
	world_alert(w, FAILED, "hands", "h-2", "two", "no");
	world_alert(w, FAILED, "hands", "h-3", "three", "no");
	world_alert(w, RESOLVED, "hands", "h-2", "two");
	world_pass(w, 2000);
	seen = w->len;
	resolve_by_hand(w, "hands", "<b>by hand</b>");
	take(&snapshot, w, &seen, "the rest resolved by hand");
	world_pass(w, CLOCK_MINUTE_MS);
	seen = w->len;

	world_alert(w,
	        "{\"app\":\"data_factory\",\"kind\":\"node_failed\",\"run_id\":\"test-1\","
	        "\"fields\":{\"node_id\":\"test-1\",\"duration_ms\":5321,\"error\":\"this is "
	        "a test: nothing failed\",\"test\":true}}");
	take(&snapshot, w, &seen, "test");

	w->down = true;
	world_alert(w, FAILED, "late", "l-1", "node", "no route to host");
	w->now_ms += 7 * CLOCK_MINUTE_MS;
	w->down = false;
	take(&snapshot, w, &seen, "happened in an outage");
	w->down = true;
	world_alert(w, FAILED, "late2", "l-2", "node", "no route to host");
	w->now_ms += 7 * CLOCK_MINUTE_MS;
	world_alert(w, RESOLVED, "late2", "l-2", "node");
	w->down = false;
	take(&snapshot, w, &seen, "fired and resolved in an outage");

	w->now_ms += 10 * CLOCK_MINUTE_MS;
	for (int i = 0; i < 14; i++)
		world_alert(
		        w, "{\"app\":\"svc%02d\",\"severity\":\"critical\",\"title\":\"down\"}", i);
	seen = w->len + 9;
	take(&snapshot, w, &seen, "storm");
	for (int i = 0; i < 3; i++)
		world_alert(w, "{\"app\":\"svc09\",\"severity\":\"critical\",\"title\":\"gone\"}");
	world_pass(w, 2 * CLOCK_MINUTE_MS);
	seen = w->len - 1;
	take(&snapshot, w, &seen, "storm over");
	snapshot_check(&snapshot);
	end(w);
}

/* At the limit of an event: its headline counts what has no place in it, and says so once. */
static void a_full_message(void **state)
{
	struct world *w = begin("");
	char *error = x_calloc(1, 2001);
	struct snapshot snapshot;
	size_t seen;

	memset(error, '<', 2000);
	for (int i = 0; i < 60; i++) {
		char run[80], name[80];

		snprintf(run, sizeof(run), "w-%d-%060d", i, i);
		snprintf(name, sizeof(name), "%060d_%d", i, i);
		world_alert(w, FAILED, "wide", run, name, error);
	}
	world_pass(w, 10000);
	seen = w->len - 1;
	snapshot_init(&snapshot, "layouts_full");
	take(&snapshot, w, &seen, "full");
	snapshot_check(&snapshot);
	free(error);
	end(w);
}

static void every_kind(void **state)
{
	static const struct {
		const char *name, *request;
	} kinds[] = {
	        {"dag_failed", "\"app\":\"dag_engine\",\"kind\":\"dag_failed\",\"run_id\":\"r-7\","
	                       "\"fields\":{\"dag_name\":\"nightly\",\"step_name\":\"load\","
	                       "\"exit_code\":2}"},
	        {"violations", "\"app\":\"call_monitor\",\"kind\":\"violations\",\"fields\":{"
	                       "\"count\":61,\"threshold\":50,\"rules\":\"no_eval, max_depth\"}"},
	        {"error_rate", "\"app\":\"call_monitor\",\"kind\":\"error_rate\",\"fields\":{"
	                       "\"function\":\"parse_invoice\",\"rate\":0.15,\"threshold\":0.1}"},
	        {"heartbeat_missed", "\"app\":\"etl\",\"kind\":\"heartbeat_missed\",\"fields\":{"
	                             "\"heartbeat\":\"heartbeat\",\"last_seen\":\"12:50 "
	                             "UTC\",\"every\":\"every 1h\"}"},
	        {"command_failed", "\"app\":\"cron\",\"kind\":\"command_failed\",\"title\":"
	                           "\"nightly\",\"text\":"
	                           "\"exit 3\\nbegun\\n/dev/sda1: no space "
	                           "left\",\"fields\":{\"duration\":\"5.3 s\"}"},
	        {"message", "\"app\":\"a\",\"title\":\"disk is full\",\"text\":\"one\\ntwo: "
	                    "/dev/sda1\\n\\nthree\""},
	        {"message without a text", "\"app\":\"a\",\"text\":\"backup done\""},
	        {"node_failed without its fields", "\"app\":\"a\",\"kind\":\"node_failed\""},
	        {"unknown kind", "\"app\":\"a\",\"kind\":\"disk_full\",\"run_id\":\"r-1\","
	                         "\"fields\":{\"mount\":\"/var\",\"used\":97,\"host\":"
	                         "\"db-1.example.org\",\"ok\":false}"},
	        {"unknown kind with twelve fields",
	                "\"app\":\"a\",\"kind\":\"wide\",\"run_id\":\"r-1\",\"title\":\"many "
	                "fields\",\"fields\":{\"f1\":1,\"f2\":2,\"f3\":3,\"f4\":4,\"f5\":5,"
	                "\"f6\":6,\"f7\":7,\"f8\":8,\"f9\":9,\"f10\":10,\"f11\":11,\"f12\":12}"},
	        {"kind of the config without a text", "\"app\":\"a\",\"kind\":\"own\",\"fields\":{"
	                                              "\"mount\":\"/var\"}"},
	        {"kind of the config with HTML", "\"app\":\"a\",\"kind\":\"html\",\"fields\":{"
	                                         "\"mount\":\"<b>/var</b>\"},\"url\":\"https://x/"
	                                         "y?a=1&b=2\""},
	        {"kind of the config without bold",
	                "\"app\":\"a\",\"kind\":\"old\",\"fields\":{\"mount\":\"/var\"}"},
	};
	struct world *w = begin("[kind own]\nidentity = mount\n[kind old]\ntext = {emoji} {app}: "
	                        "{mount} is full\n[kind html]\ntext = {emoji} {app}: {mount}\nhtml "
	                        "= {emoji} <b>{mount}</b> <a href=\"https://d/{mount}\">disk</a>\n"
	                        "[route]\nwarning = ops\ninfo = ops\n[delivery]\nstorm = 0\n");
	struct snapshot snapshot;
	size_t seen = 0;

	snapshot_init(&snapshot, "kinds");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		world_alert(w, "{%s}", kinds[i].request);
		take(&snapshot, w, &seen, kinds[i].name);
		world_alert(w, "{%s}", kinds[i].request);
		take(&snapshot, w, &seen, "twice");
		world_alert(w, "{\"status\":\"resolved\",%s}", kinds[i].request);
		world_pass(w, 61000);
		seen = w->len - 2;
		take(&snapshot, w, &seen, "resolved");
		w->now_ms += CLOCK_HOUR_MS;
	}
	snapshot_check(&snapshot);
	end(w);
}

/* --- hostile values ----------------------------------------------------------------------- */

/* Every tag of a text is one that the builder makes, and is closed in order; links are ours. */
static void check_html(const char *html)
{
	static const char *const known[] = {"b", "del", "code", "ul", "li", "a", "br", "/b", "/del",
	        "/code", "/ul", "/li", "/a"};
	size_t depth = 0, open[16];

	for (const char *p = strchr(html, '<'); p; p = strchr(p + 1, '<')) {
		size_t len = strcspn(p + 1, " >"), k = 0;

		while (k < 13 && (strlen(known[k]) != len || strncmp(known[k], p + 1, len)))
			k++;
		if (k == 13)
			fail_msg("%s", html);
		if (k == 5 && strncmp(p, "<a href=\"https://dash/", 22) != 0 &&
		        strncmp(p, "<a href=\"https://matrix.to/#/!ops:x/$", 37) != 0 &&
		        strncmp(p, "<a href=\"https://matrix.to/#/@op1:x\">", 37) != 0 &&
		        strncmp(p, "<a href=\"https://matrix.to/#/@lead:other.example\">", 50) != 0)
			fail_msg("%s", p);
		if (k < 6 && depth < 16)
			open[depth++] = k;
		else if (k > 6)
			assert_true(depth > 0 && open[--depth] + 7 == k);
	}
	assert_int_equal(depth, 0);
}

/* Outside of tags and <code> nothing stands that a client makes a link or a pill of. */
static void check_bare(const char *html)
{
	int code = 0, link = 0;

	for (const char *p = html; *p; p++) {
		if (*p == '<') {
			code += strncmp(p, "<code>", 6) == 0;
			code -= strncmp(p, "</code>", 7) == 0;
			link += strncmp(p, "<a ", 3) == 0;
			link -= strncmp(p, "</a>", 4) == 0;
			p += strcspn(p, ">");
			continue;
		}
		if (!code && !link && (strncmp(p, "evil.", 5) == 0 || *p == '@' || *p == '#'))
			if (strncmp(p, "#39;", 4) != 0)
				fail_msg("%s", p);
	}
}

static void check_events(struct world *w, size_t *seen)
{
	world_pass(w, 2000);
	for (; *seen < w->len; ++*seen) {
		json_t *content = json_loads(w->events[*seen].content, 0, NULL);
		const json_t *fresh = json_object_get(content, "m.new_content");
		const json_t *mentions = json_object_get(content, "m.mentions");
		const char *html = json_string_value(
		        json_object_get(fresh ? fresh : content, "formatted_body"));

		assert_non_null(html);
		check_html(html);
		check_bare(html);
		assert_null(json_object_get(mentions, "room"));
		assert_true(json_array_size(json_object_get(mentions, "user_ids")) < 2);
		json_decref(content);
	}
}

static void hostile_values_in_each_place(void **state)
{
	static const char *const values[] = {
	        "<b>x</b><script>alert(1)</script>",
	        "\"><img src=x onerror=alert(1)>",
	        "</code></li></ul><a href='https://evil.example'>x</a>",
	        "**evil.example** [evil.example](https://evil.example)",
	        "https://evil.example/?a=1&b=2",
	        "@room @op1:x #ops:x !ops:x $event",
	        "evil.example",
	        ("\xE2\x80\xAE"
	         "evil.example"),
	        "🚨 other · node FAILED",
	        "{emoji} {run_id} {{x}} **",
	        "&lt;b&gt; &#60; %3Cb%3E",
	        " ",
	};
	static const char *const places[] = {
	        "\"kind\":\"node_failed\",\"fields\":{\"node_id\":\"a\",\"error\":%s}",
	        "\"kind\":\"node_failed\",\"fields\":{\"node_id\":%s,\"error\":\"e\"}",
	        "\"kind\":\"node_failed\",\"fields\":{\"node_id\":\"b\",\"duration_ms\":%s}",
	        "\"kind\":\"dag_failed\",\"run_id\":%s,\"fields\":{\"dag_name\":\"d\"}",
	        "\"kind\":\"dag_failed\",\"run_id\":\"r\",\"fields\":{\"dag_name\":%s}",
	        "\"kind\":\"violations\",\"fields\":{\"rules\":%s}",
	        "\"title\":%s",
	        "\"title\":\"t\",\"text\":%s",
	        "\"title\":\"t2\",\"run_id\":%s",
	        "\"kind\":\"wide\",\"fields\":{\"name\":%s}",
	        "\"kind\":\"wide2\",\"fields\":{%s:\"value\"}",
	        "\"kind\":\"html\",\"fields\":{\"mount\":%s}",
	        "\"title\":\"t3\",\"key\":%s",
	};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct world *w = begin("[kind html]\ntext = {emoji} {mount}\nhtml = {emoji} "
		                        "<b>{mount}</b> <a href=\"https://dash/{mount}\">x</a>\n"
		                        "[route]\nwarning = ops\n[delivery]\nstorm = 0\n");
		json_t *quoted = json_string(values[i]);
		char *value = json_dumps(quoted, JSON_ENCODE_ANY);
		size_t seen = 0;

		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
			const char *hole = strstr(places[k], "%s");
			char *fields = x_asprintf(
			        "%.*s%s%s", (int)(hole - places[k]), places[k], value, hole + 2);

			/* alone, among others, acknowledged, brought up, resolved */
			world_alert(w, "{\"app\":\"data_factory\",\"severity\":\"critical\",%s}",
			        fields);
			world_alert(
			        w, "{\"app\":\"one_%zu\",\"severity\":\"critical\",%s}", k, fields);
			check_events(w, &seen);
			if (strstr(fields, "\"r\""))
				acknowledge(w, "r", "@<b>:x", values[i]);
			check_events(w, &seen);
			free(fields);
		}
		w->now_ms += 61 * CLOCK_MINUTE_MS;
		duty(w);
		check_events(w, &seen);
		world_alert(w, "{\"app\":\"data_factory\",\"status\":\"resolved\",\"run_id\":%s}",
		        value);
		check_events(w, &seen);
		free(value);
		json_decref(quoted);
		end(w);
	}
}

/* --- sizes -------------------------------------------------------------------------------- */

static char *repeated(const char *piece, size_t count)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < count; i++)
		buf_add_str(&out, piece);
	return buf_take(&out);
}

static void check_sizes(struct world *w, size_t limit)
{
	for (size_t i = 0; i < w->len; i++)
		if (strlen(w->events[i].content) > limit)
			fail_msg("event %zu has %zu bytes", i, strlen(w->events[i].content));
}

static void what_is_too_large_is_shortened_but_for_its_headline(void **state)
{
	static const char *const pieces[] = {"x", "é", "😀", "<", "\\\"", "\\n", "\\u202e"};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct world *w = begin("");
		char *text = repeated(pieces[i], 4000), *body;
		struct buf fields;

		buf_init(&fields, 1 << 20);
		for (int k = 0; k < 14; k++)
			buf_printf(&fields, "%s\"f%d\":\"%s\"", k ? "," : "", k, text);
		world_alert(w,
		        "{\"app\":\"big\",\"severity\":\"critical\",\"title\":\"%s\",\"text\":"
		        "\"%s\",\"fields\":{%s}}",
		        "the headline", text, buf_str(&fields));
		world_alert(w,
		        "{\"app\":\"big2\",\"kind\":\"unknown\",\"severity\":\"critical\","
		        "\"title\":\"the headline\",\"text\":\"%s\",\"fields\":{%s}}",
		        text, buf_str(&fields));
		world_pass(w, 2000);
		assert_int_equal(world_count(w, "send"), 2);
		for (size_t k = 0; k < 2; k++) {
			body = world_body(w, k);
			assert_non_null(strstr(body, " · the headline"));
			free(body);
		}
		check_sizes(w, RENDER_EVENT_MAX);
		buf_finish(&fields);
		free(text);
		end(w);
	}
}

static void many_alerts_close_a_message_only_when_it_is_full(void **state)
{
	struct world *w = begin("");
	size_t largest = 0;

	for (int i = 0; i < 250; i++) {
		char name[32];

		snprintf(name, sizeof(name), "node_%d", i);
		world_alert(w, FAILED, "etl", name, name, "connection refused");
		world_pass(w, 200);
	}
	check_sizes(w, RENDER_EVENT_MAX);
	for (size_t i = 0; i < w->len; i++)
		if (strlen(w->events[i].content) > largest)
			largest = strlen(w->events[i].content);
	/* not at what base64 would make of it in an encrypted room */
	assert_in_range(largest, 34 * 1024, RENDER_EVENT_MAX);
	end(w);
}

/* --- when it happened --------------------------------------------------------------------- */

static bool last_says(const struct world *w, const char *part)
{
	char *body = world_body(w, w->len - 1);
	bool says = strstr(body, part) != NULL;

	free(body);
	return says;
}

static void only_what_was_late_says_when_it_happened(void **state)
{
	struct world *w = begin("");
	struct deliver_event event;

	/* on time: never, however late it is edited */
	world_alert(w, FAILED, "etl", "r-1", "a", "e");
	world_pass(w, 2000);
	w->now_ms += CLOCK_HOUR_MS;
	acknowledge(w, "r-1", "@op1:x", NULL);
	world_pass(w, 2000);
	assert_true(last_says(w, "acknowledged by op1"));
	assert_false(last_says(w, "happened"));

	/* fixed before an outage, delivered after it: an edit at once, and it stays */
	world_alert(w, FAILED, "etl", "r-2", "b", "e");
	assert_true(world_next(w, &event));
	w->now_ms += 5 * CLOCK_MINUTE_MS;
	world_finish(w, &event, DELIVER_SENT);
	deliver_event_finish(&event);
	assert_false(last_says(w, "happened"));
	world_pass(w, 2000);
	assert_string_equal(w->events[w->len - 1].what, "edit");
	assert_true(last_says(w, "happened at"));
	w->now_ms += CLOCK_HOUR_MS;
	acknowledge(w, "r-2", "@op1:x", NULL);
	world_pass(w, 2000);
	assert_true(last_says(w, "happened at"));

	/* an alert that says that it is old */
	world_alert(w, "{\"app\":\"old\",\"severity\":\"critical\",\"title\":\"t\",\"at\":"
	               "\"2026-09-20T10:00:00Z\"}");
	world_pass(w, 2000);
	assert_true(last_says(w, "happened at Sun 20 Sep 12:00 CEST"));
	end(w);
}

static void a_link_without_its_values_is_left_out(void **state)
{
	struct world *w = begin("");
	char *body;

	world_alert(w, "{\"app\":\"data_factory\",\"severity\":\"critical\",\"title\":\"t\"}");
	world_pass(w, 2000);
	body = world_body(w, 0);
	assert_string_equal(body, "🚨 data_factory · t");
	free(body);
	end(w);
}

/* What Prometheus and Grafana give beside the dashboard; only addresses become links. */
static void links_among_the_fields_are_shown_while_it_fires(void **state)
{
	static const char alert[] = "{\"app\":\"db\",\"severity\":\"info\",\"title\":\"t\","
	                            "\"fields\":{\"runbook_url\":\"%s\","
	                            "\"silenceURL\":\"%s\"},\"status\":\"%s\"}";
	struct world *w = begin("[route]\ninfo = ops\n[delivery]\nthrottle = 0\n");
	char *body;

	world_alert(w, alert, "https://r.example/a b", "javascript:alert(1)", "firing");
	world_pass(w, 2000);
	body = world_body(w, w->len - 1);
	assert_string_equal(body, "ℹ️ db · t\nrunbook: https://r.example/a%20b");
	free(body);
	world_alert(w, alert, "https://r", "https://s/?a=1&b=\\\"><img>", "firing");
	world_pass(w, 2000);
	body = world_body(w, w->len - 1);
	assert_string_equal(body, "ℹ️ db · t\nrunbook: https://r · silence: "
	                          "https://s/?a=1&b=%22%3E%3Cimg%3E");
	free(body);
	assert_non_null(strstr(w->events[w->len - 1].content,
	        "<a href=\\\"https://s/?a=1&amp;b=%22%3E%3Cimg%3E\\\">silence</a>"));
	world_alert(w, alert, "https://r", "https://s", "resolved");
	world_pass(w, 2000);
	for (size_t i = w->len - 2; i < w->len; i++)
		assert_null(strstr(w->events[i].content, "silence</a>"));
	end(w);
}

static void an_app_may_have_rooms_of_its_own(void **state)
{
	struct config *config = fixture_config("critical = dev\n");

	assert_string_equal(route_room(config, "x", SEVERITY_CRITICAL), "ops");
	assert_string_equal(route_room(config, "x", SEVERITY_WARNING), "dev");
	assert_string_equal(route_room(config, "data_factory", SEVERITY_CRITICAL), "dev");
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(every_layout),
	        cmocka_unit_test(a_full_message),
	        cmocka_unit_test(every_kind),
	        cmocka_unit_test(hostile_values_in_each_place),
	        cmocka_unit_test(what_is_too_large_is_shortened_but_for_its_headline),
	        cmocka_unit_test(many_alerts_close_a_message_only_when_it_is_full),
	        cmocka_unit_test(only_what_was_late_says_when_it_happened),
	        cmocka_unit_test(a_link_without_its_values_is_left_out),
	        cmocka_unit_test(links_among_the_fields_are_shown_while_it_fires),
	        cmocka_unit_test(an_app_may_have_rooms_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

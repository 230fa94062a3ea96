/*
 * test_convert.c - from an alertmanager.yml to a bot.conf that the reader of configs takes, and
 * files that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/config/config.h"
#include "bot/convert/convert.h"

/* The config as text, which must be one; owned by the caller. *config: likewise, or NULL. */
static char *converted(struct tree *tree, struct config **config)
{
	struct fault fault = {0};
	struct config *read;
	struct buf text, report;

	buf_init(&text, CONVERT_MAX);
	if (convert_tree(tree, "a.yml", &text, &fault) != OK)
		fail_msg("%s", fault.text);
	assert_false(text.overflow);
	buf_init(&report, 65536);
	if (config_parse(buf_str(&text), "/tmp/bot.conf", &read, &report) != OK)
		fail_msg("%s\n%s", buf_str(&report), buf_str(&text));
	buf_finish(&report);
	if (config)
		*config = read;
	else
		config_unref(read);
	tree_free(tree);
	return buf_take(&text);
}

static char *of_text(const char *yaml, struct config **config)
{
	struct fault fault = {0};
	struct tree *tree;

	if (tree_parse(yaml, strlen(yaml), "a.yml", &tree, &fault) != OK)
		fail_msg("%s", fault.text);
	return converted(tree, config);
}

static char *of_fixture(const char *name, struct config **config)
{
	char *path =
	        x_asprintf("%s/tests/fixtures/alertmanager/%s.yml", getenv("SOURCE_ROOT"), name);
	struct fault fault = {0};
	struct tree *tree;

	if (tree_read(path, &tree, &fault) != OK)
		fail_msg("%s", fault.text);
	free(path);
	return converted(tree, config);
}

static void says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("%s is not in:\n%s", part, text);
}

static void says_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("%s is in:\n%s", part, text);
}

static const char *app_room(const struct config *config, const char *app, enum severity severity)
{
	const struct config_app *found = config_app(config, app);

	if (!found)
		fail_msg("no app %s", app);
	return found->route[severity] ? found->route[severity] : config->route[severity];
}

/* ---- files of the field ---- */

static void the_example_of_alertmanager(void **state)
{
	struct config *config;
	char *text = of_fixture("simple", &config);

	assert_string_equal(config->route[SEVERITY_CRITICAL], "web_hook");
	assert_string_equal(config->route[SEVERITY_INFO], "web_hook");
	assert_int_equal(config->delivery.throttle_ms, 5 * CLOCK_MINUTE_MS);
	assert_int_equal(config->commands.remind_ms, CLOCK_HOUR_MS);
	assert_true(config->delivery.inhibit);
	says(text, "# receiver web.hook, line 9: webhook_configs\n");
	says(text, "# line 3: route.group_by: ");
	config_unref(config);
	free(text);
}

static void routes_by_service_and_severity(void **state)
{
	static const char *const apps[] = {"foo1", "foo2", "baz"};
	struct config *config;
	char *text = of_fixture("team", &config);

	assert_string_equal(config->route[SEVERITY_CRITICAL], "team-X-mails");
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(app_room(config, apps[i], SEVERITY_CRITICAL), "team-X-pager");
		assert_string_equal(app_room(config, apps[i], SEVERITY_WARNING), "team-X-mails");
	}
	/* a severity that has another name there */
	assert_string_equal(app_room(config, "files", SEVERITY_CRITICAL), "team-Y-pager");
	assert_string_equal(app_room(config, "uploads", SEVERITY_INFO), "team-Y-mails");
	assert_int_equal(config_app(config, "uploads")->throttle_ms, 10 * CLOCK_MINUTE_MS);
	assert_string_equal(app_room(config, "database", SEVERITY_WARNING), "team-DB-pager");
	assert_int_equal(config->delivery.throttle_ms, 2 * CLOCK_MINUTE_MS);
	says(text, "# line 40: route.routes[2].routes[0]: owner=\"team-X\": ");
	says(text, "routes[0].continue: ");
	says(text, "# line 6: global.smtp_auth_password: ");
	says(text, "/heartbeat/NAME");
	says_not(text, "routes[0]: service=~");
	says_not(text, "do-not-print");
	config_unref(config);
	free(text);
}

static void what_the_operator_of_kubernetes_writes(void **state)
{
	struct config *config;
	char *text = of_fixture("operator", &config);

	assert_string_equal(config->route[SEVERITY_CRITICAL], "Critical");
	assert_string_equal(config->route[SEVERITY_WARNING], "Default");
	assert_true(config->delivery.inhibit);
	assert_int_equal(config->commands.remind_ms, 12 * CLOCK_HOUR_MS);
	says(text, "# line 8: inhibit_rules[1]: only critical alerts inhibit");
	says(text, "# receiver null, line 17: it has no integrations");
	says_not(text, "do-not-print");
	config_unref(config);
	free(text);
}

static void times_of_the_week(void **state)
{
	struct config *config;
	char *text = of_fixture("hours", &config);
	const struct config_quiet *quiets = config->quiets;

	assert_string_equal(config->heartbeat.timezone, "Europe/Madrid");
	assert_int_equal(config->quiets_len, 6);
	assert_string_equal(quiets[0].what, "severity=\"info\"");
	assert_string_equal(quiets[0].from, "22:00");
	assert_string_equal(quiets[0].to, "00:00"); /* the next day */
	assert_int_equal(quiets[0].weekdays, 0x3e);
	assert_true(quiets[0].critical);
	assert_string_equal(quiets[1].to, "06:30");
	/* a whole day is two of them, without a gap */
	assert_string_equal(quiets[2].from, "00:00");
	assert_string_equal(quiets[2].to, "12:00");
	assert_string_equal(quiets[3].from, "12:00");
	assert_string_equal(quiets[3].to, "00:00");
	assert_int_equal(quiets[3].weekdays, 0x41);
	assert_string_equal(quiets[4].what, "app=\"billing\", team!=\"web\", env=~\"prod|stage\"");
	says(text, "# line 33: holidays: days_of_month: ");
	says(text, "# line 30: location: ");
	says(text, "routes[2].active_time_intervals: ");
	says(text, "low_prio_ = #low_prio_:example.org\n");
	says_not(text, "do-not-print");
	config_unref(config);
	free(text);
}

/* ---- single forms ---- */

static void matchers_in_all_their_forms(void **state)
{
	static const char *const forms[] = {
	        "match: {severity: critical, job: a}",
	        "match_re: {severity: 'crit.*', job: '^(?:a|b)$'}",
	        "matchers: ['severity=critical', 'job=a']",
	        "matchers: ['severity = \"critical\"', 'job =~ \"a|b\"']",
	        "matchers: ['{severity=\"critical\",job=\"a\"}']",
	        "matchers: [' { severity != warning , severity!=info, job = a } ']",
	        "matchers: ['severity=\"page\"', 'job=\"a\"']",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct config *config;
		char *yaml = x_asprintf("route:\n  receiver: x\n  routes:\n"
		                        "    - receiver: y\n      %s\n"
		                        "receivers: [{name: x}, {name: y}]\n",
		        forms[i]);

		free(of_text(yaml, &config));
		assert_string_equal(config->route[SEVERITY_CRITICAL], "x");
		assert_string_equal(app_room(config, "a", SEVERITY_CRITICAL), "y");
		assert_string_equal(app_room(config, "a", SEVERITY_WARNING), "x");
		config_unref(config);
		free(yaml);
	}
}

static void merged_keys_and_anchors(void **state)
{
	struct config *config;

	free(of_text("base: &base {receiver: y, group_interval: 3m}\n"
	             "route: {<<: *base, receiver: x, routes: [{<<: [*base], match: {severity: "
	             "info}}]}\n",
	        &config));
	assert_string_equal(config->route[SEVERITY_INFO], "y");
	assert_string_equal(config->route[SEVERITY_WARNING], "x");
	assert_int_equal(config->delivery.throttle_ms, 3 * CLOCK_MINUTE_MS);
	config_unref(config);
}

/* The deepest route that takes it counts, and of several the first. */
static void the_first_route_that_takes_it(void **state)
{
	struct config *config;

	free(of_text("route:\n  receiver: x\n  routes:\n"
	             "  - {match: {severity: info}, receiver: a, routes: [{match: {team: b}, "
	             "receiver: b}]}\n"
	             "  - {match: {severity: info}, receiver: c}\n"
	             "  - {receiver: d}\n  - {receiver: e}\n",
	        &config));
	assert_string_equal(config->route[SEVERITY_INFO], "a");
	assert_string_equal(config->route[SEVERITY_CRITICAL], "d");
	config_unref(config);
}

static void what_is_odd_is_named_and_the_rest_converted(void **state)
{
	char *text = of_text(
	        "route: {receiver: a, mute_time_intervals: [n], recekver: b, labels: {reason: c},\n"
	        "  routes: [{receiver: b, group_by_str: x}]}\n"
	        "time_intervals: [{name: n, time_intervals: [{times: [\n"
	        "  {start_time: '06:3:', end_time: '07:00'}, {start_time: '06:00', end_time: "
	        "'0:::0'},\n"
	        "  {start_time: '24:30', end_time: '07:00'}, {start_time: '22:00', end_time: "
	        "'23:59'}]}]}]\n",
	        NULL);

	says(text, "# line 1: route.recekver: not known\n");
	says(text, "# line 1: route.labels: they are for templates");
	says(text, "# line 2: route.routes[0].group_by_str: not known\n");
	says(text, "# line 4: n: not a time of day\n# line 4: n: not a time of day\n"
	           "# line 5: n: not a time of day\n");
	says(text, "from = 22:00\nto = 23:59\n");
	free(text);
}

/* ---- hostile ---- */

static void texts_stay_comments_and_names(void **state)
{
	char *text = of_text(
	        "route:\n  receiver: \"a]\\n[log]\\nlevel = debug\"\n"
	        "  mute_time_intervals: [\"n\\n[x]\", odd, semi]\n"
	        "  routes:\n"
	        "    - {receiver: '', match: {\"job\": \"b\\n[log]\"}}\n"
	        "    - {receiver: 'a] [log] level = debug', match: {job: '../x'}}\n"
	        "    - {receiver: q, match: {job: 'r;s # t'}, mute_time_intervals: [semi]}\n"
	        "    - {receiver: q, match_re: {job: '((((((((((a{255}){255}){255})'}}\n"
	        "    - {receiver: q, match: {job: "
	        "a2345678901234567890123456789012345678901234567890}, mute_time_intervals: "
	        "[a2345678901234567890123456789012345678901234567890]}\n"
	        "    - {receiver: q, match: {\"b\xC3\xA4r\": x, '': y}}\n"
	        "\"evil\\n[http]\\nlisten\": 1\n"
	        "receivers: [{name: \"a]\\n[log]\\nlevel = debug\", \"k\\n[y]\": 1}, x, {name: "
	        "[1]}]\n"
	        "time_intervals:\n"
	        "  - {name: \"n\\n[x]\", time_intervals: [{weekdays: [\"mon\\n\"], times: 7}]}\n"
	        "  - {name: odd, time_intervals: [{times: [{start_time: '99:99', end_time: x}]}, "
	        "{location: '../../etc/passwd'}, {location: Local}]}\n"
	        "  - {name: a2345678901234567890123456789012345678901234567890, time_intervals: "
	        "[{times: [{start_time: '00:00', end_time: '24:00'}]}]}\n"
	        "  - {name: semi, time_intervals: [{weekdays: ['sunday:sunday']}]}\n",
	        NULL);

	says_not(text, "\n[log]");
	says_not(text, "\n[x]");
	says_not(text, "\n[y]");
	says_not(text, "\nlevel");
	says_not(text, "listen\": 1");
	free(text);
}

static void refused(const char *yaml, size_t len, const char *why)
{
	struct fault fault = {0};
	struct tree *tree;
	struct buf text;
	int64_t started_ms = clock_monotonic_ms();
	enum err err = tree_parse(yaml, len, "a.yml", &tree, &fault);

	buf_init(&text, CONVERT_MAX);
	if (err == OK)
		err = convert_tree(tree, "a.yml", &text, &fault);
	assert_int_not_equal(err, OK);
	if (!strstr(fault.text, why) || strncmp(fault.text, "a.yml", 5) != 0)
		fail_msg("%s (wanted: %s)", fault.text, why);
	assert_true(clock_monotonic_ms() - started_ms < 10000);
	tree_free(tree);
	buf_finish(&text);
}

static char *repeated(const char *before, const char *part, int times, const char *after)
{
	struct buf text;

	buf_init(&text, 4 << 20);
	buf_add_str(&text, before);
	for (int i = 0; i < times; i++)
		buf_add_str(&text, part);
	buf_add_str(&text, after);
	return buf_take(&text);
}

static void refused_repeated(const char *before, const char *part, int times, const char *why)
{
	char *text = repeated(before, part, times, "");

	refused(text, strlen(text), why);
	free(text);
}

static void what_is_too_much_is_refused(void **state)
{
	/* routes in themselves, and many by aliases */
	static const char self[] = "route: &r {receiver: x, routes: [*r]}";
	static const char laugh[] =
	        "a: &a [{receiver: x},{receiver: x},{receiver: x},{receiver: x},{receiver: x}]\n"
	        "b: &b {receiver: x, routes: *a}\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
	        "d: &d {receiver: x, routes: *c}\nroute: {receiver: x, routes: "
	        "[*d,*d,*d,*d,*d,*d,*d,*d,*d]}";

	refused(self, sizeof(self) - 1, "20 nested");
	refused(laugh, sizeof(laugh) - 1, "over 500 routes");
	refused_repeated("route: ", "[", 500000, "too deep");
	refused_repeated("", "- ", 300000, "too deep");
	refused_repeated("? ", "? ", 300000, "too deep");
	refused_repeated(
	        "route: {receiver: x, routes: [", "1,", 200000, "too large, or nested too deeply");
	refused_repeated("", "k: 1\n", 1100, "over 1000 keys");
}

static void what_is_none_is_refused(void **state)
{
	static const char *const texts[] = {"", "- a\n", "just words", "a: [", "a: *b",
	        "\xff\xfe\x00", "a: !!binary |\n  \x01", "%YAML 9.9\n---\na", "route: x",
	        "route: []", "{}", "? [a]\n: {b: c}\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		refused(texts[i], strlen(texts[i]), "");
	refused("a: b\n", 5, "there is no route in it");
	refused("route:\n\t- x", 11, "a.yml:2: ");
}

/* Deep in what nobody asks for, it is only skipped. */
static void merges_without_an_end(void **state)
{
	struct fault fault = {0};
	struct tree *tree;
	static const char text[] = "a: &a {<<: *a, b: c}\nroute: &r {<<: *r, receiver: x}\n";

	if (tree_parse(text, sizeof(text) - 1, "a.yml", &tree, &fault) == OK) {
		struct buf out;

		buf_init(&out, CONVERT_MAX);
		convert_tree(tree, "a.yml", &out, &fault);
		buf_finish(&out);
	}
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_example_of_alertmanager),
	        cmocka_unit_test(routes_by_service_and_severity),
	        cmocka_unit_test(what_the_operator_of_kubernetes_writes),
	        cmocka_unit_test(times_of_the_week),
	        cmocka_unit_test(matchers_in_all_their_forms),
	        cmocka_unit_test(merged_keys_and_anchors),
	        cmocka_unit_test(the_first_route_that_takes_it),
	        cmocka_unit_test(what_is_odd_is_named_and_the_rest_converted),
	        cmocka_unit_test(texts_stay_comments_and_names),
	        cmocka_unit_test(what_is_too_much_is_refused),
	        cmocka_unit_test(what_is_none_is_refused),
	        cmocka_unit_test(merges_without_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

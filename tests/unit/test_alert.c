/*
 * test_alert.c - from a request's JSON to a checked alert: odd parts are mended, and what
 * an alert is about does not depend on runs and times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "bot/base/clock.h"
#include "handlers/alerts/alert.h"
#include "handlers/alerts/facts.h"
#include "tests/unit/handlers_fixture.h"

static void only_an_app_is_needed(void **state)
{
	static const char *const none[] = {
	        "{}", "{\"app\":\"\"}", "{\"app\":null}", "{\"app\":{}}", "{\"app\":[\"a\"]}"};
	struct config *config = fixture_config("");

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		json_t *request = json_loads(none[i], 0, NULL);
		struct alert_fault fault;
		struct alert *alert;

		assert_int_equal(alert_parse(request, config, 1000, &alert, &fault), ERR_INVALID);
		assert_null(alert);
		assert_string_equal(fault.field, "app");
		assert_string_equal(fault.message, "app is missing");
		json_decref(request);
	}
	config_unref(config);
}

static struct alert *parse(const struct config *config, const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	struct alert_fault fault;
	struct alert *alert;

	assert_non_null(request);
	assert_int_equal(alert_parse(request, config, CLOCK_DAY_MS, &alert, &fault), OK);
	json_decref(request);
	return alert;
}

static char *alert_value(const struct alert *alert, const char *name)
{
	struct facts facts;

	facts_of_alert(&facts, alert, alert->url);
	return facts_value(&facts, name);
}

static const char *warning(const struct alert *alert, size_t i, const char *name)
{
	return json_string_value(json_object_get(json_array_get(alert->warnings, i), name));
}

/* Each odd part alone: the alert is there, the part is mended, and one warning names it. */
static void odd_parts_are_mended_and_said(void **state)
{
	static const struct {
		const char *request, *field, *value; /* value NULL: absent */
	} table[] = {
	        {"{\"app\":\"a b!\"}", "app", "ab"},
	        {"{\"app\":7}", "app", "7"},
	        {"{\"app\":\"日本\"}", "app", "unnamed"},
	        {"{\"app\":\"a\",\"kind\":\"node failed\"}", "kind", "nodefailed"},
	        {"{\"app\":\"a\",\"kind\":\"?!\"}", "kind", "message"},
	        {"{\"app\":\"a\",\"severity\":\"loud\"}", "severity", "warning"},
	        {"{\"app\":\"a\",\"severity\":\"ERROR\"}", "severity", "critical"},
	        {"{\"app\":\"a\",\"severity\":\"page\"}", "severity", "critical"},
	        {"{\"app\":\"a\",\"severity\":\"fatal\"}", "severity", "critical"},
	        {"{\"app\":\"a\",\"severity\":\"warn\"}", "severity", "warning"},
	        {"{\"app\":\"a\",\"severity\":\"notice\"}", "severity", "info"},
	        {"{\"app\":\"a\",\"severity\":\"debug\"}", "severity", "info"},
	        {"{\"app\":\"a\",\"kind\":\"node_failed\",\"severity\":null}", "severity",
	                "critical"},
	        {"{\"app\":\"a\",\"status\":\"gone\"}", "status", "firing"},
	        {"{\"app\":\"a\",\"status\":\"Resolved\"}", "status", "resolved"},
	        {"{\"app\":\"a\",\"at\":\"yesterday\"}", "at", "1970-01-02T00:00:00.000Z"},
	        {"{\"app\":\"a\",\"at\":\"2099-01-01T00:00:00Z\"}", "at",
	                "1970-01-02T00:00:00.000Z"},
	        {"{\"app\":\"a\",\"at\":\"1969-12-31T23:59:59Z\"}", "at",
	                "1970-01-02T00:00:00.000Z"},
	        {"{\"app\":\"a\",\"at\":90}", "at", "1970-01-01T00:01:30.000Z"},
	        {"{\"app\":\"a\",\"run_id\":81}", "run_id", "81"},
	        {"{\"app\":\"a\",\"run_id\":0.5}", "run_id", "0.5"},
	        {"{\"app\":\"a\",\"run_id\":null}", "run_id", NULL},
	        {"{\"app\":\"a\",\"title\":[1,2]}", "title", "[1,2]"},
	        {"{\"app\":\"a\",\"url\":\"javascript:alert(1)\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"/runs/1\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https:// x\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://x/\\\"onload=\"}", "url",
	                "https://x/%22onload="},
	        {"{\"app\":\"a\",\"url\":\" https://x/a b|c\"}", "url", "https://x/a%20b%7Cc"},
	        {"{\"app\":\"a\",\"url\":\"https://me:secret@x/a\"}", "url", "https://x/a"},
	        {"{\"app\":\"a\",\"url\":\"http://good.example@bad.example?a\"}", "url",
	                "http://bad.example?a"},
	        {"{\"app\":\"a\",\"url\":\"https://me@me@x\"}", "url", "https://x"},
	        {"{\"app\":\"a\",\"url\":\"https://me:secret@\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://x\\\\@y/\"}", "url", "https://y/"},
	        {"{\"app\":\"a\",\"url\":\"https://x\\\\y/\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://x{run_id}.y/\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"javascript:alert(1)//https://x/\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"//x/\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://x/100%?a=%2\"}", "url",
	                "https://x/100%25?a=%252"},
	        {"{\"app\":\"a\",\"url\":\"https://x/%zz%41 %\"}", "url",
	                "https://x/%25zz%41%20%25"},
	        {"{\"app\":\"a\",\"url\":\"https://b\u00fccher.example/\"}", "url",
	                "https://b%C3%BCcher.example/"},
	        {"{\"app\":\"a\",\"url\":\"https://wiki.example/St\\u00f6rung\"}", "url",
	                "https://wiki.example/St%C3%B6rung"},
	        {"{\"app\":\"a\",\"fields\":[]}", "fields", "[]"},
	        {"{\"app\":\"a\",\"fields\":null}", "fields", NULL},
	        {"{\"app\":\"a\",\"fields\":{\"x\":{\"y\":1}}}", "fields.x", "{\"y\":1}"},
	        {"{\"app\":\"a\",\"fields\":{\"x\":null}}", "fields.x", NULL},
	        {"{\"app\":\"a\",\"nested\":[1]}", "nested", "[1]"},
	        {"{\"app\":\"a\",\"fields\":{\"\":1}}", "fields.", NULL},
	};
	struct config *config = fixture_config("");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct alert *alert = parse(config, table[i].request);
		const char *field = table[i].field;
		const char *name = strncmp(field, "fields.", 7) == 0 ? field + 7 : field;
		char *value = alert_value(alert, name);

		if (json_array_size(alert->warnings) != 1)
			fail_msg("%s: not one warning", table[i].request);
		assert_string_equal(warning(alert, 0, "field"), field);
		if (table[i].value)
			assert_string_equal(value, table[i].value);
		else
			assert_null(value);
		free(value);
		alert_destroy(alert);
	}
	config_unref(config);
}

static void the_warning_says_how_it_was_taken(void **state)
{
	struct config *config = fixture_config("");
	struct alert *alert = parse(config, "{\"app\":\"a\",\"severity\":\"loud\"}");

	assert_string_equal(warning(alert, 0, "message"),
	        "loud is no severity; taken as warning, the default of its kind");
	alert_destroy(alert);
	alert = parse(config, "{\"app\":\"a\",\"severity\":\"Disaster\"}"); /* Zabbix */
	assert_string_equal(
	        warning(alert, 0, "message"), "Disaster is no severity; taken as critical");
	alert_destroy(alert);
	alert = parse(config, "{\"app\":\"a\",\"\":[{\"field\":\"f\",\"message\":\"m\"},1,{}]}");
	assert_int_equal(json_array_size(alert->warnings), 1);
	assert_string_equal(warning(alert, 0, "field"), "f");
	alert_destroy(alert);
	alert = parse(config, "{\"app\":\"a\",\"\":\"forged\"}");
	assert_null(alert->warnings);
	alert_destroy(alert);
	config_unref(config);
}

/* What an app wrote around the word lets no critical alert pass for a warning, nor an end for a
 * failure. */
static void words_are_known_with_signs_around_them(void **state)
{
	static const char *const criticals[] = {
	        "Critical", " critical\t", "[ERROR]", "\"page\"", "fatal!", "\u202ecritical"};
	static const char *const ends[] = {"Resolved", " resolved\n", "resolved."};
	struct config *config = fixture_config("");
	struct alert *alert;

	for (size_t i = 0; i < 6; i++) {
		json_t *request = json_pack("{s:s, s:s, s:s}", "app", "a", "severity", criticals[i],
		        "status", ends[i % 3]);
		struct alert_fault fault;

		assert_int_equal(alert_parse(request, config, 0, &alert, &fault), OK);
		assert_int_equal(alert->severity, SEVERITY_CRITICAL);
		assert_true(alert->resolved);
		assert_int_equal(json_array_size(alert->warnings), 2);
		alert_destroy(alert);
		json_decref(request);
	}
	alert = parse(
	        config, "{\"app\":\"a\",\"severity\":\"not critical\",\"status\":\"unresolved\"}");
	assert_int_equal(alert->severity, SEVERITY_WARNING);
	assert_false(alert->resolved);
	alert_destroy(alert);
	config_unref(config);
}

static void what_is_too_long_is_cut(void **state)
{
	struct config *config = fixture_config("");
	json_t *request = json_pack("{s:s}", "app", "a");
	char *text = malloc(3001);
	struct alert *one, *other;
	struct alert_fault fault;

	memset(text, 'x', 3000);
	text[3000] = '\0';
	json_object_set_new(request, "title", json_string(text));
	json_object_set_new(request, "run_id", json_string(text));
	json_object_set_new(request, "id", json_string(text));
	json_object_set_new(request, "app", json_string(text));
	json_object_set_new(request, text, json_integer(1));
	json_object_set_new(request, "url", json_sprintf("https://x/%s", text));
	assert_int_equal(alert_parse(request, config, 1000, &one, &fault), OK);
	assert_int_equal(strlen(one->title), ALERT_TITLE_MAX - 1 + strlen("…"));
	assert_string_equal(one->title + ALERT_TITLE_MAX - 1, "…");
	assert_int_equal(strlen(one->run_id), ALERT_NAME_MAX - 1 + strlen("…"));
	assert_int_equal(strlen(one->app), ALERT_APP_MAX);
	assert_null(one->url);
	assert_int_equal(json_object_size(one->fields), 1);
	assert_int_equal(json_array_size(one->warnings), 6);
	/* a link that is too long once it is encoded */
	text[1000] = '\0';
	for (char *c = text; *c; c++)
		*c = ' ';
	json_object_set_new(request, "url", json_sprintf("https://x/%s#", text));
	alert_destroy(one);
	assert_int_equal(alert_parse(request, config, 1000, &one, &fault), OK);
	assert_null(one->url);
	memset(text, 'x', 3000);
	/* two ids that differ at their ends only are two */
	text[2999] = 'y';
	json_object_set_new(request, "id", json_string(text));
	assert_int_equal(alert_parse(request, config, 1000, &other, &fault), OK);
	assert_true(strlen(one->id) <= ALERT_NAME_MAX + 2);
	assert_string_not_equal(one->id, other->id);
	alert_destroy(one);
	alert_destroy(other);
	json_decref(request);
	free(text);
	config_unref(config);
}

static void too_many_fields_are_dropped(void **state)
{
	struct config *config = fixture_config("");
	json_t *request = json_pack("{s:s, s:{}}", "app", "a", "fields");
	struct alert_fault fault;
	struct alert *alert;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		json_object_set_new(json_object_get(request, "fields"), name, json_true());
	}
	json_object_set_new(request, "more", json_true());
	assert_int_equal(alert_parse(request, config, 1000, &alert, &fault), OK);
	assert_int_equal(json_object_size(alert->fields), ALERT_FIELDS_MAX);
	assert_int_equal(json_array_size(alert->warnings), 1);
	assert_string_equal(warning(alert, 0, "field"), "fields");
	alert_destroy(alert);
	json_decref(request);
	config_unref(config);
}

static void what_failed_decides_the_fingerprint(void **state)
{
	struct config *config = fixture_config("");
	struct alert *one = parse(config,
	        "{\"app\":\"a\",\"kind\":\"node_failed\",\"run_id\":\"r1\",\"node_id\":\"n\","
	        "\"duration_ms\":1}");
	struct alert *same = parse(config,
	        "{\"app\":\"a\",\"kind\":\"node_failed\",\"run_id\":\"r2\",\"fields\":{"
	        "\"node_id\":\"n\",\"duration_ms\":99}}");
	struct alert *milder =
	        parse(config, "{\"app\":\"a\",\"kind\":\"node_failed\",\"node_id\":\"n\","
	                      "\"severity\":\"warning\"}");
	struct alert *other =
	        parse(config, "{\"app\":\"a\",\"kind\":\"node_failed\",\"node_id\":\"m\"}");

	assert_int_equal(one->severity, SEVERITY_CRITICAL);
	assert_string_equal(one->fingerprint, same->fingerprint);
	assert_string_not_equal(one->fingerprint, milder->fingerprint);
	assert_string_equal(one->subject, milder->subject);
	assert_string_not_equal(one->subject, other->subject);
	assert_string_equal(one->identity, "n");
	alert_destroy(one);
	alert_destroy(same);
	alert_destroy(milder);
	alert_destroy(other);
	config_unref(config);
}

static void unknown_keys_are_kept(void **state)
{
	struct config *config = fixture_config("");
	struct alert *alert = parse(config, "{\"app\":\"a\",\"shard\":3,\"ratio\":0.15}");
	char *shard = alert_value(alert, "shard"), *ratio = alert_value(alert, "ratio");

	assert_string_equal(alert->kind, "message");
	assert_int_equal(alert->severity, SEVERITY_WARNING);
	assert_string_equal(shard, "3");
	assert_string_equal(ratio, "0.15");
	free(shard);
	free(ratio);
	alert_destroy(alert);
	config_unref(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(only_an_app_is_needed),
	        cmocka_unit_test(odd_parts_are_mended_and_said),
	        cmocka_unit_test(the_warning_says_how_it_was_taken),
	        cmocka_unit_test(words_are_known_with_signs_around_them),
	        cmocka_unit_test(what_is_too_long_is_cut),
	        cmocka_unit_test(too_many_fields_are_dropped),
	        cmocka_unit_test(what_failed_decides_the_fingerprint),
	        cmocka_unit_test(unknown_keys_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_alert.c - from a request's JSON to a checked alert: every refusal names its field, and what
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
#include "tests/unit/handlers_fixture.h"

static void refusals_name_the_field(void **state)
{
	static const struct {
		const char *request, *field, *message;
	} table[] = {
	        {"{}", "app", NULL},
	        {"{\"app\":\"a b\"}", "app", NULL},
	        {"{\"app\":7}", "app", "app must be a string"},
	        {"{\"app\":\"a\",\"severity\":\"loud\"}", "severity",
	                "severity must be one of critical, warning, info"},
	        {"{\"app\":\"a\",\"status\":\"gone\"}", "status", NULL},
	        {"{\"app\":\"a\",\"at\":\"yesterday\"}", "at", NULL},
	        {"{\"app\":\"a\",\"at\":\"2099-01-01T00:00:00Z\"}", "at", NULL},
	        {"{\"app\":\"a\",\"url\":\"javascript:alert(1)\"}", "url", NULL},
	        {"{\"app\":\"a\",\"url\":\"https://x/\\\"onload=\"}", "url", NULL},
	        {"{\"app\":\"a\",\"fields\":[]}", "fields", NULL},
	        {"{\"app\":\"a\",\"fields\":{\"x\":{}}}", "fields.x", NULL},
	        {"{\"app\":\"a\",\"nested\":[1]}", "nested", NULL},
	};
	struct config *config = fixture_config("");

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *request = json_loads(table[i].request, 0, NULL);
		struct alert_fault fault;
		struct alert *alert;

		assert_int_equal(alert_parse(request, config, 1000, &alert, &fault), ERR_INVALID);
		assert_null(alert);
		assert_string_equal(fault.field, table[i].field);
		if (table[i].message)
			assert_string_equal(fault.message, table[i].message);
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
	        cmocka_unit_test(refusals_name_the_field),
	        cmocka_unit_test(what_failed_decides_the_fingerprint),
	        cmocka_unit_test(unknown_keys_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * test_alertmanager.c - alerts of Prometheus and Alertmanager as requests of the socket's protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include "bot/http/alertmanager.h"

/* The values are those of Alertmanager. */
static void the_fingerprint_is_alertmanagers(void **state)
{
	json_t *labels =
	        json_pack("{s:s, s:s}", "name", "garland, briggs", "fear", "love is not enough");
	char fingerprint[17];

	alertmanager_fingerprint(labels, fingerprint);
	assert_string_equal(fingerprint, "507a62d79ee76c9a"); /* 5799056148416392346 */
	json_decref(labels);
	labels = json_object();
	alertmanager_fingerprint(labels, fingerprint);
	assert_string_equal(fingerprint, "cbf29ce484222325");
	json_decref(labels);
}

static void what_templates_printed_badly_is_left_out(void **state)
{
	static const struct {
		const char *given, *expect;
	} table[] = {
	        {"load is <no value> high", "load is  high"},
	        {"<no value>", ""},
	        {"at %!f(string=x) now", "at  now"},
	        {"%!d(MISSING) and %!(EXTRA int=3) end", " and  end"},
	        {"100% sure! (really)", "100% sure! (really)"},
	        {"cut %!f(", "cut "},
	        {"a <b> c", "a <b> c"},
	        {"%!", ""},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		alertmanager_add_text(&out, table[i].given);
		assert_string_equal(buf_str(&out), table[i].expect);
		buf_finish(&out);
	}
}

static void assert_has(const json_t *object, const char *name, const char *expect)
{
	const char *value = json_string_value(json_object_get(object, name));

	if (expect)
		assert_string_equal(value, expect);
	else
		assert_null(value);
}

static void labels_and_annotations_become_an_alert(void **state)
{
	json_t *alert = json_loads(
	        "{\"labels\":{\"alertname\":\"HighLoad\",\"job\":\"node\",\"service\":\"db\","
	        "\"severity\":\"page\"},\"annotations\":{\"summary\":\"load\",\"description\":"
	        "\"text\","
	        "\"runbook_url\":\"https://r\"},\"startsAt\":\"2026-11-26T10:00:00Z\","
	        "\"endsAt\":\"2026-11-26T11:00:00Z\",\"generatorURL\":\"https://g\"}",
	        0, NULL);
	json_t *request = alertmanager_request(alert, NULL, false), *over;
	const json_t *fields = json_object_get(request, "fields");

	assert_has(request, "op", "alert");
	assert_has(request, "app", "db");
	assert_has(request, "severity", "page");
	assert_has(request, "title", "load");
	assert_has(request, "text", "text");
	assert_has(request, "url", "https://g");
	assert_has(request, "at", "2026-11-26T10:00:00Z");
	assert_has(request, "status", "firing");
	assert_has(fields, "runbook_url", "https://r");
	assert_has(fields, "alertname", "HighLoad");
	assert_has(fields, "summary", NULL);
	over = alertmanager_request(alert, NULL, true);
	assert_has(over, "status", "resolved");
	assert_has(over, "at", "2026-11-26T11:00:00Z");
	assert_has(over, "key", json_string_value(json_object_get(request, "key")));
	assert_string_not_equal(json_string_value(json_object_get(over, "id")),
	        json_string_value(json_object_get(request, "id")));
	json_decref(over);
	json_decref(request);
	json_decref(alert);
	alert = json_loads("{\"labels\":{}}", 0, NULL); /* nothing is needed */
	request = alertmanager_request(alert, NULL, false);
	assert_has(request, "app", "alertmanager");
	assert_has(request, "title", "alert");
	assert_has(request, "at", NULL);
	json_decref(request);
	json_decref(alert);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(the_fingerprint_is_alertmanagers),
	        cmocka_unit_test(what_templates_printed_badly_is_left_out),
	        cmocka_unit_test(labels_and_annotations_become_an_alert),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

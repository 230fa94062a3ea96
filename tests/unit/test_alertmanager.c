/*
 * test_alertmanager.c - alerts of Prometheus and Alertmanager as requests of the socket's protocol.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/http/alertmanager.h"

#define BEFORE_MS INT64_C(1795687200000) /* 2026-11-26T10:00:00Z */

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

/* As the defaults of the config, and some more. */
static const struct config_labels names = {
        .app = (char *[]){(char *)"app", (char *)"service", (char *)"job", NULL},
        .title = (char *[]){(char *)"alertname", NULL},
        .severity = (char *[]){(char *)"severity", (char *)"priority", NULL},
        .severities = {[SEVERITY_CRITICAL] = (char *[]){(char *)"page", (char *)"P1", NULL},
                [SEVERITY_WARNING] = (char *[]){(char *)"P2", NULL},
                [SEVERITY_INFO] = (char *[]){(char *)"none", NULL}},
};

static void labels_and_annotations_become_an_alert(void **state)
{
	static const struct {
		const char *alert, *title;
	} titles[] = {
	        {"{\"labels\":{\"alertname\":\"Down\",\"instance\":\"db1:9100\"}}",
	                "Down (db1:9100)"},
	        {"{\"labels\":{\"instance\":\"db1:9100\"},\"annotations\":{\"summary\":\"db1 is "
	         "down\"}}",
	                "db1 is down"},
	        {"{\"labels\":{\"instance\":\"\"},\"annotations\":{\"summary\":\"x\"}}", "x"},
	        {"{\"labels\":{\"instance\":\"[::1]:9\"},\"annotations\":{\"summary\":\"x\"}}",
	                "x ([::1]:9)"},
	        {"{\"labels\":{\"instance\":7}}", "alert"},
	};
	json_t *alert = json_loads(
	        "{\"labels\":{\"alertname\":\"HighLoad\",\"job\":\"node\",\"service\":\"db\","
	        "\"severity\":\"page\"},\"annotations\":{\"summary\":\"load\",\"description\":"
	        "\"text\","
	        "\"runbook_url\":\"https://r\"},\"startsAt\":\"2026-11-26T10:00:00Z\","
	        "\"endsAt\":\"2026-11-26T11:00:00Z\",\"generatorURL\":\"https://g\"}",
	        0, NULL);
	json_t *request = alertmanager_posted(&names, alert, BEFORE_MS), *over;
	const json_t *fields = json_object_get(request, "fields");

	assert_has(request, "op", "alert");
	assert_has(request, "app", "db");
	assert_has(request, "severity", "critical");
	assert_has(request, "title", "load");
	assert_has(request, "text", "text");
	assert_has(request, "url", "https://g");
	assert_has(request, "at", "2026-11-26T10:00:00Z");
	assert_has(request, "status", "firing");
	assert_has(fields, "runbook_url", "https://r");
	assert_has(fields, "alertname", "HighLoad");
	assert_has(fields, "summary", NULL);
	assert_has(request, "id", NULL);
	assert_has(request, "ends_at", "2026-11-26T11:00:00.000Z");
	over = alertmanager_posted(&names, alert, BEFORE_MS + 2 * CLOCK_HOUR_MS);
	assert_has(over, "status", "resolved");
	assert_has(over, "at", "2026-11-26T11:00:00Z");
	assert_has(over, "key", json_string_value(json_object_get(request, "key")));
	assert_has(over, "ends_at", NULL);
	assert_has(request, "reopens", json_string_value(json_object_get(over, "id")));
	json_decref(over);
	json_decref(request);
	json_decref(alert);
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		alert = json_loads(titles[i].alert, 0, NULL);
		request = alertmanager_posted(&names, alert, BEFORE_MS);
		assert_has(request, "title", titles[i].title);
		json_decref(request);
		json_decref(alert);
	}
	alert = json_loads("{\"labels\":{}}", 0, NULL); /* nothing is needed */
	request = alertmanager_posted(&names, alert, BEFORE_MS);
	assert_has(request, "app", "alertmanager");
	assert_has(request, "title", "alert");
	assert_has(request, "at", NULL);
	assert_has(request, "severity", NULL);
	json_decref(request);
	json_decref(alert);
}

/* A text is cut between code points; a link that all alerts share is not copied at any length. */
static void long_texts_and_links_are_bounded(void **state)
{
	char *text = malloc(40001), *link = malloc(100001);
	json_t *alert, *group, *request;
	size_t len;

	for (int i = 0; i < 20000; i++)
		memcpy(text + 2 * i, "é", 2);
	text[0] = text[1] = 'x';
	memmove(text + 1, text + 2, 39998);
	text[39999] = '\0';
	memset(link, 'x', 100000);
	link[100000] = '\0';
	alert = json_pack("{s:{s:s}, s:{s:s}}", "labels", "alertname", "A", "annotations",
	        "description", text);
	group = json_pack("{s:s}", "externalURL", link);
	request = alertmanager_webhook(&names, alert, group, "alertmanager");
	len = json_string_length(json_object_get(request, "text"));
	assert_in_range(len, 30000, 33000);
	assert_string_equal(json_string_value(json_object_get(request, "text")) + len - 5, "é…");
	assert_null(json_object_get(request, "url"));
	json_decref(request);
	json_decref(group);
	json_decref(alert);
	free(text);
	free(link);
}

static void severities_are_mapped_by_the_table(void **state)
{
	static const struct {
		const char *label, *value, *expect;
	} table[] = {
	        {"severity", "page", "critical"},
	        {"severity", "PAGE", "critical"},
	        {"severity", "none", "info"},
	        {"severity", "high", "high"}, /* as on the socket */
	        {"priority", "p1", "critical"},
	        {"priority", "P2", "warning"},
	        {"colour", "red", NULL},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *alert = json_pack("{s:{s:s}}", "labels", table[i].label, table[i].value);
		json_t *request = alertmanager_webhook(&names, alert, NULL, "alertmanager");

		assert_has(request, "severity", table[i].expect);
		json_decref(request);
		json_decref(alert);
	}
}

/* What was over may begin again under the same startsAt, which Prometheus keeps. */
static void the_end_of_an_episode_reopens_it(void **state)
{
	json_t *alert = json_pack("{s:{s:s}, s:s, s:s}", "labels", "a", "b", "startsAt",
	        "2026-11-26T10:00:00Z", "status", "firing");
	json_t *firing = alertmanager_webhook(&names, alert, NULL, "alertmanager"), *resolved;

	json_object_set_new(alert, "status", json_string("resolved"));
	resolved = alertmanager_webhook(&names, alert, NULL, "alertmanager");
	assert_has(resolved, "reopens", json_string_value(json_object_get(firing, "id")));
	assert_has(firing, "reopens", json_string_value(json_object_get(resolved, "id")));
	assert_has(firing, "ends_at", NULL); /* it is told */
	json_decref(firing);
	json_decref(resolved);
	json_decref(alert);
}

static void the_end_is_given_or_comes_by_itself(void **state)
{
	static const struct {
		const char *ends, *expect;
	} table[] = {
	        {NULL, "2026-11-26T10:05:00.000Z"},
	        {"", "2026-11-26T10:05:00.000Z"},
	        {"soon", "2026-11-26T10:05:00.000Z"},
	        {"0001-01-01T00:00:00Z", "2026-11-26T10:05:00.000Z"}, /* Go's zero */
	        {"1970-01-01T00:00:00Z", "2026-11-26T10:05:00.000Z"},
	        {"2026-11-26T10:04:00Z", "2026-11-26T10:04:00.000Z"},
	        {"2027-01-01T00:00:00+01:00", "2026-12-31T23:00:00.000Z"},
	        {"2026-11-26T10:00:00Z", NULL},
	        {"2026-11-26T09:00:00Z", NULL},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		json_t *alert = json_pack("{s:{}, s:s*}", "labels", "endsAt", table[i].ends);
		json_t *request = alertmanager_posted(&names, alert, BEFORE_MS);

		assert_has(request, "ends_at", table[i].expect);
		assert_has(request, "status", table[i].expect ? "firing" : "resolved");
		json_decref(request);
		json_decref(alert);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(long_texts_and_links_are_bounded),
	        cmocka_unit_test(the_fingerprint_is_alertmanagers),
	        cmocka_unit_test(what_templates_printed_badly_is_left_out),
	        cmocka_unit_test(labels_and_annotations_become_an_alert),
	        cmocka_unit_test(severities_are_mapped_by_the_table),
	        cmocka_unit_test(the_end_of_an_episode_reopens_it),
	        cmocka_unit_test(the_end_is_given_or_comes_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

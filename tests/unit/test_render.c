/*
 * test_render.c - the words of a message: the texts of the built-in kinds, and hostile
 * text made harmless.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/alerts/render.h"
#include "handlers/alerts/route.h"
#include "tests/unit/handlers_fixture.h"

static void render(const char *text, char **body, char **html)
{
	struct config *config = fixture_config("");
	json_t *request = json_loads(text, 0, NULL);
	struct alert_fault fault;
	struct alert *alert;

	assert_non_null(request);
	assert_int_equal(alert_parse(request, config, 1000, &alert, &fault), OK);
	render_alert(config, alert, body, html);
	alert_destroy(alert);
	json_decref(request);
	config_unref(config);
}

static void the_texts_of_the_kinds(void **state)
{
	static const struct {
		const char *request, *body;
	} table[] = {
	        {"{\"app\":\"data_factory\",\"kind\":\"node_failed\",\"node_id\":\"etl_users\","
	         "\"duration_ms\":5321,\"error\":\"connection refused\"}",
	                "🚨 data_factory · etl_users FAILED in 5321ms\nerror: connection refused"},
	        {"{\"app\":\"dag_engine\",\"kind\":\"dag_failed\",\"run_id\":\"r-7\","
	         "\"dag_name\":\"nightly\",\"step_name\":\"load\",\"exit_code\":2}",
	                "❌ dag_engine · DAG nightly run r-7 FAILED\nstep load exit 2"},
	        {"{\"app\":\"call_monitor\",\"kind\":\"violations\",\"count\":61,"
	         "\"threshold\":50,\"rules\":\"a, b\"}",
	                "⚠️ call_monitor · violations_24h = 61 (threshold 50) — top rules: "
	                "a, "
	                "b"},
	        {"{\"app\":\"call_monitor\",\"kind\":\"error_rate\",\"function\":\"f\","
	         "\"rate\":0.15,\"threshold\":0.1}",
	                "⚠️ call_monitor · f error_rate_7d = 0.15 (threshold 0.1)"},
	        {"{\"app\":\"a\",\"title\":\"t\",\"text\":\"one\\ntwo\"}",
	                "⚠️ a · t\none\ntwo"},
	        {"{\"app\":\"a\",\"title\":\"t\",\"severity\":\"info\"}", "ℹ️ a · t"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char *body, *html;

		render(table[i].request, &body, &html);
		assert_string_equal(body, table[i].body);
		free(body);
		free(html);
	}
}

static void errors_are_cut_by_code_points(void **state)
{
	char request[2048] =
	        "{\"app\":\"a\",\"kind\":\"node_failed\",\"node_id\":\"n\",\"error\":\"";
	char *body, *html, *error;
	size_t points = 0;

	for (int i = 0; i < 300; i++)
		strcat(request, "é");
	strcat(request, "\"}");
	render(request, &body, &html);
	error = strstr(body, "error: ") + 7;
	for (int i = 0; error[i]; i++)
		points += ((unsigned char)error[i] & 0xC0) != 0x80;
	assert_int_equal(points, 201); /* 200 and "…" */
	assert_string_equal(error + strlen(error) - 3, "…");
	free(body);
	free(html);
}

static void hostile_text_is_harmless(void **state)
{
	char *body, *html;

	render("{\"app\":\"a\",\"title\":\"<b>@room</b> \\u202eevil https://matrix.to/#/@a:b\\n"
	       "🚨 other_app · forged\"}",
	        &body, &html);
	assert_null(strstr(html, "<b>@room"));
	assert_non_null(strstr(html, "&lt;b&gt;@room"));
	assert_non_null(strstr(html, "<code>"));
	assert_null(strstr(body, "\xE2\x80\xAE"));
	assert_null(strstr(body, "\n🚨")); /* a title stays on its line */
	free(body);
	free(html);
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
	        cmocka_unit_test(the_texts_of_the_kinds),
	        cmocka_unit_test(errors_are_cut_by_code_points),
	        cmocka_unit_test(hostile_text_is_harmless),
	        cmocka_unit_test(an_app_may_have_rooms_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

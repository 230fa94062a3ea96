/*
 * test_webhook.c - what webhooks post, by templates with JSON pointers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "bot/http/webhook.h"

static void pointers_find_what_they_name(void **state)
{
	static const struct {
		const char *text, *expect;
	} table[] = {
	        {"plain {text} {", "plain {text} {"},
	        {"{/a}", "x"},
	        {"<{/a}> {/n}", "<x> 7"},
	        {"{/list/1/b}", "second"},
	        {"{/list/9/b}{/none}{/a/b}{/null}", ""},
	        {"{/with~1slash} {/with~0tilde}", "s t"},
	        {"{/list/0}", "{\"b\":\"first\"}"},
	        {"{/yes}", "true"},
	        {"{/open", "{/open"},
	};
	json_t *body = json_loads("{\"a\":\"x\",\"n\":7,\"yes\":true,\"null\":null,\"with/"
	                          "slash\":\"s\",\"with~tilde\":"
	                          "\"t\",\"list\":[{\"b\":\"first\"},{\"b\":\"second\"}]}",
	        0, NULL);

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf out;

		buf_init(&out, 1024);
		webhook_expand(table[i].text, body, &out);
		assert_string_equal(buf_str(&out), table[i].expect);
		buf_finish(&out);
	}
	json_decref(body);
}

static void assert_has(const json_t *object, const char *name, const char *expect)
{
	const char *value = json_string_value(json_object_get(object, name));

	if (expect)
		assert_string_equal(value, expect);
	else
		assert_null(value);
}

static void a_mapping_makes_an_alert(void **state)
{
	static const char *fields[] = {"host={/h}", "none={/x}", "no template", NULL};
	struct config_webhook webhook = {.name = "ci",
	        .title = "{/job} failed",
	        .status = "{/result}",
	        .resolved = "resolved, OK, up",
	        .fields = (char **)fields};
	json_t *body = json_loads("{\"job\":\"build\",\"result\":\"ok\",\"h\":\"db1\"}", 0, NULL);
	json_t *request = webhook_request(&webhook, body);

	assert_has(request, "app", "ci");
	assert_has(request, "title", "build failed");
	assert_has(request, "status", "resolved");
	assert_has(request, "key", NULL);
	assert_has(json_object_get(request, "fields"), "host", "db1");
	assert_int_equal(json_object_size(json_object_get(request, "fields")), 1);
	json_decref(request);
	json_object_set_new(body, "result", json_string("broken"));
	request = webhook_request(&webhook, body);
	assert_has(request, "status", "firing");
	json_decref(request);
	/* with a list of what fires, the rest is nothing */
	webhook.firing = "failed, Broken";
	request = webhook_request(&webhook, body);
	assert_has(request, "status", "firing");
	json_decref(request);
	json_object_set_new(body, "result", json_string("OK"));
	request = webhook_request(&webhook, body);
	assert_has(request, "status", "resolved");
	json_decref(request);
	json_object_set_new(body, "result", json_string("queued"));
	assert_null(webhook_request(&webhook, body));
	json_object_set_new(body, "result", json_null());
	assert_null(webhook_request(&webhook, body));
	json_decref(body);
}

static void two_are_built_in(void **state)
{
	struct config config = {0};
	struct config_webhook own = {.name = "uptime-kuma", .app = "mine"};
	json_t *body =
	        json_loads("{\"heartbeat\":{\"status\":0},\"monitor\":{\"name\":\"site\",\"url\":"
	                   "\"https://s\"},\"msg\":\"[site] down\"}",
	                0, NULL);
	json_t *request = webhook_request(webhook_find(&config, "uptime-kuma"), body);

	assert_has(request, "title", "site");
	assert_has(request, "text", "[site] down");
	assert_has(request, "status", "firing");
	assert_has(request, "key", "site");
	json_decref(request);
	json_object_set_new(json_object_get(body, "heartbeat"), "status", json_integer(1));
	request = webhook_request(webhook_find(&config, "uptime-kuma"), body);
	assert_has(request, "status", "resolved");
	json_decref(request);
	json_decref(body);
	/* of a trial, or of a certificate: no state, which rings and ends */
	body = json_loads(
	        "{\"heartbeat\":null,\"monitor\":null,\"msg\":\"hook Testing\"}", 0, NULL);
	request = webhook_request(webhook_find(&config, "uptime-kuma"), body);
	assert_has(request, "severity", "warning");
	assert_has(request, "text", "hook Testing");
	json_decref(request);
	json_decref(body);
	assert_non_null(webhook_find(&config, "healthchecks"));
	assert_null(webhook_find(&config, "other"));
	config.webhooks = &own; /* the config's own come first */
	config.webhooks_len = 1;
	assert_ptr_equal(webhook_find(&config, "uptime-kuma"), &own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(pointers_find_what_they_name),
	        cmocka_unit_test(a_mapping_makes_an_alert),
	        cmocka_unit_test(two_are_built_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

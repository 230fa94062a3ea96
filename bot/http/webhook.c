/*
 * webhook.c - see webhook.h.
 */
#include "bot/http/webhook.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/http/web_internal.h"

#define EXPANDED_MAX (256 * 1024)

/* Both services send the same format. */
static const struct config_webhook built_in[] = {
        {.name = "healthchecks",
                .app = "healthchecks",
                .severity = "critical",
                .title = "{/name} is {/status}",
                .text = "{/body}",
                .key = "{/code}{/name}",
                .status = "{/status}",
                .resolved = "up",
                .url = "{/url}"},
        {.name = "uptime-kuma",
                .app = "uptime-kuma",
                .severity = "critical",
                .title = "{/monitor/name}",
                .text = "{/msg}",
                .key = "{/monitor/name}",
                .status = "{/heartbeat/status}",
                .resolved = "1",
                .url = "{/monitor/url}"},
};

/* ---- templates ---- */

/* Reads the next reference token of a JSON pointer, unescaped; false when it does not fit. */
static bool webhook_read_token(const char **pointer, const char *end, char *out, size_t size)
{
	size_t len = 0;

	for (++*pointer; *pointer < end && **pointer != '/'; ++*pointer) {
		char c = **pointer;

		if (c == '~' && *pointer + 1 < end) {
			++*pointer;
			c = **pointer == '1' ? '/' : '~';
		}
		if (len + 1 >= size)
			return false;
		out[len++] = c;
	}
	out[len] = '\0';
	return true;
}

/* The value at a pointer (from the slash to end); borrowed, NULL = none. */
static const json_t *find_value(const json_t *body, const char *pointer, const char *end)
{
	char token[256];

	while (body && pointer < end && *pointer == '/') {
		if (!webhook_read_token(&pointer, end, token, sizeof(token)))
			return NULL;
		if (json_is_array(body))
			body = json_array_get(body, strtoul(token, NULL, 10));
		else
			body = json_object_get(body, token);
	}
	return body;
}

static void add_value(struct buf *out, const json_t *value)
{
	char *text;

	if (json_is_string(value)) {
		buf_add_str(out, json_string_value(value));
	} else if (value && !json_is_null(value)) {
		text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_add_str(out, text);
		free(text);
	}
}

void webhook_expand(const char *text, const json_t *body, struct buf *out)
{
	while (*text) {
		const char *end = text[0] == '{' && text[1] == '/' ? strchr(text, '}') : NULL;

		if (end) {
			add_value(out, find_value(body, text + 1, end));
			text = end + 1;
		} else {
			buf_add_char(out, *text++);
		}
	}
}

/* ---- requests ---- */

static void set_member(json_t *request, const char *name, const char *text, const json_t *body)
{
	struct buf value;

	if (!text)
		return;
	buf_init(&value, EXPANDED_MAX);
	webhook_expand(text, body, &value);
	if (value.len > 0)
		json_object_set_new(request, name, json_string(buf_str(&value)));
	buf_finish(&value);
}

/* Whether the word is in a list separated by commas. */
static bool webhook_is_one_of(const char *word, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ",");

		if (len == strlen(word) && strncasecmp(word, list, len) == 0)
			return true;
		list += len;
		list += strspn(list, ", ");
	}
	return false;
}

static void set_fields(json_t *request, char *const *fields, const json_t *body)
{
	json_t *object = json_object();

	for (; fields && *fields; fields++) {
		const char *equals = strchr(*fields, '=');
		char *name = equals ? x_strndup(*fields, (size_t)(equals - *fields)) : NULL;

		if (name)
			set_member(object, name, equals + 1, body);
		free(name);
	}
	json_object_set_new(request, "fields", object);
}

static bool webhook_is_built_in(const struct config_webhook *webhook)
{
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
		if (webhook == &built_in[i])
			return true;
	return false;
}

json_t *webhook_request(const struct config_webhook *webhook, const json_t *body)
{
	const struct {
		const char *name, *text;
	} members[] = {
	        {"kind", webhook->kind},
	        {"severity", webhook->severity},
	        {"title", webhook->title},
	        {"text", webhook->text},
	        {"key", webhook->key},
	        {"run_id", webhook->run_id},
	        {"url", webhook->url},
	        {"at", webhook->at},
	};
	json_t *request = json_pack("{s:s, s:s}", "op", "alert", "app", webhook->name);
	const char *status;
	bool resolved;

	set_member(request, "app", webhook->app, body);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		set_member(request, members[i].name, members[i].text, body);
	set_fields(request, webhook->fields, body);
	set_member(request, "status", webhook->status, body);
	status = json_string_value(json_object_get(request, "status"));
	if (!status && webhook_is_built_in(webhook)) /* a notice, such as "Testing" */
		json_object_set_new(request, "severity", json_string("warning"));
	resolved = status && webhook_is_one_of(status, webhook->resolved);
	if (webhook->firing && !resolved &&
	        !(status && webhook_is_one_of(status, webhook->firing))) {
		json_decref(request);
		return NULL;
	}
	if (status)
		json_object_set_new(
		        request, "status", json_string(resolved ? "resolved" : "firing"));
	return request;
}

const struct config_webhook *webhook_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->webhooks_len; i++)
		if (strcmp(config->webhooks[i].name, name) == 0)
			return &config->webhooks[i];
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++)
		if (strcmp(built_in[i].name, name) == 0)
			return &built_in[i];
	return NULL;
}

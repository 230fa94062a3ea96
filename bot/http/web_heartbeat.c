/*
 * web_heartbeat.c - the addresses that apps call as a sign of life, also with what the ping URLs of
 * Healthchecks and the push monitors of Uptime Kuma say besides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "bot/base/alloc.h"
#include "bot/base/json_mend.h"
#include "bot/http/web_internal.h"

/* kept of the end of what a failed app wrote */
#define OUTPUT_MAX 1000 /* bytes */
#define OUTPUT_LINES 10

enum ping {
	PING_ALIVE,
	PING_FAILED,
	PING_NOTHING, /* begun, or a line for a log */
	PING_UNKNOWN
};

/* What comes after /heartbeat/APP/. */
static enum ping ping_read(const char *word)
{
	size_t digits = strspn(word, "0123456789");

	if (strcmp(word, "start") == 0 || strcmp(word, "log") == 0)
		return PING_NOTHING;
	if (strcmp(word, "fail") == 0)
		return PING_FAILED;
	if (digits == 0 || digits > 3 || word[digits])
		return PING_UNKNOWN;
	return strtol(word, NULL, 10) == 0 ? PING_ALIVE : PING_FAILED;
}

/* What failed, a new reference: the exit code, then the end of the body. */
static json_t *ping_text(struct web_call *call, const char *word)
{
	const char *body = buf_str(&call->body), *end = body + call->body.len, *from;
	const char *said = call_query(call, "msg");
	json_t *notes = json_array(), *text;
	unsigned lines = 0;
	struct buf out;

	while (end > body && strchr("\r\n\t ", end[-1]))
		end--;
	for (from = end; from > body && end - from < OUTPUT_MAX; from--)
		if (from[-1] == '\n' && ++lines == OUTPUT_LINES)
			break;
	while (from > body && from < end && (*from & 0xC0) == 0x80) /* not inside a character */
		from++;
	buf_init(&out, 64 * 1024);
	if (*word >= '0' && *word <= '9')
		buf_printf(&out, "exit %s\n", word);
	if (said)
		buf_printf(&out, "%s\n", said);
	buf_add_str(&out, from > body ? "…\n" : "");
	buf_add(&out, from, (size_t)(end - from));
	buf_trim_lines(&out);
	text = json_mend_string(buf_str(&out), out.len, notes, "failed");
	buf_finish(&out);
	json_decref(notes);
	return text;
}

void heartbeat_run(struct web_call *call)
{
	static const char *const names[] = {"every", "grace", "schedule", "name"};
	char *word = strchr(call->rest, '/');
	const char *status = call_query(call, "status");
	enum ping ping = word ? ping_read(word + 1) : PING_ALIVE;
	json_t *request;

	if (status && strcasecmp(status, "down") == 0 && ping == PING_ALIVE)
		ping = PING_FAILED;
	if (ping == PING_UNKNOWN) {
		call_error(call, MHD_HTTP_NOT_FOUND,
		        "after the app comes nothing, fail, start, log or an exit code");
		return;
	}
	if (ping == PING_NOTHING) {
		call_json(call, MHD_HTTP_OK, json_pack("{s:b, s:s}", "ok", 1, "state", "ignored"));
		return;
	}
	if (word)
		*word++ = '\0';
	request = json_pack("{s:s, s:s}", "op", "heartbeat", "app", call->rest);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = call_query(call, names[i]);

		if (value)
			json_object_set_new(request, names[i], json_string(value));
	}
	if (call_query(call, "stop"))
		json_object_set_new(request, "stop", json_true());
	else if (ping == PING_FAILED)
		json_object_set_new(request, "failed", ping_text(call, word ? word : ""));
	call_request(call, request);
}

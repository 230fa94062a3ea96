/*
 * page.c - GET /: what fires, who has it, and how the bot is, for the hour in which the room is not
 * there. Plain HTML without a script, light and dark, readable on a phone; it loads itself anew.
 */
#include <string.h>
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "bot/http/web_internal.h"

#define SHOWN_MAX 100
#define TEXT_POINTS 300

static const char head[] =
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
        "<meta http-equiv=refresh content=15><title>matrix-telemetry-bot</title><style>"
        ":root{color-scheme:light dark}"
        "body{font:16px/1.4 system-ui,sans-serif;max-width:50rem;margin:1rem auto;padding:0 1rem}"
        "ul{list-style:none;padding:0}li{padding:.5rem 0;border-top:1px solid #8886}"
        "small{opacity:.7}pre{white-space:pre-wrap;overflow-wrap:anywhere}"
        "</style><h1>matrix-telemetry-bot</h1>";

static void page_add_text(struct buf *out, const char *text)
{
	text_add_html(out, text ? text : "", TEXT_POINTS, TEXT_FOLD_NEWLINES);
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void page_add_alert(struct buf *out, const json_t *alert, int64_t now_ms)
{
	int64_t first_ms = json_integer_value(json_object_get(alert, "first_ms"));
	const char *severity = text_of(alert, "severity"), *url = text_of(alert, "url");
	const json_t *fields = json_object_get(alert, "fields");
	const char *error =
	        text_of(fields, "error") ? text_of(fields, "error") : text_of(fields, "text");
	char since[32];

	clock_format_duration(now_ms > first_ms ? now_ms - first_ms : 0, since, sizeof(since));
	buf_printf(out, "<li>%s <b>",
	        text_of(alert, "acked_by")          ? "👀"
	        : strcmp(severity, "critical") == 0 ? "🚨"
	        : strcmp(severity, "warning") == 0  ? "⚠️"
	                                            : "ℹ️");
	page_add_text(out, text_of(alert, "app"));
	buf_add_str(out, " · ");
	page_add_text(out, text_of(alert, "identity"));
	buf_printf(out, "</b> <small>%s</small>", since);
	if (text_of(alert, "acked_by")) {
		buf_add_str(out, "<br>acknowledged by ");
		page_add_text(out, text_of(alert, "acked_by"));
	}
	if (error) {
		buf_add_str(out, "<br><code>");
		page_add_text(out, error);
		buf_add_str(out, "</code>");
	}
	if (url && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0)) {
		buf_add_str(out, "<br><a rel=noreferrer href=\"");
		text_add_html(out, url, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
		buf_add_str(out, "\">dashboard</a>");
	}
	buf_add_str(out, "</li>");
}

void page_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s}", "op", "firing"));
	call_request(call, json_pack("{s:s}", "op", "status"));
}

void page_finish(struct web_call *call)
{
	const json_t *alerts = json_object_get(json_array_get(call->answers, 0), "alerts");
	const char *status = text_of(json_array_get(call->answers, 1), "text");
	int64_t now_ms = clock_now_ms();
	const json_t *alert;
	size_t i;

	call_text(call, call_worst(call), "text/html; charset=utf-8", head);
	buf_printf(&call->text, "<h2>Firing: %zu</h2><ul>", json_array_size(alerts));
	json_array_foreach(alerts, i, alert)
	{
		if (i < SHOWN_MAX)
			page_add_alert(&call->text, alert, now_ms);
	}
	buf_add_str(&call->text, "</ul>");
	if (json_array_size(alerts) > SHOWN_MAX)
		buf_printf(&call->text, "<p>+%zu more</p>", json_array_size(alerts) - SHOWN_MAX);
	buf_add_str(&call->text, "<h2>Status</h2><pre>");
	text_add_html(&call->text, status ? status : "not to be had now", TEXT_NO_LIMIT,
	        TEXT_KEEP_NEWLINES);
	buf_add_str(&call->text, "</pre>\n");
}

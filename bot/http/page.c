/*
 * page.c - GET /: firing alerts, acknowledgements, the queue and problems, for when the room cannot
 * be reached. The HTML is generated here and works without scripts; page.css and page.js go with
 * it. Text from outside is escaped, and links are http or https only.
 */
#include <stdarg.h>
#include <string.h>
#include "bot/base/clock.h"
#include "bot/http/page_files.h"
#include "bot/http/page.h"

#define LISTED_MAX 20 /* silences and undeliverable messages shown */
#define TEXT_POINTS 400

/* ---- elements ---- */

void page_text(struct page *page, const char *text)
{
	text_add_html(page->out, text ? text : "", TEXT_POINTS, TEXT_FOLD_NEWLINES);
}

const char *page_string(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

int64_t page_number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

void page_age(struct page *page, int64_t since_ms)
{
	char text[32];

	clock_format_duration(
	        page->now_ms > since_ms ? page->now_ms - since_ms : 0, text, sizeof(text));
	buf_add_str(page->out, text);
}

static void page_when(struct page *page, int64_t ms)
{
	char text[48];

	clock_format_short(ms, page->now_ms, text, sizeof(text));
	buf_add_str(page->out, text);
}

void page_heading(struct page *page, const char *text, size_t count)
{
	buf_printf(page->out, "<h2>%s", text);
	if (count > 0)
		buf_printf(page->out, " <b>%zu</b>", count);
	buf_add_str(page->out, "</h2>");
}

void page_form(struct page *page, const char *action)
{
	buf_printf(page->out,
	        "<form method=post action=\"%s\"><input type=hidden name=nonce value=\"%s\">",
	        action, page->nonce);
}

void page_more(struct page *page, size_t len, size_t most, const char *command)
{
	if (len > most)
		buf_printf(page->out, "<p class=more>+%zu more: %s</p>", len - most, command);
}

/* ---- status ---- */

static void page_problems(struct page *page)
{
	const json_t *problems = json_object_get(page->status, "problems"), *problem;
	size_t i;

	if (json_array_size(problems) == 0)
		return;
	page_heading(page, "What is wrong", json_array_size(problems));
	buf_add_str(page->out, "<ul class=cards>");
	json_array_foreach(problems, i, problem)
	{
		buf_add_str(page->out, "<li class=\"warning problem wrap\">");
		page_text(page, page_string(problem, "text"));
		buf_add_str(page->out, "<small>");
		page_text(page, page_string(problem, "fix"));
		buf_add_str(page->out, "</small></li>");
	}
	buf_add_str(page->out, "</ul>");
}

static void page_tile(
        struct page *page, const char *class, const char *name, int64_t number, const char *note)
{
	buf_printf(page->out,
	        "<dl class=\"tile %s\"><dt>%s</dt><dd>%lld</dd><dd class=of>%s</dd></dl>", class,
	        name, (long long)number, note);
}

/* "3 critical · 1 warning" */
static void page_severities(char out[96], int64_t critical, int64_t warning, int64_t info)
{
	const struct {
		const char *name;
		int64_t count;
	} parts[] = {{"critical", critical}, {"warning", warning}, {"info", info}};
	struct buf text;

	buf_init(&text, 95);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].count > 0)
			buf_printf(&text, "%s%lld %s", text.len ? " · " : "",
			        (long long)parts[i].count, parts[i].name);
	snprintf(out, 96, "%s", text.len ? buf_str(&text) : "none");
	buf_finish(&text);
}

static void page_tiles(struct page *page)
{
	size_t critical = page_count(page, 0), warning = page_count(page, 1);
	size_t info = page_count(page, 2), acked = page_count(page, PAGE_ACKED);
	size_t silenced = page_count(page, PAGE_SILENCED);
	const json_t *day = json_object_get(page->status, "alerts_24h");
	int64_t waiting = page_number(page->status, "waiting");
	int64_t oldest_ms = page->now_ms - page_number(page->status, "oldest_ms");
	int64_t a_day = 0;
	const char *key;
	json_t *count;
	char text[96], age[32];

	buf_add_str(page->out, "<div class=tiles>");
	page_severities(text, (int64_t)critical, (int64_t)warning, (int64_t)info);
	page_tile(page,
	        critical  ? "critical"
	        : warning ? "warning"
	                  : "",
	        "Unacknowledged", (int64_t)(critical + warning + info), text);
	snprintf(text, sizeof(text), "%zu silenced", silenced);
	page_tile(page, "", "Acknowledged", (int64_t)acked,
	        silenced ? text
	        : acked  ? "being handled"
	                 : "none");
	clock_format_duration(oldest_ms, age, sizeof(age));
	snprintf(text, sizeof(text), "oldest %s", age);
	page_tile(page, waiting && oldest_ms > CLOCK_MINUTE_MS ? "warning" : "", "Delivery queue",
	        waiting, waiting ? text : "everything is sent");
	json_object_foreach((json_t *)day, key, count)
	{
		a_day += json_integer_value(count);
	}
	page_severities(text, page_number(day, "critical"), page_number(day, "warning"),
	        page_number(day, "info"));
	page_tile(page, "", "Last 24 h", a_day, text);
	buf_add_str(page->out, "</div>");
}

static void page_silences(struct page *page)
{
	size_t len = json_array_size(page->silences), i;
	const json_t *silence;

	if (len == 0)
		return;
	page_heading(page, "Silences", len);
	buf_add_str(page->out, "<ul class=rows>");
	json_array_foreach(page->silences, i, silence)
	{
		const char *reason = page_string(silence, "reason");
		int64_t start_ms = page_number(silence, "start_ms");

		if (i >= LISTED_MAX)
			break;
		buf_add_str(page->out, "<li><span>🔕 <code>");
		page_text(page, page_string(silence, "matchers"));
		buf_add_str(page->out, "</code><br><small>");
		if (start_ms > page->now_ms) {
			buf_add_str(page->out, "from ");
			page_when(page, start_ms);
			buf_add_char(page->out, ' ');
		}
		buf_add_str(page->out, "until ");
		if (json_is_true(json_object_get(silence, "until_resolved")))
			buf_add_str(page->out, "resolved, at most until ");
		page_when(page, page_number(silence, "end_ms"));
		buf_printf(page->out, " · %lld silenced", (long long)page_number(silence, "held"));
		if (reason && *reason) {
			buf_add_str(page->out, " · ");
			page_text(page, reason);
		}
		buf_add_str(page->out, "</small></span>");
		if (page->acts) {
			page_form(page, "end");
			buf_printf(page->out,
			        "<input type=hidden name=id value=%lld><button>End</button></form>",
			        (long long)page_number(silence, "id"));
		}
		buf_add_str(page->out, "</li>");
	}
	buf_add_str(page->out, "</ul>");
	page_more(page, len, LISTED_MAX, "<code>matrix-telemetry-bot silences</code> lists them");
}

static void page_oncall(struct page *page)
{
	const json_t *turn;
	size_t i;

	if (json_array_size(page->oncall) == 0)
		return;
	page_heading(page, "On call", 0);
	buf_add_str(page->out, "<ul class=rows>");
	json_array_foreach(page->oncall, i, turn)
	{
		int64_t until_ms = page_number(turn, "until_ms");

		buf_add_str(page->out, "<li><span><b>");
		page_text(page, page_string(turn, "user"));
		buf_add_str(page->out, "</b> <small>");
		page_text(page, page_string(turn, "name"));
		buf_add_str(page->out, "</small></span><small>");
		if (until_ms) {
			buf_add_str(page->out, "until ");
			page_when(page, until_ms);
			buf_add_str(page->out, ", then ");
			page_text(page, page_string(turn, "next"));
		}
		buf_add_str(page->out, "</small></li>");
	}
	buf_add_str(page->out, "</ul>");
}

static void page_undeliverable(struct page *page)
{
	const json_t *list = json_object_get(page->status, "undeliverable_messages"), *row;
	size_t len = (size_t)page_number(page->status, "undeliverable"), i;

	if (json_array_size(list) == 0)
		return;
	page_heading(page, "Undeliverable", len);
	buf_add_str(page->out, "<ul class=rows>");
	json_array_foreach(list, i, row)
	{
		buf_printf(page->out, "<li><span class=bad-text>message %lld to ",
		        (long long)page_number(row, "id"));
		page_text(page, page_string(row, "room"));
		buf_add_str(page->out, "</span><small class=wrap>");
		page_text(page, page_string(row, "error"));
		buf_add_str(page->out, "</small></li>");
	}
	buf_add_str(page->out, "</ul>");
	page_more(page, len, json_array_size(list),
	        "<code>matrix-telemetry-bot status</code> lists them");
}

static void page_rooms(struct page *page)
{
	const json_t *rooms = json_object_get(page->status, "rooms"), *room;
	size_t i;

	page_heading(page, "Rooms", 0);
	buf_add_str(page->out, "<ul class=rows>");
	json_array_foreach(rooms, i, room)
	{
		bool ready = json_is_true(json_object_get(room, "ready"));

		buf_add_str(page->out, "<li><span><b>");
		page_text(page, page_string(room, "name"));
		buf_printf(page->out, "</b>%s <small>",
		        json_is_true(json_object_get(room, "encrypted")) ? " 🔒" : "");
		page_text(page, page_string(room, "address"));
		buf_printf(
		        page->out, "</small></span><small class=\"%s\">", ready ? "" : "bad-text");
		page_text(page, ready ? "ready" : page_string(room, "problem"));
		buf_add_str(page->out, "</small></li>");
	}
	buf_add_str(page->out, "</ul>");
}

/* ---- the whole page ---- */

static void page_head(struct page *page)
{
	size_t firing = json_array_size(page->alerts) - page_count(page, PAGE_ACKED) -
	                page_count(page, PAGE_SILENCED);

	buf_add_str(page->out, "<!doctype html><html lang=en><head><meta charset=utf-8>"
	                       "<meta name=viewport content=\"width=device-width,initial-scale=1\">"
	                       "<title>");
	if (firing > 0)
		buf_printf(page->out, "(%zu) ", firing);
	buf_add_str(page->out,
	        "matrix-telemetry-bot</title><link rel=icon href=\"data:,\"><link rel=stylesheet "
	        "href=\"page.css\"><script src=\"page.js\" defer></script><noscript><meta "
	        "http-equiv=refresh content=30></noscript></head><body><main>");
}

static void page_state(struct page *page)
{
	size_t problems = json_array_size(json_object_get(page->status, "problems"));
	const json_t *turn = json_array_get(page->oncall, 0);
	const char *said = page_said(page->call);

	buf_printf(page->out, "<header class=\"state%s\"><h1>", problems ? " bad" : "");
	if (!page->status)
		buf_add_str(page->out, "⚠️ The status cannot be read");
	else if (problems)
		buf_printf(page->out, "⚠️ Running, with %zu problem%s", problems,
		        problems == 1 ? "" : "s");
	else
		buf_add_str(page->out, "✅ Running");
	buf_add_str(page->out, "</h1><p>");
	if (turn) {
		buf_add_str(page->out, "on call: <b>");
		page_text(page, page_string(turn, "user"));
		buf_add_str(page->out, "</b>");
	} else {
		page_text(page, page->call->config->matrix.user);
	}
	buf_add_str(page->out, "</p></header>");
	if (said) {
		buf_add_str(page->out, "<p class=said role=status>");
		text_add_html(page->out, said, 2000, TEXT_KEEP_NEWLINES);
		buf_add_str(page->out, "</p>");
	}
}

static void page_foot(struct page *page)
{
	int64_t sync_ms = page_number(page->status, "last_sync_ms");
	int64_t p95_ms = page_number(page->status, "p95_ms");
	char text[32];

	buf_add_str(page->out, "<footer>As of ");
	page_when(page, page->now_ms);
	buf_add_str(page->out, " · up ");
	page_age(page, page->now_ms - page_number(page->status, "uptime_ms"));
	if (sync_ms) {
		buf_add_str(page->out, " · last sync ");
		page_age(page, sync_ms);
		buf_add_str(page->out, " ago");
	}
	if (p95_ms > 0) {
		clock_format_duration(p95_ms, text, sizeof(text));
		buf_printf(page->out, " · p95 %s", text);
	}
	buf_add_str(page->out, " · version ");
	page_text(page, page_string(page->status, "version"));
	buf_add_str(page->out,
	        " · <span id=live>reloads every 30 s</span></footer></main></body></html>\n");
}

void page_run(struct web_call *call)
{
	call_request(call, json_pack("{s:s}", "op", "firing"));
	call_request(call, json_pack("{s:s}", "op", "status"));
	call_request(call, json_pack("{s:s}", "op", "silences"));
	call_request(call, json_pack("{s:s}", "op", "oncall"));
}

void page_finish(struct web_call *call)
{
	const json_t *answer = json_array_get(call->answers, 1);
	struct page page = {
	        .call = call,
	        .out = &call->text,
	        .alerts = json_object_get(json_array_get(call->answers, 0), "alerts"),
	        .untold = page_number(json_array_get(call->answers, 0), "untold"),
	        .status = json_is_true(json_object_get(answer, "ok")) ? answer : NULL,
	        .silences = json_object_get(json_array_get(call->answers, 2), "silences"),
	        .oncall = json_object_get(json_array_get(call->answers, 3), "oncall"),
	        .now_ms = clock_now_ms(),
	        .acts = page_may_act(call),
	};

	call_text(call, call_worst(call), "text/html; charset=utf-8", "");
	if (page.acts)
		page_nonce(call, page.nonce);
	page_head(&page);
	page_state(&page);
	page_tiles(&page);
	page_problems(&page);
	page_alerts(&page);
	page_undeliverable(&page);
	page_silences(&page);
	buf_add_str(page.out, "<div class=aside><section>");
	page_oncall(&page);
	buf_add_str(page.out, "</section><section>");
	page_rooms(&page);
	buf_add_str(page.out, "</section></div>");
	page_foot(&page);
}

/* ---- style, script, events ---- */

/* GET /page.css */
void page_style_run(struct web_call *call)
{
	call_text(call, MHD_HTTP_OK, "text/css; charset=utf-8", page_css);
}

/* GET /page.js */
void page_script_run(struct web_call *call)
{
	call_text(call, MHD_HTTP_OK, "text/javascript; charset=utf-8", page_js);
}

/* GET /events */
void page_events_run(struct web_call *call)
{
	call_text(call, MHD_HTTP_OK, "text/event-stream", "");
	call->stream = true;
}

/*
 * page_alerts.c - the page's list of firing alerts with its acknowledge and silence forms.
 */
#include <string.h>
#include "bot/base/matcher.h"
#include "bot/http/page.h"

#define SHOWN_MAX 100
#define NAME_POINTS 160
#define RUNS_SHOWN 3

static bool page_is_acked(const json_t *alert)
{
	return page_string(alert, "acked_by");
}

/* By a silence or a quiet time. */
static bool page_is_silenced(const json_t *alert)
{
	return json_object_get(alert, "silence") || page_string(alert, "quiet");
}

/* The order on the page: unacknowledged first, the worst severity first. */
static int page_rank(const json_t *alert)
{
	const char *severity = page_string(alert, "severity");

	return page_is_acked(alert)                ? PAGE_ACKED
	       : page_is_silenced(alert)           ? PAGE_SILENCED
	       : strcmp(severity, "critical") == 0 ? 0
	       : strcmp(severity, "warning") == 0  ? 1
	                                           : 2;
}

size_t page_count(const struct page *page, int rank)
{
	const json_t *alert;
	size_t i, count = 0;

	json_array_foreach(page->alerts, i, alert)
	{
		count += page_rank(alert) == rank;
	}
	return count;
}

/* Adds name="value" in matcher syntax. */
static void page_matcher(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s%s=", out->len ? ", " : "", name);
	matchers_add_value(out, value, strlen(value));
}

/* Adds matchers for this alert only: its app, and its key or else its kind's identity fields. */
static void page_this(const struct page *page, const json_t *alert, struct buf *out)
{
	const struct config_kind *kind =
	        config_kind(page->call->config, page_string(alert, "kind"));
	const json_t *fields = json_object_get(alert, "fields");
	const char *key = page_string(alert, "key");

	page_matcher(out, "app", page_string(alert, "app"));
	if (key)
		page_matcher(out, "key", key);
	for (size_t i = 0; !key && kind && kind->identity[i]; i++) {
		const char *value = page_string(fields, kind->identity[i]);

		if (value)
			page_matcher(out, kind->identity[i], value);
	}
}

static void page_option(struct page *page, const struct buf *value, const char *label)
{
	buf_add_str(page->out, "<option value=\"");
	text_add_html(page->out, buf_str(value), TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	buf_printf(page->out, "\">%s", label);
}

/* What somebody hears who does not see which alert the button is in; the id keeps the focus. */
static void page_name_act(struct page *page, const char *act, const json_t *alert)
{
	long long entry = (long long)page_number(alert, "entry");

	buf_printf(page->out, " id=%s-%lld aria-labelledby=\"%s-%lld alert-%lld\"", act, entry, act,
	        entry, entry);
}

static void page_act_silence(struct page *page, const json_t *alert)
{
	struct buf this, app;

	buf_init(&this, 4096);
	buf_init(&app, 256);
	page_this(page, alert, &this);
	page_matcher(&app, "app", page_string(alert, "app"));
	buf_add_str(page->out, "<details><summary");
	page_name_act(page, "silence", alert);
	buf_add_str(page->out, ">🔕 Silence…</summary>");
	page_form(page, "silence");
	buf_add_str(
	        page->out, "<div class=fields><select name=what aria-label=\"what to silence\">");
	if (!this.overflow && strcmp(buf_str(&this), buf_str(&app)) != 0)
		page_option(page, &this, "this alert");
	page_option(page, &app, "all of ");
	page_text(page, page_string(alert, "app"));
	buf_add_str(page->out,
	        "</select><select name=duration aria-label=\"for how long\"><option value=1h>for "
	        "1 hour<option value=4h>for 4 hours<option value=1d>for 1 day<option value=\"until "
	        "resolved\">until "
	        "resolved</select><button>Silence</button></div></form></details>");
	buf_finish(&this);
	buf_finish(&app);
}

static void page_acts(struct page *page, const json_t *alert)
{
	buf_add_str(page->out, "<div class=acts>");
	if (!page_is_acked(alert)) {
		page_form(page, "ack");
		buf_printf(page->out,
		        "<input type=hidden name=entry value=%lld><button class=first",
		        (long long)page_number(alert, "entry"));
		page_name_act(page, "ack", alert);
		buf_add_str(page->out, ">👀 Acknowledge</button></form>");
	}
	page_act_silence(page, alert);
	buf_add_str(page->out, "</div>");
}

/* "run r-81 · dashboard" */
static void page_runs(struct page *page, const json_t *alert)
{
	const json_t *runs = json_object_get(alert, "run_ids");
	const char *url = page_string(alert, "url"), *between = "";
	size_t len = json_array_size(runs);

	if (len == 0 && !url)
		return;
	buf_add_str(page->out, "<div class=more>");
	if (len > 0)
		buf_add_str(page->out, len == 1 ? "run" : "runs");
	for (size_t i = 0; i < len && i < RUNS_SHOWN; i++) { /* newest first */
		buf_add_str(page->out, " <code>");
		text_add_html(page->out, json_string_value(json_array_get(runs, len - 1 - i)),
		        NAME_POINTS, TEXT_FOLD_NEWLINES);
		buf_add_str(page->out, "</code>");
		between = " · ";
	}
	if (len > RUNS_SHOWN)
		buf_printf(page->out, " +%zu", len - RUNS_SHOWN);
	if (url && (strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0)) {
		buf_printf(page->out, "%s<a rel=\"noreferrer noopener\" href=\"", between);
		text_add_html(page->out, url, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
		buf_add_str(page->out, "\">dashboard</a>");
	}
	buf_add_str(page->out, "</div>");
}

/* "🔕 silenced by quiet time night" */
static void page_hold(struct page *page, const json_t *alert)
{
	const char *quiet = page_string(alert, "quiet");

	if (!page_is_silenced(alert))
		return;
	buf_add_str(page->out, "<div class=more>🔕 silenced");
	if (quiet)
		buf_add_str(page->out, " by quiet time ");
	page_text(page, quiet);
	buf_add_str(page->out, "</div>");
}

static void page_alert(struct page *page, const json_t *alert)
{
	const json_t *fields = json_object_get(alert, "fields");
	const char *error = page_string(fields, "error"), *who = page_string(alert, "acked_by");
	const char *severity = page_string(alert, "severity"), *note = page_string(alert, "note");
	int64_t count = page_number(alert, "count");

	error = error ? error : page_string(fields, "text");
	buf_printf(page->out, "<li class=\"alert %s\"><div><div class=head><h3 id=alert-%lld>",
	        page_rank(alert) >= PAGE_ACKED ? "acked" : severity,
	        (long long)page_number(alert, "entry"));
	page_text(page, page_string(alert, "title"));
	if (count > 1)
		buf_printf(page->out, " ×%lld", (long long)count);
	buf_add_str(page->out, "</h3><small>");
	page_age(page, page_number(alert, "first_ms"));
	buf_add_str(page->out, "</small></div>");
	if (who) {
		buf_add_str(page->out, "<div class=more>acknowledged by <span class=who>");
		page_text(page, who);
		buf_add_str(page->out, "</span>");
		if (note)
			buf_add_str(page->out, ": ");
		page_text(page, note);
		buf_add_str(page->out, "</div>");
	}
	page_hold(page, alert);
	if (error) {
		buf_add_str(page->out, "<div class=\"error mono\">");
		page_text(page, error);
		buf_add_str(page->out, "</div>");
	}
	page_runs(page, alert);
	buf_add_str(page->out, "</div>");
	if (page->acts)
		page_acts(page, alert);
	buf_add_str(page->out, "</li>");
}

void page_alerts(struct page *page)
{
	size_t len = json_array_size(page->alerts), shown = 0, i;
	const json_t *alert;

	page_heading(page, "Firing", len);
	if (len == 0) {
		buf_add_str(page->out, "<p class=empty>✅ Nothing is firing</p>");
		return;
	}
	buf_add_str(page->out, "<ul class=cards>");
	for (int rank = 0; rank < PAGE_RANKS; rank++)
		json_array_foreach(page->alerts, i, alert)
		{
			if (page_rank(alert) == rank && shown++ < SHOWN_MAX)
				page_alert(page, alert);
		}
	buf_add_str(page->out, "</ul>");
	page_more(page, len, SHOWN_MAX, "<code>matrix-telemetry-bot alerts</code> lists them");
	if (page->untold > 0)
		buf_printf(page->out,
		        "<p class=more>🌊 %lld more alerts of a storm are only counted: "
		        "<code>matrix-telemetry-bot alerts</code> lists them</p>",
		        (long long)page->untold);
}

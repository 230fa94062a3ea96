/*
 * render.c - see render.h. A message is a list of blocks, one an entry, as plain text and HTML.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/alerts/content.h"
#include "handlers/alerts/render.h"
#include "handlers/alerts/template.h"

#define RENDER_BLOCK_MAX (256 * 1024)
#define EVENT_INTEGER_MAX ((INT64_C(1) << 53) - 1)
#define RENDER_FIELD_POINTS 500 /* code points of a field in the data */
#define RENDER_NOTE_POINTS 200  /* code points of an ack's note */
#define RENDER_SLACK 256        /* bytes of ×N, resolved, dates, commas and braces of an entry */
#define RENDER_LATE_MS CLOCK_MINUTE_MS

struct lookup {
	const struct config *config;
	const struct alert *alert;
};

/* The emoji an entry shows. */
static const char *render_emoji(
        const struct config *config, const char *kind, enum severity severity)
{
	const struct config_kind *known = config_kind(config, kind);

	return known && known->emoji ? known->emoji : config->severity[severity].emoji;
}

static char *render_value(const char *name, const void *arg)
{
	const struct lookup *lookup = arg;
	char *value;

	if (strcmp(name, "emoji") == 0)
		return x_strdup(
		        render_emoji(lookup->config, lookup->alert->kind, lookup->alert->severity));
	value = alert_value(lookup->alert, name);
	/* a kind that nobody described still says what failed */
	if (!value && strcmp(name, "title") == 0)
		value = x_strdup(lookup->alert->identity);
	return value;
}

void render_alert(const struct config *config, const struct alert *alert, char **body, char **html)
{
	struct lookup lookup = {config, alert};
	const struct config_kind *kind = config_kind(config, alert->kind);
	struct buf out;

	if (!kind)
		kind = config_kind(config, "message");
	buf_init(&out, RENDER_BLOCK_MAX);
	template_expand(&out, kind->text, TEMPLATE_PLAIN, TEMPLATE_TEXT_MAX, render_value, &lookup);
	*body = buf_take(&out);
	buf_init(&out, RENDER_BLOCK_MAX);
	template_expand(&out, kind->html ? kind->html : kind->text,
	        kind->html ? TEMPLATE_HTML : TEMPLATE_DERIVED, TEMPLATE_TEXT_MAX, render_value,
	        &lookup);
	*html = buf_take(&out);
}

char *render_url(const struct config *config, const struct alert *alert)
{
	struct lookup lookup = {config, alert};
	const struct config_app *app = config_app(config, alert->app);
	struct buf out;

	if (alert->url)
		return x_strdup(alert->url);
	if (!app || !app->dashboard)
		return NULL;
	buf_init(&out, ALERT_URL_MAX);
	template_expand(
	        &out, app->dashboard, TEMPLATE_URI, TEMPLATE_TEXT_MAX, render_value, &lookup);
	if (out.overflow) {
		buf_finish(&out);
		return NULL;
	}
	return buf_take(&out);
}

/* --- blocks ------------------------------------------------------------------------------- */

static void block_add(struct buf *out, const char *text, bool html)
{
	if (html)
		text_add_html(out, text, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	else
		text_add_plain(out, text, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
}

/* "run r-1" or "runs: r-1, r-2", and the link. */
static void block_add_runs(struct buf *out, const struct entry_row *entry, bool html)
{
	json_t *runs = json_loads(entry->run_ids ? entry->run_ids : "[]", 0, NULL);
	size_t len = json_array_size(runs), i;

	if (len > 0 || entry->url)
		buf_add_str(out, html ? "<br>" : "\n");
	if (len > 0)
		buf_add_str(out, len == 1 ? "run " : "runs: ");
	for (i = 0; i < len; i++) {
		buf_add_str(out, i ? ", " : "");
		buf_add_str(out, html ? "<code>" : "");
		block_add(out, json_string_value(json_array_get(runs, i)), html);
		buf_add_str(out, html ? "</code>" : "");
	}
	json_decref(runs);
	if (!entry->url)
		return;
	buf_add_str(out, len > 0 ? " · " : "");
	if (html) {
		buf_add_str(out, "<a href=\"");
		block_add(out, entry->url, true);
		buf_add_str(out, "\">dashboard</a>");
	} else {
		block_add(out, entry->url, false);
	}
}

static void block_add_happened(
        struct buf *out, const struct entry_row *entry, int64_t now_ms, bool html)
{
	char when[40], ago[24];

	if (now_ms - entry->first_ms <= RENDER_LATE_MS)
		return;
	clock_format_short(entry->first_ms, now_ms, when, sizeof(when));
	clock_format_duration(now_ms - entry->first_ms, ago, sizeof(ago));
	buf_printf(out, "%shappened at %s, %s ago", html ? "<br>" : "\n", when, ago);
}

static void block_add_ack(struct buf *out, const struct entry_row *entry, bool html)
{
	buf_printf(out, "%s✅ acked by ", html ? "<br>" : "\n");
	block_add(out, entry->acked_by, html);
	if (!entry->ack_note)
		return;
	buf_add_str(out, ": ");
	if (html)
		template_add_value_html(out, entry->ack_note, RENDER_NOTE_POINTS, false);
	else
		text_add_plain(out, entry->ack_note, RENDER_NOTE_POINTS, TEXT_FOLD_NEWLINES);
}

static void render_block(
        struct buf *out, const struct entry_row *entry, int64_t now_ms, bool late, bool html)
{
	const char *text = html ? entry->html : entry->body;
	const char *end = strstr(text, html ? "<br>" : "\n");
	size_t first = end ? (size_t)(end - text) : strlen(text);
	char after[24];

	buf_add(out, text, first);
	if (entry->count > 1)
		buf_printf(out, " ×%" PRId64, entry->count);
	if (entry->resolved_ms) {
		clock_format_duration(entry->resolved_ms - entry->first_ms, after, sizeof(after));
		buf_printf(out, " — ✅ resolved after %s", after);
	}
	buf_add_str(out, text + first);
	if (entry->acked_ms && !entry->resolved_ms)
		block_add_ack(out, entry, html);
	if (late)
		block_add_happened(out, entry, now_ms, html);
	block_add_runs(out, entry, html);
}

/* --- data --------------------------------------------------------------------------------- */

/* Events hold integers alone, of at most 53 bits (canonical JSON): a homeserver refuses the whole
 * event for another number. */
static bool fits_event(const json_t *value)
{
	json_int_t integer = json_integer_value(value);

	return !json_is_number(value) || (json_is_integer(value) && integer >= -EVENT_INTEGER_MAX &&
	                                         integer <= EVENT_INTEGER_MAX);
}

static json_t *data_fields(const char *text)
{
	json_t *fields = json_loads(text ? text : "{}", 0, NULL), *value;
	const char *name;
	struct buf cut;
	void *next;

	buf_init(&cut, RENDER_FIELD_POINTS * 4 + 16);
	json_object_foreach_safe(fields, next, name, value)
	{
		char *text_value;

		if (!json_is_string(value) && fits_event(value))
			continue;
		text_value = alert_scalar_text(value);
		buf_reset(&cut);
		text_add_plain(&cut, text_value, RENDER_FIELD_POINTS, TEXT_KEEP_NEWLINES);
		json_object_set_new(fields, name, json_string(buf_str(&cut)));
		free(text_value);
	}
	buf_finish(&cut);
	return fields;
}

static json_t *data_entry(const struct entry_row *entry)
{
	char first[32], last[32];

	clock_format_rfc3339(entry->first_ms, first, sizeof(first));
	clock_format_rfc3339(entry->last_ms, last, sizeof(last));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:I, s:o?, s:s, s:s, s:s?, s:o?, s:s*}",
	        "app", entry->app, "kind", entry->kind, "severity",
	        severity_name((enum severity)entry->severity), "status",
	        entry->resolved_ms ? "resolved" : "firing", "fingerprint", entry->fingerprint,
	        "identity", entry->identity, "count", (json_int_t)entry->count, "run_ids",
	        json_loads(entry->run_ids ? entry->run_ids : "[]", 0, NULL), "first_at", first,
	        "last_at", last, "url", entry->url, "fields", data_fields(entry->fields),
	        "acked_by", entry->acked_ms ? entry->acked_by : NULL);
}

int64_t render_entry_size(const struct entry_row *entry)
{
	struct buf body, html;
	json_t *data = data_entry(entry);
	char *text = json_dumps(data, JSON_COMPACT);
	int64_t size = RENDER_SLACK + (text ? (int64_t)strlen(text) : 0);

	buf_init(&body, RENDER_BLOCK_MAX);
	buf_init(&html, RENDER_BLOCK_MAX);
	render_block(&body, entry, 0, false, false);
	render_block(&html, entry, 0, false, true);
	/* an edit holds the body twice, as its fallback and as what is new */
	size += 2 * (int64_t)text_json_size(buf_str(&body)) +
	        (int64_t)text_json_size(buf_str(&html));
	buf_finish(&body);
	buf_finish(&html);
	free(text);
	json_decref(data);
	return size;
}

/* --- messages ----------------------------------------------------------------------------- */

static const char *msgtype_of(const struct config *config, const struct message_row *message)
{
	const struct config_app *app = config_app(config, message->origin);

	return app && app->quiet ? "m.notice" : config->severity[message->severity].msgtype;
}

/* Worst first, then in order of arrival: one pass for each severity. */
static void message_text(const struct render_message *in, struct buf *out, bool html, json_t *data)
{
	bool late = in->message->frozen_ms == 0 || in->message->frozen_ms == in->now_ms;

	if (in->message->lead)
		block_add(out, in->message->lead, html);
	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--)
		for (size_t i = 0; i < in->entries_len; i++) {
			if (in->entries[i].severity != severity)
				continue;
			if (out->len > 0)
				buf_add_str(out, html ? "<br><br>" : "\n\n");
			render_block(out, &in->entries[i], in->now_ms,
			        late || in->now_ms - in->entries[i].first_ms > RENDER_LATE_MS,
			        html);
			if (data)
				json_array_append_new(data, data_entry(&in->entries[i]));
		}
}

char *render_message(const struct config *config, const struct render_message *in)
{
	const char *msgtype = msgtype_of(config, in->message);
	json_t *entries = json_array(), *content;
	struct buf body, html;
	char *fallback, *text;

	buf_init(&body, RENDER_BLOCK_MAX);
	buf_init(&html, RENDER_BLOCK_MAX);
	message_text(in, &body, false, entries);
	message_text(in, &html, true, NULL);
	content = content_text(
	        msgtype, buf_str(&body), buf_str(&html), content_mentions(in->mention));
	if (in->edit) {
		/* m.mentions outside is for who is new in this edit: nobody (client-server API,
		 * "Mentioning the user, room, and encryption of edits") */
		fallback = x_asprintf("* %s", buf_str(&body));
		content = json_pack("{s:s, s:s, s:{}, s:o, s:{s:s, s:s}}", "msgtype", msgtype,
		        "body", fallback, "m.mentions", "m.new_content", content, "m.relates_to",
		        "rel_type", "m.replace", "event_id", in->message->event_id);
		free(fallback);
	}
	json_object_set_new(content, RENDER_KEY,
	        json_pack("{s:i, s:s, s:I, s:o}", "v", 1, "txn_id", in->txn_id, "message",
	                (json_int_t)in->message->id, "entries", entries));
	text = json_dumps(content, JSON_COMPACT);
	json_decref(content);
	buf_finish(&body);
	buf_finish(&html);
	return text;
}

char *render_resolved(const struct config *config, const struct message_row *message,
        const struct entry_row *entry, const char *txn_id)
{
	char after[24], *text;
	struct buf body, html;
	json_t *content;

	clock_format_duration(entry->resolved_ms - entry->first_ms, after, sizeof(after));
	buf_init(&body, RENDER_BLOCK_MAX);
	buf_init(&html, RENDER_BLOCK_MAX);
	buf_printf(&body, "✅ resolved after %s: ", after);
	buf_printf(&html, "✅ resolved after %s: ", after);
	text_add_plain(
	        &body, entry->identity ? entry->identity : entry->kind, 200, TEXT_FOLD_NEWLINES);
	template_add_value_html(&html, entry->identity ? entry->identity : entry->kind, 200, false);
	content = content_text("m.notice", buf_str(&body), buf_str(&html), json_object());
	content_thread(content, message->event_id, message->event_id);
	json_object_set_new(content, RENDER_KEY,
	        json_pack("{s:i, s:s, s:I, s:[o]}", "v", 1, "txn_id", txn_id, "message",
	                (json_int_t)message->id, "entries", data_entry(entry)));
	text = json_dumps(content, JSON_COMPACT);
	json_decref(content);
	buf_finish(&body);
	buf_finish(&html);
	return text;
}

char *render_ring_lead(const char *origin, int64_t more, int64_t since_ms, int64_t now_ms)
{
	char when[40];

	clock_format_short(since_ms, now_ms, when, sizeof(when));
	return x_asprintf("🚨 %s · %" PRId64 " more critical failure%s joined the message of %s",
	        origin, more, more == 1 ? "" : "s", when);
}

char *render_storm_lead(int64_t alerts, int64_t apps, int64_t since_ms, int64_t now_ms, bool over)
{
	char text[24];

	clock_format_duration(now_ms - since_ms, text, sizeof(text));
	return x_asprintf("🌊 storm%s: %" PRId64 " alert%s of %" PRId64 " app%s in %s",
	        over ? " is over" : "", alerts, alerts == 1 ? "" : "s", apps, apps == 1 ? "" : "s",
	        text);
}

/*
 * entry_words.c - see entry_words.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/alerts/facts.h"
#include "handlers/alerts/template.h"
#include "handlers/alerts/web_link.h"

#define NOTE_POINTS 200 /* of an acknowledgement */
#define HTML_MAX_BYTES (128 * 1024)
/* For a kind without a template; its fields follow. */
#define PLAIN_TEXT "{emoji} **{app} · {title}**\n{text}"

/* An entry with its template. */
struct entry_text {
	const struct entry_row *entry;
	const struct config *config;
	struct facts facts;
	struct template template;
	const char *html;  /* template or NULL */
	bool is_described; /* the kind has a text of its own */
};

static const char *entry_firing_emoji(const struct config *config, const struct entry_row *entry)
{
	const struct config_kind *kind = config_kind(config, entry->kind);

	return kind && kind->emoji ? kind->emoji : config->severity[entry->severity].emoji;
}

const char *entry_emoji(const struct config *config, const struct entry_row *entry)
{
	if (entry->resolved_ms)
		return "✅";
	if (entry->test)
		return "🧪";
	return entry->acked_ms ? "👀" : entry_firing_emoji(config, entry);
}

bool entry_is_late(const struct entry_row *entry, int64_t now_ms)
{
	int64_t told_ms = entry->told_ms ? entry->told_ms : now_ms;

	return told_ms - entry->first_ms > ENTRY_LATE_MS;
}

static char *entry_value(const char *name, const void *arg)
{
	const struct entry_text *of = arg;
	char *value = facts_value(&of->facts, name);

	/* a kind without a template still needs a headline that says what failed */
	if (!value && strcmp(name, "title") == 0)
		value = x_strdup(of->entry->identity);
	return value;
}

static void entry_text_init(
        struct entry_text *of, const struct config *config, const struct entry_row *entry)
{
	const struct config_kind *kind = config_kind(config, entry->kind);

	*of = (struct entry_text){.entry = entry, .config = config};
	facts_of_entry(&of->facts, entry);
	of->is_described = kind && kind->text;
	of->html = kind ? kind->html : NULL;
	of->template = (struct template){
	        .text = of->is_described ? kind->text : PLAIN_TEXT,
	        .value = entry_value,
	        .arg = of,
	        .emoji = entry_emoji(config, entry),
	};
}

/* --- pieces ------------------------------------------------------------------------------- */

/* Begins a part of a line that holds several; *any: there is a part before it. */
static void entry_separate(struct words *out, bool *any)
{
	words_say(out, "%s", *any ? " · " : "");
	*any = true;
}

static void entry_say_happened(const struct entry_words *of, struct words *out, bool *any)
{
	if (!entry_is_late(of->entry, of->now_ms))
		return;
	entry_separate(out, any);
	words_say(out, "happened at ");
	words_when(out, of->entry->first_ms, of->now_ms);
}

/* The links that an alert has as fields, as Prometheus and Grafana give them. */
static void entry_say_links(const struct entry_text *text, struct words *out, bool *any)
{
	static const char *const links[][2] = {
	        {"runbook_url", "runbook"}, {"silenceURL", "silence"}};
	const char *value, *why;

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		value = json_string_value(json_object_get(text->facts.fields, links[i][0]));
		char *url = value ? web_link(value, ALERT_URL_MAX, &why) : NULL;

		if (!url)
			continue;
		if (!*any)
			words_break(out);
		entry_separate(out, any);
		words_link(out, url);
		words_say(out, "%s", links[i][1]);
		words_link_end(out);
		free(url);
	}
}

/* "run r-1" or "5 runs: b-5 b-4 b-3 +2", the time it happened, and links. any: the line has text
 * already. */
static void entry_say_runs(
        const struct entry_words *of, const struct entry_text *text, struct words *out, bool any)
{
	json_t *runs = json_loads(of->entry->run_ids, 0, NULL);
	size_t len = (size_t)of->entry->runs;
	bool said = len == 1 && !of->entry->resolved_ms && !text->html &&
	            strstr(text->template.text, "{run_id");
	bool happened = entry_is_late(of->entry, of->now_ms);

	if (!any && ((len > 0 && !said) || happened || of->entry->url))
		words_break(out);
	if (len > 0 && !said) {
		entry_separate(out, &any);
		if (len == 1)
			words_say(out, "run ");
		else
			words_say(out, "%zu runs: ", len);
		words_runs(out, runs, len, WORDS_RUNS_MAX);
	}
	entry_say_happened(of, out, &any);
	if (of->entry->url) {
		entry_separate(out, &any);
		words_link(out, of->entry->url);
		words_say(out, "dashboard");
		words_link_end(out);
	}
	if (!of->entry->resolved_ms && text->is_described)
		entry_say_links(text, out, &any);
	json_decref(runs);
}

/* The fields of a kind without a template. */
static void entry_say_fields(const struct entry_text *of, struct words *out)
{
	char *all = of->facts.run_id ? x_asprintf("%salert %s", of->config->commands.prefix,
	                                       of->facts.run_id)
	                             : NULL;
	const char *name;
	json_t *value;

	words_list(out, WORDS_LIST_MAX, all);
	json_object_foreach((json_t *)of->facts.fields, name, value)
	{
		char *text;

		if (strcmp(name, "title") == 0 || strcmp(name, "text") == 0)
			continue;
		text = alert_scalar_text(value);
		words_item(out);
		words_name(out, name, WORDS_NAME_POINTS);
		words_say(out, ": ");
		words_error(out, text, WORDS_ERROR_POINTS);
		free(text);
	}
	words_list_end(out);
	free(all);
}

/* "op1: `rolling back`" */
static void entry_say_by(
        const struct entry_words *of, const char *who, const char *note, struct words *out)
{
	words_bold(out, true);
	words_user(out, who, of->config->matrix.user);
	words_bold(out, false);
	words_say(out, "%s", note ? ": " : "");
	words_code(out, note, NOTE_POINTS);
}

static void entry_say_ack(const struct entry_words *of, struct words *out)
{
	words_say(out, "acknowledged by ");
	entry_say_by(of, of->entry->acked_by, of->entry->ack_note, out);
}

/* --- alone -------------------------------------------------------------------------------- */

static void entry_say_name(const struct entry_words *of, struct words *out)
{
	words_say(out, "%s", of->entry->test ? "TEST · " : "");
	words_name(out, of->entry->app, WORDS_NAME_POINTS);
	words_say(out, " · ");
	words_what(out, of->entry->identity);
}

void entry_say_hand(const struct entry_words *of, struct words *out)
{
	words_say(out, " by ");
	entry_say_by(of, of->entry->resolved_by, of->entry->resolve_note, out);
}

/* " after 1m 39s by op1: `fixed by hand`" */
static void entry_say_after(const struct entry_words *of, struct words *out)
{
	const struct entry_row *entry = of->entry;

	words_say(out, " after ");
	words_duration(out, entry->resolved_ms - entry->first_ms);
	if (entry->resolved_by && !of->one_hand)
		entry_say_hand(of, out);
}

static void entry_say_over(
        const struct entry_words *of, const struct entry_text *text, struct words *out)
{
	bool any;

	words_say(out, "✅ ");
	words_bold(out, true);
	entry_say_name(of, out);
	words_say(out, " resolved");
	words_bold(out, false);
	entry_say_after(of, out);
	if (of->entry->count > 1)
		words_say(out, " · ×%" PRId64, of->entry->count);
	words_break(out);
	any = template_detail(&text->template, out, "", true);
	entry_say_runs(of, text, out, any);
}

static void entry_say_html(const struct entry_text *of, struct words *out, const char *count)
{
	struct words plain;
	struct buf html;
	char *body;

	words_init(&plain);
	template_headline(&of->template, &plain, of->entry->test ? "TEST · " : "", count, true);
	template_details(&of->template, &plain);
	body = words_body(&plain);
	buf_init(&html, HTML_MAX_BYTES);
	{
		struct template own = of->template;

		own.text = of->html;
		template_html(&own, &html, count);
	}
	words_raw(out, body, buf_str(&html));
	buf_finish(&html);
	free(body);
	words_finish(&plain);
}

void entry_say(const struct entry_words *of, struct words *out)
{
	const struct entry_row *entry = of->entry;
	struct entry_text text;
	char count[32] = "";

	entry_text_init(&text, of->config, entry);
	if (entry->count > 1)
		snprintf(count, sizeof(count), " ×%" PRId64, entry->count);
	if (entry->resolved_ms) {
		entry_say_over(of, &text, out);
	} else if (text.html) {
		entry_say_html(&text, out, count);
		if (entry->acked_ms) {
			words_break(out);
			entry_say_ack(of, out);
		}
		entry_say_runs(of, &text, out, false);
	} else {
		template_headline(
		        &text.template, out, entry->test ? "TEST · " : "", count, !entry->acked_ms);
		if (entry->acked_ms) {
			words_say(out, " · ");
			entry_say_ack(of, out);
		}
		template_details(&text.template, out);
		if (!text.is_described)
			entry_say_fields(&text, out);
		entry_say_runs(of, &text, out, false);
	}
	facts_finish(&text.facts);
}

/* --- in a list ---------------------------------------------------------------------------- */

/* What failed, in bold while it is firing, and why. */
static void entry_say_listed_what(
        const struct entry_words *of, const struct entry_text *text, struct words *out)
{
	const struct entry_row *entry = of->entry;
	bool details = strchr(text->template.text, '\n') != NULL;

	if (of->with_app) {
		words_name(out, entry->app, WORDS_NAME_POINTS);
		words_say(out, " · ");
	}
	if (entry->resolved_ms) {
		words_struck(out, true);
		words_what(out, entry->identity);
		words_struck(out, false);
		entry_say_after(of, out);
		return;
	}
	if (details) {
		words_bold(out, true);
		words_what(out, entry->identity);
		words_bold(out, false);
	} else {
		template_entry(&text->template, out);
	}
	if (entry->count > 1)
		words_say(out, " ×%" PRId64, entry->count);
	if (details)
		template_detail(&text->template, out, " ", false);
}

void entry_say_listed(const struct entry_words *of, struct words *out)
{
	const struct entry_row *entry = of->entry;
	const char *emoji = entry_emoji(of->config, entry);
	json_t *runs = json_loads(entry->run_ids, 0, NULL);
	struct entry_text text;
	bool any = true;

	entry_text_init(&text, of->config, entry);
	if (strcmp(emoji, of->headline) != 0)
		words_say(out, "%s ", emoji);
	entry_say_listed_what(of, &text, out);
	if (json_array_size(runs) > 0 || entry->url) {
		words_say(out, " · ");
		words_link(out, entry->url);
		if (json_array_size(runs) > 0)
			words_runs(out, runs, (size_t)entry->runs, 1);
		else
			words_say(out, "dashboard");
		words_link_end(out);
	}
	entry_say_happened(of, out, &any);
	if (entry->acked_ms && !entry->resolved_ms) {
		words_say(out, " · ");
		words_user(out, entry->acked_by, of->config->matrix.user);
	}
	facts_finish(&text.facts);
	json_decref(runs);
}

void entry_say_resolved(const struct entry_words *of, struct words *out)
{
	json_t *runs = json_loads(of->entry->run_ids, 0, NULL);

	words_say(out, "✅ ");
	entry_say_name(of, out);
	words_say(out, " resolved");
	entry_say_after(of, out);
	if (json_array_size(runs) > 0) {
		words_say(out, " (");
		words_runs(out, runs, (size_t)of->entry->runs, WORDS_RUNS_MAX);
		words_say(out, ")");
	}
	json_decref(runs);
}

char *entry_title(const struct config *config, const struct entry_row *entry)
{
	struct entry_text text;
	struct words words;
	char *title;

	entry_text_init(&text, config, entry);
	words_init(&words);
	if (entry->resolved_ms)
		words_say(&words, "%s %s · %s resolved", text.template.emoji, entry->app,
		        entry->identity);
	else
		template_headline(&text.template, &words, entry->test ? "TEST · " : "", "", true);
	title = words_body(&words);
	words_finish(&words);
	facts_finish(&text.facts);
	return title;
}

char *entry_title_of_alert(const struct config *config, const struct alert_row *row)
{
	json_t *runs = json_array();
	struct entry_row entry = {
	        .app = row->app,
	        .kind = row->kind,
	        .identity = row->identity,
	        .severity = row->severity,
	        .resolved_ms = row->resolved ? row->at_ms : 0,
	        .test = row->test,
	        .last_ms = row->at_ms,
	        .url = row->url,
	        .key = row->key,
	        .ext_id = row->ext_id,
	        .fields = row->fields,
	};
	char *title;

	if (row->run_id)
		json_array_append_new(runs, json_string(row->run_id));
	entry.run_ids = json_dumps(runs, JSON_COMPACT);
	title = entry_title(config, &entry);
	free(entry.run_ids);
	json_decref(runs);
	return title;
}

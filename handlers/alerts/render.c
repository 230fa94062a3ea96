/*
 * render.c - see render.h.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/json_canonical.h"
#include "bot/base/text.h"
#include "handlers/alerts/content.h"
#include "handlers/alerts/entry_words.h"
#include "handlers/alerts/event_data.h"
#include "handlers/alerts/facts.h"
#include "handlers/alerts/group.h"
#include "handlers/alerts/render.h"
#include "handlers/alerts/template.h"

/* An app's name consists of these; the origin of a message of several apps has another
 * character. */
#define RENDER_APP_LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"
#define RENDER_SLACK 16    /* bytes for numbers that grow and the like */
#define RENDER_APPS_MAX 10 /* apps that a storm message names */
#define RENDER_NAMES_MAX 5 /* failures that a ring names */
/* Entries that a message of several apps shows: for most of them there is no other message. */
#define RENDER_OTHERS_MAX 200
#define RENDER_TEXT_MIN 8192 /* bytes that are always reserved for the text */
#define RENDER_ENVELOPE 1024 /* bytes of content besides text and data */

static char *render_url_value(const char *name, const void *arg)
{
	return facts_value(arg, name);
}

char *render_url(const struct config *config, const struct alert *alert)
{
	const struct config_app *app = config_app(config, alert->app);
	struct facts facts;
	struct template link = {.value = render_url_value, .arg = &facts, .emoji = ""};
	struct buf out;
	bool whole;

	if (alert->url)
		return x_strdup(alert->url);
	if (!app || !app->dashboard)
		return NULL;
	link.text = app->dashboard;
	facts_of_alert(&facts, alert, NULL);
	buf_init(&out, ALERT_URL_MAX);
	whole = template_uri(&link, &out);
	facts_finish(&facts);
	if (whole)
		return buf_take(&out);
	buf_finish(&out);
	return NULL;
}

int64_t render_entry_size(const struct entry_row *entry, int64_t others)
{
	int64_t size = RENDER_SLACK + (int64_t)event_data_size(entry);
	size_t detail = strlen(entry->fields) / 2;

	/* the entry is in the text; an edit has the body twice, as fallback and as m.new_content */
	if (others < WORDS_LIST_MAX)
		size += 3 * (int64_t)(strlen(entry->identity) +
		                      (detail < WORDS_ERROR_POINTS ? detail : WORDS_ERROR_POINTS)) +
		        2 * (int64_t)strlen(entry->url ? entry->url : "");
	return size;
}

/* --- what a message holds ----------------------------------------------------------------- */

struct tally {
	int64_t firing, acked, resolved;
	int64_t alerts[SEVERITY_COUNT];
	size_t apps;
	enum severity worst; /* of what is firing, or of all if nothing is */
	const char *emoji;   /* of the headline */
	bool tests;
};

static bool render_app_is_first(const struct render_message *in, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(in->entries[i].app, in->entries[index].app) == 0)
			return false;
	return true;
}

static struct tally render_tally(const struct config *config, const struct render_message *in)
{
	struct tally tally = {.emoji = "✅", .worst = SEVERITY_INFO};
	const struct entry_row *shown = NULL;

	for (size_t i = 0; i < in->entries_len; i++) {
		const struct entry_row *entry = &in->entries[i];

		tally.apps += render_app_is_first(in, i);
		tally.alerts[entry->severity] += entry->count;
		tally.tests |= entry->test;
		if (entry->resolved_ms) {
			tally.resolved++;
			continue;
		}
		tally.firing++;
		tally.acked += entry->acked_ms != 0;
		/* the most severe unacknowledged one, else the most severe */
		if (!shown || (shown->acked_ms && !entry->acked_ms) ||
		        (!shown->acked_ms == !entry->acked_ms && entry->severity > shown->severity))
			shown = entry;
	}
	for (size_t i = 0; i < in->entries_len; i++)
		if ((int)tally.worst < in->entries[i].severity &&
		        (tally.firing == 0 || !in->entries[i].resolved_ms))
			tally.worst = (enum severity)in->entries[i].severity;
	if (shown)
		tally.emoji = tally.tests || shown->acked_ms
		                      ? entry_emoji(config, shown)
		                      : config->severity[shown->severity].emoji;
	return tally;
}

static void render_others(
        const struct render_message *in, const struct tally *tally, struct words *out)
{
	if (in->more) {
		words_say(out, " · ");
		words_count(out, in->more, "more alert", "more alerts");
	}
	if (tally->acked)
		words_say(out, " · %" PRId64 " acknowledged", tally->acked);
	if (tally->resolved && tally->firing)
		words_say(out, " · %" PRId64 " resolved", tally->resolved);
}

/* --- several ------------------------------------------------------------------------------ */

/* Unacknowledged entries first, then acknowledged, then resolved; each by severity, then in
 * order of arrival. */
static int render_rank(const struct entry_row *entry)
{
	int state = entry->resolved_ms ? 0 : entry->acked_ms ? 1 : 2;

	return state * SEVERITY_COUNT + entry->severity;
}

/* The entries that were resolved by hand, if all of these by one person with one note: then the
 * headline says that once. *hand is one of them; 0 = there is no such headline. */
static size_t render_by_one_hand(const struct render_message *in, const struct entry_row **hand)
{
	size_t count = 0;

	*hand = NULL;
	for (size_t i = 0; i < in->entries_len; i++) {
		const struct entry_row *entry = &in->entries[i];

		if (!entry->resolved_ms)
			return 0;
		if (!entry->resolved_by)
			continue;
		if (!*hand)
			*hand = entry;
		if (strcmp(entry->resolved_by, (*hand)->resolved_by) != 0 ||
		        strcmp(entry->resolve_note ? entry->resolve_note : "",
		                (*hand)->resolve_note ? (*hand)->resolve_note : "") != 0)
			return 0;
		count++;
	}
	return count;
}

static void render_several(
        const struct config *config, const struct render_message *in, struct words *out)
{
	struct tally tally = render_tally(config, in);
	struct entry_words one = {.config = config,
	        .now_ms = in->now_ms,
	        .headline = tally.emoji,
	        .with_app = tally.apps > 1};
	size_t by_hand = render_by_one_hand(in, &one.entry);
	const char *app = tally.apps > 1 ? "" : in->entries[0].app;
	char *all = x_asprintf("%salerts%s%s", config->commands.prefix, *app ? " " : "", app);

	words_say(out, "%s ", tally.emoji);
	words_bold(out, true);
	words_say(out, "%s", tally.tests ? "TEST · " : "");
	words_name(out, app, WORDS_NAME_POINTS);
	words_say(out, "%s", *app ? " · " : "");
	if (tally.firing == 0 && in->entries_len == 2)
		words_say(out, "both resolved");
	else if (tally.firing == 0)
		words_say(out, "all %zu resolved", in->entries_len);
	else if (tally.worst == SEVERITY_INFO)
		words_count(out, tally.firing, "message", "messages");
	else
		words_say(out, "%" PRId64 " failing", tally.firing);
	if (tally.apps > 1)
		words_say(out, " in %zu apps", tally.apps);
	words_bold(out, false);
	one.one_hand = by_hand > 0;
	if (by_hand > 0 && by_hand < in->entries_len)
		words_say(out, ", %zu", by_hand);
	if (by_hand > 0)
		entry_say_hand(&one, out);
	render_others(in, &tally, out);
	words_list(out, tally.apps > 1 ? RENDER_OTHERS_MAX : WORDS_LIST_MAX, all);
	for (int rank = 3 * SEVERITY_COUNT; rank-- > 0;)
		for (size_t i = 0; i < in->entries_len; i++) {
			one.entry = &in->entries[i];
			if (render_rank(one.entry) != rank)
				continue;
			words_item(out);
			entry_say_listed(&one, out);
		}
	words_list_end(out);
	words_list_more(out, (size_t)in->more);
	free(all);
}

/* --- rings and storms --------------------------------------------------------------------- */

static void render_ring(
        const struct render_message *in, const struct render_ring *ring, struct words *out)
{
	size_t shown = ring->names_len < RENDER_NAMES_MAX ? ring->names_len : RENDER_NAMES_MAX;
	const char *app = group_app(in->message->origin);
	bool alone = in->entries_len == 0;

	words_break(out);
	words_say(out, "%s", alone ? "🚨 " : "");
	if (alone)
		words_bold(out, true);
	if (alone && strspn(app, RENDER_APP_LETTERS) == strlen(app)) {
		words_name(out, app, WORDS_NAME_POINTS);
		words_say(out, " · ");
	}
	words_count(out, ring->more, "more critical failure", "more critical failures");
	if (alone)
		words_bold(out, false);
	for (size_t i = 0; i < shown; i++) {
		words_say(out, "%s", i ? ", " : ": ");
		words_code(out, ring->names[i], WORDS_NAME_POINTS);
	}
	if (shown && ring->more > (int64_t)shown)
		words_say(out, ", +%" PRId64, ring->more - (int64_t)shown);
	if (!ring->room_id || !ring->event_id)
		return;
	words_say(out, " · ");
	words_permalink(out, ring->room_id, ring->event_id);
	words_say(out, "see the message");
	words_link_end(out);
}

struct app_count {
	const char *app;
	int64_t alerts;
	int severity; /* the highest of them */
};

static int render_worse(const void *a, const void *b)
{
	const struct app_count *one = a, *two = b;

	if (one->severity != two->severity)
		return two->severity - one->severity;
	if (one->alerts != two->alerts)
		return one->alerts > two->alerts ? -1 : 1;
	return strcmp(one->app, two->app);
}

/* Apps by severity, then by their number of alerts; an array of *len, owned by the caller. */
static struct app_count *render_apps(const struct render_message *in, size_t *len)
{
	struct app_count *apps = x_calloc(in->entries_len + 1, sizeof(*apps));

	*len = 0;
	for (size_t i = 0; i < in->entries_len; i++) {
		size_t at = 0;

		while (at < *len && strcmp(apps[at].app, in->entries[i].app) != 0)
			at++;
		*len += at == *len;
		apps[at].app = in->entries[i].app;
		apps[at].alerts += in->entries[i].count;
		if (in->entries[i].severity > apps[at].severity)
			apps[at].severity = in->entries[i].severity;
	}
	qsort(apps, *len, sizeof(*apps), render_worse);
	return apps;
}

static void render_storm(
        const struct config *config, const struct render_message *in, struct words *out)
{
	struct tally tally = render_tally(config, in);
	const struct message_row *message = in->message;
	int64_t end_ms = message->closed_ms ? message->closed_ms : in->now_ms;
	struct app_count *apps;
	const char *comma = "";
	size_t len, shown;

	words_say(out, "🌊 ");
	words_bold(out, true);
	words_say(out, "Alert storm%s: ", message->closed_ms ? " over" : "");
	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		if (!tally.alerts[severity])
			continue;
		words_say(out, "%s%" PRId64 " %s", comma, tally.alerts[severity],
		        severity_name((enum severity)severity));
		comma = ", ";
	}
	words_say(out, " from %zu app%s", tally.apps, tally.apps == 1 ? "" : "s");
	words_bold(out, false);
	if (end_ms - message->opened_ms >= CLOCK_SECOND_MS) {
		words_say(out, " in ");
		words_duration(out, end_ms - message->opened_ms);
	}
	render_others(in, &tally, out);
	apps = render_apps(in, &len);
	shown = len < RENDER_APPS_MAX ? len : RENDER_APPS_MAX;
	words_list(out, 1, NULL);
	words_item(out);
	for (size_t i = 0; i < shown; i++) {
		words_say(out, "%s", i ? " · " : "");
		words_name(out, apps[i].app, WORDS_NAME_POINTS);
		words_say(out, " ");
		words_bold(out, true);
		words_say(out, "%" PRId64, apps[i].alerts);
		words_bold(out, false);
	}
	if (len > shown)
		words_say(out, " · +%zu apps", len - shown);
	words_list_end(out);
	words_command(out, "%salerts", config->commands.prefix);
	words_say(out, " lists them");
	free(apps);
}

/* --- events ------------------------------------------------------------------------------- */

/* How many alerts have no entry, and the command that lists them. */
static void render_more(
        const struct config *config, const struct render_message *in, struct words *out)
{
	bool of_app = in->message->kind == MESSAGE_ALERTS && in->entries_len > 0;

	words_break(out);
	words_say(out, "+%" PRId64 " more, ", in->more);
	words_command(out, "%salerts%s%s", config->commands.prefix, of_app ? " " : "",
	        of_app ? in->entries[0].app : "");
	words_say(out, " lists them");
}

static void render_words(
        const struct config *config, const struct render_message *in, struct words *out)
{
	const struct entry_words one = {
	        .config = config, .entry = in->entries, .now_ms = in->now_ms};

	if (in->message->kind == MESSAGE_STORM && in->entries_len > 0)
		render_storm(config, in, out);
	else if (in->entries_len > 1)
		render_several(config, in, out);
	else if (in->entries_len == 1)
		entry_say(&one, out);
	if (in->more > 0 && in->entries_len < 2 && in->message->kind != MESSAGE_STORM)
		render_more(config, in, out);
	if (in->ring.more > 0)
		render_ring(in, &in->ring, out);
}

static const char *render_msgtype(const struct config *config, const struct message_row *message)
{
	const struct config_app *app = config_app(config, group_app(message->origin));

	return app && app->quiet ? "m.notice" : config->severity[message->severity].msgtype;
}

/* The outer m.mentions is for users who are newly mentioned by the edit: nobody (client-server
 * API, "Mentioning the user, room, and encryption of edits"). */
static json_t *render_edit(json_t *fresh, const char *event_id)
{
	char *fallback = x_asprintf("* %s", json_string_value(json_object_get(fresh, "body")));
	json_t *edit = json_pack("{s:O, s:s, s:{}, s:o, s:{s:s, s:s}}", "msgtype",
	        json_object_get(fresh, "msgtype"), "body", fallback, "m.mentions", "m.new_content",
	        fresh, "m.relates_to", "rel_type", "m.replace", "event_id", event_id);

	free(fallback);
	return edit;
}

/* Takes data. */
static char *render_content(const struct config *config, const struct render_message *in,
        const struct words *words, json_t *data)
{
	json_t *content = words_content(words, render_msgtype(config, in->message));
	char *text;

	if (in->edit)
		content = render_edit(content, in->message->event_id);
	json_object_set_new(content, RENDER_KEY,
	        json_pack("{s:i, s:s, s:I, s:o}", "v", 1, "txn_id", in->txn_id, "message",
	                (json_int_t)in->message->id, "entries", data));
	text = json_canonical(content);
	if (!text) /* a damaged row has a number that no event may hold */
		text = json_dumps(content, JSON_COMPACT);
	json_decref(content);
	return text;
}

char *render_message(const struct config *config, const struct render_message *in)
{
	size_t left = in->max - RENDER_ENVELOPE, text_size, data_size;
	struct words words;
	json_t *data;
	char *text;

	words_init(&words);
	render_words(config, in, &words);
	words_mention_silently(&words, in->mention);
	text = render_content(config, in, &words, event_data_most(in->entries, in->entries_len));
	if (strlen(text) > in->max) {
		free(text);
		text_size = words_size(&words, in->edit);
		data = event_data(in->entries, in->entries_len,
		        left - (text_size < RENDER_TEXT_MIN ? text_size : RENDER_TEXT_MIN),
		        &data_size);
		words_fit(&words, left - data_size, in->edit);
		text = render_content(config, in, &words, data);
	}
	words_finish(&words);
	return text;
}

char *render_answer(const struct config *config, const struct message_row *message,
        const struct entry_row *entry, const char *txn_id)
{
	const struct entry_words one = {.config = config, .entry = entry};
	struct words words;
	json_t *content;
	char *text;
	size_t size;

	words_init(&words);
	if (entry->resolved_ms)
		entry_say_resolved(&one, &words);
	else
		words_say(&words, "%s failing again", entry_emoji(config, entry));
	content = words_content(&words, "m.notice");
	words_finish(&words);
	content_thread(content, message->event_id, message->event_id);
	json_object_set_new(content, RENDER_KEY,
	        json_pack("{s:i, s:s, s:I, s:o}", "v", 1, "txn_id", txn_id, "message",
	                (json_int_t)message->id, "entries",
	                event_data(entry, 1, RENDER_ENCRYPTED_MAX - RENDER_TEXT_MIN, &size)));
	text = json_dumps(content, JSON_COMPACT);
	json_decref(content);
	return text;
}

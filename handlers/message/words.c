/*
 * words.c - see words.h. Lines are kept separate until the end, so that a list can be shortened or
 * a line left out without parsing finished text.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/clock.h"
#include "bot/base/text.h"
#include "handlers/message/words.h"

#define LINE_MAX_BYTES (128 * 1024)
#define ERROR_HEAD_POINTS 60
#define ELLIPSIS "…"

/* --- lines -------------------------------------------------------------------------------- */

static void words_line_init(struct words_line *line, int list)
{
	buf_init(&line->body, LINE_MAX_BYTES);
	buf_init(&line->html, LINE_MAX_BYTES);
	line->list = list;
}

static void words_line_finish(struct words_line *line)
{
	buf_finish(&line->body);
	buf_finish(&line->html);
}

static void words_line_begin(struct words *words, int list)
{
	if (words->len == words->cap) {
		words->cap = words->cap ? words->cap * 2 : 8;
		words->lines = x_realloc(words->lines, words->cap * sizeof(*words->lines));
	}
	words->at = &words->lines[words->len++];
	words_line_init(words->at, list);
	words->ended = false;
}

void words_init(struct words *words)
{
	memset(words, 0, sizeof(*words));
	words_line_init(&words->dropped, 0);
	words_line_begin(words, 0);
	words->users = json_array();
}

void words_finish(struct words *words)
{
	for (size_t i = 0; i < words->len; i++)
		words_line_finish(&words->lines[i]);
	for (size_t i = 0; i < words->lists_len; i++)
		free(words->lists[i].all);
	words_line_finish(&words->dropped);
	free(words->lines);
	free(words->lists);
	free(words->owned_url);
	json_decref(words->users);
	memset(words, 0, sizeof(*words));
}

/* The line that is written to; starts a new one after a break or a list. */
static struct words_line *words_at(struct words *words)
{
	if (words->ended && (words->len > 1 || words->lines[0].body.len > 0))
		words_line_begin(words, 0);
	words->ended = false;
	return words->at;
}

/* Adds text that is a single line to both forms. */
static void words_add(struct words *words, const char *text)
{
	struct words_line *line;

	if (!*text)
		return;
	line = words_at(words);
	text_add_plain(&line->body, text, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	text_add_html(&line->html, text, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
}

static void words_tag(struct words *words, const char *tag)
{
	buf_add_str(&words_at(words)->html, tag);
}

/* --- our own words ------------------------------------------------------------------------ */

static size_t words_marks(const char *text)
{
	size_t marks = 0;

	for (; (text = strchr(text, '`')); text++)
		marks++;
	return marks;
}

void words_marked(struct words *words, const char *text)
{
	char *copy = x_strdup(text), *rest = copy, *part;

	for (bool code = false; (part = strsep(&rest, "`")); code = !code)
		if (code)
			words_code(words, part, TEXT_NO_LIMIT);
		else
			words_add(words, part);
	free(copy);
}

/* Handles backticks only if no value has any: otherwise a value could start or end a command. */
static void words_add_own(struct words *words, const char *text, bool marked)
{
	if (marked)
		words_marked(words, text);
	else
		words_add(words, text);
}

void words_say(struct words *words, const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	if (vasprintf(&made, format, args) < 0)
		abort();
	va_end(args);
	words_add_own(words, made, words_marks(format) == words_marks(made));
	free(made);
}

void words_vlines(struct words *words, const char *format, va_list args)
{
	char *made, *rest, *line;
	bool marked;

	if (vasprintf(&made, format, args) < 0)
		abort();
	marked = words_marks(format) == words_marks(made);
	rest = made;
	while ((line = strsep(&rest, "\n"))) {
		words_add_own(words, line, marked);
		if (rest)
			words_break(words);
	}
	free(made);
}

void words_lines(struct words *words, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	words_vlines(words, format, args);
	va_end(args);
}

void words_bold(struct words *words, bool on)
{
	words_tag(words, on ? "<b>" : "</b>");
}

void words_struck(struct words *words, bool on)
{
	words_tag(words, on ? "<del>" : "</del>");
}

void words_break(struct words *words)
{
	words->ended = true;
}

void words_command(struct words *words, const char *format, ...)
{
	va_list args;
	char *made;

	va_start(args, format);
	if (vasprintf(&made, format, args) < 0)
		abort();
	va_end(args);
	words_code(words, made, WORDS_WHAT_POINTS);
	free(made);
}

void words_raw(struct words *words, const char *body, const char *html)
{
	struct words_line *line = words_at(words);

	buf_add_str(&line->body, body);
	buf_add_str(&line->html, html);
}

void words_count(struct words *words, int64_t number, const char *one, const char *many)
{
	words_say(words, "%" PRId64 " %s", number, number == 1 ? one : many);
}

void words_counts(struct words *words, const int64_t counts[SEVERITY_COUNT])
{
	const char *comma = "";

	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		bool bold = severity == SEVERITY_CRITICAL;

		if (counts[severity] == 0)
			continue;
		words_say(words, "%s", comma);
		words_tag(words, bold ? "<b>" : "");
		words_say(words, "%" PRId64, counts[severity]);
		words_tag(words, bold ? "</b>" : "");
		words_say(words, " %s", severity_name((enum severity)severity));
		comma = ", ";
	}
	words_say(words, "%s", *comma ? "" : "no alerts");
}

void words_when(struct words *words, int64_t ms, int64_t now_ms)
{
	char text[40];

	clock_format_short(ms, now_ms, text, sizeof(text));
	words_add(words, text);
}

void words_duration(struct words *words, int64_t ms)
{
	char text[24];

	clock_format_duration(ms, text, sizeof(text));
	words_add(words, text);
}

/* --- values ------------------------------------------------------------------------------- */

/* Letters of ASCII and of the Latin blocks after it, digits, blanks, `_` and `-`, and at least
 * one that is not a blank: clients find no link, room or user in such text. */
static bool words_is_plain(const char *text)
{
	size_t len = strlen(text);
	bool seen = false;

	while (len > 0) {
		unsigned point;
		size_t used = text_decode(text, len, &point);

		if (!((point >= 'a' && point <= 'z') || (point >= 'A' && point <= 'Z') ||
		            (point >= '0' && point <= '9') || point == '_' || point == '-' ||
		            point == ' ' ||
		            (point >= 0xC0 && point <= 0x24F && point != 0xD7 && point != 0xF7)))
			return false;
		seen |= point != ' ';
		text += used;
		len -= used;
	}
	return seen;
}

static void words_value(struct words *words, const char *text, size_t max_points, bool code)
{
	struct words_line *line = words_at(words);

	buf_add_str(&line->html, code ? "<code>" : "");
	text_add_plain(&line->body, text, max_points, TEXT_FOLD_NEWLINES);
	text_add_html(&line->html, text, max_points, TEXT_FOLD_NEWLINES);
	buf_add_str(&line->html, code ? "</code>" : "");
}

void words_name(struct words *words, const char *text, size_t max_points)
{
	if (text && *text)
		words_value(words, text, max_points, !words_is_plain(text));
}

void words_what(struct words *words, const char *identity)
{
	char *text, *part, *next;
	struct buf cut;

	buf_init(&cut, WORDS_WHAT_POINTS * 16);
	text_add_plain(&cut, identity ? identity : "", WORDS_WHAT_POINTS, TEXT_FOLD_NEWLINES);
	text = buf_take(&cut);
	for (part = text; part; part = next) {
		next = strstr(part, " / ");
		if (next) {
			*next = '\0';
			next += 3;
		}
		words_name(words, part, TEXT_NO_LIMIT);
		if (next)
			words_say(words, " / ");
	}
	free(text);
}

void words_app_what(struct words *words, const char *text)
{
	static const char dot[] = " · ";
	const char *what = strstr(text, dot);
	char *app = what ? x_strndup(text, (size_t)(what - text)) : NULL;

	words_name(words, app, WORDS_NAME_POINTS);
	if (what)
		words_say(words, dot);
	words_what(words, what ? what + strlen(dot) : text);
	free(app);
}

void words_code(struct words *words, const char *text, size_t max_points)
{
	if (text && *text)
		words_value(words, text, max_points, true);
}

void words_error(struct words *words, const char *text, size_t max_points)
{
	struct buf cut;

	if (!text)
		return;
	buf_init(&cut, max_points * 4 + 64);
	text_add_ends(&cut, text, ERROR_HEAD_POINTS, max_points);
	words_code(words, buf_str(&cut), TEXT_NO_LIMIT);
	buf_finish(&cut);
}

void words_text(struct words *words, const char *text, size_t max_points)
{
	char *made, *line, *rest;
	struct buf cut;

	buf_init(&cut, LINE_MAX_BYTES);
	text_add_plain(&cut, text ? text : "", max_points, TEXT_KEEP_NEWLINES);
	buf_trim_lines(&cut);
	made = rest = buf_take(&cut);
	while ((line = strsep(&rest, "\n"))) {
		words_name(words, line, TEXT_NO_LIMIT);
		if (rest)
			words_break(words);
	}
	free(made);
}

void words_runs(struct words *words, const json_t *runs, size_t total, size_t max)
{
	size_t len = json_array_size(runs), shown = len < max ? len : max;

	for (size_t i = 0; i < shown; i++) {
		words_add(words, i ? " " : "");
		words_code(words, json_string_value(json_array_get(runs, len - 1 - i)),
		        WORDS_NAME_POINTS);
	}
	if (total > shown)
		words_say(words, " +%zu", total - shown);
}

void words_user(struct words *words, const char *user, const char *own_user)
{
	const char *server, *own = own_user ? strchr(own_user, ':') : NULL;

	user = user ? user : "?"; /* of a damaged row */
	server = strchr(user, ':');
	if (user[0] == '@' && server && own && strcmp(server, own) == 0) {
		char *localpart = x_strndup(user + 1, (size_t)(server - user - 1));

		words_name(words, localpart, WORDS_NAME_POINTS);
		free(localpart);
	} else {
		words_name(words, user, WORDS_NAME_POINTS);
	}
}

/* --- lists -------------------------------------------------------------------------------- */

static struct words_list *words_list_now(struct words *words)
{
	return &words->lists[words->lists_len - 1];
}

void words_list(struct words *words, size_t max, const char *all)
{
	words->lists = x_realloc(words->lists, (words->lists_len + 1) * sizeof(*words->lists));
	words->lists[words->lists_len++] =
	        (struct words_list){.max = max, .all = x_strdup_opt(all)};
}

void words_item(struct words *words)
{
	struct words_list *list = words_list_now(words);

	if (list->shown < list->max) {
		list->shown++;
		words_line_begin(words, (int)words->lists_len);
		return;
	}
	list->hidden++;
	buf_reset(&words->dropped.body);
	buf_reset(&words->dropped.html);
	words->at = &words->dropped;
}

void words_list_end(struct words *words)
{
	words->ended = true;
}

void words_list_more(struct words *words, size_t count)
{
	words_list_now(words)->hidden += count;
}

/* --- results ------------------------------------------------------------------------------ */

/* Adds "+3 more: !alerts" after a list's last line. */
static void words_add_more(struct buf *out, const struct words_list *list, bool html)
{
	buf_printf(out, html ? "<li>+%zu more" : "\n• +%zu more", list->hidden);
	if (list->all && html) {
		buf_add_str(out, ": <code>");
		text_add_html(out, list->all, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
		buf_add_str(out, "</code>");
	} else if (list->all) {
		buf_add_str(out, ": ");
		text_add_plain(out, list->all, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	}
	buf_add_str(out, html ? "</li>" : "");
}

static void words_add_line(const struct words *words, size_t index, struct buf *out, bool html)
{
	const struct words_line *line = &words->lines[index];
	const struct buf *text = html ? &line->html : &line->body;
	const struct words_list *list = line->list ? &words->lists[line->list - 1] : NULL;
	int before = index ? line[-1].list : 0;
	int after = index + 1 < words->len ? line[1].list : 0;

	if (index && !html)
		buf_add_char(out, '\n');
	else if (index && !list && !before)
		buf_add_str(out, "<br>");
	if (!list) {
		buf_add(out, buf_str(text), text->len);
		return;
	}
	if (html && line->list != before)
		buf_add_str(out, "<ul>");
	buf_add_str(out, html ? "<li>" : "• ");
	buf_add(out, buf_str(text), text->len);
	buf_add_str(out, html ? "</li>" : "");
	if (line->list != after && list->hidden)
		words_add_more(out, list, html);
	if (html && line->list != after)
		buf_add_str(out, "</ul>");
}

static char *words_assemble(const struct words *words, bool html)
{
	struct buf out;

	buf_init(&out, words->len * (LINE_MAX_BYTES + 1024));
	for (size_t i = 0; i < words->len; i++)
		words_add_line(words, i, &out, html);
	if (words->cut) {
		bool in_list = words->lines[words->len - 1].list;

		buf_add_str(&out, !html ? "\n" : in_list ? "" : "<br>");
		buf_add_str(&out, ELLIPSIS);
	}
	return buf_take(&out);
}

char *words_body(const struct words *words)
{
	return words_assemble(words, false);
}

char *words_html(const struct words *words)
{
	return words_assemble(words, true);
}

size_t words_size(const struct words *words, bool edit)
{
	char *body = words_body(words), *html = words_html(words);
	size_t size = text_json_size(body) * (edit ? 2 : 1) + text_json_size(html);

	free(body);
	free(html);
	return size;
}

void words_trim(struct words *words)
{
	while (words->len > 1 && words->lines[words->len - 1].body.len == 0)
		words_line_finish(&words->lines[--words->len]);
	words->at = &words->lines[words->len - 1];
}

static void words_drop_line(struct words *words, size_t index)
{
	struct words_line *line = &words->lines[index];

	if (line->list) {
		words->lists[line->list - 1].shown--;
		words->lists[line->list - 1].hidden++;
	}
	words_line_finish(line);
	memmove(line, line + 1, (--words->len - index) * sizeof(*line));
}

/* Leaves out the last entry of the list that shows most; false: no list shows more than one. */
static bool words_shorten_list(struct words *words)
{
	size_t longest = 0;

	for (size_t i = 1; i < words->lists_len; i++)
		if (words->lists[i].shown > words->lists[longest].shown)
			longest = i;
	if (words->lists_len == 0 || words->lists[longest].shown < 2)
		return false;
	for (size_t i = words->len; i > 0; i--)
		if (words->lines[i - 1].list == (int)longest + 1) {
			words_drop_line(words, i - 1);
			return true;
		}
	return false;
}

void words_fit(struct words *words, size_t max, bool edit)
{
	while (words->len > 1 && words_size(words, edit) > max) {
		if (words_shorten_list(words))
			continue;
		words_drop_line(words, words->len - 1);
		words->cut = true;
	}
	words->at = &words->lines[words->len - 1];
}

json_t *words_content(const struct words *words, const char *msgtype)
{
	char *body = words_body(words), *html = words_html(words);
	json_t *content = json_pack("{s:s, s:s, s:s, s:s, s:{}}", "msgtype", msgtype, "body", body,
	        "format", "org.matrix.custom.html", "formatted_body", html, "m.mentions");
	json_t *mentions = json_object_get(content, "m.mentions");

	if (json_array_size(words->users) > 0)
		json_object_set(mentions, "user_ids", words->users);
	if (words->room)
		json_object_set_new(mentions, "room", json_true());
	free(body);
	free(html);
	return content;
}

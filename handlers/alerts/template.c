/*
 * template.c - see template.h.
 */
#include "handlers/alerts/template.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"

#define NAME_MAX_BYTES 128
#define KEEPS_END_POINTS 100 /* below this there is no room for both ends of a value */
#define EMOJI_HOLE "{emoji}"
#define APP_HOLE "{app} · "
#define BOLD "**"

/* A placeholder {name:points}. */
struct template_hole {
	char name[NAME_MAX_BYTES + 1];
	size_t points; /* 0 = not given */
	size_t len;    /* bytes including braces; 0 = no placeholder */
};

static struct template_hole template_hole_at(const char *text)
{
	struct template_hole hole = {.name = ""};
	size_t len = strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                              "0123456789_.-");
	const char *p = text + 1 + len;

	if (len == 0 || len > NAME_MAX_BYTES)
		return hole;
	if (*p == ':') {
		for (p++; *p >= '0' && *p <= '9' && hole.points < TEMPLATE_TEXT_MAX; p++)
			hole.points = hole.points * 10 + (size_t)(*p - '0');
		p += strspn(p, "0123456789");
	}
	if (*p != '}')
		return hole;
	memcpy(hole.name, text + 1, len);
	hole.len = (size_t)(p + 1 - text);
	if (hole.points > TEMPLATE_TEXT_MAX)
		hole.points = TEMPLATE_TEXT_MAX;
	if (hole.points == 0)
		hole.points =
		        strcmp(hole.name, "text") == 0 ? TEMPLATE_TEXT_MAX : TEMPLATE_VALUE_MAX;
	return hole;
}

/* NULL when it is missing or empty. */
static char *template_value(const struct template *of, const struct template_hole *hole)
{
	char *value = strcmp(hole->name, "emoji") == 0 ? x_strdup(of->emoji)
	                                               : of->value(hole->name, of->arg);

	if (value && *value)
		return value;
	free(value);
	return NULL;
}

/* Reads what is at *at and advances it: a placeholder (true), or one byte of text, `**` as '\1'. */
static bool template_next(const char **at, struct template_hole *hole, char *c)
{
	hole->len = 0;
	if (**at == '{' && (*at)[1] != '{')
		*hole = template_hole_at(*at);
	if (hole->len > 0) {
		*at += hole->len;
		return true;
	}
	*c = **at;
	if (strncmp(*at, BOLD, 2) == 0) {
		*c = '\1';
		*at += 2;
	} else {
		*at += (*c == '{' || *c == '}') && (*at)[1] == *c ? 2 : 1;
	}
	return false;
}

/* True when a part has placeholders and none of them has a value. */
static bool template_is_empty(const struct template *of, const char *from, const char *to)
{
	size_t holes = 0, missing = 0;
	struct template_hole hole;
	char c;

	while (from < to) {
		char *value;

		if (!template_next(&from, &hole, &c))
			continue;
		value = template_value(of, &hole);
		holes++;
		missing += !value;
		free(value);
	}
	return holes > 0 && missing == holes;
}

static bool template_line_is_empty(const struct template *of, const char *line)
{
	return template_is_empty(of, line, line + strcspn(line, "\n"));
}

static const char *template_line_after(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

/* --- words -------------------------------------------------------------------------------- */

/* Where a value stands. */
enum template_place {
	TEMPLATE_HEADLINE, /* plain if harmless */
	TEMPLATE_LINES,
	TEMPLATE_SHORT,  /* always on one line */
	TEMPLATE_STRUCK, /* always on one line, plain if harmless */
};

static void template_add_value(const struct template *of, struct words *out,
        const struct template_hole *hole, enum template_place place)
{
	char *value = template_value(of, hole);
	size_t points = hole->points;

	if (place != TEMPLATE_LINES && points > TEMPLATE_VALUE_MAX)
		points = TEMPLATE_VALUE_MAX;
	if (place != TEMPLATE_LINES && value && strcmp(hole->name, "text") == 0)
		value[strcspn(value, "\n")] = '\0';
	if (!value || strcmp(hole->name, "emoji") == 0)
		words_say(out, "%s", value ? value : "?");
	else if (place == TEMPLATE_LINES && strcmp(hole->name, "text") == 0)
		words_text(out, value, points);
	else if (place == TEMPLATE_HEADLINE || place == TEMPLATE_STRUCK ||
	         strspn(value, "0123456789") == strlen(value))
		words_name(out, value, points);
	else if (points < KEEPS_END_POINTS)
		words_code(out, value, points);
	else
		words_error(out, value, points);
	free(value);
}

/* Adds a part of a line; `**` switches bold on and off. */
static void template_add_span(const struct template *of, struct words *out, const char *from,
        const char *to, enum template_place place)
{
	struct template_hole hole;
	struct buf literal;
	bool bold = false;
	char c;

	buf_init(&literal, (size_t)(to - from) + 1);
	while (from < to) {
		bool is_hole = template_next(&from, &hole, &c);

		if (!is_hole && c != '\1') {
			buf_add_char(&literal, c);
			continue;
		}
		if (literal.len > 0)
			words_say(out, "%s", buf_str(&literal));
		buf_reset(&literal);
		if (is_hole) {
			template_add_value(of, out, &hole, place);
		} else {
			bold = !bold;
			words_bold(out, bold);
		}
	}
	if (literal.len > 0)
		words_say(out, "%s", buf_str(&literal));
	if (bold)
		words_bold(out, false);
	buf_finish(&literal);
}

static void template_add_line(const struct template *of, struct words *out, const char *line)
{
	template_add_span(of, out, line, line + strcspn(line, "\n"), TEMPLATE_LINES);
}

/* Where the bold part of the first line begins and ends, and where the rest begins. */
struct template_bold {
	const char *begin, *end, *rest, *stop;
};

static struct template_bold template_bold_of(const char *text)
{
	const char *stop = text + strcspn(text, "\n"), *mark = strstr(text, BOLD), *end;

	if (!mark || mark >= stop) {
		if (strncmp(text, EMOJI_HOLE, strlen(EMOJI_HOLE)) == 0)
			text += strlen(EMOJI_HOLE);
		text += *text == ' ';
		return (struct template_bold){text, stop, stop, stop};
	}
	end = strstr(mark + 2, BOLD);
	if (!end || end >= stop)
		return (struct template_bold){mark + 2, stop, stop, stop};
	return (struct template_bold){mark + 2, end, end + 2, stop};
}

/* Adds what follows the bold part, or nothing if its placeholders have no values: " in
 * {duration_ms}ms". */
static void template_add_rest(
        const struct template *of, struct words *out, const struct template_bold *bold)
{
	if (!template_is_empty(of, bold->rest, bold->stop))
		template_add_span(of, out, bold->rest, bold->stop, TEMPLATE_HEADLINE);
}

void template_headline(const struct template *of, struct words *out, const char *before,
        const char *after, bool rest)
{
	struct template_bold bold = template_bold_of(of->text);
	const char *begin = bold.begin;

	if (begin - of->text >= 2 && strncmp(begin - 2, BOLD, 2) == 0)
		begin -= 2;
	template_add_span(of, out, of->text, begin, TEMPLATE_HEADLINE);
	words_bold(out, true);
	words_say(out, "%s", before);
	template_add_span(of, out, bold.begin, bold.end, TEMPLATE_HEADLINE);
	words_say(out, "%s", after);
	words_bold(out, false);
	if (rest)
		template_add_rest(of, out, &bold);
}

void template_entry(const struct template *of, struct words *out)
{
	struct template_bold bold = template_bold_of(of->text);

	if (strncmp(bold.begin, APP_HOLE, strlen(APP_HOLE)) == 0)
		bold.begin += strlen(APP_HOLE);
	words_bold(out, true);
	template_add_span(of, out, bold.begin, bold.end, TEMPLATE_HEADLINE);
	words_bold(out, false);
	template_add_rest(of, out, &bold);
}

bool template_details(const struct template *of, struct words *out)
{
	bool any = false;

	for (const char *line = template_line_after(of->text); *line;
	        line = template_line_after(line)) {
		if (template_line_is_empty(of, line))
			continue;
		words_break(out);
		template_add_line(of, out, line);
		any = true;
	}
	return any;
}

/* "error: {error}" without "error: ". */
static const char *template_after_label(const char *line)
{
	size_t label = strcspn(line, "{\n");

	return label > 2 && line[label] == '{' && strncmp(line + label - 2, ": ", 2) == 0
	               ? line + label
	               : line;
}

bool template_detail(const struct template *of, struct words *out, const char *lead, bool struck)
{
	for (const char *line = template_line_after(of->text); *line;
	        line = template_line_after(line)) {
		if (template_line_is_empty(of, line))
			continue;
		words_say(out, "%s", lead);
		if (struck)
			words_struck(out, true);
		template_add_span(of, out, template_after_label(line), line + strcspn(line, "\n"),
		        struck ? TEMPLATE_STRUCK : TEMPLATE_SHORT);
		if (struck)
			words_struck(out, false);
		return true;
	}
	return false;
}

/* --- HTML and URIs ------------------------------------------------------------------------ */

static void template_add_html_value(
        const struct template *of, struct buf *out, const struct template_hole *hole, bool in_tag)
{
	char *value = template_value(of, hole);
	struct words words;
	char *html;

	if (!value) {
		buf_add_str(out, in_tag ? "" : "?");
	} else if (in_tag && strcmp(hole->name, "url") != 0) {
		/* In an attribute only percent-encoding is safe; `url` was checked when the
		 * alert was parsed. */
		text_add_uri(out, value);
	} else if (in_tag || strcmp(hole->name, "emoji") == 0) {
		text_add_html(out, value, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	} else {
		words_init(&words);
		if (strcmp(hole->name, "text") == 0)
			words_text(&words, value, hole->points);
		else
			words_name(&words, value, hole->points);
		html = words_html(&words);
		buf_add_str(out, html);
		free(html);
		words_finish(&words);
	}
	free(value);
}

void template_html(const struct template *of, struct buf *out, const char *after)
{
	const char *line = of->text, *end = strstr(line, "</b>");
	size_t first = strcspn(line, "\n");
	bool in_tag = false, said = false;

	if (!end || end > line + first)
		end = line + first;
	for (; *line; line = template_line_after(line)) {
		const char *at = line;
		struct template_hole hole;
		char c;

		if (line != of->text && template_line_is_empty(of, line))
			continue;
		buf_add_str(out, line != of->text ? "<br>" : "");
		while (*at && *at != '\n') {
			if (at == end && !said) {
				buf_add_str(out, after);
				said = true;
			}
			if (template_next(&at, &hole, &c)) {
				template_add_html_value(of, out, &hole, in_tag);
				continue;
			}
			if (c == '<' || c == '>')
				in_tag = c == '<';
			if (c == '\1')
				buf_add_str(out, BOLD);
			else
				buf_add_char(out, c);
		}
		if (!said)
			buf_add_str(out, after);
		said = true;
	}
}

bool template_uri(const struct template *of, struct buf *out)
{
	struct template_hole hole;
	bool whole = true;
	char c;

	for (const char *at = of->text; *at;) {
		char *value;

		if (!template_next(&at, &hole, &c)) {
			if (c == '\1')
				buf_add_str(out, BOLD);
			else
				buf_add_char(out, c);
			continue;
		}
		value = template_value(of, &hole);
		whole &= value != NULL;
		text_add_uri(out, value ? value : "");
		free(value);
	}
	return whole && !out->overflow;
}

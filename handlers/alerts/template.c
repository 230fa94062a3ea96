/*
 * template.c - see template.h.
 */
#include "handlers/alerts/template.h"

#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"
#include "bot/base/text.h"

#define NAME_MAX_BYTES 128

/* A placeholder as it was found: {name:points}. */
struct template_hole {
	char name[NAME_MAX_BYTES + 1];
	size_t points; /* 0 = not said */
	size_t len;    /* bytes with braces; 0 = there is none here */
};

/* What a line has shown so far. */
struct template_line {
	unsigned holes, missing;
	bool in_tag; /* of an HTML template: between < and > */
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
	return hole;
}

static bool template_is_number(const char *text)
{
	return *text && strspn(text, "0123456789.+-") == strlen(text) &&
	       strchr(text, '.') == strrchr(text, '.');
}

/* Clients make links of domains without a scheme, of mail addresses, room aliases and matrix:
 * URIs, and some of bare @names. The test errs on the side of <code>. */
static bool template_may_link(const char *text)
{
	if (template_is_number(text))
		return false;
	for (const char *p = text; *p; p++) {
		bool word_follows = p[1] != '\0' && !strchr(" \t\r\n", p[1]);

		if (*p == '@' || ((unsigned char)*p >= 0x80 && strncmp(p, "\xe3\x80\x82", 3) == 0))
			return true;
		if (strchr(".:#!/+$", *p) && word_follows)
			return true;
	}
	return false;
}

void template_add_value_html(
        struct buf *out, const char *text, size_t max_points, bool keep_newlines)
{
	bool code = template_may_link(text);

	buf_add_str(out, code ? "<code>" : "");
	text_add_html(
	        out, text, max_points, keep_newlines ? TEXT_KEEP_NEWLINES : TEXT_FOLD_NEWLINES);
	buf_add_str(out, code ? "</code>" : "");
}

static void template_add_value(struct buf *out, const char *name, const char *value,
        enum template_form form, size_t points, bool in_tag)
{
	bool keep = strcmp(name, "text") == 0;
	enum text_newlines newlines = keep ? TEXT_KEEP_NEWLINES : TEXT_FOLD_NEWLINES;

	if (form == TEMPLATE_PLAIN) {
		text_add_plain(out, value, points, newlines);
	} else if (form == TEMPLATE_URI) {
		text_add_uri(out, value);
	} else if (in_tag && strcmp(name, "url") != 0) {
		/* Inside an attribute only this is safe; `url` was checked when it came in. */
		text_add_uri(out, value);
	} else if (in_tag || strcmp(name, "emoji") == 0) {
		text_add_html(out, value, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	} else if (form == TEMPLATE_DERIVED && strcmp(name, "app") == 0) {
		buf_add_str(out, "<b>");
		template_add_value_html(out, value, points, false);
		buf_add_str(out, "</b>");
	} else {
		template_add_value_html(out, value, points, keep);
	}
}

static void template_add_hole(struct buf *out, const struct template_hole *hole,
        enum template_form form, size_t cap, template_value_fn lookup, const void *arg,
        struct template_line *line)
{
	size_t points = hole->points;
	char *value = lookup(hole->name, arg);

	line->holes++;
	if (!value || *value == '\0') {
		line->missing++;
		buf_add_str(out, form == TEMPLATE_URI ? "" : "?");
		free(value);
		return;
	}
	if (points == 0)
		points = strcmp(hole->name, "text") == 0 ? TEMPLATE_TEXT_MAX : TEMPLATE_VALUE_MAX;
	else if (points > TEMPLATE_TEXT_MAX)
		points = TEMPLATE_TEXT_MAX;
	template_add_value(out, hole->name, value, form, points < cap ? points : cap, line->in_tag);
	free(value);
}

static void template_add_literal(
        struct buf *out, char c, enum template_form form, struct template_line *line)
{
	const char one[2] = {c, '\0'};

	if (form == TEMPLATE_HTML && (c == '<' || c == '>'))
		line->in_tag = c == '<';
	/* Only ASCII may pass text_add_html() alone: a byte of a longer code point is no text. */
	if (form == TEMPLATE_DERIVED && strchr("<>&\"'", c))
		text_add_html(out, one, TEXT_NO_LIMIT, TEXT_FOLD_NEWLINES);
	else
		buf_add_char(out, c);
}

unsigned template_expand(struct buf *out, const char *text, enum template_form form, size_t cap,
        template_value_fn value, const void *arg)
{
	unsigned missing = 0;
	bool first = true;

	while (*text) {
		struct template_line line = {0};
		struct buf made;

		buf_init(&made, out->max);
		while (*text && *text != '\n') {
			struct template_hole hole = {.len = 0};

			if ((text[0] == '{' && text[1] == '{') ||
			        (text[0] == '}' && text[1] == '}')) {
				template_add_literal(&made, *text, form, &line);
				text += 2;
				continue;
			}
			if (*text == '{')
				hole = template_hole_at(text);
			if (hole.len > 0) {
				template_add_hole(&made, &hole, form, cap, value, arg, &line);
				text += hole.len;
			} else {
				template_add_literal(&made, *text++, form, &line);
			}
		}
		text += *text == '\n';
		missing += line.missing;
		if (line.holes == 0 || line.missing < line.holes) {
			if (!first) {
				buf_add_str(out, form == TEMPLATE_PLAIN ? "\n"
				                 : form == TEMPLATE_URI ? ""
				                                        : "<br>");
			}
			buf_add(out, buf_str(&made), made.len);
			out->overflow |= made.overflow;
			first = false;
		}
		buf_finish(&made);
	}
	return missing;
}

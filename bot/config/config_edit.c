/*
 * config_edit.c - see config_edit.h. Sections, keys and indented continuation lines are recognized
 * as in read.c.
 */
#include "bot/config/config_edit.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "bot/base/alloc.h"

#define NOWHERE SIZE_MAX
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

/* Byte offsets: each the beginning of a line, or of the line after it. */
struct edit_places {
	size_t line, line_end; /* the active key */
	size_t value_end;      /* after the continuation lines of its value */
	size_t comment_end;    /* end of the line with the key as a comment */
	size_t keys_end;       /* after the last key of the section, else its header */
};

struct edit_scan {
	const char *section, *key;
	struct edit_places places;
	bool inside;  /* the current section is the wanted one */
	bool fresh;   /* no key since the header of the section */
	bool present; /* the previous line belongs to the wanted value */
};

static size_t edit_blank(const char *line, size_t len)
{
	size_t used = 0;

	while (used < len && strchr(" \t\r", line[used]))
		used++;
	return used;
}

static bool edit_is(const char *at, size_t len, const char *name)
{
	while (len > 0 && isspace((unsigned char)at[len - 1]))
		len--;
	return len == strlen(name) && strncmp(at, name, len) == 0;
}

/* Whether the line is "key = value"; *rest: the offset after the separator. */
static bool edit_is_key(const char *at, size_t len, const char *key, size_t *rest)
{
	size_t end = 0;

	while (end < len && at[end] != '=' && at[end] != ':')
		end++;
	*rest = end + 1;
	return end < len && edit_is(at, end, key);
}

static void edit_scan_line(struct edit_scan *scan, const char *line, size_t len, size_t from)
{
	size_t indent = edit_blank(line, len), end = from + len + 1, rest;
	const char *at = line + indent;
	struct edit_places *places = &scan->places;

	len -= indent;
	if (len == 0)
		return;
	if (*at == '[' && (indent == 0 || scan->fresh)) {
		const char *close = memchr(at, ']', len);

		scan->inside = close && edit_is(at + 1, (size_t)(close - at) - 1, scan->section);
		scan->fresh = true;
		scan->present = false;
		if (scan->inside)
			places->keys_end = end;
		return;
	}
	if (*at == '#' || *at == ';') {
		if (scan->inside && edit_is_key(at + 1, len - 1, scan->key, &rest))
			places->comment_end = end;
		return;
	}
	if (indent > 0 && !scan->fresh) { /* continues the value above */
		if (scan->present)
			places->value_end = end;
		if (scan->inside)
			places->keys_end = end;
		return;
	}
	scan->fresh = false;
	scan->present = scan->inside && edit_is_key(at, len, scan->key, &rest);
	if (scan->inside)
		places->keys_end = end;
	if (scan->present) {
		places->line = from;
		places->line_end = places->value_end = end;
	}
}

static struct edit_places edit_find(const char *text, const char *section, const char *key)
{
	struct edit_scan scan = {
	        .section = section,
	        .key = key,
	        .places = {NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE},
	        .fresh = true,
	};
	size_t from = strncmp(text, BYTE_ORDER_MARK, 3) == 0 ? 3 : 0;

	while (text[from]) {
		size_t len = strcspn(text + from, "\n");

		edit_scan_line(&scan, text + from, len, from);
		from += len + (text[from + len] == '\n');
	}
	return scan.places;
}

/* The offset of a comment after the value, with the blanks before it; len if there is none. */
static size_t edit_trailing(const char *line, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		size_t start = i;

		if (line[i] != ';' || !strchr(" \t", line[i - 1]))
			continue;
		while (start > 0 && strchr(" \t", line[start - 1]))
			start--;
		return start;
	}
	return len;
}

static size_t edit_without_end(const char *line, size_t len)
{
	while (len > 0 && isspace((unsigned char)line[len - 1]))
		len--;
	return len;
}

char *config_edit_value(const char *text, const char *section, const char *key)
{
	struct edit_places places = edit_find(text, section, key);
	const char *line;
	size_t len, rest;

	if (places.line == NOWHERE)
		return NULL;
	line = text + places.line;
	len = strcspn(line, "\n");
	len = edit_without_end(line, edit_trailing(line, len));
	edit_is_key(line, len, key, &rest);
	while (rest < len && isspace((unsigned char)line[rest]))
		rest++;
	return x_strndup(line + rest, rest < len ? len - rest : 0);
}

/* Drops the continuation lines of the old value, but keeps comments between them. */
static void edit_add_without_value(struct buf *out, const char *at, const char *end)
{
	while (at < end) {
		size_t len = strcspn(at, "\n"), blank = edit_blank(at, len);

		len += at[len] == '\n';
		if (at[blank] == '#' || at[blank] == ';' || at[blank] == '\n')
			buf_add(out, at, len);
		at += len;
	}
}

/* Writes the line of the key with its new value. */
static void edit_replace(struct buf *out, const char *text, const struct edit_places *places,
        const struct config_change *change)
{
	size_t text_len = strlen(text);
	size_t line_end = places->line_end < text_len ? places->line_end : text_len;
	size_t value_end = places->value_end < text_len ? places->value_end : text_len;
	const char *line = text + places->line;
	size_t len = edit_without_end(line, line_end - places->line), start;

	buf_add(out, text, places->line);
	if (change->value) {
		buf_printf(out, "%s = %s", change->key, change->value);
		start = edit_trailing(line, len);
		buf_add(out, line + start, len - start);
		buf_add_char(out, '\n');
		edit_add_without_value(out, text + line_end, text + value_end);
	} else {
		for (size_t at = places->line;
		        at < value_end;) { /* each continuation line of the value */
			len = strcspn(text + at, "\n") + 1;

			buf_add_char(out, '#');
			buf_add(out, text + at, at + len < value_end ? len : value_end - at);
			at += len;
		}
	}
	buf_add_str(out, text + value_end);
}

/* Inserts a line at the offset, or at the end in a new section. */
static void edit_insert(
        struct buf *out, const char *text, size_t after, const struct config_change *change)
{
	size_t len = strlen(text);
	bool fresh = after == NOWHERE;

	if (after > len)
		after = len;
	buf_add(out, text, after);
	if (after > 0 && text[after - 1] != '\n')
		buf_add_char(out, '\n');
	if (fresh)
		buf_printf(out, "%s[%s]\n", len > 0 ? "\n" : "", change->section);
	buf_printf(out, "%s = %s\n", change->key, change->value);
	buf_add_str(out, text + after);
}

static void edit_one(const char *text, const struct config_change *change, struct buf *out)
{
	struct edit_places places = edit_find(text, change->section, change->key);

	if (places.line != NOWHERE)
		edit_replace(out, text, &places, change);
	else if (change->value)
		edit_insert(out, text,
		        places.comment_end != NOWHERE ? places.comment_end : places.keys_end,
		        change);
	else
		buf_add_str(out, text);
}

void config_edit(const char *text, const struct config_change *changes, size_t len, struct buf *out)
{
	char *now = x_strdup(text);

	for (size_t i = 0; i < len; i++) {
		edit_one(now, &changes[i], out);
		free(now);
		now = x_strdup(buf_str(out));
		buf_reset(out);
	}
	buf_add_str(out, now);
	free(now);
}

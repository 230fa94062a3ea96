/*
 * text.c - see text.h.
 */
#include <string.h>
#include <strings.h>
#include "bot/base/text.h"

#define TEXT_REPLACEMENT 0xFFFD
#define TEXT_DISTANCE_MAX 16
#define TEXT_ELLIPSIS "\xE2\x80\xA6"

size_t text_decode(const char *text, size_t len, unsigned *point)
{
	const unsigned char *s = (const unsigned char *)text;
	unsigned value, min;
	size_t need;

	*point = TEXT_REPLACEMENT;
	if (s[0] < 0x80) {
		*point = s[0];
		return 1;
	}
	if (s[0] >= 0xC2 && s[0] <= 0xDF) {
		need = 2;
		value = s[0] & 0x1F;
		min = 0x80;
	} else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
		need = 3;
		value = s[0] & 0x0F;
		min = 0x800;
	} else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
		need = 4;
		value = s[0] & 0x07;
		min = 0x10000;
	} else {
		return 1;
	}
	for (size_t i = 1; i < need; i++) {
		if (i >= len || (s[i] & 0xC0) != 0x80)
			return 1; /* the next byte may begin a valid sequence */
		value = value << 6 | (s[i] & 0x3F);
	}
	if (value < min || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
		return 1;
	*point = value;
	return need;
}

bool text_is_utf8(const char *text, size_t len)
{
	while (len > 0) {
		unsigned point;
		size_t used = text_decode(text, len, &point);

		if (point == TEXT_REPLACEMENT &&
		        (used != 3 || memcmp(text, "\xEF\xBF\xBD", 3) != 0))
			return false;
		text += used;
		len -= used;
	}
	return true;
}

size_t text_whole(const char *text, size_t len)
{
	/* the last sequence begins at most four bytes before the end */
	for (size_t back = 1; back <= 4 && back <= len; back++) {
		unsigned char c = (unsigned char)text[len - back];
		size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;

		if (c >= 0x80 && c < 0xC0)
			continue;
		return need > back ? len - back : len;
	}
	return len;
}

/* Code points that could hide, imitate or reorder the text around them. */
static bool text_is_evil(unsigned point)
{
	return point < 0x20 || (point >= 0x7F && point <= 0x9F) || point == 0x061C ||
	       point == 0x200E || point == 0x200F || (point >= 0x2028 && point <= 0x202E) ||
	       (point >= 0x2066 && point <= 0x2069) || (point >= 0xE0000 && point <= 0xE007F);
}

void text_encode(struct buf *buf, unsigned point)
{
	char out[4];
	size_t len;

	if (point < 0x80) {
		out[0] = (char)point;
		len = 1;
	} else if (point < 0x800) {
		out[0] = (char)(0xC0 | point >> 6);
		out[1] = (char)(0x80 | (point & 0x3F));
		len = 2;
	} else if (point < 0x10000) {
		out[0] = (char)(0xE0 | point >> 12);
		out[1] = (char)(0x80 | (point >> 6 & 0x3F));
		out[2] = (char)(0x80 | (point & 0x3F));
		len = 3;
	} else {
		out[0] = (char)(0xF0 | point >> 18);
		out[1] = (char)(0x80 | (point >> 12 & 0x3F));
		out[2] = (char)(0x80 | (point >> 6 & 0x3F));
		out[3] = (char)(0x80 | (point & 0x3F));
		len = 4;
	}
	buf_add(buf, out, len);
}

static void text_add_point(struct buf *buf, unsigned point, bool html)
{
	if (!html) {
		text_encode(buf, point);
		return;
	}
	switch (point) {
	case '&':
		buf_add_str(buf, "&amp;");
		break;
	case '<':
		buf_add_str(buf, "&lt;");
		break;
	case '>':
		buf_add_str(buf, "&gt;");
		break;
	case '"':
		buf_add_str(buf, "&quot;");
		break;
	case '\'':
		buf_add_str(buf, "&#39;");
		break;
	default:
		text_encode(buf, point);
	}
}

/* The number of bytes of the first `points` code points, "\r\n" counting as one. */
static size_t text_skip(const char *text, size_t len, size_t points)
{
	size_t at = 0;

	for (; at < len && points > 0; points--) {
		unsigned point;
		size_t used = text_decode(text + at, len - at, &point);

		at += point == '\r' && len - at > 1 && text[at + 1] == '\n' ? 2 : used;
	}
	return at;
}

static void text_add_span(
        struct buf *buf, const char *text, size_t len, enum text_newlines mode, bool html)
{
	while (len > 0) {
		unsigned point;
		size_t used = text_decode(text, len, &point);

		if (point == '\r' && len > 1 && text[1] == '\n') {
			used = 2;
			point = '\n';
		}
		text += used;
		len -= used;
		if (point == '\n')
			buf_add_str(buf, mode == TEXT_FOLD_NEWLINES ? " \xE2\x8F\x8E "
			                 : html                     ? "<br>"
			                                            : "\n");
		else if (point == '\t')
			buf_add_char(buf, ' ');
		else
			text_add_point(buf, text_is_evil(point) ? TEXT_REPLACEMENT : point, html);
	}
}

static void text_add(
        struct buf *buf, const char *text, size_t max_points, enum text_newlines mode, bool html)
{
	size_t len = strlen(text);
	size_t kept = max_points == TEXT_NO_LIMIT ? len : text_skip(text, len, max_points);

	text_add_span(buf, text, kept, mode, html);
	if (kept < len && max_points > 0)
		buf_add_str(buf, TEXT_ELLIPSIS);
}

void text_add_ends(struct buf *buf, const char *text, size_t head_points, size_t max_points)
{
	size_t len = strlen(text), points = 0, from = 0;

	for (size_t at = 0; at < len; points++)
		at += text_skip(text + at, len - at, 1);
	if (points <= max_points) {
		text_add_span(buf, text, len, TEXT_FOLD_NEWLINES, false);
		return;
	}
	text_add_span(buf, text, text_skip(text, len, head_points), TEXT_FOLD_NEWLINES, false);
	buf_add_str(buf, TEXT_ELLIPSIS);
	from = text_skip(text, len, points - (max_points - head_points));
	text_add_span(buf, text + from, len - from, TEXT_FOLD_NEWLINES, false);
}

void text_add_plain(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode)
{
	text_add(buf, text, max_points, mode, false);
}

void text_add_html(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode)
{
	text_add(buf, text, max_points, mode, true);
}

void text_add_uri(struct buf *buf, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		        c == '-' || c == '.' || c == '_' || c == '~') {
			buf_add_char(buf, (char)c);
		} else {
			char out[3] = {'%', hex[c >> 4], hex[c & 15]};

			buf_add(buf, out, sizeof(out));
		}
	}
}

size_t text_json_size(const char *text)
{
	size_t size = 0;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t' || c == '\b' ||
		        c == '\f')
			size += 2;
		else if (c < 0x20 || c == 0x7F)
			size += 6;
		else
			size++;
	}
	return size;
}

unsigned text_distance(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b), i, j;
	unsigned row[2][64];

	if (a_len >= 64 || b_len >= 64)
		return TEXT_DISTANCE_MAX;
	for (j = 0; j <= b_len; j++)
		row[0][j] = (unsigned)j;
	for (i = 1; i <= a_len; i++) {
		unsigned *now = row[i % 2], *before = row[(i - 1) % 2];

		now[0] = (unsigned)i;
		for (j = 1; j <= b_len; j++) {
			unsigned best = before[j - 1] + (a[i - 1] != b[j - 1]);

			if (before[j] + 1 < best)
				best = before[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			now[j] = best;
		}
	}
	i = row[a_len % 2][b_len];
	return i < TEXT_DISTANCE_MAX ? (unsigned)i : TEXT_DISTANCE_MAX;
}

void text_hex(const unsigned char *bytes, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[bytes[i] >> 4];
		*out++ = digits[bytes[i] & 15];
	}
	*out = '\0';
}

static bool text_is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool text_is_word(const char *text, const char *word)
{
	size_t len;

	while (*text && !text_is_letter(*text))
		text++;
	len = strlen(text);
	while (len > 0 && !text_is_letter(text[len - 1]))
		len--;
	return len == strlen(word) && strncasecmp(text, word, len) == 0;
}

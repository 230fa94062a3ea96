/*
 * text.h - Unicode text from outside made safe for a room, a log or a URI.
 *
 * "Neutral" text has no C0/C1 control characters, no bidirectional controls (U+061C, U+200E,
 * U+200F, U+202A-U+202E, U+2066-U+2069), no line or paragraph separators, no tag characters
 * (U+E0000-U+E007F) and no invalid UTF-8: each such piece becomes U+FFFD. Newlines are kept or
 * folded to " ⏎ " as asked, tabs become a space. All limits are in code points of the input; a
 * cut text has so many of them and then "…".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "bot/base/buf.h"

#define TEXT_NO_LIMIT ((size_t)-1)

enum text_newlines { TEXT_FOLD_NEWLINES, TEXT_KEEP_NEWLINES };

/* True when the len bytes are well-formed UTF-8 (RFC 3629). */
bool text_is_utf8(const char *text, size_t len);

/* Decodes one code point at text (len > 0 bytes); returns bytes used, *point = 0xFFFD if bad. */
size_t text_decode(const char *text, size_t len, unsigned *point);
/* Adds a code point (no surrogate) as UTF-8. */
void text_encode(struct buf *buf, unsigned point);

/* How much of the text is left without a sequence that its end cuts off, for what was cut by
 * bytes. Looks at the end only. */
size_t text_whole(const char *text, size_t len);

/* Adds neutral text. A line end of two characters (CR LF) is one newline. */
void text_add_plain(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode);

/* Adds neutral text with & < > " ' escaped, newlines as <br>. */
void text_add_html(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode);

/* Adds neutral text folded to one line; of a long one the first head_points and the end, max_points
 * together, with "…" between them. */
void text_add_ends(struct buf *buf, const char *text, size_t head_points, size_t max_points);

/* Adds text percent-encoded: all but RFC 3986 unreserved characters. */
void text_add_uri(struct buf *buf, const char *text);

/* Adds text as the inside of a JSON string would be counted: bytes it takes once escaped. */
size_t text_json_size(const char *text);

/* Bytes as hex digits, two each, and a NUL. */
void text_hex(const unsigned char *bytes, size_t len, char *out);

/* The number of edits between a and b, at most 16 (more counts as 16, and so does
 * a text of 64 bytes or more); for "did you mean". */
unsigned text_distance(const char *a, const char *b);

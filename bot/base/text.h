/*
 * text.h - Unicode text from outside made safe for a room, a log or a URI.
 *
 * "Neutral" text has no C0/C1 control characters, no bidirectional controls (U+061C, U+200E,
 * U+200F, U+202A-U+202E, U+2066-U+2069), no line or paragraph separators, no tag characters
 * (U+E0000-U+E007F) and no invalid UTF-8: each such piece becomes U+FFFD. Newlines are kept or
 * replaced by " ⏎ ", depending on the mode; tabs become a space. Limits are in code points of the
 * input; a cut text has that many and then "…".
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

/* The length of the text without an incomplete sequence at its end, for text that was cut by bytes.
 * Reads only the end. */
size_t text_whole(const char *text, size_t len);

/* Adds neutral text. A line end of two characters (CR LF) is one newline. */
void text_add_plain(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode);

/* Adds neutral text with & < > " ' escaped, newlines as <br>. */
void text_add_html(struct buf *buf, const char *text, size_t max_points, enum text_newlines mode);

/* Adds neutral text folded to one line. A longer text is shortened to max_points: its first
 * head_points, "…" and its end. */
void text_add_ends(struct buf *buf, const char *text, size_t head_points, size_t max_points);

/* Adds text percent-encoded, except for RFC 3986 unreserved characters. */
void text_add_uri(struct buf *buf, const char *text);

/* The number of bytes of the text as the inside of a JSON string, escapes included. */
size_t text_json_size(const char *text);

/* Bytes as hex digits, two each, and a NUL. */
void text_hex(const unsigned char *bytes, size_t len, char *out);

/* The edit distance between a and b, at most 16 (also for a text of 64 bytes or more); for "did you
 * mean". */
unsigned text_distance(const char *a, const char *b);

/* Whether the text is the word in any case, with blanks, quotes or other signs around it. */
bool text_is_word(const char *text, const char *word);

/*
 * buf.h - a growing byte buffer with a stated maximum.
 *
 * The content is always terminated by a NUL that len does not count. Adding more than max bytes
 * sets `overflow`; that call and all later ones add nothing, so callers need to check only once, at
 * the end. buf_finish() also takes a zeroed or finished buffer.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data;    /* owned; NULL until something was added */
	size_t len;    /* bytes in use */
	size_t cap;    /* bytes allocated */
	size_t max;    /* largest value of len */
	bool overflow; /* something did not fit */
};

void buf_init(struct buf *buf, size_t max);
void buf_finish(struct buf *buf);
void buf_reset(struct buf *buf); /* empties it, keeps the memory */

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_add_str(struct buf *buf, const char *text);
void buf_add_char(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Removes line ends at the end of the content. */
void buf_trim_lines(struct buf *buf);

/* Removes the first len bytes. */
void buf_drop(struct buf *buf, size_t len);

/* The content, "" when empty; valid until the next change. */
const char *buf_str(const struct buf *buf);

/* Moves the content out as a string the caller frees; the buffer is empty afterwards. */
char *buf_take(struct buf *buf);
